//! The proof that a request was checked. Whatever forwards a request asks for one.

use std::sync::Arc;

use super::token::VerifiedToken;
use super::{Denial, Identity, Refusal};
use crate::policy::RuleId;

/// A request that may go to its upstream. Only `Enforcer::check` makes one.
#[derive(Clone, Debug)]
pub struct Permit {
    token: Option<Arc<VerifiedToken>>,
    cache_hit: bool,
    rule: Option<RuleId>,
    /// Why it would have been refused.
    observed: Option<&'static str>,
}

impl Permit {
    /// For a route that is open to everyone: whatever token the request carries is not looked at.
    pub(super) fn public() -> Self {
        Self { token: None, cache_hit: false, rule: None, observed: None }
    }

    pub(super) fn of_token(token: Arc<VerifiedToken>, cache_hit: bool, rule: RuleId) -> Self {
        Self { token: Some(token), cache_hit, rule: Some(rule), observed: None }
    }

    /// For a request that its route would refuse and only observes. Nobody is vouched for unless the token is good and
    /// merely does not suffice.
    pub(super) fn observed(refusal: Refusal) -> Self {
        let observed = Some(refusal.denial.code());
        let (cache_hit, rule) = (refusal.cache_hit(), refusal.rule());
        let token = match &refusal.denial {
            Denial::InsufficientScope { .. } => refusal.into_token(),
            Denial::BadRequest(_)
            | Denial::NoToken
            | Denial::InvalidToken(_)
            | Denial::InvalidProof(_)
            | Denial::Undecidable(_) => None,
        };
        Self { token, cache_hit, rule, observed }
    }

    /// Why the request would have been refused, if its route only observes.
    pub fn would_be_refused(&self) -> Option<&'static str> {
        self.observed
    }

    #[cfg(test)]
    pub(crate) fn in_test() -> Self {
        Self::public()
    }

    /// The token that was accepted; `None` on a public route, and where no good one came to a route that
    /// only observes.
    pub fn token(&self) -> Option<&VerifiedToken> {
        self.token.as_deref()
    }

    /// The rule of the route's policy that let the request pass; `None` on a public route.
    pub fn rule(&self) -> Option<RuleId> {
        self.rule
    }

    /// What the upstream is told of the caller.
    pub fn identity(&self) -> Option<&Identity> {
        self.token.as_ref().map(|token| &token.identity)
    }

    /// Whether the token had been verified for an earlier request.
    pub fn cache_hit(&self) -> bool {
        self.cache_hit
    }
}
