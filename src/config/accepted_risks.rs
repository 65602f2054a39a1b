//! The `accepted_risks` section: warnings that somebody has thought about, each with the reason.
//!
//! Owns what an acceptance must say and what it changes. It finds no risk itself.

use super::check::{Check, Fields};
use super::lint::Lint;
use super::node::Node;
use super::problem::{Severity, Span};

pub(super) const KEYS: &[&str] = &["lint", "at", "because"];

/// A reason that is shorter says nothing.
const FEWEST_WORDS: usize = 3;

struct Acceptance {
    lint: Lint,
    at: Option<String>,
    because: String,
    span: Span,
}

/// Makes notes of the warnings that are accepted; to be asked when all have been found.
pub(super) fn apply(node: Option<&Node>, check: &mut Check<'_>) {
    let nodes = node.map_or(&[][..], |node| check.items(node));
    let accepted: Vec<Acceptance> = nodes.iter().filter_map(|node| acceptance(node, check)).collect();
    for Acceptance { lint, at, because, span } in accepted {
        let mut is_gone = true;
        for problem in check.problems.iter_mut().filter(|problem| problem.severity == Severity::Warning) {
            if let Some(risk) = problem.risk.as_mut().filter(|risk| risk.lint == lint && risk.at == at) {
                risk.accepted_because = Some(because.clone());
                problem.severity = Severity::Note;
                is_gone = false;
            }
        }
        if is_gone {
            let of = at.map(|at| format!(" of {at:?}")).unwrap_or_default();
            check.warn(
                span,
                Lint::AcceptedRiskIsGone,
                format!("there is no risk {:?}{of} that could be accepted", lint.as_str()),
                "remove it: otherwise nobody would notice when the risk comes back",
            );
        }
    }
}

fn acceptance(node: &Node, check: &mut Check<'_>) -> Option<Acceptance> {
    let help = "{ lint: NAME, at: WHERE, because: one audience for all until March }";
    let fields = Fields::open(node, KEYS, check)?;
    let because = fields.require("because", help, check).and_then(|node| reason(node, check));
    let named = fields.require("lint", help, check)?;
    let lint = lint(named, check)?;
    let at = fields.find("at").map(|node| (node.span, check.text(node)));
    let at = match (lint.subject(), at) {
        (Some(_), Some((_, scalar))) => Some(scalar?.as_written().to_owned()),
        (Some(subject), None) => {
            let message = format!("`at` is missing: which {subject} may have this risk");
            check.refuse_with_help(fields.span, message, help);
            return None;
        }
        (None, Some((span, _))) => {
            let message = format!("`at` means nothing: {:?} is about the gateway as a whole", lint.as_str());
            check.refuse_with_help(span, message, "remove `at`");
            return None;
        }
        (None, None) => None,
    };
    Some(Acceptance { lint, at, because: because?, span: fields.span })
}

fn lint(node: &Node, check: &mut Check<'_>) -> Option<Lint> {
    let scalar = check.text(node)?;
    let known: Vec<&str> = acceptable().map(Lint::as_str).collect();
    let lint = Lint::parse(&scalar.text).filter(|lint| known.contains(&lint.as_str()));
    if lint.is_none() {
        check.refuse_word(node.span, format!("there is no lint {}", scalar.shown()), &scalar.text, &known);
    }
    lint
}

/// Every risk but that of having accepted too many.
fn acceptable() -> impl Iterator<Item = Lint> {
    Lint::ALL.into_iter().filter(|lint| *lint != Lint::AcceptedRiskIsGone)
}

fn reason(node: &Node, check: &mut Check<'_>) -> Option<String> {
    let text = check.text(node)?.as_written();
    if text.split_whitespace().count() < FEWEST_WORDS {
        let message = format!("`because` must be a reason in at least {FEWEST_WORDS} words");
        check.refuse_with_help(node.span, message, "say who accepted the risk, why, or until when");
        return None;
    }
    Some(text.to_owned())
}
