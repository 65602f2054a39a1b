//! `forward:` - the header fields that tell an upstream who calls.
//!
//! Owns their names and which names are taken. It writes no header.

use http::HeaderName;

use super::check::{Check, Fields};
use super::forwarded_jwt::{self, DEFAULT_HEADER, JwtDefaults};
use super::node::{Node, Value};
use super::scalar;

/// Names of the header fields that carry the caller's identity upstream; `None` leaves one out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    pub subject: Option<HeaderName>,
    pub client: Option<HeaderName>,
    pub tenant: Option<HeaderName>,
    pub issuer: Option<HeaderName>,
    pub scope: Option<HeaderName>,
    pub roles: Option<HeaderName>,
    /// A JSON object: target entity to permissions.
    pub permissions: Option<HeaderName>,
    pub request_id: Option<HeaderName>,
    pub case: Case,
    /// A token of our own for upstreams.
    pub jwt: JwtDefaults,
    /// The fields that carry one to some upstream; `Authorization` is not among them.
    pub jwt_headers: Vec<HeaderName>,
}

/// How the names of fields are written to an upstream that speaks HTTP/1.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Case {
    /// In lower case, as HTTP/2 demands.
    #[default]
    Lower,
    /// As the client wrote them; costs a few percent of a request.
    Preserve,
}

const NAMES: &[&str] = &["subject", "client", "tenant", "issuer", "scope", "roles", "permissions", "request_id"];
pub(super) const KEYS: &[&str] =
    &["subject", "client", "tenant", "issuer", "scope", "roles", "permissions", "request_id", "case", "jwt"];

/// Fields that carry the request itself: an identity in one of them would break it or be lost on the way.
pub(super) const TAKEN: [&str; 24] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];

impl Default for Forward {
    fn default() -> Self {
        Self {
            subject: Some(HeaderName::from_static("x-auth-subject")),
            client: Some(HeaderName::from_static("x-auth-client")),
            tenant: Some(HeaderName::from_static("x-auth-tenant")),
            issuer: Some(HeaderName::from_static("x-auth-issuer")),
            scope: Some(HeaderName::from_static("x-auth-scope")),
            roles: Some(HeaderName::from_static("x-auth-roles")),
            permissions: Some(HeaderName::from_static("x-auth-permissions")),
            request_id: Some(HeaderName::from_static("x-request-id")),
            case: Case::Lower,
            jwt: JwtDefaults::default(),
            jwt_headers: Vec::new(),
        }
    }
}

impl Forward {
    /// Every name that carries the caller's identity: the configured ones and the default ones. A client that sends one
    /// of them, in any spelling, must not be believed (hardening rule M1).
    pub fn reserved(&self) -> Vec<HeaderName> {
        let mut names: Vec<HeaderName> =
            self.identity_names().into_iter().chain(Self::default().identity_names()).flatten().collect();
        names.extend(self.jwt_headers.iter().cloned());
        names.push(DEFAULT_HEADER);
        names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        names
    }

    /// The names that were chosen for the parts of an identity.
    pub(super) fn identity_names(&self) -> [Option<HeaderName>; 7] {
        [
            self.subject.clone(),
            self.client.clone(),
            self.tenant.clone(),
            self.issuer.clone(),
            self.scope.clone(),
            self.roles.clone(),
            self.permissions.clone(),
        ]
    }

    fn slot(&mut self, key: &str) -> Option<&mut Option<HeaderName>> {
        match key {
            "subject" => Some(&mut self.subject),
            "client" => Some(&mut self.client),
            "tenant" => Some(&mut self.tenant),
            "issuer" => Some(&mut self.issuer),
            "scope" => Some(&mut self.scope),
            "roles" => Some(&mut self.roles),
            "permissions" => Some(&mut self.permissions),
            "request_id" => Some(&mut self.request_id),
            _ => None,
        }
    }
}

pub(super) fn check(node: Option<&Node>, check: &mut Check<'_>) -> Forward {
    let mut forward = Forward::default();
    let Some(fields) = node.and_then(|node| Fields::open(node, KEYS, check)) else {
        return forward;
    };
    if let Some(case) = fields.find("case").and_then(|node| check.parsed(node, case)) {
        forward.case = case;
    }
    forward.jwt = forwarded_jwt::defaults(&fields, check);
    let mut changed = Vec::new();
    for key in NAMES {
        let Some(node) = fields.find(key) else { continue };
        let Some(name) = name(node, check) else { continue };
        if let Some(slot) = forward.slot(key) {
            *slot = name;
            changed.push((*key, node.span));
        }
    }
    for (key, span) in changed {
        let Some(own) = forward.slot(key).and_then(|slot| slot.clone()) else {
            continue;
        };
        let twin = NAMES.iter().filter(|other| **other != key).find(|other| {
            forward.slot(other).is_some_and(|name| name.as_ref().is_some_and(|name| spelling(name) == spelling(&own)))
        });
        if let Some(twin) = twin {
            check.refuse(span, format!("{twin:?} uses the same header field"));
        }
    }
    forward
}

fn case(text: &str) -> Result<Case, scalar::Refusal> {
    match text {
        "lower" => Ok(Case::Lower),
        "preserve" => Ok(Case::Preserve),
        _ => Err(scalar::Refusal { expected: "lower or preserve", help: None }),
    }
}

/// `None` is a problem, `Some(None)` is `false`.
fn name(node: &Node, check: &mut Check<'_>) -> Option<Option<HeaderName>> {
    if matches!(&node.value, Value::Scalar(scalar) if scalar.text == "false") {
        return Some(None);
    }
    let name = check.parsed(node, scalar::header_name)?;
    if TAKEN.contains(&name.as_str()) {
        check.refuse_with_help(
            node.span,
            format!("{:?} has a meaning of its own", name.as_str()),
            "choose a name like X-Auth-Subject",
        );
        return None;
    }
    Some(Some(name))
}

/// Many programs take `_` and `-` in the name of a field for the same.
pub(super) fn spelling(name: &HeaderName) -> String {
    name.as_str().replace('_', "-")
}
