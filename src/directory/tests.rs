use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::model::{ClientSecret, Permission, Profile};
use crate::secret::Secret;
use crate::store::sql::{Options, SqlStore};
use crate::store::{GrantFilter, StoreError};

/// The real store, in memory; two directories on it are two nodes.
pub(super) async fn store() -> Arc<dyn Store> {
    Arc::new(SqlStore::open("sqlite::memory:", &Options::default()).await.expect("a store in memory"))
}

fn node(store: &Arc<dyn Store>, seed: u64) -> Directory {
    Directory::new(Arc::clone(store), Clock::fixed(1_000), Entropy::seeded(seed))
}

pub(super) async fn directory() -> Directory {
    node(&store().await, 1)
}

pub(super) fn codes<T: std::fmt::Debug>(result: Result<T, DirectoryError>) -> Vec<String> {
    match result {
        Err(DirectoryError::Invalid(errors)) => errors.iter().map(FieldError::code).collect(),
        other => panic!("expected field errors, got {other:?}"),
    }
}

pub(super) struct World {
    pub(super) tenant_id: Uuid,
    type_id: Uuid,
}

pub(super) async fn furnished(directory: &Directory) -> World {
    let tenant = NewTenant { name: "acme".to_owned(), ..NewTenant::default() };
    let tenant = directory.create_tenant(tenant).await.expect("a tenant");
    let permission = |name: &str| NewPermission { name: name.to_owned(), ..NewPermission::default() };
    let entity_type = NewEntityType {
        name: "API".to_owned(),
        permissions: vec![permission("read"), permission("scim:user:read")],
        ..NewEntityType::default()
    };
    let entity_type = directory.create_entity_type(entity_type).await.expect("a type");
    World { tenant_id: tenant.id, type_id: entity_type.id }
}

impl World {
    fn entity(&self, name: &str) -> NewEntity {
        NewEntity {
            parent_id: None,
            data: serde_json::Map::new(),
            id: None,
            tenant_id: self.tenant_id,
            type_id: self.type_id,
            name: name.to_owned(),
            client_id: None,
            client_secret: None,
        }
    }
}

fn grant(recipient: &WithSecret, target: &WithSecret, permissions: &[&str]) -> NewGrant {
    NewGrant {
        target_id: target.entity.id,
        recipient_id: recipient.entity.id,
        permissions: permissions.iter().map(|&name| name.to_owned()).collect(),
    }
}

// F-181, D12
#[tokio::test]
async fn an_entity_gets_its_id_as_client_id_and_a_secret_of_256_bits() {
    let directory = directory().await;
    let world = furnished(&directory).await;
    let created = directory.create_entity(world.entity("orders")).await.expect("an entity");
    assert_eq!(created.entity.client_id, created.entity.id.to_string());
    assert_eq!(created.client_secret.expose().len(), 44);
    let found = directory.find_client(world.tenant_id, &created.entity.client_id).await.expect("answer");
    let found = found.expect("the client");
    assert!(found.accepts_secret(created.client_secret.expose(), 1_000));
    assert!(!format!("{found:?}").contains(created.client_secret.expose().as_str()));
}

// F-185, F-082
#[tokio::test]
async fn client_id_and_secret_may_be_chosen() {
    let directory = directory().await;
    let world = furnished(&directory).await;
    let secret = "+fcXet9Iu2kQi61yWD9Tu4ReZ113P6yEAkr32v6WKOQ=";
    let new = NewEntity {
        client_id: Some("todo-api".to_owned()),
        client_secret: Some(Secret::from(secret.to_owned())),
        ..world.entity("todo")
    };
    let created = directory.create_entity(new).await.expect("an entity");
    let found = directory.find_client(world.tenant_id, "todo-api").await.expect("answer").expect("the client");
    assert!(found.accepts_secret(secret, 1_000));
    assert_eq!(found.id, created.entity.id);
}

