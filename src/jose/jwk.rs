//! Public keys as JSON (RFC 7517) and their thumbprints (RFC 7638).
//!
//! Owns the members that identify a key; it never sees a private one.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::{Algorithm, KeyError};

/// The members that identify a public key, in the lexical order that RFC 7638 hashes them in.
pub(super) struct Identity(Vec<(&'static str, String)>);

impl Identity {
    pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Self {
        Self(vec![("e", encode(exponent)), ("kty", "RSA".to_owned()), ("n", encode(modulus))])
    }

    /// `point` is uncompressed: the byte 4, then both coordinates.
    pub(super) fn ec(curve: &'static str, point: &[u8]) -> Self {
        let (x, y) = point[1..].split_at((point.len() - 1) / 2);
        Self(vec![("crv", curve.to_owned()), ("kty", "EC".to_owned()), ("x", encode(x)), ("y", encode(y))])
    }

    pub(super) fn ed25519(public_key: &[u8]) -> Self {
        Self(vec![("crv", "Ed25519".to_owned()), ("kty", "OKP".to_owned()), ("x", encode(public_key))])
    }

    /// The SHA-256 thumbprint, 43 characters of base64url. No member needs escaping, so the JSON is plain text.
    pub(super) fn thumbprint(&self) -> String {
        let members: Vec<_> = self.0.iter().map(|(name, value)| format!(r#""{name}":"{value}""#)).collect();
        encode(digest::digest(&digest::SHA256, format!("{{{}}}", members.join(",")).as_bytes()).as_ref())
    }

    /// The entry of a key set (rule E8).
    pub(super) fn public_jwk(self, kid: &str, algorithm: Algorithm) -> Map<String, Value> {
        let about = [("alg", algorithm.as_str().to_owned()), ("kid", kid.to_owned()), ("use", "sig".to_owned())];
        self.0.into_iter().chain(about).map(|(name, value)| (name.to_owned(), Value::String(value))).collect()
    }
}

/// A binary member of somebody's key.
pub(super) fn bytes(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, KeyError> {
    text(jwk, name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).ok_or(KeyError::Malformed)
}

pub(super) fn text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    jwk.get(name).and_then(Value::as_str)
}

pub(super) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
