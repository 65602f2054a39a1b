//! What a token of somebody else's must be, and what an upstream learns of it.

use serde_json::{Value, json};

use super::{gateway, outcome, passed, refused};
use crate::support::foreign_issuer::{ForeignIssuer, JWKS, METADATA, METADATA_8414, Reply, forged, now};
use crate::support::gateway::Gateway;
use faregate::jose::{Algorithm, SigningKey, TokenType};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_url_and_an_audience_are_enough() {
    let corp = ForeignIssuer::start().await;
    let gateway = gateway(&corp, "").await;
    let token = corp.token(json!({ "azp": "shop", "tid": "t", "jti": "1" }));
    for _ in 0..2 {
        assert_eq!(outcome(&gateway, "/read/a", &token).await, passed());
    }
    let received = gateway.upstream.last();
    for (name, value) in
        [("x-auth-subject", Some("someone")), ("x-auth-issuer", Some(&*corp.url())), ("x-auth-tenant", None)]
    {
        assert_eq!(received.field(name).as_deref(), value, "{name}");
    }
    // F-332
    assert!(!received.head.contains(&token));
    assert_eq!(outcome(&gateway, "/both/a", &token).await, passed());
    let asked = corp.asked(METADATA);
    assert!(asked.len() == 1 && asked[0].head.starts_with("GET ") && asked[0].body.is_empty(), "{asked:?}");
    // A route that accepts others does not accept it, whatever its scope.
    assert_eq!(outcome(&gateway, "/self/a", &token).await, refused(401, "issuer_not_accepted"));
    assert_eq!(outcome(&gateway, "/admin/a", &token).await, refused(403, "missing_role"));
}

// F1, F6, F7, F8, F9, F-334: every way in which it is not what the issuer promised
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_not_promised_is_refused() {
    let corp = ForeignIssuer::start().await;
    let gateway =
        gateway(&corp, ", leeway: 20s, required_claims: [sub, client_id], types: [at+jwt], algorithms: ES256").await;
    let good = json!({ "client_id": "shop" });
    assert_eq!(outcome(&gateway, "/corp/a", &corp.token(good.clone())).await, passed());
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    for (claims, code) in [
        (with("client_id", Value::Null), "missing_claim"),
        (with("aud", json!("other")), "wrong_audience"),
        (with("aud", Value::Null), "wrong_audience"),
        (with("exp", Value::Null), "missing_expiry"),
        (with("exp", json!(now() - 1)), "expired"),
        (with("exp", json!((now() + 60).to_string())), "invalid_time"),
        (with("nbf", json!(now() + 30)), "not_yet_valid"),
        (with("iat", json!(now() + 30)), "issued_in_future"),
    ] {
        assert_eq!(outcome(&gateway, "/corp/a", &corp.token(claims)).await, refused(401, code));
    }
    let early = corp.token(with("iat", json!(now() + 12)));
    assert_eq!(outcome(&gateway, "/corp/a", &early).await, passed());
    let id_token = corp.signed(TokenType::Jwt, good.clone());
    assert_eq!(outcome(&gateway, "/corp/a", &id_token).await, refused(401, "wrong_type"));
    let other = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let other = other.sign(TokenType::AccessToken, &corp.claims(good)).unwrap();
    assert_eq!(outcome(&gateway, "/corp/a", &other).await, refused(401, "unsupported_algorithm"));
}

// The configuration of `examples/in-front-of-services`, with an issuer that exists
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_in_front_of_services_works() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/in-front-of-services/faregate.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let text: String =
        text.lines().filter(|line| !line.starts_with("store:")).map(|line| format!("{line}\n")).collect();
    let text = text
        .replace("listen: 127.0.0.1:8080", "listen: \"${LISTEN}\"")
        .replace("${ORDERS:-http://127.0.0.1:3000}", "${UPSTREAM}");
    let corp = ForeignIssuer::start().await;
    let gateway = Gateway::of(&text, &[("ISSUER", &corp.url())]).await;
    let token = |scope: &str| corp.token(json!({ "aud": "orders", "scope": scope, "roles": ["clerk"] }));
    assert_eq!(gateway.request("GET", "/health", "").await.status(), 200);
    assert_eq!(outcome(&gateway, "/api/orders", "x.y.z").await.0, 401);
    assert_eq!(outcome(&gateway, "/api/orders", &token("profile")).await, refused(403, "missing_scope"));
    assert_eq!(outcome(&gateway, "/api/orders", &token("orders:read")).await, passed());
    let received = gateway.upstream.last();
    assert_eq!(received.field("x-auth-subject").as_deref(), Some("someone"));
    assert_eq!((received.field("authorization"), received.request_line()), (None, "GET /api/orders HTTP/1.1"));
    let fields = |scope: &str| format!("Authorization: Bearer {}\r\nContent-Length: 0\r\n", token(scope));
    for (scope, status) in [("orders:read", 403), ("orders:write", 200)] {
        assert_eq!(gateway.request("POST", "/api/orders/1", &fields(scope)).await.status(), status, "{scope}");
    }
}

