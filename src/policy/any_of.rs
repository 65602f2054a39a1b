//! `any` over its branches: the first that passes, and the first that another token would pass.
//!
//! Owns the order of branches; which of many are worth asking is found in the [`index`](super::index).

use super::compile::{Check, Node, RuleId};
use super::facts::Facts;
use super::index::{Index, Positions};

/// Below this many branches asking them all in turn is at least as fast.
const WORTH_INDEXING: usize = 8;

/// The branches of an `any`.
#[derive(Clone, Debug)]
pub(super) struct AnyOf {
    pub(super) branches: Box<[Node]>,
    index: Option<Index>,
    /// Positions of the branches that can fail for want of another token alone, up to the first that cannot fail
    /// otherwise.
    remediable: Positions,
    remediable_index: Option<Index>,
}

impl AnyOf {
    pub(super) fn new(branches: Box<[Node]>) -> Self {
        let mut remediable = Positions::new();
        for (position, branch) in branches.iter().enumerate() {
            if can_be_remediable(branch) {
                remediable.push(position);
            }
            if is_always_remediable(branch) {
                break;
            }
        }
        let all: Positions = (0..branches.len()).collect();
        let index = (all.len() >= WORTH_INDEXING).then(|| Index::new(&branches, &all, true));
        let remediable_index = (remediable.len() >= WORTH_INDEXING).then(|| Index::new(&branches, &remediable, false));
        Self { branches, index, remediable, remediable_index }
    }

    /// The rule that lets the request pass: the first branch in writing order that does.
    pub(super) fn passing(&self, facts: &Facts<'_>) -> Option<RuleId> {
        let mut first = First { branches: &self.branches, facts, test: Node::passing, found: None };
        match (&self.index, facts.token) {
            (Some(index), Some(token)) => index.ask_candidates(token, &mut first),
            (Some(_) | None, _) => first.ask(0..self.branches.len()),
        }
        first.found.map(|(_, rule)| rule)
    }

    /// The first branch that would pass with a token that a client can ask for. Asked only when no branch passes.
    pub(super) fn remediable(&self, facts: &Facts<'_>) -> Option<&Node> {
        let test = |node: &Node, facts: &Facts<'_>| node.is_remediable(facts).then_some(node.id);
        let mut first = First { branches: &self.branches, facts, test, found: None };
        match (&self.remediable_index, facts.token) {
            (Some(index), Some(token)) => index.ask_candidates(token, &mut first),
            (Some(_) | None, _) => first.ask(self.remediable.iter().copied()),
        }
        first.found.map(|(position, _)| &self.branches[position])
    }
}

fn is_always_remediable(node: &Node) -> bool {
    matches!(
        node.check,
        Check::Scopes { .. } | Check::AnyScope { .. } | Check::Acr { .. } | Check::AuthenticatedWithin { .. }
    )
}

fn can_be_remediable(node: &Node) -> bool {
    match &node.check {
        Check::Scopes { .. } | Check::AnyScope { .. } | Check::Acr { .. } | Check::AuthenticatedWithin { .. } => true,
        Check::All(nodes) => nodes.iter().any(can_be_remediable),
        Check::Any(any) => !any.remediable.is_empty(),
        Check::Public
        | Check::Authenticated
        | Check::Role(_)
        | Check::Permission { .. }
        | Check::Claim { .. }
        | Check::ClaimParameter { .. }
        | Check::Not(_) => false,
    }
}

/// The earliest branch so far that meets a test.
pub(super) struct First<'a> {
    branches: &'a [Node],
    pub(super) facts: &'a Facts<'a>,
    test: fn(&Node, &Facts<'_>) -> Option<RuleId>,
    found: Option<(usize, RuleId)>,
}

impl First<'_> {
    /// Asks branches by their positions, given in writing order.
    pub(super) fn ask(&mut self, positions: impl IntoIterator<Item = usize>) {
        for position in positions {
            if self.found.is_some_and(|(found, _)| found <= position) {
                return;
            }
            if let Some(rule) = (self.test)(&self.branches[position], self.facts) {
                self.found = Some((position, rule));
                return;
            }
        }
    }

    pub(super) fn ask_listed(&mut self, listed: Option<&Positions>) {
        if let Some(positions) = listed {
            self.ask(positions.iter().copied());
        }
    }
}
