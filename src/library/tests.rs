use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode, header};
use serde_json::json;

use super::*;
use crate::clock::Clock;
use crate::jose::{Algorithm, KeySet, SigningKey, TokenType};

const URL: &str = "https://idp.example";

/// A key, and the set that is published of it.
fn key() -> (SigningKey, String) {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let keys = KeySet::new([Arc::clone(key.verifying_key())]);
    let document = String::from_utf8(keys.document().to_vec()).unwrap();
    (key, document)
}

fn token(key: &SigningKey, audience: &str) -> String {
    let now = Clock::system().now();
    let claims = json!({
        "iss": URL, "sub": "ann", "aud": audience, "exp": now + 300, "iat": now, "azp": "shop",
        "scope": "orders:write orders:read", "roles": ["clerk"], "org": "acme",
    });
    key.sign(TokenType::AccessToken, &claims).unwrap()
}

fn bearing(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    headers
}

async fn outcome(enforcer: &Enforcer, rule: &str, headers: &HeaderMap) -> Result<Permit, (u16, &'static str)> {
    let guard = enforcer.guard(rule).unwrap();
    let checked = enforcer.check(&guard, Request::new(&Method::GET, headers)).await;
    checked.map_err(|refusal| (refusal.status().as_u16(), refusal.code()))
}

