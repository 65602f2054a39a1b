//! The threads that hash passwords, which give way to those that serve (rule L10).
//!
//! Owns the threads, their priority and their memory. What is computed on them is in `passwords`.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::available_parallelism;
use std::time::Duration;

use argon2::Block;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

use super::passwords::PasswordError;

/// How many may be waiting or at work; at 50 ms each the last of them waits two seconds.
const PLACES: usize = 50;

/// Work that a gentle thread has not done by then is begun on a firm one too: something else needs the processors, all of them
/// and for long. Nobody could log in there if only gentle threads hashed.
const PATIENCE: Duration = Duration::from_millis(500);

/// A thread without work gives its memory back after so long.
const MEMORY_IS_KEPT: Duration = Duration::from_secs(10);

/// What a thread computes in; it grows to what the dearest hash needed.
pub(super) type Memory = Vec<Block>;

type Job = Box<dyn FnOnce(&mut Memory) -> Delivery + Send>;

/// What is to be done with the outcome of a job. Not by the thread that has it: it might not get to run for seconds, with a
/// lock that those who serve are waiting for.
type Delivery = Box<dyn FnOnce() + Send>;

/// Passwords that are being hashed, and those that wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordQueue {
    pub running: usize,
    pub waiting: usize,
    /// How many there may be of both; more are refused.
    pub places: usize,
}

/// Hashing threads and the queue before them. Clones share both.
#[derive(Clone)]
pub(super) struct Hashers {
    most_turns: usize,
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    gentle: Arc<Crew>,
    firm: Arc<Crew>,
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
        Self {
            most_turns: turns,
            turns: Arc::new(Semaphore::new(turns)),
            places: Arc::new(Semaphore::new(PLACES)),
            gentle: Arc::new(Crew::new(turns, Priority::Gentle)),
            firm: Arc::new(Crew::new(turns, Priority::Firm)),
        }
    }

    /// How long the queue is now.
    pub(super) fn queue(&self) -> PasswordQueue {
        let running = self.most_turns.saturating_sub(self.turns.available_permits());
        let taken = PLACES.saturating_sub(self.places.available_permits());
        PasswordQueue { running, waiting: taken.saturating_sub(running), places: PLACES }
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
}

impl Turn {
    /// Runs `work` where nobody else waits for it: once, or where that takes too long, twice at the same time.
    ///
    /// # Errors
    /// What `work` says; [`PasswordError::Library`] when there is no thread or none came back.
    pub(super) async fn take<T: Send + 'static>(
        self,
        work: impl Fn(&mut Memory) -> Result<T, PasswordError> + Send + Sync + 'static,
    ) -> Result<T, PasswordError> {
        let lost = || PasswordError::Library("a hashing thread ended early".to_owned());
        let Hashers { gentle, firm, .. } = self.hashers.clone();
        let (done, mut outcomes) = mpsc::channel(2);
        let task = Arc::new(Task { work, turn: Mutex::new(Some(self)), done });
        if let Some(seat) = gentle.free_seat() {
            seat.take(task.clone())?;
            if let Ok(outcome) = timeout(PATIENCE, outcomes.recv()).await {
                return outcome.ok_or_else(lost)?;
            }
        }
        tokio::select! {
            outcome = outcomes.recv() => return outcome.ok_or_else(lost)?,
            seat = firm.seat() => seat?.take(task)?,
        }
        outcomes.recv().await.ok_or_else(lost)?
    }
}

/// Work for one thread, or for two of which the first to be ready counts.
struct Task<T, W> {
    work: W,
    /// Ends with the first outcome.
    turn: Mutex<Option<Turn>>,
    done: mpsc::Sender<Result<T, PasswordError>>,
}

#[derive(Clone, Copy)]
enum Priority {
    /// Runs where nobody else would.
    Gentle,
    /// Gets a little of processors that are busy.
    Firm,
}

/// Threads of one priority, as many as there are turns.
struct Crew {
    priority: Priority,
    seats: Arc<Semaphore>,
    /// Threads that have no work. They are started when they are first needed.
    resting: Arc<Mutex<Vec<Sender<Job>>>>,
}

