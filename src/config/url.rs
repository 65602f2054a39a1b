//! The few URLs that a configuration has: `http` or `https`, a host, perhaps a port, and what must not follow.
//!
//! Owns their syntax. It resolves no name.

use std::net::{IpAddr, Ipv6Addr};

use super::scalar::{self, Refusal};

/// `http(s)://host[:port]`, without a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub https: bool,
    /// Lower case; an IPv6 address stands without its brackets.
    pub host: String,
    pub port: Option<u16>,
}

impl Origin {
    /// The port, or the scheme's own.
    pub(super) fn port_or_default(&self) -> u16 {
        self.port.unwrap_or(if self.https { 443 } else { 80 })
    }

    pub(super) fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }
}

/// Whether a host, as it is written in a URL, can only be this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or(host == "localhost" || host.ends_with(".localhost"), |address| address.is_loopback())
}

const EXPECTED: &str = "a URL like https://example.com";

fn refused(help: impl Into<String>) -> Refusal {
    Refusal { expected: EXPECTED, help: Some(help.into()) }
}

/// A trailing slash is dropped; any other path, a query, a fragment or a user is refused.
pub(super) fn origin(text: &str) -> Result<Origin, Refusal> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(refused("start with `http://` or `https://`"));
    };
    let https = match scheme.to_ascii_lowercase().as_str() {
        "http" => false,
        "https" => true,
        _ => return Err(refused("the scheme must be `http` or `https`")),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if let Some(at) = rest.find(['/', '?', '#']) {
        return Err(refused(format!("leave out the path: `{scheme}://{}`", &rest[..at])));
    }
    if rest.contains('@') {
        return Err(refused("leave out user name and password"));
    }
    let (host, port) = authority(rest)?;
    Ok(Origin { https, host, port })
}

/// `http(s)://host[:port][/path][?query]`: where something is asked for.
pub(super) fn web(text: &str) -> Result<Origin, Refusal> {
    if text.contains('#') {
        return Err(refused("leave out what follows `#`"));
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(refused("a URL has no spaces"));
    }
    let begin = text.find("://").map_or(0, |at| at + 3);
    let end = text[begin..].find(['/', '?']).map_or(text.len(), |at| begin + at);
    origin(&text[..end])
}

/// The name of an issuer (RFC 8414 2): like [`web`], without a query.
pub(super) fn identifier(text: &str) -> Result<Origin, Refusal> {
    if text.contains('?') {
        return Err(refused("an issuer has no query"));
    }
    web(text)
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`.
pub(super) fn authority(text: &str) -> Result<(String, Option<u16>), Refusal> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']').ok_or_else(|| refused("close the bracket of the address"))?;
            let address = address.parse::<Ipv6Addr>().map_err(|_| refused("between brackets goes an IPv6 address"))?;
            let port = match rest.strip_prefix(':') {
                Some(port) => Some(port),
                None if rest.is_empty() => None,
                None => return Err(refused("a colon and a port may follow the bracket")),
            };
            (address.to_string(), port)
        }
        None => {
            let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
            (scalar::host(name).map_err(|_| refused("check the host name"))?, port)
        }
    };
    let port = match port.map(scalar::count) {
        None => None,
        Some(Ok(port @ 1..=65_535)) => u16::try_from(port).ok(),
        Some(Ok(_) | Err(_)) => return Err(refused("a port is a number from 1 to 65535")),
    };
    Ok((name, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(https: bool, host: &str, port: Option<u16>) -> Origin {
        Origin { https, host: host.to_owned(), port }
    }

    #[test]
    fn origins_have_scheme_host_and_perhaps_a_port() {
        assert_eq!(origin("http://127.0.0.1:3000"), Ok(made(false, "127.0.0.1", Some(3000))));
        assert_eq!(origin("HTTPS://Gate.Example.com/"), Ok(made(true, "gate.example.com", None)));
        assert_eq!(origin("http://[::1]:80"), Ok(made(false, "::1", Some(80))));
        assert_eq!(origin("https://[2001:DB8::1]"), Ok(made(true, "2001:db8::1", None)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "example.com",
            "ftp://a",
            "http://",
            "http://a/b",
            "http://a//",
            "http://a?x",
            "http://a#x",
            "http://u@a",
            "http://a:0",
            "http://a:65536",
            "http://a:",
            "http://a:b",
            "http://[::1",
            "http://[::1]x",
            "http://[x]",
            "http://a b",
        ] {
            assert!(origin(text).is_err(), "{text}");
        }
    }

    // RFC 8414 2
    #[test]
    fn issuers_and_endpoints_have_paths() {
        assert_eq!(identifier("https://idp.example/realms/a/"), Ok(made(true, "idp.example", None)));
        assert_eq!(web("http://[::1]:80/a?b=c/d"), Ok(made(false, "::1", Some(80))));
        for text in ["https://idp.example/?a=b", "https://idp.example/#a", "idp.example", "https://u@idp.example/a", ""]
        {
            assert!(identifier(text).is_err(), "{text}");
        }
        assert!(web("https://idp.example/a b").is_err() && web("https:///a").is_err());
    }

    #[test]
    fn loopback_is_this_machine() {
        for host in ["localhost", "api.localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example", "10.0.0.1", "::2", "0.0.0.0"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