// G7, RFC 7517 5: what of a key set is of no use does no harm to the rest
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_that_are_of_no_use_are_skipped() {
    let corp = ForeignIssuer::start().await;
    let good = serde_json::to_value(corp.key().verifying_key().public_jwk().unwrap()).unwrap();
    let mut broken = good.clone();
    (broken["y"], broken["kid"]) = (good["x"].clone(), "broken".into());
    let mut encrypting = good.clone();
    (encrypting["use"], encrypting["kid"]) = ("enc".into(), "encrypting".into());
    let keys = json!([{ "kty": "XYZ", "kid": "a" }, { "kty": "AKP", "alg": "ML-DSA-44", "kid": "b" }, broken, encrypting, good]);
    corp.reply(JWKS, Reply::json(&json!({ "keys": keys })));
    let gateway = gateway(&corp, "").await;
    assert_eq!(outcome(&gateway, "/corp/a", &corp.token(json!({}))).await, passed());
    assert_eq!(outcome(&gateway, "/corp/a", &forged(&corp.url(), "broken")).await, refused(401, "unknown_key"));
}

// F7: two trusted issuers, tokens of one in the name of the other
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_speaks_for_another_issuer() {
    let (corp, other) = (ForeignIssuer::start().await, ForeignIssuer::start().await);
    let sections = r#"
listen: "${LISTEN}"
issuers: { corp: { issuer: "${CORP}", audience: api }, other: { issuer: "${OTHER}", audience: api } }
upstreams: { app: "${UPSTREAM}" }
routes: { /any/**: { upstream: app, tokens: [corp, other], require: authenticated } }
"#;
    let gateway = Gateway::of(sections, &[("CORP", &corp.url()), ("OTHER", &other.url())]).await;
    for issuer in [&corp, &other] {
        assert_eq!(outcome(&gateway, "/any/a", &issuer.token(json!({}))).await, passed());
    }
    let crossed = other.token(json!({ "iss": corp.url() }));
    assert_eq!(outcome(&gateway, "/any/a", &crossed).await, refused(401, "unknown_key"));
    let unknown = other.token(json!({ "iss": "https://nobody.example" }));
    assert_eq!(outcome(&gateway, "/any/a", &unknown).await, refused(401, "issuer_not_accepted"));
}

// F7: an issuer is not asked about tokens of others, even where it is the only one
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_issuer_hears_of_its_own_tokens_only() {
    let corp = ForeignIssuer::start().await;
    corp.reply(JWKS, Reply::status(500));
    let sections = r#"
listen: "${LISTEN}"
issuers: { corp: { issuer: "${CORP}", audience: api } }
upstreams: { app: "${UPSTREAM}" }
routes: { /any/**: { upstream: app, require: authenticated } }
"#;
    let gateway = Gateway::of(sections, &[("CORP", &corp.url())]).await;
    let other = forged("https://other.example", "x");
    assert_eq!(outcome(&gateway, "/any/a", &other).await, refused(401, "issuer_not_accepted"));
    assert_eq!(outcome(&gateway, "/any/a", &corp.token(json!({}))).await, refused(503, "keys_unavailable"));
}

// F-339: array scopes, `auth_time` with a fraction, no audience; and a secret that both sides know
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_the_compatible_systems_are_understood() {
    let sid = ForeignIssuer::start().await;
    let sections = r#"
listen: "${LISTEN}"
issuers:
  sid: { issuer: "${SID}", any_audience: true }
  fusio: { issuer: "http://127.0.0.1/projects/fusio/public", any_audience: true, secret: "${FUSIO_SECRET}" }
upstreams: { app: "${UPSTREAM}" }
routes:
  /sid/**: { upstream: app, tokens: sid, require: scope openid profile }
  /fusio/**: { upstream: app, tokens: fusio, require: claim name == Administrator }
"#;
    let secret = "fusio-secret-fusio-secret-fusio-secret";
    let gateway = Gateway::of(sections, &[("SID", &sid.url()), ("FUSIO_SECRET", secret)]).await;
    for audience in [json!([]), Value::Null] {
        let mut claims = sid.claims(json!({
            "client_id": "website", "scope": ["openid", "profile"], "sub": "administrator", "auth_time": 1_686_573_324.5,
        }));
        claims["aud"] = audience;
        let token = sid.key().sign(TokenType::Jwt, &claims).unwrap();
        assert_eq!(outcome(&gateway, "/sid/a", &token).await, passed());
    }
    let key = SigningKey::from_private_key(Algorithm::Hs256, secret.as_bytes()).unwrap();
    let claims = json!({
        "iss": "http://127.0.0.1/projects/fusio/public", "sub": "e6ca28aa", "iat": now(), "exp": now() + 172_800,
        "name": "Administrator",
    });
    assert_eq!(outcome(&gateway, "/fusio/a", &key.sign(TokenType::Jwt, &claims).unwrap()).await, passed());
    let guessed = SigningKey::from_private_key(Algorithm::Hs256, &[b'x'; 32]).unwrap();
    let guessed = guessed.sign(TokenType::Jwt, &claims).unwrap();
    assert_eq!(outcome(&gateway, "/fusio/a", &guessed).await, refused(401, "bad_signature"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_and_scopes_are_found_where_the_issuer_writes_them() {
    let corp = ForeignIssuer::start().await;
    let claims =
        r#", claims: { roles: [realm_access.roles, "https://corp.example/roles"], scopes: permissions, tenant: org }"#;
    let gateway = gateway(&corp, claims).await;
    for claims in
        [json!({ "realm_access": { "roles": ["admin"] } }), json!({ "https://corp.example/roles": "guest admin" })]
    {
        assert_eq!(outcome(&gateway, "/admin/a", &corp.token(claims)).await, passed());
    }
    assert_eq!(
        outcome(&gateway, "/admin/a", &corp.token(json!({ "roles": "admin" }))).await,
        refused(403, "missing_role")
    );
    let token = corp.token(json!({ "permissions": ["read"], "scope": "openid", "org": "o1" }));
    assert_eq!(outcome(&gateway, "/read/a", &token).await, passed());
    assert_eq!(gateway.upstream.last().field("x-auth-tenant").as_deref(), Some("o1"));
    assert_eq!(gateway.upstream.last().field("x-auth-scope").as_deref(), Some("read"));
}

// RFC 8414 3.1: an authorization server that is no OpenID provider
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_may_be_where_rfc_8414_puts_it() {
    let corp = ForeignIssuer::start().await;
    let issuer = format!("{}/realms/a", corp.url());
    corp.reply(METADATA, Reply::status(404));
    let metadata = json!({ "issuer": issuer, "jwks_uri": format!("{}/jwks", corp.url()) });
    corp.reply(&format!("{METADATA_8414}/realms/a"), Reply::json(&metadata));
    let sections = r#"
listen: "${LISTEN}"
issuers: { corp: { issuer: "${CORP}", audience: api } }
upstreams: { app: "${UPSTREAM}" }
routes: { /corp/**: { upstream: app, require: authenticated } }
"#;
    let gateway = Gateway::of(sections, &[("CORP", &issuer)]).await;
    assert_eq!(outcome(&gateway, "/corp/a", &corp.token(json!({ "iss": issuer }))).await, passed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_may_be_written_down() {
    let corp = ForeignIssuer::start().await;
    let document = faregate::jose::KeySet::new([corp.key().verifying_key().clone()]).document();
    let document = String::from_utf8(document.to_vec()).unwrap();
    let sections = r#"
listen: "${LISTEN}"
issuers: { corp: { issuer: "https://idp.example", audience: api, jwks: "${KEYS}" } }
upstreams: { app: "${UPSTREAM}" }
routes: { /corp/**: { upstream: app, require: authenticated } }
"#;
    let gateway = Gateway::of(sections, &[("KEYS", &document)]).await;
    let token = corp.token(json!({ "iss": "https://idp.example" }));
    assert_eq!(outcome(&gateway, "/corp/a", &token).await, passed());
    let forged = forged("https://idp.example", "other");
    assert_eq!(outcome(&gateway, "/corp/a", &forged).await, refused(401, "unknown_key"));
}
