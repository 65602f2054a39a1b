//! A decision, step by step, for people.
//!
//! Owns the wording; the verdict of every step is the one that [`Policy::decide`] uses. It shows what a rule asks for and
//! never what a token holds.

use http::Method;
use serde_json::Value;

use super::compile::{Check, Node, Policy};
use super::decide::entity;
use super::facts::Facts;
use super::rule::{ClaimPath, Rule, RuleKind, RuleSource};

/// An `any` proposes at most this many ways to pass.
const MAX_WAYS: usize = 5;

/// One rule, asked for one request. Parts of a combined rule follow it, one level deeper.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// 0 for the rule of the method, one more for each `all`, `any` or `not` around this rule.
    pub depth: usize,
    /// The rule's text; for a method without a rule a sentence that says so.
    pub rule: String,
    pub source: Option<RuleSource>,
    pub passed: bool,
    /// For a failed step, what would change it: `scope orders:write`.
    pub would_pass_if: Option<String>,
}

impl Policy {
    /// The checks behind [`Policy::decide`] in the order they are written. The first step is the decision.
    pub fn explain(&self, method: &Method, facts: &Facts<'_>) -> Vec<Step> {
        let mut steps = Vec::new();
        match self.root(method) {
            Some(root) => self.add_steps(&root.node, facts, 0, &mut steps),
            None => steps.push(Step {
                depth: 0,
                rule: format!("no rule for {method}"),
                source: None,
                passed: false,
                would_pass_if: Some(format!("the route had a rule for {method} or `*`")),
            }),
        }
        steps
    }

    fn add_steps(&self, node: &Node, facts: &Facts<'_>, depth: usize, steps: &mut Vec<Step>) {
        let passed = node.passing(facts).is_some();
        steps.push(Step {
            depth,
            rule: self.text(node.id).to_owned(),
            source: self.source(node.id),
            passed,
            would_pass_if: (!passed).then(|| self.remedy(node, facts)),
        });
        match &node.check {
            Check::All(nodes) => nodes.iter().for_each(|inner| self.add_steps(inner, facts, depth + 1, steps)),
            Check::Any(any) => any.branches.iter().for_each(|inner| self.add_steps(inner, facts, depth + 1, steps)),
            Check::Not(inner) => self.add_steps(inner, facts, depth + 1, steps),
            Check::Public
            | Check::Authenticated
            | Check::Scopes { .. }
            | Check::AnyScope { .. }
            | Check::Role(_)
            | Check::Permission { .. }
            | Check::Acr { .. }
            | Check::AuthenticatedWithin { .. }
            | Check::Claim { .. }
            | Check::ClaimParameter { .. } => {}
        }
    }

    /// What would make a failed rule pass.
    fn remedy(&self, node: &Node, facts: &Facts<'_>) -> String {
        match &node.check {
            Check::Scopes { all_of, .. } => {
                let held = |scope: &str| facts.token.is_some_and(|token| token.scopes.contains(scope));
                let missing = all_of.iter().filter(|scope| !held(scope)).map(|scope| scope.to_string());
                Rule::scopes(missing).to_string()
            }
            Check::Permission { permission, on } => {
                let Some(entity) = entity(on, facts) else {
                    return self.text(node.id).to_owned();
                };
                let target = facts.token.and_then(|token| token.permissions.on(entity));
                match target.filter(|target| target.permissions.contains(permission)) {
                    Some(target) => format!("the token's audience had {}", target.id),
                    None => Rule::permission(&**permission, entity).to_string(),
                }
            }
            Check::ClaimParameter { path, parameter } => match facts.parameters.parameter(parameter) {
                Some(text) => {
                    let path = ClaimPath(path.iter().map(|name| name.to_string()).collect());
                    RuleKind::ClaimEquals(path, Value::from(text)).to_string()
                }
                None => format!("the route had a path parameter {{{parameter}}}"),
            },
            Check::All(nodes) => {
                let failed = nodes.iter().filter(|inner| inner.passing(facts).is_none());
                failed.map(|inner| self.remedy(inner, facts)).collect::<Vec<_>>().join(", and ")
            }
            Check::Any(any) => {
                let ways = any.branches.iter().take(MAX_WAYS).map(|inner| self.remedy(inner, facts));
                let mut ways: Vec<String> = ways.collect();
                if any.branches.len() > MAX_WAYS {
                    ways.push(format!("{} more", any.branches.len() - MAX_WAYS));
                }
                ways.join(", or ")
            }
            Check::Authenticated => "the request had a token".to_owned(),
            Check::Not(_) if facts.token.is_none() => "the request had a token".to_owned(),
            Check::Not(inner) => format!("the token did not fulfil: {}", self.text(inner.id)),
            Check::Public
            | Check::AnyScope { .. }
            | Check::Role(_)
            | Check::Acr { .. }
            | Check::AuthenticatedWithin { .. }
            | Check::Claim { .. } => self.text(node.id).to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
