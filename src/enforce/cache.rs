//! Tokens that were verified before, by the token itself.
//!
//! Owns bounded memory of successes. It never holds a decision, and what it holds must be asked for its expiry and
//! revocation at every use (rule F17). Failures are not remembered: anybody can make new ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use moka::notification::RemovalCause;
use moka::sync::Cache;

use super::recent;
use super::token::{Place, VerifiedToken};

/// What one entry costs beside the token's text: the compiled facts and the cache's own bookkeeping, in bytes. Claims
/// are about as large as their text again, so the text is counted three times.
const ENTRY_OVERHEAD: usize = 1024;

/// What one forwarded token costs, in bytes, and how many destinations a token is counted to have at most.
const FORWARDED: usize = 1024;
const MOST_FORWARDED: usize = 3;

/// Verified tokens, bounded by bytes.
///
/// Every thread has slots of its own in front of the shared cache (`recent`). What was dropped is used from none of them, and
/// let go of as other tokens are added.
pub struct TokenCache {
    /// Keyed by the whole token under a keyed hash: a digest would cost ten times the lookup, and a collision of
    /// hashes is resolved by comparing the text.
    tokens: Cache<Bytes, Arc<VerifiedToken>, ahash::RandomState>,
    evictions: Arc<AtomicU64>,
    /// Tells the caches of one process apart in the threads' slots.
    id: u64,
    /// Counts [`TokenCache::clear`]; slots that were filled before do not count any more.
    generation: AtomicU64,
}

static CACHES: AtomicU64 = AtomicU64::new(0);

impl TokenCache {
    /// Holds at most about `bytes`.
    pub fn new(bytes: u64) -> Self {
        Self::with_forwarded(bytes, 0)
    }

    /// The same where tokens of our own are made for so many destinations, which lie beside the tokens.
    pub fn with_forwarded(bytes: u64, destinations: usize) -> Self {
        let overhead = ENTRY_OVERHEAD + FORWARDED * destinations.min(MOST_FORWARDED);
        let evictions = Arc::new(AtomicU64::new(0));
        let counted = evictions.clone();
        let tokens = Cache::<Bytes, Arc<VerifiedToken>>::builder()
            .weigher(move |text, _| weight(text, overhead))
            .max_capacity(bytes)
            .eviction_listener(move |_, token: Arc<VerifiedToken>, cause| {
                token.place.leave();
                if cause == RemovalCause::Size {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            })
            .build_with_hasher(ahash::RandomState::new());
        let id = CACHES.fetch_add(1, Ordering::Relaxed);
        Self { tokens, evictions, id, generation: AtomicU64::new(0) }
    }

    /// By the bytes as they were sent: those of a known token are not looked at one by one.
    pub fn find(&self, text: &[u8]) -> Option<Arc<VerifiedToken>> {
        let generation = self.generation();
        recent::find(text, |token| token.place.is_in(self.id, generation)).or_else(|| self.find_newer(text))
    }

    /// What any thread has learned of a token since this one looked.
    pub fn find_newer(&self, text: &[u8]) -> Option<Arc<VerifiedToken>> {
        let token = self.tokens.get(text).filter(|token| token.place.is_in(self.id, self.generation()))?;
        recent::put(&token);
        Some(token)
    }

    /// Where a token will be remembered that is verified with what is true in `generation`.
    pub(super) fn place(&self, text: Bytes, generation: u64) -> Place {
        Place::new(text, self.id, generation)
    }

    /// Remembers a token in its place; for nothing, when that generation is over.
    pub fn insert(&self, token: Arc<VerifiedToken>) {
        self.tokens.insert(token.place.text.clone(), token);
        // Of a configuration before this one, too.
        recent::look_through(|token| token.place.is_in(self.id, self.generation()));
    }

    /// Forgets every token: keys or names of an issuer changed.
    pub fn clear(&self) {
        self.generation.fetch_add(1, Ordering::Release);
        self.tokens.invalidate_all();
    }

    /// Changes with every [`TokenCache::clear`].
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Tokens dropped for lack of room since the start.
    pub fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }

