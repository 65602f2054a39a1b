//! What a thread remembers of the tokens that it used, in front of the cache that all threads share.
//!
//! Owns the slots: how they are found, how many there are, and who has to leave one. Whether what is in one still counts is
//! the cache's business. A look here touches one line of memory and then the token itself, where the shared cache keeps
//! account of every use; of many tokens in turn, most of what a check costs is waiting for memory.

use std::cell::RefCell;
use std::sync::Arc;

use super::token::VerifiedToken;

/// Slots that a thread begins with, and how many they may become (4 MiB); powers of two.
const FEWEST: usize = 512;
const MOST: usize = 1 << 18;

/// They become more where a token that was there is missed more often than once in so many.
const RARELY: usize = 16;

/// Every so often a token that is here is looked for in the shared cache all the same, which learns so what is used.
const TURNS: usize = 128;

/// How many slots are looked through for tokens that the cache has dropped, each time a token is added to it: so many, and
/// all of them within so many turns.
const LOOKED_THROUGH: usize = 32;
const LOOKED_THROUGH_WITHIN: usize = 2048;

/// Slots in which a token can be: with two, every eighth of 20,000 tokens in turn would find its place taken each time.
const WAYS: usize = 4;

#[derive(Default)]
struct Slot {
    mixed: u64,
    token: Option<Arc<VerifiedToken>>,
}

/// The slots where a token can be, the one that was used last first: a line of memory.
#[derive(Default)]
#[repr(align(64))]
struct Set([Slot; WAYS]);

struct Recent {
    sets: Vec<Set>,
    /// Tokens that were here, and those that were once and had to go, since this was looked at last.
    found: usize,
    missed: usize,
    /// Where looking through them goes on.
    looked_at: usize,
}

thread_local! {
    static RECENT: RefCell<Recent> =
        const { RefCell::new(Recent { sets: Vec::new(), found: 0, missed: 0, looked_at: 0 }) };
}

/// The token of this text, if it is here and `counts`.
pub(super) fn find(text: &[u8], counts: impl Fn(&VerifiedToken) -> bool) -> Option<Arc<VerifiedToken>> {
    let mixed = mixed_tail(text);
    RECENT.with_borrow_mut(|recent| {
        let set = recent.set(mixed)?;
        let is_it = |slot: &Slot| {
            slot.mixed == mixed && slot.token.as_ref().is_some_and(|token| token.place.text == text && counts(token))
        };
        let at = set.0.iter().position(is_it)?;
        let found = set.first(at).token.clone();
        recent.found += 1;
        if recent.found.is_multiple_of(TURNS) { None } else { found }
    })
}

/// Remembers a token that the shared cache knows, in place of the one of its set that was not used for longest.
pub(super) fn put(token: &Arc<VerifiedToken>) {
    let mixed = mixed_tail(&token.place.text);
    RECENT.with_borrow_mut(|recent| {
        let is_it = |slot: &Slot| slot.token.as_ref().is_some_and(|own| Arc::ptr_eq(own, token));
        if recent.set(mixed).is_some_and(|set| set.0.iter().any(is_it)) {
            return;
        }
        if recent.sets.is_empty() {
            recent.sets.resize_with(FEWEST / WAYS, Set::default);
        }
        let was_kept = token.place.note_kept();
        // More room helps where one that comes back had to go for another that is in use.
        if was_kept && recent.set(mixed).is_some_and(|set| set.is_full_for(mixed)) {
            recent.miss();
        }
        let Some(set) = recent.set(mixed) else { return };
        let at = set.place_for(mixed);
        *set.first(at) = Slot { mixed, token: Some(token.clone()) };
    });
}

/// Lets go of some of the tokens that do not count any more.
pub(super) fn look_through(counts: impl Fn(&VerifiedToken) -> bool) {
    RECENT.with_borrow_mut(|recent| {
        let count = (LOOKED_THROUGH / WAYS).max(recent.sets.len() / LOOKED_THROUGH_WITHIN);
        let end = (recent.looked_at + count).min(recent.sets.len());
        for slot in recent.sets[recent.looked_at..end].iter_mut().flat_map(|set| &mut set.0) {
            if slot.token.as_ref().is_some_and(|token| !counts(token)) {
                slot.token = None;
            }
        }
        recent.looked_at = if end == recent.sets.len() { 0 } else { end };
    });
}

