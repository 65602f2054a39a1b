//! The life of a signing key: published, then signing, then kept, then removed (P2).
//!
//! Owns when; it does not know how keys are made, encrypted or used.

use uuid::Uuid;

/// A signing key as it is stored. Its four instants decide everything; nothing else marks a state.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// The `kid`.
    pub id: String,
    /// The only tenant that uses it, or `None` for all.
    pub tenant_id: Option<Uuid>,
    /// JOSE name; a key signs with one algorithm only.
    pub algorithm: String,
    pub purpose: KeyPurpose,
    /// It signs for applications and entity types that name it, never for the whole tenant.
    pub for_applications: bool,
    /// What the key set shows, as JSON text; `None` for a symmetric key, which is never shown (F-205).
    pub public_jwk: Option<String>,
    /// The private key, encrypted (P1), in base64.
    pub private_key: String,
    pub created_at: i64,
    /// From here on it is in the key set.
    pub published_at: i64,
    /// From here on it may sign; not before everyone who caches the key set can have seen it.
    pub signs_from_at: i64,
    /// From here on it signs no more. `None`: it is the current key of its slot, and there is one such key per
    /// (tenant, purpose, algorithm); of those for applications there may be any number.
    pub retired_at: Option<i64>,
    /// From here on it verifies no more and leaves the key set.
    pub removed_at: Option<i64>,
}

impl std::fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredKey")
            .field("id", &self.id)
            .field("tenant_id", &self.tenant_id)
            .field("algorithm", &self.algorithm)
            .field("purpose", &self.purpose)
            .field("published_at", &self.published_at)
            .field("signs_from_at", &self.signs_from_at)
            .field("retired_at", &self.retired_at)
            .field("removed_at", &self.removed_at)
            .finish_non_exhaustive()
    }
}

/// What a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyPurpose {
    AccessToken,
    IdToken,
    /// What upstreams are told of their callers; no tenant's.
    Forwarded,
}

impl KeyPurpose {
    pub const ALL: [Self; 3] = [Self::AccessToken, Self::IdToken, Self::Forwarded];
    /// What every tenant has keys for.
    pub const OF_TENANTS: [Self; 2] = [Self::AccessToken, Self::IdToken];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::IdToken => "id_token",
            Self::Forwarded => "forwarded",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text)
    }
}

/// Where a key is in its life at some instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// In the key set, not signing yet.
    Published,
    Signing,
    /// Signs no more; tokens that it signed are still accepted.
    Kept,
    /// Not published yet, or gone.
    Removed,
}

/// How long a key is shown before its first use and after its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySchedule {
    /// At least the longest time that somebody caches the key set.
    pub publish_for: i64,
    /// At least the life of the longest token.
    pub keep_for: i64,
}

impl StoredKey {
    /// One that is published later than now was made before the clock went back: it is known to others, and stays so (T68).
    pub fn state(&self, now: i64) -> KeyState {
        if self.removed_at.is_some_and(|at| at <= now) {
            KeyState::Removed
        } else if self.retired_at.is_some_and(|at| at <= now) {
            KeyState::Kept
        } else if now < self.signs_from_at {
            KeyState::Published
        } else {
            KeyState::Signing
        }
    }

    /// Whether tokens signed with it are accepted and the key set shows it.
    pub fn is_published(&self, now: i64) -> bool {
        self.state(now) != KeyState::Removed
    }

    /// This key as it stands when another one signs in its stead from `at` on, and it is kept for so many seconds.
    pub fn give_way(&self, at: i64, keep_for: i64) -> Self {
        Self { retired_at: Some(at), removed_at: Some(at.saturating_add(keep_for)), ..self.clone() }
    }

    /// The first key of its slot: it may sign at once, because nobody can have cached a key set without it.
    pub fn begin(mut self, now: i64) -> Self {
        (self.created_at, self.published_at, self.signs_from_at) = (now, now, now);
        (self.retired_at, self.removed_at) = (None, None);
        self
    }

