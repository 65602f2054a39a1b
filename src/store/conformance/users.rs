//! Promises about users, their registrations and their consents.

use std::sync::Arc;

use serde_json::{Map, json};

use super::{
    Behaviour, CROWD, application, assert_refused, code, crowd, id, populate, promises, refresh_token, session, tenant,
    user, winners,
};
use crate::model::{
    Change, ChangeKind, Consent, Passkey, PasskeyAlgorithm, PasswordChange, Registration, User, UserProfile,
};
use crate::store::StoreError::{Conflict, Missing};
use crate::store::{Object, Search, SearchOrder, Store, Unique};

pub(super) const BEHAVIOURS: &[Behaviour] = promises![
    a_user_survives_the_trip,
    emails_and_usernames_conflict_without_regard_to_case,
    one_of_many_users_gets_the_email,
    people_come_together_or_not_at_all,
    a_login_id_finds_by_email_first,
    users_come_in_pages,
    users_are_searched_by_parts_of_their_names,
    a_user_is_replaced_if_it_is_what_was_read,
    a_recovery_code_is_spent_once,
    a_registration_is_replaced_by_the_next,
    a_registration_is_made_once,
    a_registration_that_is_gone_does_not_come_back,
    a_consent_is_replaced_by_the_next,
    registrations_and_consents_need_both_ends,
    a_deleted_user_takes_everything_along,
    what_people_are_is_told_in_the_feed,
];

type Shared = Arc<dyn Store>;

fn full(number: u8) -> User {
    User {
        email: Some("Zoë.Ünïcødé@Example.com".to_owned()),
        email_verified: true,
        password_hash: Some("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".to_owned()),
        password_changed_at: 5_000,
        password_change: Some(PasswordChange::Breached),
        locked_at: Some(i64::MAX),
        expires_at: Some(i64::MIN),
        totp_secret: Some("c2VhbGVk".to_owned()),
        recovery_codes: vec!["one".to_owned(), "two".to_owned()],
        passkeys: vec![Passkey {
            id: "Y3JlZGVudGlhbA".to_owned(),
            algorithm: PasskeyAlgorithm::EdDsa,
            public_key: "c3BraQ".to_owned(),
            sign_count: u32::MAX,
            name: "Zoë’s phone".to_owned(),
            created_at: 6_000,
        }],
        profile: UserProfile {
            name: Some("Zoë \"the\" O'Neil 👩‍🚀".to_owned()),
            address: Some(Map::from_iter([("country".to_owned(), json!("NL"))])),
            data: Map::from_iter([("z".to_owned(), json!([1, 2.5, null])), ("a".to_owned(), json!({"b": true}))]),
            ..UserProfile::default()
        },
        managed_by: Some("config".to_owned()),
        ..user(number)
    }
}

async fn a_user_survives_the_trip(store: Shared) {
    store.insert_tenant(&tenant(1)).await.expect("inserted");
    assert_eq!(store.find_user(id(30)).await.expect("answer"), None);
    let bare = User { username: None, email: None, ..user(32) };
    let another = User { id: id(33), ..bare.clone() };
    for user in [&full(30), &bare, &another] {
        store.insert_user(user).await.expect("those without a name are not in each other's way");
        assert_eq!(store.find_user(user.id).await.expect("answer").as_ref(), Some(user));
    }
    let mut found = store.find_users(&[another.id, id(99), bare.id]).await.expect("answer");
    found.sort_by_key(|user| user.id);
    assert_eq!(found, [bare.clone(), another.clone()]);
    for change in PasswordChange::ALL {
        let after = User { password_change: Some(change), ..bare.clone() };
        let before = store.find_user(bare.id).await.expect("answer").expect("found");
        assert!(store.update_user(&before, &after).await.expect("answer"));
        assert_eq!(store.find_user(bare.id).await.expect("answer"), Some(after));
    }
    let lost = User { tenant_id: id(9), ..user(34) };
    assert_refused!(store.insert_user(&lost).await, Missing(Object::Tenant));
}

