//! Promises about what administrators keep with objects, what users may do to entities, and whole tenants.

use std::sync::Arc;

use serde_json::json;

use super::{
    Behaviour, application, assert_refused, code, entity, entity_type, grant, id, populate, promises, refresh_token,
    session, tenant, user,
};
use crate::model::{ApplicationSettings, Data, Entity, EntityType, Revocation, Revoked, TenantSettings, UserGrant};
use crate::store::StoreError::Missing;
use crate::store::{Brought, FoundGrant, GrantFilter, GrantSearch, Object, Search, Store};

pub(super) const BEHAVIOURS: &[Behaviour] = promises![
    what_administrators_keep_survives_the_trip,
    a_parent_is_of_the_same_tenant,
    users_have_grants_of_their_own,
    grants_are_searched_page_by_page,
    a_tenant_goes_with_everything,
];

type Shared = Arc<dyn Store>;

fn data(text: &str) -> Data {
    Data::from_iter([("key".to_owned(), json!({ "list": [1, null, text] }))])
}

/// Tenant 1 with applications and users, type 2, entities 10 and 11.
async fn everything(store: &Shared) {
    populate(store).await;
    let permissions = vec![super::permission(3, "read"), super::permission(4, "write")];
    store.insert_entity_type(&entity_type(2, permissions)).await.expect("type");
    for number in [10, 11] {
        store.insert_entity(&entity(number)).await.expect("entity");
    }
}

async fn what_administrators_keep_survives_the_trip(store: Shared) {
    everything(&store).await;
    let (access_token_for, access_token_key) = (Some(i64::MAX), Some(id(7)));
    let kind = EntityType { data: data("type"), access_token_for, access_token_key, ..entity_type(5, vec![]) };
    store.insert_entity_type(&kind).await.expect("type");
    assert_eq!(store.find_entity_type(id(5)).await.expect("answer"), Some(kind.clone()));
    let (access_token_for, access_token_key) = (None, Some(id(8)));
    let after = EntityType { data: data("\u{e4}"), access_token_for, access_token_key, ..kind.clone() };
    assert!(store.update_entity_type(&kind, &after).await.expect("answer"));
    assert_eq!(store.find_entity_type(id(5)).await.expect("answer"), Some(after));
    let after = Entity { data: data("entity"), parent_id: Some(id(11)), ..entity(10) };
    assert!(store.update_entity(&entity(10), &after).await.expect("answer"));
    assert_eq!(store.find_entity(id(10)).await.expect("answer"), Some(after.clone()));
    assert!(!store.update_entity(&entity(10), &after).await.expect("answer"), "it is not what it was");
    let child = Entity { data: data("child"), parent_id: Some(id(10)), ..entity(12) };
    store.insert_entity(&child).await.expect("entity");
    assert_eq!(store.find_entity(id(12)).await.expect("answer"), Some(child));
    let settings = TenantSettings { data: data("tenant"), ..TenantSettings::default() };
    assert!(store.update_tenant(&tenant(1), &crate::model::Tenant { settings, ..tenant(1) }).await.expect("answer"));
    assert_eq!(store.find_tenant(id(1)).await.expect("answer").expect("a tenant").settings.data, data("tenant"));
    let settings = ApplicationSettings { data: data("application"), ..ApplicationSettings::default() };
    let after = crate::model::Application { settings, ..application(20) };
    assert!(store.update_application(&application(20), &after).await.expect("answer"));
    assert_eq!(store.find_application(id(20)).await.expect("answer"), Some(after));
}

async fn a_parent_is_of_the_same_tenant(store: Shared) {
    everything(&store).await;
    store.insert_tenant(&tenant(7)).await.expect("tenant");
    let stranger = Entity { tenant_id: id(7), ..entity(12) };
    store.insert_entity(&stranger).await.expect("entity");
    for parent in [12, 99] {
        let child = Entity { parent_id: Some(id(parent)), ..entity(13) };
        assert_refused!(store.insert_entity(&child).await, Missing(Object::Entity));
        let after = Entity { parent_id: Some(id(parent)), ..entity(10) };
        assert_refused!(store.update_entity(&entity(10), &after).await, Missing(Object::Entity));
    }
    store.insert_entity(&Entity { parent_id: Some(id(10)), ..entity(13) }).await.expect("entity");
    assert!(store.delete_entity(id(10), 2_000).await.expect("answer"));
    assert_eq!(store.find_entity(id(13)).await.expect("answer"), Some(entity(13)), "it stands alone then");
}

