//! How fast 100,000 users and 10,000 entities are listed and searched, and imported, on both engines: in the store, and over
//! HTTP through the admin listener. Not run unless asked for:
//! `scripts/with-postgres cargo test --release --test it search_speed -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use faregate::model::{Entity, EntityGrant, EntityType, Permission, Tenant, User, UserGrant, UserProfile};
use faregate::store::sql::SqlStore;
use faregate::store::{GrantSearch, Search, SearchOrder, Store};
use serde_json::Value;
use uuid::Uuid;

use crate::support::database::Database;
use crate::support::gateway::{Gateway, client};

const USERS: u32 = 100_000;
const ENTITIES: u32 = 10_000;
/// Those of users come on top.
const GRANTS: u32 = 10_000;
const USER_GRANTS: u32 = 1_000;
const TENANT: Uuid = Uuid::from_u128(1);
const TYPE: Uuid = Uuid::from_u128(2);

/// How often each question is asked.
const TIMES: usize = 21;

const GIVEN: [&str; 10] = ["Anna", "Björn", "Chen", "Dana", "Emre", "Fatima", "Greta", "Hugo", "Ines", "José"];
const FAMILY: [&str; 100] = {
    let mut names = ["Miller"; 100];
    names[7] = "Lovelace";
    names[50] = "Ünlü";
    names
};

fn user(number: u32) -> User {
    let (given, family) = (GIVEN[number as usize % 10], FAMILY[number as usize / 10 % 100]);
    let profile = UserProfile { name: Some(format!("{given} {family}")), ..UserProfile::default() };
    User {
        email: Some(format!("{}.{number}@example.com", given.to_lowercase())),
        username: Some(format!("user-{number}")),
        password_hash: Some(
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g".to_owned(),
        ),
        profile,
        // Ids are random in life.
        ..User::new(
            Uuid::from_u128(u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)),
            TENANT,
            1_000,
        )
    }
}

async fn fill(store: &SqlStore) {
    store.insert_tenant(&Tenant::new(TENANT, "acme", 1)).await.expect("inserted");
    let read = Permission { id: Uuid::from_u128(3), name: "read".to_owned(), description: None, is_default: false };
    let entity_type = EntityType { permissions: vec![read], ..EntityType::new(TYPE, "API", 1) };
    store.insert_entity_type(&entity_type).await.expect("inserted");
    let began = Instant::now();
    let people: Vec<_> = (1..=USERS).map(|number| (user(number), Vec::new())).collect();
    for some in people.chunks(500) {
        store.insert_people(some).await.expect("inserted");
    }
    eprintln!("  {USERS} users imported: {:?}", began.elapsed());
    let began = Instant::now();
    for number in 1..=ENTITIES {
        let entity = Entity {
            parent_id: None,
            data: serde_json::Map::new(),
            id: entity_id(number),
            tenant_id: TENANT,
            type_id: TYPE,
            name: format!("Service {number} of {}", FAMILY[number as usize % 100]),
            client_id: format!("client-{number}"),
            client_secrets: Vec::new(),
            managed_by: None,
            created_at: 1_000,
            updated_at: 1_000,
        };
        store.insert_entity(&entity).await.expect("inserted");
    }
    eprintln!("  {ENTITIES} entities made, each with a commit: {:?}", began.elapsed());
    let began = Instant::now();
    let (permissions, now) = (vec!["read".to_owned()], 1_000);
    for number in 0..GRANTS {
        let grant = EntityGrant {
            id: Uuid::from_u128(u128::from(number) << 64 | 1),
            // Each of a hundred entities is the target of a hundred others.
            target_id: entity_id(number % 100 + 1),
            recipient_id: entity_id(number + 1),
            permissions: permissions.clone(),
            managed_by: None,
            created_at: now + i64::from(number),
            updated_at: now,
        };
        store.upsert_grant(&grant).await.expect("inserted");
    }
    for number in 0..USER_GRANTS {
        let grant = UserGrant {
            id: Uuid::from_u128(u128::from(number) << 64 | 2),
            target_id: entity_id(number % 100 + 1),
            user_id: user(number + 1).id,
            permissions: permissions.clone(),
            created_at: now + i64::from(number),
            updated_at: now,
        };
        store.upsert_user_grant(&grant).await.expect("inserted");
    }
    eprintln!("  {} grants made, each with a commit: {:?}", GRANTS + USER_GRANTS, began.elapsed());
}

