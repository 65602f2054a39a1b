//! Promises about tenants, entity types, entities and grants.

use std::sync::Arc;

use super::{
    Behaviour, CROWD, assert_refused, crowd, entity, entity_type, furnish, grant, id, permission, promises, tenant,
    winners,
};
use crate::model::{ClientSecret, Entity, EntityGrant, EntityType, Profile, Tenant};
use crate::store::StoreError::{Conflict, InUse, Missing};
use crate::store::{GrantFilter, Object, Search, SearchOrder, Store, Unique};

pub(super) const BEHAVIOURS: &[Behaviour] = promises![
    what_is_absent_is_none,
    a_tenant_survives_the_trip,
    tenant_ids_and_names_conflict,
    a_tenant_is_replaced_whole,
    a_tenant_in_use_stays,
    one_of_many_inserts_with_the_same_name_wins,
    a_type_comes_back_with_its_permissions_sorted,
    permissions_have_a_life_of_their_own,
    a_type_in_use_stays,
    an_entity_survives_the_trip,
    entity_names_and_client_ids_conflict_in_their_tenant_only,
    entities_are_searched_by_parts_of_their_names,
    an_entity_needs_its_tenant_and_type,
    of_two_updates_of_the_same_state_one_wins,
    of_two_updates_of_a_tenant_or_a_type_one_wins,
    a_grant_is_replaced_by_the_next,
    a_grant_needs_both_ends_and_known_permissions,
    grants_follow_their_permissions,
    a_deleted_entity_takes_its_grants_along,
    grants_are_listed_by_end,
    what_is_managed_is_listed_by_its_owner,
    upserts_of_one_grant_at_once_leave_one_of_them,
];

type Shared = Arc<dyn Store>;

async fn what_is_absent_is_none(store: Shared) {
    assert_eq!(store.find_tenant(id(1)).await.expect("answer"), None);
    assert_eq!(store.find_tenant_by_name("x").await.expect("answer"), None);
    assert_eq!(store.find_entity_type(id(1)).await.expect("answer"), None);
    assert_eq!(store.find_entity_type_by_name("x").await.expect("answer"), None);
    assert_eq!(store.find_entity(id(1)).await.expect("answer"), None);
    assert_eq!(store.find_entity_by_client_id(id(1), "x").await.expect("answer"), None);
    assert_eq!(store.find_entity_by_name(id(1), "x").await.expect("answer"), None);
    assert_eq!(store.find_grant(id(1), id(2)).await.expect("answer"), None);
    assert!(store.list_tenants().await.expect("answer").is_empty());
    assert!(!store.update_tenant(&tenant(1), &tenant(1)).await.expect("answer"));
    assert!(!store.update_entity_type(&entity_type(1, vec![]), &entity_type(1, vec![])).await.expect("answer"));
    assert!(!store.update_permission(id(1), &permission(2, "x"), 1).await.expect("answer"));
    assert!(!store.update_entity(&entity(1), &entity(1)).await.expect("answer"));
    assert!(!store.delete_tenant(id(1), 1).await.expect("answer"));
    assert!(!store.delete_entity_type(id(1), 1).await.expect("answer"));
    assert!(!store.delete_permission(id(1), id(2), 1).await.expect("answer"));
    assert!(!store.delete_entity(id(1), 1).await.expect("answer"));
    assert!(!store.delete_grant(id(1), id(2), 1).await.expect("answer"));
    assert_eq!(store.latest_change().await.expect("answer"), 0, "what did not happen is not announced");
}

/// NULLs, Unicode, quotes, long texts and times far away.
async fn a_tenant_survives_the_trip(store: Shared) {
    let bare = tenant(1);
    let full = Tenant {
        name: "Ünïcødé 租户 👩‍🚀 ' \" \\ $1 ? ; --".to_owned(),
        issuer: Some("x".repeat(100_000)),
        profile: Profile::FusionAuthLegacy,
        access_token_for: i64::MAX,
        access_token_algorithm: "EdDSA".to_owned(),
        managed_by: Some("config".to_owned()),
        created_at: -62_135_596_800,
        updated_at: i64::MIN,
        ..tenant(2)
    };
    let empty = Tenant { name: String::new(), issuer: Some(String::new()), ..tenant(3) };
    for tenant in [&bare, &full, &empty] {
        store.insert_tenant(tenant).await.expect("inserted");
        assert_eq!(store.find_tenant(tenant.id).await.expect("answer").as_ref(), Some(tenant));
        assert_eq!(store.find_tenant_by_name(&tenant.name).await.expect("answer").as_ref(), Some(tenant));
    }
    let mut before = bare;
    for profile in Profile::ALL {
        let after = Tenant { profile, ..before.clone() };
        assert!(store.update_tenant(&before, &after).await.expect("answer"));
        assert_eq!(store.find_tenant(before.id).await.expect("answer").expect("found").profile, profile);
        before = after;
    }
}

