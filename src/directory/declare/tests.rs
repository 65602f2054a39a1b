use std::sync::Arc;

use super::*;
use crate::clock::Clock;
use crate::directory::{NewEntity, NewGrant, NewTenant};
use crate::entropy::Entropy;
use crate::store::Store;
use crate::store::sql::{Options, SqlStore};

async fn store() -> Arc<dyn Store> {
    Arc::new(SqlStore::open("sqlite::memory:", &Options::default()).await.expect("a store in memory"))
}

fn node(store: &Arc<dyn Store>, seed: u64) -> Directory {
    Directory::new(Arc::clone(store), Clock::fixed(1_000), Entropy::seeded(seed))
}

async fn directory() -> Directory {
    node(&store().await, 1)
}

fn entity(name: &str) -> EntityDeclaration {
    EntityDeclaration { name: name.to_owned(), entity_type: "API".to_owned(), ..EntityDeclaration::default() }
}

fn permission(name: &str) -> PermissionDeclaration {
    PermissionDeclaration { name: name.to_owned(), ..PermissionDeclaration::default() }
}

fn grant(recipient: &str, target: &str, permissions: &[&str]) -> GrantDeclaration {
    GrantDeclaration {
        recipient: recipient.to_owned(),
        target: target.to_owned(),
        permissions: permissions.iter().map(|&name| name.to_owned()).collect(),
        tenant: None,
    }
}

fn example() -> Declaration {
    let api = EntityTypeDeclaration {
        name: "API".to_owned(),
        permissions: vec![permission("read"), permission("write")],
        ..EntityTypeDeclaration::default()
    };
    Declaration {
        tenants: vec![TenantDeclaration { name: "acme".to_owned(), ..TenantDeclaration::default() }],
        entity_types: vec![api],
        entities: vec![entity("billing"), entity("orders")],
        grants: vec![grant("billing", "orders", &["read"])],
        ..Declaration::default()
    }
}

fn errors(result: std::result::Result<Applied, DirectoryError>) -> Vec<String> {
    match result {
        Err(DirectoryError::Invalid(errors)) => errors.iter().map(ToString::to_string).collect(),
        other => panic!("expected mistakes, got {other:?}"),
    }
}

fn assert_unchanged(applied: &Applied, objects: usize) {
    assert_eq!((&applied.created, &applied.updated, &applied.removed), (&vec![], &vec![], &vec![]));
    assert_eq!((applied.unchanged, applied.generated_secrets.len()), (objects, 0));
}

// Applying reconciles
#[tokio::test]
async fn a_declaration_is_applied_once() {
    let store = store().await;
    let directory = node(&store, 1);
    let applied = directory.apply(&example(), &NoKeys).await.expect("applied");
    assert_eq!(
        applied.created,
        [
            "tenant \"acme\"",
            "entity type \"API\"",
            "entity \"billing\"",
            "entity \"orders\"",
            "grant \"billing -> orders\""
        ]
    );
    let tenant = directory.default_tenant().await.expect("answer").expect("the tenant");
    assert_eq!(tenant.managed_by.as_deref(), Some("config"));
    assert_eq!(applied.generated_secrets.len(), 2);
    for generated in &applied.generated_secrets {
        let client = directory.find_client(tenant.id, &generated.client_id).await.expect("answer").expect("a client");
        assert!(client.accepts_secret(generated.client_secret.expose(), 1_000));
        assert_eq!((&generated.tenant, &generated.name), (&tenant.name, &client.name));
    }
    let changes = store.latest_change().await.expect("answer");
    assert_unchanged(&directory.apply(&example(), &NoKeys).await.expect("applied"), 5);
    assert_unchanged(&node(&store, 2).apply(&example(), &NoKeys).await.expect("applied by another node"), 5);
    assert_eq!(store.latest_change().await.expect("answer"), changes, "nothing was written");
    assert!(!format!("{applied:?}").contains(applied.generated_secrets[0].client_secret.expose().as_str()));
}