fn entity_id(number: u32) -> Uuid {
    Uuid::from_u128(u128::from(number) << 64)
}

/// The median and the slowest of several.
async fn timed(what: &str, mut ask: impl AsyncFnMut() -> u64) -> Duration {
    let mut times = Vec::new();
    let mut total = 0;
    for _ in 0..TIMES {
        let began = Instant::now();
        total = ask().await;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    let (median, slowest) = (times[TIMES / 2], times[TIMES - 1]);
    eprintln!("  {what}: median {median:?}, slowest {slowest:?} ({total} found)");
    median
}

async fn measure(database: &Database) {
    let store = database.open().await;
    fill(&store).await;
    let first = Search { limit: 25, ..Search::default() };
    let began = Instant::now();
    assert_eq!(store.search_users(&first).await.expect("answer").1, u64::from(USERS));
    eprintln!("  the first search of all: {:?}", began.elapsed());
    // It may have been answered without waiting for the texts.
    while began.elapsed() < Duration::from_secs(5) {
        store.search_users(&Search { limit: 0, ..Search::default() }).await.expect("answer");
    }
    let ordered = |by, descends, offset| Search { order: vec![(by, descends)], offset, ..first.clone() };
    let text = |text: &str| Search { text: text.to_owned(), ..ordered(SearchOrder::Email, false, 0) };
    let mut slowest = Duration::ZERO;
    for (what, search) in [
        ("users, the first page", first.clone()),
        ("users, the first page by email", ordered(SearchOrder::Email, false, 0)),
        ("users, a late page by name, descending", ordered(SearchOrder::Name, true, 90_000)),
        ("users of one tenant", Search { tenant_id: Some(TENANT), ..first.clone() }),
        ("users by a whole email", text("chen.4712@example.com")),
        ("users by a part of a rare name", text("ovelac")),
        ("users by a part of a common name", text("MILLE")),
        ("users by what all have", text("@example")),
        ("users by what nobody has", text("nobody at all")),
    ] {
        let ask = async || store.search_users(&search).await.expect("answer").1;
        slowest = slowest.max(timed(what, ask).await);
    }
    let mut number = USERS;
    let after_write = async || {
        number += 1;
        store.insert_user(&user(number)).await.expect("inserted");
        let began = Instant::now();
        assert_eq!(store.search_users(&text(&format!(".{number}@"))).await.expect("answer").1, 1);
        u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
    };
    timed("a sign-up and a search for it (found: microseconds of the search)", after_write).await;
    for (what, search) in [
        ("entities, the first page by name", ordered(SearchOrder::Name, false, 0)),
        ("entities, a late page by client id, descending", ordered(SearchOrder::ClientId, true, 9_900)),
        ("entities by a part of a name", text("lovel")),
        ("entities by a part of a client id", text("ient-77")),
    ] {
        let ask = async || store.search_entities(&search).await.expect("answer").1;
        slowest = slowest.max(timed(what, ask).await);
    }
    let all = GrantSearch { limit: 25, ..GrantSearch::default() };
    for (what, search) in [
        ("grants, the first page", all.clone()),
        ("grants, a late page", GrantSearch { offset: 10_900, ..all.clone() }),
        ("grants, a late page, the newest first", GrantSearch { offset: 10_900, by_age: Some(true), ..all.clone() }),
        ("grants on what is called so", GrantSearch { text: "service 7".to_owned(), ..all.clone() }),
        ("grants in a tenant", GrantSearch { tenant_id: Some(TENANT), ..all.clone() }),
        ("grants on one target", GrantSearch { target_id: Some(entity_id(7)), ..all.clone() }),
    ] {
        let ask = async || store.search_grants(&search).await.expect("answer").1;
        slowest = slowest.max(timed(what, ask).await);
    }
    verdict("in the store", slowest);
    store.close().await;
    slowest = over_http(database).await;
    verdict("over HTTP", slowest);
}

fn verdict(place: &str, slowest: Duration) {
    eprintln!("  {place} the slowest median is {slowest:?}");
    // What a build for development needs says nothing.
    assert!(cfg!(debug_assertions) || slowest < Duration::from_millis(20), "{place}: {slowest:?}");
}

const KEY: &str = "root-key-of-the-tests-0123456789-abcdef";
const SECTIONS: &str = "listen: \"${LISTEN}\"\nissuers: { self: {} }\nmanagement: { api_key: \"${KEY}\" }\n";

/// What the management API's own clients ask: every list, every order, early and late pages.
fn questions() -> Vec<String> {
    let mut paths = Vec::new();
    for (of, rows, orders) in [
        ("user", USERS, &["email", "username", "fullName", "insertInstant"][..]),
        ("entity", ENTITIES, &["name", "clientId", "insertInstant"]),
        ("entity/grant", GRANTS, &["insertInstant"]),
    ] {
        for start in [0, rows / 2, rows - 100] {
            paths.push(format!("/api/{of}/search?startRow={start}"));
            for order in orders {
                for direction in ["ASC", "DESC"] {
                    paths.push(format!("/api/{of}/search?startRow={start}&orderBy={order}%20{direction}"));
                }
            }
        }
    }
    let late = "startRow=90000&orderBy=insertInstant%20DESC,email%20ASC";
    let (user_id, entity_id) = (user(7).id, entity_id(7));
    paths.extend([
        format!("/api/user/search?{late}"),
        "/api/user/search?queryString=chen.4712@example.com".to_owned(),
        "/api/user/search?queryString=chen.47&orderBy=email".to_owned(),
        "/api/user/search?queryString=@example&startRow=90000&orderBy=username%20DESC".to_owned(),
        "/api/user/search?queryString=miller&startRow=80000&orderBy=fullName%20DESC".to_owned(),
        "/api/user/search?queryString=ovelac&orderBy=fullName,email".to_owned(),
        "/api/user/search?queryString=nobody%20at%20all".to_owned(),
        format!("/api/user/search?ids={user_id}"),
        "/api/user?email=chen.4712@example.com".to_owned(),
        "/api/user?loginId=user-99999".to_owned(),
        "/api/entity/search?name=lovel&orderBy=name".to_owned(),
        "/api/entity/search?queryString=ient-77&orderBy=clientId%20DESC".to_owned(),
        "/api/entity/type".to_owned(),
        "/api/entity/type/search?name=ap".to_owned(),
        "/api/entity/grant/search?name=service%207".to_owned(),
        format!("/api/entity/grant/search?entityId={entity_id}&orderBy=insertInstant%20DESC"),
        format!("/api/entity/grant/search?userId={user_id}"),
        format!("/api/entity/{entity_id}/grant"),
        format!("/api/entity/{entity_id}/grant?userId={user_id}"),
        "/api/application".to_owned(),
        "/api/application/search?name=x".to_owned(),
        "/api/tenant/search?orderBy=name".to_owned(),
        "/api/key/search?type=EC".to_owned(),
        "/api/system/event-log/search".to_owned(),
    ]);
    paths
}

async fn over_http(database: &Database) -> Duration {
    let gateway = Gateway::of(SECTIONS, &[("STORE", &database.url()), ("KEY", KEY)]).await;
    let admin = format!("http://{}", gateway.running.admin.expect("an admin listener"));
    let client = client();
    let ask = async |path: &str, tenant: Option<Uuid>| {
        let mut request = client.get(format!("{admin}{path}")).header("authorization", KEY);
        if let Some(tenant) = tenant {
            request = request.header("x-fusionauth-tenantid", tenant.to_string());
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_default();
        assert_eq!(status, 200, "{path}: {body}");
        body["total"].as_u64().unwrap_or_default()
    };
    let began = Instant::now();
    ask("/api/user/search", None).await;
    eprintln!("  the first search over HTTP: {:?}", began.elapsed());
    while began.elapsed() < Duration::from_secs(5) {
        ask("/api/user/search?numberOfResults=0", None).await;
        ask("/api/entity/search?numberOfResults=0", None).await;
    }
    let mut slowest = Duration::ZERO;
    for path in questions() {
        for tenant in [None, Some(TENANT)] {
            let what = format!("{path}{}", if tenant.is_some() { ", of a tenant" } else { "" });
            slowest = slowest.max(timed(&what, async || ask(&path, tenant).await).await);
        }
    }
    gateway.running.stop().await;
    slowest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures"]
async fn users_and_entities_are_found_fast() {
    eprintln!("SQLite");
    measure(&Database::sqlite()).await;
    if let Some(database) = Database::postgres().await {
        eprintln!("PostgreSQL");
        measure(&database).await;
    }
}
