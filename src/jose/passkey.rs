//! Public keys in the form in which browsers tell them, and signatures in the form in which authenticators make them.
//!
//! Owns the cryptography of passkeys (WebAuthn Level 3, 6.5.5); what is signed is up to others.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};

use super::Algorithm;

/// A public key as SubjectPublicKeyInfo (RFC 5280 4.1), and the one algorithm that it is for.
#[derive(Debug)]
pub struct PasskeyKey(ParsedPublicKey);

impl PasskeyKey {
    /// ES256, RS256 or EdDSA with Ed25519.
    ///
    /// `None` for other algorithms, and for what is no key of that algorithm.
    pub fn new(algorithm: Algorithm, public_key: &[u8]) -> Option<Self> {
        let verifying: &'static dyn VerificationAlgorithm = match algorithm {
            // Unlike in JOSE, a sequence of two integers.
            Algorithm::Es256 => &ECDSA_P256_SHA256_ASN1,
            Algorithm::EdDsa => &ED25519,
            Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            _ => return None,
        };
        ParsedPublicKey::new(verifying, public_key).ok().map(Self)
    }

    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}