#[tokio::test]
async fn what_differs_is_updated_and_what_is_gone_is_removed() {
    let directory = directory().await;
    directory.apply(&example(), &NoKeys).await.expect("applied");
    let mut next = example();
    next.tenants[0].access_token_for = Some(600);
    next.entity_types[0].permissions = vec![permission("read"), permission("execute")];
    next.entity_types[0].permissions[0].description = Some("look".to_owned());
    next.entities[1].client_id = Some("orders-api".to_owned());
    next.grants[0].permissions = vec!["read".to_owned(), "execute".to_owned()];
    let applied = directory.apply(&next, &NoKeys).await.expect("applied");
    assert_eq!(applied.created, ["permission \"execute\" of entity type \"API\""]);
    assert_eq!(
        applied.updated,
        [
            "tenant \"acme\"",
            "permission \"read\" of entity type \"API\"",
            "entity \"orders\"",
            "grant \"billing -> orders\""
        ]
    );
    assert_eq!(applied.removed, ["permission \"write\" of entity type \"API\""]);
    assert_unchanged(&directory.apply(&next, &NoKeys).await.expect("applied"), 5);

    next.grants.clear();
    let applied = directory.apply(&next, &NoKeys).await.expect("applied");
    assert_eq!(applied.removed, ["grant \"billing -> orders\""]);
    let nothing = Declaration::default();
    let applied = directory.apply(&nothing, &NoKeys).await.expect("applied");
    assert_eq!(applied.removed, ["entity \"billing\"", "entity \"orders\"", "entity type \"API\"", "tenant \"acme\""]);
    assert_eq!(applied.created, ["tenant \"default\""], "there is always a tenant");
}

// Applying never touches what administrators made
#[tokio::test]
async fn what_administrators_made_is_left_alone() {
    let directory = directory().await;
    directory.apply(&example(), &NoKeys).await.expect("applied");
    let tenant_id = directory.default_tenant().await.expect("answer").expect("the tenant").id;
    let type_id = directory.entity_types().await.expect("list")[0].id;
    let by_hand = NewEntity {
        id: None,
        tenant_id,
        type_id,
        name: "by hand".to_owned(),
        client_id: None,
        client_secret: None,
        parent_id: None,
        data: serde_json::Map::new(),
    };
    let by_hand = directory.create_entity(by_hand).await.expect("an entity").entity;
    let orders = directory.find_target(tenant_id, "orders").await.expect("answer").expect("orders").id;
    let granted = NewGrant { target_id: by_hand.id, recipient_id: orders, permissions: vec!["read".to_owned()] };
    directory.upsert_grant(granted).await.expect("a grant");
    assert_unchanged(&directory.apply(&example(), &NoKeys).await.expect("applied"), 5);

    let mut claims = example();
    claims.entities.push(entity("by hand"));
    claims.grants.push(grant("orders", "by hand", &["read"]));
    assert_eq!(
        errors(directory.apply(&claims, &NoKeys).await),
        [
            "entities[2]: entity \"by hand\": exists and is not managed by the configuration; choose another name, \
             delete the existing one, or adopt it",
            "grants[1]: grant \"orders -> by hand\": exists and is not managed by the configuration; choose another \
             name, delete the existing one, or adopt it",
        ]
    );
    claims.adopt = true;
    let adopted = directory.apply(&claims, &NoKeys).await.expect("applied");
    assert_eq!(adopted.updated, ["entity \"by hand\"", "grant \"orders -> by hand\""]);
    claims.adopt = false;
    assert_unchanged(&directory.apply(&claims, &NoKeys).await.expect("applied"), 7);
    assert_eq!(directory.find_target(tenant_id, "by hand").await.expect("answer").expect("kept").id, by_hand.id);
}

#[tokio::test]
async fn a_tenant_in_use_by_others_is_kept() {
    let directory = directory().await;
    directory.apply(&example(), &NoKeys).await.expect("applied");
    let tenant_id = directory.default_tenant().await.expect("answer").expect("the tenant").id;
    let type_id = directory.entity_types().await.expect("list")[0].id;
    let by_hand = NewEntity {
        id: None,
        tenant_id,
        type_id,
        name: "by hand".to_owned(),
        client_id: None,
        client_secret: None,
        parent_id: None,
        data: serde_json::Map::new(),
    };
    directory.create_entity(by_hand).await.expect("an entity");
    let applied = directory.apply(&Declaration::default(), &NoKeys).await.expect("applied");
    assert_eq!(applied.kept, ["entity type \"API\"", "tenant \"acme\""]);
    assert_eq!(directory.entities(None).await.expect("list").len(), 1);
}

// D12, F-185
#[tokio::test]
async fn a_declared_secret_is_the_only_one() {
    let directory = directory().await;
    let secret = |fill: &str| Some(Secret::from(fill.repeat(32)));
    let mut declaration = example();
    declaration.entities[0].client_secret = secret("a");
    let applied = directory.apply(&declaration, &NoKeys).await.expect("applied");
    assert_eq!(applied.generated_secrets.len(), 1);
    assert_unchanged(&directory.apply(&declaration, &NoKeys).await.expect("applied"), 5);
    declaration.entities[0].client_secret = secret("b");
    let applied = directory.apply(&declaration, &NoKeys).await.expect("applied");
    assert_eq!(applied.updated, ["entity \"billing\""]);
    let tenant_id = directory.default_tenant().await.expect("answer").expect("the tenant").id;
    let client = directory.find_target(tenant_id, "billing").await.expect("answer").expect("billing");
    assert!(client.accepts_secret(&"b".repeat(32), 1_000) && !client.accepts_secret(&"a".repeat(32), 1_000));
    declaration.entities[0].client_secret = None;
    assert_unchanged(&directory.apply(&declaration, &NoKeys).await.expect("applied"), 5);
}

