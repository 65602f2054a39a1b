//! A denial and, where that was known by then, whose request it was: auditors ask for both (rule O3).
//!
//! Owns the pair. What a denial means is `denial`'s business, and clients are told nothing of the token.

use std::sync::Arc;

use super::token::VerifiedToken;
use super::{Denial, Scheme};
use crate::policy::RuleId;

/// A request that may not go to its upstream.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub denial: Denial,
    token: Option<Arc<VerifiedToken>>,
    cache_hit: bool,
    rule: Option<RuleId>,
    scheme: Scheme,
}

impl Refusal {
    pub(super) fn of_token(denial: Denial, token: Arc<VerifiedToken>, cache_hit: bool) -> Self {
        Self { denial, token: Some(token), cache_hit, rule: None, scheme: Scheme::Bearer }
    }

    /// The same refusal, made by `rule` of the route's policy.
    pub(super) fn by(self, rule: Option<RuleId>) -> Self {
        Self { rule, ..self }
    }

    /// The same refusal, told in the words of a scheme.
    pub(super) fn told_in(self, scheme: Scheme) -> Self {
        Self { scheme, ..self }
    }

    /// The value of `WWW-Authenticate`, if asking again with a token may help.
    pub fn challenge(&self) -> Option<String> {
        self.denial.challenge(self.scheme)
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
        Self { denial, token: None, cache_hit: false, rule: None, scheme: Scheme::Bearer }
    }
}
