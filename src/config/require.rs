//! `require:` - rules as they are written in YAML: one text, one per method, or combined.
//!
//! Owns where a rule's problems are shown: inside its text. The grammar of the text is `policy`'s.

use super::check::Check;
use super::node::{Entry, Node, Scalar, Value};
use super::problem::Span;
use super::suggest::closest;
use crate::policy::{Rule, RuleError, RuleKind, RuleSet, Target, parse_rule};

/// The keys that combine rules; in their place may stand methods.
pub(super) const COMBINING_KEYS: &[&str] = &["all", "any", "not"];

const FORMS: &str = "write a rule such as `scope orders:read`, a mapping of methods to rules, or `all`, `any`, `not`";

/// The rules of one route, and what else the route must give them.
pub(super) struct Requirement {
    pub rules: RuleSet,
    /// Path parameters that the rules use, and where.
    pub parameters: Vec<(String, Span)>,
    /// Each text that is a rule, and where.
    pub texts: Vec<(Rule, Span)>,
}

/// `None` if it could not be understood, which is a problem then.
pub(super) fn check(node: &Node, check: &mut Check<'_>) -> Option<Requirement> {
    let mut reader = Reader { check, parameters: Vec::new(), texts: Vec::new() };
    let rules = match &node.value {
        Value::Map(entries) if !entries.iter().any(is_combining) => reader.by_method(entries, node.span),
        Value::Null | Value::Scalar(_) | Value::List(_) | Value::Map(_) | Value::Unusable => {
            reader.rule(node).map(RuleSet::every_method)
        }
    };
    Some(Requirement { rules: rules?, parameters: reader.parameters, texts: reader.texts })
}

fn is_combining(entry: &Entry) -> bool {
    COMBINING_KEYS.contains(&entry.key.as_str())
}

struct Reader<'c, 's> {
    check: &'c mut Check<'s>,
    parameters: Vec<(String, Span)>,
    texts: Vec<(Rule, Span)>,
}

impl Reader<'_, '_> {
    fn by_method(&mut self, entries: &[Entry], span: Span) -> Option<RuleSet> {
        if entries.is_empty() {
            self.check.refuse_with_help(span, "no rule for any method: every request would be denied", FORMS);
            return None;
        }
        let mut rules = RuleSet::new();
        let mut whole = true;
        for entry in entries {
            let rule = self.rule(&entry.value);
            whole &= rule.is_some();
            // The key is looked at even if its rule is none.
            let inserted = rules.insert(&entry.key, rule.unwrap_or_else(Rule::authenticated));
            if let Err(error) = inserted {
                let near = error.suggestion.as_deref().or_else(|| closest(&entry.key, COMBINING_KEYS.iter().copied()));
                self.check.refuse(entry.key_span, with_suggestion(&error.message, near));
                whole = false;
            }
        }
        whole.then_some(rules)
    }

    fn rule(&mut self, node: &Node) -> Option<Rule> {
        let rule = match &node.value {
            Value::Scalar(scalar) => self.text(scalar, node.span),
            Value::Map(entries) => self.combined(entries, node.span),
            Value::List(_) => {
                self.check.refuse_with_help(
                    node.span,
                    "a list of rules does not say how they combine",
                    "put `all:` or `any:` before it",
                );
                None
            }
            Value::Null => {
                self.check.refuse_with_help(node.span, "a rule is missing", FORMS);
                None
            }
            Value::Unusable => None,
        };
        Some(rule?.at(node.span.line))
    }

    fn combined(&mut self, entries: &[Entry], span: Span) -> Option<Rule> {
        let [entry] = entries else {
            self.check.refuse_with_help(
                span,
                "`all`, `any` and `not` stand alone",
                "put one inside the other, such as `all: [scope a, { not: role b }]`",
            );
            return None;
        };
        match entry.key.as_str() {
            "all" => self.list(entry).map(Rule::all),
            "any" => self.list(entry).map(Rule::any),
            "not" => self.rule(&entry.value).map(Rule::negate),
            _ => {
                let message = format!("{:?} does not combine rules", entry.key);
                self.check.refuse_word(entry.key_span, message, &entry.key, COMBINING_KEYS);
                None
            }
        }
    }

    /// At least one rule; all of them are looked at, even if one is wrong.
    fn list(&mut self, entry: &Entry) -> Option<Vec<Rule>> {
        let Value::List(items) = &entry.value.value else {
            let help = format!("{}: [scope a, role b]", entry.key);
            self.check.refuse_with_help(entry.value.span, format!("`{}` combines a list of rules", entry.key), help);
            return None;
        };
        if items.is_empty() {
            self.check.refuse(entry.value.span, format!("`{}` of no rules", entry.key));
            return None;
        }
        let rules: Vec<Option<Rule>> = items.iter().map(|item| self.rule(item)).collect();
        rules.into_iter().collect()
    }

