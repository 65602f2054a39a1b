//! What every store does, as a list of named behaviours, each run against an empty one. It knows no engine.
//!
//! A behaviour that does not hold panics: this is a test suite that other crates' stores can run too.
#![expect(clippy::expect_used, reason = "a behaviour that is not shown ends the test that asked for it")]

mod directory;
mod feed;
mod keys;

use std::pin::Pin;
use std::sync::Arc;

use uuid::Uuid;

use super::Store;
use crate::model::{ClientSecret, Entity, EntityGrant, EntityType, Permission, Tenant};

/// One promise of a store.
#[derive(Clone, Copy)]
pub struct Behaviour {
    pub name: &'static str,
    pub run: fn(Arc<dyn Store>) -> Running,
}

pub type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Turns `async fn(Arc<dyn Store>)` items into behaviours of the same names.
macro_rules! promises {
    ($($name:ident),+ $(,)?) => {
        &[$(super::Behaviour { name: stringify!($name), run: |store| Box::pin($name(store)) }),+]
    };
}
use promises;

/// All of them.
pub fn behaviours() -> impl Iterator<Item = Behaviour> {
    [directory::BEHAVIOURS, keys::BEHAVIOURS, feed::BEHAVIOURS].into_iter().flatten().copied()
}

/// How many calls the two-at-once behaviours make.
const CROWD: usize = 16;

/// Runs `call` [`CROWD`] times at once on the runtime's threads.
async fn crowd<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    store: &Arc<dyn Store>,
    call: impl Fn(Arc<dyn Store>, u8) -> F,
) -> Vec<T> {
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..CROWD as u8 {
        tasks.spawn(call(Arc::clone(store), number));
    }
    tasks.join_all().await
}

/// A number as an id that is easy to recognise.
fn id(number: u8) -> Uuid {
    Uuid::from_bytes([number; 16])
}

fn tenant(number: u8) -> Tenant {
    Tenant::new(id(number), &format!("tenant {number}"), 1_000)
}

fn permission(number: u8, name: &str) -> Permission {
    Permission { id: id(number), name: name.to_owned(), description: None, is_default: false }
}

fn entity_type(number: u8, permissions: Vec<Permission>) -> EntityType {
    EntityType {
        id: id(number),
        name: format!("type {number}"),
        permissions,
        managed_by: None,
        created_at: 1_000,
        updated_at: 1_000,
    }
}

fn entity(number: u8) -> Entity {
    Entity {
        id: id(number),
        tenant_id: id(1),
        type_id: id(2),
        name: format!("entity-{number}"),
        client_id: id(number).to_string(),
        client_secrets: vec![ClientSecret::new("secret", 1_000)],
        managed_by: None,
        created_at: 1_000,
        updated_at: 1_000,
    }
}

fn grant(recipient: u8, target: u8, permissions: &[&str]) -> EntityGrant {
    EntityGrant {
        id: Uuid::from_u128(u128::from(recipient) << 8 | u128::from(target)),
        target_id: id(target),
        recipient_id: id(recipient),
        permissions: permissions.iter().map(|&name| name.to_owned()).collect(),
        managed_by: None,
        created_at: 1_000,
        updated_at: 1_000,
    }
}

/// Tenant 1, type 2 with `read` and `write`, and entities 10 and 11.
async fn furnish(store: &Arc<dyn Store>) {
    store.insert_tenant(&tenant(1)).await.expect("tenant");
    let permissions = vec![permission(3, "read"), permission(4, "write")];
    store.insert_entity_type(&entity_type(2, permissions)).await.expect("type");
    store.insert_entity(&entity(10)).await.expect("entity");
    store.insert_entity(&entity(11)).await.expect("entity");
}

/// The result must be this error.
macro_rules! assert_refused {
    ($result:expr, $error:pat) => {
        match $result {
            Err($error) => {}
            other => panic!("expected {}, got {other:?}", stringify!($error)),
        }
    };
}
use assert_refused;