/// The right to use a thread of the crew.
struct Seat {
    permit: OwnedSemaphorePermit,
    priority: Priority,
    resting: Arc<Mutex<Vec<Sender<Job>>>>,
}

impl Crew {
    fn new(threads: usize, priority: Priority) -> Self {
        Self { priority, seats: Arc::new(Semaphore::new(threads)), resting: Arc::default() }
    }

    fn free_seat(&self) -> Option<Seat> {
        self.seats.clone().try_acquire_owned().ok().map(|permit| self.seat_with(permit))
    }

    async fn seat(&self) -> Result<Seat, PasswordError> {
        let permit = self.seats.clone().acquire_owned().await.map_err(|_| PasswordError::Busy)?;
        Ok(self.seat_with(permit))
    }

    fn seat_with(&self, permit: OwnedSemaphorePermit) -> Seat {
        Seat { permit, priority: self.priority, resting: self.resting.clone() }
    }
}

impl Seat {
    fn take<T: Send + 'static>(
        self,
        task: Arc<Task<T, impl Fn(&mut Memory) -> Result<T, PasswordError> + Send + Sync + 'static>>,
    ) -> Result<(), PasswordError> {
        let thread = self.thread().map_err(|error| PasswordError::Library(error.to_string()))?;
        let returned = thread.clone();
        let job: Job = Box::new(move |memory| {
            let outcome = (task.work)(memory);
            Box::new(move || {
                // Before the seat and the turn are free, so that whoever has them next finds this thread.
                lock(&self.resting).push(returned);
                drop(self.permit);
                drop(lock(&task.turn).take());
                // Whoever asked may have gone, or have the other thread's outcome.
                let _ = task.done.try_send(outcome);
            })
        });
        thread.send(job).map_err(|_| PasswordError::Library("a hashing thread ended early".to_owned()))
    }

    fn thread(&self) -> std::io::Result<Sender<Job>> {
        if let Some(thread) = lock(&self.resting).pop() {
            return Ok(thread);
        }
        let (jobs, inbox) = channel();
        let (priority, deliveries) = (self.priority, courier()?);
        std::thread::Builder::new().name("password".to_owned()).spawn(move || {
            give_way(priority);
            work_off(&inbox, &deliveries);
        })?;
        Ok(jobs)
    }
}

/// Where deliveries are carried out, for the whole process.
fn courier() -> std::io::Result<Sender<Delivery>> {
    static COURIER: OnceLock<Sender<Delivery>> = OnceLock::new();
    if let Some(courier) = COURIER.get() {
        return Ok(courier.clone());
    }
    let (deliveries, inbox) = channel::<Delivery>();
    std::thread::Builder::new()
        .name("password-result".to_owned())
        .spawn(move || inbox.iter().for_each(|deliver| deliver()))?;
    // Of two that are started at once, the second has nothing to do and ends.
    Ok(COURIER.get_or_init(|| deliveries).clone())
}