fn of_user(number: u8, target: u8, permissions: &[&str]) -> UserGrant {
    UserGrant {
        id: uuid::Uuid::from_u128(u128::from(number) << 8 | u128::from(target)),
        target_id: id(target),
        user_id: id(number),
        permissions: permissions.iter().map(|&name| name.to_owned()).collect(),
        created_at: 1_000,
        updated_at: 1_000,
    }
}

/// F-199
async fn users_have_grants_of_their_own(store: Shared) {
    everything(&store).await;
    store.upsert_user_grant(&of_user(30, 10, &["write", "read"])).await.expect("stored");
    store.upsert_user_grant(&of_user(31, 10, &[])).await.expect("stored");
    let again = UserGrant { id: id(99), updated_at: 2_000, ..of_user(30, 10, &["read"]) };
    store.upsert_user_grant(&again).await.expect("stored");
    let first = UserGrant { updated_at: 2_000, ..of_user(30, 10, &["read"]) };
    let list = |filter| store.list_user_grants(filter);
    assert_eq!(list(GrantFilter::All).await.expect("list"), [first.clone(), of_user(31, 10, &[])]);
    assert_eq!(list(GrantFilter::OfRecipient(id(30))).await.expect("list"), std::slice::from_ref(&first));
    assert_eq!(list(GrantFilter::OnTarget(id(11))).await.expect("list"), []);
    assert_refused!(store.upsert_user_grant(&of_user(30, 99, &[])).await, Missing(Object::Entity));
    assert_refused!(store.upsert_user_grant(&of_user(99, 10, &[])).await, Missing(Object::User));
    assert_refused!(store.upsert_user_grant(&of_user(30, 10, &["fly"])).await, Missing(Object::Permission));
    assert_eq!(list(GrantFilter::OfRecipient(id(30))).await.expect("list"), [first], "nothing has happened");
    assert!(store.delete_user_grant(id(30), id(10)).await.expect("answer"));
    assert!(!store.delete_user_grant(id(30), id(10)).await.expect("answer"));
    assert!(store.delete_user(id(31), 2_000).await.expect("answer"));
    assert_eq!(list(GrantFilter::All).await.expect("list"), [], "they go with their users");
}

/// What is found, as recipient and target, and how many there are.
async fn found(store: &Shared, search: GrantSearch) -> (Vec<(u8, u8)>, u64) {
    let (grants, total) = store.search_grants(&search).await.expect("answer");
    let number = |id: uuid::Uuid| id.as_bytes()[15];
    let ends = grants.iter().map(|grant| match grant {
        FoundGrant::OfEntity(grant) => (number(grant.recipient_id), number(grant.target_id)),
        FoundGrant::OfUser(grant) => (number(grant.user_id), number(grant.target_id)),
    });
    (ends.collect(), total)
}

async fn grants_are_searched_page_by_page(store: Shared) {
    everything(&store).await;
    store.insert_tenant(&tenant(7)).await.expect("tenant");
    let others = Entity { tenant_id: id(7), name: "Ünlü 100%".to_owned(), ..entity(13) };
    store.insert_entity(&others).await.expect("entity");
    let aged = |grant, created_at| crate::model::EntityGrant { created_at, ..grant };
    store.upsert_grant(&aged(grant(11, 10, &["write", "read"]), 4_000)).await.expect("stored");
    store.upsert_grant(&aged(grant(10, 11, &[]), 2_000)).await.expect("stored");
    store.upsert_grant(&aged(grant(13, 13, &["read"]), 1_000)).await.expect("stored");
    let of_a_user = UserGrant { created_at: 3_000, ..of_user(30, 10, &["read", "write"]) };
    store.upsert_user_grant(&of_a_user).await.expect("stored");
    let all = GrantSearch { limit: 10, ..GrantSearch::default() };
    let (grants, _) = store.search_grants(&all).await.expect("answer");
    let sorted = |grant: &FoundGrant| match grant {
        FoundGrant::OfEntity(grant) => grant.permissions == ["read", "write"],
        FoundGrant::OfUser(_) => false,
    };
    assert!(sorted(&grants[0]), "{grants:?}");
    let permissions = vec!["read".to_owned(), "write".to_owned()];
    assert!(grants.contains(&FoundGrant::OfUser(UserGrant { permissions, ..of_a_user })));
    let with = |text: &str| GrantSearch { text: text.to_owned(), ..all.clone() };
    let by_age = |newest_first| GrantSearch { by_age: Some(newest_first), ..all.clone() };
    for (search, expected, total) in [
        (all.clone(), vec![(11, 10), (30, 10), (10, 11), (13, 13)], 4),
        (GrantSearch { limit: 2, offset: 1, ..all.clone() }, vec![(30, 10), (10, 11)], 4),
        (GrantSearch { limit: 2, offset: 9, ..all.clone() }, vec![], 4),
        (GrantSearch { limit: 0, ..all.clone() }, vec![], 4),
        (by_age(false), vec![(13, 13), (10, 11), (30, 10), (11, 10)], 4),
        (by_age(true), vec![(11, 10), (30, 10), (10, 11), (13, 13)], 4),
        (GrantSearch { target_id: Some(id(10)), ..all.clone() }, vec![(11, 10), (30, 10)], 2),
        (GrantSearch { user_id: Some(id(30)), ..all.clone() }, vec![(30, 10)], 1),
        (GrantSearch { user_id: Some(id(30)), target_id: Some(id(11)), ..all.clone() }, vec![], 0),
        (GrantSearch { user_id: Some(id(31)), ..all.clone() }, vec![], 0),
        (GrantSearch { tenant_id: Some(id(7)), ..all.clone() }, vec![(13, 13)], 1),
        (GrantSearch { tenant_id: Some(id(1)), ..with("ENTITY-11") }, vec![(10, 11)], 1),
        (with("ünlü 100%"), vec![(13, 13)], 1),
        (with("_"), vec![], 0),
        (with("\0"), vec![], 0),
    ] {
        assert_eq!(found(&store, search.clone()).await, (expected, total), "{search:?}");
    }
    let mut entities = store.find_entities(&[id(13), id(10), id(99)]).await.expect("answer");
    entities.sort_by_key(|entity| entity.id);
    assert_eq!(entities, [entity(10), others]);
}

