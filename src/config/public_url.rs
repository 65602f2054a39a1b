//! `public_url:` - what clients see.
//!
//! Owns its syntax and its default. What is derived from it is the authorization server's business.

use super::check::Check;
use super::document::Node;
use super::problem::Span;
use super::url;
use super::values::{Listener, PublicUrl};

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
        return PublicUrl::new(
            first.tls.is_some(),
            &first.address.ip().to_string(),
            Some(first.address.port()),
        );
    };
    let Some(origin) = check.parsed(node, url::origin) else {
        return fallback;
    };
    if !origin.https && !origin.is_loopback() {
        check.warn(
            node.span,
            "`public_url` is http: tokens and passwords travel in clear text",
            "use https, with `tls` on the listener or behind a proxy that ends TLS",
        );
    }
    PublicUrl::new(origin.https, &origin.host, origin.port)
}
