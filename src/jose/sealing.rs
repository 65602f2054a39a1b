//! Encryption at rest of secrets that have to be known again: shared secrets of time-based codes, client secrets that
//! sign assertions. It does not store what it seals.

use super::{KeyError, MasterKey};
use crate::entropy::Entropy;
use crate::secret::Secret;

/// Seals text for one place: what was sealed for a user does not open for another one.
pub struct Sealing(MasterKey);

impl Sealing {
    /// From the master key: every node opens what any of them sealed.
    pub fn new(master_key: &MasterKey) -> Self {
        Self::from_key(&master_key.derive(b"faregate sealing"))
    }

    /// Opens nothing but what it sealed itself: for a directory without a master key.
    pub fn ephemeral() -> Self {
        let mut key = [0; 32];
        Entropy::system().fill(&mut key);
        Self::from_key(&key)
    }

    #[expect(clippy::expect_used, reason = "32 bytes are a key of AES-256")]
    fn from_key(key: &[u8; 32]) -> Self {
        Self(MasterKey::new(key).expect("a key of 32 bytes"))
    }

    /// # Errors
    /// [`KeyError::Library`] if the library fails.
    pub fn seal(&self, place: &str, secret: &Secret<String>, entropy: &Entropy) -> Result<String, KeyError> {
        self.0.seal(place, &Secret::new(secret.expose().clone().into_bytes()), entropy)
    }

    /// `None` if it was damaged, sealed for another place, or with another key.
    pub fn open(&self, place: &str, sealed: &str) -> Option<Secret<String>> {
        let opened = self.0.open(place, sealed).ok()?;
        String::from_utf8(opened.expose().clone()).ok().map(Secret::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // P1
    #[test]
    fn what_is_sealed_opens_in_its_place_only() {
        let (sealing, entropy) = (Sealing::ephemeral(), Entropy::seeded(1));
        let sealed = sealing.seal("totp:1", &Secret::from("hunter2".to_owned()), &entropy).unwrap();
        assert!(!sealed.contains("hunter2"));
        assert_eq!(sealing.open("totp:1", &sealed).unwrap().expose(), "hunter2");
        assert!(sealing.open("totp:2", &sealed).is_none());
        assert!(Sealing::ephemeral().open("totp:1", &sealed).is_none());
        assert!(sealing.open("totp:1", &sealed[..sealed.len() - 2]).is_none());
    }

    #[test]
    fn one_master_key_is_one_sealing() {
        let key = || MasterKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        let sealed = Sealing::new(&key()).seal("a", &Secret::from("b".to_owned()), &Entropy::seeded(1)).unwrap();
        assert_eq!(Sealing::new(&key()).open("a", &sealed).unwrap().expose(), "b");
        assert!(key().open("a", &sealed).is_err(), "the key itself is used for private keys only");
    }
}
