use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::policy::testing;

fn claim(path: &[&str], value: Value) -> Rule {
    RuleKind::ClaimEquals(ClaimPath(path.iter().map(|name| (*name).to_owned()).collect()), value).into()
}

#[test]
fn every_kind_of_rule_is_read() {
    let table = [
        ("public", Rule::public()),
        ("  authenticated ", Rule::authenticated()),
        ("scope orders:read", Rule::scopes(["orders:read"])),
        ("scope a  b", Rule::scopes(["a", "b"])),
        ("scope role \"and\" \"a,b\"", Rule::scopes(["role", "and", "a,b"])),
        ("any scope a b", Rule::any_scope(["a", "b"])),
        ("role admin", Rule::role("admin")),
        ("role \"head of sales\"", Rule::role("head of sales")),
        ("permission send on mail", Rule::permission("send", "mail")),
        ("permission scim:user:read on {entity}", Rule::permission_on_parameter("scim:user:read", "entity")),
        (
            "permission on on a647e989-1c7e-4386-9ec6-fa4fe6908906",
            Rule::permission("on", "a647e989-1c7e-4386-9ec6-fa4fe6908906"),
        ),
        ("acr gold", Rule::acr(["gold"])),
        ("acr \"in\"", Rule::acr(["in"])),
        ("acr in [urn:mace:incommon:iap:silver, \"a,b\"]", Rule::acr(["urn:mace:incommon:iap:silver", "a,b"])),
        ("authenticated within 5m", Rule::authenticated_within(300)),
        (
            "any: [authenticated, authenticated  within 30s]",
            Rule::any([Rule::authenticated(), Rule::authenticated_within(30)]),
        ),
        ("claim department == sales", claim(&["department"], json!("sales"))),
        ("claim a.b == 5", claim(&["a", "b"], json!(5))),
        ("claim a == -5", claim(&["a"], json!(-5))),
        ("claim a == 0.50", claim(&["a"], json!(0.5))),
        ("claim a == 18446744073709551615", claim(&["a"], json!(u64::MAX))),
        ("claim a == 007", claim(&["a"], json!("007"))),
        ("claim a == 12e5", claim(&["a"], json!("12e5"))),
        ("claim a == 1.2.3", claim(&["a"], json!("1.2.3"))),
        ("claim a == \"5\"", claim(&["a"], json!("5"))),
        ("claim a == \"\"", claim(&["a"], json!(""))),
        ("claim a == true", claim(&["a"], json!(true))),
        ("claim a == \"True\"", claim(&["a"], json!("True"))),
        ("claim a == \"true\"", claim(&["a"], json!("true"))),
        ("claim \"https://example.com/a.b\" == \"x \\\"y\\\"\"", claim(&["https://example.com/a.b"], json!("x \"y\""))),
        ("claim a.\"b.c\".d == e", claim(&["a", "b.c", "d"], json!("e"))),
        ("claim org=={org}", RuleKind::ClaimEqualsParameter(ClaimPath::top("org"), "org".to_owned()).into()),
        ("claim org == { org }", RuleKind::ClaimEqualsParameter(ClaimPath::top("org"), "org".to_owned()).into()),
        (
            "claim a in [x, 1, \"y, z\"]",
            RuleKind::ClaimIn(ClaimPath::top("a"), vec![json!("x"), json!(1), json!("y, z")]).into(),
        ),
        ("all: [role a, scope b c]", Rule::all([Rule::role("a"), Rule::scopes(["b", "c"])])),
        ("any:[role a,not: public]", Rule::any([Rule::role("a"), Rule::negate(Rule::public())])),
        ("not: all: [role a]", Rule::negate(Rule::all([Rule::role("a")]))),
    ];
    for (text, expected) in table {
        assert_eq!(parse_rule(text), Ok(expected), "{text}");
    }
}

