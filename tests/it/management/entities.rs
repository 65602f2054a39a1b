//! Tenants, entity types, entities and grants.

use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Caller, start};
use crate::support::gateway::{RECIPIENT_ID, TARGET_ID, client};

fn id(answer: &super::Answer, of: &str) -> String {
    answer.body[of]["id"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

// D-07, F-183
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entity_type_lives_with_its_permissions() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let own = Uuid::from_u128(0xe7);
    let body = json!({ "entityType": {
        "name": "printer", "data": { "kept": "out" }, "unknown": 1,
        "permissions": [{ "name": "print", "isDefault": true, "description": "on paper" }, { "name": "scan" }],
    } });
    let made = root.post(&format!("/api/entity/type/{own}"), body.clone()).await;
    assert_eq!((made.status, id(&made, "entityType")), (200, own.to_string()), "{made:?}");
    let permissions = made.body["entityType"]["permissions"].as_array().unwrap();
    let names: Vec<&Value> = permissions.iter().map(|permission| &permission["name"]).collect();
    assert_eq!(names, [&json!("print"), &json!("scan")]);
    let instant = made.body["entityType"]["insertInstant"].as_i64().unwrap();
    assert!(instant > 1_700_000_000_000, "milliseconds: {instant}");
    // The same once more: id and name are taken.
    let again = root.post(&format!("/api/entity/type/{own}"), body).await;
    assert_eq!(again.status, 400);
    assert!(again.codes()[0].starts_with("[duplicate]entityType."), "{again:?}");
    let path = format!("/api/entity/type/{own}");
    let renamed = root.patch(&path, json!({ "entityType": { "name": "plotter" } })).await;
    assert_eq!(renamed.body["entityType"]["name"], "plotter");
    assert_eq!(renamed.body["entityType"]["permissions"].as_array().unwrap().len(), 2);
    let added = root.post(&format!("{path}/permission"), json!({ "permission": { "name": "staple" } })).await;
    let permission = format!("{path}/permission/{}", id(&added, "permission"));
    let changed = root.patch(&permission, json!({ "permission": { "isDefault": true } })).await;
    assert_eq!(
        (&changed.body["permission"]["name"], &changed.body["permission"]["isDefault"]),
        (&json!("staple"), &json!(true))
    );
    assert_eq!(
        root.put(&permission, json!({ "permission": { "name": "bind" } })).await.body["permission"]["isDefault"],
        false
    );
    assert_eq!(root.delete(&permission).await.status, 200);
    assert_eq!(root.delete(&permission).await.status, 404);
    let found =
        root.post("/api/entity/type/search", json!({ "search": { "name": "PLOT", "numberOfResults": 1 } })).await;
    assert_eq!((&found.body["total"], &found.body["entityTypes"][0]["id"]), (&json!(1), &json!(own)));
    let deleted = root.delete(&path).await;
    assert_eq!((deleted.status, deleted.media_type, deleted.body), (200, None, Value::Null));
    assert_eq!(root.get(&path).await.status, 404);
}

// D-07: `jwtConfiguration` of an entity type; FusionAuth's clients name the key of a tenant, or one of its own
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entity_type_says_how_the_tokens_of_its_entities_are_made() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let body = json!({ "key": { "algorithm": "ES256", "name": "printers" } });
    let key = root.post("/api/key/generate", body).await.body["key"]["id"].clone();
    let configuration = json!({ "enabled": true, "timeToLiveInSeconds": 60, "accessTokenKeyId": key });
    let body = json!({ "entityType": { "name": "printer", "jwtConfiguration": configuration } });
    let made = root.post("/api/entity/type", body).await;
    assert_eq!(made.body["entityType"]["jwtConfiguration"], configuration, "{made:?}");
    let path = format!("/api/entity/type/{}", id(&made, "entityType"));
    let needed = root.delete(&format!("/api/key/{}", key.as_str().unwrap())).await;
    assert_eq!((needed.status, needed.codes()), (400, vec!["[inUse]key.id"]));
    // An entity of the type lives by it.
    let entity = json!({ "entity": { "name": "lp0", "type": { "id": id(&made, "entityType") } } });
    let entity = root.post("/api/entity", entity).await;
    let client = (id(&entity, "entity"), entity.body["entity"]["clientSecret"].as_str().unwrap().to_owned());
    let form = [("grant_type", "client_credentials"), ("client_id", &client.0), ("client_secret", &client.1)];
    let token = async || {
        let answer = self::client().post(gateway.url("/oauth2/token")).form(&form).send().await.unwrap();
        answer.json::<Value>().await.unwrap()
    };
    assert_eq!(token().await["expires_in"], 60);
    let longer = json!({ "entityType": { "jwtConfiguration": { "timeToLiveInSeconds": 90 } } });
    let longer = root.patch(&path, longer).await.body["entityType"]["jwtConfiguration"].clone();
    assert_eq!(longer, json!({ "enabled": true, "timeToLiveInSeconds": 90, "accessTokenKeyId": key }));
    assert_eq!(token().await["expires_in"], 90);
    // A tenant's key signs for the types that name it, wherever it signs.
    let tenant = root.get("/api/tenant").await.body["tenants"][0]["jwtConfiguration"]["accessTokenKeyId"].clone();
    let own = json!({ "entityType": { "jwtConfiguration": { "accessTokenKeyId": tenant } } });
    assert_eq!(root.patch(&path, own).await.body["entityType"]["jwtConfiguration"]["accessTokenKeyId"], tenant);
    let off = json!({ "entityType": { "jwtConfiguration": { "enabled": false } } });
    let off = root.patch(&path, off).await.body["entityType"]["jwtConfiguration"].clone();
    assert_eq!(off, json!({ "enabled": false }));
    assert_eq!(token().await["expires_in"], 3600);
    for (configuration, code) in [
        (json!({ "timeToLiveInSeconds": 0 }), "[invalid]entityType.jwtConfiguration.timeToLiveInSeconds"),
        (json!({ "timeToLiveInSeconds": "1" }), "[invalid]entityType.jwtConfiguration.timeToLiveInSeconds"),
        (json!({ "accessTokenKeyId": Uuid::nil() }), "[missing]entityType.jwtConfiguration.accessTokenKeyId"),
        (json!({ "accessTokenKeyId": "x" }), "[invalid]entityType.jwtConfiguration.accessTokenKeyId"),
    ] {
        let body = json!({ "entityType": { "name": "printer", "jwtConfiguration": configuration } });
        let refused = root.put(&path, body).await;
        assert_eq!((refused.status, refused.codes()), (400, vec![code]), "{refused:?}");
    }
}