// D-10
#[tokio::test]
async fn every_wrong_field_is_listed() {
    let directory = directory().await;
    let world = furnished(&directory).await;
    let wrong = NewEntity {
        client_id: Some("a:b".to_owned()),
        client_secret: Some(Secret::from("short".to_owned())),
        ..world.entity("")
    };
    assert_eq!(
        codes(directory.create_entity(wrong).await),
        ["[blank]entity.name", "[invalid]entity.clientId", "[tooShort]entity.clientSecret"]
    );
    let lost = NewEntity { tenant_id: Uuid::nil(), type_id: Uuid::nil(), ..world.entity("lost") };
    assert_eq!(codes(directory.create_entity(lost).await), ["[missing]entity.tenantId", "[missing]entity.type.id"]);
}

// D9
#[tokio::test]
async fn names_and_client_ids_are_taken_once_per_tenant() {
    let directory = directory().await;
    let world = furnished(&directory).await;
    let first = directory.create_entity(world.entity("orders")).await.expect("an entity");
    assert_eq!(codes(directory.create_entity(world.entity("orders")).await), ["[duplicate]entity.name"]);
    let with_client_id = |name: &str, client_id: String| NewEntity { client_id: Some(client_id), ..world.entity(name) };
    let stolen = with_client_id("thief", first.entity.client_id.clone());
    assert!(codes(directory.create_entity(stolen).await).contains(&"[duplicate]entity.clientId".to_owned()));

    // The id of an entity that calls itself something else as a client is not free either.
    let named = directory.create_entity(with_client_id("named", "todo-api".to_owned())).await.expect("an entity");
    let posing = with_client_id("posing", named.entity.id.to_string());
    assert_eq!(codes(directory.create_entity(posing).await), ["[duplicate]entity.clientId"]);
    let free = Uuid::from_u128(77);
    directory.create_entity(with_client_id("holder", free.to_string())).await.expect("an entity");
    let late = NewEntity { id: Some(free), ..with_client_id("late", "late".to_owned()) };
    assert_eq!(codes(directory.create_entity(late).await), ["[duplicate]entity.id"]);

    let other = NewTenant { name: "other".to_owned(), ..NewTenant::default() };
    let tenant_id = directory.create_tenant(other).await.expect("a tenant").id;
    directory
        .create_entity(NewEntity { tenant_id, ..world.entity("orders") })
        .await
        .expect("another tenant, another list");
}

// D13
#[tokio::test]
async fn a_regenerated_secret_overlaps_with_the_old_one_on_request() {
    let directory = directory().await;
    let world = furnished(&directory).await;
    let first = directory.create_entity(world.entity("orders")).await.expect("an entity");
    let id = first.entity.id;
    let second = directory.regenerate_secret(id, 60).await.expect("a secret");
    let accepts =
        |entity: &crate::model::Entity, with: &WithSecret, now| entity.accepts_secret(with.client_secret.expose(), now);
    assert!(accepts(&second.entity, &first, 1_059) && accepts(&second.entity, &second, 1_059));
    assert!(!accepts(&second.entity, &first, 1_060) && accepts(&second.entity, &second, 1_060));
    let third = directory.regenerate_secret(id, 60).await.expect("a secret");
    assert_eq!(third.entity.client_secrets.len(), 2, "never more than two live secrets");
    let last = directory.regenerate_secret(id, 0).await.expect("a secret");
    assert_eq!(last.entity.client_secrets, [ClientSecret::new(last.client_secret.expose(), 1_000)]);
    let found = directory.entity(id).await.expect("answer").expect("the entity");
    assert!(!accepts(&found, &third, 1_000) && accepts(&found, &last, 1_000));
    assert!(matches!(directory.regenerate_secret(Uuid::nil(), 0).await, Err(DirectoryError::NotFound("entity"))));
}