async fn a_tenant_goes_with_everything(store: Shared) {
    everything(&store).await;
    store.insert_entity(&Entity { parent_id: Some(id(10)), ..entity(12) }).await.expect("entity");
    store.upsert_grant(&grant(11, 10, &["read"])).await.expect("stored");
    store.upsert_user_grant(&of_user(30, 10, &["read"])).await.expect("stored");
    store.insert_session(&session(40), None).await.expect("stored");
    store.insert_authorization_code(&code(50)).await.expect("stored");
    store.insert_refresh_token(&refresh_token(60, 61)).await.expect("stored");
    // Somebody else's stay.
    store.insert_tenant(&tenant(7)).await.expect("tenant");
    store.insert_entity(&Entity { tenant_id: id(7), ..entity(13) }).await.expect("entity");
    let everyone = Search { limit: 10, ..Search::default() };
    let found = |store: &Shared| {
        let (store, everyone) = (Arc::clone(store), everyone.clone());
        async move {
            let users = store.search_users(&everyone).await.expect("answer");
            (users.1, store.search_entities(&everyone).await.expect("answer").1)
        }
    };
    assert_eq!(found(&store).await, (2, 4));
    let before = store.latest_change().await.expect("answer");
    let mark = Revocation { revoked: Revoked::Tenant(id(1)), revoked_at: 2_000, expires_at: 9_000 };
    assert!(store.delete_tenant_with_all(id(1), &mark).await.expect("answer"));
    assert!(!store.delete_tenant_with_all(id(1), &mark).await.expect("answer"));
    let (tenants, types) = (store.list_tenants().await.expect("list"), store.list_entity_types().await.expect("list"));
    assert_eq!((tenants.len(), types.len()), (1, 1), "types belong to no tenant");
    assert_eq!(store.list_entities(None).await.expect("list").len(), 1);
    assert_eq!(found(&store).await, (0, 1), "searches know it too");
    assert_eq!(store.list_applications(None).await.expect("list"), []);
    assert_eq!(store.find_user(user(30).id).await.expect("answer"), None);
    assert_eq!(store.find_session(&session(40).hash).await.expect("answer"), None);
    assert_eq!(store.find_refresh_token(&refresh_token(60, 61).hash).await.expect("answer"), None);
    assert!(!store.redeem_authorization_code(&code(50).hash, 1_001, Brought::default()).await.expect("answer"));
    assert_eq!(store.find_revocation("tenant", &id(1).to_string()).await.expect("answer"), Some(mark));
    let told = store.changes_since(before, 10).await.expect("list");
    let told: Vec<&str> = told.iter().map(|change| &*change.object_id).collect();
    assert_eq!(told, [&*format!("tenant:{}", id(1)), &*id(1).to_string()]);
    store.insert_tenant(&tenant(1)).await.expect("the name is free");
}