/// Text, the offending part, words of the message, and the suggestion.
#[test]
fn errors_point_at_the_slip_and_propose() {
    let table = [
        ("", "", "missing", None),
        ("   ", "", "missing", None),
        ("rol admin", "rol", "unknown rule `rol`", Some("role")),
        ("Public", "Public", "unknown rule", Some("public")),
        ("scopes a", "scopes", "unknown rule", Some("scope")),
        ("permision a on b", "permision", "unknown rule", Some("permission")),
        ("banana", "banana", "rules begin with", None),
        ("scope:a", "scope:a", "unknown rule", Some("scope a")),
        ("role:admin", "role:admin", "unknown rule", Some("role admin")),
        ("not:role a", "not:role a", "unknown rule", Some("not: role a")),
        ("(role a)", "(role a)", "unknown rule", Some("role a")),
        ("any: [scope:a, role b]", "scope:a", "unknown rule", Some("scope a")),
        ("role:", "role:", "unknown rule", Some("role")),
        ("all [role a]", "all", "unknown rule", Some("all:")),
        ("not role a", "not", "unknown rule", Some("not:")),
        ("\"role\" a", "\"role\"", "unknown rule", Some("role")),
        ("scope", "", "expected a scope", None),
        ("scope a, b", ",", "all: [...]", None),
        ("scope a and role b", "and", "all: [...]", None),
        ("scope a || b", "||", "all: [...]", None),
        ("scope \"a b\"", "\"a b\"", "printable ASCII", None),
        ("scope caf\u{e9}", "caf\u{e9}", "printable ASCII", None),
        ("any scop a", "scop", "any scope", Some("scope")),
        ("any role a", "role", "any: [...]", None),
        ("role", "", "expected a role name", None),
        ("role a b", "b", "one role", None),
        ("role \"\"", "\"\"", "not an empty text", None),
        ("role 'a'", "'a'", "quoted with `\"`", None),
        ("role \"a", "\"a", "not closed", None),
        ("role \"a\\x\"", "\"a\\x\"", "JSON", None),
        ("permission send", "", "`on`", None),
        ("permission send to mail", "to", "`on`", None),
        ("permission send ON mail", "ON", "`on`", Some("on")),
        ("permission send on", "", "an entity", None),
        ("permission send on {entity", "{entity", "not closed", None),
        ("permission send on {}", "}", "path parameter", None),
        ("permission send on {1x}", "1x", "letters", None),
        ("acr", "", "a value of `acr`", None),
        ("acr gold silver", "silver", "acr in [a, b]", None),
        ("acr in gold", "gold", "brackets", None),
        ("acr in []", "]", "empty", None),
        ("acr in [a, \"b c\"]", "\"b c\"", "printable ASCII", None),
        ("acr gol\u{e9}", "gol\u{e9}", "printable ASCII", None),
        ("authenticated witin 5m", "witin", "`within`", Some("within")),
        ("authenticated yes", "yes", "authenticated within 5m", None),
        ("authenticated within", "", "a duration", None),
        ("authenticated within 5", "5", "a duration", None),
        ("authenticated within \"5m\"", "\"5m\"", "a duration", None),
        ("authenticated within 0s", "0s", "a duration", None),
        ("authenticated within 5m ago", "ago", "after `authenticated within 5m`", None),
        ("claim", "", "claim name is missing", None),
        ("claim a.", "", "claim name is missing", None),
        ("claim a", "", "`==` or `in`", None),
        ("claim a = b", "=", "written `==`", Some("==")),
        ("claim a is b", "is", "`==` or `in`", Some("==")),
        ("claim a != b", "!", "not: claim a", None),
        ("claim a == ", "", "expected a value", None),
        ("claim a == null", "null", "cannot be compared", None),
        // YAML reads these as values: as texts they would never be met, and `not:` would always pass.
        ("claim a == True", "True", "lower case; quote", Some("true")),
        ("not: claim a in [x, FALSE]", "FALSE", "lower case; quote", Some("false")),
        ("claim a == Null", "Null", "lower case; quote", None),
        ("claim a == 18446744073709551616", "18446744073709551616", "too large", None),
        ("claim a in x", "x", "brackets", None),
        ("claim a in []", "]", "empty", None),
        ("claim a in [x", "", "not closed", None),
        ("claim a in [x y]", "y", "expected `,` or `]`", None),
        ("claim a in [{x}]", "{", "`==`, alone", None),
        (
            "claim https://example.com/x == a",
            "https://example.com/x",
            "needs quotes",
            Some("\"https://example.com/x\""),
        ),
        ("all: []", "]", "empty", None),
        ("all: role a", "role", "brackets", None),
        ("all: [role a, rle b]", "rle", "unknown rule", Some("role")),
        ("public yes", "yes", "after `public`", None),
        ("all: [public yes]", "yes", "expected `,` or `]`", None),
        ("public]", "]", "after `public`", None),
    ];
    for (text, part, message, suggestion) in table {
        let error = parse_rule(text).expect_err(text);
        assert_eq!(&text[error.offset..error.offset + error.length], part, "{text}: {error}");
        assert!(error.message.contains(message), "{text}: {error}");
        assert_eq!(error.suggestion.as_deref(), suggestion, "{text}: {error}");
    }
}

