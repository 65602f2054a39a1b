//! The keys of one issuer: found by `kid`, published as one JSON document (RFC 7517 section 5).
//!
//! Owns lookup and the published bytes; it does not fetch anybody's keys or decide when they change.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Algorithm, KeyError, VerifyingKey, json};

/// An immutable set; a change makes a new one.
#[derive(Debug)]
pub struct KeySet {
    keys: HashMap<Arc<str>, Arc<VerifyingKey>>,
    document: Bytes,
}

impl KeySet {
    /// Collects `keys` in the order in which the document shall list them. The first key of a name wins (rule E8).
    pub fn new(keys: impl IntoIterator<Item = Arc<VerifyingKey>>) -> Self {
        let mut by_kid = HashMap::new();
        let mut listed = Vec::new();
        for key in keys {
            if by_kid.contains_key(key.kid()) {
                continue;
            }
            listed.extend(key.public_jwk().cloned());
            by_kid.insert(Arc::clone(key.kid()), key);
        }
        Self { keys: by_kid, document: json!({ "keys": listed }).to_string().into() }
    }

    /// Reads what somebody else published. Keys of kinds that we do not know are skipped; one that should not be there, a
    /// private or shared one, spoils the whole set (rule G7).
    ///
    /// # Errors
    /// [`KeyError::Malformed`] if it is no JWK set, [`KeyError::NotPublic`] if it holds what must not be published.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let document = json::parse_object(text.as_bytes()).map_err(|_| KeyError::Malformed)?;
        let listed = document.get("keys").and_then(Value::as_array).ok_or(KeyError::Malformed)?;
        let mut keys = Vec::with_capacity(listed.len());
        for entry in listed {
            match VerifyingKey::from_jwk(entry.as_object().ok_or(KeyError::Malformed)?) {
                Ok(key) => keys.push(Arc::new(key)),
                Err(KeyError::NotPublic) => return Err(KeyError::NotPublic),
                Err(
                    KeyError::Malformed | KeyError::UnsupportedAlgorithm | KeyError::NotForSigning | KeyError::Library,
                ) => {}
            }
        }
        Ok(Self::new(keys))
    }

    pub fn find(&self, kid: &str) -> Option<&Arc<VerifyingKey>> {
        self.keys.get(kid)
    }

    /// The key for `algorithm` if there is exactly one: what a token without `kid` may mean.
    pub fn only(&self, algorithm: Algorithm) -> Option<&Arc<VerifyingKey>> {
        let mut candidates = self.keys.values().filter(|key| key.algorithm() == algorithm);
        candidates.next().filter(|_| candidates.next().is_none())
    }

    pub fn keys(&self) -> impl Iterator<Item = &Arc<VerifyingKey>> {
        self.keys.values()
    }

    /// The JWKS: public keys only, rendered once.
    pub fn document(&self) -> Bytes {
        self.document.clone()
    }
}

impl Default for KeySet {
    fn default() -> Self {
        Self::new([])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::SigningKey;

    fn key(algorithm: Algorithm) -> Arc<VerifyingKey> {
        Arc::clone(SigningKey::generate(algorithm).unwrap().verifying_key())
    }

    // E8: `kid`, `alg`, `use`; no private members, no shared secrets, no duplicate `kid`.
    #[test]
    fn the_document_lists_public_keys_once() {
        let (ec, ed, hmac) = (key(Algorithm::Es256), key(Algorithm::EdDsa), key(Algorithm::Hs256));
        let set = KeySet::new([Arc::clone(&ec), Arc::clone(&ed), Arc::clone(&hmac), Arc::clone(&ec)]);
        let document: serde_json::Value = serde_json::from_slice(&set.document()).unwrap();
        let listed = document["keys"].as_array().unwrap();
        assert_eq!(listed.len(), 2);
        for (entry, key) in listed.iter().zip([&ec, &ed]) {
            assert_eq!(entry["kid"], **key.kid());
            assert_eq!(entry["alg"], key.algorithm().as_str());
            assert_eq!(entry["use"], "sig");
            for private in ["d", "p", "q", "dp", "dq", "qi", "k", "oth"] {
                assert!(entry.get(private).is_none(), "{private}");
            }
        }
        assert!(set.find(hmac.kid()).is_some());
        assert!(set.find("other").is_none());
    }

    #[test]
    fn a_key_without_a_name_must_be_the_only_one() {
        let (first, second) = (key(Algorithm::Es256), key(Algorithm::Es256));
        let one = KeySet::new([Arc::clone(&first), key(Algorithm::EdDsa)]);
        assert_eq!(one.only(Algorithm::Es256).unwrap().kid(), first.kid());
        assert!(one.only(Algorithm::Rs256).is_none());
        assert!(KeySet::new([first, second]).only(Algorithm::Es256).is_none());
    }

    // G7: RFC 7517 section 5
    #[test]
    fn a_published_set_is_read_and_a_private_key_spoils_it() {
        let own = key(Algorithm::Es256);
        let public = serde_json::to_value(own.public_jwk().unwrap()).unwrap();
        let unknown = json!({ "kty": "XYZ", "kid": "other" });
        let text = json!({ "keys": [unknown, public.clone()] }).to_string();
        let set = KeySet::parse(&text).unwrap();
        assert_eq!((set.keys().count(), set.find(own.kid()).unwrap().algorithm()), (1, Algorithm::Es256));
        let mut private = public;
        private["d"] = "AA".into();
        assert_eq!(KeySet::parse(&json!({ "keys": [private] }).to_string()).unwrap_err(), KeyError::NotPublic);
        for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[1]}"#] {
            assert_eq!(KeySet::parse(text).unwrap_err(), KeyError::Malformed, "{text}");
        }
    }

    #[test]
    fn an_empty_set_is_a_document() {
        assert_eq!(KeySet::default().document(), r#"{"keys":[]}"#);
    }
}
