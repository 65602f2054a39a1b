//! A verified token, compiled for every request that will carry it: facts for policies, values for upstreams.
//!
//! Owns the shape; only tokens that passed `jose::verify` become one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use serde_json::Value;

use super::forwarded::Minted;
use super::live::Live;
use super::{Binding, Guard, Identity};
use crate::clock::UnixSeconds;
use crate::policy::{Permissions, TokenFacts};
use crate::revocations::{Bearings, Revocations};

/// A token that passed the door, with what is needed to decide and forward without reading it again.
#[derive(Debug)]
pub struct VerifiedToken {
    pub(super) place: Place,
    /// Which of the enforcer's issuers it is from.
    pub issuer: usize,
    pub facts: TokenFacts,
    pub identity: Identity,
    /// From this instant on it is worthless.
    pub expires_at: UnixSeconds,
    /// From this instant on its issuer has to be asked again.
    pub fresh_until: UnixSeconds,
    /// Nothing in it says whose it is: its issuer was found by asking.
    pub is_opaque: bool,
    /// Its issuer is somebody else.
    pub is_foreign: bool,
    /// `jti`, for revocation.
    pub token_id: Option<Box<str>>,
    /// The key that verified it; `introspection` if its issuer was asked instead.
    pub key_id: Arc<str>,
    /// What log lines call the subject.
    pub pseudonym: Box<str>,
    /// Whom it is good for, if not for whoever has it.
    pub binding: Option<Box<Binding>>,
    pub(super) cleared: Cleared,
    /// What was made for upstreams.
    pub(super) minted: Minted,
    pub(super) live: Live,
}

/// Where a token is remembered, and as what.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// The token as it was sent.
    pub text: Bytes,
    cache: u64,
    /// What was true when it was verified.
    generation: u64,
    /// It is not in that cache any more.
    has_left: AtomicBool,
    /// Some thread has had it in a slot of its own.
    was_kept: AtomicBool,
}

impl Place {
    pub fn new(text: Bytes, cache: u64, generation: u64) -> Self {
        Self { text, cache, generation, has_left: AtomicBool::new(false), was_kept: AtomicBool::new(false) }
    }

    pub fn has_left(&self) -> bool {
        self.has_left.load(Ordering::Relaxed)
    }

    /// Notes that a thread has it in a slot, and says whether one had before.
    pub fn note_kept(&self) -> bool {
        self.was_kept.swap(true, Ordering::Relaxed)
    }

    pub fn leave(&self) {
        self.has_left.store(true, Ordering::Relaxed);
    }

    /// Whether it counts in this cache and now.
    pub fn is_in(&self, cache: u64, generation: u64) -> bool {
        self.generation == generation && self.cache == cache && !self.has_left()
    }
}

/// In place of a key, where an issuer was asked.
pub(super) const INTROSPECTION: &str = "introspection";

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
    #[cfg(test)]
    pub(super) fn in_test(place: Place, facts: TokenFacts, identity: Identity) -> Self {
        Self {
            place,
            issuer: 0,
            identity,
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
            minted: Minted::default(),
            live: Live::default(),
        }
    }

    /// Whether its issuer said what it is, and no signature.
    pub fn is_introspected(&self) -> bool {
        &*self.key_id == INTROSPECTION
    }

    /// The same token, had it been issued with these permissions.
    pub(super) fn with_permissions(&self, permissions: Permissions) -> Self {
        let mut facts = self.facts.clone();
        let targets = permissions.iter().map(|target| {
            let permissions = target.permissions.iter().collect::<Vec<_>>();
            (target.id.to_string(), Value::from(permissions))
        });
        facts.claims.insert("permissions".to_owned(), Value::Object(targets.collect()));
        facts.permissions = permissions;
        Self {
            // It is not looked for by its text.
            place: Place::default(),
            issuer: self.issuer,
            identity: Identity::of(&facts),
            facts,
            expires_at: self.expires_at,
            fresh_until: self.fresh_until,
            is_opaque: self.is_opaque,
            is_foreign: self.is_foreign,
            token_id: self.token_id.clone(),
            key_id: self.key_id.clone(),
            pseudonym: self.pseudonym.clone(),
            cleared: Cleared::default(),
            minted: Minted::default(),
            binding: self.binding.clone(),
            live: Live::default(),
        }
    }

    /// Whether what is known of it is all there is to know here: it is fresh (or over anyway), and if it could be somebody
    /// else's too, it is of somebody whom the route accepts.
    pub(super) fn is_current(&self, guard: &Guard, now: UnixSeconds) -> bool {
        (now < self.fresh_until || now >= self.expires_at) && (!self.is_opaque || guard.accepts(self.issuer))
    }

    /// Whether it was revoked. Asked for every request, so nothing is looked up unless there is a new mark.
    pub(super) fn is_revoked(&self, revocations: &Revocations) -> bool {
        // Read first: a mark that comes between here and the lookup is asked for again the next time.
        let generation = revocations.generation();
        if self.cleared.0.load(Ordering::Relaxed) == generation {
            return false;
        }
        let facts = &self.facts;
        let bearings = match self.is_foreign {
            true => Bearings::of_foreign_claims(&facts.issuer, facts.client_id.as_deref(), &facts.claims)
                .signed_with(&self.key_id),
            false => Bearings::of_claims(&facts.claims),
        };
        if revocations.concern(&bearings) {
            return true;
        }
        self.cleared.0.store(generation, Ordering::Relaxed);
        false
    }
}
