//! Tokens that were verified before, by the token itself.
//!
//! Owns bounded memory of successes. It never holds a decision, and what it holds must be asked for its expiry and
//! revocation at every use (rule F17). Failures are not remembered: anybody can make new ones.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::notification::RemovalCause;
use moka::sync::Cache;

use super::token::VerifiedToken;

/// What one entry costs beside the token's text: the compiled facts and the cache's own bookkeeping, in bytes. Claims
/// are about as large as their text again, so the text is counted three times.
const ENTRY_OVERHEAD: usize = 1024;

/// Tokens that each thread remembers for itself; a power of two.
const SLOTS: usize = 512;

/// Verified tokens, bounded by bytes.
///
/// Every thread has a few slots of its own in front of the shared cache. A hit there costs a comparison with the token's
/// text; the shared cache costs three times as much, because it keeps account of who was used when.
pub struct TokenCache {
    /// Keyed by the whole token under a keyed hash: a digest would cost ten times the lookup, and a collision of
    /// hashes is resolved by comparing the text.
    tokens: Cache<Box<str>, Arc<VerifiedToken>, ahash::RandomState>,
    evictions: Arc<AtomicU64>,
    /// Tells the caches of one process apart in the threads' slots.
    id: u64,
    /// Counts [`TokenCache::clear`]; slots that were filled before do not count any more.
    generation: AtomicU64,
}

/// A slot of one thread.
struct Recent {
    cache: u64,
    generation: u64,
    token: Box<str>,
    verified: Arc<VerifiedToken>,
}

thread_local! {
    static RECENT: RefCell<Vec<Option<Recent>>> = const { RefCell::new(Vec::new()) };
}

static CACHES: AtomicU64 = AtomicU64::new(0);

impl TokenCache {
    /// Holds at most about `bytes`.
    pub fn new(bytes: u64) -> Self {
        let evictions = Arc::new(AtomicU64::new(0));
        let counted = evictions.clone();
        let tokens = Cache::<Box<str>, Arc<VerifiedToken>>::builder()
            .weigher(|token, _| weight(token))
            .max_capacity(bytes)
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            })
            .build_with_hasher(ahash::RandomState::new());
        let id = CACHES.fetch_add(1, Ordering::Relaxed);
        Self { tokens, evictions, id, generation: AtomicU64::new(0) }
    }

    /// By the bytes as they were sent: those of a known token are not looked at one by one.
    pub fn find(&self, token: &[u8]) -> Option<Arc<VerifiedToken>> {
        let generation = self.generation();
        RECENT.with_borrow_mut(|slots| {
            if slots.is_empty() {
                slots.resize_with(SLOTS, || None);
            }
            let slot = &mut slots[slot_of(token)];
            if let Some(recent) = slot
                && (recent.cache, recent.generation) == (self.id, generation)
                && recent.token.as_bytes() == token
            {
                return Some(recent.verified.clone());
            }
            let text = std::str::from_utf8(token).ok()?;
            let verified = self.tokens.get(text)?;
            *slot = Some(Recent { cache: self.id, generation, token: text.into(), verified: verified.clone() });
            Some(verified)
        })
    }

    /// What any thread has learned of a token since this one looked.
    pub fn find_newer(&self, token: &str) -> Option<Arc<VerifiedToken>> {
        let generation = self.generation();
        let verified = self.tokens.get(token)?;
        RECENT.with_borrow_mut(|slots| {
            if let Some(slot) = slots.get_mut(slot_of(token.as_bytes())) {
                *slot = Some(Recent { cache: self.id, generation, token: token.into(), verified: verified.clone() });
            }
        });
        Some(verified)
    }

    /// Remembers a token that was verified with what was true in `generation`; not at all when that is over.
    pub fn insert(&self, token: &str, verified: Arc<VerifiedToken>, generation: u64) {
        self.tokens.insert(token.into(), verified);
        if self.generation() != generation {
            self.remove(token.as_bytes());
        }
    }

    /// Forgets one token. Threads may have it in a slot until they use the slot again, so that this saves room and
    /// decides nothing.
    pub fn remove(&self, token: &[u8]) {
        if let Ok(token) = std::str::from_utf8(token) {
            self.tokens.invalidate(token);
        }
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

    pub fn len(&self) -> u64 {
        self.tokens.entry_count()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn weight(token: &str) -> u32 {
    u32::try_from(token.len() * 3 + ENTRY_OVERHEAD).unwrap_or(u32::MAX)
}

/// A token ends in its signature, which is as good as random; a token made to share a slot with another one costs its
/// sender a verification and others a look into the shared cache.
fn slot_of(token: &[u8]) -> usize {
    let tail = token.last_chunk::<8>().copied().unwrap_or_default();
    // Fibonacci hashing: base64url leaves some bits of every byte unused.
    let mixed = u64::from_le_bytes(tail).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (u64::BITS - SLOTS.trailing_zeros())) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enforce::Identity;
    use crate::enforce::live::Live;
    use crate::enforce::token::Cleared;
    use crate::policy::TokenFacts;

    fn verified(subject: &str) -> Arc<VerifiedToken> {
        let facts = TokenFacts { subject: subject.into(), ..TokenFacts::default() };
        Arc::new(VerifiedToken {
            issuer: 0,
            identity: Identity::of(&facts),
            facts,
            expires_at: 0,
            fresh_until: 0,
            is_opaque: false,
            is_foreign: false,
            token_id: None,
            key_id: "k".into(),
            pseudonym: "p".into(),
            binding: None,
            cleared: Cleared::default(),
            live: Live::default(),
        })
    }

    fn subject(cache: &TokenCache, token: &str) -> Option<String> {
        cache.find(token.as_bytes()).map(|verified| verified.facts.subject.to_string())
    }

    #[test]
    fn tokens_are_told_apart_by_their_whole_text() {
        let (cache, other) = (TokenCache::new(1 << 20), TokenCache::new(1 << 20));
        cache.insert("head-a.same-tail", verified("a"), 0);
        cache.insert("head-b.same-tail", verified("b"), 0);
        for _ in 0..3 {
            assert_eq!(subject(&cache, "head-a.same-tail").as_deref(), Some("a"));
            assert_eq!(subject(&cache, "head-b.same-tail").as_deref(), Some("b"));
            assert_eq!(subject(&cache, "head-c.same-tail"), None);
            assert_eq!(subject(&other, "head-a.same-tail"), None, "another cache, the same thread");
        }
    }

    // F17
    #[test]
    fn nothing_survives_a_clear() {
        let cache = TokenCache::new(1 << 20);
        cache.insert("token", verified("a"), cache.generation());
        assert!(cache.find(b"token").is_some());
        cache.clear();
        assert!(cache.find(b"token").is_none());
        // Verified with the keys of before, ready only after the clear.
        cache.insert("token", verified("a"), 0);
        assert!(cache.find(b"token").is_none());
        cache.insert("token", verified("b"), cache.generation());
        assert_eq!(subject(&cache, "token").as_deref(), Some("b"));
    }
}