async fn tenant_ids_and_names_conflict(store: Shared) {
    store.insert_tenant(&tenant(1)).await.expect("inserted");
    let same_id = Tenant { id: id(1), ..tenant(2) };
    assert_refused!(store.insert_tenant(&same_id).await, Conflict(Unique::TenantId));
    let same_name = Tenant { name: tenant(1).name, ..tenant(2) };
    assert_refused!(store.insert_tenant(&same_name).await, Conflict(Unique::TenantName));
    store.insert_tenant(&tenant(2)).await.expect("inserted");
    assert_refused!(store.update_tenant(&tenant(2), &same_name).await, Conflict(Unique::TenantName));
    let names: Vec<_> = store.list_tenants().await.expect("list").into_iter().map(|tenant| tenant.name).collect();
    assert_eq!(names, ["tenant 1", "tenant 2"]);
    // Names are compared byte by byte, on every engine.
    let other_case = Tenant { name: "TENANT 1".to_owned(), ..tenant(3) };
    store.insert_tenant(&other_case).await.expect("inserted");
    assert_eq!(store.list_tenants().await.expect("list")[0].name, "TENANT 1");
}

async fn a_tenant_is_replaced_whole(store: Shared) {
    let before = Tenant { issuer: Some("acme.com".to_owned()), managed_by: Some("config".to_owned()), ..tenant(1) };
    store.insert_tenant(&before).await.expect("inserted");
    let after =
        Tenant { name: "other".to_owned(), issuer: None, managed_by: None, updated_at: 2_000, ..before.clone() };
    assert!(store.update_tenant(&before, &after).await.expect("answer"));
    assert!(!store.update_tenant(&before, &after).await.expect("answer"), "it is not what it was");
    assert_eq!(store.find_tenant(id(1)).await.expect("answer"), Some(after));
}

async fn a_tenant_in_use_stays(store: Shared) {
    furnish(&store).await;
    assert_refused!(store.delete_tenant(id(1), 1).await, InUse(Object::Tenant));
    for number in [10, 11] {
        assert!(store.delete_entity(id(number), 1).await.expect("answer"));
    }
    assert!(store.delete_tenant(id(1), 1).await.expect("answer"));
    assert_eq!(store.find_tenant(id(1)).await.expect("answer"), None);
}

async fn one_of_many_inserts_with_the_same_name_wins(store: Shared) {
    let insert = |store: Shared, number| async move {
        let tenant = Tenant { name: "wanted".to_owned(), ..tenant(number) };
        store.insert_tenant(&tenant).await
    };
    let results = crowd(&store, insert).await;
    let refused = results.iter().filter(|result| matches!(result, Err(Conflict(Unique::TenantName)))).count();
    assert_eq!(refused, CROWD - 1, "{results:?}");
    assert_eq!(store.list_tenants().await.expect("list").len(), 1);
    assert_eq!(store.latest_change().await.expect("answer"), 1);
}

async fn a_type_comes_back_with_its_permissions_sorted(store: Shared) {
    let mut write = permission(5, "write");
    write.description = Some("Ändern".to_owned());
    write.is_default = true;
    let mut stored = entity_type(2, vec![write, permission(6, "scim:user:read"), permission(7, "Zap")]);
    store.insert_entity_type(&stored).await.expect("inserted");
    store.insert_entity_type(&entity_type(3, vec![])).await.expect("inserted");
    stored.permissions.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(stored.permissions[0].name, "Zap");
    assert_eq!(store.find_entity_type(id(2)).await.expect("answer").as_ref(), Some(&stored));
    assert_eq!(store.find_entity_type_by_name("type 2").await.expect("answer").as_ref(), Some(&stored));
    assert_eq!(store.list_entity_types().await.expect("list"), [stored, entity_type(3, vec![])]);
}

