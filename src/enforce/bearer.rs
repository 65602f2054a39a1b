//! Finding the credential of a request.
//!
//! Owns where a token may stand and what makes a request ambiguous (RFC 6750 2, rule F12). It does not look inside tokens.

use crate::percent;
use http::HeaderMap;
use http::header::AUTHORIZATION;

/// What a request presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented<'a> {
    Nothing,
    /// Not looked into yet: see [`check_characters`].
    Bearer(&'a [u8]),
    /// The same with a proof beside it (RFC 9449 7.1).
    Dpop(&'a [u8]),
}

/// Why a request's credentials cannot be read at all; each is a 400 (RFC 6750 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ambiguity {
    /// Two `Authorization` fields, or a field and an `access_token` parameter.
    SeveralCredentials,
    /// `Bearer` or `DPoP` without exactly one space and one token after it.
    MalformedBearer,
}

impl Ambiguity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SeveralCredentials => "several_credentials",
            Self::MalformedBearer => "malformed_authorization",
        }
    }
}

/// The one token of a request, from its `Authorization` field.
///
/// A token in the query or in a cookie is never accepted, but in the query it is a second credential (F-331). Another
/// authentication scheme is no credential of ours.
///
/// # Errors
/// [`Ambiguity`] when there is more than one credential, or a `Bearer` or `DPoP` that does not obey RFC 6750 2.1.
pub fn find<'a>(headers: &'a HeaderMap, query: Option<&str>) -> Result<Presented<'a>, Ambiguity> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let Some(field) = fields.next() else {
        return Ok(Presented::Nothing);
    };
    if fields.next().is_some() {
        return Err(Ambiguity::SeveralCredentials);
    }
    let field = field.as_bytes();
    let (rest, presented): (_, fn(&'a [u8]) -> Presented<'a>) = match after(field, b"bearer") {
        Some(rest) => (rest, Presented::Bearer),
        None => match after(field, b"dpop") {
            Some(rest) => (rest, Presented::Dpop),
            None => return Ok(Presented::Nothing),
        },
    };
    let token = match rest.split_first() {
        Some((b' ', token)) => token,
        // `BearerX ...` is another scheme; `Bearer<tab>` and a bare `Bearer` are mistakes.
        Some((b'\t', _)) | None => return Err(Ambiguity::MalformedBearer),
        Some(_) => return Ok(Presented::Nothing),
    };
    check_query(query)?;
    if token.is_empty() { Err(Ambiguity::MalformedBearer) } else { Ok(presented(token)) }
}

/// # Errors
/// [`Ambiguity::SeveralCredentials`] for a query with a token, beside the one of the header field (RFC 6750 2.3).
pub fn check_query(query: Option<&str>) -> Result<(), Ambiguity> {
    if query.is_some_and(carries_token) { Err(Ambiguity::SeveralCredentials) } else { Ok(()) }
}

/// What follows the name of a scheme, in whatever case it is written.
fn after<'a>(field: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (own, rest) = field.split_at_checked(scheme.len())?;
    own.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// The token as text, if the whole credential is one `b64token` (RFC 6750 2.1). Asked of tokens that are seen for the first time: looking
/// at every byte of a known one would cost more than finding it.
///
/// # Errors
/// [`Ambiguity::MalformedBearer`].
pub fn check_characters(token: &[u8]) -> Result<&str, Ambiguity> {
    let is_token = token.iter().all(|&byte| TOKEN68[usize::from(byte)]);
    std::str::from_utf8(token).ok().filter(|_| is_token).ok_or(Ambiguity::MalformedBearer)
}

/// `b64token` of RFC 6750 2.1, as a table: every byte of a forged token is looked at here.
static TOKEN68: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = is_token68(byte as u8);
        byte += 1;
    }
    table
};

const fn is_token68(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
}

/// The parameter that RFC 6750 2.3 defines and RFC 9700 forbids.
const QUERY_TOKEN: &str = "access_token";

/// Whether a query has an `access_token` parameter, however its name is percent-encoded.
pub fn carries_token(query: &str) -> bool {
    query.split('&').any(is_token_parameter)
}

/// The query without its `access_token` parameters; `None` when there is nothing to take out.
pub fn without_token(query: &str) -> Option<String> {
    if !carries_token(query) {
        return None;
    }
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_token_parameter(pair)).collect();
    Some(kept.join("&"))
}

