//! Keys as PEM text (RFC 7468): what administrators bring along, and how public keys are shown to them.
//!
//! Owns the text and its labels. It keeps no key, and it never writes a private one.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::{self, PublicKeyComponents};
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::algorithm::Primitive;
use super::jwk::{self, Identity};
use super::key::Pair;
use super::{Algorithm, KeyError, SigningKey, VerifyingKey};
use crate::secret::Secret;

/// What stands before the point in a `SubjectPublicKeyInfo` (RFC 5480, RFC 8410), by curve; it never varies.
const PREFIXES: [(&str, &[u8]); 4] = [
    (
        "P-256",
        b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00",
    ),
    ("P-384", b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00"),
    ("P-521", b"\x30\x81\x9b\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23\x03\x81\x86\x00"),
    ("Ed25519", b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"),
];

/// Shortest RSA modulus, in bytes (rule E9).
const SHORTEST_RSA: usize = 256;

/// The first block of a text: its label and its bytes.
fn parse(text: &str) -> Option<(&str, Secret<Vec<u8>>)> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once("-----END ")?;
    let body = Secret::new(body.split_ascii_whitespace().collect::<String>());
    Some((label, Secret::new(STANDARD.decode(body.expose()).ok()?)))
}

fn written(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text + "-----END " + label + "-----\n"
}

impl SigningKey {
    /// Reads a private key that was made elsewhere: PKCS#8, RSA's own form (RFC 8017), or that of elliptic curves
    /// (RFC 5915), not encrypted.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] if it is no key of that algorithm, or too weak for it (rule E9).
    pub fn from_pem(algorithm: Algorithm, text: &str) -> Result<Self, KeyError> {
        let (label, der) = parse(text).ok_or(KeyError::Malformed)?;
        let der = der.expose().as_slice();
        let malformed = |_| KeyError::Malformed;
        let pair = match (algorithm.primitive(), label) {
            (Primitive::Rsa { signing, .. }, "PRIVATE KEY") => {
                Pair::Rsa { pair: RsaKeyPair::from_pkcs8(der).map_err(malformed)?, encoding: signing }
            }
            (Primitive::Rsa { signing, .. }, "RSA PRIVATE KEY") => {
                Pair::Rsa { pair: RsaKeyPair::from_der(der).map_err(malformed)?, encoding: signing }
            }
            (Primitive::Ec { signing, .. }, "PRIVATE KEY" | "EC PRIVATE KEY") => {
                Pair::Ec(EcdsaKeyPair::from_private_key_der(signing, der).map_err(malformed)?)
            }
            // OpenSSL writes version 1 of PKCS#8, which does not hold the public key to check it with.
            (Primitive::Ed25519, "PRIVATE KEY") => {
                Pair::Ed25519(Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(malformed)?)
            }
            (_, _) => return Err(KeyError::Malformed),
        };
        let key = Self::new(algorithm, pair)?;
        match key.verifying_key().bits() {
            Some(bits) if algorithm.is_rsa() && bits < SHORTEST_RSA * 8 => Err(KeyError::Malformed),
            Some(_) | None => Ok(key),
        }
    }
}

impl VerifyingKey {
    /// Reads a public key that somebody brings along: `SubjectPublicKeyInfo`, or RSA's own form.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] if it is no key of that algorithm, or too weak for it (rule E9).
    pub fn from_pem(algorithm: Algorithm, text: &str) -> Result<Self, KeyError> {
        let (label, der) = parse(text).ok_or(KeyError::Malformed)?;
        let der = der.expose().as_slice();
        match (algorithm.primitive(), label) {
            (Primitive::Rsa { .. }, "PUBLIC KEY" | "RSA PUBLIC KEY") => {
                let public = rsa::PublicKey::from_der(der).map_err(|_| KeyError::Malformed)?;
                let components = PublicKeyComponents::<Vec<u8>>::from(&public);
                if components.n.len() < SHORTEST_RSA {
                    return Err(KeyError::Malformed);
                }
                Self::new(algorithm, public.as_ref(), Identity::rsa(&components.n, &components.e))
            }
            (Primitive::Ec { curve, .. }, "PUBLIC KEY") => {
                let point = der.strip_prefix(prefix(curve.name)?).ok_or(KeyError::Malformed)?;
                if point.len() != 1 + 2 * curve.bytes {
                    return Err(KeyError::Malformed);
                }
                Self::from_point(algorithm, point)
            }
            (Primitive::Ed25519, "PUBLIC KEY") => {
                let public = der.strip_prefix(prefix("Ed25519")?).ok_or(KeyError::Malformed)?;
                Self::new(algorithm, public, Identity::ed25519(public))
            }
            (_, _) => Err(KeyError::Malformed),
        }
    }

    /// The key as `SubjectPublicKeyInfo`; none for a shared secret.
    pub fn to_pem(&self) -> Option<String> {
        let jwk = self.public_jwk()?;
        let bytes = |name| jwk::bytes(jwk, name).ok();
        let der = match self.algorithm().primitive() {
            Primitive::Rsa { .. } => {
                let components = PublicKeyComponents { n: bytes("n")?, e: bytes("e")? };
                let der: PublicKeyX509Der<'_> = components.as_der().ok()?;
                der.as_ref().to_vec()
            }
            Primitive::Ec { curve, .. } => [prefix(curve.name).ok()?, &[4], &bytes("x")?, &bytes("y")?].concat(),
            Primitive::Ed25519 => [prefix("Ed25519").ok()?, &bytes("x")?].concat(),
            Primitive::Hmac { .. } => return None,
        };
        Some(written("PUBLIC KEY", &der))
    }

    /// The size of the key: of RSA's modulus, of a curve's field. None for a shared secret.
    pub fn bits(&self) -> Option<usize> {
        match self.algorithm().primitive() {
            Primitive::Rsa { .. } => {
                let modulus = jwk::bytes(self.public_jwk()?, "n").ok()?;
                let leading = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
                Some(modulus.len() * 8 - leading)
            }
            Primitive::Ec { curve, .. } => Some(if curve.bytes == 66 { 521 } else { curve.bytes * 8 }),
            Primitive::Ed25519 => Some(256),
            Primitive::Hmac { .. } => None,
        }
    }
}

fn prefix(curve: &str) -> Result<&'static [u8], KeyError> {
    PREFIXES.iter().find(|(name, _)| *name == curve).map(|(_, prefix)| *prefix).ok_or(KeyError::Malformed)
}

