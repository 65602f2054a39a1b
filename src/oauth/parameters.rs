//! Form bodies, read strictly where RFC 6749 is strict and leniently where clients are not (F-080, F-108).
//!
//! Owns names and values; it does not know what any of them means.

use std::borrow::Cow;

use super::audience::{self, RESOURCE};
use super::error::{ErrorReason, OAuthError};
use crate::percent;

/// The parameters of one request: each name once, none empty.
#[derive(Debug)]
pub struct Parameters<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// More than any of our requests has.
const MAX_PARAMETERS: usize = 100;

impl<'a> Parameters<'a> {
    /// Reads `application/x-www-form-urlencoded` text.
    ///
    /// # Errors
    /// `invalid_request` if a name occurs twice (RFC 6749 3.2; for `resource` it is `invalid_target`), if something is not
    /// UTF-8, or if there are too many.
    pub fn parse(body: &'a [u8]) -> Result<Self, OAuthError> {
        Self(Vec::new()).and(body)
    }

    /// The same and more: no name may occur in both (A10).
    ///
    /// # Errors
    /// As [`Parameters::parse`].
    pub fn and(self, body: &'a [u8]) -> Result<Self, OAuthError> {
        let wrong = |description| OAuthError::invalid_request(ErrorReason::Unknown, description);
        let Self(mut parameters) = self;
        for pair in body.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()) {
            let (name, value) = match pair.iter().position(|&byte| byte == b'=') {
                Some(position) => (&pair[..position], &pair[position + 1..]),
                None => (pair, &pair[pair.len()..]),
            };
            let (Some(name), Some(value)) = (percent::form_decoded(name), percent::form_decoded(value)) else {
                return Err(wrong("A parameter is not UTF-8."));
            };
            if parameters.iter().any(|(other, _)| *other == name) {
                // RFC 8707 2: that one may be repeated, and we are one of those who take one only.
                if name == RESOURCE {
                    return Err(audience::invalid_target());
                }
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

    /// Those of `names` that are there, in the order of `names`.
    pub fn pick(&self, names: &[&str]) -> Vec<(String, String)> {
        let found = names.iter().filter_map(|&name| Some((name.to_owned(), self.find(name)?.to_owned())));
        found.collect()
    }
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

    // F-053: what is sent back decodes to what came, byte for byte.
    #[test]
    fn what_is_encoded_decodes_to_itself() {
        let value = "a+b \"&=%c3#?/\u{e9}\u{1f600}~*-._";
        let text = percent::form(&[("state", value), ("x", "")]);
        assert!(text.is_ascii() && text.starts_with("state=a%2Bb+%22%26"), "{text}");
        assert_eq!(Parameters::parse(text.as_bytes()).unwrap().find("state"), Some(value));
    }

    // A10
    #[test]
    fn query_and_body_are_one_list() {
        let both = |query: &'static str, body: &'static str| {
            Parameters::parse(query.as_bytes()).and_then(|query| query.and(body.as_bytes()))
        };
        let joined = both("a=1", "b=2").unwrap();
        assert_eq!((joined.find("a"), joined.find("b")), (Some("1"), Some("2")));
        assert_eq!(joined.pick(&["b", "c", "a"]), [("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())]);
        assert_eq!(both("a=1", "a=1").unwrap_err().code, ErrorCode::InvalidRequest);
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
