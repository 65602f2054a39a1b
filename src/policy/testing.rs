//! Facts and random rules for this module's tests.
//!
//! Owns the small world that random rules and tokens share, so that they meet often; it asserts nothing.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

/// When random tokens are decided on, in Unix seconds.
pub(super) const NOW: i64 = 1_000;

/// A rule from text that the test wrote.
#[track_caller]
pub(super) fn rule(text: &str) -> Rule {
    parse_rule(text).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

/// A policy with one rule for every method.
#[track_caller]
pub(super) fn policy(text: &str) -> Policy {
    Policy::compile(&RuleSet::every_method(rule(text))).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A token with one target, `target-id` called `orders`, on which it has `permissions`.
pub(super) fn token(scopes: &str, roles: &str, permissions: &str, claims: Value) -> TokenFacts {
    let target = TargetPermissions {
        id: "target-id".into(),
        name: Some("orders".into()),
        permissions: Words::parse(permissions),
    };
    TokenFacts {
        issuer: "https://issuer.example".into(),
        subject: "subject".into(),
        audience: ["target-id".into()].into(),
        scopes: Words::parse(scopes),
        roles: Words::parse(roles),
        permissions: [target].into_iter().collect(),
        claims: claims.as_object().cloned().unwrap_or_default(),
        ..TokenFacts::default()
    }
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "d"]).prop_map(str::to_owned)
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => name().prop_map(Value::from),
        1 => (0..3_i64).prop_map(Value::from),
        1 => prop::sample::select(vec![json!(0.5), json!(1.0), json!(true), json!("1")]),
    ]
}

fn claim_path() -> impl Strategy<Value = ClaimPath> {
    prop_oneof![
        3 => name().prop_map(ClaimPath::top),
        1 => (name(), name()).prop_map(|(outer, inner)| ClaimPath(vec![outer, inner])),
    ]
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![name().prop_map(Target::Entity), name().prop_map(Target::Parameter)]
}

fn leaf() -> impl Strategy<Value = Rule> {
    let names = || prop::collection::vec(name(), 1..3);
    prop_oneof![
        1 => Just(Rule::public()),
        1 => Just(Rule::authenticated()),
        4 => names().prop_map(Rule::scopes),
        2 => names().prop_map(Rule::any_scope),
        3 => name().prop_map(Rule::role),
        4 => (name(), target()).prop_map(|(permission, on)| RuleKind::Permission { permission, on }.into()),
        1 => prop::collection::vec(name(), 1..3).prop_map(Rule::acr),
        1 => (1..9_u32).prop_map(Rule::authenticated_within),
        3 => (claim_path(), scalar()).prop_map(|(path, value)| RuleKind::ClaimEquals(path, value).into()),
        2 => (claim_path(), prop::collection::vec(scalar(), 1..12))
            .prop_map(|(path, values)| RuleKind::ClaimIn(path, values).into()),
        2 => (claim_path(), name()).prop_map(|(path, name)| RuleKind::ClaimEqualsParameter(path, name).into()),
    ]
}

/// Rules over few names, some with enough branches to be indexed.
pub(super) fn rules() -> impl Strategy<Value = Rule> {
    leaf().prop_recursive(3, 40, 14, |inner| {
        prop_oneof![
            2 => prop::collection::vec(inner.clone(), 1..4).prop_map(Rule::all),
            1 => prop::collection::vec(inner.clone(), 1..4).prop_map(Rule::any),
            2 => prop::collection::vec(inner.clone(), 8..14).prop_map(Rule::any),
            1 => prop::collection::vec(prop::collection::vec(inner.clone(), 2..4).prop_map(Rule::all), 8..14)
                .prop_map(Rule::any),
            1 => inner.prop_map(Rule::negate),
        ]
    })
}

fn claims() -> impl Strategy<Value = Map<String, Value>> {
    let value = prop_oneof![
        3 => scalar(),
        1 => prop::collection::vec(scalar(), 0..3).prop_map(Value::from),
        1 => (name(), scalar()).prop_map(|(name, value)| json!({ name: value })),
        1 => Just(Value::Null),
    ];
    prop::collection::vec((name(), value), 0..4).prop_map(|claims| claims.into_iter().collect())
}

fn words() -> impl Strategy<Value = Words> {
    prop::collection::vec(name(), 0..3).prop_map(|words| words.into_iter().collect())
}

/// Tokens over the names that [`rules`] use.
pub(super) fn tokens() -> impl Strategy<Value = TokenFacts> {
    let target = (name(), prop::option::of(name()), words()).prop_map(|(id, name, permissions)| TargetPermissions {
        id: id.into(),
        name: name.map(Into::into),
        permissions,
    });
    let audience = prop::collection::vec(name().prop_map(Into::into), 0..4).prop_map(Vec::into_boxed_slice);
    let authenticated_at = prop::option::of(NOW - 10..NOW + 2);
    let login = (prop::option::of(name().prop_map(Into::into)), authenticated_at);
    (words(), words(), prop::collection::vec(target, 0..3), audience, claims(), login).prop_map(
        |(scopes, roles, targets, audience, claims, (acr, authenticated_at))| TokenFacts {
            acr,
            authenticated_at,
            scopes,
            roles,
            audience,
            permissions: targets.into_iter().collect(),
            claims,
            ..TokenFacts::default()
        },
    )
}

/// Path parameters over the names that [`rules`] use.
pub(super) fn parameters() -> impl Strategy<Value = Vec<(String, String)>> {
    let value = prop_oneof![3 => name(), 1 => Just("1".to_owned())];
    prop::collection::vec((name(), value), 0..4)
}
