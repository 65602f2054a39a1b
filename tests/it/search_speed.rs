//! How fast 100,000 users and 10,000 entities are listed and searched, and imported, on both engines. Not run unless asked
//! for: `scripts/with-postgres cargo test --test it search_speed -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use faregate::model::{Entity, EntityType, Tenant, User, UserProfile};
use faregate::store::sql::SqlStore;
use faregate::store::{Search, SearchOrder, Store};
use uuid::Uuid;

use crate::support::database::Database;

const USERS: u32 = 100_000;
const ENTITIES: u32 = 10_000;
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
    let entity_type = EntityType {
        data: serde_json::Map::new(),
        id: TYPE,
        name: "API".to_owned(),
        permissions: Vec::new(),
        managed_by: None,
        created_at: 1,
        updated_at: 1,
    };
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
            id: Uuid::from_u128(u128::from(number) << 64),
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
        ("entities by a part of a name", text("lovel")),
        ("entities by a part of a client id", text("ient-77")),
    ] {
        let ask = async || store.search_entities(&search).await.expect("answer").1;
        slowest = slowest.max(timed(what, ask).await);
    }
    eprintln!("  the slowest median: {slowest:?}; 20 ms is what is wanted of a release build");
    store.close().await;
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
