use http::Method;
use proptest::prelude::*;
use serde_json::{Map, Number, Value, json};

use super::*;
use crate::policy::testing::{self, policy, rule, token};
use crate::policy::{NoParameters, Parameters, Rule, RuleKind, RuleSet, Target as RuleTarget};

fn decide(text: &str, token: Option<&TokenFacts>, parameters: &dyn Parameters) -> Decision {
    policy(text).decide(&Method::GET, &Facts { token, parameters, now: testing::NOW })
}

/// `permit`, or the reason and what it names.
fn outcome(decision: &Decision) -> String {
    match decision {
        Decision::Permit { .. } => "permit".to_owned(),
        Decision::Deny { reason: Reason::MissingScope { scopes }, .. } => format!("missing_scope {scopes}"),
        Decision::Deny { reason, .. } => reason.as_str().to_owned(),
    }
}

#[test]
fn each_rule_asks_for_what_it_says() {
    let claims =
        json!({"dept": "sales", "level": 3, "groups": ["a", "b"], "realm": {"name": "x"}, "a.b": 1, "org": 42});
    let token = token("orders:read orders:list", "clerk", "read scim:user:read", claims);
    let parameters = [("entity", "target-id"), ("name", "orders"), ("other", "elsewhere"), ("org", "42"), ("g", "b")];
    for (text, expected) in [
        ("public", "permit"),
        ("authenticated", "permit"),
        ("scope orders:read", "permit"),
        ("scope orders:read orders:list", "permit"),
        ("scope orders:read orders:write", "missing_scope orders:read orders:write"),
        ("scope ORDERS:READ", "missing_scope ORDERS:READ"),
        ("any scope orders:write orders:list", "permit"),
        ("any scope orders:write orders:all", "missing_scope orders:write orders:all"),
        ("role clerk", "permit"),
        ("role admin", "missing_role"),
        ("permission read on target-id", "permit"),
        ("permission read on orders", "permit"),
        ("permission scim:user:read on orders", "permit"),
        ("permission write on orders", "missing_permission"),
        ("permission read on mail", "missing_permission"),
        ("permission read on {entity}", "permit"),
        ("permission read on {name}", "permit"),
        ("permission read on {other}", "missing_permission"),
        ("permission read on {unknown}", "missing_permission"),
        ("claim dept == sales", "permit"),
        ("claim dept == Sales", "claim_mismatch"),
        ("claim level == 3", "permit"),
        ("claim level == \"3\"", "claim_mismatch"),
        ("claim level in [1, 2, 3]", "permit"),
        ("claim level in [1, 2]", "claim_mismatch"),
        ("claim groups == b", "permit"),
        ("claim groups in [c, d]", "claim_mismatch"),
        ("claim realm.name == x", "permit"),
        ("claim \"a.b\" == 1", "permit"),
        ("claim a.b == 1", "claim_mismatch"),
        ("claim missing == x", "claim_mismatch"),
        ("claim org == {org}", "permit"),
        ("claim groups == {g}", "permit"),
        ("claim org == {other}", "claim_mismatch"),
        ("claim org == {unknown}", "claim_mismatch"),
        ("not: role admin", "permit"),
        ("not: role clerk", "denied"),
        ("not: public", "denied"),
        ("not: not: role clerk", "permit"),
        ("all: [role clerk, scope orders:read]", "permit"),
        ("any: [role admin, scope orders:read]", "permit"),
    ] {
        assert_eq!(outcome(&decide(text, Some(&token), &parameters)), expected, "{text}");
    }
}

// M-level rule F15: default deny.
#[test]
fn without_a_token_only_public_passes() {
    let parameters = [("a", "b")];
    for (text, expected) in [
        ("public", "permit"),
        ("any: [public, role admin]", "permit"),
        ("any: [role admin, all: [public, public]]", "permit"),
        ("all: [public, any: [public]]", "permit"),
        ("authenticated", "no_token"),
        ("scope a", "no_token"),
        ("not: role banned", "no_token"),
        ("not: not: public", "no_token"),
        ("not: public", "no_token"),
        ("not: any: [role a, role b]", "no_token"),
        ("any: [not: role a, role b]", "no_token"),
        ("all: [public, authenticated]", "no_token"),
        ("all: [public, not: role a]", "no_token"),
        ("claim a == {a}", "no_token"),
    ] {
        let decision = decide(text, None, &parameters);
        assert_eq!(outcome(&decision), expected, "{text}");
        assert_eq!(policy(text).is_public(&Method::GET), expected == "permit", "{text}");
    }
}

