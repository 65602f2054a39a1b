//! `introspection:` of an issuer - whom to ask about tokens that only the issuer can read (RFC 7662).
//!
//! Owns the syntax and the defaults. It asks nobody.

use std::time::Duration;

use super::check::{Check, Fields};
use super::foreign::{SECOND, Web, bounded};
use super::node::Node;
use crate::secret::Secret;

/// How tokens are introspected.
#[derive(Clone, Debug)]
pub struct Introspection {
    /// `None`: what the issuer's metadata says.
    pub endpoint: Option<String>,
    pub client_id: String,
    pub client_secret: Secret<String>,
    /// Ask about JWTs too, which were verified before.
    pub always: bool,
    /// How long an answer counts that a token is good, but never past its `exp`.
    pub cache_for: Duration,
    /// How long an answer counts that it is not.
    pub negative_cache_for: Duration,
    /// How much longer the answer that a token is good counts while the issuer cannot be asked.
    pub stale_for: Duration,
    pub timeout_for: Duration,
}

pub(super) const KEYS: &[&str] =
    &["endpoint", "client_id", "client_secret", "for", "cache", "negative_cache", "stale", "timeout"];

const HOUR: Duration = Duration::from_secs(3600);
/// Rule I6.
const MOST_NEGATIVE: Duration = Duration::from_secs(5);

pub(super) fn check(node: &Node, web: &Web, check: &mut Check<'_>) -> Option<Introspection> {
    let fields = Fields::open(node, KEYS, check)?;
    let endpoint = fields.find("endpoint").and_then(|node| web.check(node, check));
    let help =
        "introspection: { endpoint: https://..., client_id: gate, client_secret: \"${file:/run/secrets/gate}\" }";
    let client_id =
        fields.require("client_id", help, check).and_then(|node| check.text(node)).map(|id| id.text.clone());
    fields.require("client_secret", help, check);
    let client_secret = fields.secret("client_secret", 1, check);
    let always = fields.find("for").is_some_and(|node| {
        let Some(scalar) = check.text(node) else { return false };
        if !FOR.contains(&scalar.text.as_str()) {
            check.refuse_word(node.span, format!("unknown kind of token {}", scalar.shown()), &scalar.text, &FOR);
        }
        scalar.text == ALWAYS
    });
    let of = |key, check: &mut Check<'_>, most| bounded(key, &fields, check, (SECOND, most));
    let cache_for = of("cache", check, HOUR).unwrap_or(30 * SECOND);
    let negative_cache_for = of("negative_cache", check, MOST_NEGATIVE).unwrap_or(MOST_NEGATIVE);
    let stale_for = of("stale", check, HOUR).unwrap_or_default();
    let timeout_for = bounded("timeout", &fields, check, (Duration::from_millis(50), 30 * SECOND)).unwrap_or(SECOND);
    Some(Introspection {
        endpoint,
        client_id: client_id?,
        client_secret: client_secret?,
        always,
        cache_for,
        negative_cache_for,
        stale_for,
        timeout_for,
    })
}

const ALWAYS: &str = "always";
/// What `for` may say.
const FOR: [&str; 2] = ["opaque", ALWAYS];
