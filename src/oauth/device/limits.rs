//! How often user codes may be guessed and device codes be asked for (RFC 8628 section 5.1, rules J3 and J10).
//!
//! Owns the counters of this process; it does not know what a code is.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, PoisonError};

/// Wrong user codes that one address or session may type before it has to wait. With the default shape, the chance
/// that one of them is a certain code is below 2^-32.
const FREE_GUESSES: u32 = 5;
/// The first wait in seconds; every further wrong code doubles it.
const WAIT_FOR: i64 = 60;
const LONGEST_WAIT_FOR: i64 = 3600;
/// Device codes that one client may ask for from one address in one minute.
const REQUESTS: u32 = 60;
/// Clients that may register themselves from one network, and from everywhere, in one minute: each is a row in the store, and
/// what is in memory of the directory is read again.
const REGISTRATIONS: u32 = 20;
const ALL_REGISTRATIONS: u32 = 120;
/// Proofs of keys that one client without a secret may send from one address in one minute: many people may share both.
const PROOFS: u32 = 600;
const MINUTE: i64 = 60;
/// Counters that are kept at once.
const CAPACITY: usize = 10_000;

/// The counters.
#[derive(Default)]
pub(in crate::oauth) struct DeviceLimits {
    /// Keyed, so that nobody can choose two sources that collide; a number per source, so that memory is bounded.
    hasher: RandomState,
    guesses: Mutex<HashMap<u64, Count>>,
    requests: Mutex<HashMap<u64, Count>>,
    refreshes: Mutex<HashMap<u64, Count>>,
    proofs: Mutex<HashMap<u64, Count>>,
    registrations: Mutex<HashMap<u64, Count>>,
    wrong: Mutex<HashMap<u64, Count>>,
}

#[derive(Clone, Copy)]
struct Count {
    number: u32,
    /// First instant at which it counts no more.
    ends_at: i64,
    /// First instant at which the next one is allowed.
    waits_until: i64,
}

impl DeviceLimits {
    /// Counts a user code from `source` as wrong before anybody has looked at it, so that a hundred at once are not a
    /// hundred first ones. [`DeviceLimits::forgive`] takes it back.
    ///
    /// # Errors
    /// The seconds to wait.
    pub(super) fn guess(&self, source: impl Hash, now: i64) -> Result<(), i64> {
        let mut guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        let key = self.hasher.hash_one(source);
        let before = guesses.get(&key).filter(|count| now < count.ends_at);
        if let Some(count) = before.filter(|count| now < count.waits_until) {
            return Err(count.waits_until - now);
        }
        let number = before.map_or(0, |count| count.number) + 1;
        let wait_for = match number.checked_sub(FREE_GUESSES) {
            None => 0,
            Some(doubled) => (WAIT_FOR << doubled.min(6)).min(LONGEST_WAIT_FOR),
        };
        // Twice the wait, or whoever sits it out would begin anew.
        let count = Count { number, ends_at: now + LONGEST_WAIT_FOR + wait_for, waits_until: now + wait_for };
        insert(&mut guesses, key, count, now);
        Ok(())
    }

    /// The code was right. Wrong ones before it still count.
    pub(super) fn forgive(&self, source: impl Hash, now: i64) {
        let mut guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        let key = self.hasher.hash_one(source);
        if let Some(count) = guesses.get_mut(&key) {
            count.number = count.number.saturating_sub(1);
            count.waits_until = now;
            if count.number == 0 {
                guesses.remove(&key);
            }
        }
    }

    /// Where codes are so short that many guessers together would find one: not more than `most` wrong ones in a minute, from
    /// whomever.
    ///
    /// # Errors
    /// The seconds to wait.
    pub(super) fn check_wrong(&self, source: impl Hash, most: u32, now: i64) -> Result<(), i64> {
        let wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        match wrong.get(&self.hasher.hash_one(source)).filter(|count| now < count.ends_at && count.number >= most) {
            Some(count) => Err(count.ends_at - now),
            None => Ok(()),
        }
    }

    /// Counts a wrong code for [`DeviceLimits::check_wrong`].
    pub(super) fn note_wrong(&self, source: impl Hash, now: i64) {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let key = self.hasher.hash_one(source);
        let before = wrong.get(&key).filter(|count| now < count.ends_at);
        let (number, ends_at) = before.map_or((1, now + MINUTE), |count| (count.number + 1, count.ends_at));
        insert(&mut wrong, key, Count { number, ends_at, waits_until: 0 }, now);
    }

    /// Counts a request for a device code, or another one that leaves a row behind and takes a name only.
    ///
    /// # Errors
    /// The seconds to wait.
    pub(in crate::oauth) fn request(&self, source: impl Hash, now: i64) -> Result<(), i64> {
        count(&self.requests, self.hasher.hash_one(source), REQUESTS, now)
    }

    /// Counts the use of a refresh token (F-251).
    ///
    /// # Errors
    /// The seconds to wait.
    pub(in crate::oauth) fn refresh(&self, source: impl Hash, most: u32, now: i64) -> Result<(), i64> {
        count(&self.refreshes, self.hasher.hash_one(source), most, now)
    }

