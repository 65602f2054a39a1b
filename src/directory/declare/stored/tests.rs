use std::sync::Arc;

use super::*;
use crate::clock::Clock;
use crate::directory::declare::{
    ApplicationDeclaration, EntityDeclaration, EntityTypeDeclaration, GrantDeclaration, NoKeys, TenantDeclaration,
};
use crate::directory::{NewEntity, NewGrant};
use crate::entropy::Entropy;
use crate::store::sql::{Options, SqlStore};

fn id(number: u8) -> Uuid {
    Uuid::from_u128(number.into())
}

fn name(number: u8) -> String {
    format!("entity-{number}")
}

/// The entities with these numbers, in one tenant, with the names above and client ids `client-…`; each may use the next one, which
/// no declaration manages.
async fn furnished(numbers: &[u8]) -> Directory {
    let store = SqlStore::open("sqlite::memory:", &Options::default()).await.expect("a store in memory");
    let directory = Directory::new(Arc::new(store), Clock::fixed(1_000), Entropy::seeded(1));
    let tenants = TenantDeclaration { name: "acme".to_owned(), ..TenantDeclaration::default() };
    let types = EntityTypeDeclaration { name: "API".to_owned(), ..EntityTypeDeclaration::default() };
    let declared = Declaration { tenants: vec![tenants], entity_types: vec![types], ..Declaration::default() };
    directory.apply(&declared, &NoKeys).await.expect("applied");
    let tenant_id = directory.tenants().await.expect("a list")[0].id;
    let type_id = directory.entity_types().await.expect("a list")[0].id;
    for number in numbers {
        let entity = NewEntity {
            id: Some(id(*number)),
            tenant_id,
            type_id,
            name: name(*number),
            client_id: Some(format!("client-{number}")),
            client_secret: None,
            parent_id: None,
            data: Default::default(),
        };
        directory.create_entity(entity).await.expect("an entity");
    }
    for pair in numbers.windows(2) {
        let grant = NewGrant { recipient_id: id(pair[0]), target_id: id(pair[1]), permissions: vec![] };
        directory.upsert_grant(grant).await.expect("a grant");
    }
    directory
}

fn entity(name: &str) -> EntityDeclaration {
    EntityDeclaration { name: name.to_owned(), entity_type: "API".to_owned(), ..EntityDeclaration::default() }
}

/// The numbers of the entities that are read, and of both ends of the grants.
async fn read(directory: &Directory, declaration: &Declaration) -> (Vec<u128>, Vec<(u128, u128)>) {
    let stored = directory.stored(declaration, Terms::AT_START).await.expect("an answer");
    let ends = |grant: &EntityGrant| (grant.recipient_id.as_u128(), grant.target_id.as_u128());
    let mut entities: Vec<u128> = stored.entities.iter().map(|entity| entity.id.as_u128()).collect();
    entities.sort_unstable();
    (entities, stored.grants.iter().map(ends).collect())
}

// Each way to mean an entity alone; the others are not read, however many there are
#[tokio::test]
async fn what_a_declaration_does_not_mean_is_not_read() {
    let directory = furnished(&[1, 2, 3, 4, 5]).await;
    let none = Declaration::default();
    assert_eq!(read(&directory, &none).await, (vec![], vec![]));
    let of = |one: EntityDeclaration| Declaration { entities: vec![one], ..none.clone() };
    let tenant = |one: EntityDeclaration, tenant: &str| EntityDeclaration { tenant: Some(tenant.to_owned()), ..one };
    assert_eq!(read(&directory, &of(entity("new"))).await.0, []);
    assert_eq!(read(&directory, &of(entity(&name(2)))).await.0, [2]);
    assert_eq!(read(&directory, &of(tenant(entity(&name(2)), "acme"))).await.0, [2]);
    assert_eq!(read(&directory, &of(tenant(entity(&name(2)), "other"))).await.0, []);
    assert_eq!(read(&directory, &of(EntityDeclaration { id: Some(id(3)), ..entity("new") })).await.0, [3]);
    let client = |client_id: String| Some(client_id);
    assert_eq!(
        read(&directory, &of(EntityDeclaration { client_id: client("client-4".to_owned()), ..entity("new") })).await.0,
        [4]
    );
    // D9: the client id of one is the id of another.
    assert_eq!(
        read(&directory, &of(EntityDeclaration { client_id: client(id(5).to_string()), ..entity("new") })).await.0,
        [5]
    );
    let application = ApplicationDeclaration {
        name: "shop".to_owned(),
        client_id: client("client-1".to_owned()),
        ..ApplicationDeclaration::default()
    };
    let applications = Declaration { applications: vec![application], ..none.clone() };
    assert_eq!(read(&directory, &applications).await.0, [1]);
    for (recipient, target) in
        [(name(2), name(3)), (id(2).to_string(), name(3)), (id(2).to_string(), id(3).to_string())]
    {
        let grant = GrantDeclaration { recipient, target, permissions: vec![], tenant: None };
        let grants = Declaration { grants: vec![grant], ..none.clone() };
        assert_eq!(read(&directory, &grants).await, (vec![2, 3], vec![(2, 3)]));
    }
}

// What was declared before is read whatever is declared now, with the ends of its grants
#[tokio::test]
async fn what_was_declared_before_is_read() {
    let directory = furnished(&[1, 2, 3]).await;
    let declared = Declaration {
        tenants: vec![TenantDeclaration { name: "acme".to_owned(), ..TenantDeclaration::default() }],
        entity_types: vec![EntityTypeDeclaration { name: "API".to_owned(), ..EntityTypeDeclaration::default() }],
        entities: vec![EntityDeclaration { id: Some(id(9)), ..entity("declared") }],
        grants: vec![GrantDeclaration {
            recipient: "declared".to_owned(),
            target: name(3),
            permissions: vec![],
            tenant: None,
        }],
        is_open: true,
        ..Declaration::default()
    };
    directory.apply(&declared, &NoKeys).await.expect("applied");
    assert_eq!(read(&directory, &declared).await, (vec![3, 9], vec![(9, 3)]));
    assert_eq!(read(&directory, &Declaration::default()).await, (vec![3, 9], vec![(9, 3)]));
    // Removed by their names, though one of them is not the declaration's.
    let next = Declaration { entities: vec![], grants: vec![], ..declared };
    let removed = directory.apply(&next, &NoKeys).await.expect("applied").removed;
    assert_eq!(removed, ["grant \"declared -> entity-3\"", "entity \"declared\""]);
    assert_eq!(read(&directory, &next).await, (vec![], vec![]));
}

// A party's id is never another one's client id (D9), also where only the store knows the other one
#[tokio::test]
async fn clients_that_are_not_declared_are_in_the_way() {
    let directory = furnished(&[1, 2]).await;
    let tenants = vec![TenantDeclaration { name: "acme".to_owned(), ..TenantDeclaration::default() }];
    let entity_types = vec![EntityTypeDeclaration { name: "API".to_owned(), ..EntityTypeDeclaration::default() }];
    for client_id in ["client-2".to_owned(), id(2).to_string()] {
        let one = EntityDeclaration { client_id: Some(client_id), ..entity("new") };
        let declared = Declaration {
            tenants: tenants.clone(),
            entity_types: entity_types.clone(),
            entities: vec![one],
            ..Declaration::default()
        };
        let error = directory.plan(&declared, Terms::AT_START).await.expect_err("it is taken").to_string();
        assert!(error.contains("clash") && error.contains("entity-2"), "{error}");
    }
}
