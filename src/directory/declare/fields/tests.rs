use std::sync::Arc;

use super::*;
use crate::clock::Clock;
use crate::directory::Directory;
use crate::directory::declare::{
    ApplicationDeclaration, Declaration, EntityDeclaration, EntityTypeDeclaration, NoKeys, Owner, TenantDeclaration,
    Terms, UserDeclaration,
};
use crate::entropy::Entropy;
use crate::model::{Profile, TenantSettings, UserProfile};
use crate::secret::Secret;
use crate::store::sql::{Options, SqlStore};

const FILES: Terms = Terms { owner: Owner::Files, prune: true };

async fn directory() -> Directory {
    let store = SqlStore::open("sqlite::memory:", &Options::default()).await.expect("a store in memory");
    Directory::new(Arc::new(store), Clock::fixed(1_000), Entropy::seeded(1))
}

fn declaration() -> Declaration {
    let name = |name: &str| name.to_owned();
    Declaration {
        tenants: vec![TenantDeclaration { name: name("acme"), ..TenantDeclaration::default() }],
        entity_types: vec![EntityTypeDeclaration { name: name("API"), ..EntityTypeDeclaration::default() }],
        entities: vec![EntityDeclaration {
            name: name("orders"),
            entity_type: name("API"),
            ..EntityDeclaration::default()
        }],
        applications: vec![ApplicationDeclaration { name: name("shop"), ..ApplicationDeclaration::default() }],
        users: vec![UserDeclaration {
            name: name("ann@example.com"),
            email: Some(name("ann@example.com")),
            password: Some(Secret::from(name("velvet anchor gravel"))),
            ..UserDeclaration::default()
        }],
        ..Declaration::default()
    }
}

async fn shown(directory: &Directory, declaration: &Declaration) -> Vec<String> {
    let plan = directory.plan(declaration, FILES).await.expect("a plan");
    let line = |change: &FieldChange| format!("{}: {} -> {}", change.field, change.old, change.new);
    plan.steps
        .iter()
        .flat_map(|step| [vec![step.what.clone()], step.fields.iter().map(line).collect()].concat())
        .collect()
}

// Of a new object only what is special is shown, and that it gets a secret
#[tokio::test]
async fn new_objects_show_what_is_not_the_default() {
    let directory = directory().await;
    let mut declared = declaration();
    declared.tenants[0].profile = Profile::FusionAuth;
    declared.tenants[0].settings = Some(TenantSettings { session_for: 60_000, ..TenantSettings::default() });
    let lines = shown(&directory, &declared).await;
    assert_eq!(
        lines,
        [
            "tenant \"acme\"",
            "profile: \"standard\" -> \"fusionauth\"",
            "settings.session_life: 86400 -> 60000",
            "entity type \"API\"",
            "entity \"orders\"",
            "client_secret: null -> \"will be generated\"",
            "application \"shop\"",
            "client_secret: null -> \"will be generated\"",
            "user \"ann@example.com\"",
            "email: null -> \"ann@example.com\"",
            "password: null -> \"as declared\"",
        ]
    );
}

// Old and new value of what changes, in the words of the configuration, and never a secret's
#[tokio::test]
async fn changes_are_shown_field_by_field() {
    let directory = directory().await;
    let mut declared = declaration();
    let plan = directory.plan(&declared, FILES).await.expect("a plan");
    assert!(directory.carry_out(plan, &NoKeys).await.1.is_none());
    assert_eq!(shown(&directory, &declared).await, Vec::<String>::new());
    declared.tenants[0].access_token_for = Some(600);
    declared.entities[0].client_secret = Some(Secret::from("hunter2-".repeat(4)));
    declared.applications[0].client_id = Some("shop".to_owned());
    declared.applications[0].settings.redirect_uris = vec!["https://shop.example.com/".to_owned()];
    declared.applications[0].settings.scopes = vec![crate::model::CustomScope {
        id: Uuid::nil(),
        name: "orders".to_owned(),
        description: Some("Your orders".to_owned()),
        is_required: true,
        consent_message: None,
        consent_detail: None,
    }];
    declared.users[0].profile = UserProfile { nickname: Some("Annie".to_owned()), ..UserProfile::default() };
    let lines = shown(&directory, &declared).await;
    assert_eq!(
        lines,
        [
            "tenant \"acme\"",
            "access_token_life: 3600 -> 600",
            "entity \"orders\"",
            "client_secret: null -> \"will be replaced\"",
            "application \"shop\"",
            "client_id: null -> \"shop\"",
            "redirect_uris: [] -> [\"https://shop.example.com/\"]",
            "scopes.orders.description: null -> \"Your orders\"",
            "scopes.orders.required: null -> true",
            "user \"ann@example.com\"",
            "nickname: null -> \"Annie\"",
        ]
    );
}
