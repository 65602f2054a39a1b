//! What checks a signature: our own public halves, and keys that somebody else published.
//!
//! Owns parsing once and refusing what cannot be trusted; it does not choose the key of a token.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::ParsedPublicKey;
use serde_json::{Map, Value};

use super::KeyError;
use super::algorithm::{Algorithm, Primitive};
use super::jwk::{self, Identity};

/// What is needed to check a signature, parsed once.
pub struct VerifyingKey {
    kid: Arc<str>,
    algorithm: Algorithm,
    material: Material,
    jwk: Option<Map<String, Value>>,
}

enum Material {
    Public(ParsedPublicKey),
    Shared(Box<hmac::Key>),
}

impl VerifyingKey {
    /// Reads a public key that somebody else published (RFC 7517). `kid` may be missing: then the thumbprint names it.
    /// An elliptic key without `alg` has the one its curve implies, an RSA key RS256.
    ///
    /// # Errors
    /// [`KeyError`] for shared and private keys, keys for encryption, unknown algorithms and impossible numbers.
    pub fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, KeyError> {
        if jwk.contains_key("d") || jwk.contains_key("k") {
            return Err(KeyError::NotPublic);
        }
        if jwk::text(jwk, "use").is_some_and(|purpose| purpose != "sig") {
            return Err(KeyError::NotForSigning);
        }
        let implied = match (jwk::text(jwk, "kty"), jwk::text(jwk, "crv")) {
            (Some("RSA"), _) => "RS256",
            (Some("EC"), Some("P-256")) => "ES256",
            (Some("EC"), Some("P-384")) => "ES384",
            (Some("EC"), Some("P-521")) => "ES512",
            (Some("OKP"), Some("Ed25519")) => "EdDSA",
            (_, _) => return Err(KeyError::UnsupportedAlgorithm),
        };
        let algorithm =
            Algorithm::parse(jwk::text(jwk, "alg").unwrap_or(implied)).ok_or(KeyError::UnsupportedAlgorithm)?;
        let key = match (algorithm.primitive(), implied) {
            (Primitive::Rsa { verifying, .. }, "RS256") => {
                let components = PublicKeyComponents { n: jwk::bytes(jwk, "n")?, e: jwk::bytes(jwk, "e")? };
                let key = components.to_parsed_public_key(verifying).map_err(|_| KeyError::Malformed)?;
                // E9: the library would refuse a short modulus at each signature; say it once, here.
                if components.n.len() < 256 {
                    return Err(KeyError::Malformed);
                }
                Self::named(algorithm, Material::Public(key), Identity::rsa(&components.n, &components.e))?
            }
            (Primitive::Ec { curve, .. }, _) if jwk::text(jwk, "crv") == Some(curve.name) => {
                let (x, y) = (jwk::bytes(jwk, "x")?, jwk::bytes(jwk, "y")?);
                if x.len() != curve.bytes || y.len() != curve.bytes {
                    return Err(KeyError::Malformed);
                }
                Self::from_point(algorithm, &[&[4], &x[..], &y[..]].concat())?
            }
            (Primitive::Ed25519, "EdDSA") => {
                let public = jwk::bytes(jwk, "x")?;
                Self::new(algorithm, &public, Identity::ed25519(&public))?
            }
            (_, _) => return Err(KeyError::Malformed),
        };
        Ok(match jwk::text(jwk, "kid") {
            Some(kid) => key.renamed(kid),
            None => key,
        })
    }

    pub(super) fn from_point(algorithm: Algorithm, point: &[u8]) -> Result<Self, KeyError> {
        let Primitive::Ec { curve, .. } = algorithm.primitive() else {
            return Err(KeyError::Malformed);
        };
        Self::new(algorithm, point, Identity::ec(curve, point))
    }

    pub(super) fn new(algorithm: Algorithm, public_key: &[u8], identity: Identity) -> Result<Self, KeyError> {
        let verifying = algorithm.primitive().verifying().ok_or(KeyError::NotPublic)?;
        let key = ParsedPublicKey::new(verifying, public_key).map_err(|_| KeyError::Malformed)?;
        Self::named(algorithm, Material::Public(key), identity)
    }

    fn named(algorithm: Algorithm, material: Material, identity: Identity) -> Result<Self, KeyError> {
        let (kid, jwk) = identity.named(algorithm)?;
        Ok(Self { kid: kid.into(), algorithm, material, jwk: Some(jwk) })
    }

    /// A shared secret is named after a code that only its owner can compute, because a plain hash could be guessed at.
    pub(super) fn shared(algorithm: Algorithm, key: Box<hmac::Key>) -> Self {
        let kid = jwk::encode(&hmac::sign(&key, b"kid").as_ref()[..32]);
        Self { kid: kid.into(), algorithm, material: Material::Shared(key), jwk: None }
    }

    fn renamed(mut self, kid: &str) -> Self {
        self.kid = kid.into();
        if let Some(jwk) = &mut self.jwk {
            jwk.insert("kid".to_owned(), Value::String(kid.to_owned()));
        }
        self
    }

    /// For our own keys the RFC 7638 thumbprint, so that one key has one name and nobody can choose it.
    pub fn kid(&self) -> &Arc<str> {
        &self.kid
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The entry of a key set; none for a shared secret, which is never published (rule E8).
    pub fn public_jwk(&self) -> Option<&Map<String, Value>> {
        self.jwk.as_ref()
    }

    /// Whether `signature` was made over `message` by this key with its one algorithm.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Public(key) => key.verify_sig(message, signature).is_ok(),
            Material::Shared(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({} {})", self.algorithm.as_str(), self.kid)
    }
}