fn is_token_parameter(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default();
    if !name.contains(['%', '+']) {
        return name.eq_ignore_ascii_case(QUERY_TOKEN);
    }
    percent::decoded(name).eq_ignore_ascii_case(QUERY_TOKEN.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(fields: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(field).unwrap());
        }
        headers
    }

    // RFC 6750 2.1, F12, F-331
    #[test]
    fn one_bearer_field_in_its_one_shape() {
        for (field, presented) in [
            (&b"Bearer abc.def-_~+/="[..], Ok(Presented::Bearer(b"abc.def-_~+/="))),
            (b"bearer abc", Ok(Presented::Bearer(b"abc"))),
            (b"BEARER abc", Ok(Presented::Bearer(b"abc"))),
            (b"Basic abc", Ok(Presented::Nothing)),
            (b"Bear", Ok(Presented::Nothing)),
            (b"", Ok(Presented::Nothing)),
            (b"Bearers abc", Ok(Presented::Nothing)),
            (b"Bearer", Err(Ambiguity::MalformedBearer)),
            (b"Bearer ", Err(Ambiguity::MalformedBearer)),
            (b"Bearer  abc", Err(Ambiguity::MalformedBearer)),
            (b"Bearer\tabc", Err(Ambiguity::MalformedBearer)),
            (b"Bearer abc ", Err(Ambiguity::MalformedBearer)),
            (b"Bearer abc def", Err(Ambiguity::MalformedBearer)),
            (b"Bearer abc,def", Err(Ambiguity::MalformedBearer)),
            (b"Bearer \"abc\"", Err(Ambiguity::MalformedBearer)),
            (b"Bearer abc\xff", Err(Ambiguity::MalformedBearer)),
            // RFC 9449 7.1
            (b"DPoP abc.def-_~+/=", Ok(Presented::Dpop(b"abc.def-_~+/="))),
            (b"dpop abc", Ok(Presented::Dpop(b"abc"))),
            (b"DPoP", Err(Ambiguity::MalformedBearer)),
            (b"DPoP\tabc", Err(Ambiguity::MalformedBearer)),
            (b"DPoP  abc", Err(Ambiguity::MalformedBearer)),
            (b"DPoPs abc", Ok(Presented::Nothing)),
        ] {
            let headers = headers(&[field]);
            let found = find(&headers, None).and_then(|found| match found {
                Presented::Bearer(token) | Presented::Dpop(token) => check_characters(token).map(|_| found),
                Presented::Nothing => Ok(found),
            });
            assert_eq!(found, presented, "{:?}", String::from_utf8_lossy(field));
        }
    }

    // F-331, F12
    #[test]
    fn more_than_one_credential_is_ambiguous() {
        let two = headers(&[b"Bearer a", b"Bearer a"]);
        assert_eq!(find(&two, None), Err(Ambiguity::SeveralCredentials));
        let mixed = headers(&[b"Basic a", b"Bearer a"]);
        assert_eq!(find(&mixed, None), Err(Ambiguity::SeveralCredentials));
        let one = headers(&[b"Bearer a"]);
        for query in [
            "access_token=b",
            "x=1&access_token=b",
            "access%5ftoken=b",
            "access_token",
            "ACCESS_TOKEN=b",
            "%61ccess_token=b",
        ] {
            assert_eq!(find(&one, Some(query)), Err(Ambiguity::SeveralCredentials), "{query}");
        }
        assert_eq!(find(&one, Some("access_tokens=b&q=access_token")), Ok(Presented::Bearer(b"a")));
        assert_eq!(
            find(&headers(&[]), Some("access_token=b")),
            Ok(Presented::Nothing),
            "F12: never read from the query"
        );
    }

    // F-332
    #[test]
    fn the_query_is_forwarded_without_tokens() {
        for (query, left) in [
            ("access_token=a", Some("")),
            ("a=1&access_token=x&b=2", Some("a=1&b=2")),
            ("access%5Ftoken=x&a", Some("a")),
            ("a=1&b=%zz", None),
            ("", None),
        ] {
            assert_eq!(without_token(query).as_deref(), left, "{query}");
        }
    }
}
