//! The proof that a request was checked. Whatever forwards a request asks for one.

use std::sync::Arc;

use super::Identity;
use super::token::VerifiedToken;
use crate::policy::RuleId;

/// A request that may go to its upstream. Only `Enforcer::check` makes one.
#[derive(Clone, Debug)]
pub struct Permit {
    token: Option<Arc<VerifiedToken>>,
    cache_hit: bool,
    rule: Option<RuleId>,
}

impl Permit {
    /// For a route that is open to everyone: whatever token the request carries is not looked at.
    pub(super) fn public() -> Self {
        Self { token: None, cache_hit: false, rule: None }
    }

    pub(super) fn of_token(token: Arc<VerifiedToken>, cache_hit: bool, rule: RuleId) -> Self {
        Self { token: Some(token), cache_hit, rule: Some(rule) }
    }

    #[cfg(test)]
    pub(crate) fn in_test() -> Self {
        Self::public()
    }

    /// The token that was accepted; `None` on a public route.
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
