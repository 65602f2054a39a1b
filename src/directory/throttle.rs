//! Wrong passwords and codes, counted (rule L8): a guesser waits longer every time, the real person elsewhere does not.
//!
//! Owns the counters of this process and the length of the waits; it does not know what a password is.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use crate::clock::UnixSeconds;
use crate::peer::network;

/// The first wait in seconds; each further failure doubles it.
const FIRST_WAIT: i64 = 15;
const LONGEST_WAIT: i64 = 3600;

/// Failures at one account, from wherever, after which addresses that never logged in there share one attempt a
/// minute. An attacker with many addresses is slowed, and the person in the usual place is not (L8).
const MANY: u32 = 100;
const SHARED_WAIT: i64 = 60;

/// Failures of one network within a minute, at whatever accounts, after which it waits for the next one: whoever tries one password
/// with many names is slowed as well (N7). Who logged in from there before is not.
const MOST_OF_NETWORK: u32 = 50;
const MINUTE: i64 = 60;

/// Failures are forgotten when there was none for so long.
const FORGET_AFTER: i64 = 86_400;

/// Counters that are remembered at once.
const CAPACITY: usize = 100_000;

/// For how long an address is known to belong to an account.
const FAMILIAR_FOR: Duration = Duration::from_secs(30 * 86_400);

pub(super) struct Throttle {
    /// Keyed, so that nobody can choose two accounts that collide; a number per counter, so that memory is bounded.
    hasher: RandomState,
    counters: Mutex<HashMap<u64, Counter>>,
    familiar: moka::sync::Cache<u64, ()>,
}

#[derive(Clone, Copy)]
struct Counter {
    failures: u32,
    last_at: UnixSeconds,
}

/// What is counted together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guesser {
    /// One account from one network.
    here: u64,
    /// The account from wherever. `None`: only `here` counts.
    anywhere: Option<u64>,
    /// The network in this minute, whatever the account, and the end of the minute.
    network: Option<(u64, UnixSeconds)>,
    /// Failures that cost no waiting.
    allowance: u32,
}

impl Throttle {
    pub(super) fn new() -> Self {
        let familiar = moka::sync::Cache::builder().max_capacity(CAPACITY as u64).time_to_live(FAMILIAR_FOR).build();
        Self { hasher: RandomState::new(), counters: Mutex::default(), familiar }
    }

    /// Passwords for an account, from an address, at `now`.
    pub(super) fn password(
        &self,
        account: Account<'_>,
        peer: Option<IpAddr>,
        allowance: u32,
        now: UnixSeconds,
    ) -> Guesser {
        let Account { tenant_id, login_id, user_id } = account;
        let network = peer.map(network);
        let here = self.hasher.hash_one(("password", tenant_id, login_id, network));
        let anywhere = match user_id {
            Some(user_id) => self.hasher.hash_one(("user", user_id)),
            None => self.hasher.hash_one(("nobody", tenant_id, login_id)),
        };
        let minute = now.div_euclid(MINUTE);
        let of_network = |network| (self.hasher.hash_one(("network", network, minute)), (minute + 1) * MINUTE);
        Guesser { here, anywhere: Some(anywhere), network: network.map(of_network), allowance }
    }

    /// Codes for a user. Whoever guesses them has the password already, so the address does not matter.
    pub(super) fn code(&self, user_id: Uuid) -> Guesser {
        Guesser { here: self.hasher.hash_one(("code", user_id)), anywhere: None, network: None, allowance: 5 }
    }

    /// # Errors
    /// The seconds to wait before the next attempt.
    pub(super) fn admit(&self, guesser: &Guesser, now: UnixSeconds) -> Result<(), i64> {
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let find = |key: &u64| counters.get(key).copied().filter(|counter| counter.is_remembered(now));
        let own = find(&guesser.here).map_or(0, |counter| counter.wait(guesser.allowance, now));
        let is_familiar = self.familiar.contains_key(&guesser.here);
        let shared = match guesser.anywhere.and_then(|key| find(&key)) {
            Some(counter) if counter.failures >= MANY && !is_familiar => counter.last_at + SHARED_WAIT - now,
            Some(_) | None => 0,
        };
        let crowded = match guesser.network.map(|(key, over_at)| (find(&key), over_at)) {
            Some((Some(counter), over_at)) if counter.failures >= MOST_OF_NETWORK && !is_familiar => over_at - now,
            Some(_) | None => 0,
        };
        match own.max(shared).max(crowded) {
            wait if wait > 0 => Err(wait),
            _ => Ok(()),
        }
    }