// D-08, F-181, D12: what was typed wrong is named, all of it
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entity_is_made_changed_and_deleted() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let types = root.get("/api/entity/type").await;
    let api = types.body["entityTypes"].as_array().unwrap().iter().find(|of| of["name"] == "api").unwrap();
    let made = root.post("/api/entity", json!({ "entity": { "name": "invoices", "type": { "id": api["id"] } } })).await;
    assert_eq!(made.status, 200, "{made:?}");
    let entity = id(&made, "entity");
    assert_eq!(made.body["entity"]["clientId"], json!(entity));
    assert_eq!(made.body["entity"]["type"]["name"], "api");
    let secret = made.body["entity"]["clientSecret"].as_str().unwrap().to_owned();
    assert!(secret.len() >= 32);
    let token = async |secret: &str| {
        let form = [("grant_type", "client_credentials")];
        let request = client().post(gateway.url("/oauth2/token")).basic_auth(&entity, Some(secret)).form(&form);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(token(&secret).await, 200);
    let path = format!("/api/entity/{entity}");
    let found = root.get(&path).await;
    assert_eq!((found.status, found.body["entity"].get("clientSecret")), (200, None), "shown once");
    // A new secret ends the old one.
    let chosen = "a-secret-that-somebody-chose-0123456789";
    let changed = root.patch(&path, json!({ "entity": { "name": "bills", "clientSecret": chosen } })).await;
    assert_eq!(
        (&changed.body["entity"]["name"], &changed.body["entity"]["clientSecret"]),
        (&json!("bills"), &json!(chosen))
    );
    assert_eq!((token(&secret).await, token(chosen).await), (401, 200));
    let operations = json!([{ "op": "replace", "path": "/entity/name", "value": "invoices" }]).to_string();
    let patched = root.send(Method::PATCH, &path, Some(("application/json-patch+json", operations))).await;
    assert_eq!((patched.status, &patched.body["entity"]["name"]), (200, &json!("invoices")));
    for (body, codes) in [
        (json!({ "entity": { "name": "" } }), vec!["[blank]entity.name"]),
        (json!({ "entity": { "name": 1, "id": Uuid::nil() } }), vec!["[invalid]entity.id", "[invalid]entity.name"]),
        (json!({ "entity": { "name": "orders" } }), vec!["[duplicate]entity.name"]),
        (json!({ "entity": { "name": "x", "clientSecret": "short" } }), vec!["[tooShort]entity.clientSecret"]),
        (json!({}), vec!["[missing]entity"]),
    ] {
        let refused = root.put(&path, body.clone()).await;
        assert_eq!((refused.status, refused.codes()), (400, codes), "{body}: {refused:?}");
        assert_eq!(refused.media_type.as_deref(), Some("application/json"));
    }
    let unknown_type = json!({ "entity": { "name": "x", "type": { "id": Uuid::nil() } } });
    assert_eq!(root.post("/api/entity", unknown_type).await.codes(), ["[missing]entity.type.id"]);
    let no_json = root.send(Method::POST, "/api/entity", Some(("application/json", "{".to_owned()))).await;
    assert_eq!((no_json.status, &no_json.body["generalErrors"][0]["code"]), (400, &json!("[invalidJSON]")));
    let form = root.send(Method::POST, "/api/entity", Some(("text/plain", "{}".to_owned()))).await;
    assert_eq!(form.status, 415);
    let searched = root.get("/api/entity/search?queryString=*&numberOfResults=2&startRow=1&orderBy=name%20DESC").await;
    assert_eq!(searched.body["total"], 3);
    let names: Vec<&str> =
        searched.body["entities"].as_array().unwrap().iter().filter_map(|entity| entity["name"].as_str()).collect();
    assert_eq!(names, ["orders", "invoices"]);
    let by_id = root.get(&format!("/api/entity/search?ids={TARGET_ID}&ids={entity}")).await;
    assert_eq!(by_id.body["total"], 2);
    assert_eq!(root.delete(&path).await.status, 200);
    assert_eq!((root.get(&path).await.status, token(chosen).await), (404, 401));
}