async fn permissions_have_a_life_of_their_own(store: Shared) {
    store.insert_entity_type(&entity_type(2, vec![permission(3, "read")])).await.expect("inserted");
    let late = permission(4, "write");
    assert_refused!(store.insert_permission(id(9), &late, 2).await, Missing(Object::EntityType));
    store.insert_permission(id(2), &late, 2_000).await.expect("inserted");
    let twice = permission(5, "write");
    assert_refused!(store.insert_permission(id(2), &twice, 2).await, Conflict(Unique::PermissionName));
    let same_id = permission(4, "execute");
    assert_refused!(store.insert_permission(id(2), &same_id, 2).await, Conflict(Unique::PermissionId));
    assert!(store.update_permission(id(2), &permission(3, "peek"), 3_000).await.expect("answer"));
    assert!(!store.update_permission(id(9), &permission(3, "peek"), 3_000).await.expect("answer"));
    let found = store.find_entity_type(id(2)).await.expect("answer").expect("found");
    assert_eq!(found.permissions, [permission(3, "peek"), permission(4, "write")]);
    assert_eq!(found.updated_at, 3_000);
    let (before, mut renamed) = (entity_type(2, vec![]), entity_type(2, vec![]));
    renamed.name = "renamed".to_owned();
    assert!(store.update_entity_type(&before, &renamed).await.expect("answer"), "whatever became of its permissions");
    assert!(!store.update_entity_type(&before, &renamed).await.expect("answer"), "it is not what it was");
    let found = store.find_entity_type_by_name("renamed").await.expect("answer").expect("found");
    assert_eq!(found.permissions.len(), 2, "an update of the type leaves its permissions alone");
    assert!(store.delete_permission(id(2), id(4), 4_000).await.expect("answer"));
    assert_eq!(store.find_entity_type(id(2)).await.expect("answer").expect("found").permissions.len(), 1);
}

async fn a_type_in_use_stays(store: Shared) {
    furnish(&store).await;
    assert_refused!(store.delete_entity_type(id(2), 1).await, InUse(Object::EntityType));
    let mut same_id = entity_type(2, vec![]);
    same_id.name = "other".to_owned();
    assert_refused!(store.insert_entity_type(&same_id).await, Conflict(Unique::EntityTypeId));
    let mut same_name = entity_type(5, vec![]);
    same_name.name = "type 2".to_owned();
    assert_refused!(store.insert_entity_type(&same_name).await, Conflict(Unique::EntityTypeName));
    for number in [10, 11] {
        store.delete_entity(id(number), 1).await.expect("answer");
    }
    assert!(store.delete_entity_type(id(2), 1).await.expect("answer"));
}

async fn an_entity_survives_the_trip(store: Shared) {
    furnish(&store).await;
    let mut full = entity(12);
    full.name = "Größe 大きさ".to_owned();
    full.client_id = "todo-api".to_owned();
    full.client_secrets = vec![
        ClientSecret { expires_at: Some(5_000), ..ClientSecret::new("old", 1_000) },
        ClientSecret::new("new", 2_000),
    ];
    full.managed_by = Some("config".to_owned());
    let mut bare = entity(13);
    bare.client_secrets = vec![];
    for entity in [&full, &bare] {
        store.insert_entity(entity).await.expect("inserted");
        assert_eq!(store.find_entity(entity.id).await.expect("answer").as_ref(), Some(entity));
        let by_client_id = store.find_entity_by_client_id(id(1), &entity.client_id).await;
        assert_eq!(by_client_id.expect("answer").as_ref(), Some(entity));
        assert_eq!(store.find_entity_by_name(id(1), &entity.name).await.expect("answer").as_ref(), Some(entity));
        assert_eq!(store.find_entity_by_name(id(9), &entity.name).await.expect("answer"), None);
        assert_eq!(store.find_entity_by_client_id(id(9), &entity.client_id).await.expect("answer"), None);
    }
    let names = |entities: Vec<Entity>| entities.into_iter().map(|entity| entity.name);
    let all: Vec<_> = names(store.list_entities(None).await.expect("list")).collect();
    assert_eq!(all, ["Größe 大きさ", "entity-10", "entity-11", "entity-13"]);
    assert_eq!(store.list_entities(Some(id(1))).await.expect("list").len(), 4);
    assert!(store.list_entities(Some(id(9))).await.expect("list").is_empty());
}