/// F-048
async fn emails_and_usernames_conflict_without_regard_to_case(store: Shared) {
    store.insert_tenant(&tenant(1)).await.expect("inserted");
    store.insert_tenant(&tenant(5)).await.expect("inserted");
    store.insert_user(&full(30)).await.expect("inserted");
    let same_email = User { email: Some("ZOË.ÜNÏCØDÉ@EXAMPLE.COM".to_owned()), ..user(31) };
    assert_refused!(store.insert_user(&same_email).await, Conflict(Unique::Email));
    let same_username = User { username: Some("nAME30".to_owned()), ..user(31) };
    assert_refused!(store.insert_user(&same_username).await, Conflict(Unique::Username));
    let same_id = User { id: id(30), ..user(31) };
    assert_refused!(store.insert_user(&same_id).await, Conflict(Unique::UserId));
    store.insert_user(&User { id: id(40), tenant_id: id(5), ..full(30) }).await.expect("another tenant");
    store.insert_user(&user(31)).await.expect("inserted");
    assert_refused!(store.update_user(&user(31), &same_email).await, Conflict(Unique::Email));
    assert_refused!(store.update_user(&user(31), &same_username).await, Conflict(Unique::Username));
    let shouted = User { username: Some("NAME31".to_owned()), ..user(31) };
    assert!(store.update_user(&user(31), &shouted).await.expect("its own name in other letters"));
}

async fn one_of_many_users_gets_the_email(store: Shared) {
    store.insert_tenant(&tenant(1)).await.expect("inserted");
    let insert = |store: Shared, number: u8| async move {
        store.insert_user(&User { email: Some("wanted@example.com".to_owned()), ..user(number) }).await
    };
    let results = crowd(&store, insert).await;
    let refused = results.iter().filter(|result| matches!(result, Err(Conflict(Unique::Email)))).count();
    assert_eq!(refused, CROWD - 1, "{results:?}");
}

/// F-048
async fn a_login_id_finds_by_email_first(store: Shared) {
    populate(&store).await;
    let found = |login_id: &'static str| {
        let store = Arc::clone(&store);
        async move { store.find_user_by_login(id(1), login_id).await.expect("answer").map(|user| user.id) }
    };
    assert_eq!(found("user30@example.COM").await, Some(id(30)));
    assert_eq!(found("NAME31").await, Some(id(31)));
    for nobody in ["", "name3", "%", "user30@example.com ", "name_0"] {
        assert_eq!(found(nobody).await, None, "{nobody:?}");
    }
    // Both ways around, because the order in which a database finds them is its own.
    for (number, of) in [(28, 30), (38, 31)] {
        let impostor = User { username: user(of).email, ..user(number) };
        store.insert_user(&impostor).await.expect("inserted");
    }
    assert_eq!(found("user30@example.com").await, Some(id(30)));
    assert_eq!(found("user31@example.com").await, Some(id(31)));
    assert_eq!(store.find_user_by_login(id(9), "name31").await.expect("answer"), None);
}

async fn people_come_together_or_not_at_all(store: Shared) {
    populate(&store).await;
    let named = |number: u8, email: &str| User { email: Some(email.to_owned()), username: None, ..user(number) };
    let registration = |user: &User| Registration {
        user_id: user.id,
        application_id: id(20),
        roles: Vec::new(),
        data: Map::new(),
        managed_by: None,
        created_at: 1_000,
        updated_at: 1_000,
    };
    let (ann, ben, other_ann) =
        (named(60, "ann60@example.com"), named(61, "ben61@example.com"), named(62, "ANN60@example.com"));
    let with = |user: &User| (user.clone(), vec![registration(user)]);
    let before = store.latest_change().await.expect("answer");
    assert_refused!(store.insert_people(&[with(&ann), with(&other_ann)]).await, Conflict(Unique::Email));
    assert_eq!(store.find_user(ann.id).await.expect("answer"), None, "all or none");
    store.insert_people(&[with(&ann), with(&ben)]).await.expect("inserted");
    assert_eq!(store.list_registrations(&[ben.id]).await.expect("a list"), [registration(&ben)]);
    assert_eq!(store.latest_change().await.expect("answer"), before + 1);
    store.insert_people(&[]).await.expect("nothing to do");
    assert_eq!(store.latest_change().await.expect("answer"), before + 1);
}

