//! What is refused because the process is short of something: processors, descriptors or memory (rule N8).
//!
//! Owns the state that every request looks at, which is two loads of an atomic. How much has to be refused is found out by
//! `control` and `pressure`, beside the requests.

mod control;
mod pressure;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus::{Gauge, IntCounterVec};
use tokio::sync::watch;
use tokio::time::sleep;

use super::fault::Fault;
use super::respond::Problem;
use control::{Control, INTERVAL, SAMPLES};
pub use pressure::Capacity;
use pressure::{MEMORY, Strain, give_back};

/// How long a connection whose request was refused waits for its next: whoever asks again at once takes no time from those
/// who are served.
pub const PAUSE: Duration = Duration::from_millis(100);

/// Between two looks at how long the runtime lets what could go on wait.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
const PRESSURE_INTERVAL: Duration = Duration::from_millis(250);

/// Without room, one connection is accepted this often.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The golden ratio of 32 bits: its multiples spread evenly, so that one request in three is every third.
const TURN: u32 = 0x9E37_79B9;

/// Seconds.
const RETRY_AFTER: u32 = 1;

/// Whether there is room for more.
pub struct Overload {
    /// Of requests that are refused, in units of 2^-32.
    share: AtomicU32,
    turn: AtomicU32,
    /// Requests since the last look.
    arrived: AtomicU32,
    strain: AtomicU8,
    /// A new connection with this descriptor or a higher one takes from the reserve.
    reserve_from: AtomicU64,
    shed: IntCounterVec,
    delay: Gauge,
}

impl Overload {
    /// Nothing is refused until [`Overload::watch`] finds a reason.
    pub fn new(shed: IntCounterVec, delay: Gauge) -> Arc<Self> {
        Arc::new(Self {
            share: AtomicU32::new(0),
            turn: AtomicU32::new(0),
            arrived: AtomicU32::new(0),
            strain: AtomicU8::new(0),
            reserve_from: AtomicU64::new(u64::MAX),
            shed,
            delay,
        })
    }

    /// Whether there are processors for one more request.
    ///
    /// # Errors
    /// The 503.
    pub fn admit(&self) -> Result<(), Problem> {
        self.arrived.fetch_add(1, Ordering::Relaxed);
        let share = self.share.load(Ordering::Relaxed);
        if share > 0 && self.turn.fetch_add(TURN, Ordering::Relaxed) < share {
            self.shed.with_label_values(&["request", Fault::Overloaded.as_str()]).inc();
            return Err(Problem { retry_after: Some(RETRY_AFTER), ..Fault::Overloaded.into() });
        }
        Ok(())
    }

    /// Whether there is room for a request that needs an upstream.
    ///
    /// # Errors
    /// The 503.
    pub fn admit_proxied(&self) -> Result<(), Problem> {
        self.admit()?;
        match self.strain() {
            Strain::None | Strain::High => Ok(()),
            Strain::Severe | Strain::Full => {
                self.shed.with_label_values(&["request", Fault::ResourcesShort.as_str()]).inc();
                Err(Problem { retry_after: Some(RETRY_AFTER), ..Fault::ResourcesShort.into() })
            }
        }
    }

    /// Whether `problem` is one that whoever got it should not answer with the same request at once.
    pub fn is_pausing(problem: &Problem) -> bool {
        [Fault::Overloaded, Fault::ResourcesShort].map(Fault::as_str).contains(&problem.code)
    }

    /// Whether connections end with their answer, so that those that are used seldom give back what they hold.
    pub fn ends_connections(&self) -> bool {
        self.strain() != Strain::None
    }

    /// Waits until connections may be accepted, but not for ever: with nobody there, nothing would be freed, and the allocator
    /// gives memory back only where something is done. Who is let in then is told 503.
    pub async fn room(&self) {
        let began = Instant::now();
        while self.strain() == Strain::Full && began.elapsed() < LONGEST_PAUSE {
            sleep(PRESSURE_INTERVAL).await;
        }
    }

    /// Whether a new connection, by its descriptor, leaves enough for upstreams and the store. The system gives out the
    /// lowest that is free, so the number says how many are in use at this moment.
    pub fn has_descriptors(&self, descriptor: u64) -> bool {
        let enough = descriptor < self.reserve_from.load(Ordering::Relaxed);
        if !enough {
            self.shed.with_label_values(&["connection", "descriptors"]).inc();
        }
        enough
    }