// F-336, F-193
#[test]
fn a_permission_needs_the_audience_as_well() {
    let mut token = token("", "", "read", json!({}));
    assert!(decide("permission read on orders", Some(&token), &NoParameters).is_permit());
    token.audience = ["another".into()].into();
    assert_eq!(outcome(&decide("permission read on orders", Some(&token), &NoParameters)), "missing_permission");
    token.audience = Box::default();
    assert_eq!(outcome(&decide("permission read on target-id", Some(&token), &NoParameters)), "missing_permission");
    let bare = TokenFacts { audience: ["target-id".into()].into(), ..TokenFacts::default() };
    assert_eq!(outcome(&decide("permission read on target-id", Some(&bare), &NoParameters)), "missing_permission");
}

// RFC 6750 3.1
#[test]
fn the_most_useful_reason_is_given() {
    let token = token("a", "clerk", "", json!({}));
    for (text, expected) in [
        ("all: [scope b, role admin]", "missing_scope b"),
        ("all: [role admin, scope b]", "missing_role"),
        ("all: [scope a, role clerk, scope b]", "missing_scope a b"),
        ("all: [scope a, all: [scope b, scope c]]", "missing_scope a b c"),
        ("all: [scope a, any: [scope b, scope c]]", "missing_scope a b"),
        ("all: [scope b, scope b a]", "missing_scope b a"),
        ("any: [role admin, scope b]", "missing_scope b"),
        ("any: [role admin, scope b, scope c]", "missing_scope b"),
        ("any: [all: [role admin, scope b], all: [role clerk, scope c]]", "missing_scope c"),
        ("any: [all: [scope b, role admin], permission x on y]", "missing_scope b"),
        ("any: [permission x on y, role admin]", "missing_permission"),
        ("any: [role admin, any: [claim x == y, scope d]]", "missing_scope d"),
        ("any: [not: role clerk, all: [not: scope a, scope b]]", "denied"),
        ("all: [any scope b c, scope a]", "missing_scope a b c"),
    ] {
        assert_eq!(outcome(&decide(text, Some(&token), &NoParameters)), expected, "{text}");
    }
}

#[test]
fn a_decision_names_the_rule_and_its_line() {
    let rules = Rule::any([Rule::role("a").at(3), Rule::all([Rule::role("b").at(5), Rule::scopes(["s"])]).at(4)]).at(2);
    let policy = Policy::compile(&RuleSet::every_method(rules)).expect("the rules are good");
    let decide = |token: &TokenFacts| policy.decide(&Method::GET, &Facts::of_token(token, &NoParameters, testing::NOW));
    let line = |id| policy.source(id).map(|source| source.line);

    match decide(&token("", "a", "", json!({}))) {
        Decision::Permit { rule } => assert_eq!((policy.text(rule), line(rule)), ("role a", Some(3))),
        denied @ Decision::Deny { .. } => panic!("{denied:?}"),
    }
    match decide(&token("", "b", "", json!({}))) {
        Decision::Deny { rule: Some(rule), .. } => assert_eq!((policy.text(rule), line(rule)), ("scope s", Some(4))),
        other @ (Decision::Permit { .. } | Decision::Deny { rule: None, .. }) => panic!("{other:?}"),
    }
}

// F-348
#[test]
fn methods_have_their_own_rules() {
    let rules = RuleSet::new().with(Method::GET, rule("role reader")).with(Method::PUT, Rule::public());
    let policy = Policy::compile(&rules).expect("the rules are good");
    let reader = token("", "reader", "", json!({}));
    let decide =
        |method: &Method| outcome(&policy.decide(method, &Facts::of_token(&reader, &NoParameters, testing::NOW)));
    for (method, expected) in [
        (Method::GET, "permit"),
        (Method::HEAD, "permit"),
        (Method::PUT, "permit"),
        (Method::POST, "method_not_allowed"),
        (Method::OPTIONS, "method_not_allowed"),
        (Method::TRACE, "method_not_allowed"),
        (Method::from_bytes(b"get").expect("a token"), "method_not_allowed"),
    ] {
        assert_eq!(decide(&method), expected, "{method}");
    }
    assert!(policy.is_public(&Method::PUT) && !policy.is_public(&Method::GET) && !policy.is_public(&Method::POST));
    let anonymous = |method: &Method| outcome(&policy.decide(method, &Facts::anonymous(&NoParameters)));
    assert_eq!(anonymous(&Method::HEAD), "no_token");
    assert_eq!(anonymous(&Method::POST), "method_not_allowed");
}