// D-09, F-183, F-184: what is granted is in the next token
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_counts_from_the_next_token_on() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let path = format!("/api/entity/{TARGET_ID}/grant");
    let wants_write = async || {
        let form = [("grant_type", "client_credentials"), ("scope", "target-entity:orders:write")];
        let secret = crate::support::gateway::RECIPIENT_SECRET;
        let request = client().post(gateway.url("/oauth2/token")).basic_auth(RECIPIENT_ID, Some(secret)).form(&form);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(wants_write().await, 400);
    let body = json!({ "grant": { "recipientEntityId": RECIPIENT_ID, "permissions": ["write", "read"] } });
    let made = root.post(&path, body).await;
    assert_eq!((made.status, made.media_type), (200, None));
    assert_eq!(wants_write().await, 200);
    let one = root.get(&format!("{path}?recipientEntityId={RECIPIENT_ID}")).await;
    assert_eq!(one.body["grant"]["permissions"], json!(["read", "write"]));
    assert_eq!(one.body["grant"]["entity"]["id"], TARGET_ID);
    assert_eq!(root.get(&path).await.body["grants"].as_array().unwrap().len(), 1);
    let searched = root.get(&format!("/api/entity/grant/search?entityId={TARGET_ID}&name=ord")).await;
    assert_eq!(
        (&searched.body["total"], &searched.body["grants"][0]["recipientEntityId"]),
        (&json!(1), &json!(RECIPIENT_ID))
    );
    for (grant, code) in [
        (json!({ "recipientEntityId": RECIPIENT_ID, "permissions": ["fly"] }), "[missing]grant.permissions"),
        (json!({ "recipientEntityId": Uuid::nil(), "permissions": [] }), "[missing]grant.recipientEntityId"),
        (json!({ "permissions": [] }), "[missing]grant.recipientEntityId"),
        (json!({ "recipientEntityId": RECIPIENT_ID, "permissions": "read" }), "[invalid]grant.permissions"),
    ] {
        let refused = root.post(&path, json!({ "grant": grant })).await;
        assert_eq!((refused.status, refused.codes()), (400, vec![code]), "{grant}: {refused:?}");
    }
    let gone = format!("{path}?recipientEntityId={RECIPIENT_ID}");
    assert_eq!(root.delete(&gone).await.status, 200);
    assert_eq!((root.delete(&gone).await.status, wants_write().await), (404, 400));
}

