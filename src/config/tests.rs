//! `tests:` - policy tests that travel with the policies they prove.
//!
//! Owns their syntax and how they are run against the checked routes. It decides nothing: `route` and `policy` do.

use http::Method;
use serde_json::{Map, Value as Json, json};

use super::check::{Check, Fields};
use super::free;
use super::issuers::{EMBEDDED, Issuer, IssuerKind};
use super::node::{Node, Value};
use super::problem::{Layer, Problem, Span};
use super::process::word;
use super::routes;
use super::scalar::{self, Refusal};
use super::source::Source;
use super::values::{AcceptedIssuer, Config, Route};
use crate::directory::declare::EntityDeclaration;
use crate::policy::{ClaimNames, Decision, Facts, Reason, TokenFacts};
use crate::route::{RouteTable, canonical};

pub(super) const KEYS: &[&str] = &["name", "token", "request", "host", "expect", "reason"];

const EXPECTATIONS: &[&str] = &["permit", "allow", "deny"];
const NO_ROUTE: &str = "no_route";
const INVALID_PATH: &str = "invalid_path";

/// What the gateway says of a token from another issuer, and of one for another audience.
const ISSUER_NOT_ACCEPTED: &str = "issuer_not_accepted";
const WRONG_AUDIENCE: &str = "wrong_audience";

/// Every reason that a denial can have here.
fn reasons() -> Vec<&'static str> {
    Reason::NAMES.into_iter().chain([ISSUER_NOT_ACCEPTED, WRONG_AUDIENCE, NO_ROUTE, INVALID_PATH]).collect()
}

/// One policy test, checked.
#[derive(Clone, Debug)]
pub struct PolicyTest {
    pub name: String,
    /// The claims of the token; `None` is a request without a token. `iss` is the name of an issuer, `self` by default;
    /// without `aud` the token has the audience that the route asks for. The clock stands at 0: `auth_time: -60` is a
    /// minute ago.
    pub token: Option<Map<String, Json>>,
    pub method: Method,
    pub path: String,
    pub host: Option<String>,
    pub expect: Expectation,
    /// The reason that a denial must have.
    pub reason: Option<String>,
    pub span: Span,
}

/// What a policy test expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    Permit,
    Deny,
}

/// How a policy test went.
#[derive(Clone, Debug)]
pub struct TestOutcome {
    pub name: String,
    /// The test's line in the file.
    pub line: u32,
    /// `permit`, `deny` or `deny (reason)`.
    pub expected: String,
    pub got: String,
    /// The rule that decided, and its line.
    pub rule: Option<(String, Option<u32>)>,
    /// `None` if the test passed.
    pub problem: Option<Problem>,
}

impl TestOutcome {
    pub fn passed(&self) -> bool {
        self.problem.is_none()
    }
}

/// In the order of the file.
pub(super) fn check(node: Option<&Node>, issuers: &[Issuer], check: &mut Check<'_>) -> Vec<PolicyTest> {
    let nodes = node.map_or(&[][..], |node| check.items(node));
    nodes.iter().filter_map(|node| policy_test(node, issuers, check)).collect()
}

/// A denial that is expected for another reason would be found for this one.
fn refuse_unknown_issuer(token: &Node, issuers: &[Issuer], check: &mut Check<'_>) {
    let Some(node) = Fields::open_again(token).and_then(|claims| claims.find("iss")) else { return };
    let Value::Scalar(issuer) = &node.value else { return };
    let known: Vec<&str> = issuers.iter().map(|issuer| issuer.name.as_str()).collect();
    if !known.contains(&issuer.text.as_str()) {
        check.refuse_word(node.span, format!("unknown issuer {}", issuer.shown()), &issuer.text, &known);
    }
}

