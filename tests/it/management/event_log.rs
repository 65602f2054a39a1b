//! `/api/system/event-log`: what happened, looked up.

use std::time::SystemTime;

use faregate::store::sql::{Options, SqlStore};
use faregate::store::{EventSearch, Store as _};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answer, Caller, start};
use crate::support::files::Folder;
use crate::support::gateway::{Gateway, RECIPIENT_ID};

/// Makes an entity type, whose id nothing else has: several gateways of the tests share a process.
async fn something(caller: &Caller<'_>) -> String {
    let id = Uuid::new_v4().to_string();
    let body = json!({ "entityType": { "name": id.replace('-', "x") } });
    assert_eq!(caller.post(&format!("/api/entity/type/{id}"), body).await.status, 200);
    id
}

fn entries(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["eventLogs"].as_array().unwrap().clone()
}

// D-05: numbers, kinds, instants in milliseconds; pages and totals
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happened_is_found() {
    let gateway = start().await;
    let caller = Caller::root(&gateway);
    let id = something(&caller).await;
    assert_eq!(caller.delete(&format!("/api/entity/type/{id}")).await.status, 200);
    let found = caller.get(&format!("/api/system/event-log/search?message={id}")).await;
    let events = entries(&found);
    assert_eq!((events.len(), &found.body["total"]), (2, &json!(2)));
    assert_eq!(events[0]["message"], format!("entity_type.deleted {id}"), "the newest first");
    assert_eq!(events[0]["type"], "Information");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    let at = events[0]["insertInstant"].as_i64().unwrap();
    assert!(now.abs_diff(u128::try_from(at).unwrap()) < 60_000);
    let path = format!("/api/system/event-log/{}", events[0]["id"]);
    assert_eq!(caller.get(&path).await.body, json!({ "eventLog": events[0] }));
    for missing in ["/api/system/event-log/0", "/api/system/event-log/x", "/api/system/event-log/99999999999999999999"]
    {
        assert_eq!(caller.get(missing).await.status, 404, "{missing}");
    }
    for (search, total, first) in [
        (json!({ "message": format!("*{}*", id.to_uppercase()) }), 2, Some("deleted")),
        (json!({ "message": id, "orderBy": "id ASC" }), 2, Some("created")),
        (json!({ "message": id, "orderBy": "insertInstant ASC,message ASC" }), 2, Some("created")),
        (json!({ "message": id, "numberOfResults": 1, "startRow": 1 }), 2, Some("created")),
        (json!({ "message": id, "type": "Information", "start": at - 60_000, "end": at + 60_000 }), 2, Some("deleted")),
        (json!({ "message": id, "type": "Error" }), 0, None),
        (json!({ "message": id, "start": at + 60_000 }), 0, None),
        (json!({ "message": id, "end": at - 60_000 }), 0, None),
    ] {
        let found = caller.post("/api/system/event-log/search", json!({ "search": search })).await;
        assert_eq!(found.body["total"], total, "{search}");
        let events = entries(&found);
        assert_eq!(events.len(), if search["numberOfResults"] == 1 { 1 } else { total }, "{search}");
        let message = events.first().map(|event| event["message"].as_str().unwrap());
        assert!(first.is_none_or(|first| message.unwrap().contains(first)), "{search} {message:?}");
    }
    for (search, code) in [
        (json!({ "type": "Loud" }), "[invalid]search.type"),
        (json!({ "start": "yesterday" }), "[invalid]search.start"),
        (json!({ "orderBy": "secret" }), "[invalid]search.orderBy"),
    ] {
        let refused = caller.post("/api/system/event-log/search", json!({ "search": search })).await;
        assert_eq!((refused.status, refused.codes()), (400, vec![code]));
    }
    let bounded = format!("/api/system/event-log/search?message={id}&start={}&end={}", at - 60_000, at + 60_000);
    assert_eq!(caller.get(&bounded).await.body["total"], 2);
}

// F-013: what the debug setting brings to light; T77: and no secret
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_debugged_is_in_the_log() {
    let gateway = start().await;
    let caller = Caller::root(&gateway);
    let settings = json!({ "debug": true, "enabledGrants": ["authorization_code"] });
    let body = json!({ "application": { "name": "debugged", "oauthConfiguration": settings } });
    let made = caller.post("/api/application", body).await;
    assert_eq!(made.status, 200, "{made:?}");
    let configuration = &made.body["application"]["oauthConfiguration"];
    let (client_id, secret) =
        (configuration["clientId"].as_str().unwrap(), configuration["clientSecret"].as_str().unwrap());
    let form = [
        ("grant_type", "authorization_code"),
        ("code", "a-code-that-nobody-issued"),
        ("redirect_uri", "https://app.example/cb"),
        ("client_id", client_id),
        ("client_secret", secret),
    ];
    let refused =
        crate::support::gateway::client().post(gateway.url("/oauth2/token")).form(&form).send().await.unwrap();
    assert_eq!(refused.status(), 400);
    let found = caller.get(&format!("/api/system/event-log/search?type=Debug&message={client_id}")).await;
    let events = entries(&found);
    assert_eq!(events.len(), 1, "{events:?}");
    let text = events[0]["message"].as_str().unwrap();
    assert!(text.starts_with("token.refused client ") && text.contains("invalid_grant"), "{text}");
    assert!(!text.contains(secret) && !text.contains("a-code-that-nobody-issued"), "{text}");
    // What happens with every token is in the log lines only.
    gateway.token("").await;
    let issued = caller.get(&format!("/api/system/event-log/search?message=token.issued%20{RECIPIENT_ID}")).await;
    assert_eq!(issued.body["total"], 0);
}

// The log is bounded, and it belongs to no tenant
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_bounded_and_nobody_elses() {
    let sections = super::SECTIONS.replace("public: true, api_key", "public: true, event_log: { entries: 3 }, api_key");
    let gateway = Gateway::with(&sections, &[]).await;
    let caller = Caller::root(&gateway);
    for _ in 0..4 {
        something(&caller).await;
        caller.get("/api/system/event-log/1").await;
    }
    let found = caller.get("/api/system/event-log/search").await;
    assert!(found.body["total"].as_i64().unwrap() <= 3, "{found:?}");
    let tenant_id = Some(gateway.running.tenant_id);
    let key = faregate::directory::NewApiKey { tenant_id, ..faregate::directory::NewApiKey::default() };
    let made = gateway.running.directory().create_api_key(key).await.unwrap();
    let bound = Caller::with_key(&gateway, made.text.expose());
    assert_eq!(bound.get("/api/system/event-log/search").await.status, 401);
}

// What was told is written before the process ends
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_leaves_nothing_unwritten() {
    let folder = Folder::new();
    let url = format!("sqlite://{}", folder.path().join("events.db").display());
    let gateway = Gateway::with(super::SECTIONS, &[("STORE", &url)]).await;
    let id = something(&Caller::root(&gateway)).await;
    gateway.running.stop().await;
    let store = SqlStore::open(&url, &Options::default()).await.unwrap();
    let search =
        EventSearch { text: id, kind: None, from_at: 0, until_at: i64::MAX, order: Vec::new(), limit: 10, offset: 0 };
    assert_eq!(store.search_events(&search).await.unwrap().1, 1);
    store.close().await;
}
