use std::sync::Arc;

use super::*;
use crate::clock::Clock;
use crate::directory::tests::{codes, directory, furnished, store};
use crate::directory::{NewEntity, NewUser};
use crate::entropy::Entropy;
use crate::jose::{MasterKey, Sealing};
use crate::model::ClientAuthenticationPolicy;
use crate::revocations::{Bearings, Revocations};

fn application(tenant_id: Uuid, name: &str) -> NewApplication {
    NewApplication {
        id: None,
        tenant_id,
        name: name.to_owned(),
        client_id: None,
        client_secret: NewSecret::Generated,
        roles: Vec::new(),
        settings: ApplicationSettings::default(),
    }
}

fn role(name: &str) -> NewRole {
    NewRole { name: name.to_owned(), ..NewRole::default() }
}

// F-001, F-002, F-004, F-029, D12
#[tokio::test]
async fn an_application_gets_its_id_as_client_id_and_a_secret_of_256_bits() {
    let directory = directory().await;
    let world = furnished(&directory).await;
    let created = directory.create_application(application(world.tenant_id, "shop")).await.unwrap();
    let secret = created.client_secret.unwrap();
    assert_eq!(created.application.client_id, created.application.id.to_string());
    assert_eq!(secret.expose().len(), 44);
    let found = directory.find_application(world.tenant_id, &created.application.client_id).await.unwrap().unwrap();
    assert_eq!(*found, created.application);
    assert!(found.accepts_secret(secret.expose(), 1_000) && !found.accepts_secret("", 1_000));
    assert_eq!(found.settings, ApplicationSettings::default());
    // The secret is nowhere in clear, and can be known again where it signs.
    assert!(!format!("{found:?}").contains(secret.expose().as_str()));
    assert_eq!(directory.open_client_secret(&found.client_secrets[0]).unwrap().expose(), secret.expose());
}

// F-005, K8
#[tokio::test]
async fn a_public_application_has_no_secret() {
    let directory = directory().await;
    let world = furnished(&directory).await;
    let mut public = NewApplication { client_secret: NewSecret::None, ..application(world.tenant_id, "spa") };
    let code = "[invalid]application.oauthConfiguration.clientAuthenticationPolicy";
    assert_eq!(codes(directory.create_application(public.clone()).await), [code]);
    public.settings.client_authentication = ClientAuthenticationPolicy::NotRequired;
    let created = directory.create_application(public).await.unwrap();
    assert!(created.client_secret.is_none() && created.application.is_public());
}

// D-10
#[tokio::test]
async fn every_wrong_field_is_listed_before_anything_is_written() {
    let directory = directory().await;
    let mut wrong = application(Uuid::nil(), "");
    wrong.client_secret = NewSecret::Chosen(Secret::from("short".to_owned()));
    assert_eq!(
        codes(directory.create_application(wrong).await),
        ["[tooShort]application.clientSecret", "[missing]application.tenantId"]
    );
    assert_eq!(directory.applications(None).await.unwrap(), []);
}

// D9, F-001
#[tokio::test]
async fn a_client_id_means_one_party_and_never_a_person() {
    let directory = directory().await;
    let world = furnished(&directory).await;
    let tenant_id = world.tenant_id;
    let type_id = directory.entity_types().await.unwrap()[0].id;
    let entity_called = |name: &str, client_id: String| NewEntity {
        parent_id: None,
        data: serde_json::Map::new(),
        id: None,
        tenant_id,
        type_id,
        name: name.to_owned(),
        client_id: Some(client_id),
        client_secret: None,
    };
    let entity = directory.create_entity(entity_called("orders", "orders".to_owned())).await.unwrap().entity;
    let user = NewUser { tenant_id, username: Some("ann".to_owned()), ..NewUser::default() };
    let user = directory.create_user(user).await.unwrap();
    let shop = directory.create_application(application(tenant_id, "shop")).await.unwrap().application;
    let field = "[duplicate]application.oauthConfiguration.clientId";
    for (client_id, expected) in [
        ("orders".to_owned(), vec![field]),
        (user.id.to_string(), vec![field]),
        (entity.id.to_string(), vec![field]),
        // Somebody has it, and it is an id.
        (shop.id.to_string(), vec![field, field]),
    ] {
        let wanted = NewApplication { client_id: Some(client_id.clone()), ..application(tenant_id, "other") };
        assert_eq!(codes(directory.create_application(wanted).await), expected, "{client_id}");
    }
    assert_eq!(
        codes(directory.create_application(application(tenant_id, "shop")).await),
        ["[duplicate]application.name"]
    );
    for id in [user.id, entity.id] {
        let wanted = NewApplication { id: Some(id), ..application(tenant_id, "other") };
        assert!(codes(directory.create_application(wanted).await).contains(&"[duplicate]application.id".to_owned()));
    }
    for id in [shop.id, entity.id] {
        let wanted = NewUser { id: Some(id), tenant_id, username: Some("bob".to_owned()), ..NewUser::default() };
        assert_eq!(codes(directory.create_user(wanted).await), ["[duplicate]user.id"]);
    }
    for other in [user.id, entity.id] {
        let wanted = entity_called("other", other.to_string());
        assert_eq!(codes(directory.create_entity(wanted).await), ["[duplicate]entity.clientId"]);
    }
    let free = Uuid::from_u128(77);
    let client_ids = [shop.id.to_string(), free.to_string()];
    directory.create_entity(entity_called("free", client_ids[1].clone())).await.unwrap();
    for client_id in client_ids {
        let refused = codes(directory.create_entity(entity_called("other", client_id)).await);
        assert!(refused.contains(&"[duplicate]entity.clientId".to_owned()), "{refused:?}");
    }
    let wanted = NewUser { id: Some(free), tenant_id, username: Some("bob".to_owned()), ..NewUser::default() };
    assert_eq!(codes(directory.create_user(wanted).await), ["[duplicate]user.id"], "a client is called so");
    let again = NewApplication { id: Some(shop.id), ..application(tenant_id, "another") };
    assert_eq!(codes(directory.create_application(again).await), ["[duplicate]application.id"]);
}