async fn users_come_in_pages(store: Shared) {
    populate(&store).await;
    store.insert_tenant(&tenant(5)).await.expect("inserted");
    store.insert_user(&User { tenant_id: id(5), ..user(0xab) }).await.expect("inserted");
    let ids = |tenant_id, after, limit| {
        let store = Arc::clone(&store);
        async move {
            let users = store.list_users(tenant_id, after, limit).await.expect("list");
            users.into_iter().map(|user| user.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(ids(None, None, 2).await, [id(30), id(31)]);
    assert_eq!(ids(None, Some(id(31)), 2).await, [id(0xab)]);
    assert_eq!(ids(Some(id(1)), None, 9).await, [id(30), id(31)]);
    assert_eq!(ids(Some(id(1)), Some(id(30)), 9).await, [id(31)]);
    assert!(ids(Some(id(9)), None, 9).await.is_empty());
    assert_eq!(store.list_managed_users("config").await.expect("list"), []);
    for number in [0xad, 0xac] {
        let managed = User { managed_by: Some("config".to_owned()), ..user(number) };
        store.insert_user(&managed).await.expect("inserted");
    }
    let managed = store.list_managed_users("config").await.expect("list");
    assert_eq!(managed.iter().map(|user| user.id).collect::<Vec<_>>(), [id(0xac), id(0xad)]);
}

async fn users_are_searched_by_parts_of_their_names(store: Shared) {
    populate(&store).await;
    store.insert_tenant(&tenant(5)).await.expect("inserted");
    store.insert_user(&full(33)).await.expect("inserted");
    let foreign = User { tenant_id: id(5), email: None, username: Some("100%_\\x".to_owned()), ..user(34) };
    store.insert_user(&foreign).await.expect("inserted");
    let found = |text: &str, page: Search| {
        let (store, search) = (Arc::clone(&store), Search { text: text.to_owned(), ..page });
        async move {
            let (users, total) = store.search_users(&search).await.expect("answer");
            (users.into_iter().map(|user| user.id).collect::<Vec<_>>(), total)
        }
    };
    let all = Search { limit: 9, ..Search::default() };
    assert_eq!(found("", all.clone()).await, (vec![id(30), id(31), id(33), id(34)], 4));
    for (text, number) in [("USER30@", 30), ("ame31", 31), ("ünïCØdÉ@", 33), ("O'NEIL", 33), ("%_\\", 34)] {
        assert_eq!(found(text, all.clone()).await, (vec![id(number)], 1), "{text:?}");
    }
    for nobody in ["nobody", "user30 ", "a%e", "_ser30", "argon2id", "\\n"] {
        assert_eq!(found(nobody, all.clone()).await, (vec![], 0), "{nobody:?}");
    }
    let own = Search { tenant_id: Some(id(1)), ..all.clone() };
    assert_eq!(found("", own.clone()).await.1, 3);
    assert_eq!(found("100", own.clone()).await.1, 0, "another tenant's");
    let page = Search { limit: 2, offset: 1, ..own.clone() };
    assert_eq!(found("", page).await, (vec![id(31), id(33)], 3));
    assert_eq!(found("", Search { limit: 0, ..own.clone() }).await, (vec![], 3));
    assert_eq!(found("", Search { offset: 9, ..own.clone() }).await, (vec![], 3));
    let descending = Search { order: vec![(SearchOrder::Username, true)], ..own.clone() };
    assert_eq!(found("name3", descending).await.0, [id(33), id(31), id(30)]);
    let by_name = Search { order: vec![(SearchOrder::Name, true), (SearchOrder::Email, false)], ..own.clone() };
    assert_eq!(found("", by_name).await.0, [id(33), id(30), id(31)]);
    // A new name is found, the old one is not.
    let profile = UserProfile { name: Some("Ada".to_owned()), ..UserProfile::default() };
    assert!(store.update_user(&user(30), &User { profile, ..user(30) }).await.expect("answer"));
    assert_eq!(found("ADA", own).await, (vec![id(30)], 1));
}

async fn a_user_is_replaced_if_it_is_what_was_read(store: Shared) {
    populate(&store).await;
    let after = User { updated_at: 2_000, ..full(30) };
    assert!(store.update_user(&user(30), &after).await.expect("answer"));
    assert_eq!(store.find_user(id(30)).await.expect("answer").as_ref(), Some(&after));
    assert_eq!(
        store.find_user_by_login(id(1), "zoë.ünïcødé@example.com").await.expect("answer").as_ref(),
        Some(&after)
    );
    assert_eq!(store.find_user_by_login(id(1), "user30@example.com").await.expect("answer"), None);
    assert!(!store.update_user(&user(30), &user(30)).await.expect("answer"), "it has changed since");
    assert!(!store.update_user(&user(39), &user(39)).await.expect("answer"));
    assert_eq!(store.find_user(id(30)).await.expect("answer"), Some(after));
}

/// L13: of many logins that spend a recovery code at once one gets in.
async fn a_recovery_code_is_spent_once(store: Shared) {
    store.insert_tenant(&tenant(1)).await.expect("inserted");
    let before = User { recovery_codes: vec!["one".to_owned(), "two".to_owned()], ..user(30) };
    store.insert_user(&before).await.expect("inserted");
    let spend = |store: Shared, _| {
        let before = before.clone();
        async move {
            let after = User { recovery_codes: vec!["two".to_owned()], ..before.clone() };
            store.update_user(&before, &after).await.expect("answer")
        }
    };
    assert_eq!(winners(crowd(&store, spend).await), 1);
    assert_eq!(store.find_user(id(30)).await.expect("answer").expect("found").recovery_codes, ["two"]);
}

fn registration(user: u8, application: u8, roles: &[&str]) -> Registration {
    Registration {
        user_id: id(user),
        application_id: id(application),
        roles: roles.iter().map(|&role| role.to_owned()).collect(),
        data: Map::from_iter([("seat".to_owned(), json!(7))]),
        managed_by: None,
        created_at: 1_000,
        updated_at: 1_000,
    }
}

async fn a_registration_is_replaced_by_the_next(store: Shared) {
    populate(&store).await;
    assert_eq!(store.find_registration(id(30), id(20)).await.expect("answer"), None);
    let first = registration(30, 20, &["admin", "reader"]);
    store.upsert_registration(&first).await.expect("inserted");
    assert_eq!(store.find_registration(id(30), id(20)).await.expect("answer"), Some(first));
    let next = Registration {
        data: Map::new(),
        managed_by: Some("config".to_owned()),
        created_at: 7_000,
        updated_at: 7_000,
        ..registration(30, 20, &["reader", "admin", "reader"])
    };
    store.upsert_registration(&next).await.expect("replaced");
    let expected = Registration { roles: vec!["admin".to_owned(), "reader".to_owned()], created_at: 1_000, ..next };
    assert_eq!(store.find_registration(id(30), id(20)).await.expect("answer").as_ref(), Some(&expected));
    let other = registration(30, 21, &[]);
    store.upsert_registration(&other).await.expect("inserted");
    assert_eq!(store.list_registrations(&[id(30)]).await.expect("list"), [expected, other]);
    assert_eq!(store.list_registrations(&[id(31), id(30)]).await.expect("list").len(), 2);
    assert!(store.list_registrations(&[]).await.expect("list").is_empty());
    assert!(store.list_registrations(&[id(31)]).await.expect("list").is_empty());
    assert!(store.delete_registration(id(30), id(20), 1).await.expect("answer"));
    assert!(!store.delete_registration(id(30), id(20), 1).await.expect("answer"));
    assert_eq!(store.find_registration(id(30), id(20)).await.expect("answer"), None);
}

async fn a_registration_is_made_once(store: Shared) {
    populate(&store).await;
    let insert = |store: Shared, _| async move {
        let inserted = store.insert_registration(&registration(30, 20, &["admin"])).await;
        assert!(matches!(inserted, Ok(()) | Err(Conflict(Unique::Registration))), "{inserted:?}");
        inserted.is_ok()
    };
    assert_eq!(winners(crowd(&store, insert).await), 1);
    assert_refused!(store.insert_registration(&registration(9, 20, &[])).await, Missing(Object::User));
    assert_refused!(store.insert_registration(&registration(30, 9, &[])).await, Missing(Object::Application));
    let update = |store: Shared, number| async move {
        let (before, data) =
            (registration(30, 20, &["admin"]), Map::from_iter([("seat".to_owned(), json!(100 + u32::from(number)))]));
        store.update_registration(&before, &Registration { data, ..before.clone() }).await.expect("answer")
    };
    assert_eq!(winners(crowd(&store, update).await), 1);
}

async fn a_registration_that_is_gone_does_not_come_back(store: Shared) {
    populate(&store).await;
    let before = registration(30, 20, &["admin"]);
    store.insert_registration(&before).await.expect("inserted");
    let after = Registration { updated_at: 2_000, managed_by: Some("config".to_owned()), ..registration(30, 20, &[]) };
    assert!(store.update_registration(&before, &after).await.expect("answer"));
    assert_eq!(store.find_registration(id(30), id(20)).await.expect("answer").as_ref(), Some(&after));
    assert!(store.delete_registration(id(30), id(20), 1).await.expect("answer"));
    assert!(!store.update_registration(&after, &before).await.expect("answer"));
    assert_eq!(store.find_registration(id(30), id(20)).await.expect("answer"), None);
}

fn consent(user: u8, application: u8) -> Consent {
    let scopes = vec!["email".to_owned(), "openid".to_owned()];
    Consent { user_id: id(user), application_id: id(application), scopes, granted_at: 1_000, expires_at: 2_000 }
}

async fn a_consent_is_replaced_by_the_next(store: Shared) {
    populate(&store).await;
    assert_eq!(store.find_consent(id(30), id(20)).await.expect("answer"), None);
    store.upsert_consent(&consent(30, 20)).await.expect("inserted");
    assert_eq!(store.find_consent(id(30), id(20)).await.expect("answer"), Some(consent(30, 20)));
    let next = Consent { scopes: vec!["phone".to_owned()], granted_at: 5_000, expires_at: 6_000, ..consent(30, 20) };
    store.upsert_consent(&next).await.expect("replaced");
    store.upsert_consent(&consent(30, 21)).await.expect("inserted");
    assert_eq!(store.list_consents(id(30)).await.expect("list"), [next, consent(30, 21)]);
    assert!(store.delete_consent(id(30), id(20)).await.expect("answer"));
    assert!(!store.delete_consent(id(30), id(20)).await.expect("answer"));
    assert_eq!(store.list_consents(id(30)).await.expect("list"), [consent(30, 21)]);
}

async fn registrations_and_consents_need_both_ends(store: Shared) {
    populate(&store).await;
    assert_refused!(store.upsert_registration(&registration(9, 20, &[])).await, Missing(Object::User));
    assert_refused!(store.upsert_registration(&registration(30, 9, &[])).await, Missing(Object::Application));
    assert_refused!(store.upsert_consent(&consent(9, 20)).await, Missing(Object::User));
    assert_refused!(store.upsert_consent(&consent(30, 9)).await, Missing(Object::Application));
}

async fn a_deleted_user_takes_everything_along(store: Shared) {
    populate(&store).await;
    store.upsert_registration(&registration(30, 20, &[])).await.expect("inserted");
    store.upsert_consent(&consent(30, 20)).await.expect("inserted");
    store.insert_session(&session(40), None).await.expect("inserted");
    store.join_session(id(40), id(20)).await.expect("joined");
    store.insert_authorization_code(&code(50)).await.expect("inserted");
    store.insert_refresh_token(&refresh_token(60, 50)).await.expect("inserted");
    let mut other = refresh_token(61, 51);
    other.approval.user_id = id(31);
    store.insert_refresh_token(&other).await.expect("inserted");

    assert!(store.delete_user(id(30), 1_050).await.expect("answer"));
    assert!(!store.delete_user(id(30), 1_050).await.expect("answer"));
    store.insert_user(&user(30)).await.expect("the id and the names are free again");
    assert!(store.list_registrations(&[id(30)]).await.expect("list").is_empty());
    assert!(store.list_consents(id(30)).await.expect("list").is_empty());
    assert!(store.list_sessions(id(30)).await.expect("list").is_empty());
    assert!(store.list_session_applications(id(40)).await.expect("list").is_empty());
    assert_eq!(store.find_authorization_code("code 50").await.expect("answer"), None);
    assert_eq!(store.find_refresh_token("refresh token 60").await.expect("answer"), None);
    assert_eq!(store.find_refresh_token("refresh token 61").await.expect("answer"), Some(other));
}

/// Nodes keep applications, users and registrations in memory; what is read for every use is not told.
async fn what_people_are_is_told_in_the_feed(store: Shared) {
    populate(&store).await;
    let heard = store.latest_change().await.expect("answer");
    assert_eq!(heard, 5, "a tenant, two applications, two users");
    let renamed = crate::model::Application { name: "renamed".to_owned(), updated_at: 2_000, ..application(20) };
    assert!(store.update_application(&application(20), &renamed).await.expect("answer"));
    let locked = User { locked_at: Some(3_000), updated_at: 3_000, ..user(30) };
    assert!(store.update_user(&user(30), &locked).await.expect("answer"));
    store.upsert_registration(&registration(31, 21, &[])).await.expect("inserted");
    assert!(store.delete_registration(id(31), id(21), 4_000).await.expect("answer"));
    assert!(store.delete_application(id(21), 5_000).await.expect("answer"));
    assert!(store.delete_user(id(31), 6_000).await.expect("answer"));
    store.upsert_consent(&consent(30, 20)).await.expect("inserted");
    store.insert_session(&session(40), None).await.expect("inserted");
    store.insert_authorization_code(&code(50)).await.expect("inserted");
    store.insert_refresh_token(&refresh_token(60, 50)).await.expect("inserted");
    let expected = [
        (ChangeKind::Application, 20, 2_000),
        (ChangeKind::User, 30, 3_000),
        (ChangeKind::User, 31, 1_000),
        (ChangeKind::User, 31, 4_000),
        (ChangeKind::Application, 21, 5_000),
        (ChangeKind::User, 31, 6_000),
    ];
    let change = |(seq, (kind, number, at))| Change { seq, kind, object_id: id(number).to_string(), at };
    let expected: Vec<Change> = (heard + 1..).zip(expected).map(change).collect();
    assert_eq!(store.changes_since(heard, 100).await.expect("changes"), expected);
}