async fn entity_names_and_client_ids_conflict_in_their_tenant_only(store: Shared) {
    furnish(&store).await;
    store.insert_tenant(&tenant(5)).await.expect("inserted");
    let mut other = entity(12);
    other.name = entity(10).name;
    assert_refused!(store.insert_entity(&other).await, Conflict(Unique::EntityName));
    other.name = "other".to_owned();
    other.client_id = entity(10).client_id;
    assert_refused!(store.insert_entity(&other).await, Conflict(Unique::ClientId));
    other.id = id(10);
    other.client_id = "other".to_owned();
    assert_refused!(store.insert_entity(&other).await, Conflict(Unique::EntityId));
    let mut elsewhere = entity(12);
    (elsewhere.tenant_id, elsewhere.name, elsewhere.client_id) = (id(5), entity(10).name, entity(10).client_id);
    store.insert_entity(&elsewhere).await.expect("inserted");
    let mut renamed = entity(11);
    renamed.name = entity(10).name;
    assert_refused!(store.update_entity(&entity(11), &renamed).await, Conflict(Unique::EntityName));
}

async fn entities_are_searched_by_parts_of_their_names(store: Shared) {
    furnish(&store).await;
    store.insert_tenant(&tenant(5)).await.expect("inserted");
    let mut other = entity(12);
    (other.tenant_id, other.name, other.client_id) = (id(5), "Größe 100%".to_owned(), "Client_12".to_owned());
    store.insert_entity(&other).await.expect("inserted");
    let found = |text: &str, page: Search| {
        let (store, search) = (Arc::clone(&store), Search { text: text.to_owned(), ..page });
        async move {
            let (entities, total) = store.search_entities(&search).await.expect("answer");
            (entities.into_iter().map(|entity| entity.id).collect::<Vec<_>>(), total)
        }
    };
    let all = Search { limit: 9, ..Search::default() };
    assert_eq!(found("", all.clone()).await, (vec![id(10), id(11), id(12)], 3));
    let own_id = id(11).to_string().to_uppercase();
    for (text, number) in [("ITY-10", 10), ("GRÖSSE", 0), ("GRÖßE", 12), ("t_12", 12), ("0%", 12), (&own_id, 11)] {
        let expected: Vec<_> = (number != 0).then(|| id(number)).into_iter().collect();
        assert_eq!(found(text, all.clone()).await.0, expected, "{text:?}");
    }
    let own = Search { tenant_id: Some(id(1)), ..all.clone() };
    assert_eq!(found("t_1", own.clone()).await, (vec![], 0));
    let page = Search { limit: 1, order: vec![(SearchOrder::Name, true)], ..own.clone() };
    assert_eq!(found("entity", page).await, (vec![id(11)], 2));
    let mut renamed = entity(10);
    renamed.name = "orders".to_owned();
    assert!(store.update_entity(&entity(10), &renamed).await.expect("answer"));
    let by_name = Search { order: vec![(SearchOrder::Name, true)], ..own };
    assert_eq!(found("e", by_name).await.0, [id(10), id(11)]);
}

async fn an_entity_needs_its_tenant_and_type(store: Shared) {
    furnish(&store).await;
    let mut lost = entity(12);
    lost.tenant_id = id(9);
    assert_refused!(store.insert_entity(&lost).await, Missing(Object::Tenant));
    let mut lost = entity(12);
    lost.type_id = id(9);
    assert_refused!(store.insert_entity(&lost).await, Missing(Object::EntityType));
    assert_eq!(store.find_entity(id(12)).await.expect("answer"), None);
}

