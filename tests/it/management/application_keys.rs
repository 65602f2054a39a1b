//! `jwtConfiguration` of an application with keys of its own, and of a tenant that gets another profile.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use super::people::{PASSWORD, People, done, text};
use super::{Answer, Caller, start};
use crate::support::authorization_server::part;
use crate::support::gateway::client;

/// Keys sign two seconds after they are published.
const SOON: &[(&str, &str)] = &[("PUBLISH_BEFORE", "2s")];

async fn generated(caller: &Caller<'_>, name: &str, algorithm: &str) -> Value {
    let body = json!({ "key": { "algorithm": algorithm, "name": name } });
    done(caller.post("/api/key/generate", body).await).body["key"].clone()
}

async fn configured(caller: &Caller<'_>, application: &str, configuration: Value) -> Answer {
    let body = json!({ "application": { "jwtConfiguration": configuration } });
    caller.patch(&format!("/api/application/{application}"), body).await
}

fn kid(token: &str) -> Value {
    part(token, 0)["kid"].clone()
}

// F-205, P2: FusionAuth's `jwtConfiguration`: the application's key signs its tokens, is published first, and nobody else's
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_signs_with_a_key_of_its_own() {
    let people = People::start_with(SOON).await;
    let root = people.root();
    let key = generated(&root, "shop", "ES384").await;
    let (before, _) = people.tokens_of_ann().await;
    let began = Instant::now();
    let made = done(configured(&root, &people.shop, json!({ "enabled": true, "accessTokenKeyId": key["id"] })).await);
    let shown = &made.body["application"]["jwtConfiguration"];
    assert_eq!((&shown["enabled"], &shown["accessTokenKeyId"]), (&json!(true), &key["id"]));
    let published = people.gateway.request("GET", "/.well-known/jwks.json", "").await.json();
    assert!(published["keys"].as_array().unwrap().iter().any(|known| known["kid"] == key["kid"]), "{published}");
    let token = loop {
        let (token, _) = people.tokens_of_ann().await;
        if kid(&token) == key["kid"] {
            assert!(began.elapsed() >= Duration::from_secs(1), "not before everybody could know it");
            break token;
        }
        assert!(began.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(part(&token, 0)["alg"], "ES384");
    for token in [&before, &token] {
        assert_eq!(people.status_of("/any/thing", token).await, 200);
    }
    let pem = people.stranger().get(&format!("/api/jwt/public-key?applicationId={}", people.shop)).await;
    assert_eq!(pem.body["publicKey"], key["publicKey"], "{pem:?}");
    // The tenant and its other applications sign as before.
    let other = people.application("other", json!({})).await;
    let login = json!({ "loginId": "ann", "password": PASSWORD, "applicationId": other });
    people.register(super::people::ANN, &other).await;
    let theirs = done(root.post("/api/login", login).await);
    assert_eq!(kid(&text(&theirs.body, "token")), kid(&before));
    // What signs stays, and goes with its tokens when nobody names it.
    let path = format!("/api/key/{}", key["id"].as_str().unwrap());
    let needed = root.delete(&path).await;
    assert_eq!((needed.status, needed.codes()), (400, vec!["[inUse]key.id"]));
    let off = done(configured(&root, &people.shop, json!({ "enabled": false })).await);
    assert_eq!(off.body["application"]["jwtConfiguration"], json!({ "enabled": false }));
    assert_eq!(kid(&people.tokens_of_ann().await.0), kid(&before));
    assert_eq!(people.status_of("/any/thing", &token).await, 200);
    done(root.delete(&path).await);
    let began = Instant::now();
    while people.status_of("/any/thing", &token).await != 401 {
        assert!(began.elapsed() < Duration::from_secs(10), "what is in memory is forgotten within a second");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

// OpenID Connect Discovery 3: ID tokens are signed in one of the algorithms that the metadata names
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_metadata_names_the_algorithms_of_applications() {
    let people = People::start_with(SOON).await;
    let root = people.root();
    let key = generated(&root, "shop", "EdDSA").await;
    done(configured(&root, &people.shop, json!({ "enabled": true, "idTokenKeyId": key["id"] })).await);
    let metadata = people.gateway.request("GET", "/.well-known/openid-configuration", "").await.json();
    assert_eq!(metadata["id_token_signing_alg_values_supported"], json!(["RS256", "EdDSA"]));
    let shown = root.get(&format!("/api/application/{}", people.shop)).await;
    let jwt = &shown.body["application"]["jwtConfiguration"];
    assert_eq!((&jwt["idTokenKeyId"], jwt.get("accessTokenKeyId")), (&key["id"], None));
    // Whoever says nothing about it leaves it.
    let renamed = json!({ "application": { "name": "market" } });
    let renamed = done(root.put(&format!("/api/application/{}", people.shop), renamed).await);
    assert_eq!(renamed.body["application"]["jwtConfiguration"]["idTokenKeyId"], key["id"]);
}

// E3, D-10: one key, one use; what cannot sign is refused by its field
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_cannot_sign_for_an_application_are_refused() {
    let people = People::start().await;
    let root = people.root();
    let key = generated(&root, "shop", "ES256").await;
    done(configured(&root, &people.shop, json!({ "enabled": true, "accessTokenKeyId": key["id"] })).await);
    let other = people.application("other", json!({})).await;
    done(configured(&root, &other, json!({ "enabled": true, "accessTokenKeyId": key["id"] })).await);
    // FusionAuth's clients name one key for both.
    let both = json!({ "enabled": true, "accessTokenKeyId": key["id"], "idTokenKeyId": key["id"] });
    let both = done(configured(&root, &people.shop, both).await).body["application"]["jwtConfiguration"].clone();
    assert_eq!((&both["accessTokenKeyId"], both.get("idTokenKeyId")), (&key["id"], None));
    let alone = json!({ "application": { "name": "shop", "jwtConfiguration": { "idTokenKeyId": key["id"] } } });
    let refused = root.put(&format!("/api/application/{}", people.shop), alone).await;
    assert_eq!(refused.codes(), ["[inUse]application.jwtConfiguration.idTokenKeyId"]);
    for (member, id, code) in [
        ("accessTokenKeyId", json!(Uuid::nil()), "[missing]application.jwtConfiguration.accessTokenKeyId"),
        ("accessTokenKeyId", json!("x"), "[invalid]application.jwtConfiguration.accessTokenKeyId"),
    ] {
        let refused = configured(&root, &people.shop, json!({ "enabled": true, member: id })).await;
        assert_eq!((refused.status, refused.codes()), (400, vec![code]));
    }
    let tenant = format!("/api/tenant/{}", people.gateway.running.tenant_id);
    let body = json!({ "tenant": { "jwtConfiguration": { "accessTokenKeyId": key["id"] } } });
    let refused = root.patch(&tenant, body).await;
    assert_eq!(refused.codes(), ["[inUse]tenant.jwtConfiguration.accessTokenKeyId"], "it signs for applications");
    // The tenant's own may be named.
    let own = root.get(&tenant).await.body["tenant"]["jwtConfiguration"]["accessTokenKeyId"].clone();
    done(configured(&root, &people.shop, json!({ "enabled": true, "accessTokenKeyId": own })).await);
    let fresh = json!({ "application": {
        "name": "fresh", "jwtConfiguration": { "enabled": true, "accessTokenKeyId": Uuid::nil() },
    } });
    let refused = root.post("/api/application", fresh).await;
    assert_eq!(refused.codes(), ["[missing]application.jwtConfiguration.accessTokenKeyId"]);
}

// D6: a tenant that is given Auth0's profile signs with what Auth0's clients can read
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_profile_brings_keys_that_its_clients_know() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let token = gateway.token("").await;
    assert_eq!(part(&token, 0)["alg"], "ES256");
    let tenant = format!("/api/tenant/{}", gateway.running.tenant_id);
    done(root.patch(&tenant, json!({ "tenant": { "profile": "auth0" } })).await);
    let began = Instant::now();
    while part(&gateway.token("").await, 0)["alg"] != "RS256" {
        assert!(began.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let published = gateway.request("GET", "/.well-known/jwks.json", "").await.json();
    let kinds = published["keys"].as_array().unwrap().iter().map(|key| &key["kty"]);
    assert!(kinds.clone().count() > 0 && kinds.clone().all(|kind| kind == "RSA"), "{published}");
    let validated = client().get(gateway.url("/api/jwt/validate")).bearer_auth(&token).send().await.unwrap();
    assert_eq!(validated.status(), 200, "a token of before lives out its life");
    let elliptic = generated(&root, "elliptic", "ES256").await;
    let body = json!({ "tenant": { "jwtConfiguration": { "accessTokenKeyId": elliptic["id"] } } });
    let refused = root.patch(&tenant, body).await;
    assert_eq!((refused.status, refused.codes()), (400, vec!["[invalid]tenant.jwtConfiguration.accessTokenKeyId"]));
}

// F-231, F-244: APIs of a tenant are made, changed and refused by their members
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenants_apis_are_kept_and_checked() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let orders = json!({
        "allowOfflineAccess": true, "identifier": "https://orders.example/", "scopes": ["read:orders", "write:orders"],
    });
    let body = json!({ "tenant": { "name": "acme", "profile": "auth0", "apis": [orders] } });
    let made = done(root.post("/api/tenant", body).await);
    assert_eq!(made.body["tenant"]["apis"], json!([orders]));
    let path = format!("/api/tenant/{}", text(&made.body["tenant"], "id"));
    // FusionAuth's clients do not know them, and take nothing away.
    let renamed = done(root.put(&path, json!({ "tenant": { "name": "emca" } })).await);
    assert_eq!(renamed.body["tenant"]["apis"], json!([orders]));
    let bare = json!({ "allowOfflineAccess": false, "identifier": "mail", "scopes": [] });
    let two = json!([{ "op": "add", "path": "/tenant/apis/-", "value": { "identifier": "mail" } }]);
    let patch = ("application/json-patch+json", two.to_string());
    let changed = done(root.send(http::Method::PATCH, &path, Some(patch)).await);
    assert_eq!(changed.body["tenant"]["apis"], json!([orders, bare]));
    for (apis, codes) in [
        (json!("mail"), vec!["[invalid]tenant.apis"]),
        (json!([{}]), vec!["[blank]tenant.apis[0].identifier"]),
        (json!([bare, { "identifier": 7 }]), vec!["[invalid]tenant.apis[1].identifier"]),
        (json!([{ "identifier": "a b" }]), vec!["[invalid]tenant.apis[0].identifier"]),
        (json!([bare, bare]), vec!["[duplicate]tenant.apis[1].identifier"]),
        (json!([{ "identifier": Uuid::nil() }]), vec!["[invalid]tenant.apis[0].identifier"]),
        (json!([{ "identifier": "mail", "scopes": "read" }]), vec!["[invalid]tenant.apis[0].scopes"]),
        (json!([{ "identifier": "mail", "scopes": ["a b"] }]), vec!["[invalid]tenant.apis[0].scopes"]),
        (
            json!([{ "identifier": "mail", "allowOfflineAccess": "yes" }]),
            vec!["[invalid]tenant.apis[0].allowOfflineAccess"],
        ),
    ] {
        let refused = root.patch(&path, json!({ "tenant": { "apis": apis } })).await;
        assert_eq!((refused.status, refused.codes()), (400, codes), "{apis}");
    }
    let none = done(root.patch(&path, json!({ "tenant": { "apis": [] } })).await);
    assert_eq!(none.body["tenant"]["apis"], json!([]));
}

// RFC 7591: who may register is said, changed and taken back, and whoever did is shown
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_says_whether_clients_register_themselves() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let made = done(root.post("/api/tenant", json!({ "tenant": { "name": "acme", "profile": "standard" } })).await);
    assert_eq!(made.body["tenant"].get("clientRegistration"), None);
    let id = text(&made.body["tenant"], "id").to_owned();
    let path = format!("/api/tenant/{id}");
    let registration = json!({
        "mode": "open",
        "redirectHosts": ["claude.ai"],
        "scopes": [{ "description": "Use the tools", "name": "tools:call", "required": true }],
        "unusedTimeToLiveInSeconds": 86_400,
    });
    let body = json!({ "tenant": { "clientRegistration": registration } });
    assert_eq!(done(root.patch(&path, body).await).body["tenant"]["clientRegistration"], registration);
    for (wrong, code) in [
        (json!({ "mode": "all" }), "[invalid]tenant.clientRegistration.mode"),
        (json!({ "redirectHosts": ["https://x"] }), "[invalid]tenant.clientRegistration.redirectHosts"),
        (json!({ "scopes": [{ "name": "openid" }] }), "[invalid]tenant.clientRegistration.scopes"),
        (json!({ "unusedTimeToLiveInSeconds": 1 }), "[invalid]tenant.clientRegistration.unusedTimeToLiveInSeconds"),
    ] {
        let refused = root.patch(&path, json!({ "tenant": { "clientRegistration": wrong } })).await;
        assert_eq!((refused.status, refused.codes()), (400, vec![code]), "{wrong}");
    }
    // FusionAuth's clients do not know it, and take nothing away.
    let renamed = done(root.put(&path, json!({ "tenant": { "name": "emca" } })).await);
    assert_eq!(renamed.body["tenant"]["clientRegistration"], registration);
    let metadata = json!({ "client_name": "Agent", "redirect_uris": ["https://claude.ai/cb"], "scope": "tools:call" });
    let registered = reqwest::Client::new().post(gateway.url(&format!("/{id}/oauth2/register"))).json(&metadata);
    let registered = registered.send().await.unwrap();
    assert_eq!(registered.status(), 201);
    let client: Value = registered.json().await.unwrap();
    let found = done(root.get(&format!("/api/application/{}", text(&client, "client_id"))).await);
    let shown = &found.body["application"]["selfRegistered"];
    assert_eq!((&shown["clientName"], &shown["scopes"]), (&json!("Agent"), &json!(["tools:call"])));
    assert!(
        shown["unusedUntilInstant"].as_i64().unwrap() > found.body["application"]["insertInstant"].as_i64().unwrap()
    );
    let ended = root.patch(&path, json!({ "tenant": { "clientRegistration": { "mode": "none" } } })).await;
    assert_eq!(done(ended).body["tenant"].get("clientRegistration"), None);
    let nobody = root.patch(&path, json!({ "tenant": { "clientRegistration": { "redirectHosts": [] } } })).await;
    assert_eq!(nobody.codes(), ["[missing]tenant.clientRegistration.mode"]);
}
