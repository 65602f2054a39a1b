use super::*;
use crate::directory::declare::{Applied, Declaration, NoKeys, TenantDeclaration};
use crate::directory::tests::{directory, store};
use crate::directory::{Directory, DirectoryError, NewApplication, NewSecret, NewUser};
use crate::model::CustomScope;
use crate::revocations::{Bearings, Revocations};
use std::sync::Arc;

fn role(name: &str, is_default: bool) -> NewRole {
    NewRole { name: name.to_owned(), is_default, description: None }
}

fn scope(name: &str) -> CustomScope {
    CustomScope {
        id: Uuid::nil(),
        name: name.to_owned(),
        description: None,
        is_required: false,
        consent_message: None,
        consent_detail: None,
    }
}

fn example() -> Declaration {
    let shop = ApplicationDeclaration {
        name: "shop".to_owned(),
        client_id: Some("shop".to_owned()),
        roles: vec![role("customer", true), role("admin", false)],
        settings: ApplicationSettings {
            redirect_uris: vec!["https://shop.example.com/cb".to_owned()],
            scopes: vec![scope("orders")],
            ..ApplicationSettings::default()
        },
        ..ApplicationDeclaration::default()
    };
    let secret = "marked-secret-of-at-least-32-characters";
    let spa = ApplicationDeclaration {
        name: "web".to_owned(),
        client_secret: Some(Secret::from(secret.to_owned())),
        ..ApplicationDeclaration::default()
    };
    let registration = |application: &str, roles: Option<&[&str]>| RegistrationDeclaration {
        application: application.to_owned(),
        roles: roles.map(|roles| roles.iter().map(|&role| role.to_owned()).collect()),
        data: Map::new(),
    };
    let ann = UserDeclaration {
        name: "ann@example.com".to_owned(),
        email: Some("ann@example.com".to_owned()),
        password: Some(Secret::from("gravel unicorn teapot".to_owned())),
        registrations: vec![registration("shop", Some(&["admin"])), registration("web", None)],
        ..UserDeclaration::default()
    };
    let bob = UserDeclaration {
        name: "bob".to_owned(),
        username: Some("bob".to_owned()),
        registrations: vec![registration("shop", None)],
        ..UserDeclaration::default()
    };
    Declaration { applications: vec![shop, spa], users: vec![ann, bob], ..Declaration::default() }
}

async fn apply(directory: &Directory, declaration: &Declaration) -> Applied {
    directory.apply(declaration, &NoKeys).await.unwrap()
}

async fn refused(directory: &Directory, declaration: &Declaration) -> Vec<String> {
    match directory.apply(declaration, &NoKeys).await {
        Err(DirectoryError::Invalid(errors)) => errors.iter().map(ToString::to_string).collect(),
        other => panic!("expected mistakes, got {other:?}"),
    }
}

#[tokio::test]
async fn a_second_time_changes_nothing() {
    let directory = directory().await;
    let first = apply(&directory, &example()).await;
    assert_eq!(
        first.created,
        [
            "tenant \"default\"",
            "application \"shop\"",
            "application \"web\"",
            "user \"ann@example.com\"",
            "registration \"ann@example.com -> shop\"",
            "registration \"ann@example.com -> web\"",
            "user \"bob\"",
            "registration \"bob -> shop\"",
        ]
    );
    let secrets: Vec<_> = first.generated_secrets.iter().map(|one| (one.kind, one.name.as_str())).collect();
    assert_eq!(secrets, [("application", "shop")], "the other one brought its own");
    let before = (directory.applications(None).await.unwrap(), directory.users(None, None, 10).await.unwrap());
    let second = apply(&directory, &example()).await;
    assert_eq!((second.created.len(), second.updated.len(), second.removed.len()), (0, 0, 0), "{second:?}");
    assert_eq!(second.unchanged, 7);
    assert_eq!(before, (directory.applications(None).await.unwrap(), directory.users(None, None, 10).await.unwrap()));
    let tenant = directory.find_tenant("default").await.unwrap().unwrap();
    let ann = directory.find_user(tenant.id, "ann@example.com").await.unwrap().unwrap();
    let roles: Vec<_> = directory.registrations(&[ann.id]).await.unwrap().into_iter().map(|one| one.roles).collect();
    assert!(roles.contains(&vec!["admin".to_owned()]) && roles.contains(&vec![]), "{roles:?}");
    let password = Secret::from("gravel unicorn teapot".to_owned());
    assert!(directory.check_credentials(&tenant, "ann@example.com", &password, None).await.is_ok());
}

