//! One key, one algorithm: pairs that sign, and the halves that verify.
//!
//! Owns making, naming, exporting and importing keys. It does not encrypt them (`master_key`) or say when they are used.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair, ParsedPublicKey, RsaKeyPair, RsaSignatureEncoding};
use aws_lc_rs::{hmac, rand};
use serde_json::{Map, Value};

use super::algorithm::{Algorithm, Primitive};
use super::jwk::{self, Identity};
use super::sign::Headers;
use crate::secret::Secret;

/// Why a key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("the key is not one of its algorithm")]
    Malformed,
    #[error("the key's algorithm is not supported")]
    UnsupportedAlgorithm,
    #[error("the key is private or shared and must not be in a key set")]
    NotPublic,
    #[error("the key is for encryption")]
    NotForSigning,
    #[error("the cryptographic library failed")]
    Library,
}

/// A private key (or shared secret) with the name and algorithm that it has for life.
pub struct SigningKey {
    pub(super) pair: Pair,
    pub(super) headers: Headers,
    verifying: Arc<VerifyingKey>,
}

pub(super) enum Pair {
    Rsa {
        pair: RsaKeyPair,
        encoding: &'static RsaSignatureEncoding,
    },
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Hmac {
        key: Box<hmac::Key>,
        secret: Secret<Vec<u8>>,
    },
}

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