#[test]
fn a_thousand_branches_are_decided_like_two() {
    let token = token("s500", "r500", "p500", json!({"tenant": "t500", "number": 500}));
    let number = 0..1000;
    let sets = [
        Rule::any(number.clone().map(|n| Rule::scopes([format!("s{n}")]))),
        Rule::any(number.clone().map(|n| Rule::role(format!("r{n}")))),
        Rule::any(number.clone().map(|n| Rule::permission(format!("p{n}"), "orders"))),
        Rule::any(
            number.clone().map(|n| Rule::permission("p500", if n == 500 { "orders".into() } else { n.to_string() })),
        ),
        Rule::any(number.clone().map(|n| Rule::permission_on_parameter(format!("p{n}"), "entity"))),
        Rule::any(number.clone().map(|n| Rule::claim("tenant", format!("t{n}")))),
        Rule::any(number.clone().map(|n| Rule::claim("number", n))),
        Rule::any(number.map(|n| Rule::all([Rule::authenticated(), Rule::role("r500"), Rule::claim("number", n)]))),
    ];
    for rule in sets {
        let policy = Policy::compile(&RuleSet::every_method(rule)).expect("the rules are good");
        let parameters = [("entity", "orders")];
        let decision = policy.decide(&Method::GET, &Facts::of_token(&token, &parameters, testing::NOW));
        let Decision::Permit { rule } = decision else { panic!("{decision:?}") };
        assert!(policy.text(rule).contains("500"), "{}", policy.text(rule));
        let stranger = TokenFacts::default();
        assert!(!policy.decide(&Method::GET, &Facts::of_token(&stranger, &parameters, testing::NOW)).is_permit());
    }
}

#[test]
fn the_first_branch_in_writing_order_decides() {
    let token = token("s", "r", "read", json!({"c": "x"}));
    let branches =
        [rule("not: role z"), rule("claim c == x"), rule("permission read on orders"), rule("role r"), rule("scope s")];
    for start in 0..branches.len() {
        // Enough branches that fail, and more than one of each kind that passes.
        let failing = (0..20).map(|n| Rule::role(format!("none{n}")));
        let passing = branches.iter().cycle().skip(start).take(2 * branches.len()).cloned();
        let policy = Policy::compile(&RuleSet::every_method(Rule::any(failing.chain(passing)))).expect("good rules");
        match policy.decide(&Method::GET, &Facts::of_token(&token, &NoParameters, testing::NOW)) {
            Decision::Permit { rule } => assert_eq!(policy.text(rule), branches[start].to_string()),
            denied @ Decision::Deny { .. } => panic!("{denied:?}"),
        }
    }
}

// RFC 9470 3: acr, and how long ago; without the claim nobody passes
#[test]
fn how_and_when_a_person_authenticated_is_compared() {
    let token = |acr: Option<&str>, authenticated_at| TokenFacts {
        acr: acr.map(Into::into),
        authenticated_at,
        ..token("", "", "", json!({}))
    };
    let now = testing::NOW;
    for (text, acr, authenticated_at, expected) in [
        ("acr gold", Some("gold"), None, "permit"),
        ("acr gold", Some("Gold"), None, "weak_authentication"),
        ("acr gold", None, None, "weak_authentication"),
        ("acr in [gold, platinum]", Some("platinum"), None, "permit"),
        ("acr in [gold, platinum]", Some("silver"), None, "weak_authentication"),
        ("authenticated within 5m", None, Some(now), "permit"),
        ("authenticated within 5m", None, Some(now - 300), "permit"),
        ("authenticated within 5m", None, Some(now - 301), "old_authentication"),
        ("authenticated within 5m", None, Some(i64::MIN), "old_authentication"),
        ("authenticated within 5m", None, None, "old_authentication"),
        // The issuer's clock may be ahead of ours.
        ("authenticated within 5m", None, Some(now + 60), "permit"),
        ("authenticated within 5m", None, Some(now + 61), "old_authentication"),
        ("authenticated within 5m", None, Some(i64::MAX), "old_authentication"),
        ("not: authenticated within 5m", None, Some(now - 301), "permit"),
        ("any: [role admin, acr gold]", None, None, "weak_authentication"),
        ("any: [all: [role admin, acr gold], authenticated within 1s]", None, None, "old_authentication"),
    ] {
        let token = token(acr, authenticated_at);
        assert_eq!(
            outcome(&decide(text, Some(&token), &NoParameters)),
            expected,
            "{text} {acr:?} {authenticated_at:?}"
        );
    }
    assert_eq!(outcome(&decide("acr gold", None, &NoParameters)), "no_token");
}

