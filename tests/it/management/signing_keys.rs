//! `/api/key`: keys made here and keys brought along, and tenants that sign with them.

use openssl::ec::{EcGroup, EcKey};
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Caller, start};
use crate::support::authorization_server::part;

fn pem(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn ec_pair() -> (String, String) {
    let pair = EcKey::generate(&EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap()).unwrap();
    let pair = PKey::from_ec_key(pair).unwrap();
    (pem(pair.private_key_to_pem_pkcs8().unwrap()), pem(pair.public_key_to_pem().unwrap()))
}

/// The members of an answer, by name.
fn members(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

// D-10: FusionAuth's shapes; E8: the key's name is its thumbprint
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_generated_named_and_found() {
    let gateway = start().await;
    let caller = Caller::root(&gateway);
    let id = Uuid::new_v4();
    let body = json!({ "key": { "algorithm": "ES384", "name": "signing", "issuer": "ignored" } });
    let made = caller.post(&format!("/api/key/generate/{id}"), body).await;
    assert_eq!(made.status, 200, "{made:?}");
    let key = &made.body["key"];
    assert_eq!(
        members(key),
        [
            "algorithm",
            "hasPrivateKey",
            "id",
            "insertInstant",
            "kid",
            "lastUpdateInstant",
            "length",
            "name",
            "publicKey",
            "type"
        ]
    );
    assert_eq!((&key["id"], &key["type"], &key["length"]), (&json!(id), &json!("EC"), &json!(384)));
    assert!(key["publicKey"].as_str().unwrap().starts_with("-----BEGIN PUBLIC KEY-----\n"));
    assert_eq!(key["kid"].as_str().unwrap().len(), 43);
    let path = format!("/api/key/{id}");
    assert_eq!(caller.get(&path).await.body, made.body);
    let renamed = caller.put(&path, json!({ "key": { "name": "other", "algorithm": "ES384" } })).await;
    assert_eq!((renamed.status, &renamed.body["key"]["name"]), (200, &json!("other")));
    let changed = caller.put(&path, json!({ "key": { "name": "other", "algorithm": "ES256" } })).await;
    assert_eq!((changed.status, changed.codes()), (400, vec!["[invalid]key.algorithm"]));
    for (search, total) in [
        ("?name=OTH", 1),
        ("?algorithm=ES384&type=EC", 1),
        ("?type=HMAC", 0),
        ("?name=access&orderBy=name%20DESC&numberOfResults=1", 1),
    ] {
        let found = caller.get(&format!("/api/key/search{search}")).await;
        assert_eq!((found.status, &found.body["total"]), (200, &json!(total)), "{search} {found:?}");
    }
    let body = json!({ "search": { "name": "other", "orderBy": "insertInstant ASC" } });
    assert_eq!(caller.post("/api/key/search", body).await.body["keys"][0]["id"], json!(id));
    // The issuer's own keys are listed beside it.
    let listed = caller.get("/api/key").await;
    let own = listed.body["keys"].as_array().unwrap().iter().find(|key| key["name"] != "other").unwrap();
    let own_path = format!("/api/key/{}", own["id"].as_str().unwrap());
    assert_eq!(caller.get(&own_path).await.body["key"], *own);
    let named = caller.put(&own_path, json!({ "key": { "name": "the first one" } })).await;
    assert_eq!((named.status, &named.body["key"]["kid"]), (200, &own["kid"]));
    assert_eq!(caller.get(&own_path).await.body["key"]["name"], "the first one");
    assert_eq!((caller.delete(&path).await.status, caller.get(&path).await.status), (200, 404));
}

// P1: what signs is taken and never shown
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_imported_and_never_shown() {
    let gateway = start().await;
    let caller = Caller::root(&gateway);
    let (private, public) = ec_pair();
    let both = json!({ "key": { "name": "both", "type": "EC", "privateKey": private, "publicKey": public } });
    let made = caller.post("/api/key/import", both.clone()).await;
    assert_eq!(made.status, 200, "{made:?}");
    let key = &made.body["key"];
    assert_eq!((&key["algorithm"], &key["publicKey"]), (&json!("ES256"), &json!(public)));
    assert_eq!(key["hasPrivateKey"], true);
    let again = caller.post("/api/key/import", both).await;
    assert_eq!((again.status, again.codes()), (400, vec!["[duplicate]key.kid"]));
    let public = ec_pair().1;
    let half = json!({ "key": { "name": "half", "algorithm": "ES256", "publicKey": public } });
    let half = caller.post("/api/key/import", half).await;
    assert_eq!((half.status, &half.body["key"]["hasPrivateKey"]), (200, &json!(false)));
    let rsa = pem(Rsa::generate(2048).unwrap().private_key_to_pem().unwrap());
    let rsa = json!({ "key": { "name": "rsa", "algorithm": "RS256", "privateKey": rsa } });
    let rsa = caller.post("/api/key/import", rsa).await;
    assert_eq!((rsa.status, &rsa.body["key"]["length"]), (200, &json!(2048)), "{rsa:?}");
    let secret = "a-shared-secret-of-the-tests-0123456789";
    let hmac = json!({ "key": { "name": "hmac", "type": "HMAC", "algorithm": "HS256", "secret": secret } });
    let hmac = caller.post("/api/key/import", hmac).await;
    assert_eq!((hmac.status, &hmac.body["key"]["type"]), (200, &json!("HMAC")), "{hmac:?}");
    for answer in [made, half, rsa, hmac, caller.get("/api/key").await, caller.get("/api/key/search").await] {
        let text = answer.body.to_string();
        assert!(!text.contains(secret) && !text.contains("PRIVATE KEY") && !text.contains("sealed"), "{text}");
    }
}

// E8, E9, F1: a key is what it says, and strong enough
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_such_key_is_refused_by_field() {
    let gateway = start().await;
    let caller = Caller::root(&gateway);
    let ((private, public), (_, other)) = (ec_pair(), ec_pair());
    let short = pem(Rsa::generate(1024).unwrap().private_key_to_pem().unwrap());
    for (key, code) in [
        (json!({ "name": "x", "algorithm": "none", "privateKey": private }), "[invalid]key.algorithm"),
        (json!({ "name": "x", "algorithm": "ES384", "privateKey": private }), "[invalid]key.privateKey"),
        (json!({ "name": "x", "algorithm": "RS256", "privateKey": short }), "[invalid]key.privateKey"),
        (json!({ "name": "x", "privateKey": short }), "[missing]key.algorithm"),
        (json!({ "name": "x", "algorithm": "ES256", "publicKey": private }), "[invalid]key.publicKey"),
        (json!({ "name": "x", "privateKey": private, "publicKey": other }), "[invalid]key.publicKey"),
        (json!({ "name": "x", "algorithm": "RS256", "secret": "x".repeat(64) }), "[invalid]key.algorithm"),
        (json!({ "name": "x", "algorithm": "HS512", "secret": "x".repeat(63) }), "[tooShort]key.secret"),
        (json!({ "name": "x", "algorithm": "HS256" }), "[missing]key.secret"),
        (json!({ "name": "x", "algorithm": "ES256", "type": "RSA", "publicKey": public }), "[invalid]key.type"),
        (json!({ "name": "x", "kid": "mine", "publicKey": public }), "[invalid]key.kid"),
        (json!({ "name": "x" }), "[missing]key.publicKey"),
        (json!({ "publicKey": public }), "[blank]key.name"),
        (json!({ "name": "x", "publicKey": 7 }), "[invalid]key.publicKey"),
    ] {
        let refused = caller.post("/api/key/import", json!({ "key": key })).await;
        assert_eq!((refused.status, refused.codes()), (400, vec![code]), "{key}");
    }
    for (key, code) in [
        (json!({ "name": "x", "algorithm": "RS256", "length": 1024 }), "[invalid]key.length"),
        (json!({ "name": "x", "algorithm": "ES256", "length": 384 }), "[invalid]key.length"),
        (json!({ "name": "x", "algorithm": "XS256" }), "[invalid]key.algorithm"),
        (json!({ "name": "x" }), "[blank]key.algorithm"),
    ] {
        let refused = caller.post("/api/key/generate", json!({ "key": key })).await;
        assert_eq!((refused.status, refused.codes()), (400, vec![code]), "{key}");
    }
}

// P2: published at once, signing later; and nobody deletes what signs
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_is_given_a_key() {
    let gateway = start().await;
    let caller = Caller::root(&gateway);
    let made = caller.post("/api/key/import", json!({ "key": { "name": "mine", "privateKey": ec_pair().0 } })).await;
    let (id, kid) = (made.body["key"]["id"].clone(), made.body["key"]["kid"].clone());
    let path = format!("/api/key/{}", id.as_str().unwrap());
    let tenant = format!("/api/tenant/{}", gateway.running.tenant_id);
    let before = caller.get(&tenant).await.body["tenant"]["jwtConfiguration"]["accessTokenKeyId"].clone();
    assert!(before.is_string(), "the key that was made at the start");
    let chosen = json!({ "tenant": { "jwtConfiguration": { "accessTokenKeyId": id } } });
    let patched = caller.patch(&tenant, chosen.clone()).await;
    assert_eq!(patched.status, 200, "{patched:?}");
    assert_eq!(patched.body["tenant"]["jwtConfiguration"]["accessTokenKeyId"], id);
    let again = caller.patch(&tenant, chosen).await.body;
    assert_eq!(again["tenant"]["jwtConfiguration"], patched.body["tenant"]["jwtConfiguration"], "it is said again");
    let published = gateway.request("GET", "/.well-known/jwks.json", "").await.json();
    assert!(published["keys"].as_array().unwrap().iter().any(|key| key["kid"] == kid), "{published}");
    assert_ne!(part(&gateway.token("").await, 0)["kid"], kid, "not yet");
    let refused = caller.delete(&path).await;
    assert_eq!((refused.status, refused.codes()), (400, vec!["[inUse]key.id"]));
    let before_path = format!("/api/key/{}", before.as_str().unwrap());
    assert_eq!(caller.delete(&before_path).await.status, 400, "it signs until the other one does");
    assert!(caller.get(&before_path).await.body["key"]["expirationInstant"].is_i64());
    // One key, one use: FusionAuth's clients name one for both.
    let both = json!({ "tenant": { "jwtConfiguration": { "accessTokenKeyId": id, "idTokenKeyId": id } } });
    let both = caller.patch(&tenant, both).await;
    let shown = &both.body["tenant"]["jwtConfiguration"];
    assert_eq!((both.status, &shown["accessTokenKeyId"]), (200, &id));
    assert_ne!(shown["idTokenKeyId"], id);
    for (member, id, code) in [
        ("accessTokenKeyId", before, "[invalid]tenant.jwtConfiguration.accessTokenKeyId"),
        ("accessTokenKeyId", json!(Uuid::nil()), "[missing]tenant.jwtConfiguration.accessTokenKeyId"),
    ] {
        let refused = caller.patch(&tenant, json!({ "tenant": { "jwtConfiguration": { member: id } } })).await;
        assert_eq!((refused.status, refused.codes()), (400, vec![code]));
    }
    let half = json!({ "key": { "name": "half", "algorithm": "ES256", "publicKey": ec_pair().1 } });
    let half = caller.post("/api/key/import", half).await.body["key"]["id"].clone();
    let refused =
        caller.patch(&tenant, json!({ "tenant": { "jwtConfiguration": { "accessTokenKeyId": half } } })).await;
    assert_eq!(refused.codes(), ["[invalid]tenant.jwtConfiguration.accessTokenKeyId"]);
}

// D-10: keys of one tenant are nobody else's
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_one_tenant_stay_in_it() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let generate = |name: &str| json!({ "key": { "algorithm": "ES256", "name": name } });
    let shared = root.post("/api/key/generate", generate("shared")).await.body["key"]["id"].clone();
    let body = json!({ "tenant": { "name": "other", "jwtConfiguration": { "accessTokenKeyId": shared } } });
    let other = root.post("/api/tenant", body).await;
    assert_eq!(other.status, 200, "{other:?}");
    assert_eq!(other.body["tenant"]["jwtConfiguration"]["accessTokenKeyId"], shared);
    let other = other.body["tenant"]["id"].as_str().unwrap().to_owned();
    let first = gateway.running.tenant_id.to_string();
    let theirs = Caller::root(&gateway).of_tenant(&other);
    let made = theirs.post("/api/key/generate", generate("theirs")).await;
    assert_eq!(made.body["key"]["tenantId"], json!(other));
    let path = format!("/api/key/{}", made.body["key"]["id"].as_str().unwrap());
    let mine = Caller::root(&gateway).of_tenant(&first);
    assert_eq!((theirs.get(&path).await.status, mine.get(&path).await.status), (200, 404));
    let body = json!({ "tenant": { "jwtConfiguration": { "accessTokenKeyId": made.body["key"]["id"] } } });
    assert_eq!(root.patch(&format!("/api/tenant/{first}"), body).await.status, 400);
}

// D-10: what is refused has no effect, neither on the object nor on the key
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_cannot_be_used_changes_nothing() {
    let gateway = start().await;
    let caller = Caller::root(&gateway);
    let path = format!("/api/tenant/{}", gateway.running.tenant_id);
    let unknown = json!({ "accessTokenKeyId": Uuid::nil() });
    let before = caller.get(&path).await.body;
    let body = json!({ "tenant": { "name": "renamed", "jwtConfiguration": unknown } });
    let refused = caller.patch(&path, body).await;
    assert_eq!((refused.status, refused.codes()), (400, vec!["[missing]tenant.jwtConfiguration.accessTokenKeyId"]));
    assert_eq!(caller.get(&path).await.body, before);
    let body = json!({ "tenant": { "name": "new", "jwtConfiguration": unknown } });
    let refused = caller.post("/api/tenant", body).await;
    assert_eq!(refused.codes(), ["[missing]tenant.jwtConfiguration.accessTokenKeyId"]);
    assert_eq!(caller.get("/api/tenant").await.body["tenants"].as_array().unwrap().len(), 1);
    // A name that is taken: the key is nobody's still, and not published.
    let made = caller.post("/api/key/generate", json!({ "key": { "algorithm": "ES256", "name": "mine" } })).await;
    let key = &made.body["key"];
    let signs = json!({ "enabled": true, "accessTokenKeyId": key["id"] });
    for (path, name) in [("/api/application", "application"), ("/api/entity/type", "entityType")] {
        let plain = json!({ name: { "name": "taken" } });
        assert_eq!(caller.post(path, plain).await.status, 200);
        let refused = caller.post(path, json!({ name: { "name": "taken", "jwtConfiguration": signs } })).await;
        assert_eq!((refused.status, refused.codes()), (400, vec![&*format!("[duplicate]{name}.name")]));
    }
    let published = gateway.request("GET", "/.well-known/jwks.json", "").await.json();
    assert!(published["keys"].as_array().unwrap().iter().all(|known| known["kid"] != key["kid"]), "{published}");
    assert_eq!(caller.delete(&format!("/api/key/{}", key["id"].as_str().unwrap())).await.status, 200);
}
