//! A verified token, compiled for every request that will carry it: facts for policies, values for upstreams.
//!
//! Owns the shape; only tokens that passed `jose::verify` become one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Identity;
use crate::clock::UnixSeconds;
use crate::policy::TokenFacts;
use crate::revocations::{Bearings, Revocations};

/// A token that passed the door, with what is needed to decide and forward without reading it again.
#[derive(Debug)]
pub struct VerifiedToken {
    /// Which of the enforcer's issuers it is from.
    pub issuer: usize,
    pub facts: TokenFacts,
    pub identity: Identity,
    /// From this instant on it is worthless.
    pub expires_at: UnixSeconds,
    /// `jti`, for revocation.
    pub token_id: Option<Box<str>>,
    /// The key that verified it.
    pub key_id: Arc<str>,
    /// What log lines call the subject.
    pub pseudonym: Box<str>,
    pub(super) cleared: Cleared,
}

/// Which generation of the revocations did not concern the token.
#[derive(Debug)]
pub(super) struct Cleared(AtomicU64);

impl Default for Cleared {
    /// None.
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

impl VerifiedToken {
    /// Whether it was revoked. Asked for every request, so nothing is looked up unless there is a new mark.
    pub(super) fn is_revoked(&self, revocations: &Revocations) -> bool {
        // Read first: a mark that comes between here and the lookup is asked for again the next time.
        let generation = revocations.generation();
        if self.cleared.0.load(Ordering::Relaxed) == generation {
            return false;
        }
        if revocations.concern(&Bearings::of_claims(&self.facts.claims)) {
            return true;
        }
        self.cleared.0.store(generation, Ordering::Relaxed);
        false
    }
}