#[tokio::test]
async fn an_issuer_with_its_keys_and_a_rule_are_enough() {
    let (key, jwks) = key();
    let enforcer = Enforcer::builder().issuer(Issuer::with_keys(URL, &jwks).audience("orders")).build().unwrap();
    let headers = bearing(&token(&key, "orders"));
    for _ in 0..2 {
        let permit = outcome(&enforcer, "all: [scope orders:read, role clerk]", &headers).await.unwrap();
        let identity = permit.identity().unwrap();
        assert_eq!((identity.subject(), identity.issuer(), identity.client()), ("ann", URL, Some("shop")));
        assert_eq!(identity.scopes().collect::<Vec<_>>(), ["orders:read", "orders:write"]);
        assert_eq!((identity.roles().collect::<Vec<_>>(), &identity.claims()["org"]), (vec!["clerk"], &json!("acme")));
        assert!(identity.expires_at() > Clock::system().now() && permit.path().is_none());
    }
    for (rule, headers, refused) in [
        ("authenticated", HeaderMap::new(), (401, "no_token")),
        ("role admin", headers.clone(), (403, "missing_role")),
        ("scope orders:read", bearing(&token(&key, "mail")), (401, "wrong_audience")),
        ("authenticated", bearing(&token(&self::key().0, "orders")), (401, "unknown_key")),
        ("authenticated", bearing("opaque"), (401, "malformed")),
    ] {
        assert_eq!(outcome(&enforcer, rule, &headers).await.unwrap_err(), refused, "{rule}");
    }
    assert!(outcome(&enforcer, "public", &headers).await.unwrap().identity().is_none());
    // RFC 6750 3: the answer to a refusal is complete.
    let guard = enforcer.guard("scope orders:delete").unwrap();
    let refusal = enforcer.check(&guard, Request::new(&Method::GET, &headers)).await.unwrap_err();
    assert!(refusal.challenge().is_some_and(|challenge| challenge.contains("scope=\"orders:delete\"")), "{refusal:?}");
    assert_eq!(refusal.to_string(), "403 missing_scope: The access token does not permit this request");
    let query = Request::new(&Method::GET, &headers).with_query(Some("access_token=x"));
    assert_eq!(enforcer.check(&guard, query).await.unwrap_err().status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn routes_are_found_by_canonical_path_and_capture_parameters() {
    let (key, jwks) = key();
    let enforcer = Enforcer::builder()
        .issuer(Issuer::with_keys(URL, &jwks).audience("orders"))
        .route("/open/**", "public")
        .route_for("GET", "/orders/{org}", "claim org == {org}")
        .route_for("*", "/orders/{org}", "role admin")
        .build()
        .unwrap();
    let headers = bearing(&token(&key, "orders"));
    for (method, path, expected) in [
        (Method::GET, "/open//a/../b", Ok("/open/b")),
        (Method::GET, "/orders/acme", Ok("/orders/acme")),
        (Method::HEAD, "/orders/%61cme", Ok("/orders/acme")),
        (Method::GET, "/orders/other", Err((403, "claim_mismatch"))),
        (Method::POST, "/orders/acme", Err((403, "missing_role"))),
        (Method::GET, "/elsewhere", Err((404, "no_route"))),
    ] {
        let checked = enforcer.check_route(None, path, Request::new(&method, &headers)).await;
        let found = checked.as_ref().map(|permit| permit.path().unwrap());
        let found = found.map_err(|refusal| (refusal.status().as_u16(), refusal.code()));
        assert_eq!(found, expected, "{method} {path}");
    }
    // F19: what cannot be one path is refused before any rule.
    let refusal = enforcer.check_route(None, "/open/%2f..", Request::new(&Method::GET, &headers)).await.unwrap_err();
    assert_eq!(refusal.status(), StatusCode::BAD_REQUEST, "{refusal}");
}

#[tokio::test]
async fn a_configuration_says_the_same() {
    let (key, jwks) = key();
    let text = format!(
        r#"
issuers: {{ idp: {{ issuer: "{URL}", audience: orders, jwks: '{jwks}' }} }}
upstreams: {{ app: "builtin:elsewhere" }}
routes:
  /orders/**: {{ upstream: app, hosts: shop.example, require: {{ GET: scope orders:read }} }}
  /new/**: {{ upstream: app, enforce: observe, require: role admin }}
"#
    );
    let enforcer = Enforcer::from_config(&text).unwrap_or_else(|error| panic!("{error}"));
    let headers = bearing(&token(&key, "orders"));
    let request = Request::new(&Method::GET, &headers);
    let permit = enforcer.check_route(Some("shop.example:443"), "/orders/1", request).await.unwrap();
    assert_eq!(permit.identity().map(|identity| identity.subject()), Some("ann"));
    let elsewhere = enforcer.check_route(Some("other.example"), "/orders/1", request).await.unwrap_err();
    assert_eq!(elsewhere.code(), "no_route");
    let observed = enforcer.check_route(None, "/new/1", request).await.unwrap();
    assert_eq!(observed.would_be_refused(), Some("missing_role"));
    // The keys are settled: there is nothing to follow.
    enforcer.follow().await;
}

#[test]
fn what_cannot_be_meant_is_refused_with_the_reason() {
    let (_, jwks) = key();
    let build = |issuer: Issuer| Enforcer::builder().issuer(issuer).build().err().map(|error| error.to_string());
    for (issuer, said) in [
        (Issuer::at(URL), "audience(..)"),
        (Issuer::at(URL).audience("a").any_audience(), "audience(..)"),
        (Issuer::at("idp.example").audience("a"), "is not a URL"),
        (Issuer::at("http://idp.example").audience("a"), "is not https"),
        (Issuer::with_keys(URL, "{}").audience("a"), "key set cannot be used"),
        (Issuer::with_keys(URL, r#"{"keys":[]}"#).audience("a"), "no key that verifies"),
    ] {
        let error = build(issuer.clone()).unwrap_or_else(|| panic!("{issuer:?}"));
        assert!(error.contains(said), "{error}");
    }
    for issuer in
        [Issuer::at("http://127.0.0.1:1").audience("a"), Issuer::at("http://idp.example").insecure().any_audience()]
    {
        assert_eq!(build(issuer), None);
    }
    let issuer = || Issuer::with_keys(URL, &jwks).any_audience();
    let routed = |pattern: &str, method: &str, rule: &str| {
        let built = Enforcer::builder().issuer(issuer()).route("/a", "public").route_for(method, pattern, rule).build();
        built.err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert!(routed("/b", "GET", "scoop a").contains(r#"route "/b": unknown rule `scoop`"#));
    assert!(routed("/b", "get", "public").contains("did you mean \"GET\""));
    assert!(routed("/a", "*", "public").contains("has a rule already"));
    assert!(routed("/a/", "GET", "public").contains("match the same paths"));
    assert!(routed("b", "GET", "public").contains("begins with `/`"));
    assert!(routed("/b", "GET", "claim org == {org}").contains("no parameter \"org\""));
    let twice = Enforcer::builder().issuer(issuer()).issuer(issuer()).build();
    assert!(twice.is_err_and(|error| error.to_string().contains("there twice")));
    let own = Enforcer::from_config("listen: 127.0.0.1:1\n").err().unwrap();
    assert!(own.to_string().contains("authorization server of the gateway"), "{own}");
    let bound = format!(
        "issuers: {{ idp: {{ issuer: {URL}, any_audience: true }} }}\nupstreams: {{ a: builtin:elsewhere }}\n\
         routes: {{ /a: {{ upstream: a, require: scope a, binding: dpop }} }}\n"
    );
    let bound = Enforcer::from_config(&bound).err().unwrap().to_string();
    assert!(bound.contains("bound to their owner"), "{bound}");
    let broken = Enforcer::from_config("routes: { a: 1 }\nissuer: 2\n").err().unwrap().to_string();
    assert!(broken.contains("faregate.yaml:1:") && broken.contains("faregate.yaml:2:"), "{broken}");
}
