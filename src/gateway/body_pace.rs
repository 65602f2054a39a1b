//! How slowly a body may arrive (rules N1, N3; slow bodies are what a slow attack is made of).
//!
//! Owns the measure. That nothing comes at all is noticed by a timeout of the connection.

use std::time::{Duration, Instant};

/// Bounds on bodies that arrive in pieces.
#[derive(Clone, Copy, Debug)]
pub struct PaceLimits {
    /// The longest pause, and what the pace is measured over.
    pub pause: Duration,
    /// Bytes per second.
    pub rate: u64,
}

/// The body of one request.
#[derive(Clone, Copy, Debug)]
pub struct BodyPace {
    began: Instant,
    bytes: u64,
}

impl BodyPace {
    pub fn new(now: Instant) -> Self {
        Self { began: now, bytes: 0 }
    }

    /// Takes up a piece; says whether the body comes so slowly that it is not waited for.
    pub fn is_too_slow(&mut self, bytes: usize, now: Instant, limits: &PaceLimits) -> bool {
        self.bytes += bytes as u64;
        let elapsed = now.saturating_duration_since(self.began);
        if elapsed < limits.pause {
            return false;
        }
        let least = u128::from(limits.rate) * elapsed.as_millis() / 1000;
        let too_slow = u128::from(self.bytes) < least;
        *self = Self::new(now);
        too_slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PaceLimits = PaceLimits { pause: Duration::from_secs(10), rate: 100 };

    // T50
    #[test]
    fn a_body_that_drips_is_given_up_after_the_pause() {
        let start = Instant::now();
        let mut pace = BodyPace::new(start);
        let drips: Vec<bool> =
            (1..=3).map(|n| pace.is_too_slow(1, start + Duration::from_secs(4 * n), &LIMITS)).collect();
        assert_eq!(drips, [false, false, true]);
    }

    #[test]
    fn a_slow_line_is_fast_enough() {
        let start = Instant::now();
        let mut pace = BodyPace::new(start);
        assert!((1..=1000).all(|n| !pace.is_too_slow(150, start + Duration::from_secs(n), &LIMITS)));
        // What came fast before does not count for ever.
        let late = start + Duration::from_secs(1011);
        assert!(pace.is_too_slow(1, late, &LIMITS) || pace.is_too_slow(1, late + Duration::from_secs(10), &LIMITS));
    }
}
