//! Durations, sizes, numbers, addresses and names: text to types.
//!
//! Owns how each is written and what is proposed instead. It does not know where the text stands.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use http::HeaderName;

use super::network::Network;

/// Why text was not understood: "it is not `expected`".
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub expected: &'static str,
    pub help: Option<String>,
}

fn refusal(expected: &'static str) -> Refusal {
    Refusal { expected, help: None }
}

pub(super) fn boolean(text: &str) -> Result<bool, Refusal> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => {
            let meant = match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Some("true"),
                "false" | "no" | "off" | "0" => Some("false"),
                _ => None,
            };
            Err(Refusal { expected: "true or false", help: meant.map(|meant| format!("write `{meant}`")) })
        }
    }
}

pub(super) fn count(text: &str) -> Result<u64, Refusal> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or(refusal("a whole number"))
}

/// `500ms`, `30s`, `5m`, `1h`, `7d`.
pub(super) fn duration(text: &str) -> Result<Duration, Refusal> {
    let refused = |help: Option<String>| Refusal { expected: "a duration like 500ms, 30s, 5m, 1h or 7d", help };
    let (digits, unit) = split_unit(text);
    let Ok(number) = count(digits) else {
        return Err(refused(None));
    };
    let milliseconds = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        "" => return Err(refused(Some(format!("add the unit: `{number}s`")))),
        _ => None,
    };
    let total = milliseconds.and_then(|factor: u64| number.checked_mul(factor));
    total.map(Duration::from_millis).ok_or_else(|| refused(None))
}

/// Bytes: `65536`, `64KiB`, `10MiB`, `1GiB`.
pub(super) fn size(text: &str) -> Result<u64, Refusal> {
    let refused = |help: Option<String>| Refusal { expected: "a size like 65536, 64KiB, 10MiB or 1GiB", help };
    let (digits, unit) = split_unit(text);
    let Ok(number) = count(digits) else {
        return Err(refused(None));
    };
    let shift = match unit {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => {
            let meant = match unit.to_ascii_lowercase().as_str() {
                "k" | "kb" | "kib" => Some("KiB"),
                "m" | "mb" | "mib" => Some("MiB"),
                "g" | "gb" | "gib" => Some("GiB"),
                _ => None,
            };
            return Err(refused(meant.map(|unit| format!("write `{number}{unit}`"))));
        }
    };
    number.checked_mul(1 << shift).ok_or_else(|| refused(None))
}

/// Digits, and what follows them after optional spaces.
fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start_matches(' '))
}

/// `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`.
pub(super) fn address(text: &str) -> Result<SocketAddr, Refusal> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let port = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    let help = match port {
        Some(("localhost", port)) => return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        Some(("" | "*", port)) => {
            Some(format!("write `0.0.0.0:{port}` for every address, `127.0.0.1:{port}` for this machine only"))
        }
        _ if text.contains("://") => {
            let rest = text.split("://").nth(1).unwrap_or_default();
            Some(format!("write the address without a scheme: `{}`", rest.trim_end_matches('/')))
        }
        Some((host, port)) if host.contains(':') => Some(format!("write `[{host}]:{port}` if {host} is the address")),
        Some((_, port)) => Some(format!("write the IP address to listen on, such as `0.0.0.0:{port}`")),
        None => text.parse::<IpAddr>().ok().map(|ip| format!("add the port: `{}`", SocketAddr::new(ip, 8080))),
    };
    Err(Refusal { expected: "an address like 127.0.0.1:8080", help })
}

/// `10.0.0.0/8`, or one address.
pub(super) fn network(text: &str) -> Result<Network, Refusal> {
    let refused = |help: Option<String>| Refusal { expected: "a network like 10.0.0.0/8", help };
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return Err(refused(None));
    };
    let whole = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.map_or(Ok(whole), |prefix| count(prefix).map_err(|_| refused(None)))?;
    let Some(prefix) = u8::try_from(prefix).ok().filter(|prefix| u64::from(*prefix) <= whole) else {
        return Err(refused(Some(format!("the prefix is at most {whole}"))));
    };
    let network = Network::new(address, prefix);
    network.ok_or_else(|| refused(Some(format!("bits after the first {prefix} must be zero"))))
}

pub(super) fn header_name(text: &str) -> Result<HeaderName, Refusal> {
    text.parse().map_err(|_| refusal("the name of a header field"))
}

/// A host name or an IPv4 address, in lower case.
pub(super) fn host(text: &str) -> Result<String, Refusal> {
    let labels = text.split('.').all(|label| {
        let characters = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        (1..=63).contains(&label.len()) && characters && !label.starts_with('-') && !label.ends_with('-')
    });
    let help = text.contains([':', '/']).then(|| "write the name alone, without scheme and port".to_owned());
    if labels && text.len() <= 253 {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(Refusal { expected: "a host name", help })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, milliseconds) in
            [("500ms", 500), ("30s", 30_000), ("5 m", 300_000), ("1h", 3_600_000), ("7d", 604_800_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "30", "s", "-1s", "1.5s", "30sec", "1h30m", "99999999999999999999s", "18446744073709551615h"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(duration("30").expect_err("no unit").help.as_deref(), Some("add the unit: `30s`"));
    }

    #[test]
    fn sizes_are_binary() {
        for (text, bytes) in [("0", 0), ("65536", 65_536), ("64KiB", 65_536), ("10 MiB", 10_485_760), ("1GiB", 1 << 30)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        assert_eq!(size("64kb").expect_err("not binary").help.as_deref(), Some("write `64KiB`"));
        for text in ["", "KiB", "-1", "1TiB", "18446744073709551615GiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_are_addresses() {
        for (text, expected) in
            [("127.0.0.1:80", "127.0.0.1:80"), ("[::]:80", "[::]:80"), ("localhost:0", "127.0.0.1:0")]
        {
            assert_eq!(address(text).map(|address| address.to_string()), Ok(expected.to_owned()), "{text}");
        }
        for text in ["", "127.0.0.1", ":80", "*:80", "example.com:80", "127.0.0.1:65536", "::1:80x", "localhost:+80x"] {
            assert!(address(text).is_err(), "{text}");
        }
    }

    // M12
    #[test]
    fn networks_contain_their_addresses_only() {
        let inside = |network_text: &str, ip: &str| {
            network(network_text).expect("a network").contains(ip.parse().expect("an address"))
        };
        assert!(inside("10.0.0.0/8", "10.255.0.1"));
        assert!(!inside("10.0.0.0/8", "11.0.0.1"));
        assert!(inside("10.0.0.0/8", "::ffff:10.1.1.1"));
        assert!(inside("0.0.0.0/0", "8.8.8.8"));
        assert!(!inside("0.0.0.0/0", "2001:db8::1"));
        assert!(inside("2001:db8::/32", "2001:db8:1::1"));
        assert!(inside("::1", "::1"));
        assert!(!inside("192.0.2.1", "192.0.2.2"));
        for text in ["10.0.0.1/8", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "ten", ""] {
            assert!(network(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hosts_have_no_port() {
        assert_eq!(host("Api.Example.com"), Ok("api.example.com".to_owned()));
        for text in ["", "a..b", "-a", "a:80", "http://a", "a b", "*.a", &"a".repeat(64)] {
            assert!(host(text).is_err(), "{text}");
        }
    }
}
