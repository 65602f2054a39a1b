//! `introspection:` of an issuer - whom to ask about tokens that only the issuer can read (RFC 7662).
//!
//! Owns the syntax and the defaults. It asks nobody.

use std::sync::Arc;
use std::time::Duration;

use super::check::{Check, Fields};
use super::foreign::{SECOND, Web, bounded};
use super::node::Node;
use super::process::word;
use crate::jose::{Algorithm, SigningKey};
use crate::secret::Secret;

/// How tokens are introspected.
#[derive(Clone, Debug)]
pub struct Introspection {
    /// `None`: what the issuer's metadata says.
    pub endpoint: Option<String>,
    pub client_id: String,
    pub authentication: ClientAuthentication,
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

/// How the gateway proves who it is.
#[derive(Clone, Debug)]
pub enum ClientAuthentication {
    /// As the issuer's metadata wants it; without a word of it, `client_secret_basic`.
    Secret(Secret<String>),
    /// `client_secret_basic` (RFC 6749 2.3.1).
    Basic(Secret<String>),
    /// `client_secret_post`, for servers that know nothing else.
    Post(Secret<String>),
    /// `private_key_jwt` (RFC 7523 2.2).
    PrivateKey(Arc<SigningKey>),
}

pub(super) const KEYS: &[&str] = &[
    "endpoint",
    "client_id",
    "client_authentication",
    "client_secret",
    "private_key",
    "for",
    "cache",
    "negative_cache",
    "stale",
    "timeout",
];

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
    let authentication = authentication(&fields, help, check);
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
        authentication: authentication?,
        always,
        cache_for,
        negative_cache_for,
        stale_for,
        timeout_for,
    })
}

/// By default with a secret, in whichever way the issuer takes it.
fn authentication(fields: &Fields<'_>, help: &str, check: &mut Check<'_>) -> Option<ClientAuthentication> {
    let method = word(fields, "client_authentication", &METHODS, check);
    if method == Some(PRIVATE_KEY) {
        refuse_beside(fields, "client_secret", PRIVATE_KEY, check);
        let help = "private_key: ${file:/etc/faregate/introspection.pem}";
        fields.require("private_key", help, check);
        return private_key(fields, check).map(|key| ClientAuthentication::PrivateKey(Arc::new(key)));
    }
    if fields.entry("private_key").is_some() {
        let help = "add `client_authentication: private_key_jwt`";
        let span = fields.entry("private_key").map_or(fields.span, |entry| entry.key_span);
        check.refuse_with_help(span, "a secret proves who asks, and no key", help);
    }
    fields.require("client_secret", help, check);
    let secret = fields.secret("client_secret", 1, check)?;
    Some(match method {
        Some(BASIC) => ClientAuthentication::Basic(secret),
        Some(POST) => ClientAuthentication::Post(secret),
        Some(_) | None => ClientAuthentication::Secret(secret),
    })
}

/// The private key, for the one algorithm that is usual for its kind. Nothing of it is ever shown.
fn private_key(fields: &Fields<'_>, check: &mut Check<'_>) -> Option<SigningKey> {
    let text = fields.secret("private_key", 1, check)?;
    let read = |algorithm| SigningKey::from_pem(algorithm, text.expose()).ok();
    let key = [Algorithm::Es256, Algorithm::Rs256, Algorithm::EdDsa].into_iter().find_map(read);
    if key.is_none() {
        let span = fields.entry("private_key").map_or(fields.span, |entry| entry.key_span);
        let message = "private_key is no private key in PEM that signs with ES256, RS256 or EdDSA";
        check.refuse_with_help(span, message, "RSA keys have 2,048 bits or more; the key must not be encrypted");
    }
    key
}

fn refuse_beside(fields: &Fields<'_>, key: &str, method: &str, check: &mut Check<'_>) {
    if let Some(entry) = fields.entry(key) {
        check.refuse_with_help(entry.key_span, format!("{key} means nothing with {method}"), format!("remove `{key}`"));
    }
}

const BASIC: &str = "client_secret_basic";
const POST: &str = "client_secret_post";
const PRIVATE_KEY: &str = "private_key_jwt";
/// What `client_authentication` may say.
const METHODS: [&str; 3] = [BASIC, POST, PRIVATE_KEY];

const ALWAYS: &str = "always";
/// What `for` may say.
const FOR: [&str; 2] = ["opaque", ALWAYS];