// Every mistake at once, and nothing written
#[tokio::test]
async fn mistakes_are_listed_before_anything_is_written() {
    let store = store().await;
    let directory = node(&store, 1);
    let mut declaration = example();
    declaration.entities[1].client_secret = Some(Secret::from("hunter2".to_owned()));
    declaration.entities.push(entity("orders"));
    declaration.entities.push(EntityDeclaration { entity_type: "Job".to_owned(), ..entity("cron") });
    declaration.entities.push(EntityDeclaration { tenant: Some("other".to_owned()), ..entity("x") });
    declaration.entities.push(EntityDeclaration { client_id: Some("a b".to_owned()), ..entity(" ") });
    declaration.grants.push(grant("billing", "orders", &["write"]));
    declaration.grants.push(grant("nobody", "orders", &["read"]));
    declaration.grants.push(grant("orders", "billing", &["execute", "configure"]));
    let errors = errors(directory.apply(&declaration, &NoKeys).await);
    let expected = [
        "entities[1]: entity \"orders\": entity.clientSecret: must have at least 32 characters",
        "entities[2]: entity \"orders\": is declared twice",
        "entities[3]: entity \"cron\": there is no entity type \"Job\"",
        "entities[4]: entity \"x\": there is no tenant \"other\"; there are acme",
        "entities[5]: entity \" \": entity.name: must not be empty",
        "entities[5]: entity \" \": entity.clientId: must be",
        "grants[1]: grant \"billing -> orders\": is declared twice",
        "grants[2]: grant \"nobody -> orders\": tenant \"acme\" has no entity \"nobody\"",
        // F-183
        "grants[3]: grant \"orders -> billing\": grant.permissions: the target's entity type has no permission \
         configure, execute; it has read, write",
    ];
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
    for (error, expected) in errors.iter().zip(expected) {
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    assert_eq!(store.latest_change().await.expect("answer"), 0);
}

#[tokio::test]
async fn ids_can_be_declared_and_then_stay() {
    let directory = directory().await;
    let id = Uuid::from_u128(7);
    let mut declaration = example();
    declaration.entities[1].id = Some(id);
    directory.apply(&declaration, &NoKeys).await.expect("applied");
    declaration.entities[1].name = "renamed".to_owned();
    declaration.grants[0].target = id.to_string();
    let applied = directory.apply(&declaration, &NoKeys).await.expect("applied");
    assert_eq!((applied.updated.as_slice(), applied.unchanged), (&["entity \"renamed\"".to_owned()][..], 4));
    declaration.entities[1].id = Some(Uuid::from_u128(8));
    let errors = errors(directory.apply(&declaration, &NoKeys).await);
    assert!(errors[0].contains(&format!("is stored with the id {id}")), "{errors:?}");
}

// D9
#[tokio::test]
async fn declared_client_ids_do_not_clash() {
    let directory = directory().await;
    let mut declaration = example();
    let id = Uuid::from_u128(7);
    declaration.entities[0].id = Some(id);
    declaration.entities[0].client_id = Some("billing".to_owned());
    declaration.entities[1].client_id = Some(id.to_string());
    assert_eq!(
        errors(directory.apply(&declaration, &NoKeys).await),
        ["clients: the client ids of \"billing\" and \"orders\" clash"]
    );
    declaration.entities[1].client_id = Some("billing".to_owned());
    assert_eq!(errors(directory.apply(&declaration, &NoKeys).await).len(), 1);
}

// The tenant that exists unasked
#[tokio::test]
async fn the_default_tenant_need_not_be_declared_but_can_be() {
    let directory = directory().await;
    let mut declaration = example();
    declaration.tenants.clear();
    for entity in &mut declaration.entities {
        entity.tenant = Some("default".to_owned());
    }
    directory.apply(&declaration, &NoKeys).await.expect("applied");
    let tenant = directory.default_tenant().await.expect("answer").expect("the tenant");
    assert_eq!((tenant.name.as_str(), tenant.managed_by.as_deref()), ("default", None));
    let default = TenantDeclaration {
        name: "default".to_owned(),
        profile: Profile::FusionAuth,
        issuer: Some("acme.com".to_owned()),
        ..TenantDeclaration::default()
    };
    declaration.tenants.push(default);
    let applied = directory.apply(&declaration, &NoKeys).await.expect("applied");
    assert_eq!(applied.updated, ["tenant \"default\""]);
    let declared = directory.default_tenant().await.expect("answer").expect("the tenant");
    assert_eq!((declared.id, declared.profile), (tenant.id, Profile::FusionAuth));
}

#[tokio::test]
async fn with_several_tenants_each_reference_names_one() {
    let directory = directory().await;
    directory.create_tenant(NewTenant { name: "other".to_owned(), ..NewTenant::default() }).await.expect("a tenant");
    let errors = errors(directory.apply(&example(), &NoKeys).await);
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert!(errors[0].ends_with("say which tenant; there are other, acme"), "{errors:?}");
    let mut declaration = example();
    for entity in &mut declaration.entities {
        entity.tenant = Some("acme".to_owned());
    }
    declaration.grants[0].tenant = Some("acme".to_owned());
    directory.apply(&declaration, &NoKeys).await.expect("applied");
}

// T74: every node applies the same file when it starts
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_apply_at_once_agree() {
    let store = store().await;
    let mut nodes = tokio::task::JoinSet::new();
    for seed in 0..8 {
        let directory = node(&store, seed);
        nodes.spawn(async move { directory.apply(&example(), &NoKeys).await.expect("applied") });
    }
    let applied = nodes.join_all().await;
    let created: usize = applied.iter().map(|applied| applied.created.len()).sum();
    // Each object has one creator; of grants several nodes may each believe to be it.
    assert!(created >= 5, "{applied:?}");
    let secrets: Vec<_> = applied.iter().flat_map(|applied| &applied.generated_secrets).collect();
    assert_eq!(secrets.len(), 2, "every generated secret is shown by one node, and it is the one that counts");
    let directory = node(&store, 99);
    assert_unchanged(&directory.apply(&example(), &NoKeys).await.expect("applied"), 5);
    let tenant_id = directory.default_tenant().await.expect("answer").expect("one tenant").id;
    for secret in secrets {
        let client = directory.find_client(tenant_id, &secret.client_id).await.expect("answer").expect("a client");
        assert!(client.accepts_secret(secret.client_secret.expose(), 1_000));
    }
}

// Two objects with one id would write over each other at every start, and `diff` would never become empty.
#[tokio::test]
async fn an_id_is_declared_once() {
    let id = Some(Uuid::from_u128(7));
    let tenant = |name: &str| TenantDeclaration { name: name.to_owned(), id, ..TenantDeclaration::default() };
    let of_type = |name: &str| EntityTypeDeclaration { name: name.to_owned(), id, ..EntityTypeDeclaration::default() };
    let application = |name: &str| ApplicationDeclaration { name: name.to_owned(), id, ..Default::default() };
    let user = |name: &str| UserDeclaration {
        name: name.to_owned(),
        id,
        username: Some(name.to_owned()),
        ..UserDeclaration::default()
    };
    let twice = [
        Declaration { tenants: vec![tenant("a"), tenant("b")], ..Declaration::default() },
        Declaration { entity_types: vec![of_type("a"), of_type("b")], ..Declaration::default() },
        Declaration {
            entities: vec![EntityDeclaration { id, ..entity("a") }, EntityDeclaration { id, ..entity("b") }],
            grants: Vec::new(),
            ..example()
        },
        Declaration { applications: vec![application("a"), application("b")], ..Declaration::default() },
        Declaration { users: vec![user("a"), user("b")], ..Declaration::default() },
    ];
    for declaration in twice {
        let errors = errors(directory().await.apply(&declaration, &NoKeys).await);
        assert!(matches!(errors.as_slice(), [only] if only.contains("by its id")), "{errors:?}");
    }
}

// One is meant by its name, the other by its id.
#[tokio::test]
async fn a_stored_object_is_declared_once() {
    let store = store().await;
    node(&store, 1).apply(&example(), &NoKeys).await.expect("applied");
    let id = store
        .list_entities(None)
        .await
        .expect("entities")
        .iter()
        .find(|entity| entity.name == "billing")
        .map(|entity| entity.id);
    let renamed = EntityDeclaration { id, ..entity("accounting") };
    let both = Declaration { entities: vec![entity("billing"), entity("orders"), renamed], ..example() };
    let errors = errors(node(&store, 2).apply(&both, &NoKeys).await);
    assert!(errors.iter().any(|error| error.contains("entity \"accounting\"")), "{errors:?}");
}
