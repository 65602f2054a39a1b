//! The one door: no token is believed that did not pass [`verify`].
//!
//! Owns RFC 7515 section 5.2 and RFC 7519 section 7.2 with the rules F1 to F11. It does not know revocation, policies
//! or where keys come from.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Algorithm, AlgorithmSet, KeySet, Reason, json};

/// The longest token that is looked at unless [`Expectations`] say otherwise (rule F3).
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// The latest instant that a claim may name: the end of the year 9999.
const LAST_INSTANT: f64 = 253_402_300_799.0;

/// What a token of one issuer must be. Build it once per issuer and route.
#[derive(Clone, Debug)]
pub struct Expectations {
    /// `iss`, compared exactly.
    pub issuer: Box<str>,
    /// One of these must be in `aud`. If there are none, `aud` does not matter.
    pub audiences: Box<[Box<str>]>,
    pub types: TypeSet,
    pub algorithms: AlgorithmSet,
    /// Seconds that the issuer's clock may be ahead of ours: for `nbf` and `iat` only, never for `exp`.
    pub leeway_for: i64,
    pub max_bytes: usize,
    /// Claims that must be there, whatever they say; null is nothing.
    pub required_claims: Box<[Box<str>]>,
}

/// The `typ` values that an issuer may write, compared without case and without `application/` (RFC 7515 4.1.9).
#[derive(Clone, Debug)]
pub struct TypeSet {
    names: Box<[Box<str>]>,
    optional: bool,
}

/// A token that passed every check.
#[derive(Clone, Debug)]
pub struct Verified {
    pub header: Header,
    pub claims: Map<String, Value>,
    /// The key that verified it; it need not be named in the header.
    pub key_id: Arc<str>,
    /// `exp`: from this instant on the token is worthless.
    pub expires_at: i64,
    /// `iat`, for those who revoke by date.
    pub issued_at: Option<i64>,
}

/// The protected header, as far as anybody may rely on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub algorithm: Algorithm,
    pub kid: Option<Box<str>>,
    pub typ: Option<Box<str>>,
}

impl Expectations {
    /// What our own issuer writes: `at+jwt`, any algorithm with a public key, ten seconds of leeway (rules F6, F9).
    pub fn new(issuer: &str) -> Self {
        Self {
            issuer: issuer.into(),
            audiences: Box::default(),
            types: TypeSet::new(["at+jwt"]),
            algorithms: AlgorithmSet::asymmetric(),
            leeway_for: 10,
            max_bytes: MAX_TOKEN_BYTES,
            required_claims: Box::default(),
        }
    }
}

impl TypeSet {
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self { names: names.into_iter().map(Into::into).collect(), optional: false }
    }

    /// Also accepts a token that does not say what it is, as issuers before RFC 9068 write them.
    pub fn or_none(self) -> Self {
        Self { optional: true, ..self }
    }

    pub(super) fn contains(&self, typ: Option<&str>) -> bool {
        let Some(typ) = typ else { return self.optional };
        let name = match typ.split_at_checked("application/".len()) {
            Some((prefix, name)) if prefix.eq_ignore_ascii_case("application/") => name,
            Some(_) | None => typ,
        };
        self.names.iter().any(|accepted| accepted.eq_ignore_ascii_case(name))
    }
}

/// Checks `token` against what its issuer promised, with the keys of that issuer, at `now` (Unix seconds).
///
/// # Errors
/// The first [`Reason`] for which it cannot be believed. Claims are not even read before the signature is verified.
pub fn verify(token: &str, expectations: &Expectations, keys: &KeySet, now: i64) -> Result<Verified, Reason> {
    if token.len() > expectations.max_bytes {
        return Err(Reason::TooLarge);
    }
    let parts = split(token).ok_or(Reason::Malformed)?;
    let header = parse_header(parts.header)?;
    if !expectations.algorithms.contains(header.algorithm) {
        return Err(Reason::UnsupportedAlgorithm);
    }
    if !expectations.types.contains(header.typ.as_deref()) {
        return Err(Reason::WrongType);
    }
    let key = match &header.kid {
        Some(kid) => keys.find_for(kid, header.algorithm),
        None => keys.only(header.algorithm),
    };
    let key = key.ok_or(Reason::UnknownKey)?;
    if key.algorithm() != header.algorithm {
        return Err(Reason::AlgorithmMismatch);
    }
    if !key.verify(parts.message.as_bytes(), &decode(parts.signature)?) {
        return Err(Reason::BadSignature);
    }

    let claims = json::parse_object(&decode(parts.claims)?)?;
    check_issuer(&claims, expectations)?;
    check_audience(&claims, expectations)?;
    let expires_at = instant(&claims, "exp")?.ok_or(Reason::MissingExpiry)?;
    if now >= expires_at {
        return Err(Reason::Expired);
    }
    let latest = now.saturating_add(expectations.leeway_for);
    if instant(&claims, "nbf")?.is_some_and(|not_before| not_before > latest) {
        return Err(Reason::NotYetValid);
    }
    let issued_at = instant(&claims, "iat")?;
    if issued_at.is_some_and(|issued_at| issued_at > latest) {
        return Err(Reason::IssuedInFuture);
    }
    let is_missing = |name: &str| claims.get(name).is_none_or(Value::is_null);
    if expectations.required_claims.iter().any(|name| is_missing(name)) {
        return Err(Reason::MissingClaim);
    }
    Ok(Verified { header, key_id: Arc::clone(key.kid()), claims, expires_at, issued_at })
}