fn work_off(inbox: &Receiver<Job>, deliveries: &Sender<Delivery>) {
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
        if deliveries.send(job(&mut memory)).is_err() {
            return;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lowers the priority of this thread for good, so that a proxied request of 30 us does not wait for a hash of 30 ms: a thread
/// that wakes up takes the processor from a gentle one at once, and from one that is merely nice after its slice of a
/// millisecond or more. Where it is forbidden, hashing is only less polite.
fn give_way(priority: Priority) {
    #[cfg(target_os = "linux")]
    {
        use preempt_rt::sched::{Pid, Scheduler, SchedulerParams, set_scheduler};
        // Linux takes a thread's id here and means that thread alone.
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 19);
        if let Priority::Gentle = priority {
            let _ = set_scheduler(Pid::current_thread(), Scheduler::SCHED_IDLE, SchedulerParams { priority: 0 });
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = priority;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    // L10
    #[tokio::test]
    async fn who_finds_no_place_to_wait_is_told_so() {
        let hashers = Hashers::new();
        let held = hashers.places.clone().acquire_many_owned(50).await.unwrap();
        assert!(matches!(hashers.turn().await, Err(PasswordError::Busy)));
        assert_eq!(hashers.queue(), PasswordQueue { running: 0, waiting: 50, places: 50 });
        drop(held);
        let turn = hashers.turn().await.unwrap();
        assert_eq!(hashers.queue(), PasswordQueue { running: 1, waiting: 0, places: 50 });
        drop(turn);
        assert_eq!(hashers.queue(), PasswordQueue { running: 0, waiting: 0, places: 50 });
    }

    // L10
    #[tokio::test]
    async fn there_are_no_more_threads_than_turns() {
        let hashers = Hashers::new();
        let most = 2 * hashers.turns.available_permits();
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
    }

    // Work that panics takes its thread with it, and nobody waits for it
    #[tokio::test]
    async fn a_lost_thread_is_an_error_and_the_next_turn_has_another() {
        let hashers = Hashers::new();
        let lost = hashers.turn().await.unwrap().take(|_| -> Result<(), _> { panic!("on purpose") }).await;
        assert!(matches!(lost, Err(PasswordError::Library(_))));
        assert_eq!(hashers.turn().await.unwrap().take(|_| Ok(1)).await.unwrap(), 1);
    }

    /// Work that says how often it was begun before, and the first time only once there is something in the channel, as on a
    /// thread that gets no processor for long.
    fn stalled() -> (Sender<()>, impl Fn(&mut Memory) -> Result<usize, PasswordError>) {
        let (go_on, stall) = channel();
        let (stall, begun) = (Mutex::new(stall), AtomicUsize::new(0));
        let work = move |_: &mut Memory| {
            let before = begun.fetch_add(1, Ordering::Relaxed);
            if before == 0 {
                lock(&stall).recv().unwrap();
            }
            Ok(before)
        };
        (go_on, work)
    }

    // L10: whoever logs in on a machine that is busy waits a little longer, not until it is busy no more
    #[tokio::test]
    async fn work_that_takes_too_long_is_begun_again_on_another_thread() {
        let hashers = Hashers::new();
        let turns = hashers.turns.available_permits();
        let (go_on, work) = stalled();
        assert_eq!(hashers.turn().await.unwrap().take(work).await.unwrap(), 1);
        assert_eq!(hashers.turns.available_permits(), turns, "the turn is over");
        assert_eq!(hashers.gentle.seats.available_permits(), turns - 1, "the first thread is at it still");
        // Its outcome comes when everybody has gone, and it is free again.
        go_on.send(()).unwrap();
        let _seats = hashers.gentle.seats.acquire_many(turns as u32).await.unwrap();
        assert_eq!(hashers.turns.available_permits(), turns);
    }

    // L10: whoever has gone keeps the turn all the same until the work is done
    #[tokio::test]
    async fn leaving_early_gives_nobody_a_turn() {
        let hashers = Hashers::new();
        let turns = hashers.turns.available_permits();
        let (go_on, work) = stalled();
        assert!(timeout(Duration::ZERO, hashers.turn().await.unwrap().take(work)).await.is_err());
        assert_eq!(hashers.turns.available_permits(), turns - 1);
        go_on.send(()).unwrap();
        let _all = hashers.turns.acquire_many(turns as u32).await.unwrap();
    }

    // L10
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn hashing_runs_where_nobody_else_would() {
        use preempt_rt::sched::{Pid, Scheduler, get_scheduler};
        let scheduler = |_: &mut Memory| Ok(get_scheduler(Pid::current_thread()).unwrap());
        let hashers = Hashers::new();
        assert_eq!(hashers.turn().await.unwrap().take(scheduler).await.unwrap(), Scheduler::SCHED_IDLE);
        let turns = hashers.gentle.seats.available_permits() as u32;
        let _others = hashers.gentle.seats.clone().acquire_many_owned(turns).await.unwrap();
        assert_eq!(hashers.turn().await.unwrap().take(scheduler).await.unwrap(), Scheduler::SCHED_NORMAL);
    }
}
