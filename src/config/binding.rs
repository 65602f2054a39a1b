//! `binding:` of a route - whether its tokens must be bound to whoever sends them; and `client_certificate_header:`.
//!
//! Owns the syntax, and that somebody can tell of certificates where they are demanded.

use http::HeaderName;

use super::check::{Check, Fields};
use super::listen::Listener;
use super::network::Network;
use super::problem::Span;
use super::scalar;
use super::values::Route;

/// What a token must be bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// A key or a certificate.
    Any,
    /// A key, of which each request brings a proof (RFC 9449).
    Dpop,
    /// The client's certificate (RFC 8705).
    Certificate,
}

pub(super) const KEY: &str = "binding";
pub(super) const HEADER_KEY: &str = "client_certificate_header";

const WORDS: [&str; 3] = ["any", "certificate", "dpop"];

impl Binding {
    fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Dpop => "dpop",
            Self::Certificate => "certificate",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Any, Self::Dpop, Self::Certificate].into_iter().find(|binding| binding.as_str() == text)
    }
}

/// The route's own demand or the one that it inherits, which it may only raise.
pub(super) fn settle(fields: &Fields<'_>, inherited: Option<Binding>, check: &mut Check<'_>) -> Option<Binding> {
    let Some(node) = fields.find(KEY) else { return inherited };
    let scalar = check.text(node)?;
    let Some(own) = Binding::parse(&scalar.text) else {
        let message = format!("unknown binding {}", scalar.shown());
        check.refuse_word(node.span, message, &scalar.text, &WORDS);
        return inherited;
    };
    match inherited {
        None | Some(Binding::Any) => Some(own),
        Some(inherited) if inherited == own => Some(own),
        Some(inherited) => {
            let message =
                format!("extending adds and never drops: the extended route demands `binding: {}`", inherited.as_str());
            check.refuse(node.span, message);
            Some(inherited)
        }
    }
}

/// The field in which trusted proxies tell of certificates.
pub(super) fn header(fields: &Fields<'_>, trusted: &[Network], check: &mut Check<'_>) -> Option<HeaderName> {
    let node = fields.find(HEADER_KEY)?;
    let name = check.parsed(node, scalar::header_name)?;
    if trusted.is_empty() {
        check.refuse_with_help(
            node.span,
            "nobody is believed about client certificates",
            "list the proxies that set this field in `trusted_proxies`",
        );
    }
    Some(name)
}

/// A demand that no request can meet is a mistake.
pub(super) fn check_reachable(
    routes: &[Route],
    (listeners, header): (&[Listener], Option<&HeaderName>),
    span: Span,
    check: &mut Check<'_>,
) {
    let asks = |listener: &Listener| listener.tls.as_ref().is_some_and(|tls| tls.client_certificates.is_some());
    if header.is_some() || listeners.iter().any(asks) {
        return;
    }
    for route in routes.iter().filter(|route| route.binding == Some(Binding::Certificate)) {
        check.refuse_with_help(
            Span { line: route.line, ..span },
            format!("route {:?} demands a client certificate, and nobody asks for one", route.name),
            "add `client_certificates: optional` to a listener's `tls`, or `client_certificate_header`",
        );
    }
}
