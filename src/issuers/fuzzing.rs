//! Answers of introspection endpoints, beside a second reading of RFC 7662 2.2. Owns no rule.

#![allow(clippy::expect_used, reason = "a target fails by panicking")]

use std::sync::{Arc, LazyLock};

use serde_json::Value;

use super::introspection::Introspector;
use super::{Fetcher, Outbound};
use crate::clock::{Clock, UnixSeconds};
use crate::config::{self, Environment, IssuerKind};
use crate::entropy::Entropy;
use crate::fuzzing::text;
use crate::metrics::Metrics;

const NOW: UnixSeconds = 1_800_000_000;
const ISSUER: &str = "https://a.example";
const CONFIGURATION: &str = "issuers: { a: { issuer: https://a.example, audience: api, discovery: false, introspection: \
                             { endpoint: https://a.example/i, client_id: gate, client_secret: s, cache: 30s } } }";

static INTROSPECTOR: LazyLock<Introspector> = LazyLock::new(|| {
    let config = config::parse("fuzz.yaml", CONFIGURATION, &Environment::of::<&str, &str>([]));
    let config = config.unwrap_or_else(|_| panic!("no configuration"));
    let foreign = config.issuers.iter().find_map(|issuer| match &issuer.kind {
        IssuerKind::Foreign(foreign) => Some(foreign),
        IssuerKind::Tenant(_) => None,
    });
    let foreign = foreign.expect("a foreign issuer");
    let fetcher = Fetcher::new().expect("a client");
    let (metrics, entropy) = (Arc::new(Metrics::new()), Entropy::system());
    let outbound = Outbound { fetcher, metrics, clock: Clock::fixed(NOW), entropy };
    Introspector::new("a", foreign, foreign.introspection.as_ref().expect("an endpoint"), &outbound)
});

/// The whole input: the body of an answer.
///
/// # Panics
/// If a token counts as active that the answer does not call so, that is over, that is not yet, or that is another
/// issuer's; or if an answer counts longer than the token.
pub fn introspection(input: &[u8]) {
    let written = text(input);
    let Some(read) = INTROSPECTOR.answer(written) else { return };
    let answer: Value = serde_json::from_str(written).expect("an answer is JSON");
    assert_eq!(answer["active"], Value::Bool(true));
    let instant = |name: &str| match &answer[name] {
        Value::Null => None,
        value => Some(value.as_f64().expect("an instant is a number").floor()),
    };
    assert!(instant("exp").is_none_or(|exp| exp > NOW as f64 && read.fresh_until as f64 <= exp), "{written}");
    assert!(instant("nbf").is_none_or(|nbf| nbf <= (NOW + 60) as f64), "{written}");
    assert_eq!(read.expires_at.map(|at| at as f64), instant("exp"));
    assert!(read.fresh_until <= NOW + 30 && read.fresh_until > NOW, "{written}");
    assert!(answer["iss"].is_null() || answer["iss"] == ISSUER, "{written}");
    assert!(read.claims["iss"] == ISSUER && !read.claims.contains_key("active"), "{written}");
    for name in ["token_type", "token_use", "typ"] {
        let kind = answer[name].as_str().unwrap_or_default().to_ascii_lowercase();
        assert!(
            !["refresh_token", "refresh", "offline", "id_token", "id", "logout"].contains(&kind.as_str()),
            "{written}"
        );
    }
}
