//! Promises about applications, and about the client ids that they share with entities.

use std::sync::Arc;

use super::{
    Behaviour, CROWD, application, assert_refused, code, crowd, entity, furnish, id, populate, promises, refresh_token,
    role, session, tenant, user, winners,
};
use crate::model::{
    Application, ApplicationSettings, ClientAuthenticationPolicy, ClientSecret, Consent, CustomScope, Registration,
    Tenant, TenantSettings,
};
use crate::store::StoreError::{Conflict, InUse, Missing};
use crate::store::{Object, Store, Unique};

pub(super) const BEHAVIOURS: &[Behaviour] = promises![
    settings_of_a_tenant_survive_the_trip,
    a_tenant_with_people_stays,
    an_application_survives_the_trip,
    application_names_and_client_ids_conflict_in_their_tenant_only,
    a_client_id_belongs_to_one_client,
    one_of_many_clients_gets_the_client_id,
    an_application_is_replaced_if_it_is_what_was_read,
    of_two_updates_of_one_application_one_wins,
    a_deleted_application_takes_what_hangs_on_it_along,
];

type Shared = Arc<dyn Store>;

async fn settings_of_a_tenant_survive_the_trip(store: Shared) {
    let mut settings =
        TenantSettings { login_attempts: 7, logout_uri: Some("https://x".to_owned()), ..Default::default() };
    settings.theme.welcome.insert("ar".to_owned(), "أهلا".to_owned());
    let full = Tenant { settings, ..tenant(1) };
    store.insert_tenant(&full).await.expect("inserted");
    assert_eq!(store.find_tenant(id(1)).await.expect("answer").as_ref(), Some(&full));
    assert!(store.update_tenant(&full, &tenant(1)).await.expect("answer"));
    assert_eq!(store.find_tenant(id(1)).await.expect("answer"), Some(tenant(1)));
}

async fn a_tenant_with_people_stays(store: Shared) {
    store.insert_tenant(&tenant(1)).await.expect("inserted");
    store.insert_user(&user(30)).await.expect("inserted");
    assert_refused!(store.delete_tenant(id(1), 1).await, InUse(Object::Tenant));
    assert!(store.delete_user(id(30), 1).await.expect("answer"));
    store.insert_application(&application(20)).await.expect("inserted");
    assert_refused!(store.delete_tenant(id(1), 1).await, InUse(Object::Tenant));
    assert!(store.delete_application(id(20), 1).await.expect("answer"));
    assert!(store.delete_tenant(id(1), 1).await.expect("answer"));
}

async fn an_application_survives_the_trip(store: Shared) {
    store.insert_tenant(&tenant(1)).await.expect("inserted");
    assert_eq!(store.find_application(id(20)).await.expect("answer"), None);
    let full = Application {
        name: "Größe 大きさ ' \" \\ $1".to_owned(),
        client_secrets: vec![
            ClientSecret {
                expires_at: Some(5_000),
                sealed: Some("c2VhbGVk".to_owned()),
                ..ClientSecret::new("old", 1)
            },
            ClientSecret::new("new", 2_000),
        ],
        settings: ApplicationSettings {
            client_authentication: ClientAuthenticationPolicy::NotRequiredWhenUsingPkce,
            redirect_uris: vec!["https://*.example.com/cb?x=ü".to_owned()],
            userinfo_claims: vec![("color".to_owned(), "user.data.color".to_owned())],
            scopes: vec![CustomScope {
                id: id(99),
                name: "orders".to_owned(),
                description: None,
                is_required: true,
                consent_message: Some("See what you ordered".to_owned()),
                consent_detail: None,
            }],
            ..ApplicationSettings::default()
        },
        managed_by: Some("config".to_owned()),
        ..application(20)
    };
    let bare = Application { client_secrets: vec![], roles: vec![], ..application(21) };
    for application in [&full, &bare] {
        store.insert_application(application).await.expect("inserted");
        assert_eq!(store.find_application(application.id).await.expect("answer").as_ref(), Some(application));
        let by_client_id = store.find_application_by_client_id(id(1), &application.client_id).await;
        assert_eq!(by_client_id.expect("answer").as_ref(), Some(application));
        let by_name = store.find_application_by_name(id(1), &application.name).await;
        assert_eq!(by_name.expect("answer").as_ref(), Some(application));
        assert_eq!(store.find_application_by_name(id(9), &application.name).await.expect("answer"), None);
    }
    assert_eq!(store.list_applications(Some(id(1))).await.expect("list"), [full.clone(), bare.clone()]);
    assert_eq!(store.list_applications(None).await.expect("list").len(), 2);
    assert!(store.list_applications(Some(id(9))).await.expect("list").is_empty());
    let mixed = Application { roles: vec![role(2, "b"), role(1, "a")], ..application(22) };
    store.insert_application(&mixed).await.expect("inserted");
    let found = store.find_application(id(22)).await.expect("answer").expect("found");
    assert_eq!(found.roles, [role(1, "a"), role(2, "b")]);
}

