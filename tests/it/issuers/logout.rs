//! Tokens of others that are revoked: by their issuer's logout tokens, and by an operator.

use std::time::{Duration, Instant};

use faregate::directory::NewApiKey;
use faregate::jose::{Algorithm, SigningKey, TokenType};
use serde_json::{Value, json};

use super::{eventually, outcome, passed, refused};
use crate::support::files::Folder;
use crate::support::foreign_issuer::{ForeignIssuer, now};
use crate::support::gateway::{Gateway, RECIPIENT_ID, client};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
const API_KEY: &str = "an-api-key-of-at-least-thirty-two-characters";

const SECTIONS: &str = r#"
public_url: https://gate.example.com
management: { api_key: "${API_KEY}" }
issuers:
  self: {}
  corp: { issuer: "${CORP}", audience: api, logout: { audience: gate } }
  quiet: { issuer: https://quiet.example, audience: api, jwks_uri: https://quiet.example/keys }
upstreams: { app: "${UPSTREAM}" }
routes: { /any/**: { upstream: app, tokens: [self, corp], require: authenticated } }
"#;

async fn gateway(corp: &ForeignIssuer, store: &str) -> Gateway {
    let variables = [("CORP", corp.url()), ("API_KEY", API_KEY.to_owned()), ("STORE", store.to_owned())];
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let entities = crate::support::gateway::FRAME.split_once("directory:").unwrap().1;
    Gateway::of(&format!("listen: \"${{LISTEN}}\"\ndirectory:{entities}{SECTIONS}"), &variables).await
}

/// A logout token with these claims, which take the place of the usual ones.
fn logout_token(corp: &ForeignIssuer, claims: &Value) -> String {
    let mut all = json!({ "aud": "gate", "scope": null, "jti": "l1", "events": { EVENT: {} } });
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    corp.signed(TokenType::LogoutToken, all)
}

async fn post(gateway: &Gateway, name: &str, token: &str) -> u16 {
    let url = gateway.url(&format!("/_faregate/logout/{name}"));
    let answer = client().post(url).form(&[("logout_token", token)]).send().await.unwrap();
    assert_eq!(answer.headers()["cache-control"], "no-store");
    answer.status().as_u16()
}

fn revoked() -> (u16, String) {
    refused(401, "revoked")
}

// OpenID Connect Back-Channel Logout 1.0 sections 2.5 to 2.8, I8
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_elsewhere_ends_tokens_here() {
    let corp = ForeignIssuer::start().await;
    let gateway = gateway(&corp, "sqlite::memory:").await;
    let issued = json!({ "iat": now() - 10 });
    let token = |claims: Value| {
        let mut all = issued.clone();
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        corp.token(all)
    };
    let of_session = token(json!({ "sid": "s1" }));
    let of_other_session = token(json!({ "sid": "s2" }));
    let of_other_user = token(json!({ "sub": "other", "sid": "s3" }));
    for token in [&of_session, &of_other_session, &of_other_user] {
        assert_eq!(outcome(&gateway, "/any/a", token).await, passed());
    }
    // One session, not all of the same person.
    let notice = logout_token(&corp, &json!({ "sid": "s1" }));
    assert_eq!(post(&gateway, "corp", &notice).await, 200);
    assert_eq!(outcome(&gateway, "/any/a", &of_session).await, revoked());
    assert_eq!(outcome(&gateway, "/any/a", &of_other_session).await, passed());
    assert_eq!(post(&gateway, "corp", &notice).await, 400, "a logout token is good once");
    // All sessions of one person, until they log in again.
    let notice = logout_token(&corp, &json!({ "jti": "l2", "iat": now() - 1 }));
    assert_eq!(post(&gateway, "corp", &notice).await, 200);
    assert_eq!(outcome(&gateway, "/any/a", &of_other_session).await, revoked());
    assert_eq!(outcome(&gateway, "/any/a", &of_other_user).await, passed());
    assert_eq!(outcome(&gateway, "/any/a", &corp.token(json!({ "sid": "s4" }))).await, passed());
    let metrics = gateway.metrics().await;
    for line in [r#"{issuer="corp",result="ok"} 2"#, r#"{issuer="corp",result="replayed"} 1"#] {
        assert!(metrics.contains(&format!("faregate_logout_tokens_total{line}")), "{metrics}");
    }
}

// Back-Channel Logout 1.0 section 2.6: every step, and what is no logout token at all
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_logout_token_logs_nobody_out() {
    let corp = ForeignIssuer::start().await;
    let gateway = gateway(&corp, "sqlite::memory:").await;
    let token = corp.token(json!({ "sid": "s1", "iat": now() - 10 }));
    let stranger = SigningKey::generate(Algorithm::Es256).unwrap();
    let of_stranger = json!({ "aud": "gate", "jti": "x", "sid": "s1", "events": { EVENT: {} } });
    let mut bad = vec![
        token.clone(),
        "not.a.jwt".to_owned(),
        String::new(),
        stranger.sign(TokenType::LogoutToken, &corp.claims(of_stranger)).unwrap(),
        // An access token with everything else.
        corp.signed(TokenType::AccessToken, json!({ "aud": "gate", "jti": "x", "events": { EVENT: {} } })),
    ];
    for claims in [
        json!({ "events": null }),
        json!({ "events": {} }),
        json!({ "events": [EVENT] }),
        json!({ "events": { EVENT: true } }),
        json!({ "nonce": "n" }),
        json!({ "aud": "api" }),
        json!({ "aud": null }),
        json!({ "iss": "https://quiet.example" }),
        json!({ "jti": null }),
        json!({ "iat": null }),
        json!({ "exp": null }),
        json!({ "exp": now() - 1 }),
        json!({ "sub": null }),
        json!({ "sub": 1 }),
    ] {
        let mut claims = claims;
        if claims.get("sub").is_none() {
            claims["sid"] = "s1".into();
        }
        bad.push(logout_token(&corp, &claims));
    }
    for (number, notice) in bad.iter().enumerate() {
        assert_eq!(post(&gateway, "corp", notice).await, 400, "{number}");
    }
    let good = logout_token(&corp, &json!({ "sid": "s1" }));
    // Nobody speaks for an issuer that does not tell of logouts, or that there is not.
    for name in ["quiet", "self", "nobody", "", "corp/x"] {
        assert_eq!(post(&gateway, name, &good).await, 404, "{name}");
    }
    let url = gateway.url("/_faregate/logout/corp");
    let twice = [("logout_token", &good), ("logout_token", &good)];
    assert_eq!(client().post(&url).form(&twice).send().await.unwrap().status(), 400);
    assert_eq!(client().get(format!("{url}?logout_token={good}")).send().await.unwrap().status(), 405);
    assert_eq!(outcome(&gateway, "/any/a", &token).await, passed());
    assert_eq!(gateway.upstream.count(), 1, "F-330");
    assert_eq!(post(&gateway, "corp", &good).await, 200);
    assert_eq!(outcome(&gateway, "/any/a", &token).await, revoked());
}

// I8: told through the store, and how long that takes is measured
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_hears_of_it() {
    let corp = ForeignIssuer::start().await;
    let folder = Folder::new();
    let store = format!("sqlite://{}", folder.path().join("faregate.db").display());
    let (here, there) = (gateway(&corp, &store).await, gateway(&corp, &store).await);
    let token = corp.token(json!({ "sid": "s1" }));
    assert_eq!(outcome(&there, "/any/a", &token).await, passed());
    let notice = logout_token(&corp, &json!({ "sid": "s1" }));
    assert_eq!(post(&here, "corp", &notice).await, 200);
    let since = Instant::now();
    eventually(&there, "/any/a", &token, &revoked()).await;
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    assert!(there.metrics().await.contains("faregate_revocation_lag_seconds_count 1"));
    // Once is once for all nodes together, and for those that start later.
    assert_eq!(post(&there, "corp", &notice).await, 400);
    let late = gateway(&corp, &store).await;
    assert_eq!(outcome(&late, "/any/a", &token).await, revoked());
}

// F-340: what an operator knows to be stolen
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_revokes_what_is_known_to_be_bad() {
    let corp = ForeignIssuer::start().await;
    let gateway = gateway(&corp, "sqlite::memory:").await;
    let admin = gateway.running.admin.unwrap();
    let ask = async |key: &str, document: Value| {
        let request = client().post(format!("http://{admin}/revocations")).header("authorization", key);
        request.json(&document).send().await.unwrap().status().as_u16()
    };
    for (marked, issuer) in [("jti", "corp"), ("sid", "corp"), ("sub", &*corp.url()), ("azp", "corp")] {
        let token = |id: &str| {
            let mut claims = json!({ "iat": now() - 1, "sub": "u" });
            claims[marked] = id.into();
            corp.token(claims)
        };
        let (bad, good) = (token("bad"), token("good"));
        let member = if marked == "azp" { "client_id" } else { marked };
        assert_eq!(outcome(&gateway, "/any/a", &bad).await, passed(), "{marked}");
        assert_eq!(ask(API_KEY, json!({ "issuer": issuer, member: "bad" })).await, 204, "{marked}");
        assert_eq!(outcome(&gateway, "/any/a", &bad).await, revoked(), "{marked}");
        assert_eq!(outcome(&gateway, "/any/a", &good).await, passed(), "{marked}");
    }
    // Ours: by `client_id`, which is what an entity's tokens have.
    let own = gateway.token("").await;
    assert_eq!(outcome(&gateway, "/any/a", &own).await, passed());
    assert_eq!(ask(API_KEY, json!({ "issuer": "self", "client_id": RECIPIENT_ID })).await, 204);
    assert_eq!(outcome(&gateway, "/any/a", &own).await, revoked());

    for (document, expected) in [
        (json!({ "issuer": "corp" }), 400),
        (json!({ "issuer": "corp", "jti": "a", "sub": "b" }), 400),
        (json!({ "issuer": "corp", "jit": "a" }), 400),
        (json!({ "issuer": "nobody", "jti": "a" }), 400),
        (json!({ "issuer": "self", "sub": "no uuid" }), 400),
        (json!({ "issuer": "self", "sub": RECIPIENT_ID }), 400),
        (json!({ "issuer": "corp", "jti": "a", "expires_at": now() - 1 }), 400),
        (json!([]), 400),
    ] {
        assert_eq!(ask(API_KEY, document.clone()).await, expected, "{document}");
    }
    for key in ["", "another-api-key-of-at-least-thirty-two-characters", &format!("Bearer {API_KEY}")] {
        assert_eq!(ask(key, json!({ "issuer": "corp", "sub": "good" })).await, 401, "{key}");
    }
    let public = client().post(gateway.url("/revocations")).header("authorization", API_KEY).send().await.unwrap();
    assert_eq!(public.status(), 404, "not on the public listener");
}

// T27: a key of somebody else's that was stolen counts no longer, at once and on every node, whatever its issuer publishes
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_drops_a_key() {
    let folder = Folder::new();
    let store = format!("sqlite://{}", folder.path().join("faregate.db").display());
    let mut corp = ForeignIssuer::start().await;
    let (stolen, old) = (corp.key(), corp.token(json!({})));
    corp.rotate();
    corp.publish(&[&stolen, &corp.key()]);
    let new = corp.token(json!({}));
    let (here, there) = (gateway(&corp, &store).await, gateway(&corp, &store).await);
    for gateway in [&here, &there] {
        assert_eq!(outcome(gateway, "/any/a", &old).await, passed());
        assert_eq!(outcome(gateway, "/any/a", &new).await, passed());
    }
    let admin = here.running.admin.unwrap();
    let ask = async |document: Value| {
        let request = client().post(format!("http://{admin}/revocations")).header("authorization", API_KEY);
        request.json(&document).send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask(json!({ "issuer": "corp", "kid": stolen.kid() })).await, 204);
    assert_eq!(outcome(&here, "/any/a", &old).await, revoked());
    eventually(&there, "/any/a", &old, &revoked()).await;
    // Whoever stole it makes tokens of any date.
    let claims = corp.claims(json!({ "jti": "made up", "iat": now() + 5 }));
    let made_up = stolen.sign(TokenType::AccessToken, &claims).unwrap();
    for gateway in [&here, &there] {
        assert_eq!(outcome(gateway, "/any/a", &made_up).await, revoked());
        assert_eq!(outcome(gateway, "/any/a", &new).await, passed());
    }
    assert_eq!(ask(json!({ "issuer": "self", "kid": stolen.kid() })).await, 400);
}

// A tenant's own key speaks for that tenant, and for nobody else
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenants_key_revokes_what_is_its_tenants() {
    let corp = ForeignIssuer::start().await;
    let gateway = gateway(&corp, "sqlite::memory:").await;
    let key = NewApiKey { tenant_id: Some(gateway.running.tenant_id), ..NewApiKey::default() };
    let key = gateway.running.directory().create_api_key(key).await.unwrap().text;
    let admin = gateway.running.admin.unwrap();
    let ask = async |document: Value| {
        let request = client().post(format!("http://{admin}/revocations")).header("authorization", key.expose());
        request.json(&document).send().await.unwrap().status().as_u16()
    };
    let own = gateway.token("").await;
    assert_eq!(ask(json!({ "issuer": "corp", "sub": "someone" })).await, 401);
    for id in ["jti", "sid"] {
        assert_eq!(ask(json!({ "issuer": "self", id: RECIPIENT_ID })).await, 401, "{id}: it may be another tenant's");
    }
    assert_eq!(outcome(&gateway, "/any/a", &own).await, passed());
    assert_eq!(ask(json!({ "issuer": "self", "client_id": RECIPIENT_ID })).await, 204);
    assert_eq!(outcome(&gateway, "/any/a", &own).await, revoked());
}
