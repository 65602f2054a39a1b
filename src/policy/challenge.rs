//! What a denial names in its challenge: scopes, and how the person has to authenticate.
//!
//! Owns what belongs together; the header field is written elsewhere.

use std::collections::HashSet;
use std::sync::Arc;

use super::rule::{Rule, RuleKind};
use super::step_up::StepUp;

/// What every way through the surrounding `all` needs. A challenge names it too, so that one new token is enough
/// (RFC 6750 3.1, RFC 9470 3).
#[derive(Clone, Default)]
pub(super) struct Required<'r> {
    /// Each scope once, in the order they are written.
    scopes: Vec<&'r str>,
    known: HashSet<&'r str>,
    challenge: Arc<str>,
    /// Of several rules those values that all of them take.
    acr_values: Option<Vec<&'r str>>,
    max_age: Option<u32>,
}

impl<'r> Required<'r> {
    pub(super) fn and(&self, rule: &'r Rule) -> Self {
        let mut extended = self.clone();
        extended.collect(rule);
        extended.challenge = extended.scopes.join(" ").into();
        extended
    }

    fn collect(&mut self, rule: &'r Rule) {
        match &rule.kind {
            RuleKind::Scopes(scopes) => scopes.iter().for_each(|scope| self.add(scope)),
            RuleKind::Acr(values) => {
                let both = |value: &&'r str| self.acr_values.as_ref().is_none_or(|others| others.contains(value));
                self.acr_values = Some(values.iter().map(String::as_str).filter(both).collect());
            }
            RuleKind::AuthenticatedWithin(seconds) => {
                self.max_age = Some(self.max_age.map_or(*seconds, |other| other.min(*seconds)));
            }
            RuleKind::All(rules) => rules.iter().for_each(|rule| self.collect(rule)),
            RuleKind::Public
            | RuleKind::Authenticated
            | RuleKind::AnyScope(_)
            | RuleKind::Role(_)
            | RuleKind::Permission { .. }
            | RuleKind::ClaimEquals(..)
            | RuleKind::ClaimIn(..)
            | RuleKind::ClaimEqualsParameter(..)
            | RuleKind::Any(_)
            | RuleKind::Not(_) => {}
        }
    }

    fn add(&mut self, scope: &'r str) {
        if self.known.insert(scope) {
            self.scopes.push(scope);
        }
    }

    /// The `scope` of a challenge for a rule that asks for `own`.
    pub(super) fn challenge_with(&self, own: &'r [String]) -> Arc<str> {
        if own.iter().all(|scope| self.known.contains(scope.as_str())) {
            return Arc::clone(&self.challenge);
        }
        let mut extended = self.clone();
        own.iter().for_each(|scope| extended.add(scope));
        extended.scopes.join(" ").into()
    }
    /// How the person has to authenticate for `rule` and what surrounds it.
    pub(super) fn step_up_with(&self, rule: &'r Rule) -> Arc<StepUp> {
        let mut extended = self.clone();
        extended.collect(rule);
        let acr_values = extended.acr_values.unwrap_or_default().into_iter().map(Into::into).collect();
        Arc::new(StepUp { acr_values, max_age: extended.max_age })
    }
}
