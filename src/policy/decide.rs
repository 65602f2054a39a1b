//! Facts to a [`Decision`].
//!
//! Owns the meaning of every rule and the choice of the most useful reason; it does not choose a status or a challenge.

use std::sync::Arc;

use http::Method;

use super::claim;
use super::compile::{Check, Node, Policy, RuleId};
use super::facts::{Facts, TokenFacts};
use super::rule::Target;
use super::step_up::StepUp;

/// Seconds that the clock of whoever saw a person log in may be ahead of ours.
const CLOCK_SKEW: i64 = 60;

/// What a policy says about one request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decision {
    Permit {
        /// The rule that let the request pass: with `any` the first branch that does.
        rule: RuleId,
    },
    Deny {
        /// The rule that the request failed; `None` when no rule is written for its method.
        rule: Option<RuleId>,
        reason: Reason,
    },
}

impl Decision {
    pub fn is_permit(&self) -> bool {
        matches!(self, Self::Permit { .. })
    }
}

/// Why a request is denied.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reason {
    /// The rule is not public and the request carries no token.
    NoToken,
    /// No rule is written for the method.
    MethodNotAllowed,
    MissingScope {
        /// The space-delimited scopes for the challenge (RFC 6750 3.1): all that the failed rule and the rules combined
        /// with it by `all` ask for; after `any scope` every alternative.
        scopes: Arc<str>,
    },
    MissingRole,
    /// The permission was not granted on the entity, or the entity is not in the token's audience.
    MissingPermission,
    ClaimMismatch,
    /// The person did not authenticate in a way that the rule takes (RFC 9470).
    WeakAuthentication {
        /// All that the failed rule and the rules combined with it by `all` ask for.
        wanted: Arc<StepUp>,
    },
    /// The person authenticated too long ago, or the token does not say when (RFC 9470).
    OldAuthentication {
        /// As for a weak one.
        wanted: Arc<StepUp>,
    },
    /// The request fulfils a rule that stands under `not`.
    Denied,
}

impl Reason {
    /// Every name that [`Reason::as_str`] returns, for metrics that are registered beforehand.
    pub const NAMES: [&'static str; 9] = [
        "no_token",
        "method_not_allowed",
        "missing_scope",
        "missing_role",
        "missing_permission",
        "claim_mismatch",
        "weak_authentication",
        "old_authentication",
        "denied",
    ];

    /// The reason without its content, as log field and metric label.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::MissingScope { .. } => "missing_scope",
            Self::MissingRole => "missing_role",
            Self::MissingPermission => "missing_permission",
            Self::ClaimMismatch => "claim_mismatch",
            Self::WeakAuthentication { .. } => "weak_authentication",
            Self::OldAuthentication { .. } => "old_authentication",
            Self::Denied => "denied",
        }
    }
}

impl Policy {
    /// Whether a request with `method` and `facts` may pass. Allocates nothing and takes no lock.
    pub fn decide(&self, method: &Method, facts: &Facts<'_>) -> Decision {
        let Some(root) = self.root(method) else {
            return Decision::Deny { rule: None, reason: Reason::MethodNotAllowed };
        };
        if facts.token.is_none() && !root.is_public {
            return Decision::Deny { rule: Some(root.node.id), reason: Reason::NoToken };
        }
        match (root.node.passing(facts), facts.token) {
            (Some(rule), _) => Decision::Permit { rule },
            (None, Some(_)) => {
                let (rule, reason) = root.node.refusal(facts);
                Decision::Deny { rule: Some(rule), reason }
            }
            (None, None) => Decision::Deny { rule: Some(root.node.id), reason: Reason::NoToken },
        }
    }
}

