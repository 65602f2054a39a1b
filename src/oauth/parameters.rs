//! Form bodies, read strictly where RFC 6749 is strict and leniently where clients are not (F-080, F-108).
//!
//! Owns names and values; it does not know what any of them means.

use std::borrow::Cow;

use super::error::{ErrorReason, OAuthError};

/// The parameters of one request: each name once, none empty.
#[derive(Debug)]
pub struct Parameters<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// More than any of our requests has.
const MAX_PARAMETERS: usize = 100;

impl<'a> Parameters<'a> {
    /// Reads `application/x-www-form-urlencoded` text.
    ///
    /// # Errors
    /// `invalid_request` if a name occurs twice (RFC 6749 3.2), if something is not UTF-8, or if there are too many.
    pub fn parse(body: &'a [u8]) -> Result<Self, OAuthError> {
        let wrong = |description| OAuthError::invalid_request(ErrorReason::Unknown, description);
        let mut parameters: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        for pair in body.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()) {
            let (name, value) = match pair.iter().position(|&byte| byte == b'=') {
                Some(position) => (&pair[..position], &pair[position + 1..]),
                None => (pair, &pair[pair.len()..]),
            };
            let (Some(name), Some(value)) = (decode(name), decode(value)) else {
                return Err(wrong("A parameter is not UTF-8."));
            };
            if parameters.iter().any(|(other, _)| *other == name) {
                return Err(wrong("A parameter is repeated."));
            }
            if parameters.len() == MAX_PARAMETERS {
                return Err(wrong("There are too many parameters."));
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// The value of `name`; a parameter without a value counts as omitted (RFC 6749 3.2).
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, value)| other == name && !value.is_empty()).map(|(_, value)| &**value)
    }
}

/// Undoes form encoding: `+` is a space, `%41` is `A`, and a `%` that begins no escape stands for itself (F-108).
/// `None` if the outcome is not UTF-8.
pub(super) fn decode(text: &[u8]) -> Option<Cow<'_, str>> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return std::str::from_utf8(text).ok().map(Cow::Borrowed);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let (decoded_byte, skipped) = match byte {
            b'%' => escape(after).map_or((b'%', 0), |escaped| (escaped, 2)),
            b'+' => (b' ', 0),
            byte => (byte, 0),
        };
        decoded.push(decoded_byte);
        rest = &after[skipped..];
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

/// The byte that two hexadecimal digits at the beginning of `text` stand for.
fn escape(text: &[u8]) -> Option<u8> {
    let digit = |position: usize| text.get(position).and_then(|&byte| char::from(byte).to_digit(16));
    Some((digit(0)? * 16 + digit(1)?) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::error::ErrorCode;

    #[test]
    fn values_are_decoded() {
        let rows = [
            ("a=b", "b"),
            ("a=b%20c", "b c"),
            ("a=b+c", "b c"),
            ("a=b%2Bc", "b+c"),
            ("a=b%2bc", "b+c"),
            ("a=b=c", "b=c"),
            ("a=%C3%A9", "é"),
            ("%61=x", "x"),
            ("&&a=b&", "b"),
            // F-108: a stray percent sign must not be an error.
            ("a=%pi", "%pi"),
            ("a=100%", "100%"),
            ("a=%2", "%2"),
            ("a=%%41", "%A"),
            ("a=%+41", "% 41"),
        ];
        for (body, expected) in rows {
            assert_eq!(Parameters::parse(body.as_bytes()).unwrap().find("a"), Some(expected), "{body}");
        }
    }

    // RFC 6749 3.2: without a value means omitted.
    #[test]
    fn empty_means_omitted() {
        for body in ["", "a", "a=", "b=1"] {
            assert_eq!(Parameters::parse(body.as_bytes()).unwrap().find("a"), None, "{body}");
        }
    }

    // RFC 6749 3.2, A10, F11
    #[test]
    fn repeats_and_bytes_that_are_no_text_are_refused() {
        let many: Vec<_> = (0..101).map(|number| format!("p{number}=1")).collect();
        let many = many.join("&");
        let rows: [&[u8]; 7] =
            [b"a=1&a=1", b"a=1&b=2&a=3", b"a=&a=1", b"a=1&%61=2", b"a=%FF", b"\xff=1", many.as_bytes()];
        for body in rows {
            let error = Parameters::parse(body).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidRequest, "{}", String::from_utf8_lossy(body));
        }
    }
}