// RFC 9470 3: one login has to be enough for everything that is combined by `all`
#[test]
fn a_refusal_names_everything_that_a_login_must_be() {
    let token = token("", "", "", json!({}));
    let rules = "all: [authenticated within 1h, acr in [a, b], all: [acr in [b, c], any: [authenticated within 5m, acr x]], \
                 not: acr y]";
    let wanted = |text: &str| match decide(text, Some(&token), &NoParameters) {
        Decision::Deny {
            reason: Reason::WeakAuthentication { wanted } | Reason::OldAuthentication { wanted }, ..
        } => (wanted.acr_values.join(" "), wanted.max_age),
        other => panic!("{other:?}"),
    };
    assert_eq!(wanted(rules), ("b".to_owned(), Some(3600)));
    assert_eq!(wanted("any: [authenticated within 5m, acr x]"), (String::new(), Some(300)));
    assert_eq!(wanted("acr in [a, b]"), ("a b".to_owned(), None));
}

/// Deciding again, as plainly as possible and without any of the compiled parts.
mod oracle {
    use super::*;

    pub(super) fn passes(rule: &Rule, facts: &Facts<'_>) -> bool {
        let parameter = |name: &String| facts.parameters.parameter(name).map(str::to_owned);
        let claim = |path: &crate::policy::ClaimPath| {
            let mut value = Value::Object(facts.token.map(|token| token.claims.clone()).unwrap_or_default());
            for name in &path.0 {
                value = value.get(name).cloned().unwrap_or_default();
            }
            if let Value::Array(elements) = value { elements } else { vec![value] }
        };
        match (&rule.kind, facts.token) {
            (RuleKind::Public, _) => true,
            (RuleKind::All(rules), _) => rules.iter().all(|rule| passes(rule, facts)),
            (RuleKind::Any(rules), _) => rules.iter().any(|rule| passes(rule, facts)),
            (_, None) => false,
            (RuleKind::Authenticated, Some(_)) => true,
            (RuleKind::Not(rule), Some(_)) => !passes(rule, facts),
            (RuleKind::Scopes(scopes), Some(token)) => {
                scopes.iter().all(|scope| token.scopes.iter().any(|own| own == scope))
            }
            (RuleKind::AnyScope(scopes), Some(token)) => {
                scopes.iter().any(|scope| token.scopes.iter().any(|own| own == scope))
            }
            (RuleKind::Role(role), Some(token)) => token.roles.iter().any(|own| own == role),
            (RuleKind::Permission { permission, on }, Some(token)) => {
                let entity = match on {
                    RuleTarget::Entity(name) => Some(name.clone()),
                    RuleTarget::Parameter(name) => parameter(name),
                };
                let named = |target: &&crate::policy::TargetPermissions| target.name.as_deref() == entity.as_deref();
                let with_id = |target: &&crate::policy::TargetPermissions| Some(&*target.id) == entity.as_deref();
                let target = token.permissions.iter().find(with_id).or(token.permissions.iter().find(named));
                entity.is_some()
                    && target.is_some_and(|target| {
                        target.permissions.iter().any(|own| own == permission) && token.audience.contains(&target.id)
                    })
            }
            (RuleKind::Acr(values), Some(token)) => values.iter().any(|value| token.acr.as_deref() == Some(value)),
            (RuleKind::AuthenticatedWithin(seconds), Some(token)) => {
                token.authenticated_at.is_some_and(|at| at >= facts.now - i64::from(*seconds))
            }
            (RuleKind::ClaimEquals(path, value), Some(_)) => claim(path).iter().any(|own| same(own, value)),
            (RuleKind::ClaimIn(path, values), Some(_)) => {
                claim(path).iter().any(|own| values.iter().any(|value| same(own, value)))
            }
            (RuleKind::ClaimEqualsParameter(path, name), Some(_)) => parameter(name).is_some_and(|text| {
                claim(path).iter().any(|own| match own {
                    Value::String(own) => *own == text,
                    // The random numbers are small and have no other spelling.
                    Value::Number(own) => own.as_f64() == text.parse().ok(),
                    Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
                })
            }),
        }
    }

    fn same(own: &Value, value: &Value) -> bool {
        match (own.as_number().and_then(Number::as_f64), value.as_number().and_then(Number::as_f64)) {
            (Some(own), Some(value)) => own == value,
            _ => own == value && !own.is_null(),
        }
    }