    fn text(&mut self, scalar: &Scalar, span: Span) -> Option<Rule> {
        match parse_rule(&scalar.text) {
            Ok(rule) => {
                let mut names = Vec::new();
                collect_parameters(&rule, &mut names);
                for name in names {
                    let written = format!("{{{name}}}");
                    let at = scalar.text.find(&written).map(|at| scalar.part(span, at, written.len()));
                    self.parameters.push((name, at.unwrap_or(span)));
                }
                // What came from outside is never shown.
                if !scalar.is_foreign() {
                    self.texts.push((rule.clone(), span));
                }
                Some(rule)
            }
            Err(_) if scalar.is_foreign() => {
                self.check.refuse(span, format!("what {} stands for is not a rule", scalar.shown()));
                None
            }
            Err(RuleError { offset, length, message, suggestion }) => {
                let place = scalar.part(span, offset, length);
                self.check.refuse(place, with_suggestion(&message, suggestion.as_deref()));
                None
            }
        }
    }
}

fn with_suggestion(message: &str, suggestion: Option<&str>) -> String {
    match suggestion {
        Some(suggestion) => format!("{message} — did you mean {suggestion:?}?"),
        None => message.to_owned(),
    }
}

fn collect_parameters(rule: &Rule, names: &mut Vec<String>) {
    match &rule.kind {
        RuleKind::Permission { on: Target::Parameter(name), .. } | RuleKind::ClaimEqualsParameter(_, name) => {
            names.push(name.clone());
        }
        RuleKind::All(rules) | RuleKind::Any(rules) => rules.iter().for_each(|rule| collect_parameters(rule, names)),
        RuleKind::Not(rule) => collect_parameters(rule, names),
        RuleKind::Permission { on: Target::Entity(_), .. }
        | RuleKind::Public
        | RuleKind::Authenticated
        | RuleKind::Scopes(_)
        | RuleKind::AnyScope(_)
        | RuleKind::Role(_)
        | RuleKind::Acr(_)
        | RuleKind::AuthenticatedWithin(_)
        | RuleKind::ClaimEquals(..)
        | RuleKind::ClaimIn(..) => {}
    }
}

/// Whether some method's rule passes for any accepted token, whatever is in it; with `roles_count_for_all`, but for its roles.
pub(super) fn asks_for_nothing(rules: &RuleSet, roles_count_for_all: bool) -> bool {
    let bare = |rule: &Rule| passes_any_token(rule, roles_count_for_all) && !passes_everyone(rule);
    rules.methods().map(|(_, rule)| rule).chain(rules.fallback()).any(bare)
}

fn passes_everyone(rule: &Rule) -> bool {
    match &rule.kind {
        RuleKind::Public => true,
        RuleKind::All(rules) => rules.iter().all(passes_everyone),
        RuleKind::Any(rules) => rules.iter().any(passes_everyone),
        RuleKind::Authenticated
        | RuleKind::Scopes(_)
        | RuleKind::AnyScope(_)
        | RuleKind::Role(_)
        | RuleKind::Permission { .. }
        | RuleKind::Acr(_)
        | RuleKind::AuthenticatedWithin(_)
        | RuleKind::ClaimEquals(..)
        | RuleKind::ClaimIn(..)
        | RuleKind::ClaimEqualsParameter(..)
        | RuleKind::Not(_) => false,
    }
}

fn passes_any_token(rule: &Rule, roles_count_for_all: bool) -> bool {
    match &rule.kind {
        RuleKind::Role(_) => roles_count_for_all,
        // A token without what is excluded is easy to get.
        RuleKind::Public | RuleKind::Authenticated | RuleKind::Not(_) => true,
        // Tokens for other services say that too.
        RuleKind::Acr(_) | RuleKind::AuthenticatedWithin(_) => true,
        RuleKind::All(rules) => rules.iter().all(|rule| passes_any_token(rule, roles_count_for_all)),
        RuleKind::Any(rules) => rules.iter().any(|rule| passes_any_token(rule, roles_count_for_all)),
        RuleKind::Scopes(_)
        | RuleKind::AnyScope(_)
        | RuleKind::Permission { .. }
        | RuleKind::ClaimEquals(..)
        | RuleKind::ClaimIn(..)
        | RuleKind::ClaimEqualsParameter(..) => false,
    }
}
