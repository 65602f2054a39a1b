//! The rules of `verify` once more, in the order in which one would explain them, with another library's signatures.
//!
//! Owns a second opinion for tests; it shares no code with the door.

use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

use super::{AUDIENCE, ISSUER, NOW};

pub(super) struct Key {
    pub kid: &'static str,
    pub algorithm: Algorithm,
    pub key: DecodingKey,
}

/// The claims of a token that may be believed.
pub(super) fn claims(token: &str, keys: &[Key]) -> Option<Map<String, Value>> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { return None };
    if token.len() > 8192 || parts.contains(&"") {
        return None;
    }
    let key = key_of(&object(header)?, keys)?;
    decoded(signature)?;
    let message = format!("{header}.{claims}");
    let is_signed = jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key.key, key.algorithm);
    let claims = object(claims)?;
    (is_signed.unwrap_or(false) && are_good(&claims)).then_some(claims)
}

/// RFC 7515 4.1, RFC 8725 3.1 and 3.11.
fn key_of<'a>(header: &Map<String, Value>, keys: &'a [Key]) -> Option<&'a Key> {
    if header.contains_key("crit") || header.contains_key("b64") {
        return None;
    }
    let typ = header.get("typ")?.as_str()?.to_ascii_lowercase();
    let algorithm = match header.get("alg")?.as_str()? {
        "ES256" => Algorithm::ES256,
        "EdDSA" | "Ed25519" => Algorithm::EdDSA,
        _ => return None,
    };
    let key = match header.get("kid") {
        None => keys.iter().find(|key| key.algorithm == algorithm),
        Some(kid) => keys.iter().find(|key| kid.as_str() == Some(key.kid)),
    };
    let is_access_token = typ.strip_prefix("application/").unwrap_or(&typ) == "at+jwt";
    key.filter(|key| key.algorithm == algorithm && is_access_token)
}

/// RFC 7519 4.1, RFC 9068 4, with ten seconds of leeway for what may not have begun.
fn are_good(claims: &Map<String, Value>) -> bool {
    let audiences = match claims.get("aud") {
        Some(Value::Array(audiences)) => audiences.clone(),
        Some(audience) => vec![audience.clone()],
        None => Vec::new(),
    };
    let instant = |name: &str| claims.get(name).map(|value| value.as_f64().map(f64::floor));
    let is_instant = |seconds: f64| (-253_402_300_799.0..=253_402_300_799.0).contains(&seconds);
    let has_begun = |name: &str| match instant(name) {
        None => true,
        Some(seconds) => seconds.is_some_and(|seconds| is_instant(seconds) && seconds <= (NOW + 10) as f64),
    };
    let is_open = instant("exp").flatten().is_some_and(|seconds| is_instant(seconds) && seconds > NOW as f64);
    claims.get("iss").and_then(Value::as_str) == Some(ISSUER)
        && audiences.iter().all(Value::is_string)
        && audiences.iter().any(|audience| audience == AUDIENCE)
        && is_open
        && has_begun("nbf")
        && has_begun("iat")
        && claims.get("sub").is_some_and(|subject| !subject.is_null())
}

/// One object of at most 32 levels, in which no name stands twice.
fn object(part: &str) -> Option<Map<String, Value>> {
    let text = String::from_utf8(decoded(part)?).ok()?;
    let value: Value = serde_json::from_str(&text).ok()?;
    let strict = depth(&value) <= 32 && names_written(&text) == names_kept(&value);
    value.as_object().filter(|_| strict).cloned()
}

/// Every name is followed by a colon, and no other colon stands outside of a text.
fn names_written(text: &str) -> usize {
    let (mut names, mut is_inside, mut is_escaped) = (0, false, false);
    for letter in text.chars() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = is_inside,
            '"' => is_inside = !is_inside,
            ':' if !is_inside => names += 1,
            _ => {}
        }
    }
    names
}

fn names_kept(value: &Value) -> usize {
    match value {
        Value::Object(members) => members.len() + members.values().map(names_kept).sum::<usize>(),
        Value::Array(items) => items.iter().map(names_kept).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// RFC 4648 section 5 without padding: six bits a letter, and nothing in the bits that are left over.
fn decoded(part: &str) -> Option<Vec<u8>> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0_u32);
    for letter in part.bytes() {
        let value = LETTERS.iter().position(|&other| other == letter)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held).ok()?);
            bits &= (1 << held) - 1;
        }
    }
    (held < 6 && bits == 0).then_some(bytes)
}