#[cfg(test)]
mod tests {
    use openssl::ec::{EcGroup, EcKey};
    use openssl::nid::Nid;
    use openssl::pkey::PKey;
    use openssl::rsa::Rsa;

    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    /// Another implementation's keys, in every form it writes; both halves have the same name and come back as written.
    #[test]
    fn keys_of_others_are_read_and_shown() {
        for (algorithm, curve) in [
            (Algorithm::Es256, Nid::X9_62_PRIME256V1),
            (Algorithm::Es384, Nid::SECP384R1),
            (Algorithm::Es512, Nid::SECP521R1),
        ] {
            let pair = EcKey::generate(&EcGroup::from_curve_name(curve).unwrap()).unwrap();
            let sec1 = text(pair.private_key_to_pem().unwrap());
            let pair = PKey::from_ec_key(pair).unwrap();
            let (private, public) = (pair.private_key_to_pem_pkcs8().unwrap(), pair.public_key_to_pem().unwrap());
            let (private, public) = (text(private), text(public));
            let verifying = VerifyingKey::from_pem(algorithm, &public).unwrap();
            assert_eq!(verifying.to_pem().unwrap(), public);
            for private in [sec1, private] {
                let signing = SigningKey::from_pem(algorithm, &private).unwrap();
                assert_eq!(signing.kid(), &**verifying.kid());
                let kept = SigningKey::from_private_key(algorithm, signing.private_key().unwrap().expose()).unwrap();
                assert_eq!(kept.kid(), signing.kid());
            }
        }
        let pair = PKey::generate_ed25519().unwrap();
        let public = text(pair.public_key_to_pem().unwrap());
        let signing = SigningKey::from_pem(Algorithm::EdDsa, &text(pair.private_key_to_pem_pkcs8().unwrap())).unwrap();
        assert_eq!(signing.verifying_key().to_pem().unwrap(), public);
        assert_eq!(VerifyingKey::from_pem(Algorithm::EdDsa, &public).unwrap().kid(), signing.verifying_key().kid());
        let kept = SigningKey::from_private_key(Algorithm::EdDsa, signing.private_key().unwrap().expose()).unwrap();
        assert_eq!(kept.kid(), signing.kid());
    }

    // E9
    #[test]
    fn rsa_keys_are_long_enough() {
        let pair = Rsa::generate(2048).unwrap();
        let (own, public) = (text(pair.private_key_to_pem().unwrap()), text(pair.public_key_to_pem().unwrap()));
        let signing = SigningKey::from_pem(Algorithm::Ps256, &own).unwrap();
        let verifying = VerifyingKey::from_pem(Algorithm::Ps256, &public).unwrap();
        assert_eq!((signing.verifying_key().to_pem().unwrap(), verifying.bits()), (public, Some(2048)));
        assert_eq!(signing.kid(), &**verifying.kid());
        let short = Rsa::generate(1024).unwrap();
        let (own, public) = (text(short.private_key_to_pem().unwrap()), text(short.public_key_to_pem().unwrap()));
        assert_eq!(SigningKey::from_pem(Algorithm::Rs256, &own).unwrap_err(), KeyError::Malformed);
        assert_eq!(VerifyingKey::from_pem(Algorithm::Rs256, &public).unwrap_err(), KeyError::Malformed);
    }

    // E8: a key is of its algorithm or not read at all
    #[test]
    fn what_is_no_such_key_is_refused() {
        let made = SigningKey::generate(Algorithm::Es256).unwrap();
        let public = made.verifying_key().to_pem().unwrap();
        for algorithm in [Algorithm::Es384, Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Hs256] {
            assert!(VerifyingKey::from_pem(algorithm, &public).is_err(), "{algorithm:?}");
        }
        let off_the_curve = public.replace(&public[100..110], "AAAAAAAAAA");
        for text in [
            "",
            "-----BEGIN PUBLIC KEY-----",
            "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----",
            &off_the_curve,
        ] {
            assert!(VerifyingKey::from_pem(Algorithm::Es256, text).is_err(), "{text}");
            assert!(SigningKey::from_pem(Algorithm::Es256, text).is_err(), "{text}");
        }
        assert!(SigningKey::generate(Algorithm::Hs256).unwrap().verifying_key().to_pem().is_none());
    }
}
