//! Parameters in queries and forms (`application/x-www-form-urlencoded`), as an issuer and a browser write them.
//!
//! Owns what is found in them. It does not know what they mean.

use std::borrow::Cow;

use crate::percent::{encoded, form_decoded};

/// Adds `parameters` to a URL that may have a query of its own.
pub(super) fn with(url: &str, parameters: &[(&str, &str)]) -> String {
    let mut text = url.to_owned();
    for (name, value) in parameters {
        text.push(if text.contains('?') { '&' } else { '?' });
        text.push_str(&format!("{}={}", encoded(name), encoded(value)));
    }
    text
}

/// The value of a parameter. `None` also when there are two: nobody can say which one is meant (rule A10).
pub(super) fn find(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let is_named = |other: &str| form_decoded(other.as_bytes()).as_deref() == Some(name);
    let mut values = pairs.filter(|(other, _)| is_named(other)).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(value), None) => form_decoded(value.as_bytes()).map(Cow::into_owned).filter(|value| !value.is_empty()),
        (_, _) => None,
    }
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
        let query = "code=a%2Bb+c&state=x&state=y&empty=&%73ingle=1&bad=%ff";
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
