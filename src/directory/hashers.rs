//! The threads that hash passwords, which give way to those that serve (rule L10).
//!
//! Owns the threads, their priority and their memory. What is computed on them is in `passwords`.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use argon2::Block;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::passwords::PasswordError;

/// How many may be waiting or at work; at 50 ms each the last of them waits two seconds.
const PLACES: usize = 50;

/// A thread without work gives its memory back after so long.
const MEMORY_IS_KEPT: Duration = Duration::from_secs(10);

/// What a thread computes in; it grows to what the dearest hash needed.
pub(super) type Memory = Vec<Block>;

type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// Hashing threads and the queue before them. Clones share both.
#[derive(Clone)]
pub(super) struct Hashers {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    /// Threads that have no work. They are started when they are first needed.
    idle: Arc<Mutex<Vec<Sender<Job>>>>,
}

/// The right to hash once. It lives until the work is done, even if nobody waits for it any more.
pub(super) struct Turn {
    _place: OwnedSemaphorePermit,
    _turn: OwnedSemaphorePermit,
    hashers: Hashers,
}

impl Hashers {
    pub(super) fn new() -> Self {
        // L10: two, but never all cores.
        let turns = available_parallelism().map_or(1, |cores| (cores.get() / 2).clamp(1, 2));
        Self { turns: Arc::new(Semaphore::new(turns)), places: Arc::new(Semaphore::new(PLACES)), idle: Arc::default() }
    }

    /// Waits for a turn, if there is a place to wait in.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] when there is none.
    pub(super) async fn turn(&self) -> Result<Turn, PasswordError> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| PasswordError::Busy)?;
        Ok(Turn { _place: place, _turn: turn, hashers: self.clone() })
    }

    /// There are never more threads than turns: whoever asks has one.
    fn thread(&self) -> std::io::Result<Sender<Job>> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(thread) = idle {
            return Ok(thread);
        }
        let (jobs, inbox) = channel();
        std::thread::Builder::new().name("password".to_owned()).spawn(move || work_off(&inbox))?;
        Ok(jobs)
    }

    fn is_free_again(&self, thread: Sender<Job>) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    }
}

impl Turn {
    /// Runs `work` where nobody else waits for it.
    ///
    /// # Errors
    /// What `work` says; [`PasswordError::Library`] when there is no thread or it did not come back.
    pub(super) async fn take<T: Send + 'static>(
        self,
        work: impl FnOnce(&mut Memory) -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let lost = || PasswordError::Library("a hashing thread ended early".to_owned());
        let thread = self.hashers.thread().map_err(|error| PasswordError::Library(error.to_string()))?;
        let (done, result) = tokio::sync::oneshot::channel();
        let returned = thread.clone();
        let job: Job = Box::new(move |memory| {
            let outcome = work(memory);
            // Before the turn ends, so that whoever has the next one finds this thread.
            self.hashers.is_free_again(returned);
            drop(self);
            // Whoever asked may have gone.
            let _ = done.send(outcome);
        });
        thread.send(job).map_err(|_| lost())?;
        result.await.map_err(|_| lost())?
    }
}

fn work_off(inbox: &Receiver<Job>) {
    give_way();
    let mut memory = Memory::new();
    loop {
        // The memory is kept between jobs: getting and returning it each time makes the whole process wait for the
        // kernel, and longest where this thread does not get to run.
        let job = match inbox.recv_timeout(MEMORY_IS_KEPT) {
            Err(RecvTimeoutError::Timeout) => {
                memory = Memory::new();
                inbox.recv().ok()
            }
            received => received.ok(),
        };
        let Some(job) = job else { return };
        job(&mut memory);
    }
}

/// Lowers the priority of this thread for good, so that a proxied request of 30 us does not wait for a hash of 30 ms.
/// Not to `SCHED_IDLE`: that delayed requests more, and where the machine is busy nobody could log in.
fn give_way() {
    #[cfg(target_os = "linux")]
    {
        // Linux takes a thread's id here and means that thread alone. Where it is forbidden, hashing is only less polite.
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 19);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // L10
    #[tokio::test]
    async fn who_finds_no_place_to_wait_is_told_so() {
        let hashers = Hashers::new();
        let held = hashers.places.clone().acquire_many_owned(50).await.unwrap();
        assert!(matches!(hashers.turn().await, Err(PasswordError::Busy)));
        drop(held);
        assert!(hashers.turn().await.is_ok());
    }

    // L10
    #[tokio::test]
    async fn there_are_no_more_threads_than_turns() {
        let hashers = Hashers::new();
        let most = hashers.turns.available_permits();
        let names = || async {
            let turn = hashers.turn().await.unwrap();
            turn.take(|_| Ok(std::thread::current().id())).await.unwrap()
        };
        let mut seen = std::collections::HashSet::new();
        for _ in 0..20 {
            let (one, other, third) = tokio::join!(names(), names(), names());
            seen.extend([one, other, third]);
        }
        assert!(seen.len() <= most, "{seen:?}");
        assert_eq!(hashers.idle.lock().unwrap().len(), seen.len());
    }

    // Work that panics takes its thread with it, and nobody waits for it
    #[tokio::test]
    async fn a_lost_thread_is_an_error_and_the_next_turn_has_another() {
        let hashers = Hashers::new();
        let lost = hashers.turn().await.unwrap().take(|_| -> Result<(), _> { panic!("on purpose") }).await;
        assert!(matches!(lost, Err(PasswordError::Library(_))));
        assert_eq!(hashers.turn().await.unwrap().take(|_| Ok(1)).await.unwrap(), 1);
    }
}