// F-183, F-196
#[tokio::test]
async fn a_grant_names_known_permissions_and_entities_of_one_tenant() {
    let directory = directory().await;
    let world = furnished(&directory).await;
    let caller = directory.create_entity(world.entity("caller")).await.expect("an entity");
    let target = directory.create_entity(world.entity("target")).await.expect("an entity");
    let error = directory.upsert_grant(grant(&caller, &target, &["read", "write", "execute"])).await;
    let text = error.as_ref().expect_err("refused").to_string();
    assert!(text.contains("no permission execute, write; it has read, scim:user:read"), "{text}");
    assert_eq!(codes(error), ["[missing]grant.permissions"]);

    let granted = directory.upsert_grant(grant(&caller, &target, &["scim:user:read", "read", "read"])).await;
    let granted = granted.expect("a grant");
    assert_eq!(granted.permissions, ["read", "scim:user:read"]);
    let again = directory.upsert_grant(grant(&caller, &target, &["read"])).await.expect("a grant");
    assert_eq!((again.id, again.permissions), (granted.id, vec!["read".to_owned()]));

    let other = NewTenant { name: "other".to_owned(), ..NewTenant::default() };
    let tenant_id = directory.create_tenant(other).await.expect("a tenant").id;
    let stranger =
        directory.create_entity(NewEntity { tenant_id, ..world.entity("stranger") }).await.expect("an entity");
    let across = directory.upsert_grant(grant(&stranger, &target, &["read"])).await;
    assert_eq!(codes(across), ["[missing]grant.recipientEntityId"]);
    let nowhere = NewGrant { target_id: Uuid::nil(), ..grant(&caller, &target, &[]) };
    assert!(matches!(directory.upsert_grant(nowhere).await, Err(DirectoryError::NotFound("entity"))));
}

// F-188, F-189, F-196
#[tokio::test]
async fn targets_are_found_by_id_and_by_name_in_their_tenant() {
    let directory = directory().await;
    let world = furnished(&directory).await;
    let target = directory.create_entity(world.entity("orders")).await.expect("an entity").entity;
    let id = target.id.to_string();
    for spelling in [id.clone(), id.to_uppercase(), "orders".to_owned()] {
        let found = directory.find_target(world.tenant_id, &spelling).await.expect("answer");
        assert_eq!(found.expect("the target").id, target.id, "{spelling}");
    }
    let megabyte = "x".repeat(1 << 20);
    for nobody in ["Orders", "order", "", "92dbded-30af-4149-9c61-b578f2c72600", &id.replace('-', ""), &megabyte] {
        assert!(directory.find_target(world.tenant_id, nobody).await.expect("answer").is_none());
    }
    for spelling in [id.as_str(), "orders"] {
        assert!(directory.find_target(Uuid::nil(), spelling).await.expect("answer").is_none(), "another tenant");
    }
    let names = directory.names_of(world.tenant_id, &[Uuid::nil(), target.id]).await.expect("answer");
    assert_eq!(names, [(target.id, "orders".to_owned())]);
    assert!(directory.names_of(Uuid::nil(), &[target.id]).await.expect("answer").is_empty());
}

// D1: a request that names no tenant is meant for the only one
#[tokio::test]
async fn the_default_tenant_is_the_only_one() {
    let directory = directory().await;
    assert!(directory.default_tenant().await.expect("answer").is_none());
    directory.ensure_tenant().await.expect("a tenant");
    directory.ensure_tenant().await.expect("the same tenant");
    let tenant = directory.default_tenant().await.expect("answer").expect("the tenant");
    assert_eq!((tenant.name.as_str(), tenant.profile), ("default", Profile::Standard));
    let second = NewTenant { name: "second".to_owned(), ..NewTenant::default() };
    let second = directory.create_tenant(second).await.expect("a tenant");
    assert!(directory.default_tenant().await.expect("answer").is_none());
    directory.delete_tenant(second.id).await.expect("deleted");
    assert!(directory.default_tenant().await.expect("answer").is_some());
}

// T72: our own writes are seen at once, another node's after its change was absorbed; absent answers are cached too
#[tokio::test]
async fn answers_are_kept_until_something_changes() {
    let store = store().await;
    let (one, other) = (node(&store, 1), node(&store, 2));
    let world = furnished(&one).await;
    let entity = one.create_entity(world.entity("orders")).await.expect("an entity").entity;
    let here = |directory| {
        let directory: &Directory = directory;
        let client_id = entity.client_id.clone();
        async move { directory.find_client(world.tenant_id, &client_id).await.expect("answer").is_some() }
    };
    assert!(here(&one).await && here(&other).await);
    let absent = other.find_target(world.tenant_id, "late").await.expect("answer");
    assert!(absent.is_none());

    let heard = store.latest_change().await.expect("answer");
    one.create_entity(world.entity("late")).await.expect("an entity");
    one.delete_entity(entity.id).await.expect("deleted");
    assert!(!here(&one).await);
    assert!(here(&other).await, "the answer comes from memory");
    assert!(other.find_target(world.tenant_id, "late").await.expect("answer").is_none());
    other.absorb(&store.changes_since(heard, 10).await.expect("changes"));
    assert!(!here(&other).await);
    assert!(other.find_target(world.tenant_id, "late").await.expect("answer").is_some());
}

