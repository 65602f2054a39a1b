//! Values that a client should make anew for each request and sends again and again (rule B11, RFC 9700 section 2.1.1): a
//! constant `nonce` or `code_challenge` protects nobody.
//!
//! Owns the counters of this process. It refuses nothing: the operator is told, who can tell the client's developers.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use crate::events::Event;
use crate::model::Application;

/// Answers to requests with one value, in one day, that a person who goes back and forth may cause.
const MOST: u32 = 10;
const WINDOW_FOR: i64 = 86_400;
/// Values that are remembered at once.
const CAPACITY: usize = 10_000;

/// What is to be new in every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fresh {
    CodeChallenge,
    Nonce,
}

impl Fresh {
    fn name(self) -> &'static str {
        match self {
            Self::CodeChallenge => "code_challenge",
            Self::Nonce => "nonce",
        }
    }

    fn event(self) -> Event {
        match self {
            Self::CodeChallenge => Event::CodeChallengeRepeated,
            Self::Nonce => Event::NonceRepeated,
        }
    }
}

/// How often each client sent each value in the last day.
#[derive(Default)]
pub(super) struct Repetitions {
    /// Keyed, so that nobody can choose values that collide; a number per value, so that memory is bounded.
    hasher: RandomState,
    windows: Mutex<HashMap<u64, Window>>,
}

#[derive(Clone, Copy)]
struct Window {
    ends_at: i64,
    seen: u32,
}

impl Repetitions {
    /// Counts a request that was answered, and tells the operator once a day of a value that comes too often. The value
    /// itself is written nowhere.
    pub(super) fn note(&self, application: &Application, fresh: Fresh, value: &str, now: i64) {
        if !self.is_one_too_many(application.id, fresh, value, now) {
            return;
        }
        tracing::warn!(
            client.id = application.client_id,
            parameter = fresh.name(),
            "A client sends the same value in request after request; it has to make a new one for each."
        );
        fresh.event().tell_of(&application.id.to_string(), &application.client_id);
    }

    fn is_one_too_many(&self, application_id: Uuid, fresh: Fresh, value: &str, now: i64) -> bool {
        let key = self.hasher.hash_one((application_id, fresh, value));
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.get(&key).copied().filter(|window| now < window.ends_at);
        let (ends_at, seen) = window.map_or((now + WINDOW_FOR, 0), |window| (window.ends_at, window.seen));
        if windows.len() >= CAPACITY {
            make_room(&mut windows, now);
        }
        windows.insert(key, Window { ends_at, seen: seen.saturating_add(1) });
        seen == MOST
    }
}

/// Forgets what is over; if that is not enough, what was seen once; and everything only if all of it came again.
fn make_room(windows: &mut HashMap<u64, Window>, now: i64) {
    windows.retain(|_, window| now < window.ends_at);
    if windows.len() >= CAPACITY {
        windows.retain(|_, window| window.seen > 1);
    }
    if windows.len() >= CAPACITY {
        windows.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Uuid = Uuid::from_u128(1);

    fn told(repetitions: &Repetitions, value: &str, now: i64) -> bool {
        repetitions.is_one_too_many(ONE, Fresh::Nonce, value, now)
    }

    // B11
    #[test]
    fn a_constant_value_is_told_of_once_a_day() {
        let repetitions = Repetitions::default();
        let days =
            [0, WINDOW_FOR].map(|begin| (0..100).filter(|at| told(&repetitions, "constant", begin + at)).count());
        assert_eq!(days, [1, 1]);
        assert!((0..10).all(|at| !told(&repetitions, "ten times", at)));
        assert!(told(&repetitions, "ten times", 10));
    }

    #[test]
    fn clients_and_parameters_are_counted_apart() {
        let repetitions = Repetitions::default();
        for _ in 0..10 {
            for application_id in [ONE, Uuid::from_u128(2)] {
                for fresh in [Fresh::Nonce, Fresh::CodeChallenge] {
                    assert!(!repetitions.is_one_too_many(application_id, fresh, "x", 0));
                }
            }
        }
        assert!(repetitions.is_one_too_many(ONE, Fresh::CodeChallenge, "x", 0));
    }

    // B11: what comes again is remembered, however many good values come between.
    #[test]
    fn memory_is_bounded() {
        let repetitions = Repetitions::default();
        assert!(!told(&repetitions, "constant", 0) && !told(&repetitions, "constant", 0));
        for number in 0..CAPACITY * 3 {
            assert!(!told(&repetitions, &number.to_string(), 1));
        }
        assert!(repetitions.windows.lock().unwrap().len() <= CAPACITY);
        assert_eq!((0..9).filter(|_| told(&repetitions, "constant", 2)).count(), 1);
    }
}
