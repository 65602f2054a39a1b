//! The URI that a proof is for (`htu`), taken apart for comparison (RFC 3986 6.2.2, 6.2.3).
//!
//! Owns scheme, host and port. What two paths have in common is for those who know paths.

/// Scheme, host and port, in one spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    https: bool,
    /// Lower case; an IPv6 address in brackets.
    host: Box<str>,
    port: u16,
}

/// An `http` or `https` URI without its query and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUri<'a> {
    pub origin: Origin,
    /// As it was written; `/` if there was none.
    pub path: &'a str,
}

impl Origin {
    /// The same with another host.
    #[must_use]
    pub fn at_host(&self, host: &str) -> Self {
        Self { host: host.to_ascii_lowercase().into(), ..*self }
    }
}

impl<'a> HttpUri<'a> {
    /// `None` if it is of another scheme, has no host, or names a user.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let https = scheme.eq_ignore_ascii_case("https");
        if !https && !scheme.eq_ignore_ascii_case("http") {
            return None;
        }
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let path = &rest[..rest.find(['?', '#']).unwrap_or(rest.len())];
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if authority.contains('@') || !is_plain(authority) || !is_plain(path) {
            return None;
        }
        // `[::1]:80` has colons inside its brackets.
        let bracket = authority.rfind(']').unwrap_or(0);
        let (host, port) = match authority[bracket..].find(':') {
            Some(colon) => (&authority[..bracket + colon], &authority[bracket + colon + 1..]),
            None => (authority, ""),
        };
        let port = match port {
            "" if https => 443,
            "" => 80,
            port => port.parse().ok()?,
        };
        if host.is_empty() {
            return None;
        }
        let origin = Origin { https, host: host.to_ascii_lowercase().into(), port };
        Some(Self { origin, path: if path.is_empty() { "/" } else { path } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // H4, RFC 9449 4.3, 9: without query and fragment, after normalisation
    #[test]
    fn one_place_has_many_spellings() {
        let here = HttpUri::parse("https://gate.example/a").unwrap();
        for text in [
            "HTTPS://Gate.EXAMPLE/a",
            "https://gate.example:443/a",
            "https://gate.example:/a",
            "https://gate.example/a?b=c",
            "https://gate.example/a#d",
            "https://gate.example/a?b#c?d",
        ] {
            assert_eq!(HttpUri::parse(text).as_ref(), Some(&here), "{text}");
        }
        for text in [
            "http://gate.example/a",
            "https://gate.example:8443/a",
            "https://gate.example.evil/a",
            "https://gate.example",
            "https://gate.example/A",
            "https://gate.example/a/",
        ] {
            let other = HttpUri::parse(text);
            assert!(other.is_some_and(|other| other != here), "{text}");
        }
        for text in [
            "",
            "/a",
            "gate.example/a",
            "ftp://gate.example/a",
            "https:///a",
            "https://user@gate.example/a",
            "https://gate.example:x/a",
            "https://gate.example:99999/a",
            "https://gate.example/a b",
            "https://gate.exämple/a",
        ] {
            assert_eq!(HttpUri::parse(text), None, "{text}");
        }
        let six = HttpUri::parse("http://[::1]:80/").unwrap();
        assert_eq!(HttpUri::parse("http://[::1]?x"), Some(six.clone()));
        assert_eq!(here.origin.at_host("API.example"), HttpUri::parse("https://api.example").unwrap().origin);
        assert_ne!(six.origin, HttpUri::parse("http://[::1]:8080").unwrap().origin);
    }
}
