//! The keys of one issuer: found by `kid`, published as one JSON document (RFC 7517 section 5).
//!
//! Owns lookup and the published bytes; it does not fetch anybody's keys or decide when they change.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Algorithm, KeyError, SigningKey, VerifyingKey, json};

/// The most keys that a published set may have (rule G3).
const MAX_KEYS: usize = 100;

/// An immutable set; a change makes a new one.
#[derive(Debug)]
pub struct KeySet {
    keys: HashMap<Arc<str>, Arc<VerifyingKey>>,
    /// Keys whose name another one has too; each for an algorithm of its own (rule G8).
    namesakes: Vec<Arc<VerifyingKey>>,
    /// Verifies whatever `kid` a token names.
    sole: Option<Arc<VerifyingKey>>,
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
        let document = json!({ "keys": listed }).to_string().into();
        Self { keys: by_kid, namesakes: Vec::new(), sole: None, document }
    }

    /// One shared secret for every token of an issuer, whatever it calls its key. It is published nowhere.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] if the secret is shorter than its hash, or the algorithm has no shared secret.
    pub fn of_secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        if !algorithm.is_symmetric() {
            return Err(KeyError::Malformed);
        }
        let key = Arc::clone(SigningKey::from_private_key(algorithm, secret)?.verifying_key());
        Ok(Self { sole: Some(key), ..Self::default() })
    }

    /// Reads what somebody else published. Keys of kinds that we do not know are skipped; one that should not be there, a
    /// private or shared one, spoils the whole set (rule G7). So do two keys that nothing tells apart (rule G8).
    ///
    /// # Errors
    /// [`KeyError::Malformed`] if it is no JWK set, [`KeyError::NotPublic`] if it holds what must not be published,
    /// [`KeyError::TooMany`] and [`KeyError::Ambiguous`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let document = json::parse_object(text.as_bytes()).map_err(|_| KeyError::Malformed)?;
        let listed = document.get("keys").and_then(Value::as_array).ok_or(KeyError::Malformed)?;
        if listed.len() > MAX_KEYS {
            return Err(KeyError::TooMany);
        }
        let mut keys: Vec<Arc<VerifyingKey>> = Vec::with_capacity(listed.len());
        let mut namesakes = Vec::new();
        for entry in listed {
            let key = match VerifyingKey::from_jwk(entry.as_object().ok_or(KeyError::Malformed)?) {
                Ok(key) => Arc::new(key),
                Err(KeyError::NotPublic) => return Err(KeyError::NotPublic),
                Err(
                    KeyError::Malformed
                    | KeyError::UnsupportedAlgorithm
                    | KeyError::NotForSigning
                    | KeyError::Library
                    | KeyError::TooMany
                    | KeyError::Ambiguous,
                ) => continue,
            };
            let mut same_name = keys.iter().chain(&namesakes).filter(|other| other.kid() == key.kid()).peekable();
            if same_name.peek().is_none() {
                keys.push(key);
                continue;
            }
            match same_name.find(|other| other.algorithm() == key.algorithm()) {
                // The same entry twice is one.
                Some(other) if other.public_jwk() == key.public_jwk() => {}
                Some(_) => return Err(KeyError::Ambiguous),
                None => namesakes.push(key),
            }
        }
        Ok(Self { namesakes, ..Self::new(keys) })
    }

    pub fn find(&self, kid: &str) -> Option<&Arc<VerifyingKey>> {
        self.keys.get(kid).or(self.sole.as_ref())
    }

    /// The key of that name, and of several the one for `algorithm`.
    pub(super) fn find_for(&self, kid: &str, algorithm: Algorithm) -> Option<&Arc<VerifyingKey>> {
        let first = self.find(kid)?;
        let better = || self.namesakes.iter().find(|key| **key.kid() == *kid && key.algorithm() == algorithm);
        if first.algorithm() == algorithm { Some(first) } else { better().or(Some(first)) }
    }

    /// The key for `algorithm` if there is exactly one: what a token without `kid` may mean.
    pub fn only(&self, algorithm: Algorithm) -> Option<&Arc<VerifyingKey>> {
        let mut candidates = self.keys().filter(|key| key.algorithm() == algorithm);
        candidates.next().filter(|_| candidates.next().is_none())
    }

    pub fn keys(&self) -> impl Iterator<Item = &Arc<VerifyingKey>> {
        self.keys.values().chain(&self.namesakes).chain(&self.sole)
    }

    pub fn is_empty(&self) -> bool {
        self.keys().next().is_none()
    }

    /// Whether every key of `older` is still here, so that nothing that it verified has to be asked again.
    pub fn holds_all_of(&self, older: &Self) -> bool {
        let is_here = |key: &Arc<VerifyingKey>| self.keys().any(|own| own.public_jwk() == key.public_jwk());
        older.keys().all(is_here)
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

    // G3, G8: limits, and names that several keys have
    #[test]
    fn a_name_means_one_key_of_an_algorithm() {
        let entry = |key: &VerifyingKey, kid: &str| {
            let mut entry = key.public_jwk().cloned().unwrap();
            entry.insert("kid".to_owned(), kid.into());
            Value::Object(entry)
        };
        let (ec, other, ed) = (key(Algorithm::Es256), key(Algorithm::Es256), key(Algorithm::EdDsa));
        let parse = |keys: &[Value]| KeySet::parse(&json!({ "keys": keys }).to_string());
        let set = parse(&[entry(&ec, "a"), entry(&ed, "a"), entry(&ec, "a")]).unwrap();
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
            assert_eq!(set.find_for("a", algorithm).unwrap().algorithm(), algorithm);
        }
        assert_eq!(parse(&[entry(&ec, "a"), entry(&other, "a")]).unwrap_err(), KeyError::Ambiguous);
        let many: Vec<Value> = (0..101).map(|number| entry(&ec, &number.to_string())).collect();
        assert!(parse(&many[..100]).is_ok());
        assert_eq!(parse(&many).unwrap_err(), KeyError::TooMany);
        let (both, one) = (parse(&[entry(&ec, "a"), entry(&ed, "b")]).unwrap(), parse(&[entry(&ec, "a")]).unwrap());
        assert!(both.holds_all_of(&one) && !one.holds_all_of(&both));
        assert!(!parse(&[entry(&other, "a")]).unwrap().holds_all_of(&one), "the same name for another key");
    }

    #[test]
    fn a_shared_secret_answers_to_every_name() {
        let set = KeySet::of_secret(Algorithm::Hs256, &[7; 32]).unwrap();
        assert!(set.find("anything").is_some() && set.only(Algorithm::Hs256).is_some());
        assert_eq!(set.document(), KeySet::default().document());
        for (algorithm, secret) in [(Algorithm::Hs256, &[7; 31][..]), (Algorithm::Es256, &[7; 64][..])] {
            assert_eq!(KeySet::of_secret(algorithm, secret).unwrap_err(), KeyError::Malformed);
        }
    }

    #[test]
    fn an_empty_set_is_a_document() {
        assert_eq!(KeySet::default().document(), r#"{"keys":[]}"#);
    }
}
