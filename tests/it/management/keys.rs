//! Who may call, for which tenant, and what strangers learn.

use std::collections::{BTreeMap, BTreeSet};

use faregate::directory::{ApiKeyWithSecret, NewApiKey};
use http::Method;
use serde_json::json;
use uuid::Uuid;

use super::{Caller, start};
use crate::support::gateway::{Gateway, TARGET_ID, client};

async fn made(gateway: &Gateway, new: NewApiKey) -> String {
    let ApiKeyWithSecret { text, .. } = gateway.running.directory().create_api_key(new).await.unwrap();
    text.expose().clone()
}

// D-10: 401 without a body, whatever is wrong with the key
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_learn_nothing() {
    let gateway = start().await;
    for key in ["", "wrong", "Bearer root-key-of-the-tests-0123456789-abcdef", "root-key-of-the-tests-0123456789-abcde"]
    {
        let caller = Caller::with_key(&gateway, key);
        for (method, path) in [
            (Method::GET, "/api/tenant".to_owned()),
            (Method::POST, "/api/entity/type".to_owned()),
            (Method::GET, format!("/api/entity/{TARGET_ID}")),
            (Method::GET, format!("/api/entity/{}", Uuid::nil())),
        ] {
            let answer = caller.send(method, &path, None).await;
            assert_eq!((answer.status, answer.media_type, answer.body), (401, None, json!(null)), "{key:?} {path}");
        }
    }
    let twice = client().get(gateway.url("/api/tenant"));
    let twice = twice.header("authorization", super::ROOT_KEY).header("authorization", super::ROOT_KEY);
    assert_eq!(twice.send().await.unwrap().status(), 401);
    assert_eq!(Caller::root(&gateway).get("/api/tenant").await.status, 200);
    // A stranger hears that it is up, and nothing else.
    let status = Caller::with_key(&gateway, "wrong").get("/api/status").await;
    assert_eq!((status.status, status.body), (200, json!(null)));
    assert_eq!(Caller::root(&gateway).get("/api/status").await.body["status"], "Ok");
}

// D-10: rights by endpoint and method
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_does_what_it_may() {
    let gateway = start().await;
    let endpoints = BTreeMap::from([("/api/entity".to_owned(), BTreeSet::from(["GET".to_owned()]))]);
    let key = made(&gateway, NewApiKey { endpoints, ..NewApiKey::default() }).await;
    let caller = Caller::with_key(&gateway, &key);
    assert_eq!(caller.get(&format!("/api/entity/{TARGET_ID}")).await.status, 200);
    assert_eq!(caller.get("/api/entity/search").await.status, 200);
    for (method, path) in [
        (Method::DELETE, format!("/api/entity/{TARGET_ID}")),
        (Method::POST, "/api/entity".to_owned()),
        (Method::GET, "/api/tenant".to_owned()),
    ] {
        assert_eq!(caller.send(method, &path, None).await.status, 401, "{path}");
    }
}

// D-10: a key that is deleted is refused by the next request
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_key_ends_at_once() {
    let gateway = start().await;
    let directory = gateway.running.directory();
    let made = directory.create_api_key(NewApiKey::default()).await.unwrap();
    let caller = Caller::with_key(&gateway, made.text.expose());
    assert_eq!(caller.get("/api/tenant").await.status, 200);
    directory.delete_api_key(made.key.id).await.unwrap();
    assert_eq!(caller.get("/api/tenant").await.status, 401);
}

