//! `binding:` of a route - whether its tokens must be bound to whoever sends them; and `client_certificate_header:`.
//!
//! Owns the syntax, that somebody can tell of certificates where they are demanded, and that nobody logs in where a login is
//! of no use.

use http::HeaderName;

use super::check::{Check, Fields};
use super::listen::Listener;
use super::network::Network;
use super::node::{Node, Value};
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

/// A binding, and what proofs of it must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Demanded {
    pub binding: Binding,
    /// Proofs bring a nonce of ours (RFC 9449 9).
    pub nonce: bool,
}

pub(super) const KEY: &str = "binding";
/// Of a binding that says more than its name.
pub(super) const KEYS: &[&str] = &["to", "nonce"];
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
pub(super) fn settle(fields: &Fields<'_>, inherited: Option<Demanded>, check: &mut Check<'_>) -> Option<Demanded> {
    let Some(node) = fields.find(KEY) else { return inherited };
    let Some(own) = written(node, inherited, check) else { return inherited };
    match inherited.map(|inherited| inherited.binding) {
        None | Some(Binding::Any) => Some(own),
        Some(inherited) if inherited == own.binding => Some(own),
        Some(binding) => {
            let message =
                format!("extending adds and never drops: the extended route demands `binding: {}`", binding.as_str());
            check.refuse(node.span, message);
            inherited
        }
    }
}

/// `dpop`, or `{ to: dpop, nonce: true }`.
fn written(node: &Node, inherited: Option<Demanded>, check: &mut Check<'_>) -> Option<Demanded> {
    let nonce = inherited.is_some_and(|inherited| inherited.nonce);
    if !matches!(node.value, Value::Map(_)) {
        return Some(Demanded { binding: named(node, check)?, nonce });
    }
    let fields = Fields::open(node, KEYS, check)?;
    let binding =
        fields.require("to", "binding: { to: dpop, nonce: true }", check).and_then(|node| named(node, check))?;
    let own = fields.boolean("nonce", check);
    let span = fields.entry("nonce").map_or(node.span, |entry| entry.key_span);
    if own == Some(true) && binding == Binding::Certificate {
        check.refuse_with_help(span, "a nonce belongs to a DPoP proof, and a certificate has none", "remove `nonce`");
    }
    if own == Some(false) && nonce {
        check.refuse(span, "extending adds and never drops: proofs for the extended route need a nonce");
    }
    Some(Demanded { binding, nonce: nonce || own == Some(true) })
}

fn named(node: &Node, check: &mut Check<'_>) -> Option<Binding> {
    let scalar = check.text(node)?;
    let binding = Binding::parse(&scalar.text);
    if binding.is_none() {
        let message = format!("unknown binding {}", scalar.shown());
        check.refuse_word(node.span, message, &scalar.text, &WORDS);
    }
    binding
}

/// The tokens behind a login are bearer tokens, whoever issued them: a route that demands more refuses every session.
pub(super) fn refuse_login(binding: Binding, span: Span, check: &mut Check<'_>) {
    check.refuse_with_help(
        span,
        format!(
            "`login` and `binding: {}` exclude each other: the token of a person who logged in is bound to nothing, so that \
             every session would be refused",
            binding.as_str()
        ),
        "remove one of them, or make two routes: one with `login` for people, one with `binding` for clients",
    );
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
