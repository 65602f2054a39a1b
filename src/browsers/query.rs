//! Parameters in queries and forms (`application/x-www-form-urlencoded`), as an issuer and a browser write them.
//!
//! Owns the encoding. It does not know what they mean.

use std::fmt::Write as _;

/// Adds `parameters` to a URL that may have a query of its own.
pub(super) fn with(url: &str, parameters: &[(&str, &str)]) -> String {
    let mut text = url.to_owned();
    for (name, value) in parameters {
        text.push(if text.contains('?') { '&' } else { '?' });
        encode(name, &mut text);
        text.push('=');
        encode(value, &mut text);
    }
    text
}

/// The value of a parameter. `None` also when there are two: nobody can say which one is meant (rule A10).
pub(super) fn find(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut values = pairs.filter(|(other, _)| decode(other).as_deref() == Some(name)).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(value), None) => decode(value).filter(|value| !value.is_empty()),
        (_, _) => None,
    }
}

fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => into.push(char::from(byte)),
            other => {
                // Writing to a string cannot fail.
                let _ = write!(into, "%{other:02X}");
            }
        }
    }
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_keeps_its_query() {
        assert_eq!(
            with("https://a/b", &[("scope", "openid a&b"), ("x", "é")]),
            "https://a/b?scope=openid%20a%26b&x=%C3%A9"
        );
        assert_eq!(with("https://a/b?c=d", &[("e", "f")]), "https://a/b?c=d&e=f");
    }

    // A10, A11
    #[test]
    fn a_parameter_is_there_once() {
        let query = "code=a%2Bb+c&state=x&state=y&empty=&%73ingle=1&bad=%zz";
        for (name, expected) in [
            ("code", Some("a+b c")),
            ("state", None),
            ("empty", None),
            ("single", Some("1")),
            ("bad", None),
            ("no", None),
        ] {
            assert_eq!(find(query, name).as_deref(), expected, "{name}");
        }
    }
}
