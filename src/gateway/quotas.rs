//! How much of a rate limit each key has used, in memory of fixed size.
//!
//! Owns the counting (the generic cell rate algorithm: one instant for each key, ITU-T I.371 A) and the table. It does not
//! know what a key stands for. Nothing is shared with other nodes.

use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use ahash::RandomState;

/// Keys that are looked through when one is sought; a bucket fills two lines of cache.
const WAYS: usize = 8;

/// 262,144 keys in 4.5 MiB, taken when the first request is counted.
const BUCKETS: usize = 32_768;

/// A limit in the numbers that it is counted in. All times are nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// What one request takes of the time.
    interval: u64,
    /// How far ahead of the time a key may be.
    tolerance: u64,
    burst: u32,
}

impl Rate {
    /// `count` requests in `period`, `burst` at once.
    pub fn new(count: u32, period: Duration, burst: u32) -> Self {
        let interval = (nanoseconds(period) / u64::from(count.max(1))).max(1);
        Self { interval, tolerance: interval.saturating_mul(u64::from(burst.max(1))), burst: burst.max(1) }
    }

    pub fn burst(&self) -> u32 {
        self.burst
    }

    /// How long it takes until all of the burst is there again.
    pub fn window(&self) -> Duration {
        Duration::from_nanos(self.tolerance)
    }
}

/// What is left after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Requests that could come at once now.
    pub remaining: u32,
    /// Until all of them are there again.
    pub full_in: Duration,
}

/// Nothing is left: how long to wait for the next request, and until all are there again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedUp {
    pub wait_for: Duration,
    pub full_in: Duration,
}

/// The keys and how far each is ahead of the time.
pub struct Quotas {
    /// Keyed, so that nobody can choose keys that collide.
    hasher: RandomState,
    began: Instant,
    buckets: OnceLock<Box<[Mutex<Bucket>]>>,
    evictions: AtomicU64,
}

#[derive(Clone, Copy, Default)]
struct Bucket {
    /// 0: nobody's.
    keys: [u64; WAYS],
    /// When the burst of the key will be whole. Before now, there is nothing to remember.
    full_at: [u64; WAYS],
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            began: Instant::now(),
            buckets: OnceLock::new(),
            evictions: AtomicU64::new(0),
        }
    }
}

impl Quotas {
    /// A key for whatever `parts` are.
    pub fn key(&self, parts: impl Hash) -> u64 {
        self.hasher.hash_one(parts).max(1)
    }

    /// Takes one request of `rate` from `key`.
    ///
    /// # Errors
    /// [`UsedUp`] when there is none; then nothing is taken.
    pub fn take(&self, key: u64, rate: &Rate, now: Instant) -> Result<Left, UsedUp> {
        // An empty slot stands for the beginning of time, which is before every request.
        let now = nanoseconds(now.saturating_duration_since(self.began)).saturating_add(1);
        let mut bucket = self.bucket(key).lock().unwrap_or_else(PoisonError::into_inner);
        let slot = bucket.keys.iter().position(|own| *own == key).unwrap_or_else(|| self.claim(&mut bucket, key, now));
        let full_at = bucket.full_at[slot].max(now).saturating_add(rate.interval);
        let ahead = full_at - now;
        if ahead > rate.tolerance {
            let full_in = Duration::from_nanos(ahead - rate.interval);
            return Err(UsedUp { wait_for: Duration::from_nanos(ahead - rate.tolerance), full_in });
        }
        bucket.full_at[slot] = full_at;
        drop(bucket);
        let remaining = u32::try_from((rate.tolerance - ahead) / rate.interval).unwrap_or(u32::MAX);
        Ok(Left { remaining, full_in: Duration::from_nanos(ahead) })
    }

    /// Keys that were forgotten although they had used something.
    pub fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }

    fn bucket(&self, key: u64) -> &Mutex<Bucket> {
        let buckets = self.buckets.get_or_init(|| (0..BUCKETS).map(|_| Mutex::default()).collect());
        // The low bits; a table of another size than a power of two would not compile to this.
        let place = usize::try_from(key % BUCKETS as u64).unwrap_or_default();
        &buckets[place]
    }

    /// A place for a new key: of one that has nothing to remember, or else of the one that has least.
    fn claim(&self, bucket: &mut Bucket, key: u64, now: u64) -> usize {
        let (slot, full_at) =
            bucket.full_at.iter().copied().enumerate().min_by_key(|(_, full_at)| *full_at).unwrap_or_default();
        if full_at > now {
            self.evictions.fetch_add(1, Ordering::Relaxed);
        }
        bucket.keys[slot] = key;
        bucket.full_at[slot] = 0;
        slot
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn taken(quotas: &Quotas, rate: &Rate, at: Instant) -> usize {
        (0..1000).take_while(|_| quotas.take(7, rate, at).is_ok()).count()
    }

    #[test]
    fn a_burst_at_once_and_then_the_rate() {
        let (quotas, rate) = (Quotas::default(), Rate::new(10, SECOND, 20));
        let start = quotas.began;
        assert_eq!(quotas.take(7, &rate, start), Ok(Left { remaining: 19, full_in: SECOND / 10 }));
        assert_eq!(taken(&quotas, &rate, start), 19);
        let used_up = UsedUp { wait_for: SECOND / 10, full_in: 2 * SECOND };
        assert_eq!(quotas.take(7, &rate, start), Err(used_up));
        assert_eq!(quotas.take(7, &rate, start), Err(used_up), "a refusal takes nothing");
        assert_eq!(taken(&quotas, &rate, start + SECOND / 10), 1);
        assert_eq!(taken(&quotas, &rate, start + SECOND + SECOND / 10), 10);
        assert_eq!(taken(&quotas, &rate, start + 60 * SECOND), 20, "never more than the burst");
        assert_eq!(quotas.take(8, &rate, start).map(|left| left.remaining), Ok(19), "another key");
    }

    #[test]
    fn slow_and_fast_limits_are_exact() {
        for (count, period, burst) in [(1, 86_400, 1), (5, 60, 5), (1_000_000_000, 1, 1_000_000)] {
            let (quotas, rate) = (Quotas::default(), Rate::new(count, Duration::from_secs(period), burst));
            assert_eq!(quotas.take(1, &rate, quotas.began).map(|left| left.remaining), Ok(burst - 1));
            assert_eq!(rate.window(), Duration::from_secs(period) * burst / count);
        }
    }

    // API4:2023: a million addresses cost no more than a few
    #[test]
    fn memory_is_bounded_and_who_used_most_is_remembered() {
        let (quotas, rate) = (Quotas::default(), Rate::new(1, SECOND, 5));
        let start = quotas.began;
        let greedy = quotas.key("greedy");
        for _ in 0..5 {
            assert!(quotas.take(greedy, &rate, start).is_ok());
        }
        for address in 0..1_000_000_u32 {
            assert!(quotas.take(quotas.key(address), &rate, start).is_ok());
        }
        assert!(quotas.evictions() > 700_000);
        assert!(quotas.take(greedy, &rate, start).is_err());
        // What is over leaves its place without being missed.
        let evictions = quotas.evictions();
        assert!(quotas.take(quotas.key("new"), &rate, start + 60 * SECOND).is_ok());
        assert_eq!(quotas.evictions(), evictions);
    }

    #[test]
    fn those_who_come_together_get_no_more() {
        let (quotas, rate) = (Quotas::default(), Rate::new(1, 3600 * SECOND, 100));
        let now = Instant::now();
        let passed: usize = std::thread::scope(|scope| {
            let count = || (0..100).filter(|_| quotas.take(7, &rate, now).is_ok()).count();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 100);
    }
}
