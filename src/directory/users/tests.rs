use std::sync::Arc;

use serde_json::Map;

use super::*;
use crate::clock::Clock;
use crate::directory::tests::{codes, directory, furnished, store};
use crate::directory::{NewApplication, NewRegistration, NewRole, NewSecret, NewTenant};
use crate::entropy::Entropy;
use crate::model::{Application, ApplicationSettings};
use crate::revocations::{Bearings, Revocations};

fn ann(tenant_id: Uuid) -> NewUser {
    NewUser {
        tenant_id,
        email: Some("Ann@Example.com".to_owned()),
        username: Some("ann".to_owned()),
        password: Some(Secret::from("gravel unicorn teapot".to_owned())),
        ..NewUser::default()
    }
}

async fn shop(directory: &Directory, tenant_id: Uuid) -> Application {
    let role = |name: &str, is_default| NewRole { name: name.to_owned(), is_default, ..NewRole::default() };
    let new = NewApplication {
        id: None,
        tenant_id,
        name: "shop".to_owned(),
        client_id: None,
        client_secret: NewSecret::Generated,
        roles: vec![role("admin", false), role("customer", true)],
        settings: ApplicationSettings::default(),
    };
    directory.create_application(new).await.unwrap().application
}

// F-048
#[tokio::test]
async fn a_user_is_found_by_email_and_username_without_regard_to_case() {
    let directory = directory().await;
    let world = furnished(&directory).await;
    let user = directory.create_user(ann(world.tenant_id)).await.unwrap();
    for login_id in ["ann@example.com", "ANN@EXAMPLE.COM", "ann", "Ann"] {
        let found = directory.find_user(world.tenant_id, login_id).await.unwrap();
        assert_eq!(found.as_ref(), Some(&user), "{login_id}");
    }
    for login_id in ["", "an", "ann@example.org", &"x".repeat(10_000), "a\0"] {
        assert_eq!(directory.find_user(world.tenant_id, login_id).await.unwrap(), None, "{login_id:?}");
    }
    assert_eq!(directory.find_user(Uuid::nil(), "ann").await.unwrap(), None, "another tenant");
    assert!(user.password_hash.as_ref().unwrap().starts_with("$argon2id$"));
}

// D-10, L1, L4
#[tokio::test]
async fn every_wrong_field_is_listed() {
    let directory = directory().await;
    let world = furnished(&directory).await;
    let password = |text: &str| Some(Secret::from(text.to_owned()));
    let rows = [
        (NewUser { email: None, username: None, ..ann(world.tenant_id) }, "[blank]user.email"),
        (NewUser { password: password("short"), ..ann(world.tenant_id) }, "[tooShort]user.password"),
        (NewUser { password: password("password1"), ..ann(world.tenant_id) }, "[tooCommon]user.password"),
        (NewUser { password: password("Ann@Example.com"), ..ann(world.tenant_id) }, "[tooCommon]user.password"),
        (NewUser { password_hash: password("x"), ..ann(world.tenant_id) }, "[invalid]user.passwordHash"),
        (ann(Uuid::nil()), "[missing]user.tenantId"),
    ];
    for (new, code) in rows {
        assert_eq!(codes(directory.create_user(new).await), [code]);
    }
    directory.create_user(ann(world.tenant_id)).await.unwrap();
    let second = NewUser { email: Some("ANN@example.com".to_owned()), ..ann(world.tenant_id) };
    assert_eq!(codes(directory.create_user(second).await), ["[duplicate]user.email", "[duplicate]user.username"]);
}

// L7: from another system
#[tokio::test]
async fn a_hash_may_be_brought_along() {
    let directory = directory().await;
    let world = furnished(&directory).await;
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$c29tZSByYW5kb20gc2FsdA$Kdm4wIkvb7jOM4dDZ0yB4tD7dZL2rgOcoFhvZrUvOto";
    let new = NewUser { password: None, password_hash: Some(Secret::from(hash.to_owned())), ..ann(world.tenant_id) };
    assert_eq!(directory.create_user(new).await.unwrap().password_hash.as_deref(), Some(hash));
}