// F-003, D13
#[tokio::test]
async fn a_new_secret_ends_the_old_one_at_once_or_later() {
    let clock = Clock::fixed(1_000);
    let directory = Directory::new(store().await, clock.clone(), Entropy::seeded(1));
    let world = furnished(&directory).await;
    let created = directory.create_application(application(world.tenant_id, "shop")).await.unwrap();
    let (id, first) = (created.application.id, created.client_secret.unwrap());
    let second = directory.regenerate_application_secret(id, 60).await.unwrap().client_secret.unwrap();
    let accepts = async |secret: &Secret<String>, at| {
        directory.application(id).await.unwrap().unwrap().accepts_secret(secret.expose(), at)
    };
    assert!(accepts(&first, 1_059).await && accepts(&second, 1_059).await);
    assert!(!accepts(&first, 1_060).await && accepts(&second, 1_060).await);
    clock.advance(10);
    let third = directory.regenerate_application_secret(id, 0).await.unwrap().client_secret.unwrap();
    assert!(!accepts(&first, 1_010).await && !accepts(&second, 1_010).await && accepts(&third, 1_010).await);
}

// D13: two administrators at once
#[tokio::test]
async fn of_two_who_change_the_same_application_one_is_told() {
    let directory = directory().await;
    let world = furnished(&directory).await;
    let before = directory.create_application(application(world.tenant_id, "shop")).await.unwrap().application;
    let with = |roles: &[&str]| Application {
        roles: roles.iter().map(|name| directory.role(role(name))).collect(),
        ..before.clone()
    };
    let after = directory.update_application(&before, with(&["b", "a"])).await.unwrap();
    assert_eq!(after.roles.iter().map(|role| role.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    let late = directory.update_application(&before, with(&["c"])).await;
    assert!(matches!(late, Err(DirectoryError::Changed("application"))), "{late:?}");
    assert_eq!(codes(directory.update_application(&after, with(&["d", "d"])).await), ["[duplicate]application.roles"]);
}

// I8: what a deleted client was issued is refused
#[tokio::test]
async fn a_deleted_application_is_forgotten_and_its_tokens_refused() {
    let (store, revocations) = (store().await, Arc::new(Revocations::default()));
    let directory =
        Directory::new(store.clone(), Clock::fixed(1_000), Entropy::seeded(1)).with_revocations(revocations.clone());
    let world = furnished(&directory).await;
    let shop = directory.create_application(application(world.tenant_id, "shop")).await.unwrap().application;
    let bearings = Bearings {
        tenant_id: Some(world.tenant_id),
        client_id: Some(&shop.client_id),
        issued_at: 999,
        ..Bearings::default()
    };
    assert!(!revocations.concern(&bearings));
    // A user who was revoked and came back in the same second has a token of the next one.
    directory.revoke_user(Uuid::from_u128(7)).await.unwrap();
    directory.delete_application(shop.id).await.unwrap();
    for issued_at in [999, 1_000, 1_001] {
        assert!(revocations.concern(&Bearings { issued_at, ..bearings }), "{issued_at}");
    }
    assert!(!revocations.concern(&Bearings { issued_at: 1_002, ..bearings }));
    assert_eq!(store.list_revocations(1_000).await.unwrap().len(), 2);
    assert!(directory.find_application(world.tenant_id, &shop.client_id).await.unwrap().is_none());
    let again = directory.delete_application(shop.id).await;
    assert!(matches!(again, Err(DirectoryError::NotFound("application"))), "{again:?}");
}

// P1
#[tokio::test]
async fn a_sealed_secret_opens_on_every_node_with_the_master_key() {
    let store = store().await;
    let key = |text: &str| Sealing::new(&MasterKey::from_base64(text).unwrap());
    let one = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let node = |text: &str, seed| {
        Directory::new(store.clone(), Clock::fixed(1_000), Entropy::seeded(seed)).with_sealing(key(text))
    };
    let first = node(one, 1);
    let world = furnished(&first).await;
    let created = first.create_application(application(world.tenant_id, "shop")).await.unwrap();
    let (sealed, secret) = (&created.application.client_secrets[0], created.client_secret.unwrap());
    assert_eq!(node(one, 2).open_client_secret(sealed).unwrap().expose(), secret.expose());
    let other = node("//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA=", 3);
    assert!(other.open_client_secret(sealed).is_none());
    let swapped = ClientSecret { sha256: ClientSecret::hash("x"), ..sealed.clone() };
    assert!(first.open_client_secret(&swapped).is_none());
}