    fn strain(&self) -> Strain {
        Strain::of_level(self.strain.load(Ordering::Relaxed))
    }

    /// Looks at processors, memory and descriptors until `shutdown` says so. More than `target` is too long to wait for a
    /// processor.
    pub fn watch(self: &Arc<Self>, capacity: Capacity, target: Duration, shutdown: &watch::Receiver<bool>) {
        self.reserve_from.store(capacity.reserve_from(), Ordering::Relaxed);
        let (overload, mut stopping) = (self.clone(), shutdown.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = overload.follow_delay(target) => {}
                _ = stopping.wait_for(|&stopping| stopping) => overload.share.store(0, Ordering::Relaxed),
            }
        });
        let (overload, mut stopping) = (self.clone(), shutdown.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = overload.follow_pressure(capacity) => {}
                _ = stopping.wait_for(|&stopping| stopping) => {}
            }
        });
    }

    async fn follow_delay(&self, target: Duration) {
        let mut control = Control::new(target);
        loop {
            let began = Instant::now();
            let mut least = delay().await;
            for _ in 1..SAMPLES {
                if began.elapsed() >= INTERVAL {
                    break;
                }
                least = least.min(delay().await);
            }
            let share = control.next(began.elapsed(), least, self.arrived.swap(0, Ordering::Relaxed));
            self.share.store(share, Ordering::Relaxed);
            self.delay.set(least.as_secs_f64());
        }
    }

    async fn follow_pressure(&self, capacity: Capacity) {
        let mut before = Strain::None;
        loop {
            let (strain, what) = capacity.strain();
            if strain != before {
                tracing::warn!(
                    resource = what,
                    strain = strain.as_str(),
                    "the process is short of something, or no more"
                );
                before = strain;
            }
            self.strain.store(strain.level(), Ordering::Relaxed);
            if strain != Strain::None && what == MEMORY {
                // One for each thread, as far as they are idle.
                for _ in 0..tokio::runtime::Handle::current().metrics().num_workers() {
                    tokio::spawn(async { give_back() });
                }
            }
            sleep(PRESSURE_INTERVAL).await;
        }
    }
}

/// How long the runtime lets a task wait that could go on: for its timer to be looked at, and then behind all others.
async fn delay() -> Duration {
    let began = Instant::now();
    sleep(LOOK_INTERVAL).await;
    tokio::task::yield_now().await;
    began.elapsed().saturating_sub(LOOK_INTERVAL)
}

#[cfg(test)]
mod tests {
    use prometheus::Opts;

    use super::*;

    fn overload() -> Arc<Overload> {
        let shed = IntCounterVec::new(Opts::new("a", "b"), &["what", "reason"]).unwrap();
        Overload::new(shed, Gauge::new("c", "d").unwrap())
    }

    // N8
    #[test]
    fn a_third_is_every_third() {
        let overload = overload();
        assert!((0..100).all(|_| overload.admit().is_ok()));
        overload.share.store(u32::MAX / 3, Ordering::Relaxed);
        let outcomes: Vec<bool> = (0..3000).map(|_| overload.admit().is_err()).collect();
        let refused = outcomes.iter().filter(|refused| **refused).count();
        assert!((990..=1010).contains(&refused), "{refused}");
        assert!(outcomes.windows(2).all(|two| two != [true, true]), "nobody is refused twice in a row");
    }

    // N8: at 90 % connections end, at 95 % requests are refused, at 98 % nobody is let in
    #[tokio::test]
    async fn strain_shows_in_steps() {
        let overload = overload();
        for (strain, ends, admits, accepts) in [
            (Strain::None, false, true, true),
            (Strain::High, true, true, true),
            (Strain::Severe, true, false, true),
            (Strain::Full, true, false, false),
        ] {
            overload.strain.store(strain.level(), Ordering::Relaxed);
            assert_eq!(overload.ends_connections(), ends, "{strain:?}");
            assert_eq!(overload.admit_proxied().is_ok(), admits, "{strain:?}");
            assert!(overload.admit().is_ok(), "{strain:?}: our own paths need no upstream");
            let room = tokio::time::timeout(Duration::from_millis(10), overload.room()).await;
            assert_eq!(room.is_ok(), accepts, "{strain:?}");
        }
    }
}
