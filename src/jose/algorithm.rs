//! The signature algorithms we know (RFC 7518 section 3, RFC 8037), by their exact names.
//!
//! Owns the mapping from a name to a primitive; it does not decide which of them an issuer may use.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{
    self, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, RsaParameters, RsaSignatureEncoding, VerificationAlgorithm,
};

/// A JWS `alg` value. There is no `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    Es512,
    /// Ed25519 only. Written `EdDSA`; the fully specified name of RFC 9864 is understood too.
    EdDsa,
    Hs256,
    Hs384,
    Hs512,
}

/// What a key must be made of to serve an algorithm.
#[derive(Clone, Copy)]
pub(super) enum Primitive {
    Rsa { verifying: &'static RsaParameters, signing: &'static RsaSignatureEncoding },
    Ec { verifying: &'static EcdsaVerificationAlgorithm, signing: &'static EcdsaSigningAlgorithm, curve: Curve },
    Ed25519,
    Hmac { algorithm: hmac::Algorithm, key_bytes: usize },
}

/// An elliptic curve of RFC 7518 section 6.2.1.1.
#[derive(Clone, Copy)]
pub(super) struct Curve {
    pub name: &'static str,
    /// Length of one coordinate.
    pub bytes: usize,
}

const P256: Curve = Curve { name: "P-256", bytes: 32 };
const P384: Curve = Curve { name: "P-384", bytes: 48 };
const P521: Curve = Curve { name: "P-521", bytes: 66 };

impl Algorithm {
    pub const ALL: [Self; 13] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
    ];

    /// The algorithm of that name; case matters (rule F1).
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
            .or((name == "Ed25519").then_some(Self::EdDsa))
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// Whether one secret both signs and verifies, so that it can never be published.
    pub fn is_symmetric(self) -> bool {
        matches!(self.primitive(), Primitive::Hmac { .. })
    }

    /// Whether its keys are found by trial and error, which takes seconds of CPU.
    pub fn is_rsa(self) -> bool {
        matches!(self.primitive(), Primitive::Rsa { .. })
    }

    pub(super) fn primitive(self) -> Primitive {
        match self {
            Self::Rs256 => rsa(&signature::RSA_PKCS1_2048_8192_SHA256, &signature::RSA_PKCS1_SHA256),
            Self::Rs384 => rsa(&signature::RSA_PKCS1_2048_8192_SHA384, &signature::RSA_PKCS1_SHA384),
            Self::Rs512 => rsa(&signature::RSA_PKCS1_2048_8192_SHA512, &signature::RSA_PKCS1_SHA512),
            Self::Ps256 => rsa(&signature::RSA_PSS_2048_8192_SHA256, &signature::RSA_PSS_SHA256),
            Self::Ps384 => rsa(&signature::RSA_PSS_2048_8192_SHA384, &signature::RSA_PSS_SHA384),
            Self::Ps512 => rsa(&signature::RSA_PSS_2048_8192_SHA512, &signature::RSA_PSS_SHA512),
            Self::Es256 => Primitive::Ec {
                verifying: &signature::ECDSA_P256_SHA256_FIXED,
                signing: &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
                curve: P256,
            },
            Self::Es384 => Primitive::Ec {
                verifying: &signature::ECDSA_P384_SHA384_FIXED,
                signing: &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
                curve: P384,
            },
            Self::Es512 => Primitive::Ec {
                verifying: &signature::ECDSA_P521_SHA512_FIXED,
                signing: &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
                curve: P521,
            },
            Self::EdDsa => Primitive::Ed25519,
            Self::Hs256 => Primitive::Hmac { algorithm: hmac::HMAC_SHA256, key_bytes: 32 },
            Self::Hs384 => Primitive::Hmac { algorithm: hmac::HMAC_SHA384, key_bytes: 48 },
            Self::Hs512 => Primitive::Hmac { algorithm: hmac::HMAC_SHA512, key_bytes: 64 },
        }
    }
}

fn rsa(verifying: &'static RsaParameters, signing: &'static RsaSignatureEncoding) -> Primitive {
    Primitive::Rsa { verifying, signing }
}

impl Primitive {
    /// How to check a signature with a public key; none for a shared secret.
    pub(super) fn verifying(self) -> Option<&'static dyn VerificationAlgorithm> {
        match self {
            Self::Rsa { verifying, .. } => Some(verifying),
            Self::Ec { verifying, .. } => Some(verifying),
            Self::Ed25519 => Some(&signature::ED25519),
            Self::Hmac { .. } => None,
        }
    }
}

/// The algorithms that an issuer may use (rule F1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlgorithmSet(u16);

impl AlgorithmSet {
    /// Everything with a public key. Shared secrets are allowed by name only.
    pub fn asymmetric() -> Self {
        Algorithm::ALL.into_iter().filter(|algorithm| !algorithm.is_symmetric()).collect()
    }

    pub fn contains(self, algorithm: Algorithm) -> bool {
        self.0 & (1 << algorithm as u16) != 0
    }
}

impl FromIterator<Algorithm> for AlgorithmSet {
    fn from_iter<I: IntoIterator<Item = Algorithm>>(algorithms: I) -> Self {
        Self(algorithms.into_iter().fold(0, |set, algorithm| set | 1 << algorithm as u16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // F1: names are compared case-sensitively and `none` is not one of them.
    #[test]
    fn names_are_exact() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::parse(algorithm.as_str()), Some(algorithm));
        }
        for name in ["none", "None", "noNE", "", "rs256", "HS1", "RS256 ", "EDDSA", "ES256K", "RSA-OAEP"] {
            assert_eq!(Algorithm::parse(name), None, "{name}");
        }
    }

    // E7, RFC 9864
    #[test]
    fn the_fully_specified_name_of_ed25519_is_understood() {
        assert_eq!(Algorithm::parse("Ed25519"), Some(Algorithm::EdDsa));
    }

    #[test]
    fn a_set_holds_what_was_put_in() {
        let set: AlgorithmSet = [Algorithm::Rs256, Algorithm::Hs512].into_iter().collect();
        let held: Vec<_> = Algorithm::ALL.into_iter().filter(|&algorithm| set.contains(algorithm)).collect();
        assert_eq!(held, [Algorithm::Rs256, Algorithm::Hs512]);
        assert!(!AlgorithmSet::asymmetric().contains(Algorithm::Hs256));
        assert!(AlgorithmSet::asymmetric().contains(Algorithm::EdDsa));
    }
}
