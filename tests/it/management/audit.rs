//! Every change over the API is an event in the log.

use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Caller, start};

/// How many events of this name there are.
async fn count(caller: &Caller<'_>, event: &str) -> u64 {
    let found = caller.get(&format!("/api/system/event-log/search?numberOfResults=0&message={event}")).await;
    found.body["total"].as_u64().unwrap_or_else(|| panic!("{found:?}"))
}

// D-05: whoever changed something is found, whatever it was
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_is_an_event() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let id = |number: u128| Uuid::from_u128(0xa0d1 << 64 | number).to_string();
    let (kind, read, write, orders, billing) = (id(1), id(2), id(3), id(4), id(5));
    let (shop, admin, scope, ann, key, api_key, tenant) = (id(6), id(7), id(8), id(9), id(10), id(11), id(12));
    let named = |of: &str, name: &str| json!({ of: { "name": name } });
    let user = |name: &str| json!({ "user": { "username": name, "password": "velvet anchor gravel" } });
    let grant = json!({ "grant": { "recipientEntityId": billing, "permissions": ["read"] } });
    let entity = |name: &str| json!({ "entity": { "name": name, "type": { "id": kind } } });
    let registration = json!({ "registration": { "applicationId": shop } });
    let changes: Vec<(Method, String, Value, &str)> = vec![
        (Method::POST, format!("/api/entity/type/{kind}"), named("entityType", "kind"), "entity_type.created"),
        (Method::PATCH, format!("/api/entity/type/{kind}"), named("entityType", "sort"), "entity_type.updated"),
        (
            Method::POST,
            format!("/api/entity/type/{kind}/permission/{read}"),
            named("permission", "read"),
            "entity_type.updated",
        ),
        (
            Method::POST,
            format!("/api/entity/type/{kind}/permission/{write}"),
            named("permission", "x"),
            "entity_type.updated",
        ),
        (
            Method::PUT,
            format!("/api/entity/type/{kind}/permission/{write}"),
            named("permission", "write"),
            "entity_type.updated",
        ),
        (Method::DELETE, format!("/api/entity/type/{kind}/permission/{write}"), Value::Null, "entity_type.updated"),
        (Method::POST, format!("/api/entity/{orders}"), entity("audited orders"), "entity.created"),
        (Method::POST, format!("/api/entity/{billing}"), entity("audited billing"), "entity.created"),
        (Method::PATCH, format!("/api/entity/{orders}"), named("entity", "audited"), "entity.updated"),
        (Method::POST, format!("/api/entity/{orders}/grant"), grant, "grant.changed"),
        (
            Method::DELETE,
            format!("/api/entity/{orders}/grant?recipientEntityId={billing}"),
            Value::Null,
            "grant.deleted",
        ),
        (Method::DELETE, format!("/api/entity/{billing}"), Value::Null, "entity.deleted"),
        (Method::POST, format!("/api/application/{shop}"), named("application", "shop"), "application.created"),
        (Method::PATCH, format!("/api/application/{shop}"), named("application", "market"), "application.updated"),
        (Method::POST, format!("/api/application/{shop}/role/{admin}"), named("role", "admin"), "application.updated"),
        (
            Method::PATCH,
            format!("/api/application/{shop}/role/{admin}"),
            json!({ "role": { "description": "chief" } }),
            "application.updated",
        ),
        (Method::DELETE, format!("/api/application/{shop}/role/{admin}"), Value::Null, "application.updated"),
        (Method::POST, format!("/api/application/{shop}/scope/{scope}"), named("scope", "mail"), "application.updated"),
        (
            Method::PATCH,
            format!("/api/application/{shop}/scope/{scope}"),
            json!({ "scope": { "description": "post" } }),
            "application.updated",
        ),
        (Method::DELETE, format!("/api/application/{shop}/scope/{scope}"), Value::Null, "application.updated"),
        (Method::POST, format!("/api/user/{ann}"), user("ann"), "user.created"),
        (Method::PATCH, format!("/api/user/{ann}"), json!({ "user": { "fullName": "Ann" } }), "user.updated"),
        (
            Method::POST,
            format!("/api/entity/{orders}/grant"),
            json!({ "grant": { "userId": ann, "permissions": [] } }),
            "grant.changed",
        ),
        (Method::DELETE, format!("/api/entity/{orders}/grant?userId={ann}"), Value::Null, "grant.deleted"),
        (Method::POST, format!("/api/user/registration/{ann}"), registration.clone(), "registration.changed"),
        (Method::PATCH, format!("/api/user/registration/{ann}"), registration, "registration.changed"),
        (Method::DELETE, format!("/api/user/registration/{ann}/{shop}"), Value::Null, "registration.deleted"),
        (Method::DELETE, format!("/api/user/{ann}"), Value::Null, "user.locked"),
        (Method::PUT, format!("/api/user/{ann}?reactivate=true"), Value::Null, "user.unlocked"),
        (
            Method::POST,
            "/api/user/change-password".to_owned(),
            json!({ "loginId": "ann", "password": "gravel anchor velvet 2" }),
            "user.password_changed",
        ),
        (Method::DELETE, format!("/api/user/{ann}?hardDelete=true"), Value::Null, "user.deleted"),
        (Method::DELETE, format!("/api/application/{shop}"), Value::Null, "application.updated"),
        (Method::DELETE, format!("/api/application/{shop}?hardDelete=true"), Value::Null, "application.deleted"),
        (
            Method::POST,
            format!("/api/key/generate/{key}"),
            json!({ "key": { "name": "key", "algorithm": "ES256" } }),
            "key.created",
        ),
        (Method::PUT, format!("/api/key/{key}"), named("key", "other"), "key.renamed"),
        (Method::DELETE, format!("/api/key/{key}"), Value::Null, "key.deleted"),
        (Method::POST, format!("/api/api-key/{api_key}"), json!({ "apiKey": { "name": "robot" } }), "api_key.created"),
        (Method::PATCH, format!("/api/api-key/{api_key}"), named("apiKey", "robot 2"), "api_key.updated"),
        (Method::DELETE, format!("/api/api-key/{api_key}"), Value::Null, "api_key.deleted"),
        (Method::DELETE, format!("/api/entity/{orders}"), Value::Null, "entity.deleted"),
        (Method::DELETE, format!("/api/entity/type/{kind}"), Value::Null, "entity_type.deleted"),
        (Method::POST, format!("/api/tenant/{tenant}"), named("tenant", "acme"), "tenant.created"),
        (Method::PATCH, format!("/api/tenant/{tenant}"), named("tenant", "emca"), "tenant.updated"),
        (Method::DELETE, format!("/api/tenant/{tenant}"), Value::Null, "tenant.deleted"),
    ];
    for (method, path, body, event) in changes {
        let before = count(&root, event).await;
        let body = (!body.is_null()).then(|| ("application/json", body.to_string()));
        let answer = root.send(method.clone(), &path, body).await;
        assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
        assert!(count(&root, event).await > before, "{method} {path} is no {event}");
    }
}