    /// This key and `successor` as they stand after a rotation at `now`: the successor is published at once and signs
    /// from `publish_for` later; at that instant this one stops signing, and it leaves the key set `keep_for` later.
    /// `None` when this key has a successor already.
    pub fn succeed(&self, successor: Self, now: i64, schedule: KeySchedule) -> Option<(Self, Self)> {
        if self.retired_at.is_some() {
            return None;
        }
        let mut successor = successor.begin(now);
        // A clock that went backwards must not make the successor sign before its predecessor.
        successor.signs_from_at = (now + schedule.publish_for).max(self.signs_from_at);
        Some((self.give_way(successor.signs_from_at, schedule.keep_for), successor))
    }
}

/// The key that signs at `now`, out of the keys of one slot: of those that may, the one that began last.
/// During the hand-over this picks the successor on every node at the same second.
pub fn signing_key<'a>(keys: impl IntoIterator<Item = &'a StoredKey>, now: i64) -> Option<&'a StoredKey> {
    keys.into_iter()
        .filter(|key| key.state(now) == KeyState::Signing)
        .max_by(|a, b| (a.signs_from_at, &a.id).cmp(&(b.signs_from_at, &b.id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: KeySchedule = KeySchedule { publish_for: 600, keep_for: 3600 };

    fn key(id: &str) -> StoredKey {
        StoredKey {
            id: id.to_owned(),
            tenant_id: None,
            algorithm: "ES256".to_owned(),
            purpose: KeyPurpose::AccessToken,
            for_applications: false,
            public_jwk: Some("{}".to_owned()),
            private_key: "marked-secret".to_owned(),
            created_at: 0,
            published_at: 0,
            signs_from_at: 0,
            retired_at: None,
            removed_at: None,
        }
    }

    // P2
    #[test]
    fn a_rotation_publishes_first_signs_later_and_keeps_after() {
        let old = key("old").begin(1_000);
        assert_eq!(old.state(999), KeyState::Published, "the clock went back");
        assert_eq!(old.state(1_000), KeyState::Signing);
        let (old, new) = old.succeed(key("new"), 5_000, SCHEDULE).expect("the current key");
        let keys = [old.clone(), new.clone()];
        assert!(new.is_published(5_000));
        assert_eq!(new.state(5_599), KeyState::Published);
        assert_eq!(signing_key(&keys, 5_599).map(|key| key.id.as_str()), Some("old"));
        assert_eq!(signing_key(&keys, 5_600).map(|key| key.id.as_str()), Some("new"));
        assert_eq!(old.state(5_600), KeyState::Kept);
        assert_eq!(old.state(9_199), KeyState::Kept);
        assert_eq!(old.state(9_200), KeyState::Removed);
    }

    // T74: the second of two rotations has nothing to replace
    #[test]
    fn a_key_has_one_successor() {
        let (old, new) = key("old").begin(0).succeed(key("new"), 10, SCHEDULE).expect("the current key");
        assert!(old.succeed(key("other"), 10, SCHEDULE).is_none());
        assert!(new.succeed(key("other"), 10, SCHEDULE).is_some());
    }

    // T68: at every second of any chain of rotations exactly one key signs
    #[test]
    fn somebody_always_signs() {
        let (mut keys, mut current) = (Vec::new(), key("k0").begin(0));
        for (number, now) in [(1, 100), (2, 150), (3, 90), (4, 2_000)] {
            let (old, new) = current.succeed(key(&format!("k{number}")), now, SCHEDULE).expect("the current key");
            keys.push(old);
            current = new;
        }
        keys.push(current);
        for now in 0..4_000 {
            assert!(signing_key(&keys, now).is_some(), "{now}");
        }
    }

    // P1, T77
    #[test]
    fn key_material_is_never_printed() {
        assert!(!format!("{:?}", key("a")).contains("marked-secret"));
    }
}