fn policy_test(node: &Node, issuers: &[Issuer], check: &mut Check<'_>) -> Option<PolicyTest> {
    let fields = Fields::open(node, KEYS, check)?;
    let token = match fields.find("token") {
        None => None,
        Some(node) => match &node.value {
            Value::Scalar(scalar) if scalar.text == "none" => None,
            Value::Null | Value::Scalar(_) | Value::List(_) | Value::Map(_) | Value::Unusable => {
                refuse_unknown_issuer(node, issuers, check);
                Some(free::object(node, check))
            }
        },
    };
    let reasons = reasons();
    let reason = fields.find("reason").and_then(|node| check.text(node).map(|reason| (reason, node.span)));
    if let Some((reason, span)) = reason.filter(|(reason, _)| !reasons.contains(&reason.text.as_str())) {
        check.refuse_word(span, format!("unknown reason {}", reason.shown()), &reason.text, &reasons);
    }
    let host = fields.find("host").and_then(|node| check.parsed(node, scalar::host));
    let expect = fields.require("expect", "expect: permit, or expect: deny", check);
    let expect = expect.and_then(|_| word(&fields, "expect", EXPECTATIONS, check));
    if let Some((_, span)) = reason.filter(|_| expect.is_some_and(|expect| expect != "deny")) {
        check.refuse(span, "only a denial has a reason");
    }
    let request = fields.require("request", "request: GET /api/orders", check);
    let request = request.and_then(|node| check.parsed(node, parse_request));
    let name = fields.require("name", "name: readers cannot write", check).and_then(|node| check.text(node));
    let (method, path) = request?;
    Some(PolicyTest {
        name: name?.as_written().to_owned(),
        token,
        method,
        path,
        host,
        expect: if expect? == "deny" { Expectation::Deny } else { Expectation::Permit },
        reason: reason.map(|(reason, _)| reason.text.clone()),
        span: name.and_then(|_| fields.find("name")).map_or(node.span, |node| node.span),
    })
}

/// `METHOD /path`; a query is not looked at.
fn parse_request(text: &str) -> Result<(Method, String), Refusal> {
    let refused = |help: &str| Refusal { expected: "a request like `GET /api/orders`", help: Some(help.to_owned()) };
    let (method, path) = text.split_once(' ').ok_or_else(|| refused("write the method, a space and the path"))?;
    let method =
        Method::from_bytes(method.as_bytes()).ok().filter(|method| method.as_str() == method.as_str().to_uppercase());
    let method = method.ok_or_else(|| refused("write the method in capitals"))?;
    let path = path.split('?').next().unwrap_or(path);
    if !path.starts_with('/') {
        return Err(refused("start the path with `/`"));
    }
    Ok((method, path.to_owned()))
}

/// Runs every policy test of a configuration against its routes.
pub fn policy_tests(config: &Config) -> Vec<TestOutcome> {
    let Ok(table) = routes::table(&config.routes) else {
        return Vec::new();
    };
    config.tests.iter().map(|test| run(test, config, &table)).collect()
}

fn run(test: &PolicyTest, config: &Config, table: &RouteTable<usize>) -> TestOutcome {
    let verdict = decide(test, config, table);
    let expected = match (test.expect, &test.reason) {
        (Expectation::Permit, _) => "permit".to_owned(),
        (Expectation::Deny, None) => "deny".to_owned(),
        (Expectation::Deny, Some(reason)) => format!("deny ({reason})"),
    };
    let got = verdict.refused.map_or("permit".to_owned(), |reason| format!("deny ({reason})"));
    let passed = match (test.expect, verdict.refused) {
        (Expectation::Permit, refused) => refused.is_none(),
        (Expectation::Deny, None) => false,
        (Expectation::Deny, Some(reason)) => test.reason.as_ref().is_none_or(|wanted| wanted == reason),
    };
    let problem = (!passed).then(|| {
        let message = format!("policy test {:?} failed: expected {expected}, got {got}", test.name);
        let problem = Problem::new(Layer::PolicyTests, &config.source, test.span, message);
        problem.with_help(verdict.explanation(&config.source))
    });
    TestOutcome { name: test.name.clone(), line: test.span.line, expected, got, rule: verdict.rule, problem }
}

/// What became of a request.
struct Verdict {
    /// The reason of a denial.
    refused: Option<&'static str>,
    route: Option<(String, u32)>,
    rule: Option<(String, Option<u32>)>,
}

impl Verdict {
    fn explanation(&self, source: &Source) -> String {
        let place = |line: u32| format!("{}:{line}", source.name());
        match (&self.rule, &self.route) {
            // A rule that was put together from variables is not shown.
            (Some((rule, Some(line))), _) if source.has(*line, rule) => {
                format!("decided by the rule `{rule}` ({})", place(*line))
            }
            (Some((_, Some(line))), _) => format!("decided by the rule at {}", place(*line)),
            (Some((_, None)) | None, Some((route, line))) => {
                format!("decided by the route {route:?} ({})", place(*line))
            }
            (Some((_, None)) | None, None) => "no route matches the request".to_owned(),
        }
    }
}

