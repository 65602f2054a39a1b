use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
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
    let broken = Enforcer::from_config("routes: { a: 1 }\nissuer: 2\n").err().unwrap().to_string();
    assert!(broken.contains("faregate.yaml:1:") && broken.contains("faregate.yaml:2:"), "{broken}");
}

/// A client's key pair with its proofs (RFC 9449 4.2), and the name of the key in tokens.
struct Prover(SigningKey);

impl Prover {
    fn new() -> Self {
        Self(SigningKey::generate(Algorithm::Es256).unwrap())
    }

    /// `cnf.jkt`
    fn thumbprint(&self) -> &str {
        self.0.kid()
    }

    /// A proof for a GET of `url` with `token`.
    fn proof(&self, url: &str, token: &str, nonce: Option<&str>) -> String {
        let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = self.0.verifying_key().public_jwk().unwrap().clone();
        jwk.remove("kid");
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk });
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
        let mut claims = json!({
            "jti": uuid::Uuid::new_v4(), "htm": "GET", "htu": url, "iat": Clock::system().now(),
            "ath": encoded(digest.as_ref()),
        });
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        let message = [header, claims].map(|part| encoded(part.to_string().as_bytes())).join(".");
        let pair = aws_lc_rs::signature::EcdsaKeyPair::from_pkcs8(
            &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            self.0.private_key().unwrap().expose(),
        );
        let signature = pair.unwrap().sign(&aws_lc_rs::rand::SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", encoded(signature.as_ref()))
    }
}

fn bound(token: &str, proof: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, format!("DPoP {token}").parse().unwrap());
    headers.insert("dpop", proof.parse().unwrap());
    headers
}

// RFC 9449 4.3, 7.1: whoever says the URL has bound tokens checked, and a proof is good once
#[tokio::test]
async fn bound_tokens_are_good_for_a_url_that_is_known() {
    let ((key, jwks), prover) = (key(), Prover::new());
    let token = bound_token(&key, json!({ "jkt": prover.thumbprint() }));
    let issuer = || Issuer::with_keys(URL, &jwks).audience("orders");
    let unsaid = Enforcer::builder().issuer(issuer()).route("/orders/{id}", "authenticated").build().unwrap();
    let said = Enforcer::builder().issuer(issuer()).route("/orders/{id}", "authenticated");
    let said = said.public_url("https://shop.example/base").build().unwrap();
    let url = "https://shop.example/orders/1";
    let outcome = |checked: Result<Permit, Refusal>| match checked {
        Ok(_) => (200, ""),
        Err(refusal) => (refusal.status().as_u16(), refusal.code()),
    };
    // Nobody can tell: neither a permit nor a word against the token.
    let headers = bound(&token, &prover.proof(url, &token, None));
    let request = Request::new(&Method::GET, &headers);
    let guard = unsaid.guard("authenticated").unwrap();
    assert_eq!(outcome(unsaid.check(&guard, request).await), (503, "binding_unchecked"));
    assert_eq!(outcome(unsaid.check_route(None, "/orders/1", request).await), (503, "binding_unchecked"));
    // The caller says it, and a query means nothing.
    assert_eq!(outcome(unsaid.check(&guard, request.with_url(&format!("{url}?a=b"))).await), (200, ""));
    assert_eq!(outcome(unsaid.check(&guard, request.with_url(url)).await), (401, "proof_replayed"));
    let fresh = |target: &str| bound(&token, &prover.proof(target, &token, None));
    let headers = fresh(url);
    let request = Request::new(&Method::GET, &headers);
    for other in ["https://shop.example/orders/2", "http://shop.example/orders/1", "https://other.example/orders/1"] {
        let refused = unsaid.check(&guard, request.with_url(other)).await;
        assert_eq!(outcome(refused), (401, "proof_wrong_target"), "{other}");
    }
    // The enforcer knows it.
    for (target, path, expected) in [
        (url, "/orders/1", (200, "")),
        (url, "/orders//1", (200, "")),
        ("https://shop.example/orders/2", "/orders/1", (401, "proof_wrong_target")),
        ("https://evil.example/orders/1", "/orders/1", (401, "proof_wrong_target")),
    ] {
        let headers = fresh(target);
        let checked = said.check_route(Some("evil.example"), path, Request::new(&Method::GET, &headers)).await;
        assert_eq!(outcome(checked), expected, "{target} {path}");
    }
    // As the module of a Pingora proxy asks that holds every path to one rule.
    let (headers, guard) = (fresh(url), said.guard("authenticated").unwrap());
    assert_eq!(outcome(said.check(&guard, Request::new(&Method::GET, &headers).at("/orders/1")).await), (200, ""));
    // H2: without a proof it is nobody's.
    let refusal = said.check_route(None, "/orders/1", Request::new(&Method::GET, &bearing(&token))).await.unwrap_err();
    assert_eq!(refusal.code(), "bound_to_key");
    assert!(refusal.challenge().is_some_and(|challenge| challenge.starts_with("DPoP ")), "{refusal:?}");
    assert!(Enforcer::builder().issuer(issuer()).public_url("shop.example").build().is_err());
}

