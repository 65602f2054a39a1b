use serde_json::json;

use super::*;
use crate::policy::testing::{NOW, rule, token};
use crate::policy::{NoParameters, Parameters, RuleSet};

/// Depth, verdict, rule, line and remedy, a line for each step.
fn explained(rules: &RuleSet, facts: &Facts<'_>) -> String {
    let policy = Policy::compile(rules).expect("the rules are good");
    let lines = policy.explain(&Method::GET, facts).into_iter().map(|step| {
        let mark = if step.passed { "ok" } else { "no" };
        let line = step.source.map_or_else(|| "-".to_owned(), |source| source.line.to_string());
        let remedy = step.would_pass_if.map(|remedy| format!(" | would pass if: {remedy}")).unwrap_or_default();
        format!("{}{mark} {line} {}{remedy}", "  ".repeat(step.depth), step.rule)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn remedy(text: &str, parameters: &dyn Parameters) -> String {
    let token = token("a", "clerk", "read", json!({"org": "other"}));
    let policy = Policy::compile(&RuleSet::every_method(rule(text))).expect("the rule is good");
    let steps = policy.explain(&Method::GET, &Facts::of_token(&token, parameters, NOW));
    steps[0].would_pass_if.clone().unwrap_or_default()
}

#[test]
fn steps_come_in_order_with_lines() {
    let rules = Rule::all([rule("scope a").at(4), rule("any: [role admin, not: role clerk]").at(5)]).at(3);
    let token = token("a", "clerk", "", json!({}));
    let expected = "\
no 3 all: [scope a, any: [role admin, not: role clerk]] | would pass if: role admin, or the token did not fulfil: role clerk
  ok 4 scope a
  no 5 any: [role admin, not: role clerk] | would pass if: role admin, or the token did not fulfil: role clerk
    no 5 role admin | would pass if: role admin
    no 5 not: role clerk | would pass if: the token did not fulfil: role clerk
      ok 5 role clerk";
    assert_eq!(explained(&RuleSet::every_method(rules), &Facts::of_token(&token, &NoParameters, NOW)), expected);
}

#[test]
fn a_method_without_rule_is_explained() {
    let rules = RuleSet::new().with(Method::POST, Rule::public());
    let expected = "no - no rule for GET | would pass if: the route had a rule for GET or `*`";
    assert_eq!(explained(&rules, &Facts::anonymous(&NoParameters)), expected);
}

#[test]
fn the_nearest_passing_change_is_named() {
    let parameters = [("entity", "mail"), ("org", "acme"), ("own", "orders")];
    for (text, expected) in [
        ("scope a", ""),
        ("scope a b c", "scope b c"),
        ("any scope b c", "any scope b c"),
        ("role admin", "role admin"),
        ("permission send on {entity}", "permission send on mail"),
        ("permission write on {own}", "permission write on orders"),
        ("permission send on {nothing}", "permission send on {nothing}"),
        ("claim org == {org}", "claim org == acme"),
        ("claim org == {nothing}", "the route had a path parameter {nothing}"),
        ("claim org in [x, y]", "claim org in [x, y]"),
        ("all: [acr gold, authenticated within 300s]", "acr gold, and authenticated within 5m"),
        ("all: [scope a, scope b, role admin]", "scope b, and role admin"),
        ("not: scope a", "the token did not fulfil: scope a"),
        (
            "any: [role a, role b, role c, role d, role e, role f, role g]",
            "role a, or role b, or role c, or role d, or role e, or 2 more",
        ),
    ] {
        assert_eq!(remedy(text, &parameters), expected, "{text}");
    }
}

// F-336
#[test]
fn a_missing_audience_is_told_apart_from_a_missing_permission() {
    let mut token = token("", "", "read", json!({}));
    token.audience = Box::default();
    let rules = RuleSet::every_method(rule("permission read on orders"));
    let expected = "no - permission read on orders | would pass if: the token's audience had target-id";
    assert_eq!(explained(&rules, &Facts::of_token(&token, &NoParameters, NOW)), expected);
}

#[test]
fn without_a_token_every_remedy_begins_with_one() {
    let rules = RuleSet::every_method(rule("all: [authenticated, not: role a]"));
    let policy = Policy::compile(&rules).expect("the rule is good");
    let steps = policy.explain(&Method::GET, &Facts::anonymous(&NoParameters));
    assert!(
        steps
            .iter()
            .filter(|step| step.depth == 1)
            .all(|step| step.would_pass_if.as_deref() == Some("the request had a token"))
    );
    assert_eq!(steps.len(), 4);
}