/// Whether text is meant to be a signed JWT: three parts, the first of which is an object with `alg`. Whatever else a
/// token is, nobody but its issuer can read it.
pub fn is_jwt(token: &str) -> bool {
    let header = split(token).and_then(|parts| decode(parts.header).ok());
    header.is_some_and(|header| json::parse_object(&header).is_ok_and(|members| members.contains_key("alg")))
}

/// Reads `iss` without believing it, to choose the [`Expectations`] that [`verify`] then holds the token to.
pub fn peek_issuer(token: &str) -> Option<String> {
    peek(token)?.iss
}

/// Reads `sub` without believing it: whom an assertion is about, whose keys have to verify it then.
pub fn peek_subject(token: &str) -> Option<String> {
    peek(token)?.sub
}

/// Reads `tid` without believing it: which of several tenants that say the same `iss` issued the token.
pub fn peek_tenant(token: &str) -> Option<String> {
    peek(token)?.tid
}

#[derive(Deserialize)]
struct Peeked {
    iss: Option<String>,
    tid: Option<String>,
    sub: Option<String>,
}

fn peek(token: &str) -> Option<Peeked> {
    if token.len() > 2 * MAX_TOKEN_BYTES {
        return None;
    }
    let claims = decode(split(token)?.claims).ok()?;
    serde_json::from_slice(&claims).ok()
}

pub(super) struct Parts<'a> {
    pub header: &'a str,
    pub claims: &'a str,
    pub signature: &'a str,
    /// What is signed: header, dot, claims.
    pub message: &'a str,
}

/// Exactly three parts, none empty (rule F3); [`decode`] sees to their characters.
pub(super) fn split(token: &str) -> Option<Parts<'_>> {
    let (message, signature) = token.rsplit_once('.')?;
    let (header, claims) = message.split_once('.')?;
    let three = !claims.contains('.') && !header.is_empty() && !claims.is_empty() && !signature.is_empty();
    three.then_some(Parts { header, claims, signature, message })
}

/// Base64url without padding, white space or spare bits, so that one token has one spelling.
pub(super) fn decode(part: &str) -> Result<Vec<u8>, Reason> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Reason::Malformed)
}

/// `jku`, `x5u`, `jwk` and `x5c` are not looked at: a token does not bring its own key (rule F5).
fn parse_header(part: &str) -> Result<Header, Reason> {
    let mut members = json::parse_object(&decode(part)?)?;
    // We understand no extension, and `b64` is one that must be listed (RFC 7515 4.1.11, RFC 7797 section 6).
    if members.contains_key("crit") || members.contains_key("b64") {
        return Err(Reason::CriticalHeader);
    }
    let algorithm = match members.get("alg") {
        Some(Value::String(name)) => Algorithm::parse(name).ok_or(Reason::UnsupportedAlgorithm)?,
        Some(_) | None => return Err(Reason::Malformed),
    };
    Ok(Header { algorithm, kid: text(&mut members, "kid")?, typ: text(&mut members, "typ")? })
}

fn text(members: &mut Map<String, Value>, name: &str) -> Result<Option<Box<str>>, Reason> {
    match members.get_mut(name).map(Value::take) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.into())),
        Some(_) => Err(Reason::Malformed),
    }
}

fn check_issuer(claims: &Map<String, Value>, expectations: &Expectations) -> Result<(), Reason> {
    match claims.get("iss") {
        Some(Value::String(issuer)) if **issuer == *expectations.issuer => Ok(()),
        Some(_) | None => Err(Reason::WrongIssuer),
    }
}

/// `aud` is a string or an array of strings; null and the empty array say nothing (F-339).
fn check_audience(claims: &Map<String, Value>, expectations: &Expectations) -> Result<(), Reason> {
    let named = match claims.get("aud") {
        None | Some(Value::Null) => &[],
        Some(Value::Array(audiences)) => audiences.as_slice(),
        Some(audience) => std::slice::from_ref(audience),
    };
    if !named.iter().all(Value::is_string) {
        return Err(Reason::Malformed);
    }
    if expectations.audiences.is_empty() {
        return Ok(());
    }
    if named.is_empty() {
        return Err(Reason::MissingAudience);
    }
    let expected = |audience: &str| expectations.audiences.iter().any(|expected| **expected == *audience);
    match named.iter().filter_map(Value::as_str).any(expected) {
        true => Ok(()),
        false => Err(Reason::WrongAudience),
    }
}

/// A NumericDate (RFC 7519 section 2) in whole seconds; a fraction is cut off. Text that looks like a number is not one.
pub(super) fn instant(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, Reason> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => match number.as_f64() {
            // Exact, because every instant in this range is far below 2^53.
            Some(seconds) if seconds.abs() <= LAST_INSTANT => Ok(Some(seconds.floor() as i64)),
            Some(_) | None => Err(Reason::InvalidTime),
        },
        Some(_) => Err(Reason::InvalidTime),
    }
}

#[cfg(test)]
mod tests;