impl Node {
    /// The rule that lets the request pass, if one does.
    pub(super) fn passing(&self, facts: &Facts<'_>) -> Option<RuleId> {
        let passes = match (&self.check, facts.token) {
            (Check::Public, _) => true,
            (Check::All(nodes), _) => nodes.iter().all(|node| node.passing(facts).is_some()),
            (Check::Any(any), _) => return any.passing(facts),
            (_, None) => false,
            (Check::Authenticated, Some(_)) => true,
            (Check::Scopes { all_of, .. }, Some(token)) => all_of.iter().all(|scope| token.scopes.contains(scope)),
            (Check::AnyScope { one_of, .. }, Some(token)) => one_of.iter().any(|scope| token.scopes.contains(scope)),
            (Check::Role(role), Some(token)) => token.roles.contains(role),
            (Check::Permission { permission, on }, Some(token)) => {
                entity(on, facts).is_some_and(|entity| is_permitted(token, entity, permission))
            }
            (Check::Acr { one_of, .. }, Some(token)) => token.acr.as_ref().is_some_and(|acr| one_of.contains(acr)),
            (Check::AuthenticatedWithin { seconds, .. }, Some(token)) => {
                let is_recent = |at: i64| facts.now.saturating_sub(at) <= i64::from(*seconds);
                // Nobody has logged in tomorrow.
                token.authenticated_at.is_some_and(|at| at <= facts.now.saturating_add(CLOCK_SKEW) && is_recent(at))
            }
            (Check::Claim { path, values }, Some(token)) => {
                let claim = claim::find(&token.claims, path);
                claim.is_some_and(|claim| claim::candidates(claim).iter().any(|value| values.contain(value)))
            }
            (Check::ClaimParameter { path, parameter }, Some(token)) => {
                match (claim::find(&token.claims, path), facts.parameters.parameter(parameter)) {
                    (Some(claim), Some(text)) => {
                        claim::candidates(claim).iter().any(|value| claim::reads_as(value, text))
                    }
                    (Some(_) | None, _) => false,
                }
            }
            (Check::Not(node), Some(_)) => node.passing(facts).is_none(),
        };
        passes.then_some(self.id)
    }

    /// Why the request, which has a token, does not pass this rule. Asked only after [`Node::passing`] found that it does
    /// not.
    fn refusal(&self, facts: &Facts<'_>) -> (RuleId, Reason) {
        let reason = match &self.check {
            Check::Scopes { challenge, .. } | Check::AnyScope { challenge, .. } => {
                Reason::MissingScope { scopes: Arc::clone(challenge) }
            }
            Check::Role(_) => Reason::MissingRole,
            Check::Permission { .. } => Reason::MissingPermission,
            Check::Claim { .. } | Check::ClaimParameter { .. } => Reason::ClaimMismatch,
            Check::Acr { wanted, .. } => Reason::WeakAuthentication { wanted: Arc::clone(wanted) },
            Check::AuthenticatedWithin { wanted, .. } => Reason::OldAuthentication { wanted: Arc::clone(wanted) },
            Check::All(nodes) => match nodes.iter().find(|node| node.passing(facts).is_none()) {
                Some(failed) => return failed.refusal(facts),
                None => Reason::Denied,
            },
            Check::Any(any) => match any.remediable(facts).or(any.branches.first()) {
                Some(branch) => return branch.refusal(facts),
                None => Reason::Denied,
            },
            // The first two pass for every token, so they are never asked why not.
            Check::Public | Check::Authenticated | Check::Not(_) => Reason::Denied,
        };
        (self.id, reason)
    }

    /// Whether the rule would pass with a token that a client can ask for: with more scopes, or after another login. Asked
    /// only of a rule that the request does not pass.
    pub(super) fn is_remediable(&self, facts: &Facts<'_>) -> bool {
        match &self.check {
            Check::Scopes { .. } | Check::AnyScope { .. } | Check::Acr { .. } | Check::AuthenticatedWithin { .. } => {
                true
            }
            Check::All(nodes) => {
                let mut failed = nodes.iter().filter(|node| node.passing(facts).is_none());
                failed.all(|node| node.is_remediable(facts))
            }
            Check::Any(any) => any.remediable(facts).is_some(),
            Check::Public
            | Check::Authenticated
            | Check::Role(_)
            | Check::Permission { .. }
            | Check::Claim { .. }
            | Check::ClaimParameter { .. }
            | Check::Not(_) => false,
        }
    }
}

/// The entity that a permission rule is about, for this request.
pub(super) fn entity<'a>(on: &'a Target, facts: &Facts<'a>) -> Option<&'a str> {
    match on {
        Target::Entity(name) => Some(name),
        Target::Parameter(parameter) => facts.parameters.parameter(parameter),
    }
}

/// F-336: the permission is granted on the entity, and the token is meant for that entity.
fn is_permitted(token: &TokenFacts, entity: &str, permission: &str) -> bool {
    token
        .permissions
        .on(entity)
        .is_some_and(|target| target.permissions.contains(permission) && token.audience.contains(&target.id))
}

#[cfg(test)]
mod tests;