    /// As of now: what was written since the last housekeeping is only counted after the next.
    pub fn len(&self) -> u64 {
        self.tokens.run_pending_tasks();
        self.tokens.entry_count()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn weight(text: &[u8], overhead: usize) -> u32 {
    u32::try_from(text.len() * 3 + overhead).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enforce::Identity;
    use crate::policy::TokenFacts;

    fn insert(cache: &TokenCache, text: &str, subject: &str, generation: u64) {
        let facts = TokenFacts { subject: subject.into(), ..TokenFacts::default() };
        let (identity, text) = Identity::beside(&facts, text);
        cache.insert(Arc::new(VerifiedToken::in_test(cache.place(text, generation), facts, identity)));
    }

    fn subject(cache: &TokenCache, token: &str) -> Option<String> {
        cache.find(token.as_bytes()).map(|verified| verified.facts.subject.to_string())
    }

    #[test]
    fn tokens_are_told_apart_by_their_whole_text() {
        let (cache, other) = (TokenCache::new(1 << 20), TokenCache::new(1 << 20));
        // One more than there is room for in the slots of one ending.
        let heads = ["a", "b", "c", "d", "e"];
        for head in heads {
            insert(&cache, &format!("head-{head}.same-tail"), head, 0);
        }
        for _ in 0..300 {
            for head in heads {
                let text = format!("head-{head}.same-tail");
                assert_eq!(subject(&cache, &text).as_deref(), Some(head));
                assert_eq!(subject(&other, &text), None, "another cache, the same thread");
            }
            assert_eq!(subject(&cache, "head-f.same-tail"), None);
        }
    }

    #[test]
    fn every_one_of_many_tokens_is_found_again_and_again() {
        let (cache, count) = (TokenCache::new(1 << 30), 5_000);
        let text = |number: u64| format!("head.{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for number in 0..count {
            insert(&cache, &text(number), &number.to_string(), 0);
        }
        for number in (0..20 * count).map(|turn| turn % count) {
            assert_eq!(subject(&cache, &text(number)), Some(number.to_string()));
        }
    }

    // What was evicted or replaced is not used any more, whichever thread has it in a slot
    #[test]
    fn a_token_that_left_the_cache_is_in_no_slot() {
        let cache = TokenCache::new(1 << 20);
        insert(&cache, "token", "a", 0);
        assert_eq!(cache.len(), 1);
        for _ in 0..2 {
            assert_eq!(subject(&cache, "token").as_deref(), Some("a"));
        }
        std::thread::scope(|scope| scope.spawn(|| insert(&cache, "token", "b", 0)).join()).unwrap();
        assert_eq!(subject(&cache, "token").as_deref(), Some("b"));
        // There is room for a thousand.
        for number in 0..3_000 {
            let text = format!("another.{number}");
            insert(&cache, &text, "d", 0);
            // In a slot, if it was let in.
            subject(&cache, &text);
        }
        cache.tokens.run_pending_tasks();
        let kept = (0..3_000).filter(|number| subject(&cache, &format!("another.{number}")).is_some()).count();
        assert_eq!(kept as u64, cache.len());
        assert!((500..1_100).contains(&kept), "{kept}");
    }

    // F17
    #[test]
    fn nothing_survives_a_clear() {
        let cache = TokenCache::new(1 << 20);
        insert(&cache, "token", "a", cache.generation());
        assert!(cache.find(b"token").is_some());
        cache.clear();
        assert!(cache.find(b"token").is_none());
        // Verified with the keys of before, ready only after the clear.
        insert(&cache, "token", "a", 0);
        assert!(cache.find(b"token").is_none());
        insert(&cache, "token", "b", cache.generation());
        assert_eq!(subject(&cache, "token").as_deref(), Some("b"));
    }
}