/// The steps of the gateway, with claims in place of a token: route, issuer, audience, policy.
fn decide(test: &PolicyTest, config: &Config, table: &RouteTable<usize>) -> Verdict {
    let refused = |reason, route: Option<&Route>| Verdict {
        refused: Some(reason),
        route: route.map(|route| (route.name.clone(), route.line)),
        rule: None,
    };
    let Ok(path) = canonical(&test.path) else {
        return refused(INVALID_PATH, None);
    };
    let Some(found) = table.find(test.host.as_deref(), &path) else {
        return refused(NO_ROUTE, None);
    };
    let Some(route) = config.routes.get(*found.value) else {
        return refused(NO_ROUTE, None);
    };
    // The token of a request that needs none is not looked at.
    let claims = test.token.as_ref().filter(|_| !route.policy.is_public(&test.method));
    let mut token = None;
    if let Some(claims) = claims {
        match supposed(config, route, claims) {
            Ok(facts) => token = Some(facts),
            Err(reason) => return refused(reason, Some(route)),
        }
    }
    let parameters = found.parameters.as_slice();
    // Its clock stands at 0, so that `auth_time: -60` is a minute ago.
    let facts = Facts { token: token.as_ref(), parameters: &parameters, now: 0 };
    let (rule, refused) = match route.policy.decide(&test.method, &facts) {
        Decision::Permit { rule } => (Some(rule), None),
        Decision::Deny { rule, reason } => (rule, Some(reason.as_str())),
    };
    let rule = rule.map(|id| {
        let line = route.policy.source(id).map(|source| source.line);
        (route.policy.text(id).to_owned(), line)
    });
    Verdict { refused, route: Some((route.name.clone(), route.line)), rule }
}

/// The facts of a token that has these claims, if it has been verified. `iss` is the name of an issuer, or what its tokens say;
/// without it the token is of the authorization server inside. Without `aud` it is for what the route asks for.
///
/// # Errors
/// The reason why the route takes no such token.
pub fn supposed(config: &Config, route: &Route, claims: &Map<String, Json>) -> Result<TokenFacts, &'static str> {
    let said = claims.get("iss").and_then(Json::as_str).unwrap_or(EMBEDDED);
    let is_called = |issuer: &Issuer| {
        issuer.name == said
            || match &issuer.kind {
                IssuerKind::Foreign(foreign) => foreign.issuer == said,
                IssuerKind::Tenant(None) => config.public_url.as_str() == said,
                IssuerKind::Tenant(Some(_)) => false,
            }
    };
    let accepted = route.tokens.iter().find(|accepted| is_called(&config.issuers[accepted.issuer.0]));
    let accepted = accepted.ok_or(ISSUER_NOT_ACCEPTED)?;
    let names = config.issuers[accepted.issuer.0].claim_names();
    let facts = token_facts(claims, (accepted, names), &config.directory.entities);
    let audience = &accepted.audience;
    if !audience.is_empty() && !facts.audience.iter().any(|own| audience.iter().any(|wanted| **own == **wanted)) {
        return Err(WRONG_AUDIENCE);
    }
    Ok(facts)
}

/// The facts of a token with these claims, as if it had been verified. A rule may name a declared entity either way.
fn token_facts(
    claims: &Map<String, Json>,
    (accepted, claim_names): (&AcceptedIssuer, &ClaimNames),
    entities: &[EntityDeclaration],
) -> TokenFacts {
    let mut claims = claims.clone();
    claims.entry("iss").or_insert_with(|| json!(EMBEDDED));
    claims.entry("sub").or_insert_with(|| json!("test"));
    if !claims.contains_key("aud") {
        let targets = claims.get("permissions").and_then(Json::as_object).into_iter().flat_map(Map::keys);
        let audience = accepted.audience.iter().chain(targets).map(|audience| json!(audience)).collect();
        claims.insert("aud".to_owned(), Json::Array(audience));
    }
    let facts = TokenFacts::of_named_claims(claims, claim_names);
    let names: Vec<_> = entities
        .iter()
        .filter_map(|entity| Some((entity.id?.to_string().into(), entity.name.as_str().into())))
        .collect();
    TokenFacts { permissions: facts.permissions.with_names(&names), ..facts }
}
