//! What came out of a check: who may pass, or what to answer.
//!
//! Owns the public shape of both. Nobody outside of this crate can make one.

use std::fmt;

use http::StatusCode;
use serde_json::{Map, Value};

use crate::enforce::{self, VerifiedToken};
use crate::route::PathError;

/// The proof that a request was checked.
#[derive(Clone, Debug)]
pub struct Permit {
    inner: enforce::Permit,
    path: Option<Box<str>>,
    forwards_authorization: bool,
}

/// Who is asking, as the token says that was verified.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'p>(&'p VerifiedToken);

/// What to answer to a request that must not pass.
#[derive(Clone, Debug)]
pub struct Refusal {
    status: StatusCode,
    code: &'static str,
    description: &'static str,
    error: Option<&'static str>,
    challenge: Option<String>,
    nonce: Option<Box<str>>,
}

impl Permit {
    pub(super) fn new(inner: enforce::Permit) -> Self {
        Self { inner, path: None, forwards_authorization: false }
    }

    /// The same, for what was decided on by its path.
    pub(super) fn to(self, path: &str, forwards_authorization: bool) -> Self {
        Self { path: Some(path.into()), forwards_authorization, ..self }
    }

    /// Who is asking; `None` where the rule is `public`.
    pub fn identity(&self) -> Option<Identity<'_>> {
        self.inner.token().map(Identity)
    }

    /// The path that was decided on, in its one spelling; `None` when no route was asked for.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// Why the request would have been refused, if its route says `enforce: observe`.
    pub fn would_be_refused(&self) -> Option<&'static str> {
        self.inner.would_be_refused()
    }

    pub(crate) fn inner(&self) -> &enforce::Permit {
        &self.inner
    }

    /// Whether the upstream is to see the token.
    pub(crate) fn forwards_authorization(&self) -> bool {
        self.forwards_authorization
    }
}

impl<'p> Identity<'p> {
    /// `sub`: a user, or a service that asks in its own name. Unique within [`Identity::issuer`].
    pub fn subject(&self) -> &'p str {
        &self.0.facts.subject
    }

    /// `iss`
    pub fn issuer(&self) -> &'p str {
        &self.0.facts.issuer
    }

    /// The client that the token was issued to, if the token says so.
    pub fn client(&self) -> Option<&'p str> {
        self.0.facts.client_id.as_deref()
    }

    /// The scopes, sorted.
    pub fn scopes(&self) -> impl Iterator<Item = &'p str> + use<'p> {
        self.0.facts.scopes.iter()
    }

    /// The roles, sorted.
    pub fn roles(&self) -> impl Iterator<Item = &'p str> + use<'p> {
        self.0.facts.roles.iter()
    }

    /// Every claim of the token.
    pub fn claims(&self) -> &'p Map<String, Value> {
        &self.0.facts.claims
    }

    /// When the token ends, in seconds since the Unix epoch.
    pub fn expires_at(&self) -> i64 {
        self.0.expires_at
    }
}

impl Refusal {
    pub(super) fn of(refusal: &enforce::Refusal) -> Self {
        let denial = &refusal.denial;
        Self {
            status: StatusCode::from_u16(denial.status()).unwrap_or(StatusCode::FORBIDDEN),
            code: denial.code(),
            description: denial.description(),
            error: denial.error(),
            challenge: refusal.challenge(None),
            nonce: refusal.nonce().map(Into::into),
        }
    }

    pub(super) fn of_path(error: PathError) -> Self {
        Self::plain(StatusCode::BAD_REQUEST, error.as_str(), "The path is ambiguous or malformed")
    }

    pub(super) fn no_route() -> Self {
        Self::plain(StatusCode::NOT_FOUND, "no_route", "No route is configured for this path")
    }

    pub(crate) fn plain(status: StatusCode, code: &'static str, description: &'static str) -> Self {
        Self { status, code, description, error: None, challenge: None, nonce: None }
    }

    /// 401 when a token, or a better one, may help; 403 when it is good and does not suffice; 400 for a request that cannot
    /// be understood; 404 without a route; 503 when it cannot be decided now.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// A stable name of the reason in snake case, for logs and metrics: `no_token`, `expired`, `missing_scope`.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// A sentence for the client's developer. It says nothing of what is in the token.
    pub fn description(&self) -> &'static str {
        self.description
    }

    /// The value of `WWW-Authenticate` (RFC 6750 3), which every 401 owes.
    pub fn challenge(&self) -> Option<&str> {
        self.challenge.as_deref()
    }

    /// The value of `DPoP-Nonce` (RFC 9449 9), where proofs need a nonce: the client sends the request again with it.
    pub fn dpop_nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    /// The error code of RFC 6750 3.1.
    pub(crate) fn error(&self) -> Option<&'static str> {
        self.error
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status.as_u16(), self.code, self.description)
    }
}

impl std::error::Error for Refusal {}