// D-10: one tenant's key sees one tenant, and cannot touch what belongs to none
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_one_tenant_stays_in_it() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let other = root.post("/api/tenant", json!({ "tenant": { "name": "other" } })).await;
    let other_id = other.body["tenant"]["id"].as_str().unwrap().to_owned();
    let tenant_id = Some(Uuid::parse_str(&other_id).unwrap());
    let key = made(&gateway, NewApiKey { tenant_id, ..NewApiKey::default() }).await;
    let caller = Caller::with_key(&gateway, &key);
    assert_eq!(caller.get(&format!("/api/entity/{TARGET_ID}")).await.status, 404);
    assert_eq!(caller.get("/api/entity/search").await.body["total"], 0);
    let tenants = caller.get("/api/tenant").await;
    assert_eq!(tenants.body["tenants"].as_array().unwrap().len(), 1);
    let first = gateway.running.tenant_id.to_string();
    assert_eq!(caller.get(&format!("/api/tenant/{first}")).await.status, 401);
    for body in [json!({ "entityType": { "name": "mine" } }), json!({ "tenant": { "name": "mine" } })] {
        let path = if body.get("tenant").is_some() { "/api/tenant" } else { "/api/entity/type" };
        assert_eq!(caller.post(path, body).await.status, 401, "{path}");
    }
    let foreign = Caller::with_key(&gateway, &key).of_tenant(&first);
    assert_eq!(foreign.get("/api/entity/search").await.status, 401);
    // Without a name, several tenants leave open whose the new object is.
    let types = root.get("/api/entity/type").await;
    let type_id = types.body["entityTypes"][0]["id"].clone();
    let entity = json!({ "entity": { "name": "new", "type": { "id": type_id } } });
    let unnamed = root.post("/api/entity", entity.clone()).await;
    assert_eq!((unnamed.status, &unnamed.body["generalErrors"][0]["code"]), (400, &json!("[TenantIdRequired]")));
    let named = Caller::root(&gateway).of_tenant(&other_id).post("/api/entity", entity.clone()).await;
    assert_eq!((named.status, &named.body["entity"]["tenantId"]), (200, &json!(other_id)));
    assert_eq!(
        Caller::root(&gateway).of_tenant(&Uuid::nil().to_string()).post("/api/entity", entity).await.status,
        401
    );
}

// Where it is not configured, the paths are a route's, and the admin listener still answers
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_on_the_admin_listener_and_elsewhere_only_when_asked() {
    let sections = super::SECTIONS.replace("public: true, api_key", "api_key");
    let gateway = Gateway::with(&sections, &[]).await;
    assert_eq!(gateway.request("GET", "/api/tenant", "").await.status(), 200);
    assert!(gateway.upstream.last().head.starts_with("GET /api/tenant"));
    let admin = format!("http://{}/api/tenant", gateway.running.admin.unwrap());
    assert_eq!(client().get(&admin).send().await.unwrap().status(), 401);
    let answer = client().get(&admin).header("authorization", super::ROOT_KEY).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let body: serde_json::Value = answer.json().await.unwrap();
    assert_eq!(body["tenants"][0]["id"], gateway.running.tenant_id.to_string());
    let large = client().post(&admin).header("authorization", super::ROOT_KEY).body(vec![b'x'; 1024 * 1024 + 1]);
    assert_eq!(large.send().await.unwrap().status(), 413);
    // Other paths below /api/ stay the routes' on a public API too.
    let public = start().await;
    assert_eq!(public.request("GET", "/api/orders", "").await.status(), 200);
    assert_eq!(public.request("GET", "/api/tenant", "").await.status(), 401);
}

// D-10: a key makes keys only if it may, and never one that may do more than itself
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_make_keys_within_their_own_rights() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let endpoints = json!({ "/api/entity": ["GET", "POST"], "/api/api-key": ["GET", "POST", "PATCH", "DELETE"] });
    let body = json!({ "apiKey": { "name": "ci", "keyManager": true, "permissions": { "endpoints": endpoints } } });
    let made = root.post("/api/api-key", body).await;
    assert_eq!(made.status, 200, "{made:?}");
    let manager = Caller::with_key(&gateway, made.body["apiKey"]["key"].as_str().unwrap());
    let path = format!("/api/api-key/{}", made.body["apiKey"]["id"].as_str().unwrap());
    assert_eq!(root.get(&path).await.body["apiKey"].get("key"), None, "shown once");
    let narrow = json!({ "apiKey": { "permissions": { "endpoints": { "/api/entity/search": ["GET"] } } } });
    let narrow = manager.post("/api/api-key", narrow).await;
    assert_eq!(narrow.status, 200, "{narrow:?}");
    for wider in [json!({}), json!({ "/api/tenant": ["GET"] }), json!({ "/api/entity": ["DELETE"] })] {
        let body = json!({ "apiKey": { "permissions": { "endpoints": wider } } });
        assert_eq!(manager.post("/api/api-key", body.clone()).await.status, 401, "{body}");
        assert_eq!(manager.patch(&path, json!({ "apiKey": { "permissions": null } })).await.status, 401);
    }
    let plain = Caller::with_key(&gateway, narrow.body["apiKey"]["key"].as_str().unwrap());
    assert_eq!((plain.get("/api/entity/search").await.status, plain.get(&path).await.status), (200, 401));
    for (endpoints, code) in [
        (json!({ "api/user": ["GET"] }), "[invalid]apiKey.permissions.endpoints"),
        (json!({ "/api/user": ["LOOK"] }), "[invalid]apiKey.permissions.endpoints"),
        (json!({ "/api/user": "GET" }), "[invalid]apiKey.permissions.endpoints"),
        (json!({ "/api/user": ["GET", 1] }), "[invalid]apiKey.permissions.endpoints"),
        (json!([]), "[invalid]apiKey.permissions.endpoints"),
    ] {
        let refused =
            root.post("/api/api-key", json!({ "apiKey": { "permissions": { "endpoints": endpoints } } })).await;
        assert_eq!((refused.status, refused.codes()), (400, vec![code]), "{endpoints}");
    }
    // A key that is over is refused.
    assert_eq!(root.patch(&path, json!({ "apiKey": { "expirationInstant": 1000 } })).await.status, 200);
    assert_eq!(manager.get("/api/entity/search").await.status, 401);
    assert_eq!((root.delete(&path).await.status, root.get(&path).await.status), (200, 404));
}