// T13, T72
#[tokio::test]
async fn following_brings_changes_and_forgets_everything_when_the_store_is_silent() {
    let store = store().await;
    let (one, other) = (node(&store, 1), Arc::new(node(&store, 2)));
    let world = furnished(&one).await;
    let (news, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let following = tokio::spawn({
        let other = Arc::clone(&other);
        async move {
            let tell = |what: News<'_>| {
                let _ = news.send(match what {
                    News::Missed => "missed".to_owned(),
                    News::Silent => "silent".to_owned(),
                    News::Changes(changes) => changes[0].object_id.clone(),
                });
            };
            other.follow(Duration::from_millis(2), tell).await;
        }
    });
    assert_eq!(heard.recv().await.as_deref(), Some("missed"), "whatever was loaded before is loaded again");
    assert!(other.find_target(world.tenant_id, "late").await.expect("answer").is_none());
    let late = one.create_entity(world.entity("late")).await.expect("an entity").entity;
    assert_eq!(heard.recv().await, Some(late.id.to_string()));
    assert!(other.find_target(world.tenant_id, "late").await.expect("answer").is_some());
    store.close().await;
    assert_eq!(heard.recv().await.as_deref(), Some("silent"));
    let asked = other.find_target(world.tenant_id, "late").await;
    assert!(matches!(asked, Err(StoreError::Unavailable(_))), "nothing is answered from memory");
    following.abort();
}

#[tokio::test]
async fn permissions_are_added_renamed_and_removed_with_their_grants() {
    let directory = directory().await;
    let world = furnished(&directory).await;
    let caller = directory.create_entity(world.entity("caller")).await.expect("an entity");
    let target = directory.create_entity(world.entity("target")).await.expect("an entity");
    let write = NewPermission { name: "write".to_owned(), ..NewPermission::default() };
    let write = directory.add_permission(world.type_id, write).await.expect("a permission");
    let twice = NewPermission { name: "write".to_owned(), ..NewPermission::default() };
    assert_eq!(codes(directory.add_permission(world.type_id, twice).await), ["[duplicate]permission.name"]);
    directory.upsert_grant(grant(&caller, &target, &["read", "write"])).await.expect("a grant");
    let renamed = Permission { name: "append".to_owned(), ..write };
    directory.update_permission(world.type_id, &renamed).await.expect("renamed");
    let permissions = || async {
        let found = directory.find_grant(caller.entity.id, target.entity.id).await.expect("answer");
        found.expect("the grant").permissions.clone()
    };
    assert_eq!(permissions().await, ["append", "read"]);
    directory.remove_permission(world.type_id, renamed.id).await.expect("removed");
    assert_eq!(permissions().await, ["read"]);
    assert_eq!(codes(directory.delete_entity_type(world.type_id).await), ["[inUse]entity.type.id"]);
    directory.delete_grant(caller.entity.id, target.entity.id).await.expect("deleted");
    assert!(directory.grants(GrantFilter::All).await.expect("list").is_empty());
}

// An undecidable question is an error, never a refusal
#[tokio::test]
async fn a_closed_store_is_an_error_not_an_absence() {
    let store = store().await;
    let directory = node(&store, 1);
    store.close().await;
    assert!(matches!(directory.default_tenant().await, Err(StoreError::Unavailable(_))));
    let created = directory.create_tenant(NewTenant { name: "x".to_owned(), ..NewTenant::default() }).await;
    assert!(matches!(created, Err(DirectoryError::Store(StoreError::Unavailable(_)))));
}
