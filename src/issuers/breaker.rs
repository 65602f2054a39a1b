//! Spares a server that does not answer, and those who would wait for it: after a few failures in a row one request a second
//! finds out whether it is back.
//!
//! Owns the counting. What a failure is, is for those who ask to say.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures in a row.
const MOST_FAILURES: u32 = 5;
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: AtomicU32,
    probed_at: Mutex<Option<Instant>>,
}

impl Breaker {
    /// Whether the server may be asked now.
    pub(super) fn admits(&self) -> bool {
        if self.failures.load(Ordering::Relaxed) < MOST_FAILURES {
            return true;
        }
        let mut probed_at = self.probed_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = probed_at.is_none_or(|at| at.elapsed() >= PROBE_INTERVAL);
        if is_due {
            *probed_at = Some(Instant::now());
        }
        is_due
    }

    /// Whether it is open, and how many failures there were in a row.
    pub(super) fn state(&self) -> (bool, u32) {
        let failures = self.failures.load(Ordering::Relaxed);
        (failures >= MOST_FAILURES, failures)
    }

    /// Whether that closed it.
    pub(super) fn succeeded(&self) -> bool {
        self.failures.swap(0, Ordering::Relaxed) >= MOST_FAILURES
    }

    /// Whether that opened it.
    pub(super) fn failed(&self) -> bool {
        // It does not overflow: an open breaker admits one a second.
        let opened = self.failures.fetch_add(1, Ordering::Relaxed) + 1 == MOST_FAILURES;
        if opened {
            *self.probed_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
        opened
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // T28
    #[test]
    fn five_failures_open_it_and_one_success_closes_it() {
        let breaker = Breaker::default();
        for _ in 0..4 {
            assert!(breaker.admits() && !breaker.failed());
        }
        // Not in a row.
        assert!(!breaker.succeeded());
        for number in 1..=5 {
            assert!(breaker.admits());
            assert_eq!(breaker.failed(), number == 5);
        }
        assert!(!breaker.admits());
        assert_eq!(breaker.state(), (true, 5));
        *breaker.probed_at.lock().unwrap() = Instant::now().checked_sub(PROBE_INTERVAL);
        assert!(breaker.admits(), "one finds out");
        assert!(!breaker.admits(), "and one only");
        assert!(breaker.succeeded());
        assert_eq!(breaker.state(), (false, 0));
        assert!(breaker.admits() && breaker.admits());
    }
}