// What people do themselves is theirs.
#[tokio::test]
async fn passwords_locks_and_factors_stay_as_people_made_them() {
    let directory = directory().await;
    apply(&directory, &example()).await;
    let tenant = directory.find_tenant("default").await.unwrap().unwrap();
    let ann = directory.find_user(tenant.id, "ann@example.com").await.unwrap().unwrap();
    directory.change_password(ann.id, &Secret::from("velvet anchor summit".to_owned())).await.unwrap();
    directory.enroll_totp(ann.id).await.unwrap();
    let locked = directory.lock_user(ann.id).await.unwrap();
    assert_eq!(apply(&directory, &example()).await.updated.len(), 0);
    let mut renamed = example();
    renamed.users[0].profile.name = Some("Ann Example".to_owned());
    assert_eq!(apply(&directory, &renamed).await.updated, ["user \"ann@example.com\""]);
    let after = directory.find_user(tenant.id, "ann@example.com").await.unwrap().unwrap();
    assert_eq!(after, User { profile: renamed.users[0].profile.clone(), ..locked });
}

// F-003, D-02: ids and generated secrets outlive changes
#[tokio::test]
async fn a_changed_application_keeps_what_was_made_for_it() {
    let directory = directory().await;
    apply(&directory, &example()).await;
    let tenant = directory.find_tenant("default").await.unwrap().unwrap();
    let find = async || (*directory.find_application(tenant.id, "shop").await.unwrap().unwrap()).clone();
    let before = find().await;
    let mut changed = example();
    changed.applications[0].settings.scopes.push(scope("refunds"));
    changed.applications[0].roles.push(role("auditor", false));
    assert_eq!(apply(&directory, &changed).await.updated, ["application \"shop\""]);
    let after = find().await;
    assert_eq!((after.id, &after.client_secrets), (before.id, &before.client_secrets));
    assert_eq!(after.settings.scopes[0], before.settings.scopes[0]);
    assert_ne!(after.settings.scopes[1].id, Uuid::nil());
    assert_eq!(after.role("admin"), before.role("admin"));
    // A declared secret is the only one.
    let mut declared = changed.clone();
    let secret = "another-secret-of-at-least-32-characters";
    declared.applications[0].client_secret = Some(Secret::from(secret.to_owned()));
    assert_eq!(apply(&directory, &declared).await.updated, ["application \"shop\""]);
    assert!(find().await.accepts_secret(secret, 1_000));
    assert_eq!(apply(&directory, &declared).await.updated.len(), 0);
    // Public: none at all.
    let mut public = changed;
    public.applications[0].is_public = true;
    public.applications[0].settings.client_authentication = crate::model::ClientAuthenticationPolicy::NotRequired;
    apply(&directory, &public).await;
    assert!(find().await.is_public());
}

