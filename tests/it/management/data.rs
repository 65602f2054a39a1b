//! What callers keep with their objects, entities within entities, grants to users, and the end of whole tenants.

use serde_json::{Value, json};
use uuid::Uuid;

use super::people::{ANN, People, done, text};
use super::{Answer, Caller, start};
use crate::support::authorization_server::part;
use crate::support::gateway::{Gateway, RECIPIENT_ID, TARGET_ID, client};

fn id(answer: &Answer, of: &str) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body[of]["id"].as_str().unwrap().to_owned()
}

async fn any_type(caller: &Caller<'_>) -> Value {
    caller.get("/api/entity/type").await.body["entityTypes"][0]["id"].clone()
}

// D-07, D-08: free JSON, kept and shown; a PUT without it clears it, a PATCH changes its members
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_is_kept_and_shown() {
    let gateway = start().await;
    let caller = Caller::root(&gateway);
    let type_id = any_type(&caller).await;
    for (path, envelope, more) in [
        ("/api/entity/type", "entityType", json!({})),
        ("/api/entity", "entity", json!({ "type": { "id": type_id } })),
        ("/api/application", "application", json!({})),
        ("/api/tenant", "tenant", json!({})),
        ("/api/user", "user", json!({ "email": "kim@example.com" })),
    ] {
        // Another tenant leaves open whose the rest would be.
        let caller = Caller::root(&gateway).of_tenant(&gateway.running.tenant_id.to_string());
        let caller = if envelope == "tenant" { Caller::root(&gateway) } else { caller };
        let document = |data: Value| {
            let mut object = json!({ "name": "kept", "data": data });
            object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({ envelope: object })
        };
        let data = json!({ "b": [1, { "x": null }], "a": "\u{e4}" });
        let made = caller.post(path, document(data.clone())).await;
        let path = format!("{path}/{}", id(&made, envelope));
        assert_eq!(made.body[envelope]["data"], data, "{path}");
        assert_eq!(caller.get(&path).await.body[envelope]["data"], data, "{path}");
        let patched = caller.patch(&path, json!({ envelope: { "data": { "a": null, "c": true } } })).await;
        assert_eq!(patched.body[envelope]["data"], json!({ "b": [1, { "x": null }], "c": true }), "{path} {patched:?}");
        for (wrong, code) in
            [(json!("text"), "invalid"), (json!([1]), "invalid"), (json!({ "x": "y".repeat(40_000) }), "tooLong")]
        {
            let refused = caller.put(&path, document(wrong)).await;
            assert_eq!((refused.status, refused.codes()), (400, vec![&*format!("[{code}]{envelope}.data")]), "{path}");
        }
        let cleared = caller.put(&path, document(json!(null))).await;
        assert_eq!(cleared.status, 200, "{path} {cleared:?}");
        assert!(cleared.body[envelope].get("data").is_none_or(|data| *data == json!({})), "{path} {cleared:?}");
    }
}

// D-08: parentId
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entities_are_parts_of_entities() {
    let gateway = start().await;
    let caller = Caller::root(&gateway);
    let type_id = any_type(&caller).await;
    let entity = |name: &str, parent: &Value| json!({ "entity": { "name": name, "type": { "id": type_id }, "parentId": parent } });
    let child = caller.post("/api/entity", entity("child", &json!(TARGET_ID))).await;
    let child_id = id(&child, "entity");
    assert_eq!(child.body["entity"]["parentId"], TARGET_ID);
    let path = format!("/api/entity/{child_id}");
    assert_eq!(caller.get(&path).await.body["entity"]["parentId"], TARGET_ID);
    let grandchild = id(&caller.post("/api/entity", entity("grandchild", &json!(child_id))).await, "entity");
    for (parent, code) in [
        (json!(child_id), "[invalid]entity.parentId"),
        (json!(grandchild), "[invalid]entity.parentId"),
        (json!(Uuid::nil()), "[missing]entity.parentId"),
        (json!("x"), "[invalid]entity.parentId"),
    ] {
        let refused = caller.patch(&path, json!({ "entity": { "parentId": parent } })).await;
        assert_eq!((refused.status, refused.codes()), (400, vec![code]), "{parent}");
    }
    let freed = caller.patch(&path, json!({ "entity": { "parentId": null } })).await;
    assert_eq!((freed.status, freed.body["entity"].get("parentId")), (200, None));
}

