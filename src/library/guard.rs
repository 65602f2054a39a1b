//! What a request is held to.
//!
//! Owns how rules and issuers become one. What a rule means is `policy`'s business.

use crate::config;
use crate::enforce::{self, Accepted, Demand};
use crate::policy::{Policy, RuleSet};

use super::BuildError;

/// What a request must carry to get a [`Permit`](super::Permit), compiled from a rule by
/// [`Enforcer::guard`](super::Enforcer::guard).
pub struct Guard {
    pub(super) inner: enforce::Guard,
}

/// A guard that a path leads to.
pub(super) struct Routed {
    pub guard: enforce::Guard,
    pub forwards_authorization: bool,
    /// Whether the route is for some hosts only; the one that is asked for is part of what a proof names.
    pub names_hosts: bool,
}

impl Guard {
    pub(super) fn new(rules: &RuleSet, audiences: &[Box<[Box<str>]>]) -> Result<Self, BuildError> {
        let policy = Policy::compile(rules).map_err(|error| BuildError::new(error.to_string()))?;
        let accepts = audiences.iter().enumerate();
        let accepts = accepts.map(|(issuer, audience)| Accepted { issuer, audience: audience.clone() }).collect();
        Ok(Self {
            inner: enforce::Guard {
                policy,
                accepts,
                observes: false,
                live_permissions: false,
                demand: Demand::Nothing,
                dpop_nonce: false,
            },
        })
    }
}

impl Routed {
    /// A route of a checked configuration.
    pub(super) fn of(route: config::Route) -> Self {
        let accepts = route.tokens.into_iter().map(|accepted| Accepted {
            issuer: accepted.issuer.0,
            audience: accepted.audience.into_iter().map(Into::into).collect(),
        });
        let guard = enforce::Guard {
            policy: route.policy,
            accepts: accepts.collect(),
            observes: route.observes,
            // Those of others are granted elsewhere.
            live_permissions: false,
            demand: demand(route.binding),
            dpop_nonce: route.dpop_nonce,
        };
        let names_hosts = !route.hosts.is_empty();
        Self { guard, forwards_authorization: route.forward_authorization, names_hosts }
    }
}

/// What a route demands of its tokens, as the enforcer calls it.
pub(crate) fn demand(binding: Option<config::Binding>) -> Demand {
    match binding {
        None => Demand::Nothing,
        Some(config::Binding::Any) => Demand::Anything,
        Some(config::Binding::Dpop) => Demand::Key,
        Some(config::Binding::Certificate) => Demand::Certificate,
    }
}
