//! Tokens that were verified before, by the token itself.
//!
//! Owns bounded memory of successes. It never holds a decision, and what it holds must be asked for its expiry and
//! revocation at every use (rule F17). Failures are not remembered: anybody can make new ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::notification::RemovalCause;
use moka::sync::Cache;

use super::token::VerifiedToken;

/// What one entry costs beside the token's text: the compiled facts and the cache's own bookkeeping, in bytes. Claims
/// are about as large as their text again, so the text is counted three times.
const ENTRY_OVERHEAD: usize = 1024;

/// Verified tokens, bounded by bytes.
pub struct TokenCache {
    /// Keyed by the whole token under a keyed hash: a digest would cost ten times the lookup, and a collision of
    /// hashes is resolved by comparing the text.
    tokens: Cache<Box<str>, Arc<VerifiedToken>, ahash::RandomState>,
    evictions: Arc<AtomicU64>,
}

impl TokenCache {
    /// Holds at most about `bytes`.
    pub fn new(bytes: u64) -> Self {
        let weight = |token: &Box<str>, _: &Arc<VerifiedToken>| {
            u32::try_from(token.len() * 3 + ENTRY_OVERHEAD).unwrap_or(u32::MAX)
        };
        let evictions = Arc::new(AtomicU64::new(0));
        let counted = evictions.clone();
        let tokens = Cache::builder()
            .weigher(weight)
            .max_capacity(bytes)
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            })
            .build_with_hasher(ahash::RandomState::new());
        Self { tokens, evictions }
    }

    pub fn find(&self, token: &str) -> Option<Arc<VerifiedToken>> {
        self.tokens.get(token)
    }

    pub fn insert(&self, token: &str, verified: Arc<VerifiedToken>) {
        self.tokens.insert(token.into(), verified);
    }

    pub fn remove(&self, token: &str) {
        self.tokens.invalidate(token);
    }

    /// Forgets every token: keys or names of an issuer changed.
    pub fn clear(&self) {
        self.tokens.invalidate_all();
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
