//! Promises about API keys.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Behaviour, assert_refused, crowd, id, promises, tenant, winners};
use crate::model::ApiKey;
use crate::store::StoreError::{Conflict, Missing};
use crate::store::{Object, Store, Unique};

pub(super) const BEHAVIOURS: &[Behaviour] = promises![
    an_api_key_survives_the_trip,
    api_keys_are_unique,
    an_api_key_is_replaced_and_deleted,
    of_two_updates_of_an_api_key_one_wins,
    api_keys_go_with_their_tenant,
];

type Shared = Arc<dyn Store>;

fn key(number: u8) -> ApiKey {
    ApiKey {
        id: id(number),
        name: format!("key {number}"),
        sha256: format!("{number:064}"),
        tenant_id: None,
        endpoints: BTreeMap::from([("/api/user".to_owned(), BTreeSet::from(["GET".to_owned()]))]),
        is_key_manager: false,
        expires_at: None,
        managed_by: None,
        created_at: 1_000,
        updated_at: 1_000,
    }
}

async fn an_api_key_survives_the_trip(store: Shared) {
    store.insert_tenant(&tenant(1)).await.expect("a tenant");
    let full = ApiKey {
        tenant_id: Some(id(1)),
        is_key_manager: true,
        expires_at: Some(9_000),
        managed_by: Some("config".to_owned()),
        ..key(10)
    };
    for key in [&full, &key(11)] {
        store.insert_api_key(key).await.expect("a key");
        assert_eq!(store.find_api_key(key.id).await.expect("an answer").as_ref(), Some(key));
        assert_eq!(store.find_api_key_by_hash(&key.sha256).await.expect("an answer").as_ref(), Some(key));
    }
    assert_eq!(store.list_api_keys().await.expect("a list"), [full, key(11)]);
    assert_eq!(store.find_api_key_by_hash("other").await.expect("an answer"), None);
}

async fn api_keys_are_unique(store: Shared) {
    store.insert_api_key(&key(10)).await.expect("a key");
    let again = ApiKey { sha256: "other".to_owned(), ..key(10) };
    assert_refused!(store.insert_api_key(&again).await, Conflict(Unique::ApiKeyId));
    let same = ApiKey { id: id(11), ..key(10) };
    assert_refused!(store.insert_api_key(&same).await, Conflict(Unique::ApiKey));
    let foreign = ApiKey { tenant_id: Some(id(99)), ..key(12) };
    assert_refused!(store.insert_api_key(&foreign).await, Missing(Object::Tenant));
}

async fn an_api_key_is_replaced_and_deleted(store: Shared) {
    store.insert_api_key(&key(10)).await.expect("a key");
    let changed = ApiKey { name: "other".to_owned(), endpoints: BTreeMap::new(), updated_at: 2_000, ..key(10) };
    assert!(store.update_api_key(&key(10), &changed).await.expect("an answer"));
    assert!(!store.update_api_key(&key(10), &key(10)).await.expect("an answer"), "it is not what it was");
    assert_eq!(store.find_api_key(id(10)).await.expect("an answer"), Some(changed));
    assert!(!store.update_api_key(&key(11), &key(11)).await.expect("an answer"));
    assert!(store.delete_api_key(id(10)).await.expect("an answer"));
    assert!(!store.delete_api_key(id(10)).await.expect("an answer"));
    assert_eq!(store.list_api_keys().await.expect("a list"), []);
}

async fn of_two_updates_of_an_api_key_one_wins(store: Shared) {
    store.insert_api_key(&key(10)).await.expect("a key");
    let update = |store: Shared, number| async move {
        let after = ApiKey { name: format!("name {number}"), ..key(10) };
        store.update_api_key(&key(10), &after).await.expect("an answer")
    };
    assert_eq!(winners(crowd(&store, update).await), 1);
}

async fn api_keys_go_with_their_tenant(store: Shared) {
    store.insert_tenant(&tenant(1)).await.expect("a tenant");
    store.insert_api_key(&ApiKey { tenant_id: Some(id(1)), ..key(10) }).await.expect("a key");
    assert!(store.delete_tenant(id(1), 2_000).await.expect("an answer"));
    assert_eq!(store.find_api_key(id(10)).await.expect("an answer"), None);
}