#[test]
fn nesting_has_a_limit() {
    let nested = |depth: usize| format!("{}public", "not: ".repeat(depth));
    assert!(parse_rule(&nested(MAX_DEPTH)).is_ok());
    assert!(parse_rule(&nested(MAX_DEPTH + 1)).is_err_and(|error| error.message.contains("deeper")));
    assert!(parse_rule(&nested(1_000_000)).is_err());
}

/// Names and values that need every kind of care when printed.
fn awkward_rules() -> impl Strategy<Value = Rule> {
    let text = || {
        prop_oneof![
            "\\PC{1,8}",
            "[a-z.:'\"\\\\ =,{}\\[\\]-]{1,6}",
            prop::sample::select(vec![
                "and", "OR", "null", "true", "1", "-0", "1.5", "1e3", "all:", "x://y", "\t\u{0}"
            ])
            .prop_map(str::to_owned),
        ]
    };
    let scope = || prop_oneof!["[!#-\\[\\]-~]{1,6}", Just("and".to_owned()), Just("'x".to_owned())];
    let path = || prop::collection::vec(text(), 1..4).prop_map(ClaimPath);
    let value = || {
        prop_oneof![
            text().prop_map(Value::from),
            Just(json!("")),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_filter("JSON has finite numbers only", |float| float.is_finite()).prop_map(Value::from),
        ]
    };
    let on = prop_oneof![text().prop_map(Target::Entity), "[a-z_][a-z0-9_-]{0,4}".prop_map(Target::Parameter)];
    let leaf = prop_oneof![
        prop::collection::vec(scope(), 1..4).prop_map(Rule::scopes),
        prop::collection::vec(scope(), 1..4).prop_map(Rule::any_scope),
        text().prop_map(Rule::role),
        prop::collection::vec(scope(), 1..4).prop_map(Rule::acr),
        (1..=u32::MAX).prop_map(Rule::authenticated_within),
        (text(), on).prop_map(|(permission, on)| RuleKind::Permission { permission, on }.into()),
        (path(), value()).prop_map(|(path, value)| RuleKind::ClaimEquals(path, value).into()),
        (path(), prop::collection::vec(value(), 1..4))
            .prop_map(|(path, values)| RuleKind::ClaimIn(path, values).into()),
        (path(), "[a-z]{1,4}").prop_map(|(path, name)| RuleKind::ClaimEqualsParameter(path, name).into()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Rule::all),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Rule::any),
            inner.prop_map(Rule::negate),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_printed_reads_back(rule in prop_oneof![testing::rules(), awkward_rules()]) {
        let text = rule.to_string();
        prop_assert_eq!(parse_rule(&text), Ok(rule), "{}", text);
    }

    #[test]
    fn no_text_panics_and_errors_lie_within_it(text in prop_oneof![
        "\\PC{0,30}",
        "(role|scope|any|claim|all:|not:|on|in|==|=|a|\"b\"|[\\[\\]{},. ]){0,12}",
    ]) {
        if let Err(error) = parse_rule(&text) {
            prop_assert!(text.get(error.offset..error.offset + error.length).is_some(), "{:?} {:?}", text, error);
        }
    }
}
