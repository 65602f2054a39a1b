//! DPoP proofs (RFC 9449 4): whoever sends a request shows that they hold a private key, for this request alone.
//!
//! Owns what a proof must say. Whether it was used before, and which tokens need one, is for those who ask.

mod nonces;
mod target;

use std::sync::Arc;

use aws_lc_rs::digest;
use serde_json::{Map, Value};

use super::verify::{TypeSet, decode, instant, split};
use super::{Algorithm, AlgorithmSet, KeyError, MAX_TOKEN_BYTES, Reason, VerifyingKey, json, jwk};
use crate::secret::equal;

pub use nonces::Nonces;
pub use target::{HttpUri, Origin};

/// Seconds for which a proof is good after it was made; its client's clock may be behind ours by as much.
pub const LIVES_FOR: i64 = 60;
/// Seconds that the client's clock may be ahead of ours.
const LEEWAY_FOR: i64 = 10;

/// Characters of a `jti`; more is not needed to be unique.
const MOST_ID: usize = 1024;

/// Members of a key that only its owner may know (RFC 7518 6.2.2, 6.3.2, 6.4.1).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The request that a proof shall be for.
pub struct Expected<'a> {
    pub method: &'a str,
    /// Whether an `htu` names what was requested.
    pub is_target: &'a dyn Fn(&HttpUri<'_>) -> bool,
    /// The access token that it comes with.
    pub token: Option<BoundToken<'a>>,
    /// Whose nonces it must bring, if it must.
    pub nonces: Option<&'a Nonces>,
    /// Unix seconds.
    pub now: i64,
}

/// An access token and the key that it is bound to.
#[derive(Clone, Copy)]
pub struct BoundToken<'a> {
    /// As it was sent.
    pub text: &'a [u8],
    /// `cnf.jkt`
    pub thumbprint: &'a str,
}

/// A proof that is right, and must not have been used before.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The RFC 7638 thumbprint of its key, `cnf.jkt` of tokens that are bound to it.
    pub thumbprint: Arc<str>,
    /// Stands for the proof: a digest of key and `jti`.
    pub id: String,
    /// From this instant on it is refused anyway.
    pub expires_at: i64,
}

/// Why a proof is refused: for logs and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProofFault {
    /// There is none.
    Missing,
    /// There are several `DPoP` fields.
    Repeated,
    Malformed,
    MissingClaim,
    WrongType,
    UnsupportedAlgorithm,
    BadKey,
    /// Its header shows a private key.
    PrivateKey,
    BadSignature,
    WrongMethod,
    WrongTarget,
    /// It has no nonce of ours, or an old one.
    WrongNonce,
    TooOld,
    FromFuture,
    /// It is for another access token.
    WrongToken,
    /// The access token is bound to another key.
    WrongKey,
    /// It was used before.
    Replayed,
}

impl ProofFault {
    pub const ALL: [Self; 17] = [
        Self::Missing,
        Self::Repeated,
        Self::Malformed,
        Self::MissingClaim,
        Self::WrongType,
        Self::UnsupportedAlgorithm,
        Self::BadKey,
        Self::PrivateKey,
        Self::BadSignature,
        Self::WrongMethod,
        Self::WrongTarget,
        Self::WrongNonce,
        Self::TooOld,
        Self::FromFuture,
        Self::WrongToken,
        Self::WrongKey,
        Self::Replayed,
    ];

    /// The name in logs and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "proof_missing",
            Self::Repeated => "proof_repeated",
            Self::Malformed => "proof_malformed",
            Self::MissingClaim => "proof_incomplete",
            Self::WrongType => "proof_wrong_type",
            Self::UnsupportedAlgorithm => "proof_unsupported_algorithm",
            Self::BadKey => "proof_bad_key",
            Self::PrivateKey => "proof_private_key",
            Self::BadSignature => "proof_bad_signature",
            Self::WrongMethod => "proof_wrong_method",
            Self::WrongTarget => "proof_wrong_target",
            Self::WrongNonce => "proof_wrong_nonce",
            Self::TooOld => "proof_too_old",
            Self::FromFuture => "proof_from_future",
            Self::WrongToken => "proof_wrong_token",
            Self::WrongKey => "proof_wrong_key",
            Self::Replayed => "proof_replayed",
        }
    }
}

/// The algorithms that proofs may be signed with, for metadata and challenges.
pub fn algorithms() -> impl Iterator<Item = &'static str> {
    Algorithm::ALL.into_iter().filter(|algorithm| !algorithm.is_symmetric()).map(Algorithm::as_str)
}

/// The one proof of a request, from all its `DPoP` fields (RFC 9449 4.3, 1).
///
/// # Errors
/// [`ProofFault::Missing`], [`ProofFault::Repeated`], or [`ProofFault::Malformed`] if it is no text.
pub fn only<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> Result<&'a str, ProofFault> {
    let mut fields = fields.into_iter();
    let field = fields.next().ok_or(ProofFault::Missing)?;
    if fields.next().is_some() {
        return Err(ProofFault::Repeated);
    }
    std::str::from_utf8(field).map_err(|_| ProofFault::Malformed)
}

