//! What every store does, as a list of named behaviours, each run against an empty one. It knows no engine.
//!
//! A behaviour that does not hold panics: this is a test suite that other crates' stores can run too.
#![expect(clippy::expect_used, reason = "a behaviour that is not shown ends the test that asked for it")]

mod api_keys;
mod applications;
mod browser_sessions;
mod codes;
mod data;
mod devices;
mod directory;
mod event_log;
mod feed;
mod keys;
mod pushed_requests;
mod refresh_tokens;
mod revocation;
mod sessions;
mod users;

use std::pin::Pin;
use std::sync::Arc;

use uuid::Uuid;

use super::Store;
use crate::model::{
    Application, ApplicationSettings, Approval, AuthenticationType, AuthorizationCode, ClientSecret, Entity,
    EntityGrant, EntityType, Permission, RefreshToken, Role, Session, Tenant, User,
};

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
    [
        directory::BEHAVIOURS,
        data::BEHAVIOURS,
        applications::BEHAVIOURS,
        users::BEHAVIOURS,
        sessions::BEHAVIOURS,
        browser_sessions::BEHAVIOURS,
        codes::BEHAVIOURS,
        pushed_requests::BEHAVIOURS,
        refresh_tokens::BEHAVIOURS,
        devices::BEHAVIOURS,
        revocation::BEHAVIOURS,
        api_keys::BEHAVIOURS,
        keys::BEHAVIOURS,
        event_log::BEHAVIOURS,
        feed::BEHAVIOURS,
    ]
    .into_iter()
    .flatten()
    .copied()
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
    EntityType { permissions, ..EntityType::new(id(number), &format!("type {number}"), 1_000) }
}

fn entity(number: u8) -> Entity {
    Entity {
        id: id(number),
        tenant_id: id(1),
        type_id: id(2),
        name: format!("entity-{number}"),
        client_id: id(number).to_string(),
        client_secrets: vec![ClientSecret::new("secret", 1_000)],
        parent_id: None,
        data: crate::model::Data::new(),
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

fn role(number: u8, name: &str) -> Role {
    Role { id: id(number), name: name.to_owned(), description: None, is_default: false }
}

fn application(number: u8) -> Application {
    Application {
        id: id(number),
        tenant_id: id(1),
        name: format!("application-{number}"),
        client_id: format!("client-{number}"),
        client_secrets: vec![ClientSecret::new("secret", 1_000)],
        roles: vec![role(200, "admin"), role(201, "reader")],
        settings: ApplicationSettings::default(),
        managed_by: None,
        created_at: 1_000,
        updated_at: 1_000,
    }
}

fn user(number: u8) -> User {
    User {
        email: Some(format!("User{number}@Example.com")),
        username: Some(format!("Name{number}")),
        ..User::new(id(number), id(1), 1_000)
    }
}

/// Tenant 1, applications 20 and 21, users 30 and 31.
async fn populate(store: &Arc<dyn Store>) {
    store.insert_tenant(&tenant(1)).await.expect("tenant");
    for number in [20, 21] {
        store.insert_application(&application(number)).await.expect("application");
    }
    for number in [30, 31] {
        store.insert_user(&user(number)).await.expect("user");
    }
}

fn session(number: u8) -> Session {
    Session {
        id: id(number),
        hash: format!("session {number}"),
        tenant_id: id(1),
        user_id: id(30),
        authenticated_at: 1_000,
        methods: vec!["pwd".to_owned()],
        created_at: 1_000,
        last_used_at: 1_000,
        idle_expires_at: 2_000,
        expires_at: 9_000,
        peer: None,
        user_agent: None,
    }
}

/// What user 30 let application 20 have.
fn approval(grant: u8) -> Approval {
    Approval {
        grant_id: id(grant),
        tenant_id: id(1),
        application_id: id(20),
        user_id: id(30),
        session_id: None,
        scopes: vec!["openid".to_owned()],
        audience: None,
        authenticated_at: 1_000,
        methods: vec!["pwd".to_owned()],
        acr: None,
        nonce: None,
        claims: None,
        bound_to: None,
        authentication_type: AuthenticationType::Password,
    }
}

/// Grant and code have the same number.
fn code(number: u8) -> AuthorizationCode {
    AuthorizationCode {
        hash: format!("code {number}"),
        approval: approval(number),
        redirect_uri: None,
        code_challenge: None,
        device_code_id: None,
        created_at: 1_000,
        expires_at: 1_030,
        redeemed_at: None,
    }
}

fn refresh_token(number: u8, grant: u8) -> RefreshToken {
    RefreshToken {
        id: id(number),
        hash: format!("refresh token {number}"),
        approval: approval(grant),
        created_at: 1_000,
        last_used_at: 1_000,
        expires_at: 9_000,
        idle_expires_at: 2_000,
        rotated_at: None,
        revoked_at: None,
        device_name: None,
    }
}

/// How many of the answers are `true`.
fn winners(answers: Vec<bool>) -> usize {
    answers.into_iter().filter(|&won| won).count()
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
