//! Promises about signing keys.

use std::sync::Arc;

use super::{Behaviour, CROWD, assert_refused, crowd, id, promises, tenant};
use crate::model::{KeyPurpose, KeySchedule, KeyState, NamedKey, StoredKey, signing_key};
use crate::store::StoreError::{Conflict, Missing};
use crate::store::{Object, Store, Unique};

pub(super) const BEHAVIOURS: &[Behaviour] = promises![
    a_key_survives_the_trip,
    there_is_one_current_key_per_slot,
    first_keys_made_at_once_leave_one,
    a_rotation_replaces_the_current_key,
    rotations_at_once_leave_one_new_key,
    keys_for_applications_have_no_slot,
    a_key_is_retired_once,
    a_removed_key_is_gone_at_once,
    keys_go_with_their_tenant,
    a_named_key_survives_the_trip,
    named_keys_are_unique,
];

type Shared = Arc<dyn Store>;

const SCHEDULE: KeySchedule = KeySchedule { publish_for: 600, keep_for: 3_600 };

fn key(name: &str) -> StoredKey {
    StoredKey {
        id: name.to_owned(),
        tenant_id: None,
        algorithm: "ES256".to_owned(),
        purpose: KeyPurpose::AccessToken,
        for_applications: false,
        public_jwk: Some(format!(r#"{{"kid":"{name}"}}"#)),
        private_key: "AAECAw==".to_owned(),
        created_at: 1_000,
        published_at: 1_000,
        signs_from_at: 1_000,
        retired_at: None,
        removed_at: None,
    }
}

async fn a_key_survives_the_trip(store: Shared) {
    store.insert_tenant(&tenant(1)).await.expect("inserted");
    let full = StoredKey {
        tenant_id: Some(id(1)),
        purpose: KeyPurpose::IdToken,
        private_key: "A".repeat(10_000),
        published_at: 2_000,
        signs_from_at: 3_000,
        retired_at: Some(4_000),
        removed_at: Some(5_000),
        ..key("full")
    };
    let bare = StoredKey { public_jwk: None, algorithm: "HS256".to_owned(), created_at: 2_000, ..key("bare") };
    store.insert_key(&full).await.expect("inserted");
    store.insert_key(&bare).await.expect("inserted");
    assert_eq!(store.list_keys(4_999).await.expect("list"), [full, bare.clone()]);
    assert_eq!(store.list_keys(5_000).await.expect("list"), [bare]);
    assert_refused!(store.insert_key(&StoredKey { tenant_id: Some(id(9)), ..key("x") }).await, Missing(Object::Tenant));
}

async fn there_is_one_current_key_per_slot(store: Shared) {
    store.insert_tenant(&tenant(1)).await.expect("inserted");
    store.insert_key(&key("a")).await.expect("inserted");
    assert_refused!(store.insert_key(&key("b")).await, Conflict(Unique::CurrentKey));
    assert_refused!(
        store.insert_key(&StoredKey { algorithm: "PS256".to_owned(), ..key("a") }).await,
        Conflict(Unique::KeyId)
    );
    for other in [
        StoredKey { algorithm: "RS256".to_owned(), ..key("c") },
        StoredKey { purpose: KeyPurpose::IdToken, ..key("d") },
        StoredKey { tenant_id: Some(id(1)), ..key("e") },
        StoredKey { retired_at: Some(1_000), ..key("f") },
    ] {
        store.insert_key(&other).await.expect("another slot");
    }
    let twice = StoredKey { tenant_id: Some(id(1)), ..key("g") };
    assert_refused!(store.insert_key(&twice).await, Conflict(Unique::CurrentKey));
}

/// T07: nodes that start at once on an empty database agree on one key.
async fn first_keys_made_at_once_leave_one(store: Shared) {
    let insert = |store: Shared, number| async move { store.insert_key(&key(&format!("k{number}"))).await };
    let results = crowd(&store, insert).await;
    let refused = results.iter().filter(|result| matches!(result, Err(Conflict(Unique::CurrentKey)))).count();
    assert_eq!(refused, CROWD - 1, "{results:?}");
    assert_eq!(store.list_keys(0).await.expect("list").len(), 1);
}

/// P2
async fn a_rotation_replaces_the_current_key(store: Shared) {
    store.insert_key(&key("old")).await.expect("inserted");
    let (retired, successor) = key("old").succeed(key("new"), 2_000, SCHEDULE).expect("current");
    assert!(store.rotate_key(&retired, &successor, 2_000).await.expect("answer"));
    let keys = store.list_keys(0).await.expect("list");
    assert_eq!(keys, [retired.clone(), successor.clone()]);
    assert_eq!(signing_key(&keys, 2_599).map(|key| key.id.as_str()), Some("old"));
    assert_eq!(signing_key(&keys, 2_600).map(|key| key.id.as_str()), Some("new"));
    assert!(!store.rotate_key(&retired, &key("late"), 2_000).await.expect("answer"), "it has a successor already");
    let (retired, successor) = successor.succeed(key("newer"), 9_000, SCHEDULE).expect("current");
    assert!(store.rotate_key(&retired, &successor, 9_000).await.expect("answer"), "the successor can be replaced");
}

/// T74
async fn rotations_at_once_leave_one_new_key(store: Shared) {
    store.insert_key(&key("old")).await.expect("inserted");
    let rotate = |store: Shared, number| async move {
        let (retired, successor) = key("old").succeed(key(&format!("new {number}")), 2_000, SCHEDULE).expect("current");
        store.rotate_key(&retired, &successor, 2_000).await.expect("answer")
    };
    let winners = crowd(&store, rotate).await.into_iter().filter(|&won| won).count();
    assert_eq!(winners, 1);
    let keys = store.list_keys(0).await.expect("list");
    assert_eq!(keys.len(), 2);
    assert_eq!(keys.iter().filter(|key| key.retired_at.is_none()).count(), 1);
}

async fn keys_for_applications_have_no_slot(store: Shared) {
    store.insert_key(&key("tenant's")).await.expect("inserted");
    for name in ["one", "other"] {
        let mine = StoredKey { for_applications: true, ..key(name) };
        store.insert_key(&mine).await.expect("beside the current key");
    }
    assert_refused!(store.insert_key(&key("another")).await, Conflict(Unique::CurrentKey));
    let keys = store.list_keys(0).await.expect("list");
    let names = keys.iter().filter(|key| key.for_applications).map(|key| &*key.id);
    assert_eq!(names.collect::<Vec<_>>(), ["one", "other"]);
}

/// D6: what signed in another algorithm ends when nobody can have a token of it any more.
async fn a_key_is_retired_once(store: Shared) {
    store.insert_key(&key("old")).await.expect("inserted");
    let retired = key("old").give_way(2_000, 3_600);
    let retire = |store: Shared, _| {
        let retired = retired.clone();
        async move { store.retire_key(&retired, 1_500).await.expect("answer") }
    };
    assert_eq!(crowd(&store, retire).await.into_iter().filter(|&won| won).count(), 1);
    assert_eq!(store.list_keys(0).await.expect("list"), [retired]);
    store.insert_key(&key("new")).await.expect("its place is free");
}

async fn a_removed_key_is_gone_at_once(store: Shared) {
    store.insert_key(&key("leaked")).await.expect("inserted");
    assert!(store.remove_key("leaked", 3_000).await.expect("answer"));
    assert!(!store.remove_key("leaked", 3_000).await.expect("answer"));
    assert!(!store.remove_key("unknown", 3_000).await.expect("answer"));
    let removed = store.list_keys(2_999).await.expect("list").pop().expect("still in the history");
    assert_eq!(removed.state(3_000), KeyState::Removed);
    assert_eq!((removed.retired_at, removed.removed_at), (Some(3_000), Some(3_000)));
    store.insert_key(&key("next")).await.expect("the slot is free");
    // A key that was retired by plan and then removed early keeps the instant of its last signature.
    let retired = StoredKey { retired_at: Some(2_000), removed_at: Some(9_000), ..key("retired") };
    store.insert_key(&retired).await.expect("inserted");
    assert!(store.remove_key("retired", 3_000).await.expect("answer"));
    let keys = store.list_keys(2_999).await.expect("list");
    let removed = keys.iter().find(|key| key.id == "retired").expect("still in the history");
    assert_eq!((removed.retired_at, removed.removed_at), (Some(2_000), Some(3_000)));
}

async fn keys_go_with_their_tenant(store: Shared) {
    store.insert_tenant(&tenant(1)).await.expect("inserted");
    store.insert_key(&StoredKey { tenant_id: Some(id(1)), ..key("a") }).await.expect("inserted");
    store.insert_key(&key("b")).await.expect("inserted");
    assert!(store.delete_tenant(id(1), 2_000).await.expect("answer"));
    assert_eq!(store.list_keys(0).await.expect("list"), [key("b")]);
}

fn named(number: u8) -> NamedKey {
    NamedKey {
        id: id(number),
        kid: format!("kid {number}"),
        name: format!("key {number}"),
        tenant_id: None,
        algorithm: "ES256".to_owned(),
        public_jwk: Some("{}".to_owned()),
        private_key: None,
        managed_by: None,
        created_at: 1_000,
        updated_at: 1_000,
    }
}

async fn a_named_key_survives_the_trip(store: Shared) {
    store.insert_tenant(&tenant(1)).await.expect("inserted");
    let full =
        NamedKey { tenant_id: Some(id(1)), public_jwk: None, private_key: Some("AAECAw==".to_owned()), ..named(10) };
    let full = NamedKey { managed_by: Some("apply".to_owned()), ..full };
    for key in [&full, &named(11)] {
        store.insert_named_key(key).await.expect("inserted");
    }
    assert_eq!(store.list_named_keys().await.expect("list"), [full.clone(), named(11)]);
    let renamed = NamedKey { name: "other".to_owned(), managed_by: None, updated_at: 2_000, ..full.clone() };
    let otherwise = NamedKey { kid: "never".to_owned(), algorithm: "never".to_owned(), ..renamed.clone() };
    assert!(store.update_named_key(&full, &otherwise).await.expect("answer"), "what it is made of stays");
    assert!(!store.update_named_key(&full, &otherwise).await.expect("answer"), "it is not what it was");
    assert!(!store.update_named_key(&named(19), &named(19)).await.expect("answer"));
    assert_eq!(store.list_named_keys().await.expect("list"), [renamed, named(11)]);
    assert!(store.delete_named_key(id(11)).await.expect("answer"));
    assert!(!store.delete_named_key(id(11)).await.expect("answer"));
    assert!(store.delete_tenant(id(1), 2_000).await.expect("answer"));
    assert_eq!(store.list_named_keys().await.expect("list"), [], "it goes with its tenant");
}

async fn named_keys_are_unique(store: Shared) {
    store.insert_named_key(&named(1)).await.expect("inserted");
    let same_id = NamedKey { kid: "other".to_owned(), ..named(1) };
    assert_refused!(store.insert_named_key(&same_id).await, Conflict(Unique::NamedKeyId));
    let same_key = NamedKey { id: id(2), ..named(1) };
    assert_refused!(store.insert_named_key(&same_key).await, Conflict(Unique::NamedKey));
    let lost = NamedKey { tenant_id: Some(id(9)), ..named(3) };
    assert_refused!(store.insert_named_key(&lost).await, Missing(Object::Tenant));
}
