//! A denial and, where that was known by then, whose request it was: auditors ask for both (rule O3).
//!
//! Owns the pair. What a denial means is `denial`'s business, and clients are told nothing of the token.

use std::sync::Arc;

use super::token::VerifiedToken;
use super::{Denial, Guard, Hints, Request, Scheme, scope};
use crate::policy::RuleId;

/// A request that may not go to its upstream.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub denial: Denial,
    token: Option<Arc<VerifiedToken>>,
    cache_hit: bool,
    rule: Option<RuleId>,
    /// What to ask a token for, where another one would help.
    scope: String,
    scheme: Scheme,
    /// What the next proof has to bring.
    nonce: Option<Box<str>>,
}

impl Refusal {
    pub(super) fn of_token(denial: Denial, token: Arc<VerifiedToken>, cache_hit: bool) -> Self {
        Self { token: Some(token), cache_hit, ..Self::from(denial) }
    }

    /// The same refusal, made by `rule` of the route's policy.
    pub(super) fn by(self, rule: Option<RuleId>) -> Self {
        Self { rule, ..self }
    }

    /// The same refusal, told in the words of a scheme.
    pub(super) fn told_in(self, scheme: Scheme) -> Self {
        Self { scheme, ..self }
    }

    /// The same refusal, with the nonce that a proof needs on this route, if a proof could help.
    pub(super) fn with_nonce(self, nonce: String) -> Self {
        let nonce = (self.denial.status() == 401).then(|| nonce.into());
        Self { nonce, ..self }
    }

    /// The value of `DPoP-Nonce` (RFC 9449 9), where proofs need one.
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    /// The same refusal, with what a token for this request has to be asked for with (RFC 6750 3).
    pub(super) fn of_request(self, guard: &Guard, request: &Request<'_>) -> Self {
        if self.denial.status() != 401 {
            return self;
        }
        Self { scope: scope::of_request(&guard.policy, request.method, request.parameters), ..self }
    }

    /// The value of `WWW-Authenticate`, if asking again with a token may help; `resource_metadata` is where the resource
    /// describes itself, if it does.
    pub fn challenge(&self, resource_metadata: Option<&str>) -> Option<String> {
        self.denial.challenge(self.scheme, &Hints { resource_metadata, scope: &self.scope })
    }

    /// The rule of the route's policy that the request failed; `None` when it did not get that far.
    pub fn rule(&self) -> Option<RuleId> {
        self.rule
    }

    /// The token, if it is one of an issuer of ours: it was verified, and did not suffice.
    pub fn token(&self) -> Option<&VerifiedToken> {
        self.token.as_deref()
    }

    pub(super) fn into_token(self) -> Option<Arc<VerifiedToken>> {
        self.token
    }

    /// Whether the token had been verified for an earlier request.
    pub fn cache_hit(&self) -> bool {
        self.cache_hit
    }
}

impl From<Denial> for Refusal {
    fn from(denial: Denial) -> Self {
        let (scope, scheme) = (String::new(), Scheme::Bearer);
        Self { denial, token: None, cache_hit: false, rule: None, scope, scheme, nonce: None }
    }
}
