//! Where time enters. Nothing else asks the operating system what time it is for a decision.
//!
//! Owns wall-clock seconds; durations of requests are measured with `std::time::Instant` by those who report them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the Unix epoch, the unit of every `_at` field in this crate.
pub type UnixSeconds = i64;

/// The wall clock, or one that a test moves by hand.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands still at `now` until [`Clock::set`] or [`Clock::advance`]; clones share it.
    pub fn fixed(now: UnixSeconds) -> Self {
        Self(Some(Arc::new(AtomicI64::new(now))))
    }

    pub fn now(&self) -> UnixSeconds {
        match &self.0 {
            Some(fixed) => fixed.load(Ordering::Relaxed),
            None => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as UnixSeconds),
        }
    }

    /// Moves a fixed clock to `now`; does nothing to the system's clock.
    pub fn set(&self, now: UnixSeconds) {
        if let Some(fixed) = &self.0 {
            fixed.store(now, Ordering::Relaxed);
        }
    }

    /// Moves a fixed clock by `seconds`; does nothing to the system's clock.
    pub fn advance(&self, seconds: i64) {
        if let Some(fixed) = &self.0 {
            fixed.fetch_add(seconds, Ordering::Relaxed);
        }
    }
}