async fn application_names_and_client_ids_conflict_in_their_tenant_only(store: Shared) {
    populate(&store).await;
    store.insert_tenant(&tenant(5)).await.expect("inserted");
    let known = application(20);
    let same_name = Application { name: known.name.clone(), ..application(22) };
    assert_refused!(store.insert_application(&same_name).await, Conflict(Unique::ApplicationName));
    let same_client_id = Application { client_id: known.client_id.clone(), ..application(22) };
    assert_refused!(store.insert_application(&same_client_id).await, Conflict(Unique::ClientId));
    let same_id = Application { id: known.id, ..application(22) };
    assert_refused!(store.insert_application(&same_id).await, Conflict(Unique::ApplicationId));
    let lost = Application { tenant_id: id(9), ..application(22) };
    assert_refused!(store.insert_application(&lost).await, Missing(Object::Tenant));
    let elsewhere = Application { id: id(22), tenant_id: id(5), ..known };
    store.insert_application(&elsewhere).await.expect("inserted");
    let renamed = Application { name: application(20).name, ..application(21) };
    assert_refused!(store.update_application(&application(21), &renamed).await, Conflict(Unique::ApplicationName));
    let renamed = Application { client_id: application(20).client_id, ..application(21) };
    assert_refused!(store.update_application(&application(21), &renamed).await, Conflict(Unique::ClientId));
}

/// Whoever presents a client id is one client, an entity or an application (F-001, F-181).
async fn a_client_id_belongs_to_one_client(store: Shared) {
    furnish(&store).await;
    store.insert_tenant(&tenant(5)).await.expect("inserted");
    store.insert_application(&application(20)).await.expect("inserted");
    let taken = entity(10).client_id;
    let like_entity = Application { client_id: taken.clone(), ..application(21) };
    assert_refused!(store.insert_application(&like_entity).await, Conflict(Unique::ClientId));
    let renamed = Application { client_id: taken.clone(), ..application(20) };
    assert_refused!(store.update_application(&application(20), &renamed).await, Conflict(Unique::ClientId));
    let mut like_application = entity(12);
    like_application.client_id = application(20).client_id;
    assert_refused!(store.insert_entity(&like_application).await, Conflict(Unique::ClientId));
    let mut renamed = entity(11);
    renamed.client_id = application(20).client_id;
    assert_refused!(store.update_entity(&entity(11), &renamed).await, Conflict(Unique::ClientId));
    let elsewhere = Application { client_id: taken.clone(), tenant_id: id(5), ..application(21) };
    store.insert_application(&elsewhere).await.expect("another tenant");
    assert!(store.delete_entity(id(10), 1).await.expect("answer"));
    let free = Application { client_id: taken, ..application(22) };
    store.insert_application(&free).await.expect("free again");
}

