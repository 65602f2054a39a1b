//! Wrong client secrets, counted (rules D6 and N7): a guesser is stopped, the real client elsewhere is not.
//!
//! Owns the counters of this process; it does not know what a secret is.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::peer::network;

/// Wrong guesses that one address may make at one client in one window.
const LIMIT: u32 = 10;
const WINDOW_FOR: i64 = 60;
/// Pairs of client and address that are remembered at once, in each part.
const CAPACITY: usize = 400;
/// So many proofs are looked at at once, of pairs that have no part in common.
const PARTS: usize = 32;

/// How often each (client, address) guessed wrong in the current minute.
#[derive(Default)]
pub(super) struct Guesses {
    /// Keyed, so that nobody can choose two pairs that collide; a number per pair, so that memory is bounded.
    hasher: RandomState,
    windows: [Mutex<HashMap<u64, Window>>; PARTS],
}

#[derive(Clone, Copy)]
struct Window {
    ends_at: i64,
    failures: u32,
}

impl Guesses {
    /// Runs `proof` unless the pair has no guess left, and counts it if it fails.
    ///
    /// # Errors
    /// The seconds to wait when the proof was not even looked at.
    pub(super) fn attempt(
        &self,
        client_id: &str,
        peer: Option<IpAddr>,
        now: i64,
        proof: impl FnOnce() -> bool,
    ) -> Result<bool, i64> {
        let key = self.hasher.hash_one((client_id, peer.map(network)));
        // Held during the proof, so that a hundred guesses at once are not a hundred first guesses.
        let mut windows = self.part(key).lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.get(&key).copied().filter(|window| now < window.ends_at);
        if let Some(window) = window.filter(|window| window.failures >= LIMIT) {
            return Err(window.ends_at - now);
        }
        let proven = proof();
        if !proven {
            let (ends_at, failures) = window.map_or((now + WINDOW_FOR, 0), |window| (window.ends_at, window.failures));
            if windows.len() >= CAPACITY {
                make_room(&mut windows, now);
            }
            windows.insert(key, Window { ends_at, failures: failures + 1 });
        }
        Ok(proven)
    }

    fn part(&self, key: u64) -> &Mutex<HashMap<u64, Window>> {
        // The hash map has its own use for the lower bits.
        let part = usize::try_from(key >> 32).unwrap_or_default() % PARTS;
        &self.windows[part]
    }
}

/// Forgets what is over; if that is not enough, who may still guess; and everybody only if all are guessers.
fn make_room(windows: &mut HashMap<u64, Window>, now: i64) {
    windows.retain(|_, window| now < window.ends_at);
    if windows.len() >= CAPACITY {
        windows.retain(|_, window| window.failures >= LIMIT);
    }
    if windows.len() >= CAPACITY {
        tracing::warn!(guesses.pairs = windows.len(), "Too many clients guess secrets; the counters start again.");
        windows.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn remembered(guesses: &Guesses) -> usize {
        guesses.windows.iter().map(|part| part.lock().unwrap().len()).sum()
    }

    // D6, N7: whoever lets us read long keys keeps nobody else waiting
    #[test]
    fn proofs_of_others_are_looked_at_meanwhile() {
        let guesses = Guesses::default();
        let key = |client: &str| guesses.hasher.hash_one((client, None::<IpAddr>));
        let is_apart = |client: &String| !std::ptr::eq(guesses.part(key(client)), guesses.part(key("slow")));
        let other = (0..).map(|number| number.to_string()).find(is_apart).unwrap();
        let outcome = guesses.attempt("slow", None, 0, || guesses.attempt(&other, None, 0, || true) == Ok(true));
        assert_eq!(outcome, Ok(true));
    }

    // D6, N7, T56
    #[test]
    fn ten_wrong_guesses_a_minute_and_no_more() {
        let guesses = Guesses::default();
        for _ in 0..10 {
            assert_eq!(guesses.attempt("a", peer("192.0.2.1"), 100, || false), Ok(false));
        }
        assert_eq!(guesses.attempt("a", peer("192.0.2.1"), 130, || panic!("not evaluated")), Err(30));
        // The real client elsewhere, another client here, and the mapped spelling of the same address.
        assert_eq!(guesses.attempt("a", peer("192.0.2.2"), 130, || true), Ok(true));
        assert_eq!(guesses.attempt("b", peer("192.0.2.1"), 130, || true), Ok(true));
        assert_eq!(guesses.attempt("a", peer("::ffff:192.0.2.1"), 130, || true), Err(30));
        assert_eq!(guesses.attempt("a", peer("192.0.2.1"), 160, || true), Ok(true));
    }

    #[test]
    fn successes_are_free_and_leave_nothing_behind() {
        let guesses = Guesses::default();
        for _ in 0..100 {
            assert_eq!(guesses.attempt("a", None, 0, || true), Ok(true));
        }
        assert_eq!(remembered(&guesses), 0);
    }

    #[test]
    fn one_ipv6_network_is_one_peer() {
        let guesses = Guesses::default();
        for _ in 0..10 {
            assert_eq!(guesses.attempt("a", peer("2001:db8::1"), 0, || false), Ok(false));
        }
        assert_eq!(guesses.attempt("a", peer("2001:db8::ffff:1"), 0, || true), Err(60));
        assert_eq!(guesses.attempt("a", peer("2001:db8:0:1::1"), 0, || true), Ok(true));
    }

    #[test]
    fn memory_is_bounded_and_blocked_guessers_stay_blocked() {
        let guesses = Guesses::default();
        for _ in 0..10 {
            assert_eq!(guesses.attempt("victim", None, 0, || false), Ok(false));
        }
        for number in 0..CAPACITY * PARTS * 2 {
            assert_eq!(guesses.attempt(&number.to_string(), None, 1, || false), Ok(false));
        }
        assert!(remembered(&guesses) <= CAPACITY * PARTS);
        assert_eq!(guesses.attempt("victim", None, 2, || true), Err(58));
    }
}
