//! What a thread remembers of the tokens that it used, in front of the cache that all threads share.
//!
//! Owns the slots: how they are found, how many there are, and who has to leave one. Whether what is in one still counts is
//! the cache's business. A look here touches one line of memory and then the token itself, where the shared cache keeps
//! account of every use; of many tokens in turn, most of what a check costs is waiting for memory.

use std::cell::RefCell;
use std::sync::Arc;

use super::token::VerifiedToken;

/// Slots that a thread begins with, and how many they may become; powers of two.
const FEWEST: usize = 512;
const MOST: usize = 1 << 16;

/// They become more where a known token is missed more often than once in so many.
const RARELY: usize = 16;

/// Every so often a token that is here is looked for in the shared cache all the same, which learns so what is used.
const TURNS: usize = 128;

/// How many slots are looked through for tokens that the cache has dropped, each time a token is added to it.
const LOOKED_THROUGH: usize = 32;

#[derive(Default)]
struct Slot {
    mixed: u64,
    token: Option<Arc<VerifiedToken>>,
}

struct Recent {
    /// In pairs, the one that was used last first.
    slots: Vec<Slot>,
    /// Tokens that were here, and known ones that were not, since this was looked at last.
    found: usize,
    missed: usize,
    /// Where looking through them goes on.
    looked_at: usize,
}

thread_local! {
    static RECENT: RefCell<Recent> =
        const { RefCell::new(Recent { slots: Vec::new(), found: 0, missed: 0, looked_at: 0 }) };
}

/// The token of this text, if it is here and `counts`.
pub(super) fn find(text: &[u8], counts: impl Fn(&VerifiedToken) -> bool) -> Option<Arc<VerifiedToken>> {
    let mixed = mixed_tail(text);
    RECENT.with_borrow_mut(|recent| {
        let pair = recent.pair(mixed)?;
        let is_it = |slot: &Slot| {
            slot.mixed == mixed && slot.token.as_ref().is_some_and(|token| token.place.text == text && counts(token))
        };
        if !is_it(&pair[0]) {
            if !is_it(&pair[1]) {
                return None;
            }
            pair.swap(0, 1);
        }
        let found = pair[0].token.clone();
        recent.found += 1;
        if recent.found.is_multiple_of(TURNS) { None } else { found }
    })
}

/// Remembers a token that the shared cache knows, in place of the one that was not used for longest of two.
pub(super) fn put(token: &Arc<VerifiedToken>) {
    let mixed = mixed_tail(&token.place.text);
    RECENT.with_borrow_mut(|recent| {
        let is_it = |slot: &Slot| slot.token.as_ref().is_some_and(|own| Arc::ptr_eq(own, token));
        if recent.pair(mixed).is_some_and(|pair| pair.iter().any(is_it)) {
            return;
        }
        recent.miss();
        let Some(pair) = recent.pair(mixed) else { return };
        if pair[0].mixed != mixed {
            pair.swap(0, 1);
        }
        pair[0] = Slot { mixed, token: Some(token.clone()) };
    });
}

/// Lets go of some of the tokens that do not count any more.
pub(super) fn look_through(counts: impl Fn(&VerifiedToken) -> bool) {
    RECENT.with_borrow_mut(|recent| {
        let end = (recent.looked_at + LOOKED_THROUGH).min(recent.slots.len());
        for slot in &mut recent.slots[recent.looked_at..end] {
            if slot.token.as_ref().is_some_and(|token| !counts(token)) {
                slot.token = None;
            }
        }
        recent.looked_at = if end == recent.slots.len() { 0 } else { end };
    });
}

impl Recent {
    /// The two slots where a token can be. A token that is made to share them with others costs its sender a verification,
    /// and the others a look into the shared cache.
    fn pair(&mut self, mixed: u64) -> Option<&mut [Slot; 2]> {
        let (pairs, _) = self.slots.as_chunks_mut::<2>();
        // The upper bits are the ones that multiplication mixed.
        let pair = (mixed >> 32) as usize & pairs.len().wrapping_sub(1);
        pairs.get_mut(pair)
    }

    /// Counts a known token that was not here. When as many were missed as there are slots, there are twice as many, unless
    /// that took long.
    fn miss(&mut self) {
        self.missed += 1;
        let size = self.slots.len();
        if size == 0 {
            self.slots.resize_with(FEWEST, Slot::default);
        } else if self.missed > size {
            if self.missed * RARELY > self.found && size < MOST {
                self.grow();
            }
            (self.missed, self.found) = (0, 0);
        }
    }

    fn grow(&mut self) {
        let before = std::mem::take(&mut self.slots);
        self.slots.resize_with(before.len() * 2, Slot::default);
        self.looked_at = 0;
        for slot in before.into_iter().filter(|slot| slot.token.is_some()) {
            if let Some(pair) = self.pair(slot.mixed) {
                pair.swap(0, 1);
                pair[0] = slot;
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