// I8: what is declared no more is gone with its tokens
#[tokio::test]
async fn what_is_declared_no_more_is_removed_and_revoked() {
    let revocations = Arc::new(Revocations::default());
    let clock = crate::clock::Clock::fixed(1_000);
    let directory = Directory::new(store().await, clock, crate::entropy::Entropy::seeded(1));
    let directory = directory.with_revocations(revocations.clone());
    apply(&directory, &example()).await;
    let tenant = directory.find_tenant("default").await.unwrap().unwrap();
    let own = NewUser { tenant_id: tenant.id, username: Some("carl".to_owned()), ..NewUser::default() };
    directory.create_user(own).await.unwrap();
    let bob = directory.find_user(tenant.id, "bob").await.unwrap().unwrap();
    let mut less = example();
    less.users.pop();
    less.users[0].registrations.pop();
    less.applications.pop();
    let removed = apply(&directory, &less).await.removed;
    assert_eq!(removed, ["application \"web\"", "user \"bob\""]);
    assert!(revocations.concern(&Bearings { user_id: Some(bob.id), issued_at: 1_000, ..Bearings::default() }));
    let names: Vec<_> = directory.users(None, None, 10).await.unwrap();
    assert_eq!(names.len(), 2, "whom administrators made is left alone: {names:?}");
    less.users[0].registrations.clear();
    assert_eq!(apply(&directory, &less).await.removed, ["registration \"ann@example.com -> shop\""]);
}

#[tokio::test]
async fn what_administrators_made_is_taken_over_on_request_only() {
    let directory = directory().await;
    directory.ensure_tenant().await.unwrap();
    let tenant = directory.find_tenant("default").await.unwrap().unwrap();
    let ann = NewUser { tenant_id: tenant.id, email: Some("ANN@example.com".to_owned()), ..NewUser::default() };
    let ann = directory.create_user(ann).await.unwrap();
    let shop = NewApplication {
        id: None,
        tenant_id: tenant.id,
        name: "shop".to_owned(),
        client_id: None,
        client_secret: NewSecret::Generated,
        roles: Vec::new(),
        settings: ApplicationSettings::default(),
    };
    let shop = directory.create_application(shop).await.unwrap().application;
    let errors = refused(&directory, &example()).await;
    let theirs = errors.iter().filter(|error| error.contains("not managed by the configuration")).count();
    assert_eq!(theirs, 2, "{errors:?}");
    let adopting = Declaration { adopt: true, ..example() };
    let applied = apply(&directory, &adopting).await;
    assert_eq!(applied.updated, ["application \"shop\"", "user \"ann@example.com\""]);
    assert_eq!(directory.application(shop.id).await.unwrap().unwrap().client_id, "shop");
    let found = directory.find_user(tenant.id, "ann@example.com").await.unwrap().unwrap();
    assert_eq!((found.id, found.email.as_deref()), (ann.id, Some("ann@example.com")));
    assert_eq!(found.password_hash, None, "the declared password is for new users");
}

// D-10, D9
#[tokio::test]
async fn every_mistake_is_listed_and_nothing_is_written() {
    let directory = directory().await;
    let mut wrong = example();
    wrong.tenants = vec![TenantDeclaration { name: "acme".to_owned(), ..TenantDeclaration::default() }];
    wrong.applications[0].settings.redirect_uris = vec!["http://shop.example.com".to_owned()];
    wrong.applications[1].client_id = Some("shop".to_owned());
    wrong.users[0].password = Some(Secret::from("password1".to_owned()));
    wrong.users[0].registrations[0].roles = Some(vec!["root".to_owned()]);
    wrong.users[1].registrations[0].application = "shopp".to_owned();
    wrong.users.push(UserDeclaration {
        name: "BOB".to_owned(),
        username: Some("BOB".to_owned()),
        ..UserDeclaration::default()
    });
    let errors = refused(&directory, &wrong).await;
    for (expected, part) in [
        ("applications[0]", "must be https"),
        ("users[0]", "too easy to guess"),
        ("users[0]", "has no role root; it has admin, customer"),
        ("users[1]", "tenant \"acme\" has no application \"shopp\""),
        ("users[2]", "is declared twice"),
        ("clients", "the client ids of \"web\" and \"shop\" clash"),
    ] {
        assert!(errors.iter().any(|error| error.starts_with(expected) && error.contains(part)), "{part}: {errors:?}");
    }
    assert_eq!(errors.len(), 6, "{errors:?}");
    assert!(!errors.join(" ").contains("password1"));
    assert_eq!(directory.tenants().await.unwrap(), []);
}
