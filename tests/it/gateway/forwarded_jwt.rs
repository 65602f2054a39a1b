//! `forward.jwt`: whatever token a client sends, the upstream gets a short-lived JWT of the gateway's own.

use std::collections::BTreeSet;

use faregate::jose::{self, AlgorithmSet, Expectations, KeySet, TypeSet};
use serde_json::{Value, json};

use crate::support::authorization_server::part;
use crate::support::foreign_issuer::{ForeignIssuer, INTROSPECT, Reply, now};
use crate::support::gateway::{Gateway, RECIPIENT_ID, Reloadable, TARGET_ID, client};
use crate::support::gateway_people::{BRIEF, BRIEF_WEB, WEB, text};

const KEY_SET: &str = "/_faregate/jwks.json";

const ROUTES: &str = r#"
trusted_proxies: ["127.0.0.1"]
forward: { jwt: true }
upstreams:
  app: "${UPSTREAM}"
  legacy: { servers: ["${UPSTREAM}"], jwt: { header: Authorization, audience: https://legacy.example, lifetime: 30s } }
  named: { servers: ["${UPSTREAM}"], jwt: { header: X-Gate-Token } }
  plain: { servers: ["${UPSTREAM}"], jwt: false }
  nginx: "builtin:elsewhere"
routes:
  /api/**: { upstream: app, require: { GET: permission read on orders, "*": public } }
  /legacy/**: { upstream: legacy, require: { GET: authenticated, "*": public } }
  /named/**: { upstream: named, require: authenticated }
  /plain/**: { upstream: plain, require: authenticated }
  /asked/**: { upstream: nginx, require: { GET: authenticated, "*": public } }
  /tried/**: { upstream: app, require: role admin, enforce: observe }
"#;

async fn document(gateway: &Gateway, path: &str) -> Value {
    client().get(gateway.url(path)).send().await.unwrap().json().await.unwrap()
}

/// The claims, as an upstream that knows the key set and its own name verifies them.
async fn verified(gateway: &Gateway, audience: &str, token: &str) -> Value {
    let keys = KeySet::parse(&document(gateway, KEY_SET).await.to_string()).unwrap();
    let expectations = Expectations {
        audiences: [audience.into()].into(),
        types: TypeSet::new(["gate+jwt"]),
        algorithms: AlgorithmSet::asymmetric(),
        ..Expectations::new(&gateway.url("/_faregate"))
    };
    let verified = jose::verify(token, &expectations, &keys, now()).unwrap_or_else(|reason| panic!("{reason:?}"));
    Value::Object(verified.claims)
}

async fn ask(gateway: &Gateway, method: &str, target: &str, fields: &str) {
    let answer = gateway.request(method, target, &format!("{fields}Content-Length: 0\r\n")).await;
    assert_eq!(answer.status(), 200, "{target}: {}", answer.text);
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

// F-332: identity and permissions, signed, for this upstream; and the client's own token stays at the gate
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_can_verify_who_calls() {
    let gateway = Gateway::with(ROUTES, &[]).await;
    let token = gateway.reader().await;
    ask(&gateway, "GET", "/api/x", &bearer(&token)).await;
    let received = gateway.upstream.last();
    assert!(!received.head.contains(&token) && received.field("authorization").is_none(), "{}", received.head);
    assert_eq!(received.field("x-auth-subject").as_deref(), Some(RECIPIENT_ID), "the plain fields are there too");
    let jwt = received.field("x-auth-jwt").expect("a token");
    assert_eq!(part(&jwt, 0)["typ"], "gate+jwt");
    let claims = verified(&gateway, "app", &jwt).await;
    let original = part(&token, 1);
    let expected = json!({
        "aud": "app", "client_id": RECIPIENT_ID, "exp": claims["exp"], "iat": claims["iat"], "iss": gateway.url("/_faregate"),
        "jti": claims["jti"], "permissions": { TARGET_ID: ["read"] }, "scope": original["scope"], "sub": RECIPIENT_ID,
        "sub_id": { "format": "iss_sub", "iss": gateway.url(""), "sub": RECIPIENT_ID }, "tid": original["tid"],
    });
    assert_eq!(claims, expected);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 300);
    // The same one again, for this upstream; another one for another.
    ask(&gateway, "GET", "/api/y", &bearer(&token)).await;
    assert_eq!(gateway.upstream.last().field("x-auth-jwt"), Some(jwt.clone()));
    ask(&gateway, "GET", "/named/x", &bearer(&token)).await;
    let named = gateway.upstream.last();
    assert_eq!(named.field("x-auth-jwt"), None);
    let other = named.field("x-gate-token").expect("a token");
    assert_ne!(verified(&gateway, "named", &other).await["jti"], claims["jti"]);
    ask(&gateway, "GET", "/plain/x", &bearer(&token)).await;
    assert!(!gateway.upstream.last().head.contains("eyJ"), "none where none is wanted");
}

// An upstream that checks bearers itself
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_can_travel_as_the_bearer() {
    let gateway = Gateway::with(ROUTES, &[]).await;
    let token = gateway.reader().await;
    ask(&gateway, "GET", "/legacy/x", &bearer(&token)).await;
    let fields = gateway.upstream.last().all("authorization");
    let [field] = fields.as_slice() else { panic!("{fields:?}") };
    let claims = verified(&gateway, "https://legacy.example", field.strip_prefix("Bearer ").unwrap()).await;
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 30);
    // Where nobody is vouched for, nobody's is there.
    ask(&gateway, "POST", "/legacy/x", &bearer(&token)).await;
    assert_eq!(gateway.upstream.last().field("authorization"), None);
}

// M1, F-333: in every spelling, for every upstream, whether it gets one or not
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_one_never_arrives() {
    let gateway = Gateway::with(ROUTES, &[]).await;
    let token = gateway.reader().await;
    let forged: String = ["X-Auth-Jwt", "x_auth_jwt", "X.Auth.Jwt", "X-Gate-Token", "x_gate-token"]
        .map(|name| format!("{name}: forged\r\n"))
        .concat();
    for (method, target) in [
        ("GET", "/api/x"),
        ("POST", "/api/x"),
        ("GET", "/legacy/x"),
        ("POST", "/legacy/x"),
        ("GET", "/named/x"),
        ("GET", "/plain/x"),
        ("GET", "/tried/x"),
    ] {
        ask(&gateway, method, target, &format!("{}{forged}", bearer(&token))).await;
        assert!(!gateway.upstream.last().head.contains("forged"), "{method} {target}");
    }
    // Asked for a decision, we answer with the field, empty where there is nobody.
    let told = |method: &str| format!("X-Original-Method: {method}\r\nX-Original-URI: /asked/x\r\n");
    let answer = gateway.request("GET", "/_faregate/verify", &format!("{}{}", told("GET"), bearer(&token))).await;
    let claims = verified(&gateway, "nginx", answer.field("x-auth-jwt").unwrap()).await;
    assert_eq!((answer.status(), &claims["sub"]), (200, &json!(RECIPIENT_ID)));
    let public = gateway.request("GET", "/_faregate/verify", &told("POST")).await;
    assert_eq!((public.status(), public.field("x-auth-jwt")), (200, Some("")));
    let spelled = format!("{}{}x_auth_jwt: forged\r\n", told("GET"), bearer(&token));
    let refused = gateway.request("GET", "/_faregate/verify", &spelled).await;
    assert_eq!((refused.status(), &refused.json()["code"]), (403, &json!("identity_forged")));
}

// The phantom token: opaque outside, a JWT inside; never past the end of what the client has
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opaque_token_becomes_a_jwt() {
    let corp = ForeignIssuer::start().await;
    let routes = r#"
listen: "${LISTEN}"
issuers: { corp: { issuer: "${CORP}", audience: api, introspection: { client_id: gate, client_secret: s } } }
upstreams: { app: { servers: ["${UPSTREAM}"], jwt: true } }
routes:
  /api/**: { upstream: app, require: scope read }
"#;
    let gateway = Gateway::of(routes, &[("CORP", &corp.url())]).await;
    let ends = now() + 60;
    let active = json!({
        "active": true, "sub": "someone", "aud": "api", "scope": "read", "client_id": "shop", "exp": ends, "acr": "gold",
        "auth_time": 1_700_000_000,
    });
    corp.reply(INTROSPECT, Reply::json(&active));
    for token in ["2YotnFZFEjr1zCsicMWpAA".to_owned(), corp.token(json!({ "exp": ends, "acr": "gold" }))] {
        ask(&gateway, "GET", "/api/x", &bearer(&token)).await;
        let received = gateway.upstream.last();
        assert!(!received.head.contains(&token));
        let claims = verified(&gateway, "app", &received.field("x-auth-jwt").unwrap()).await;
        let said = ["acr", "exp", "scope", "sub"].map(|name| claims[name].clone());
        assert_eq!(said, [json!("gold"), json!(ends), json!("read"), json!("someone")]);
        assert_eq!(claims["sub_id"]["iss"], corp.url());
    }
}

// Its life is that of the client's token, where that is the shorter one
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_ends_with_the_clients_token() {
    let routes = r#"
forward: { jwt: { lifetime: 1h, algorithm: EdDSA } }
upstreams: { app: "${UPSTREAM}" }
routes:
  /api/**: { upstream: app, tokens: [self, brief], require: authenticated }
"#;
    let (gateway, _) = Gateway::with_people("standard", routes).await;
    for client_id in [WEB, BRIEF_WEB] {
        // Used at once: the latter's is good for a few seconds.
        let path = if client_id == WEB { "/oauth2/token".to_owned() } else { format!("/{BRIEF}/oauth2/token") };
        let token = text(&gateway.tokens_of_ada_at(client_id, &path, "openid").await, "access_token");
        ask(&gateway, "GET", "/api/x", &bearer(&token)).await;
        let jwt = gateway.upstream.last().field("x-auth-jwt").unwrap();
        assert_eq!(part(&jwt, 0)["alg"], "EdDSA");
        let (said, original) = (verified(&gateway, "app", &jwt).await, part(&token, 1));
        let same = ["acr", "auth_time", "client_id", "exp", "sub", "tid"];
        assert_eq!(same.map(|name| said[name].clone()), same.map(|name| original[name].clone()));
    }
}

// Keys of its own: no tenant publishes them, and there are none where nobody gets such a token
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_keys_are_published_apart() {
    let gateway = Gateway::with(ROUTES, &[]).await;
    let kids = |set: &Value| -> BTreeSet<String> {
        set["keys"].as_array().unwrap().iter().map(|key| text(key, "kid")).collect()
    };
    let (own, tenant) = (document(&gateway, KEY_SET).await, document(&gateway, "/.well-known/jwks.json").await);
    assert_eq!(own["keys"].as_array().map(Vec::len), Some(1));
    assert!(kids(&own).is_disjoint(&kids(&tenant)), "{own} {tenant}");
    assert!(own["keys"][0].get("d").is_none(), "E5");
    // Libraries find the keys when they know the issuer.
    let metadata = document(&gateway, "/_faregate/.well-known/openid-configuration").await;
    assert_eq!(
        (&metadata["issuer"], &metadata["jwks_uri"]),
        (&json!(gateway.url("/_faregate")), &json!(gateway.url(KEY_SET)))
    );

    let without = Gateway::start().await;
    let answer = without.request("GET", KEY_SET, "").await;
    assert_eq!(answer.status(), 404, "{}", answer.text);
}

// UX 13: it comes, changes and goes with a configuration, for tokens that were verified before; a key stays what it is
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_follows_a_change_of_the_configuration() {
    let corp = ForeignIssuer::start().await;
    let sections = |forward: &str| {
        format!(
            "issuers: {{ corp: {{ issuer: \"{}\", audience: api }} }}\n{forward}\nupstreams: {{ app: \"${{UPSTREAM}}\" }}\n\
             routes: {{ /api/**: {{ upstream: app, require: authenticated }} }}\n",
            corp.url()
        )
    };
    let site = Reloadable::start(&sections("")).await;
    let gateway = &site.gateway;
    let client_token = bearer(&corp.token(json!({})));
    let received = async |name: &str| {
        ask(gateway, "GET", "/api/x", &client_token).await;
        gateway.upstream.last().field(name)
    };
    assert_eq!(received("x-auth-jwt").await, None);
    assert_eq!(gateway.request("GET", KEY_SET, "").await.status(), 404);

    site.reload(&sections("forward: { jwt: true }")).await.unwrap();
    let first = received("x-auth-jwt").await.expect("a token");
    assert_eq!(verified(gateway, "app", &first).await["sub"], "someone");
    let keys = document(gateway, KEY_SET).await;
    // Nothing that concerns it changed: it is the same one.
    site.reload(&sections("forward: { jwt: true }\nwatch: false")).await.unwrap();
    assert_eq!(document(gateway, KEY_SET).await, keys);

    site.reload(&sections("forward: { jwt: { header: X-Gate, lifetime: 1m } }")).await.unwrap();
    let second = received("x-gate").await.expect("a token");
    let claims = verified(gateway, "app", &second).await;
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
    assert_eq!(part(&second, 0)["kid"], part(&first, 0)["kid"]);
    assert_eq!(received("x-auth-jwt").await, None);

    site.reload(&sections("")).await.unwrap();
    assert_eq!(received("x-gate").await, None);
    // Upstreams that verify what they got before still can, or find no key set: never another key.
    let after = gateway.request("GET", KEY_SET, "").await;
    assert!(after.status() == 404 || after.json() == keys, "{}", after.text);
}
