//! Hosts that routes can be bound to, and the host of a request in the same form.
//!
//! Owns spelling; it does not look at header fields.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

use super::pattern::PatternError;

/// The host that a route answers for, in lower case and without a port.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Host {
    Exact(Box<str>),
    /// `*.example.com`: every host below `example.com`, at any depth, but not that host itself.
    Suffix(Box<str>),
}

impl Host {
    /// Whether a request for `host` (without port, in any case) is for this host.
    pub fn matches(&self, host: &str) -> bool {
        let host = name_of(host);
        match self {
            Self::Exact(name) => **name == *host,
            Self::Suffix(suffix) => {
                host.strip_suffix(&**suffix).is_some_and(|rest| rest.ends_with('.') && rest.len() > 1)
            }
        }
    }

    /// Reads `api.example.com`, `*.example.com` or an IP address (IPv6 in brackets).
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let refuse = |message| Err(PatternError { offset: 0, length: text.len(), message });
        let (name, is_suffix) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        if let Some(address) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let is_address = !is_suffix && address.parse::<std::net::Ipv6Addr>().is_ok();
            return if is_address { Ok(Self::Exact(name.into())) } else { refuse("this is no IPv6 address") };
        }
        if name.contains(':') {
            return refuse("a host is written without a port");
        }
        if name.contains('*') {
            return refuse("`*` stands for whole labels, only at the beginning: `*.example.com`");
        }
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        if !name.split('.').all(is_label) {
            return refuse("a host is written as in a URL: `api.example.com`");
        }
        Ok(if is_suffix { Self::Suffix(name.into()) } else { Self::Exact(name.into()) })
    }
}

impl Display for Host {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Suffix(name) => write!(f, "*.{name}"),
        }
    }
}

/// The name in a `Host` field or an authority: without port and final dot, in lower case.
pub(super) fn name_of(host: &str) -> Cow<'_, str> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Owned(name.to_ascii_lowercase());
    }
    Cow::Borrowed(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_without_port() {
        for (text, expected) in [
            ("API.Example.com", "api.example.com"),
            ("*.example.com", "*.example.com"),
            ("example.com.", "example.com"),
            ("127.0.0.1", "127.0.0.1"),
            ("[::1]", "[::1]"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(Host::parse(text).map(|host| host.to_string()), Ok(expected.to_owned()));
        }
        for text in ["", "*", "*.", "a.*.b", "example.com:80", "a..b", "http://a", "a b", "[x]", "*.[::1]", "a/b"] {
            assert!(Host::parse(text).is_err(), "{text}");
        }
    }

    // F19
    #[test]
    fn every_spelling_of_a_host_is_the_same_name() {
        for host in
            ["api.example.com", "API.example.COM", "api.example.com:443", "api.example.com.", "api.example.com.:80"]
        {
            assert_eq!(name_of(host), "api.example.com", "{host}");
        }
        assert_eq!(name_of("[::1]:8080"), "[::1]");
    }
}