    /// Runs `proof` unless the guesser has to wait, and counts it if it fails; nobody else guesses meanwhile.
    ///
    /// # Errors
    /// The seconds to wait when the proof was not even looked at.
    pub(super) fn attempt<T>(
        &self,
        guesser: &Guesser,
        now: UnixSeconds,
        proof: impl FnOnce() -> Option<T>,
    ) -> Result<Option<T>, i64> {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let counter = counters.get(&guesser.here).copied().filter(|counter| counter.is_remembered(now));
        match counter.map_or(0, |counter| counter.wait(guesser.allowance, now)) {
            wait if wait > 0 => return Err(wait),
            _ => {}
        }
        let proven = proof();
        if proven.is_none() {
            count(&mut counters, guesser.here, now);
        }
        Ok(proven)
    }

    pub(super) fn failed(&self, guesser: &Guesser, now: UnixSeconds) {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let network = guesser.network.map(|(key, _)| key);
        for key in [Some(guesser.here), guesser.anywhere, network].into_iter().flatten() {
            count(&mut counters, key, now);
        }
    }

    /// The account's owner was here. What others guess elsewhere is still counted, but for the account as a whole.
    pub(super) fn succeeded(&self, guesser: &Guesser) {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.remove(&guesser.here);
        if let Some(anywhere) = guesser.anywhere {
            counters.remove(&anywhere);
            self.familiar.insert(guesser.here, ());
        }
    }
}

/// Whose password is guessed. Accounts that do not exist are counted too, so that they look the same; and from one place each name
/// is counted for itself, so that nobody learns which names are one account's (L9).
#[derive(Clone, Copy, Debug)]
pub(super) struct Account<'a> {
    pub tenant_id: Uuid,
    /// As it was typed, but in lower case.
    pub login_id: &'a str,
    /// The user who is called so.
    pub user_id: Option<Uuid>,
}

impl Counter {
    fn is_remembered(&self, now: UnixSeconds) -> bool {
        now < self.last_at + FORGET_AFTER
    }

    fn wait(&self, allowance: u32, now: UnixSeconds) -> i64 {
        let Some(beyond) = self.failures.checked_sub(allowance) else { return 0 };
        let wait = FIRST_WAIT.checked_shl(beyond.min(16)).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        self.last_at + wait - now
    }
}

fn count(counters: &mut HashMap<u64, Counter>, key: u64, now: UnixSeconds) {
    if counters.len() >= CAPACITY {
        make_room(counters, now);
    }
    let counter = counters.entry(key).or_insert(Counter { failures: 0, last_at: now });
    if !counter.is_remembered(now) {
        counter.failures = 0;
    }
    counter.failures = counter.failures.saturating_add(1);
    counter.last_at = now;
}