    /// Counts a proof of a key, each of which is remembered for a while (H3).
    ///
    /// # Errors
    /// The seconds to wait.
    pub(in crate::oauth) fn proof(&self, source: impl Hash, now: i64) -> Result<(), i64> {
        count(&self.proofs, self.hasher.hash_one(source), PROOFS, now)
    }

    /// Counts a client that registers itself.
    ///
    /// # Errors
    /// The seconds to wait.
    pub(in crate::oauth) fn register(&self, source: impl Hash, now: i64) -> Result<(), i64> {
        count(&self.registrations, self.hasher.hash_one(source), REGISTRATIONS, now)?;
        count(&self.registrations, self.hasher.hash_one("all of them"), ALL_REGISTRATIONS, now)
    }
}

/// At most so many in a minute.
fn count(counts: &Mutex<HashMap<u64, Count>>, key: u64, most: u32, now: i64) -> Result<(), i64> {
    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    let (number, ends_at) = match counts.get(&key).filter(|count| now < count.ends_at) {
        Some(count) if count.number >= most => return Err(count.ends_at - now),
        Some(count) => (count.number + 1, count.ends_at),
        None => (1, now + MINUTE),
    };
    insert(&mut counts, key, Count { number, ends_at, waits_until: 0 }, now);
    Ok(())
}

/// Forgets what is over when there is no room; if that is not enough, who counts least.
fn insert(counts: &mut HashMap<u64, Count>, key: u64, count: Count, now: i64) {
    if counts.len() >= CAPACITY && !counts.contains_key(&key) {
        counts.retain(|_, count| now < count.ends_at);
        if counts.len() >= CAPACITY {
            counts.retain(|_, count| count.number >= FREE_GUESSES);
        }
        if counts.len() >= CAPACITY {
            tracing::warn!(sources = counts.len(), "Too many guess user codes; the counters start again.");
            counts.clear();
        }
    }
    counts.insert(key, count);
}

#[cfg(test)]
mod tests {
    use super::*;

    // J3, RFC 8628 5.1
    #[test]
    fn five_wrong_codes_and_then_ever_longer_waits() {
        let limits = DeviceLimits::default();
        for _ in 0..5 {
            assert_eq!(limits.guess("a", 0), Ok(()));
        }
        assert_eq!(limits.guess("a", 0), Err(60));
        assert_eq!(limits.guess("b", 0), Ok(()));
        assert_eq!(limits.guess("a", 59), Err(1));
        assert_eq!(limits.guess("a", 60), Ok(()));
        assert_eq!(limits.guess("a", 61), Err(119));
        let mut now = 180;
        for wait_for in [240, 480, 960, 1920, 3600, 3600] {
            assert_eq!(limits.guess("a", now), Ok(()));
            assert_eq!(limits.guess("a", now), Err(wait_for));
            now += wait_for;
        }
        // An hour of silence after the wait, and it is forgotten.
        assert_eq!(limits.guess("a", now + 3600), Ok(()));
        assert_eq!(limits.guess("a", now + 3600), Ok(()));
    }

    // J3: codes of their own do not buy guessers anything.
    #[test]
    fn right_codes_are_free_and_do_not_wash_away_wrong_ones() {
        let limits = DeviceLimits::default();
        for _ in 0..50 {
            assert_eq!(limits.guess("a", 0), Ok(()));
            limits.forgive("a", 0);
        }
        assert!(limits.guesses.lock().unwrap().is_empty());
        for _ in 0..4 {
            assert_eq!(limits.guess("a", 0), Ok(()));
            assert_eq!(limits.guess("a", 0), Ok(()));
            limits.forgive("a", 0);
        }
        assert_eq!(limits.guess("a", 0), Ok(()));
        assert_eq!(limits.guess("a", 0), Err(60));
    }

    // J3
    #[test]
    fn short_codes_have_a_limit_for_all_guessers_together() {
        let limits = DeviceLimits::default();
        for now in 0..20 {
            assert_eq!(limits.check_wrong("tenant", 20, now), Ok(()));
            limits.note_wrong("tenant", now);
        }
        assert_eq!(limits.check_wrong("tenant", 20, 20), Err(40));
        assert_eq!(limits.check_wrong("other", 20, 20), Ok(()));
        assert_eq!(limits.check_wrong("tenant", 20, 60), Ok(()));
    }

    // J10
    #[test]
    fn sixty_requests_a_minute() {
        let limits = DeviceLimits::default();
        for _ in 0..60 {
            assert_eq!(limits.request("a", 100), Ok(()));
        }
        assert_eq!(limits.request("a", 130), Err(30));
        assert_eq!(limits.request("b", 130), Ok(()));
        assert_eq!(limits.request("a", 160), Ok(()));
    }

    #[test]
    fn memory_is_bounded_and_blocked_guessers_stay_blocked() {
        let limits = DeviceLimits::default();
        for _ in 0..5 {
            assert_eq!(limits.guess("guesser", 0), Ok(()));
        }
        for number in 0..CAPACITY * 2 {
            assert_eq!(limits.guess(number, 1), Ok(()));
        }
        assert!(limits.guesses.lock().unwrap().len() <= CAPACITY);
        assert_eq!(limits.guess("guesser", 2), Err(58));
    }
}