impl SigningKey {
    /// Makes a new key: RSA of 3072 bits, the curve of the algorithm, or a secret as long as the hash.
    ///
    /// RSA takes up to seconds of CPU; call it where blocking is allowed.
    ///
    /// # Errors
    /// [`KeyError::Library`] if the library cannot make one.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let pair = match algorithm.primitive() {
            Primitive::Rsa { signing, .. } => {
                let pair = RsaKeyPair::generate(KeySize::Rsa3072).map_err(|_| KeyError::Library)?;
                Pair::Rsa {
                    pair,
                    encoding: signing,
                }
            }
            Primitive::Ec { signing, .. } => Pair::Ec(EcdsaKeyPair::generate(signing).map_err(|_| KeyError::Library)?),
            Primitive::Ed25519 => Pair::Ed25519(Ed25519KeyPair::generate().map_err(|_| KeyError::Library)?),
            Primitive::Hmac { algorithm, key_bytes } => {
                let mut secret = vec![0; key_bytes];
                rand::fill(&mut secret).map_err(|_| KeyError::Library)?;
                Pair::Hmac {
                    key: Box::new(hmac::Key::new(algorithm, &secret)),
                    secret: Secret::new(secret),
                }
            }
        };
        Self::new(algorithm, pair)
    }

    /// Reads what [`SigningKey::private_key`] wrote: PKCS#8, or the bytes of a shared secret.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] if the bytes are no key of that algorithm, or too weak for it (rule E9).
    pub fn from_private_key(algorithm: Algorithm, private_key: &[u8]) -> Result<Self, KeyError> {
        let pair = match algorithm.primitive() {
            Primitive::Rsa { signing, .. } => {
                let pair = RsaKeyPair::from_pkcs8(private_key).map_err(|_| KeyError::Malformed)?;
                Pair::Rsa {
                    pair,
                    encoding: signing,
                }
            }
            Primitive::Ec { signing, .. } => {
                Pair::Ec(EcdsaKeyPair::from_pkcs8(signing, private_key).map_err(|_| KeyError::Malformed)?)
            }
            Primitive::Ed25519 => {
                Pair::Ed25519(Ed25519KeyPair::from_pkcs8(private_key).map_err(|_| KeyError::Malformed)?)
            }
            Primitive::Hmac { algorithm, key_bytes } => {
                if private_key.len() < key_bytes {
                    return Err(KeyError::Malformed);
                }
                let key = Box::new(hmac::Key::new(algorithm, private_key));
                Pair::Hmac {
                    key,
                    secret: Secret::new(private_key.to_vec()),
                }
            }
        };
        Self::new(algorithm, pair)
    }

    fn new(algorithm: Algorithm, pair: Pair) -> Result<Self, KeyError> {
        let verifying = match &pair {
            Pair::Rsa { pair, .. } => {
                let public = pair.public_key();
                let components = PublicKeyComponents::<Vec<u8>>::from(public);
                VerifyingKey::new(algorithm, public.as_ref(), Identity::rsa(&components.n, &components.e))?
            }
            Pair::Ec(pair) => VerifyingKey::from_point(algorithm, pair.public_key().as_ref())?,
            Pair::Ed25519(pair) => {
                let public = pair.public_key().as_ref();
                VerifyingKey::new(algorithm, public, Identity::ed25519(public))?
            }
            Pair::Hmac { key, .. } => VerifyingKey::shared(algorithm, key.clone()),
        };
        Ok(Self {
            headers: Headers::new(&verifying.kid, algorithm),
            pair,
            verifying: Arc::new(verifying),
        })
    }

    pub fn kid(&self) -> &str {
        &self.verifying.kid
    }

    pub fn algorithm(&self) -> Algorithm {
        self.verifying.algorithm
    }

    /// The half that verifies; for a shared secret, the same key.
    pub fn verifying_key(&self) -> &Arc<VerifyingKey> {
        &self.verifying
    }

    /// The private key as PKCS#8, or the shared secret as it is: seal it before it goes anywhere.
    ///
    /// # Errors
    /// [`KeyError::Library`] if the library cannot write it.
    pub fn private_key(&self) -> Result<Secret<Vec<u8>>, KeyError> {
        let bytes = match &self.pair {
            Pair::Rsa { pair, .. } => {
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeyError::Library)?;
                der.as_ref().to_vec()
            }
            Pair::Ec(pair) => pair.to_pkcs8v1().map_err(|_| KeyError::Library)?.as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.to_pkcs8().map_err(|_| KeyError::Library)?.as_ref().to_vec(),
            Pair::Hmac { secret, .. } => secret.expose().clone(),
        };
        Ok(Secret::new(bytes))
    }
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
                let components = PublicKeyComponents {
                    n: jwk::bytes(jwk, "n")?,
                    e: jwk::bytes(jwk, "e")?,
                };
                let key = components
                    .to_parsed_public_key(verifying)
                    .map_err(|_| KeyError::Malformed)?;
                // E9: the library would refuse a short modulus at each signature; say it once, here.
                if components.n.len() < 256 {
                    return Err(KeyError::Malformed);
                }
                Self::named(
                    algorithm,
                    Material::Public(key),
                    Identity::rsa(&components.n, &components.e),
                )
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

    fn from_point(algorithm: Algorithm, point: &[u8]) -> Result<Self, KeyError> {
        let Primitive::Ec { curve, .. } = algorithm.primitive() else {
            return Err(KeyError::Malformed);
        };
        Self::new(algorithm, point, Identity::ec(curve.name, point))
    }

    fn new(algorithm: Algorithm, public_key: &[u8], identity: Identity) -> Result<Self, KeyError> {
        let verifying = algorithm.primitive().verifying().ok_or(KeyError::NotPublic)?;
        let key = ParsedPublicKey::new(verifying, public_key).map_err(|_| KeyError::Malformed)?;
        Ok(Self::named(algorithm, Material::Public(key), identity))
    }

    fn named(algorithm: Algorithm, material: Material, identity: Identity) -> Self {
        let kid = identity.thumbprint();
        let jwk = identity.public_jwk(&kid, algorithm);
        Self {
            kid: kid.into(),
            algorithm,
            material,
            jwk: Some(jwk),
        }
    }

    /// A shared secret is named after a code that only its owner can compute, because a plain hash could be guessed at.
    fn shared(algorithm: Algorithm, key: Box<hmac::Key>) -> Self {
        let kid = jwk::encode(&hmac::sign(&key, b"kid").as_ref()[..32]);
        Self {
            kid: kid.into(),
            algorithm,
            material: Material::Shared(key),
            jwk: None,
        }
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

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {})", self.algorithm().as_str(), self.kid())
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({} {})", self.algorithm.as_str(), self.kid)
    }
}

#[cfg(test)]
mod tests;