/// A user of an application with the password grant: the id, and how to get tokens.
async fn a_person(gateway: &Gateway, caller: &Caller<'_>) -> (String, String) {
    let settings = json!({ "enabledGrants": ["password"], "clientAuthenticationPolicy": "NotRequired" });
    let body = json!({ "application": { "name": "app", "oauthConfiguration": settings } });
    let application = id(&caller.post("/api/application", body).await, "application");
    let user = json!({ "email": "lee@example.com", "password": "correct horse battery staple" });
    let body = json!({ "user": user, "registration": { "applicationId": application } });
    let user_id = id(&caller.post("/api/user/registration", body).await, "user");
    let form = [
        ("grant_type", "password"),
        ("client_id", &*application),
        ("username", "lee@example.com"),
        ("password", "correct horse battery staple"),
    ];
    let mut request = client().post(gateway.url("/oauth2/token")).form(&form);
    if let Some(tenant) = &caller.tenant {
        request = request.header("x-fusionauth-tenantid", tenant);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(status, 200, "{body}");
    (user_id, body["access_token"].as_str().unwrap().to_owned())
}

// F-199: users' grants are stored and shown, and no token carries them
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_granted_permissions_that_no_token_carries() {
    let gateway = start().await;
    let caller = Caller::root(&gateway);
    let (user_id, _) = a_person(&gateway, &caller).await;
    let path = format!("/api/entity/{TARGET_ID}/grant");
    let body = json!({ "grant": { "userId": user_id, "permissions": ["write", "read"] } });
    assert_eq!((caller.post(&path, body.clone()).await.status, caller.put(&path, body).await.status), (200, 200));
    let one = caller.get(&format!("{path}?userId={user_id}")).await;
    let grant = &one.body["grant"];
    assert_eq!((&grant["userId"], &grant["permissions"]), (&json!(user_id), &json!(["read", "write"])), "{one:?}");
    assert_eq!((grant.get("recipientEntityId"), &grant["entity"]["id"]), (None, &json!(TARGET_ID)));
    // FusionAuth's TypeScript client sends what it was not given.
    let odd = caller.get(&format!("{path}?recipientEntityId=undefined&userId={user_id}")).await;
    assert_eq!(odd.body, one.body);
    assert_eq!(caller.get(&format!("{path}?recipientEntityId=null&userId=undefined")).await.status, 200);
    let all = caller.get(&path).await;
    let recipients: Vec<_> = all.body["grants"].as_array().unwrap().iter().map(|grant| &grant["userId"]).collect();
    assert_eq!(recipients, [&json!(null), &json!(user_id)], "the entity's and the user's");
    for (search, total) in [
        (format!("userId={user_id}"), 1),
        (format!("userId={user_id}&entityId={RECIPIENT_ID}"), 0),
        (format!("entityId={TARGET_ID}"), 2),
        (format!("userId={}", Uuid::nil()), 0),
    ] {
        let found = caller.get(&format!("/api/entity/grant/search?{search}")).await;
        assert_eq!((found.status, &found.body["total"]), (200, &json!(total)), "{search}");
    }
    for (grant, code) in [
        (json!({ "userId": user_id, "permissions": ["fly"] }), "[missing]grant.permissions"),
        (json!({ "userId": Uuid::nil(), "permissions": [] }), "[missing]grant.userId"),
        (json!({ "userId": user_id, "recipientEntityId": RECIPIENT_ID }), "[missing]grant.recipientEntityId"),
    ] {
        let refused = caller.post(&path, json!({ "grant": grant })).await;
        assert_eq!((refused.status, refused.codes()), (400, vec![code]), "{grant}");
    }
    let form =
        [("grant_type", "password"), ("username", "lee@example.com"), ("password", "correct horse battery staple")];
    let applications = caller.get("/api/application").await;
    let client_id = applications.body["applications"][0]["id"].as_str().unwrap().to_owned();
    let request =
        client().post(gateway.url("/oauth2/token")).form(&[&form[..], &[("client_id", &*client_id)]].concat());
    let tokens: Value = request.send().await.unwrap().json().await.unwrap();
    let claims = part(tokens["access_token"].as_str().unwrap(), 1);
    assert_eq!((&claims["sub"], claims.get("permissions")), (&json!(user_id), None), "{claims}");
    let gone = format!("{path}?userId={user_id}");
    assert_eq!((caller.delete(&gone).await.status, caller.get(&gone).await.status), (200, 404));
    assert_eq!(caller.delete(&gone).await.status, 404);
}

// D-11: a tenant goes with everything in it, and nothing that it issued is believed
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_goes_with_everything_in_it() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let refused = root.delete(&format!("/api/tenant/{}", gateway.running.tenant_id)).await;
    assert_eq!((refused.status, refused.codes()), (400, vec!["[inUse]tenantId"]));
    for (how, status) in [("", 200), ("?async=true", 202)] {
        let body = json!({ "tenant": { "name": "doomed", "profile": "standard" } });
        let tenant = id(&root.post("/api/tenant", body).await, "tenant");
        let inside = Caller::root(&gateway).of_tenant(&tenant);
        let type_id = any_type(&inside).await;
        let entity = json!({ "entity": { "name": "inside", "type": { "id": type_id } } });
        let entity = id(&inside.post("/api/entity", entity).await, "entity");
        // Its keys take a moment.
        let set = format!("/{tenant}/.well-known/jwks.json");
        for _ in 0..200 {
            if gateway.request("GET", &set, "").await.body().contains("RS256") {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let (user_id, token) = a_person(&gateway, &inside).await;
        let header = format!("Authorization: Bearer {token}\r\n");
        assert_eq!(gateway.request("GET", "/api/jwt/validate", &header).await.status(), 200);
        assert_eq!(root.delete(&format!("/api/tenant/{tenant}{how}")).await.status, status);
        for _ in 0..100 {
            if root.get(&format!("/api/tenant/{tenant}")).await.status == 404 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(gateway.request("GET", "/api/jwt/validate", &header).await.status(), 401, "at once");
        for gone in [format!("/api/tenant/{tenant}"), format!("/api/user/{user_id}"), format!("/api/entity/{entity}")] {
            assert_eq!(root.get(&gone).await.status, 404, "{gone}");
        }
        let told = root.get(&format!("/api/system/event-log/search?message=tenant.deleted%20{tenant}")).await;
        assert_eq!(told.body["total"], 1);
        assert_eq!(root.delete(&format!("/api/tenant/{tenant}")).await.status, 404);
    }
}

// D-10: of several who change the same state one is told that it was changed, and nothing that was answered is lost
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_answered_is_lost() {
    let people = People::start().await;
    let root = people.root();
    let kind = done(root.post("/api/entity/type", json!({ "entityType": { "name": "race" } })).await).body;
    let endpoints = json!({ "/api/user": ["GET"] });
    let key = json!({ "apiKey": { "permissions": { "endpoints": endpoints } } });
    let key = done(root.post("/api/api-key", key).await).body;
    let id = |body: &Value, name: &str| text(&body[name], "id");
    for (path, name, within) in [
        (format!("/api/tenant/{}", people.gateway.running.tenant_id), "tenant", "/data"),
        (format!("/api/entity/type/{}", id(&kind, "entityType")), "entityType", "/data"),
        (format!("/api/api-key/{}", id(&key, "apiKey")), "apiKey", "/permissions/endpoints"),
        (format!("/api/user/registration/{ANN}/{}", people.shop), "registration", "/data"),
    ] {
        let change = |number: usize| {
            let member = format!("/api/x{number}");
            let change = match within {
                "/data" => json!({ "data": { member: ["GET"] } }),
                _ => json!({ "permissions": { "endpoints": { member: ["GET"] } } }),
            };
            let (root, path) = (people.root(), path.clone());
            async move { root.patch(&path, json!({ name: change })).await.status }
        };
        let (a, b, c, d) = tokio::join!(change(0), change(1), change(2), change(3));
        let after = done(root.get(&path).await).body;
        let after = after[name].pointer(within).unwrap();
        for (number, status) in [a, b, c, d].into_iter().enumerate() {
            let is_there = after.get(format!("/api/x{number}")).is_some();
            assert!(matches!((status, is_there), (200, true) | (409, false)), "{path} {status} {after}");
        }
        assert!([a, b, c, d].contains(&200), "{path}");
    }
}
