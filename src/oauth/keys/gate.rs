//! The gateway's own keys: they sign what upstreams are told of their callers, and nothing else does.
//!
//! Owns the choice among them and their key set. They are made and rotated as all others are.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::issuer::LoadedKey;
use super::{KeyRing, KeyRingError, Rotation};
use crate::clock::UnixSeconds;
use crate::jose::{Algorithm, KeySet, SigningKey, TokenType};
use crate::model::{KeyPurpose, KeyState, StoredKey, signing_key};

/// Seconds that the longest forwarded token lives, whatever is configured.
const LONGEST: i64 = 3600;

/// The keys at one time. Immutable.
#[derive(Debug)]
pub(super) struct GateKeys {
    keys: Vec<LoadedKey>,
    key_set: KeySet,
}

impl Default for GateKeys {
    fn default() -> Self {
        Self::new(&[], 0)
    }
}

impl GateKeys {
    /// Out of all keys, those that are published at `now`.
    pub(super) fn new(all: &[LoadedKey], now: UnixSeconds) -> Self {
        let keys: Vec<LoadedKey> =
            all.iter().filter(|key| is_gate_key(&key.stored) && key.stored.is_published(now)).cloned().collect();
        let key_set = KeySet::new(keys.iter().map(|key| Arc::clone(key.key.verifying_key())));
        Self { keys, key_set }
    }

    /// Whether one of these is not among `others`.
    pub(super) fn has_more_than(&self, others: &Self) -> bool {
        self.keys.iter().any(|key| !others.keys.iter().any(|other| other.stored.id == key.stored.id))
    }

    /// The one that signs at `now`; the next one where the only one that may was removed.
    fn signing_key(&self, algorithm: &str, now: UnixSeconds) -> Option<&Arc<SigningKey>> {
        let all = || self.keys.iter().map(|key| &*key.stored);
        let next = || all().filter(|key| key.state(now) == KeyState::Published).min_by_key(|key| key.signs_from_at);
        let chosen = signing_key(all().filter(|key| key.algorithm == algorithm), now)
            .or_else(|| signing_key(all(), now))
            .or_else(next)?;
        self.keys.iter().find(|key| key.stored.id == chosen.id).map(|key| &key.key)
    }
}

pub(super) fn is_gate_key(key: &StoredKey) -> bool {
    key.purpose == KeyPurpose::Forwarded
}

impl KeyRing {
    /// Has what upstreams are told be signed with this, as the configuration wants it; `None` if none is told anything. Call
    /// [`KeyRing::provide`] afterwards.
    pub fn forward_with(&self, algorithm: Option<Algorithm>) {
        self.forwarded.store(algorithm.map(Arc::new));
    }

    pub(super) fn forwarded_algorithm(&self) -> Option<Algorithm> {
        self.forwarded.load().as_deref().copied()
    }

    /// Signs what an upstream is told. `None` while there is no key, or if no upstream is told anything.
    pub fn sign_forwarded(&self, claims: &Map<String, Value>) -> Option<String> {
        let algorithm = self.forwarded_algorithm()?;
        let snapshot = self.snapshot();
        let key = snapshot.gate.signing_key(algorithm.as_str(), self.clock.now())?;
        // Claims that are JSON already cannot fail to be written, and the library does not fail on a good key.
        key.sign(TokenType::Forwarded, claims).ok()
    }

    /// The key set that upstreams verify with.
    pub fn forwarded_key_set(&self) -> Bytes {
        self.snapshot().gate.key_set.document()
    }

    /// Publishes a new key for what upstreams are told, as [`KeyRing::rotate`] does for a tenant.
    ///
    /// # Errors
    /// [`KeyRingError::NotForwarded`] if no upstream is told anything.
    pub async fn rotate_forwarded(&self) -> Result<Rotation, KeyRingError> {
        let algorithm = self.forwarded_algorithm().ok_or(KeyRingError::NotForwarded)?;
        self.rotate_slot(super::make::Slot::forwarded(algorithm), LONGEST).await
    }
}