/// D13: of two administrators who replace a secret at once one is told to look again, and none is lost.
async fn of_two_updates_of_the_same_state_one_wins(store: Shared) {
    furnish(&store).await;
    let update = |store: Shared, number| async move {
        let before = entity(10);
        let mut after = before.clone();
        after.client_secrets.push(ClientSecret::new(&format!("secret {number}"), 1_000));
        store.update_entity(&before, &after).await.expect("answer")
    };
    let winners = crowd(&store, update).await.into_iter().filter(|&won| won).count();
    assert_eq!(winners, 1);
    assert_eq!(store.find_entity(id(10)).await.expect("answer").expect("found").client_secrets.len(), 2);
}

async fn of_two_updates_of_a_tenant_or_a_type_one_wins(store: Shared) {
    furnish(&store).await;
    let of_tenant = |store: Shared, number| async move {
        let after = Tenant { name: format!("tenant {number} of them"), ..tenant(1) };
        store.update_tenant(&tenant(1), &after).await.expect("answer")
    };
    assert_eq!(winners(crowd(&store, of_tenant).await), 1);
    let of_type = |store: Shared, number| async move {
        let before = entity_type(2, vec![]);
        let after = EntityType { name: format!("type {number} of them"), ..before.clone() };
        store.update_entity_type(&before, &after).await.expect("answer")
    };
    assert_eq!(winners(crowd(&store, of_type).await), 1);
}

async fn a_grant_is_replaced_by_the_next(store: Shared) {
    furnish(&store).await;
    let first = grant(10, 11, &["read", "write"]);
    store.upsert_grant(&first).await.expect("inserted");
    assert_eq!(store.find_grant(id(10), id(11)).await.expect("answer").as_ref(), Some(&first));
    assert_eq!(store.find_grant(id(11), id(10)).await.expect("answer"), None, "a grant has a direction (F-181)");
    let mut second = grant(10, 11, &["write", "write"]);
    (second.id, second.created_at, second.updated_at) = (id(77), 9_000, 9_000);
    second.managed_by = Some("config".to_owned());
    store.upsert_grant(&second).await.expect("replaced");
    let found = store.find_grant(id(10), id(11)).await.expect("answer").expect("found");
    assert_eq!((found.id, found.created_at, found.updated_at), (first.id, 1_000, 9_000));
    assert_eq!((found.permissions, found.managed_by), (vec!["write".to_owned()], Some("config".to_owned())));
    store.upsert_grant(&grant(10, 11, &[])).await.expect("replaced");
    let found = store.find_grant(id(10), id(11)).await.expect("answer").expect("a grant without permissions");
    assert!(found.permissions.is_empty());
    assert!(store.delete_grant(id(10), id(11), 1).await.expect("answer"));
    assert_eq!(store.find_grant(id(10), id(11)).await.expect("answer"), None);
}

async fn a_grant_needs_both_ends_and_known_permissions(store: Shared) {
    furnish(&store).await;
    assert_refused!(store.upsert_grant(&grant(10, 99, &["read"])).await, Missing(Object::Entity));
    assert_refused!(store.upsert_grant(&grant(99, 10, &["read"])).await, Missing(Object::Entity));
    // F-183
    assert_refused!(store.upsert_grant(&grant(10, 11, &["read", "fly"])).await, Missing(Object::Permission));
    assert_eq!(store.find_grant(id(10), id(11)).await.expect("answer"), None, "all or nothing");
    store.upsert_grant(&grant(10, 10, &["read"])).await.expect("an entity may be granted on itself");
}

async fn grants_follow_their_permissions(store: Shared) {
    furnish(&store).await;
    store.upsert_grant(&grant(10, 11, &["read", "write"])).await.expect("inserted");
    assert!(store.update_permission(id(2), &permission(3, "peek"), 2_000).await.expect("answer"));
    let found = store.find_grant(id(10), id(11)).await.expect("answer").expect("found");
    assert_eq!(found.permissions, ["peek", "write"]);
    assert!(store.delete_permission(id(2), id(4), 2_000).await.expect("answer"));
    let found = store.find_grant(id(10), id(11)).await.expect("answer").expect("found");
    assert_eq!(found.permissions, ["peek"]);
}

