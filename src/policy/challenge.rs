//! The scopes that a denial names in its challenge.
//!
//! Owns which scopes belong together; the header field is written elsewhere.

use std::collections::HashSet;
use std::sync::Arc;

use super::rule::{Rule, RuleKind};

/// The scopes that every way through the surrounding `all` needs. A challenge names them too, so that one new token is
/// enough (RFC 6750 3.1).
#[derive(Clone, Default)]
pub(super) struct Required<'r> {
    /// Each scope once, in the order they are written.
    scopes: Vec<&'r str>,
    known: HashSet<&'r str>,
    challenge: Arc<str>,
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
}
