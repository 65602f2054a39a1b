//! Public keys as JSON (RFC 7517) and their thumbprints (RFC 7638), as `jsonwebtoken` models them.
//!
//! Owns the translation from a key's numbers; it never sees a private one. Signatures are made and checked by `aws-lc-rs`
//! itself, because `jsonwebtoken` parses the key again for each of them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, EllipticCurveKeyParameters, Jwk, OctetKeyPairParameters,
    PublicKeyUse, RSAKeyParameters, ThumbprintHash,
};
use serde_json::{Map, Value};

use super::algorithm::Curve;
use super::{Algorithm, KeyError};

/// The members that identify a public key.
pub(super) struct Identity(AlgorithmParameters);

impl Identity {
    pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Self {
        let parameters = RSAKeyParameters { n: encode(modulus), e: encode(exponent), ..RSAKeyParameters::default() };
        Self(AlgorithmParameters::RSA(parameters))
    }

    /// `point` is uncompressed: the byte 4, then both coordinates.
    pub(super) fn ec(curve: Curve, point: &[u8]) -> Self {
        let (x, y) = point[1..].split_at(curve.bytes);
        let (x, y, curve) = (encode(x), encode(y), curve.model());
        let parameters = EllipticCurveKeyParameters { curve, x, y, ..EllipticCurveKeyParameters::default() };
        Self(AlgorithmParameters::EllipticCurve(parameters))
    }

    pub(super) fn ed25519(public_key: &[u8]) -> Self {
        let (curve, x) = (EllipticCurve::Ed25519, encode(public_key));
        let parameters = OctetKeyPairParameters { curve, x, ..OctetKeyPairParameters::default() };
        Self(AlgorithmParameters::OctetKeyPair(parameters))
    }

    /// The SHA-256 thumbprint, 43 characters of base64url, and the entry of a key set under that name (rule E8).
    ///
    /// # Errors
    /// [`KeyError::Library`] if the library cannot write it.
    pub(super) fn named(self, algorithm: Algorithm) -> Result<(String, Map<String, Value>), KeyError> {
        let mut jwk = Jwk { common: CommonParameters::default(), algorithm: self.0 };
        let kid = jwk.thumbprint(ThumbprintHash::SHA256).map_err(|_| KeyError::Library)?;
        jwk.common.key_id = Some(kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let Ok(Value::Object(mut entry)) = serde_json::to_value(jwk) else {
            return Err(KeyError::Library);
        };
        // Not through the library, which knows fewer algorithms than we do.
        entry.insert("alg".to_owned(), algorithm.as_str().into());
        Ok((kid, entry))
    }
}

impl Curve {
    fn model(self) -> EllipticCurve {
        match self.bytes {
            32 => EllipticCurve::P256,
            48 => EllipticCurve::P384,
            _ => EllipticCurve::P521,
        }
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