impl Set {
    /// Where a token goes: to what is there of the same one, which is older, to an empty slot, or to the one that was not used
    /// for longest.
    fn place_for(&self, mixed: u64) -> usize {
        let same = self.0.iter().position(|slot| slot.mixed == mixed);
        same.or_else(|| self.0.iter().position(|slot| slot.token.is_none())).unwrap_or(WAYS - 1)
    }

    /// Whether another token that counts would have to go.
    fn is_full_for(&self, mixed: u64) -> bool {
        let slot = &self.0[self.place_for(mixed)];
        slot.mixed != mixed && slot.token.as_ref().is_some_and(|other| !other.place.has_left())
    }

    /// The slot at `at`, moved to the front.
    fn first(&mut self, at: usize) -> &mut Slot {
        self.0[..=at].rotate_right(1);
        &mut self.0[0]
    }
}

impl Recent {
    /// The slots where a token can be. One that is made to share them with others costs its sender a verification, and the
    /// others a look into the shared cache.
    fn set(&mut self, mixed: u64) -> Option<&mut Set> {
        // The upper bits are the ones that multiplication mixed.
        let at = (mixed >> 32) as usize & self.sets.len().wrapping_sub(1);
        self.sets.get_mut(at)
    }

    /// Counts a token that was here, or in a slot of another thread, and is not any more. When a quarter as many were missed as
    /// there are slots, there are twice as many, unless that took long.
    fn miss(&mut self) {
        self.missed += 1;
        let size = self.sets.len() * WAYS;
        if self.missed > size / 4 {
            if self.missed * RARELY > self.found && size < MOST {
                self.grow();
            }
            (self.missed, self.found) = (0, 0);
        }
    }

    fn grow(&mut self) {
        let before = std::mem::take(&mut self.sets);
        self.sets.resize_with(before.len() * 2, Set::default);
        self.looked_at = 0;
        // Those that were used last come last, and to the front.
        for slot in before.into_iter().flat_map(|set| set.0.into_iter().rev()).filter(|slot| slot.token.is_some()) {
            if let Some(set) = self.set(slot.mixed) {
                *set.first(WAYS - 1) = slot;
            }
        }
    }
}

/// Tells tokens apart: a token ends in its signature, which is as good as random.
fn mixed_tail(text: &[u8]) -> u64 {
    let tail = text.last_chunk::<8>().copied().unwrap_or_default();
    // Fibonacci hashing: base64url leaves some bits of every byte unused.
    u64::from_le_bytes(tail).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enforce::{Identity, TokenCache};
    use crate::policy::TokenFacts;

    fn slots() -> usize {
        RECENT.with_borrow(|recent| recent.sets.len() * WAYS)
    }

    // The tokens of an hour come and go: what is used once or twice must not cost memory
    #[test]
    fn slots_become_more_for_tokens_that_come_back() {
        let cache = TokenCache::new(1 << 30);
        let text = |number: u64| format!("head.{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let use_all = |numbers: std::ops::Range<u64>| {
            for number in numbers {
                let found = cache.find(text(number).as_bytes());
                let token = found.unwrap_or_else(|| {
                    let facts = TokenFacts::default();
                    let (identity, text) = Identity::beside(&facts, &text(number));
                    let token = Arc::new(VerifiedToken::in_test(cache.place(text, 0), facts, identity));
                    cache.insert(token.clone());
                    token
                });
                put(&token);
            }
        };
        for begin in (0..20_000).step_by(100) {
            // Each twice, and never again.
            use_all(begin..begin + 100);
            use_all(begin..begin + 100);
        }
        assert_eq!(slots(), FEWEST);
        for _ in 0..4 {
            use_all(0..4_000);
        }
        assert!((4_096..=32_768).contains(&slots()), "{}", slots());
    }
}