async fn manager(gateway: &Gateway, endpoints: serde_json::Value, until: Option<i64>) -> (String, String) {
    let key = json!({ "keyManager": true, "permissions": { "endpoints": endpoints }, "expirationInstant": until });
    let made = Caller::root(gateway).post("/api/api-key", json!({ "apiKey": key })).await;
    assert_eq!(made.status, 200, "{made:?}");
    let text = |name: &str| made.body["apiKey"][name].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

// D-10: what a key is kept from, and when it ends, are limits of what it hands out
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_hands_out_what_it_is_kept_from() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let all = json!(["GET", "POST", "PUT", "PATCH", "DELETE"]);
    let own = json!({ "/api/user": ["GET"], "/api/user/search": [], "/api/api-key": all });
    let until = 4_000_000_000_000_i64;
    let (id, key) = manager(&gateway, own.clone(), Some(until)).await;
    let caller = Caller::with_key(&gateway, &key);
    let child = |endpoints: serde_json::Value, until: Option<i64>| json!({ "apiKey": { "permissions": { "endpoints": endpoints }, "expirationInstant": until } });
    let within = json!({ "/api/user": ["GET"], "/api/user/search": [] });
    for (endpoints, until) in [
        (json!({ "/api/user": ["GET"] }), Some(until)),
        (within.clone(), None),
        (within.clone(), Some(until + 1000)),
        (json!({ "/api": ["GET"], "/api/user/search": [] }), Some(until)),
    ] {
        let refused = caller.post("/api/api-key", child(endpoints.clone(), until)).await;
        assert_eq!(refused.status, 401, "{endpoints} {until:?}");
    }
    let made = caller.post("/api/api-key", child(within.clone(), Some(until))).await;
    assert_eq!(made.status, 200, "{made:?}");
    // A PUT without the end would be one of a key that never ends.
    let of_child = format!("/api/api-key/{}", made.body["apiKey"]["id"].as_str().unwrap());
    for path in [&of_child, &format!("/api/api-key/{id}")] {
        assert_eq!(caller.put(path, child(within.clone(), None)).await.status, 401, "{path}");
    }
    let renamed = json!({ "apiKey": { "name": "theirs" } });
    assert_eq!(caller.patch(&of_child, renamed.clone()).await.status, 200);
    // Keys that may do more are shown, changed and deleted by those only who may do that much.
    let (stronger, _) = manager(&gateway, json!({}), None).await;
    let stronger = format!("/api/api-key/{stronger}");
    for answer in [
        caller.get(&stronger).await,
        caller.put(&stronger, child(within, Some(until))).await,
        caller.patch(&stronger, renamed).await,
        caller.delete(&stronger).await,
    ] {
        assert_eq!((answer.status, answer.body), (401, json!(null)));
    }
    assert_eq!(root.get(&stronger).await.status, 200);
    assert_eq!(caller.delete(&of_child).await.status, 200);
}