/// Checks a proof: all of RFC 9449 4.3 but that there is one only, which [`only`] says, and that it is new, which nobody
/// knows alone.
///
/// # Errors
/// The first [`ProofFault`].
pub fn verify(proof: &str, expected: &Expected<'_>) -> Result<Proof, ProofFault> {
    // 2. One well-formed JWT.
    if proof.len() > MAX_TOKEN_BYTES {
        return Err(ProofFault::Malformed);
    }
    let parts = split(proof).ok_or(ProofFault::Malformed)?;
    let header = object(parts.header)?;
    if header.contains_key("crit") || header.contains_key("b64") {
        return Err(ProofFault::Malformed);
    }
    // 4. Its type.
    if !TypeSet::new(["dpop+jwt"]).contains(header.get("typ").and_then(Value::as_str)) {
        return Err(ProofFault::WrongType);
    }
    // 5. An algorithm with a public key.
    let algorithm = header.get("alg").and_then(Value::as_str).and_then(Algorithm::parse);
    let algorithm = algorithm.filter(|algorithm| AlgorithmSet::asymmetric().contains(*algorithm));
    let algorithm = algorithm.ok_or(ProofFault::UnsupportedAlgorithm)?;
    // 7. Nothing private in the key.
    let key = key(header.get("jwk").and_then(Value::as_object).ok_or(ProofFault::BadKey)?, algorithm)?;
    // 6. The signature.
    if !key.verify(parts.message.as_bytes(), &decode(parts.signature).map_err(malformed)?) {
        return Err(ProofFault::BadSignature);
    }
    // 3. Every claim.
    let claims = object(parts.claims)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let required = |name: &str| text(name).ok_or(ProofFault::MissingClaim);
    let (id, method, target) = (required("jti")?, required("htm")?, required("htu")?);
    let issued_at = instant(&claims, "iat").map_err(malformed)?.ok_or(ProofFault::MissingClaim)?;
    if id.len() > MOST_ID {
        return Err(ProofFault::Malformed);
    }
    // 8., 9. For this request. Methods are case-sensitive.
    if method != expected.method {
        return Err(ProofFault::WrongMethod);
    }
    if !HttpUri::parse(target).is_some_and(|target| (expected.is_target)(&target)) {
        return Err(ProofFault::WrongTarget);
    }
    // 10. With a nonce of ours.
    if let Some(nonces) = expected.nonces
        && !text("nonce").is_some_and(|nonce| nonces.accept(nonce, expected.now))
    {
        return Err(ProofFault::WrongNonce);
    }
    // 11. Made just now.
    if issued_at.saturating_add(LIVES_FOR) < expected.now {
        return Err(ProofFault::TooOld);
    }
    if issued_at > expected.now.saturating_add(LEEWAY_FOR) {
        return Err(ProofFault::FromFuture);
    }
    // 12. For this access token, by the key that the token is bound to.
    if let Some(token) = expected.token {
        let of_token = jwk::encode(digest::digest(&digest::SHA256, token.text).as_ref());
        if !equal(required("ath")?.as_bytes(), of_token.as_bytes()) {
            return Err(ProofFault::WrongToken);
        }
        if !equal(key.kid().as_bytes(), token.thumbprint.as_bytes()) {
            return Err(ProofFault::WrongKey);
        }
    }
    let id = [key.kid().as_bytes(), b"\0", id.as_bytes()].concat();
    Ok(Proof {
        thumbprint: Arc::clone(key.kid()),
        id: jwk::encode(digest::digest(&digest::SHA256, &id).as_ref()),
        expires_at: issued_at.saturating_add(LIVES_FOR + 1),
    })
}

fn object(part: &str) -> Result<Map<String, Value>, ProofFault> {
    json::parse_object(&decode(part).map_err(malformed)?).map_err(malformed)
}

fn malformed(_: Reason) -> ProofFault {
    ProofFault::Malformed
}

/// The key, named by its thumbprint whatever it calls itself.
fn key(jwk: &Map<String, Value>, algorithm: Algorithm) -> Result<VerifyingKey, ProofFault> {
    if PRIVATE.iter().any(|name| jwk.contains_key(*name)) {
        return Err(ProofFault::PrivateKey);
    }
    let mut jwk = jwk.clone();
    jwk.remove("kid");
    // A key that says its algorithm is for no other one; one that does not is for the header's.
    jwk.entry("alg").or_insert_with(|| algorithm.as_str().into());
    let key = VerifyingKey::from_jwk(&jwk).map_err(|error| match error {
        KeyError::NotPublic => ProofFault::PrivateKey,
        KeyError::Malformed
        | KeyError::UnsupportedAlgorithm
        | KeyError::NotForSigning
        | KeyError::TooMany
        | KeyError::Ambiguous
        | KeyError::Library => ProofFault::BadKey,
    })?;
    if key.algorithm() == algorithm { Ok(key) } else { Err(ProofFault::BadKey) }
}

#[cfg(test)]
mod tests;