    /// The reason for a token that fails `rule`; scopes are left out.
    pub(super) fn reason(rule: &Rule, facts: &Facts<'_>) -> &'static str {
        match &rule.kind {
            RuleKind::Scopes(_) | RuleKind::AnyScope(_) => "missing_scope",
            RuleKind::Role(_) => "missing_role",
            RuleKind::Permission { .. } => "missing_permission",
            RuleKind::ClaimEquals(..) | RuleKind::ClaimIn(..) | RuleKind::ClaimEqualsParameter(..) => "claim_mismatch",
            RuleKind::All(rules) => {
                reason(rules.iter().find(|rule| !passes(rule, facts)).expect("one of them fails"), facts)
            }
            RuleKind::Acr(_) => "weak_authentication",
            RuleKind::AuthenticatedWithin(_) => "old_authentication",
            RuleKind::Any(rules) => {
                let remediable = rules.iter().find(|rule| with_another_token(rule, facts));
                reason(remediable.unwrap_or(&rules[0]), facts)
            }
            RuleKind::Not(_) | RuleKind::Public | RuleKind::Authenticated => "denied",
        }
    }

    /// Whether every failing part of `rule` asks for scopes or for another login.
    fn with_another_token(rule: &Rule, facts: &Facts<'_>) -> bool {
        passes(rule, facts)
            || match &rule.kind {
                RuleKind::Scopes(_) | RuleKind::AnyScope(_) => true,
                RuleKind::Acr(_) | RuleKind::AuthenticatedWithin(_) => true,
                RuleKind::All(rules) => rules.iter().all(|rule| with_another_token(rule, facts)),
                RuleKind::Any(rules) => rules.iter().any(|rule| with_another_token(rule, facts)),
                RuleKind::Public
                | RuleKind::Authenticated
                | RuleKind::Role(_)
                | RuleKind::Permission { .. }
                | RuleKind::ClaimEquals(..)
                | RuleKind::ClaimIn(..)
                | RuleKind::ClaimEqualsParameter(..)
                | RuleKind::Not(_) => false,
            }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn decisions_agree_with_a_naive_reading(
        rule in testing::rules(),
        token in prop::option::weighted(0.9, testing::tokens()),
        parameters in testing::parameters(),
    ) {
        let policy = Policy::compile(&RuleSet::every_method(rule.clone())).expect("random rules are good");
        let parameters = &parameters[..];
        let facts = Facts { token: token.as_ref(), parameters: &parameters, now: testing::NOW };
        let decision = policy.decide(&Method::GET, &facts);
        let expected = match (oracle::passes(&rule, &facts), facts.token) {
            (true, _) => "permit",
            (false, None) => "no_token",
            (false, Some(_)) => oracle::reason(&rule, &facts),
        };
        let decided = match &decision {
            Decision::Permit { .. } => "permit",
            Decision::Deny { reason, .. } => reason.as_str(),
        };
        prop_assert_eq!(decided, expected, "{}", rule);
        if facts.token.is_none() {
            prop_assert_eq!(policy.is_public(&Method::GET), decision.is_permit());
        }
        let steps = policy.explain(&Method::GET, &facts);
        prop_assert_eq!(steps[0].passed, decision.is_permit());
    }

    #[test]
    fn extending_never_opens(
        parent in testing::rules(), child in testing::rules(),
        token in prop::option::weighted(0.9, testing::tokens()), parameters in testing::parameters(),
    ) {
        let parameters = &parameters[..];
        let facts = Facts { token: token.as_ref(), parameters: &parameters, now: testing::NOW };
        let permits = |rules: &RuleSet, method: &Method| {
            Policy::compile(rules).expect("random rules are good").decide(method, &facts).is_permit()
        };
        let parent = RuleSet::new().with(Method::GET, parent.clone()).with_fallback(parent);
        let child = RuleSet::new().with(Method::GET, child);
        let both = child.and(&parent);
        for method in [Method::GET, Method::HEAD] {
            prop_assert_eq!(permits(&both, &method), permits(&parent, &method) && permits(&child, &method));
        }
        prop_assert_eq!(permits(&both, &Method::POST), permits(&parent, &Method::POST));
        prop_assert!(!permits(&parent.and(&child), &Method::POST));
    }
}

#[test]
fn every_reason_has_its_own_name() {
    let reasons = [
        Reason::NoToken,
        Reason::MethodNotAllowed,
        Reason::MissingScope { scopes: "a".into() },
        Reason::MissingRole,
        Reason::MissingPermission,
        Reason::ClaimMismatch,
        Reason::WeakAuthentication { wanted: Arc::default() },
        Reason::OldAuthentication { wanted: Arc::default() },
        Reason::Denied,
    ];
    assert_eq!(reasons.map(|reason| reason.as_str()), Reason::NAMES);
}

#[test]
fn an_empty_claim_path_cannot_match_the_token_itself() {
    assert_eq!(claim::find::<&str>(&Map::new(), &[]), None);
}