/// Forgets what is over; if that is not enough, those who failed seldom; and everybody only if all fail often.
fn make_room(counters: &mut HashMap<u64, Counter>, now: UnixSeconds) {
    counters.retain(|_, counter| counter.is_remembered(now));
    if counters.len() >= CAPACITY {
        counters.retain(|_, counter| counter.failures >= 5);
    }
    if counters.len() >= CAPACITY {
        tracing::warn!(
            throttle.counters = counters.len(),
            "Too many accounts are guessed at; the counters start again."
        );
        counters.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Account<'static> = called("alice", Some(Uuid::from_u128(1)));

    const fn called(login_id: &'static str, user_id: Option<Uuid>) -> Account<'static> {
        Account { tenant_id: Uuid::nil(), login_id, user_id }
    }

    fn peer(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    // L8, D-11
    #[test]
    fn the_wait_grows_with_every_failure_and_has_an_end() {
        let throttle = Throttle::new();
        let guesser = throttle.password(ALICE, peer("192.0.2.1"), 5, 0);
        let mut now = 1_000;
        let mut waits = Vec::new();
        for _ in 0..15 {
            assert_eq!(throttle.admit(&guesser, now), Ok(()));
            throttle.failed(&guesser, now);
            let wait = throttle.admit(&guesser, now).err().unwrap_or(0);
            waits.push(wait);
            now += wait;
        }
        assert_eq!(waits, [0, 0, 0, 0, 15, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
        throttle.succeeded(&guesser);
        throttle.failed(&guesser, now);
        assert_eq!(throttle.admit(&guesser, now), Ok(()));
    }

    // L8: the person elsewhere, and other accounts here, are not concerned
    #[test]
    fn one_address_does_not_lock_the_account() {
        let throttle = Throttle::new();
        let guesser = throttle.password(ALICE, peer("192.0.2.1"), 5, 0);
        for _ in 0..5 {
            throttle.failed(&guesser, 0);
        }
        assert_eq!(throttle.admit(&throttle.password(ALICE, peer("::ffff:192.0.2.1"), 5, 0), 0), Err(15));
        assert_eq!(throttle.admit(&throttle.password(ALICE, peer("192.0.2.2"), 5, 0), 0), Ok(()));
        let nobody = called("bob", None);
        assert_eq!(throttle.admit(&throttle.password(nobody, peer("192.0.2.1"), 5, 0), 0), Ok(()));
    }

    // L9: two names of one account are throttled as two accounts would be
    #[test]
    fn a_name_tells_nothing_of_another_one() {
        let throttle = Throttle::new();
        let guesser = throttle.password(ALICE, peer("192.0.2.1"), 5, 0);
        for _ in 0..5 {
            throttle.failed(&guesser, 0);
        }
        assert_eq!(throttle.admit(&guesser, 0), Err(15));
        let other_name = called("alice@example.com", ALICE.user_id);
        assert_eq!(throttle.admit(&throttle.password(other_name, peer("192.0.2.1"), 5, 0), 0), Ok(()));
        for number in 0..MANY {
            let address = IpAddr::from([10, 0, (number / 250) as u8, (number % 250) as u8]);
            throttle.failed(&throttle.password(ALICE, Some(address), 5, 0), 0);
        }
        let elsewhere = throttle.password(other_name, peer("203.0.113.9"), 5, 0);
        assert_eq!(throttle.admit(&elsewhere, 0), Err(60), "but the account is one");
    }

    // N7: one address, many accounts
    #[test]
    fn a_network_that_tries_many_names_waits_for_the_next_minute() {
        let throttle = Throttle::new();
        let names: Vec<String> = (0..MOST_OF_NETWORK).map(|number| format!("user-{number}")).collect();
        let home = throttle.password(ALICE, peer("192.0.2.1"), 5, 70);
        throttle.succeeded(&home);
        for login_id in &names {
            let account = Account { tenant_id: Uuid::nil(), login_id, user_id: None };
            let guesser = throttle.password(account, peer("192.0.2.1"), 5, 70);
            assert_eq!(throttle.admit(&guesser, 70), Ok(()), "{login_id}");
            throttle.failed(&guesser, 70);
        }
        let bob =
            |address: &str, now| throttle.admit(&throttle.password(called("bob", None), peer(address), 5, now), now);
        assert_eq!(bob("192.0.2.1", 70), Err(50));
        assert_eq!(bob("192.0.2.2", 70), Ok(()));
        assert_eq!(throttle.admit(&home, 70), Ok(()), "who is known there");
        assert_eq!(bob("192.0.2.1", 120), Ok(()));
    }

    // L8: many addresses, one account
    #[test]
    fn a_hundred_failures_from_everywhere_slow_strangers_only() {
        let throttle = Throttle::new();
        let home = throttle.password(ALICE, peer("198.51.100.1"), 5, 0);
        throttle.succeeded(&home);
        for number in 0..MANY {
            let address = IpAddr::from([10, 0, (number / 250) as u8, (number % 250) as u8]);
            throttle.failed(&throttle.password(ALICE, Some(address), 5, 0), 100);
        }
        assert_eq!(throttle.admit(&throttle.password(ALICE, peer("203.0.113.9"), 5, 0), 130), Err(30));
        assert_eq!(throttle.admit(&throttle.password(ALICE, peer("203.0.113.9"), 5, 0), 160), Ok(()));
        assert_eq!(throttle.admit(&home, 130), Ok(()));
    }

    // L11
    #[test]
    fn codes_are_counted_while_they_are_looked_at() {
        let throttle = Throttle::new();
        let guesser = throttle.code(Uuid::nil());
        for _ in 0..5 {
            assert_eq!(throttle.attempt(&guesser, 0, || None::<()>), Ok(None));
        }
        assert_eq!(throttle.attempt::<()>(&guesser, 0, || panic!("not evaluated")), Err(15));
        assert_eq!(throttle.attempt(&guesser, 15, || Some(())), Ok(Some(())));
    }

    #[test]
    fn memory_is_bounded() {
        let throttle = Throttle::new();
        for number in 0..(CAPACITY as u128 + 10) {
            throttle.failed(&throttle.code(Uuid::from_u128(number)), 0);
        }
        assert!(throttle.counters.lock().unwrap().len() <= CAPACITY);
    }
}
