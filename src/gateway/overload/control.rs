//! How many requests to refuse so that those that are served do not wait for a processor.
//!
//! Owns the controller, which is pure: delays in, a share out. It follows CoDel (RFC 8289) in what counts as a queue, the
//! least delay of an interval, since bursts come and go; and PIE (RFC 8033) in how a share is found.

use std::time::Duration;

/// Delays that are looked at for one decision, as far as they fit into the interval.
pub(super) const SAMPLES: usize = 5;
pub(super) const INTERVAL: Duration = Duration::from_millis(100);

/// A queue that is gone by itself within this time was a burst.
const PATIENCE: Duration = Duration::from_secs(1);

/// With fewer requests in an interval than this it is not they who keep the processors busy.
const LEAST_REQUESTS: u32 = 5;

/// Somebody is always let through, so that it shows when there is room again.
const MOST: f64 = 0.95;

/// Below this, nothing is refused.
const LEAST: f64 = 0.005;

/// Finds the share of requests that is too much.
pub(super) struct Control {
    target: f64,
    share: f64,
    previous: f64,
    /// For how long everything has waited too long.
    queued_for: Duration,
}

impl Control {
    /// Requests may wait `target` each time they could go on.
    pub(super) fn new(target: Duration) -> Self {
        Self { target: target.as_secs_f64(), share: 0.0, previous: 0.0, queued_for: Duration::ZERO }
    }

    /// The share to refuse from now on, in units of 2^-32, after an `interval` in which nothing waited for less than
    /// `delay` and `arrived` requests came.
    pub(super) fn next(&mut self, interval: Duration, delay: Duration, arrived: u32) -> u32 {
        let delay = delay.as_secs_f64() / self.target;
        let trend = (delay - self.previous).clamp(-2.0, 2.0);
        self.previous = delay;
        let queues = delay > 1.0 && arrived >= LEAST_REQUESTS;
        self.queued_for = if queues { self.queued_for.saturating_add(interval) } else { Duration::ZERO };
        if delay <= 0.5 || arrived < LEAST_REQUESTS {
            self.share *= 0.5;
        } else if self.share > 0.0 || self.queued_for >= PATIENCE {
            // Small steps where little is refused, larger ones where it is much anyway.
            let error = (delay - 1.0).clamp(-1.0, 8.0);
            self.share += (0.05 + 0.1 * self.share) * (error + trend);
        }
        self.share = if self.share < LEAST { 0.0 } else { self.share.min(MOST) };
        units(self.share)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 0.95 of what fits")]
fn units(share: f64) -> u32 {
    (share * f64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that can do `capacity` requests a second, offered `offered` for some seconds: how many it served, its
    /// longest delay in the second half, and the share at the end.
    fn run(control: &mut Control, queue: &mut f64, capacity: f64, offered: f64, seconds: f64) -> (f64, f64, f64) {
        let (mut served, mut longest, mut at, mut share) = (0.0, 0.0_f64, 0.0, 0.0);
        while at < seconds {
            let delay = *queue / capacity;
            let interval = (0.05 + 5.0 * delay).min(INTERVAL.as_secs_f64()).max(0.01 + delay);
            let admitted = offered * interval * (1.0 - share);
            let done = (capacity * interval).min(*queue + admitted);
            *queue = (*queue + admitted - done).max(0.0);
            served += done;
            at += interval;
            if at > seconds / 2.0 {
                longest = longest.max(delay);
            }
            let arrived = (offered * interval) as u32;
            let delay = Duration::from_secs_f64(*queue / capacity);
            share = f64::from(control.next(Duration::from_secs_f64(interval), delay, arrived)) / f64::from(u32::MAX);
        }
        (served / at, longest, share)
    }

    // T60: three times what can be done
    #[test]
    fn what_can_be_done_is_done_and_nobody_waits_long() {
        for capacity in [500.0, 20_000.0] {
            let mut control = Control::new(Duration::from_millis(20));
            let mut queue = 0.0;
            let (served, longest, share) = run(&mut control, &mut queue, capacity, 3.0 * capacity, 30.0);
            assert!(served >= 0.9 * capacity, "{served} of {capacity}");
            assert!(longest < 0.3, "{longest}");
            assert!((0.4..0.9).contains(&share), "two of three are too much: {share}");
            let (served, _, share) = run(&mut control, &mut queue, capacity, 0.5 * capacity, 5.0);
            assert!(share == 0.0 && served >= 0.45 * capacity, "recovered within five seconds: {share}");
        }
    }

    #[test]
    fn what_can_be_done_is_not_refused() {
        let mut control = Control::new(Duration::from_millis(20));
        let (_, _, share) = run(&mut control, &mut 0.0, 10_000.0, 9_000.0, 30.0);
        assert_eq!(share, 0.0);
        // A machine that is busy with something else, and a burst.
        for _ in 0..100 {
            assert_eq!(control.next(INTERVAL, Duration::from_secs(1), 4), 0);
        }
        for _ in 0..9 {
            assert_eq!(control.next(INTERVAL, Duration::from_secs(1), 1000), 0);
        }
        assert_eq!(control.next(INTERVAL, Duration::from_millis(5), 1000), 0);
    }

    #[test]
    fn somebody_is_always_let_through() {
        let mut control = Control::new(Duration::from_millis(20));
        let shares: Vec<u32> = (0..100).map(|_| control.next(INTERVAL, Duration::from_secs(5), 1000)).collect();
        assert_eq!(shares.last(), Some(&units(MOST)));
    }
}
