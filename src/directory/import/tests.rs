use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::clock::Clock;
use crate::directory::{NewApplication, NewEntity, NewEntityType, NewRole, NewSecret};
use crate::entropy::Entropy;
use crate::model::{ApplicationSettings, Data};
use crate::secret::Secret;
use crate::store::sql::{Options, SqlStore};

async fn directory() -> (Directory, Tenant, Uuid) {
    let store = SqlStore::open("sqlite::memory:", &Options::default()).await.expect("a store in memory");
    let directory = Directory::new(Arc::new(store), Clock::fixed(1_000), Entropy::seeded(1));
    directory.ensure_tenant().await.expect("a tenant");
    let tenant = directory.tenants().await.expect("a list").remove(0);
    let admin = NewRole { name: "admin".to_owned(), ..NewRole::default() };
    let shop = NewApplication {
        id: None,
        tenant_id: tenant.id,
        name: "shop".to_owned(),
        client_id: None,
        client_secret: NewSecret::default(),
        roles: vec![admin],
        settings: ApplicationSettings::default(),
    };
    let shop = directory.create_application(shop).await.expect("an application").application.id;
    (directory, tenant, shop)
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

fn ann(shop: Uuid) -> Value {
    json!({
        "id": "00000000-0000-0000-0000-0000000000a1",
        "email": "ann@example.com",
        "username": "ann",
        "verified": true,
        "active": true,
        "fullName": "Ann Example",
        "preferredLanguages": ["de", "en"],
        "expiry": 4_102_444_800_000_i64,
        "insertInstant": 1_500,
        "data": { "plan": "gold" },
        "encryptionScheme": "salted-pbkdf2-hmac-sha256",
        "factor": 24000,
        "salt": "c2FsdHNhbHQ=",
        "password": "K5VGHxhfVpPZT32s8OQ+l5Zp02ebsBh+2mA0ic3wAEs=",
        "passwordChangeRequired": true,
        "passwordChangeReason": "Breached",
        "registrations": [{ "applicationId": shop, "roles": ["admin"], "data": { "seat": 7 } }],
        "twoFactor": { "methods": [{ "method": "authenticator", "secret": "c2VjcmV0" }] },
        "whatever": "else",
    })
}

// FusionAuth's import: every member that means something here
#[tokio::test]
async fn a_user_arrives_with_password_and_registrations() {
    let (directory, tenant, shop) = directory().await;
    let importer = directory.importer(tenant.clone()).await.expect("an importer");
    let person = importer.read(&object(ann(shop)), &ImportDefaults::default()).expect("a user");
    assert!(person.had_second_factor);
    assert_eq!(importer.write(vec![person]).await.expect("written"), [Imported::Created]);
    let id = Uuid::from_u128(0xa1);
    let user = directory.user(id).await.expect("answer").expect("the user");
    assert_eq!((user.email.as_deref(), user.username.as_deref()), (Some("ann@example.com"), Some("ann")));
    assert_eq!((user.email_verified, user.locked_at, user.expires_at), (true, None, Some(4_102_444_800)));
    assert_eq!((user.created_at, user.password_change), (1, Some(PasswordChange::Breached)));
    assert_eq!((user.profile.name.as_deref(), user.profile.locale.as_deref()), (Some("Ann Example"), Some("de")));
    assert_eq!(user.profile.data["plan"], "gold");
    let registrations = directory.registrations(&[id]).await.expect("a list");
    assert_eq!((registrations[0].application_id, registrations[0].roles.as_slice()), (shop, &["admin".to_owned()][..]));
    let password = Secret::from("password".to_owned());
    assert!(directory.check_credentials(&tenant, "ann", &password, None).await.is_ok());
}

// A second run, with and without ids, finds everybody and changes nothing
#[tokio::test]
async fn who_is_there_already_is_left_alone() {
    let (directory, tenant, shop) = directory().await;
    let importer = directory.importer(tenant).await.expect("an importer");
    let read = |user: Value| importer.read(&object(user), &ImportDefaults::default()).expect("a user");
    let ben = json!({ "email": "ben@example.com", "active": false });
    let people = || vec![read(ann(shop)), read(ben.clone())];
    assert_eq!(importer.write(people()).await.expect("written"), [Imported::Created, Imported::Created]);
    let carl = read(json!({ "username": "carl" }));
    let again = people().into_iter().chain([carl]).collect();
    assert_eq!(
        importer.write(again).await.expect("written"),
        [Imported::Present, Imported::Present, Imported::Created]
    );
    let ben = directory.users(None, None, 10).await.expect("a list").into_iter().find(|user| user.locked_at.is_some());
    assert_eq!(ben.and_then(|ben| ben.email).as_deref(), Some("ben@example.com"), "who is not active is locked");
    let thief = read(json!({ "id": Uuid::from_u128(0xb2), "email": "ANN@example.com" }));
    let refused = importer.write(vec![thief]).await.expect("an answer");
    assert!(matches!(&refused[0], Imported::Refused(why) if why.contains("user.email")), "{refused:?}");
}

// D9: whoever has the id of an entity is refused, the others are not
#[tokio::test]
async fn who_has_the_id_of_an_entity_is_refused() {
    let (directory, tenant, shop) = directory().await;
    let new_type = NewEntityType { name: "API".to_owned(), ..NewEntityType::default() };
    let entity_type = directory.create_entity_type(new_type).await.expect("a type");
    let entity = NewEntity {
        id: Some(Uuid::from_u128(0xa1)),
        tenant_id: tenant.id,
        type_id: entity_type.id,
        name: "orders".to_owned(),
        client_id: Some("orders".to_owned()),
        client_secret: None,
        parent_id: None,
        data: Data::default(),
    };
    directory.create_entity(entity).await.expect("an entity");
    let importer = directory.importer(tenant).await.expect("an importer");
    let read = |user: Value| importer.read(&object(user), &ImportDefaults::default()).expect("a user");
    let people = vec![read(json!({ "username": "carl" })), read(ann(shop)), read(json!({ "username": "dora" }))];
    let refused = Imported::Refused("id: an entity has this id".to_owned());
    assert_eq!(importer.write(people).await.expect("written"), [Imported::Created, refused, Imported::Created]);
    assert_eq!(directory.user(Uuid::from_u128(0xa1)).await.expect("answer"), None);
}

// Everything that is wrong at once, and never a hash
#[tokio::test]
async fn reasons_name_members_and_show_no_hash() {
    let (directory, tenant, shop) = directory().await;
    let importer = directory.importer(tenant).await.expect("an importer");
    for (user, reasons) in [
        (json!({}), vec!["a user needs an email or a username"]),
        (
            json!({ "email": "x", "verified": "yes", "id": "1" }),
            vec!["id: must be a UUID", "verified: must be true or false", "user.email"],
        ),
        (json!({ "email": "a@b.c", "password": "hunter2" }), vec!["there is no salt beside it"]),
        (json!({ "email": "a@b.c", "password": { "hunter2": 1 } }), vec!["password: must be text"]),
        (
            json!({ "email": "a@b.c", "password": "hunter2=", "salt": "c2FsdA==", "encryptionScheme": "salted-md5" }),
            vec!["encryptionScheme"],
        ),
        (
            json!({ "email": "a@b.c", "password": "hunter2", "salt": "x", "encryptionScheme": "bcrypt" }),
            vec!["malformed, or costs too much"],
        ),
        (json!({ "email": "a@b.c", "tenantId": Uuid::nil() }), vec!["another tenant"]),
        (json!({ "email": "a@b.c", "id": shop }), vec!["an application has this id"]),
        (
            json!({ "email": "a@b.c", "registrations": [{ "applicationId": Uuid::nil() }, { "applicationId": shop, "roles": ["king"] }] }),
            vec!["no such application", "has no role king"],
        ),
    ] {
        let refused = importer.read(&object(user.clone()), &ImportDefaults::default()).expect_err("it is wrong");
        for reason in reasons {
            assert!(refused.contains(reason), "{reason} in {refused} of {user}");
        }
        assert!(!refused.contains("hunter2"), "{refused}");
    }
    let defaults = ImportDefaults { scheme: Some("salted-sha256".to_owned()), factor: Some(3) };
    let user = json!({ "email": "a@b.c", "salt": "4MTVxbvk8swI0ys2Lf4saeR3swRvn0f2", "password": "lvxmxJCxEi7P5h+mnmvTSRPh8YQDQYrO/1OS+o9vGCQ=" });
    let person = importer.read(&object(user), &defaults).expect("a user");
    assert!(person.record.0.password_hash.is_some_and(|hash| hash.starts_with("$salted-sha256$r=3$")));
}
