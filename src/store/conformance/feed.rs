//! Promises about the change feed and about things that happen once.

use std::sync::Arc;

use super::{Behaviour, CROWD, crowd, entity, furnish, grant, id, promises, tenant};
use crate::model::{Change, ChangeKind};
use crate::store::{Lease, Store};

pub(super) const BEHAVIOURS: &[Behaviour] = promises![
    every_mutation_leaves_one_change,
    changes_are_numbered_without_gaps_by_writers_at_once,
    a_reader_never_misses_a_change,
    changes_come_in_pages,
    once_is_once,
    of_many_at_once_one_is_first,
    an_expired_memory_is_taken_over_once,
    what_is_over_is_forgotten,
    what_was_applied_is_replaced_for_its_owner,
    the_database_answers,
];

type Shared = Arc<dyn Store>;

async fn what_was_applied_is_replaced_for_its_owner(store: Shared) {
    let applied =
        |objects: &[&str]| objects.iter().map(|object| ((*object).to_owned(), "d".to_owned())).collect::<Vec<_>>();
    store.replace_applied("one", &applied(&["b", "a"])).await.expect("written");
    store.replace_applied("other", &applied(&["c"])).await.expect("written");
    assert_eq!(store.list_applied("one").await.expect("a list"), applied(&["a", "b"]));
    store.replace_applied("one", &applied(&["b", "d"])).await.expect("written");
    assert_eq!(store.list_applied("one").await.expect("a list"), applied(&["b", "d"]));
    assert_eq!(store.list_applied("other").await.expect("a list"), applied(&["c"]));
    assert_eq!(store.latest_change().await.expect("answer"), 0, "nobody has to hear of it");
}

async fn every_mutation_leaves_one_change(store: Shared) {
    furnish(&store).await;
    store.upsert_grant(&grant(10, 11, &["read"])).await.expect("inserted");
    store.upsert_grant(&grant(10, 11, &["write"])).await.expect("replaced");
    assert!(store.delete_permission(id(2), id(3), 5_000).await.expect("answer"));
    assert!(store.delete_grant(id(10), id(11), 6_000).await.expect("answer"));
    assert!(store.delete_entity(id(10), 7_000).await.expect("answer"));
    assert!(store.insert_tenant(&tenant(1)).await.is_err(), "what is refused is not announced");
    let changes = store.changes_since(0, 100).await.expect("changes");
    let expected = [
        (ChangeKind::Tenant, id(1).to_string(), 1_000),
        (ChangeKind::EntityType, id(2).to_string(), 1_000),
        (ChangeKind::Entity, id(10).to_string(), 1_000),
        (ChangeKind::Entity, id(11).to_string(), 1_000),
        (ChangeKind::Grant, format!("{}/{}", id(11), id(10)), 1_000),
        (ChangeKind::Grant, format!("{}/{}", id(11), id(10)), 1_000),
        (ChangeKind::EntityType, id(2).to_string(), 5_000),
        (ChangeKind::Grant, format!("{}/{}", id(11), id(10)), 6_000),
        (ChangeKind::Entity, id(10).to_string(), 7_000),
    ];
    let expected: Vec<Change> =
        (1..).zip(expected).map(|(seq, (kind, object_id, at))| Change { seq, kind, object_id, at }).collect();
    assert_eq!(changes, expected);
    assert_eq!(store.latest_change().await.expect("answer"), 9);
}

async fn changes_are_numbered_without_gaps_by_writers_at_once(store: Shared) {
    for result in crowd(&store, |store, number| async move { store.insert_tenant(&tenant(number)).await }).await {
        result.expect("inserted");
    }
    let changes = store.changes_since(0, 100).await.expect("changes");
    let numbers: Vec<i64> = changes.iter().map(|change| change.seq).collect();
    assert_eq!(numbers, (1..=CROWD as i64).collect::<Vec<_>>());
}

/// T72: a reader that asks for what came after the newest it saw sees everything, in whatever order writers commit.
async fn a_reader_never_misses_a_change(store: Shared) {
    let reader = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            let (mut heard, mut seen) = (0, 0);
            while seen < CROWD {
                for change in store.changes_since(heard, 3).await.expect("changes") {
                    assert_eq!(change.seq, heard + 1);
                    (heard, seen) = (change.seq, seen + 1);
                }
            }
        }
    });
    crowd(&store, |store, number| async move { store.insert_tenant(&tenant(number)).await.expect("inserted") }).await;
    reader.await.expect("the reader saw all");
}

async fn changes_come_in_pages(store: Shared) {
    for number in 1..=5 {
        store.insert_tenant(&tenant(number)).await.expect("inserted");
    }
    let numbers = |since, limit| {
        let store = Arc::clone(&store);
        async move {
            let changes = store.changes_since(since, limit).await.expect("changes");
            changes.into_iter().map(|change| change.seq).collect::<Vec<_>>()
        }
    };
    assert_eq!(numbers(0, 2).await, [1, 2]);
    assert_eq!(numbers(2, 2).await, [3, 4]);
    assert_eq!(numbers(4, 2).await, [5]);
    assert!(numbers(5, 2).await.is_empty());
}

const LEASE: Lease = Lease { now: 1_000, expires_at: 2_000 };

async fn once_is_once(store: Shared) {
    assert!(store.remember_once("jti", "a", LEASE).await.expect("answer"));
    assert!(!store.remember_once("jti", "a", LEASE).await.expect("answer"));
    assert!(store.remember_once("jti", "b", LEASE).await.expect("answer"));
    assert!(store.remember_once("dpop", "a", LEASE).await.expect("answer"), "kinds do not disturb each other");
}

async fn of_many_at_once_one_is_first(store: Shared) {
    let remember = |store: Shared, _| async move { store.remember_once("jti", "a", LEASE).await.expect("answer") };
    assert_eq!(crowd(&store, remember).await.into_iter().filter(|&first| first).count(), 1);
}

async fn an_expired_memory_is_taken_over_once(store: Shared) {
    assert!(store.remember_once("jti", "a", LEASE).await.expect("answer"));
    let early = Lease { now: 1_999, expires_at: 3_000 };
    assert!(!store.remember_once("jti", "a", early).await.expect("answer"));
    let remember = |store: Shared, _| async move {
        store.remember_once("jti", "a", Lease { now: 2_000, expires_at: 3_000 }).await.expect("answer")
    };
    assert_eq!(crowd(&store, remember).await.into_iter().filter(|&first| first).count(), 1);
}

async fn what_is_over_is_forgotten(store: Shared) {
    furnish(&store).await;
    assert!(store.remember_once("jti", "a", LEASE).await.expect("answer"));
    assert!(store.remember_once("jti", "b", Lease { now: 1_000, expires_at: 9_000 }).await.expect("answer"));
    assert_eq!(store.forget(2_000, 0).await.expect("answer"), 1);
    assert!(!store.remember_once("jti", "b", LEASE).await.expect("answer"), "what is not over stays");
    let mut late = entity(12);
    late.updated_at = 5_000;
    store.insert_entity(&late).await.expect("inserted");
    assert_eq!(store.forget(0, 9_000).await.expect("answer"), 4, "all changes but the newest");
    let left = store.changes_since(0, 100).await.expect("changes");
    assert_eq!(left.iter().map(|change| change.seq).collect::<Vec<_>>(), [5]);
}

async fn the_database_answers(store: Shared) {
    store.ping().await.expect("an answer");
    store.close().await;
    assert!(store.ping().await.is_err(), "a closed store does not pretend");
    assert!(store.remember_once("jti", "a", LEASE).await.is_err());
}