// RFC 9449 9, RFC 8705 3: routes of a configuration demand what those of the gateway do
#[tokio::test]
async fn a_configuration_may_demand_bound_tokens() {
    let ((key, jwks), prover, certificate) = (key(), Prover::new(), [7_u8; 32]);
    let text = format!(
        r#"
public_url: https://shop.example
client_certificate_header: X-Cert
trusted_proxies: [127.0.0.1]
issuers: {{ idp: {{ issuer: "{URL}", audience: orders, jwks: '{jwks}' }} }}
upstreams: {{ app: "builtin:elsewhere" }}
routes:
  /fresh: {{ upstream: app, require: authenticated, binding: {{ to: dpop, nonce: true }} }}
  /hosted: {{ upstream: app, require: authenticated, binding: dpop, hosts: [api.example] }}
  /certified: {{ upstream: app, require: authenticated, binding: certificate }}
"#
    );
    let enforcer = Enforcer::from_config(&text).unwrap_or_else(|error| panic!("{error}"));
    let token = bound_token(&key, json!({ "jkt": prover.thumbprint() }));
    let check = async |host: Option<&str>, path: &str, headers: &HeaderMap| {
        enforcer.check_route(host, path, Request::new(&Method::GET, headers)).await.map(|_| ())
    };
    let url = "https://shop.example/fresh";
    let refusal = check(None, "/fresh", &bound(&token, &prover.proof(url, &token, None))).await.unwrap_err();
    assert_eq!(refusal.code(), "proof_wrong_nonce");
    let nonce = refusal.dpop_nonce().unwrap();
    check(None, "/fresh", &bound(&token, &prover.proof(url, &token, Some(nonce)))).await.unwrap();
    let refusal = check(None, "/fresh", &bearing(&self::token(&key, "orders"))).await.unwrap_err();
    assert_eq!(refusal.code(), "not_bound");

    let hosted = prover.proof("https://api.example/hosted", &token, None);
    check(Some("api.example:8443"), "/hosted", &bound(&token, &hosted)).await.unwrap();

    let thumbprint = URL_SAFE_NO_PAD.encode(certificate);
    let headers = bearing(&bound_token(&key, json!({ "x5t#S256": thumbprint })));
    let request = Request::new(&Method::GET, &headers);
    assert_eq!(enforcer.check_route(None, "/certified", request).await.unwrap_err().code(), "wrong_certificate");
    let shown = request.with_certificate(&certificate);
    enforcer.check_route(None, "/certified", shown).await.unwrap();
}

fn bound_token(key: &SigningKey, confirmation: serde_json::Value) -> String {
    let now = Clock::system().now();
    let claims = json!({
        "iss": URL, "sub": "ann", "aud": "orders", "exp": now + 300, "iat": now, "cnf": confirmation,
    });
    key.sign(TokenType::AccessToken, &claims).unwrap()
}