// D1, D-11: what is not said about a tenant is as its profile has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_has_the_defaults_of_its_profile() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    for (profile, life, code_life) in [("fusionauth", 3600, 300), ("auth0", 86_400, 900)] {
        let made = root.post("/api/tenant", json!({ "tenant": { "name": profile, "profile": profile } })).await;
        let shown = &made.body["tenant"];
        assert_eq!(shown["jwtConfiguration"]["timeToLiveInSeconds"], life, "{made:?}");
        assert_eq!(shown["externalIdentifierConfiguration"]["deviceCodeTimeToLiveInSeconds"], code_life, "{made:?}");
    }
}

// D-11, F-204: a tenant made here issues tokens a moment later
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_is_made_and_speaks_as_fusionauth_does() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let body = json!({ "tenant": {
        "name": "partners", "issuer": "acme.com", "themeId": "kept out",
        "jwtConfiguration": { "timeToLiveInSeconds": 120, "refreshTokenTimeToLiveInMinutes": 60, "refreshTokenUsagePolicy": "OneTimeUse" },
    } });
    let made = root.post("/api/tenant", body).await;
    assert_eq!(made.status, 200, "{made:?}");
    let tenant = id(&made, "tenant");
    let shown = &made.body["tenant"];
    assert_eq!((&shown["issuer"], &shown["profile"]), (&json!("acme.com"), &json!("fusionauth")));
    assert_eq!(shown["jwtConfiguration"]["refreshTokenUsagePolicy"], "OneTimeUse");
    let path = format!("/api/tenant/{tenant}");
    let patched = root.patch(&path, json!({ "tenant": { "jwtConfiguration": { "timeToLiveInSeconds": 60 } } })).await;
    let jwt = &patched.body["tenant"]["jwtConfiguration"];
    assert_eq!((&jwt["timeToLiveInSeconds"], &jwt["refreshTokenTimeToLiveInMinutes"]), (&json!(60), &json!(60)));
    for (tenant, code) in [
        (json!({ "name": "partners" }), "[duplicate]tenant.name"),
        (json!({ "name": "x", "profile": "other" }), "[invalid]tenant.profile"),
        (
            json!({ "name": "x", "jwtConfiguration": { "timeToLiveInSeconds": 0 } }),
            "[invalid]tenant.jwtConfiguration.timeToLiveInSeconds",
        ),
        (
            json!({ "name": "x", "jwtConfiguration": { "refreshTokenUsagePolicy": "Once" } }),
            "[invalid]tenant.jwtConfiguration.refreshTokenUsagePolicy",
        ),
    ] {
        let refused = root.post("/api/tenant", json!({ "tenant": tenant })).await;
        assert_eq!((refused.status, refused.codes()), (400, vec![code]), "{tenant}: {refused:?}");
    }
    let found = root.get("/api/tenant/search?name=part&orderBy=name").await;
    assert_eq!((&found.body["total"], &found.body["tenants"][0]["id"]), (&json!(1), &json!(tenant)));
    // Its entity gets a token that lives as long as was said.
    let types = root.get("/api/entity/type").await;
    let type_id = types.body["entityTypes"][0]["id"].clone();
    let inside = Caller::root(&gateway).of_tenant(&tenant);
    let entity = inside.post("/api/entity", json!({ "entity": { "name": "caller", "type": { "id": type_id } } })).await;
    let (client_id, secret) = (id(&entity, "entity"), entity.body["entity"]["clientSecret"].as_str().unwrap());
    let mut last = json!(null);
    for _ in 0..100 {
        let form = [("grant_type", "client_credentials"), ("client_id", &*client_id), ("client_secret", secret)];
        let request = client().post(gateway.url("/oauth2/token")).header("x-fusionauth-tenantid", &tenant).form(&form);
        last = request.send().await.unwrap().json().await.unwrap();
        if last.get("access_token").is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(last["expires_in"], 60, "{last}");
    assert_eq!((root.delete(&path).await.status, root.get(&path).await.status), (200, 404));
    assert_eq!(root.get(&format!("/api/entity/{client_id}")).await.status, 404, "with everything in it");
}
