//! `jwt:` under `forward:` and under an upstream - a short-lived token of our own that tells an upstream who calls.
//!
//! Owns its syntax, its defaults, and what an upstream says differently. It makes no token.

use std::time::Duration;

use http::HeaderName;
use http::header::AUTHORIZATION;

use super::check::{Check, Fields};
use super::forward::{Forward, TAKEN, spelling};
use super::node::{Node, Value};
use super::problem::Span;
use super::scalar;
use super::values::{Route, Upstream};
use crate::jose::Algorithm;

/// What holds for every upstream that does not say otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtDefaults {
    /// Whether upstreams get one.
    pub enabled: bool,
    pub header: HeaderName,
    pub lives_for: Duration,
    /// It has a public key.
    pub algorithm: Algorithm,
    span: Span,
}

/// What one upstream says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JwtWish {
    enabled: Option<bool>,
    audience: Option<String>,
    header: Option<HeaderName>,
    lives_for: Option<Duration>,
    span: Span,
}

/// The token that an upstream gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedJwt {
    /// The field that carries it; in `Authorization`, `Bearer` stands before it.
    pub header: HeaderName,
    /// `aud`
    pub audience: String,
    /// At most; never past the end of the client's own token.
    pub lives_for: Duration,
}

pub(super) const KEYS: &[&str] = &["header", "lifetime", "algorithm"];
pub(super) const UPSTREAM_KEYS: &[&str] = &["audience", "header", "lifetime"];

/// The usual name of the field; what clients write into it never counts.
pub(super) const DEFAULT_HEADER: HeaderName = HeaderName::from_static("x-auth-jwt");

const SHORTEST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(3600);

impl Default for JwtDefaults {
    fn default() -> Self {
        Self {
            enabled: false,
            header: DEFAULT_HEADER,
            lives_for: Duration::from_secs(300),
            algorithm: Algorithm::Es256,
            span: Span::default(),
        }
    }
}

impl JwtDefaults {
    /// What `upstream` gets; `None` if nothing.
    pub fn of(&self, upstream: &Upstream) -> Option<ForwardedJwt> {
        let wish = &upstream.jwt;
        wish.enabled.unwrap_or(self.enabled).then(|| ForwardedJwt {
            header: wish.header.clone().unwrap_or_else(|| self.header.clone()),
            audience: wish.audience.clone().unwrap_or_else(|| upstream.name.clone()),
            lives_for: wish.lives_for.unwrap_or(self.lives_for),
        })
    }
}

/// `forward.jwt`: true, false, or a mapping, which means true.
pub(super) fn defaults(fields: &Fields<'_>, check: &mut Check<'_>) -> JwtDefaults {
    let mut defaults = JwtDefaults::default();
    let Some(node) = fields.find("jwt") else { return defaults };
    defaults.span = node.span;
    let Some(fields) = opened(node, KEYS, &mut defaults.enabled, check) else { return defaults };
    defaults.header = header(&fields, check).unwrap_or(defaults.header);
    defaults.lives_for = lifetime(&fields, check).unwrap_or(defaults.lives_for);
    defaults.algorithm =
        fields.find("algorithm").and_then(|node| check.parsed(node, algorithm)).unwrap_or(defaults.algorithm);
    defaults
}

/// `jwt` of an upstream, in the same forms.
pub(super) fn wish(fields: &Fields<'_>, check: &mut Check<'_>) -> JwtWish {
    let Some(node) = fields.find("jwt") else { return JwtWish::default() };
    let mut enabled = false;
    let fields = opened(node, UPSTREAM_KEYS, &mut enabled, check);
    let mut wish = JwtWish { enabled: Some(enabled), span: node.span, ..JwtWish::default() };
    if let Some(fields) = fields {
        wish.audience = fields.text("audience", check);
        wish.header = header(&fields, check);
        wish.lives_for = lifetime(&fields, check);
    }
    wish
}

fn opened<'n>(node: &'n Node, keys: &[&str], enabled: &mut bool, check: &mut Check<'_>) -> Option<Fields<'n>> {
    if let Value::Scalar(_) = node.value {
        *enabled = check.parsed(node, scalar::boolean).unwrap_or(false);
        return None;
    }
    *enabled = true;
    Fields::open(node, keys, check)
}

fn header(fields: &Fields<'_>, check: &mut Check<'_>) -> Option<HeaderName> {
    let node = fields.find("header")?;
    let name = check.parsed(node, scalar::header_name)?;
    if name != AUTHORIZATION && TAKEN.contains(&name.as_str()) {
        let help = "choose a name like X-Auth-Jwt, or Authorization";
        check.refuse_with_help(node.span, format!("{:?} has a meaning of its own", name.as_str()), help);
        return None;
    }
    Some(name)
}

fn lifetime(fields: &Fields<'_>, check: &mut Check<'_>) -> Option<Duration> {
    let lifetime = fields.duration("lifetime", check)?;
    if !(SHORTEST..=LONGEST).contains(&lifetime) {
        check.refuse(fields.find("lifetime")?.span, "lifetime must be between 10s and 1h");
        return None;
    }
    Some(lifetime)
}

fn algorithm(text: &str) -> Result<Algorithm, scalar::Refusal> {
    let known = Algorithm::parse(text).filter(|algorithm| !algorithm.is_symmetric());
    known.ok_or(scalar::Refusal { expected: "an algorithm with a public key, such as ES256 or EdDSA", help: None })
}

/// What can only be said once all of it is known. The names of the fields go into `forward`, so that no client is believed
/// who writes them.
pub(super) fn settle(forward: &mut Forward, (upstreams, routes): (&[Upstream], &[Route]), check: &mut Check<'_>) {
    let mut names = vec![DEFAULT_HEADER];
    for upstream in upstreams {
        let Some(jwt) = forward.jwt.of(upstream) else { continue };
        let span = if upstream.jwt.enabled.is_some() { upstream.jwt.span } else { forward.jwt.span };
        if jwt.header == AUTHORIZATION {
            let both =
                |route: &&Route| route.forward_authorization && upstreams[route.upstream.0].name == upstream.name;
            if let Some(route) = routes.iter().find(both) {
                let message = format!("route {:?} forwards the client's Authorization in the same field", route.name);
                check.refuse_with_help(span, message, "remove `forward_authorization`, or choose another `header`");
            }
            continue;
        }
        let others = forward.identity_names();
        if others.iter().flatten().chain(&forward.request_id).any(|own| spelling(own) == spelling(&jwt.header)) {
            check.refuse(span, format!("another field of `forward` has the name {:?}", jwt.header.as_str()));
        }
        if !names.contains(&jwt.header) {
            names.push(jwt.header);
        }
    }
    forward.jwt_headers = names;
}
