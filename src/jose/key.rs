//! One key, one algorithm: pairs that sign.
//!
//! Owns making, naming, exporting and importing keys. It does not encrypt them (`master_key`) or say when they are used.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair, RsaSignatureEncoding};
use aws_lc_rs::{hmac, rand};

use super::VerifyingKey;
use super::algorithm::{Algorithm, Primitive};
use super::jwk::Identity;
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
    #[error("the set has too many keys")]
    TooMany,
    #[error("two keys of the set have the same name and algorithm")]
    Ambiguous,
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
    Rsa { pair: RsaKeyPair, encoding: &'static RsaSignatureEncoding },
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Hmac { key: Box<hmac::Key>, secret: Secret<Vec<u8>> },
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
                Pair::Rsa { pair, encoding: signing }
            }
            Primitive::Ec { signing, .. } => Pair::Ec(EcdsaKeyPair::generate(signing).map_err(|_| KeyError::Library)?),
            Primitive::Ed25519 => Pair::Ed25519(Ed25519KeyPair::generate().map_err(|_| KeyError::Library)?),
            Primitive::Hmac { algorithm, key_bytes } => {
                let mut secret = vec![0; key_bytes];
                rand::fill(&mut secret).map_err(|_| KeyError::Library)?;
                Pair::Hmac { key: Box::new(hmac::Key::new(algorithm, &secret)), secret: Secret::new(secret) }
            }
        };
        Self::new(algorithm, pair)
    }

    /// Makes an RSA key of 2048, 3072 or 4096 bits.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] for another length or algorithm; otherwise as [`SigningKey::generate`].
    pub fn generate_rsa(algorithm: Algorithm, bits: usize) -> Result<Self, KeyError> {
        let size = match bits {
            2048 => KeySize::Rsa2048,
            3072 => KeySize::Rsa3072,
            4096 => KeySize::Rsa4096,
            _ => return Err(KeyError::Malformed),
        };
        let Primitive::Rsa { signing, .. } = algorithm.primitive() else { return Err(KeyError::Malformed) };
        let pair = RsaKeyPair::generate(size).map_err(|_| KeyError::Library)?;
        Self::new(algorithm, Pair::Rsa { pair, encoding: signing })
    }

    /// Reads what [`SigningKey::private_key`] wrote: PKCS#8, or the bytes of a shared secret.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] if the bytes are no key of that algorithm, or too weak for it (rule E9).
    pub fn from_private_key(algorithm: Algorithm, private_key: &[u8]) -> Result<Self, KeyError> {
        let pair = match algorithm.primitive() {
            Primitive::Rsa { signing, .. } => {
                let pair = RsaKeyPair::from_pkcs8(private_key).map_err(|_| KeyError::Malformed)?;
                Pair::Rsa { pair, encoding: signing }
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
                Pair::Hmac { key, secret: Secret::new(private_key.to_vec()) }
            }
        };
        Self::new(algorithm, pair)
    }

    pub(super) fn new(algorithm: Algorithm, pair: Pair) -> Result<Self, KeyError> {
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
        Ok(Self { headers: Headers::new(verifying.kid(), algorithm), pair, verifying: Arc::new(verifying) })
    }

    pub fn kid(&self) -> &str {
        self.verifying.kid()
    }

    pub fn algorithm(&self) -> Algorithm {
        self.verifying.algorithm()
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

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {})", self.algorithm().as_str(), self.kid())
    }
}

#[cfg(test)]
mod tests;