async fn a_deleted_entity_takes_its_grants_along(store: Shared) {
    furnish(&store).await;
    store.upsert_grant(&grant(10, 11, &["read"])).await.expect("inserted");
    store.upsert_grant(&grant(11, 10, &["read"])).await.expect("inserted");
    assert!(store.delete_entity(id(10), 1).await.expect("answer"));
    assert!(store.list_grants(GrantFilter::All).await.expect("list").is_empty());
    store.insert_entity(&entity(10)).await.expect("the id is free again");
    assert_eq!(store.find_grant(id(10), id(11)).await.expect("answer"), None);
}

async fn grants_are_listed_by_end(store: Shared) {
    furnish(&store).await;
    store.insert_entity(&entity(12)).await.expect("inserted");
    for (recipient, target) in [(12, 10), (10, 12), (10, 11)] {
        store.upsert_grant(&grant(recipient, target, &["write", "read"])).await.expect("inserted");
    }
    let ends = |filter| {
        let store = Arc::clone(&store);
        async move {
            let grants = store.list_grants(filter).await.expect("list");
            grants.into_iter().map(|grant| (grant.recipient_id, grant.target_id)).collect::<Vec<_>>()
        }
    };
    assert_eq!(ends(GrantFilter::All).await, [(id(12), id(10)), (id(10), id(11)), (id(10), id(12))]);
    assert_eq!(ends(GrantFilter::OnTarget(id(12))).await, [(id(10), id(12))]);
    assert_eq!(ends(GrantFilter::OfRecipient(id(10))).await, [(id(10), id(11)), (id(10), id(12))]);
    assert!(ends(GrantFilter::OfRecipient(id(11))).await.is_empty());
}

async fn what_is_managed_is_listed_by_its_owner(store: Shared) {
    furnish(&store).await;
    let of = |owner: &str| Some(owner.to_owned());
    // More than a page for one owner, among others'.
    for number in [18, 16, 14, 12, 17] {
        store.insert_entity(&Entity { managed_by: of("config"), ..entity(number) }).await.expect("inserted");
        let managed = EntityGrant { managed_by: of("config"), ..grant(number, 10, &["read", "write"]) };
        store.upsert_grant(&managed).await.expect("inserted");
    }
    store.insert_entity(&Entity { managed_by: of("apply"), ..entity(15) }).await.expect("inserted");
    let managed = EntityGrant { managed_by: of("apply"), ..grant(15, 10, &["read"]) };
    store.upsert_grant(&managed).await.expect("inserted");
    store.upsert_grant(&grant(11, 10, &["read"])).await.expect("inserted");

    let ids = async |owner: &str| {
        let entities = store.list_managed_entities(owner).await.expect("list");
        let grants = store.list_managed_grants(owner).await.expect("list");
        for grant in &grants {
            assert_eq!(
                store.find_grant(grant.recipient_id, grant.target_id).await.expect("answer").as_ref(),
                Some(grant)
            );
        }
        let entities: Vec<_> = entities.iter().map(|entity| entity.id).collect();
        (entities, grants.iter().map(|grant| grant.recipient_id).collect::<Vec<_>>())
    };
    let of_config = [12, 14, 16, 17, 18].map(id);
    assert_eq!(ids("config").await, (of_config.to_vec(), of_config.to_vec()));
    assert_eq!(ids("apply").await, (vec![id(15)], vec![id(15)]));
    let of_tenant: Vec<_> =
        store.list_entities(Some(id(1))).await.expect("list").iter().map(|entity| entity.id).collect();
    assert_eq!(of_tenant, [10, 11, 12, 14, 15, 16, 17, 18].map(id), "by name");
    assert_eq!(ids("").await, (vec![], vec![]));
}

async fn upserts_of_one_grant_at_once_leave_one_of_them(store: Shared) {
    furnish(&store).await;
    let upsert = |store: Shared, number: u8| async move {
        let permissions: &[&str] = if number.is_multiple_of(2) { &["read"] } else { &["write"] };
        // Whoever makes a grant draws an id for it.
        let grant = EntityGrant { id: id(100 + number), ..grant(10, 11, permissions) };
        store.upsert_grant(&grant).await
    };
    for result in crowd(&store, upsert).await {
        result.expect("an upsert never conflicts");
    }
    let found = store.find_grant(id(10), id(11)).await.expect("answer").expect("found");
    assert_eq!(found.permissions.len(), 1, "never a mixture");
}
