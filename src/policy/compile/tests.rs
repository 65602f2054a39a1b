use serde_json::json;

use super::*;
use crate::policy::testing::rule;

fn compile(rule: Rule) -> Result<Policy, CompileError> {
    Policy::compile(&RuleSet::every_method(rule))
}

// F15: a rule that says nothing must not pass for everything.
#[test]
fn rules_that_ask_for_nothing_are_refused() {
    let none: [&str; 0] = [];
    for refused in [
        Rule::all([]),
        Rule::any([]),
        Rule::negate(Rule::any([])),
        Rule::scopes(none),
        Rule::any_scope(none),
        Rule::scopes([""]),
        Rule::scopes(["a\" b"]),
        Rule::role(""),
        Rule::acr(none),
        Rule::acr(["a b"]),
        Rule::permission("", "entity"),
        Rule::permission("send", ""),
        Rule::permission_on_parameter("send", "a b"),
        Rule::claim("a", json!(null)),
        Rule::claim("a", json!(["x"])),
        RuleKind::ClaimIn(ClaimPath::top("a"), vec![]).into(),
        RuleKind::ClaimEquals(ClaimPath(vec![]), json!("x")).into(),
        RuleKind::ClaimEqualsParameter(ClaimPath::top("a"), String::new()).into(),
    ] {
        let text = refused.to_string();
        let error = compile(Rule::all([Rule::public(), refused.at(7)])).expect_err(&text);
        assert!(error.at.is_some_and(|source| source.line == 7), "{text}: {error}");
    }
}

#[test]
fn depth_is_bounded_but_leaves_room_for_extending() {
    let nested = |depth: usize| (0..depth).fold(Rule::public(), |rule, _| Rule::all([rule]));
    assert!(compile(nested(MAX_DEPTH)).is_ok());
    assert!(compile(nested(MAX_DEPTH + 1)).is_err());

    let rules = RuleSet::every_method(rule("role a"));
    let chain = (0..60).fold(rules.clone(), |parent, _| rules.and(&parent));
    assert!(Policy::compile(&chain).is_ok());
}

#[test]
fn names_in_use_are_listed_once() {
    let text = "any: [permission a on {x}, claim b == {y}, claim c == {x}, permission d on mail, not: permission e on \
                A647E989-1C7E-4386-9EC6-FA4FE6908906]";
    let policy = compile(rule(text)).expect("the rule is good");
    assert_eq!(policy.parameters().collect::<Vec<_>>(), ["x", "y"]);
    assert_eq!(policy.entities().collect::<Vec<_>>(), ["a647e989-1c7e-4386-9ec6-fa4fe6908906", "mail"]);
}
