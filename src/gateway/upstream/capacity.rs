//! How many requests an upstream has at a time, and how many wait for a place.
//!
//! Owns the counting, which takes no lock as long as there is room. What a refused client is told is chosen in `respond`.

use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

/// The places of one upstream. Rule: a stalled upstream costs its own clients only (fault T61).
pub(super) struct Capacity {
    in_flight: AtomicU32,
    waiting: AtomicU32,
    freed: Notify,
    most: u32,
    most_waiting: u32,
    wait_for: Duration,
}

/// There is no room, and none came in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

impl Capacity {
    pub fn new(most: u32, most_waiting: u32, wait_for: Duration) -> Self {
        let zero = || AtomicU32::new(0);
        Self { in_flight: zero(), waiting: zero(), freed: Notify::new(), most, most_waiting, wait_for }
    }

    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// How many wait for a place.
    pub fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Takes a place, which has to be given back with [`Capacity::leave`].
    ///
    /// # Errors
    /// [`Busy`] at once when too many wait already, or after a while when none was given back.
    pub async fn enter(&self) -> Result<(), Busy> {
        if self.try_enter() {
            return Ok(());
        }
        if self.waiting.fetch_add(1, Ordering::SeqCst) >= self.most_waiting {
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            return Err(Busy);
        }
        let _waiting = Waiting(&self.waiting);
        let place = async {
            loop {
                let mut freed = pin!(self.freed.notified());
                // In line before the look, so that whoever leaves between the two is heard.
                freed.as_mut().enable();
                if self.try_enter() {
                    return;
                }
                freed.await;
            }
        };
        timeout(self.wait_for, place).await.map_err(|_| Busy)
    }

    fn try_enter(&self) -> bool {
        if self.in_flight.fetch_add(1, Ordering::SeqCst) < self.most {
            return true;
        }
        self.leave();
        false
    }

    pub fn leave(&self) {
        let before = self.in_flight.fetch_sub(1, Ordering::SeqCst);
        // One that only looked in frees nothing.
        if before <= self.most && self.waiting.load(Ordering::SeqCst) > 0 {
            self.freed.notify_one();
        }
    }
}

/// Counts itself out, also when the client went away.
struct Waiting<'a>(&'a AtomicU32);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn places_are_counted_and_waited_for() {
        let capacity = Arc::new(Capacity::new(2, 1, Duration::from_secs(5)));
        assert_eq!((capacity.enter().await, capacity.enter().await), (Ok(()), Ok(())));
        let waiting = tokio::spawn({
            let capacity = capacity.clone();
            async move { capacity.enter().await }
        });
        tokio::task::yield_now().await;
        assert_eq!(capacity.enter().await, Err(Busy), "one may wait, and one does");
        assert_eq!(capacity.in_flight(), 2);
        capacity.leave();
        assert_eq!(waiting.await.unwrap(), Ok(()));
        assert_eq!(capacity.in_flight(), 2);
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let capacity = Capacity::new(1, 8, Duration::from_millis(20));
        assert_eq!(capacity.enter().await, Ok(()));
        assert_eq!(capacity.enter().await, Err(Busy));
        assert_eq!(capacity.waiting.load(Ordering::SeqCst), 0);
        capacity.leave();
        assert_eq!(capacity.enter().await, Ok(()));
    }

    // Many at once: every place is used, none is used twice, nobody is forgotten.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_crowd_gets_through() {
        let capacity = Arc::new(Capacity::new(3, 1000, Duration::from_secs(20)));
        let inside = Arc::new(AtomicU32::new(0));
        let crowd: Vec<_> = (0..300)
            .map(|_| {
                let (capacity, inside) = (capacity.clone(), inside.clone());
                tokio::spawn(async move {
                    capacity.enter().await.unwrap();
                    assert!(inside.fetch_add(1, Ordering::SeqCst) < 3);
                    tokio::task::yield_now().await;
                    inside.fetch_sub(1, Ordering::SeqCst);
                    capacity.leave();
                })
            })
            .collect();
        for one in crowd {
            one.await.unwrap();
        }
        assert_eq!((capacity.in_flight(), capacity.waiting.load(Ordering::SeqCst)), (0, 0));
    }
}
