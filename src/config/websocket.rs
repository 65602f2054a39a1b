//! `websocket` of a route: whether connections may be upgraded, and from whose pages.
//!
//! Owns its syntax and the comparison of origins. Tokens are judged like those of any other request.

use super::check::{Check, Fields};
use super::node::{Node, Value};
use super::problem::Span;
use super::url::{self, Origin};

pub(super) const KEYS: &[&str] = &["origins"];

/// Whether a route lets connections be upgraded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocket {
    pub is_allowed: bool,
    /// Pages that may open one, as browsers name them; `None`: those of every origin.
    pub origins: Option<Box<[String]>>,
}

impl Default for WebSocket {
    fn default() -> Self {
        Self { is_allowed: true, origins: None }
    }
}

impl WebSocket {
    /// Whether a page of `origin` may open one (rule M11). A client without an origin is no page.
    pub fn admits(&self, origin: Option<&[u8]>) -> bool {
        let (Some(origins), Some(origin)) = (&self.origins, origin) else { return true };
        origins.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(origin))
    }
}

/// `true`, `false`, or a mapping, which means `true`; `None` if there is a problem.
pub(super) fn check(node: &Node, check: &mut Check<'_>) -> Option<WebSocket> {
    if !matches!(node.value, Value::Map(_)) {
        let is_allowed = check.parsed(node, super::scalar::boolean)?;
        return Some(WebSocket { is_allowed, origins: None });
    }
    let fields = Fields::open(node, KEYS, check)?;
    let list = fields.require("origins", "origins: [https://app.example.com]", check)?;
    let texts = check.texts(list);
    if texts.is_empty() && matches!(list.value, Value::List(_)) {
        check.refuse_with_help(list.span, "a WebSocket that no page may open", "websocket: false");
    }
    let origins = texts.into_iter().filter_map(|(scalar, span)| origin(&scalar.text, &scalar.shown(), span, check));
    Some(WebSocket { is_allowed: true, origins: Some(origins.collect()) })
}

fn origin(text: &str, shown: &str, span: Span, check: &mut Check<'_>) -> Option<String> {
    match url::origin(text) {
        Ok(origin) => Some(serialized(&origin)),
        Err(refusal) => {
            let message = format!("{shown} is not {}", refusal.expected);
            match refusal.help {
                Some(help) => check.refuse_with_help(span, message, help),
                None => check.refuse(span, message),
            }
            None
        }
    }
}

/// As browsers write it: without the port that the scheme means anyway (RFC 6454 6.2).
fn serialized(origin: &Origin) -> String {
    let (scheme, usual) = if origin.https { ("https", 443) } else { ("http", 80) };
    let host = if origin.host.contains(':') { format!("[{}]", origin.host) } else { origin.host.clone() };
    match origin.port.filter(|port| *port != usual) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // M11, ASVS 4.4.2
    #[test]
    fn pages_are_known_by_their_whole_origin() {
        let from = |written: &str| {
            let origin = url::origin(written).unwrap();
            WebSocket { is_allowed: true, origins: Some([serialized(&origin)].into()) }
        };
        let own = from("https://app.example.com:443");
        for origin in ["https://app.example.com", "HTTPS://APP.example.com"] {
            assert!(own.admits(Some(origin.as_bytes())), "{origin}");
        }
        for origin in [
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://app.example.com.evil.test",
            "https://evil.test/https://app.example.com",
            "null",
            "",
        ] {
            assert!(!own.admits(Some(origin.as_bytes())), "{origin:?}");
        }
        assert!(own.admits(None), "no browser");
        assert!(from("http://[::1]:8080").admits(Some(b"http://[::1]:8080")));
        assert!(WebSocket::default().admits(Some(b"https://evil.test")));
    }
}