// D-10: FusionAuth's `sourceKeyId`: what a copy may do is what its source may, and no more
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_key_may_do_what_the_key_may() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let (tenant, endpoints) = (gateway.running.tenant_id.to_string(), json!({ "/api/user": ["GET"] }));
    let source = json!({ "tenantId": tenant, "permissions": { "endpoints": endpoints }, "name": "source" });
    let made = root.post("/api/api-key", json!({ "apiKey": source })).await;
    let source = made.body["apiKey"]["id"].clone();
    for body in [json!({ "sourceKeyId": source }), json!({ "sourceKeyId": source, "apiKey": { "name": "copy" } })] {
        let copy = root.post("/api/api-key", body).await;
        assert_eq!(copy.status, 200, "{copy:?}");
        let key = &copy.body["apiKey"];
        assert_eq!((&key["permissions"]["endpoints"], &key["tenantId"]), (&endpoints, &json!(tenant)));
        assert_eq!(key["keyManager"], false);
        let caller = Caller::with_key(&gateway, key["key"].as_str().unwrap());
        assert_eq!((caller.get("/api/user").await.status, caller.get("/api/tenant").await.status), (404, 401));
    }
    let (of_manager, _) = manager(&gateway, json!({}), None).await;
    let more = json!({ "permissions": { "endpoints": { "/api/tenant": ["GET"] } } });
    for (body, code) in [
        (json!({ "sourceKeyId": of_manager }), "[invalid]sourceKeyId"),
        (json!({ "sourceKeyId": Uuid::nil() }), "[invalid]sourceKeyId"),
        (json!({ "sourceKeyId": "x" }), "[invalid]sourceKeyId"),
        (json!({ "sourceKeyId": source, "apiKey": more }), "[invalid]apiKey.permissions.endpoints"),
        (json!({ "sourceKeyId": source, "apiKey": { "keyManager": true } }), "[invalid]apiKey.keyManager"),
    ] {
        let refused = root.post("/api/api-key", body.clone()).await;
        assert_eq!((refused.status, refused.codes()), (400, vec![code]), "{body}");
    }
    // Nobody copies more than they could make.
    let (_, weak) = manager(&gateway, json!({ "/api/entity": ["GET"], "/api/api-key": ["POST"] }), None).await;
    let copied = Caller::with_key(&gateway, &weak).post("/api/api-key", json!({ "sourceKeyId": source })).await;
    assert_eq!(copied.status, 401);
    let tenant = json!({ "tenant": { "name": "copy" }, "sourceTenantId": gateway.running.tenant_id });
    assert_eq!(root.post("/api/tenant", tenant).await.codes(), ["[invalid]sourceTenantId"]);
}

// D-10, D6: what a tenant is called and how it speaks concerns every other one
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_one_tenant_gives_it_no_other_issuer_or_profile() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let other = json!({ "tenant": { "name": "other", "profile": "standard", "issuer": "https://other.example" } });
    let other_id = root.post("/api/tenant", other).await.body["tenant"]["id"].as_str().unwrap().to_owned();
    let tenant_id = Some(Uuid::parse_str(&other_id).unwrap());
    let key = made(&gateway, NewApiKey { tenant_id, ..NewApiKey::default() }).await;
    let caller = Caller::with_key(&gateway, &key);
    let path = format!("/api/tenant/{other_id}");
    let gate = gateway.url("");
    for change in [json!({ "issuer": gate }), json!({ "issuer": null }), json!({ "profile": "auth0" })] {
        assert_eq!(caller.patch(&path, json!({ "tenant": change })).await.status, 401, "{change}");
    }
    assert_eq!(caller.put(&path, json!({ "tenant": { "name": "other" } })).await.status, 401, "without its issuer");
    let renamed =
        caller.patch(&path, json!({ "tenant": { "name": "renamed", "issuer": "https://other.example" } })).await;
    assert_eq!((renamed.status, &renamed.body["tenant"]["name"]), (200, &json!("renamed")));
    let changed = root.patch(&path, json!({ "tenant": { "issuer": "https://new.example", "profile": "auth0" } })).await;
    assert_eq!((changed.status, &changed.body["tenant"]["issuer"]), (200, &json!("https://new.example")));
}
