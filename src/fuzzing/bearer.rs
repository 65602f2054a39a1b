//! The `Authorization` field, beside a second reading of RFC 6750 2.1 and RFC 9449 7.1. Owns no rule of its own.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use super::text;
use crate::enforce::bearer::{Ambiguity, Presented, carries_token, check_characters, find, without_token};

/// First line: the query. Every other line: an `Authorization` field.
///
/// # Panics
/// If a credential is found that is not there, or one that is there is passed over.
pub fn bearer(input: &[u8]) {
    let mut lines = input.split(|&byte| byte == b'\n');
    let query = Some(text(lines.next().unwrap_or_default())).filter(|query| !query.is_empty());
    let mut headers = HeaderMap::new();
    for line in lines.take(4) {
        let Ok(value) = HeaderValue::from_bytes(line) else { return };
        headers.append(AUTHORIZATION, value);
    }
    let in_query = query.is_some_and(carries_token);
    let fields: Vec<&[u8]> = headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes).collect();
    let expected = match fields[..] {
        [] => Ok(Presented::Nothing),
        [field] => by_the_letter(field, in_query),
        _ => Err(Ambiguity::SeveralCredentials),
    };
    assert_eq!(find(&headers, query), expected);

    if let Ok(Presented::Bearer(token) | Presented::Dpop(token)) = expected {
        let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
        let is_token = token.iter().all(legal);
        assert_eq!(check_characters(token).ok().map(str::as_bytes), Some(token).filter(|_| is_token));
    }
    if let Some(query) = query {
        let kept = without_token(query);
        assert_eq!(kept.is_some(), in_query);
        assert!(
            kept.is_none_or(|kept| kept.len() < query.len() && !carries_token(&kept)),
            "a token stays in the query"
        );
    }
}

/// Scheme, one space, token; read from text in which case does not matter.
fn by_the_letter(field: &[u8], in_query: bool) -> Result<Presented<'_>, Ambiguity> {
    let lower = field.to_ascii_lowercase();
    if [&b"bearer"[..], b"dpop"].contains(&&lower[..]) || lower.starts_with(b"bearer\t") || lower.starts_with(b"dpop\t")
    {
        return Err(Ambiguity::MalformedBearer);
    }
    let presented = match (lower.starts_with(b"bearer "), lower.starts_with(b"dpop ")) {
        (true, _) => Presented::Bearer(&field[7..]),
        (_, true) => Presented::Dpop(&field[5..]),
        (false, false) => return Ok(Presented::Nothing),
    };
    match (in_query, presented) {
        (true, _) => Err(Ambiguity::SeveralCredentials),
        (false, Presented::Bearer(b"") | Presented::Dpop(b"")) => Err(Ambiguity::MalformedBearer),
        (false, presented) => Ok(presented),
    }
}
