//! `public_url:` and `mtls_url:` - what clients see.
//!
//! Owns its syntax and its default. What is derived from it is the authorization server's business.

use super::check::Check;
use super::lint::Lint;
use super::listen::Listener;
use super::node::Node;
use super::problem::Span;
use super::url;

/// The one string that every document of the authorization server derives from: scheme and authority, no trailing slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    text: String,
    https: bool,
    host: String,
    port: Option<u16>,
}

impl PublicUrl {
    /// `host` without brackets if it is an IPv6 address; `port` only when it is not the scheme's own.
    pub(super) fn new(https: bool, host: &str, port: Option<u16>) -> Self {
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let port = port.filter(|port| *port != if https { 443 } else { 80 });
        let shown = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let scheme = if https { "https" } else { "http" };
        let text = match port {
            Some(port) => format!("{scheme}://{shown}:{port}"),
            None => format!("{scheme}://{shown}"),
        };
        Self { text, https, host, port }
    }

    /// For example `https://gate.example.com`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Lower case, without port and without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port if it is not the scheme's own.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The same URL with another port: for listeners that asked for a free one.
    #[must_use]
    pub fn with_port(&self, port: u16) -> Self {
        Self::new(self.https, &self.host, Some(port))
    }
}

/// By default the first listener's address, if that is on this machine.
pub(super) fn check(node: Option<&Node>, listeners: &[Listener], listen: Span, check: &mut Check<'_>) -> PublicUrl {
    let fallback = PublicUrl::new(false, "127.0.0.1", Some(8080));
    let Some(node) = node else {
        let Some(first) = listeners.first() else {
            return fallback;
        };
        if !first.address.ip().is_loopback() {
            check.refuse_with_help(
                listen,
                "`public_url` is missing: a listener on other addresses than this machine's needs it",
                "public_url: https://gate.example.com - the URL that clients use",
            );
            return fallback;
        }
        return PublicUrl::new(first.tls.is_some(), &first.address.ip().to_string(), Some(first.address.port()));
    };
    let Some(origin) = check.parsed(node, url::origin) else {
        return fallback;
    };
    if !origin.https && !origin.is_loopback() {
        check.warn(
            node.span,
            Lint::PublicUrlIsHttp,
            "`public_url` is http: tokens and passwords travel in clear text",
            "use https, with `tls` on the listener or behind a proxy that ends TLS",
        );
    }
    PublicUrl::new(origin.https, &origin.host, origin.port)
}

/// Where clients are asked for certificates, if that is elsewhere (RFC 8705 5).
pub(super) fn check_mtls(node: Option<&Node>, is_asked_for: bool, check: &mut Check<'_>) -> Option<PublicUrl> {
    let node = node?;
    let origin = check.parsed(node, url::origin)?;
    if !origin.https {
        check.refuse(node.span, "`mtls_url` is http: nobody shows a certificate there");
    }
    if !is_asked_for {
        check.refuse_with_help(
            node.span,
            "nobody asks for certificates at `mtls_url`",
            "add `client_certificates: optional` to a listener's `tls`, or `client_certificate_header`",
        );
    }
    Some(PublicUrl::new(origin.https, &origin.host, origin.port))
}