// C9, I8: whoever had the old password is out
#[tokio::test]
async fn changes_that_matter_revoke_what_was_given() {
    let (store, revocations, clock) = (store().await, Arc::new(Revocations::default()), Clock::fixed(1_000));
    let directory = Directory::new(store.clone(), clock.clone(), Entropy::seeded(1));
    let directory = directory.with_revocations(revocations.clone());
    let world = furnished(&directory).await;
    let user = directory.create_user(ann(world.tenant_id)).await.unwrap();
    let concerned =
        |issued_at| revocations.concern(&Bearings { user_id: Some(user.id), issued_at, ..Bearings::default() });
    assert!(!concerned(0));
    directory.require_password_change(user.id, PasswordChange::Administrative).await.unwrap();
    assert!(!concerned(0), "only the next login is concerned");
    directory.change_password(user.id, &Secret::from("velvet anchor summit".to_owned())).await.unwrap();
    let changed = directory.user(user.id).await.unwrap().unwrap();
    assert_eq!((changed.password_change, changed.password_changed_at), (None, 1_001));
    assert_ne!(changed.password_hash, user.password_hash);
    assert!(concerned(1_000) && !concerned(1_001));
    // In the same second again: whoever logged in between the two has a token of the next second.
    directory.change_password(user.id, &Secret::from("summit anchor velvet".to_owned())).await.unwrap();
    assert!(concerned(1_001) && !concerned(1_002));
    let refused = directory.change_password(user.id, &Secret::from("qwertyuiop".to_owned())).await;
    assert_eq!(codes(refused), ["[tooCommon]user.password"]);
    clock.set(2_000);
    let locked = directory.lock_user(user.id).await.unwrap();
    assert_eq!(locked.locked_at, Some(2_000));
    assert!(concerned(2_000));
    clock.set(2_500);
    assert_eq!(directory.lock_user(user.id).await.unwrap().locked_at, Some(2_000), "locked since the first time");
    assert_eq!(directory.unlock_user(user.id).await.unwrap().locked_at, None);
    clock.set(3_000);
    directory.delete_user(user.id).await.unwrap();
    assert!(concerned(3_000));
    assert!(directory.user(user.id).await.unwrap().is_none());
    assert_eq!(store.list_revocations(3_000).await.unwrap().len(), 1);
    assert!(matches!(directory.delete_user(user.id).await, Err(DirectoryError::NotFound("user"))));
}

#[tokio::test]
async fn an_update_touches_neither_password_nor_lock() {
    let directory = directory().await;
    let world = furnished(&directory).await;
    let user = directory.create_user(ann(world.tenant_id)).await.unwrap();
    let wanted = User {
        email: Some("ann@example.org".to_owned()),
        password_hash: None,
        locked_at: Some(1),
        totp_secret: Some("x".to_owned()),
        tenant_id: Uuid::nil(),
        ..user.clone()
    };
    let after = directory.update_user(&user, wanted.clone()).await.unwrap();
    assert_eq!(after, User { email: wanted.email.clone(), updated_at: 1_000, ..user.clone() });
    let late = directory.update_user(&user, wanted).await;
    assert!(matches!(late, Err(DirectoryError::Changed("user"))), "{late:?}");
}

// F-034, D-12
#[tokio::test]
async fn registrations_have_roles_that_the_application_knows() {
    let directory = directory().await;
    let world = furnished(&directory).await;
    let shop = shop(&directory, world.tenant_id).await;
    let user = directory.create_user(ann(world.tenant_id)).await.unwrap();
    let new = NewRegistration { user_id: user.id, application_id: shop.id, roles: None, data: Map::new() };
    assert_eq!(directory.registration(user.id, shop.id).await.unwrap(), None);
    assert_eq!(directory.register(new.clone()).await.unwrap().roles, ["customer"]);
    let unknown = directory.set_roles(user.id, shop.id, vec!["root".to_owned()]).await;
    assert_eq!(codes(unknown), ["[missing]registration.roles"]);
    let both = vec!["customer".to_owned(), "admin".to_owned(), "admin".to_owned()];
    assert_eq!(directory.set_roles(user.id, shop.id, both).await.unwrap().roles, ["admin", "customer"]);
    // A role that the application has no more is nobody's.
    let mut less = shop.clone();
    less.roles.retain(|role| role.name == "customer");
    directory.update_application(&shop, less).await.unwrap();
    assert_eq!(directory.registration(user.id, shop.id).await.unwrap().unwrap().roles, ["customer"]);
    directory.unregister(user.id, shop.id).await.unwrap();
    assert_eq!(directory.registration(user.id, shop.id).await.unwrap(), None);
    // Another tenant's application is as good as none.
    let other = NewTenant { name: "other".to_owned(), ..NewTenant::default() };
    let other = directory.create_tenant(other).await.unwrap();
    let stranger = directory.create_user(ann(other.id)).await.unwrap();
    let crossing = directory.register(NewRegistration { user_id: stranger.id, ..new }).await;
    assert!(matches!(crossing, Err(DirectoryError::NotFound("application"))), "{crossing:?}");
}

// L16
#[tokio::test]
async fn an_administrator_sets_temporary_passwords_only() {
    let directory = directory().await;
    let world = furnished(&directory).await;
    let user = directory.create_user(ann(world.tenant_id)).await.unwrap();
    let made = directory.set_temporary_password(user.id, None).await.unwrap().unwrap();
    assert_eq!(made.expose().len(), 20);
    let tenant = directory.tenant(world.tenant_id).await.unwrap().unwrap();
    let due = async |password: &Secret<String>| {
        let login = directory.check_credentials(&tenant, "ann", password, None).await.unwrap();
        login.user.password_change
    };
    assert_eq!(due(&made).await, Some(PasswordChange::Administrative));
    let given = Secret::from("velvet anchor summit".to_owned());
    assert!(directory.set_temporary_password(user.id, Some(&given)).await.unwrap().is_none());
    assert_eq!(due(&given).await, Some(PasswordChange::Administrative));
    // The user's own choice lasts.
    let chosen = Secret::from("harbour lantern mitten".to_owned());
    directory.change_password(user.id, &chosen).await.unwrap();
    assert_eq!(due(&chosen).await, None);
    let weak = directory.set_temporary_password(user.id, Some(&Secret::from("short".to_owned()))).await;
    assert!(matches!(weak, Err(DirectoryError::Invalid(_))), "{weak:?}");
}