async fn one_of_many_clients_gets_the_client_id(store: Shared) {
    furnish(&store).await;
    let insert = |store: Shared, number: u8| async move {
        if number.is_multiple_of(2) {
            let application = Application { client_id: "wanted".to_owned(), ..application(100 + number) };
            store.insert_application(&application).await
        } else {
            let mut entity = entity(100 + number);
            entity.client_id = "wanted".to_owned();
            store.insert_entity(&entity).await
        }
    };
    let results = crowd(&store, insert).await;
    let refused = results.iter().filter(|result| matches!(result, Err(Conflict(Unique::ClientId)))).count();
    assert_eq!(refused, CROWD - 1, "{results:?}");
}

async fn an_application_is_replaced_if_it_is_what_was_read(store: Shared) {
    populate(&store).await;
    let before = application(20);
    let after = Application {
        name: "other".to_owned(),
        client_id: "other".to_owned(),
        client_secrets: vec![],
        roles: vec![role(3, "owner")],
        settings: ApplicationSettings { debug: true, ..ApplicationSettings::default() },
        managed_by: Some("config".to_owned()),
        updated_at: 2_000,
        ..before.clone()
    };
    assert!(store.update_application(&before, &after).await.expect("answer"));
    assert_eq!(store.find_application(id(20)).await.expect("answer").as_ref(), Some(&after));
    assert!(!store.update_application(&before, &before).await.expect("answer"), "it has changed since");
    assert!(!store.update_application(&application(29), &application(29)).await.expect("answer"));
    assert_eq!(store.find_application(id(20)).await.expect("answer"), Some(after));
}

async fn of_two_updates_of_one_application_one_wins(store: Shared) {
    populate(&store).await;
    let update = |store: Shared, number: u8| async move {
        // In the same second, and of the same kind: nothing but the content tells them apart.
        let after = Application { roles: vec![role(number, &format!("role {number}"))], ..application(20) };
        store.update_application(&application(20), &after).await.expect("answer")
    };
    assert_eq!(winners(crowd(&store, update).await), 1);
}

async fn a_deleted_application_takes_what_hangs_on_it_along(store: Shared) {
    populate(&store).await;
    let registration = Registration {
        user_id: id(30),
        application_id: id(20),
        roles: vec![],
        data: serde_json::Map::new(),
        managed_by: None,
        created_at: 1_000,
        updated_at: 1_000,
    };
    store.upsert_registration(&registration).await.expect("inserted");
    let kept = Registration { application_id: id(21), ..registration };
    store.upsert_registration(&kept).await.expect("inserted");
    let consent =
        Consent { user_id: id(30), application_id: id(20), scopes: vec![], granted_at: 1_000, expires_at: 2_000 };
    store.upsert_consent(&consent).await.expect("inserted");
    store.insert_session(&session(40), None).await.expect("inserted");
    store.join_session(id(40), id(20)).await.expect("joined");
    store.insert_authorization_code(&code(50)).await.expect("inserted");
    store.insert_refresh_token(&refresh_token(60, 50)).await.expect("inserted");
    let mut other = refresh_token(61, 51);
    other.approval.application_id = id(21);
    store.insert_refresh_token(&other).await.expect("inserted");

    assert!(store.delete_application(id(20), 1_050).await.expect("answer"));
    assert!(!store.delete_application(id(20), 1_050).await.expect("answer"));
    assert_eq!(store.list_registrations(&[id(30)]).await.expect("list"), [kept]);
    assert!(store.list_consents(id(30)).await.expect("list").is_empty());
    assert!(store.list_session_applications(id(40)).await.expect("list").is_empty());
    assert_eq!(store.find_authorization_code("code 50").await.expect("answer"), None);
    assert_eq!(store.find_refresh_token("refresh token 60").await.expect("answer"), None);
    assert_eq!(store.find_refresh_token("refresh token 61").await.expect("answer"), Some(other));
}
