//! Text in URLs and forms: percent-encoding (RFC 3986 2.1) and `application/x-www-form-urlencoded`.
//!
//! Owns which characters stand for themselves. Paths are `route`'s, which refuses what this lets pass.

use std::borrow::Cow;
use std::fmt::Display;

use form_urlencoded::byte_serialize;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

/// All but the unreserved characters (RFC 3986 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same of a path, which keeps its slashes.
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// For any part of a URL: only unreserved characters stand for themselves.
pub fn encoded(text: &str) -> impl Display {
    utf8_percent_encode(text, RESERVED)
}

/// For a path as a whole.
pub fn encoded_path(path: &str) -> impl Display {
    utf8_percent_encode(path, RESERVED_IN_PATH)
}

/// Names and values of a form, or of a query (RFC 6749 appendix B).
pub fn form<N: AsRef<str>, V: AsRef<str>>(pairs: &[(N, V)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        if !text.is_empty() {
            text.push('&');
        }
        text.extend(byte_serialize(name.as_ref().as_bytes()));
        text.push('=');
        text.extend(byte_serialize(value.as_ref().as_bytes()));
    }
    text
}

/// One name or value of a form.
pub fn form_value(value: &str) -> String {
    byte_serialize(value.as_bytes()).collect()
}

/// The bytes that escapes stand for. A `%` that begins no escape stands for itself.
pub fn decoded(text: &str) -> Cow<'_, [u8]> {
    percent_decode(text.as_bytes()).into()
}

/// Undoes form encoding: `+` is a space, `%41` is `A`, and a `%` that begins no escape stands for itself (F-108).
/// `None` if the outcome is not UTF-8.
pub fn form_decoded(text: &[u8]) -> Option<Cow<'_, str>> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return std::str::from_utf8(text).ok().map(Cow::Borrowed);
    }
    let mut bytes = Vec::with_capacity(text.len());
    for (index, part) in text.split(|&byte| byte == b'+').enumerate() {
        if index > 0 {
            bytes.push(b' ');
        }
        bytes.extend(percent_decode(part));
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 3986 2.3: escapes have upper-case digits, and unreserved characters none
    #[test]
    fn only_unreserved_characters_stand_for_themselves() {
        let text = "AZaz09-._~ /?#&=+%'é\u{1f980}\n";
        let all = "AZaz09-._~%20%2F%3F%23%26%3D%2B%25%27%C3%A9%F0%9F%A6%80%0A";
        assert_eq!(encoded(text).to_string(), all);
        assert_eq!(encoded_path(text).to_string(), all.replace("%2F", "/"));
        assert_eq!(decoded(all).as_ref(), text.as_bytes());
    }

    // RFC 6749 appendix B
    #[test]
    fn a_form_has_plus_for_space() {
        assert_eq!(form(&[("a b", "c&d=é~*"), ("e", "")]), "a+b=c%26d%3D%C3%A9%7E*&e=");
        assert_eq!(form_value("a b+%"), "a+b%2B%25");
        assert_eq!(form::<&str, &str>(&[]), "");
    }

    // F-108: a stray percent sign must not be an error. A sign is no digit.
    #[test]
    fn what_is_no_escape_stands_for_itself() {
        for (text, expected) in [
            ("b", "b"),
            ("b%20c+d", "b c d"),
            ("%2B%2b", "++"),
            ("%pi", "%pi"),
            ("100%", "100%"),
            ("%2", "%2"),
            ("%%41", "%A"),
            ("%+41", "% 41"),
            ("%-1%+1", "%-1% 1"),
        ] {
            assert_eq!(form_decoded(text.as_bytes()).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(decoded("%+1%-1").as_ref(), b"%+1%-1");
        assert_eq!((form_decoded(b"%ff"), form_decoded(b"\xff")), (None, None));
    }
}
