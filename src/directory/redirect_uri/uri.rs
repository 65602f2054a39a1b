//! A URL in its parts (RFC 3986 3), taken apart and never put together differently.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Slices of the text as it was written; nothing is normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Uri<'a> {
    pub scheme: &'a str,
    /// Whether `//` follows the scheme.
    pub has_authority: bool,
    pub user: Option<&'a str>,
    pub host: &'a str,
    pub port: Option<&'a str>,
    /// With its slashes; empty if there is none.
    pub path: &'a str,
    pub query: Option<&'a str>,
}

impl<'a> Uri<'a> {
    /// `None` without a scheme. The text has no fragment.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        let is_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.chars().all(is_scheme) {
            return None;
        }
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let Some(rest) = rest.strip_prefix("//") else {
            let uri = Self { scheme, has_authority: false, user: None, host: "", port: None, path: rest, query };
            return Some(uri);
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, address) = match authority.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, authority),
        };
        // The colons of an IPv6 address are inside brackets.
        let after_brackets = address.rfind(']').map_or(0, |end| end + 1);
        let (host, port) = match address[after_brackets..].find(':') {
            Some(colon) => (&address[..after_brackets + colon], Some(&address[after_brackets + colon + 1..])),
            None => (address, None),
        };
        Some(Self { scheme, has_authority: true, user, host, port, path, query })
    }

    /// Scheme, host and port alone.
    pub(super) fn origin(&self) -> Self {
        Self { path: "", query: None, user: None, ..*self }
    }

    pub(super) fn has_wildcard(&self) -> bool {
        self.host.contains('*') || self.port.is_some_and(|port| port.contains('*'))
    }

    /// The port that is meant; the scheme's own if none is written.
    pub(super) fn effective_port(&self) -> Option<&'a str> {
        match (self.port, self.scheme) {
            (None, "https") => Some("443"),
            (None, "http") => Some("80"),
            (port, _) => port,
        }
    }
}

/// 1 to 65535, written as a number is written.
pub(super) fn is_port(text: &str) -> bool {
    !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// A name, with at most one wildcard in its first label, or an address.
pub(super) fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let label = |label: &str| {
        let characters =
            label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' || byte == b'*');
        (1..=63).contains(&label.len()) && characters && !label.starts_with('-') && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(label)
}

/// An address to a browser, which reads every host with a number at its end as one: `5.2.3` is 5.2.0.3 (WHATWG URL 3.5).
pub(super) fn is_address(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    let is_number = match last.strip_prefix("0x") {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()),
    };
    host.starts_with('[') || is_number
}

/// This machine, by address or by the name that RFC 6761 6.3 reserves.
pub(super) fn is_loopback_name(host: &str) -> bool {
    host == "localhost" || host == "[::1]" || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// `.` and `..`, in every spelling that a browser resolves.
pub(super) fn is_dot_segment(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

/// RFC 3986 2.1
pub(super) fn is_well_encoded(text: &str) -> bool {
    let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = text.as_bytes();
    bytes.iter().enumerate().all(|(at, byte)| *byte != b'%' || (is_hex(bytes.get(at + 1)) && is_hex(bytes.get(at + 2))))
}
