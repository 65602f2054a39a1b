//! Promises about revocation: marks, and the end of what hangs on them.

use std::sync::Arc;

use super::devices::device_code;
use super::{Behaviour, approval, code, crowd, id, populate, promises, refresh_token, session};
use crate::model::{Change, ChangeKind, DeviceState, ForeignMark, Revocation, Revoked};
use crate::store::{Brought, Store};

pub(super) const BEHAVIOURS: &[Behaviour] = promises![
    a_mark_survives_the_trip,
    a_mark_keeps_the_later_instants,
    a_revoked_grant_ends_its_family,
    a_revoked_session_is_gone,
    a_revoked_user_keeps_nothing,
    a_revoked_client_keeps_nothing,
    no_rotation_escapes_a_revocation,
    marks_that_are_over_are_forgotten,
];

type Shared = Arc<dyn Store>;

fn mark(revoked: Revoked) -> Revocation {
    Revocation { revoked, revoked_at: 1_010, expires_at: 5_000 }
}

fn client(client_id: &str) -> Revoked {
    Revoked::Client { tenant_id: id(1), client_id: client_id.to_owned() }
}

async fn is_revoked(store: &Shared, number: u8) -> bool {
    let token = store.find_refresh_token_by_id(id(number)).await.expect("answer").expect("found");
    token.revoked_at.is_some()
}

async fn redeems(store: &Shared, number: u8) -> bool {
    let hash = format!("code {number}");
    store.redeem_authorization_code(&hash, 1_010, Brought::default()).await.expect("answer")
}

/// I8: told in the feed, so that every node knows.
async fn a_mark_survives_the_trip(store: Shared) {
    let kinds = [
        Revoked::Token("jti:/ü".to_owned()),
        Revoked::Grant(id(1)),
        Revoked::Session(id(2)),
        Revoked::User(id(3)),
        client("a/b:c"),
        Revoked::Foreign { mark: ForeignMark::Subject, key: ForeignMark::Subject.key("https://a.example", "x") },
    ];
    for (seq, revoked) in (1..).zip(kinds.clone()) {
        let (kind, key) = revoked.parts();
        assert_eq!(store.find_revocation(kind, &key).await.expect("answer"), None);
        store.revoke(&mark(revoked.clone())).await.expect("revoked");
        assert_eq!(store.find_revocation(kind, &key).await.expect("answer"), Some(mark(revoked)));
        let told = Change { seq, kind: ChangeKind::Revocation, object_id: format!("{kind}:{key}"), at: 1_010 };
        assert_eq!(store.changes_since(seq - 1, 10).await.expect("changes"), [told]);
    }
    let listed = store.list_revocations(4_999).await.expect("list");
    assert_eq!(listed.len(), kinds.len());
    assert!(kinds.into_iter().all(|revoked| listed.contains(&mark(revoked))));
    assert!(store.list_revocations(5_000).await.expect("list").is_empty());
}

async fn a_mark_keeps_the_later_instants(store: Shared) {
    let revoked = Revoked::User(id(30));
    let mut seen = Vec::new();
    for (revoked_at, expires_at) in [(1_100, 5_000), (1_000, 4_000), (1_200, 4_000), (1_100, 6_000)] {
        store.revoke(&Revocation { revoked: revoked.clone(), revoked_at, expires_at }).await.expect("revoked");
        let found = store.find_revocation("user", &id(30).to_string()).await.expect("answer").expect("found");
        seen.push((found.revoked_at, found.expires_at));
    }
    assert_eq!(seen, [(1_100, 5_000), (1_100, 5_000), (1_200, 5_000), (1_200, 6_000)]);
}

/// C5: the family, and nothing beside it.
async fn a_revoked_grant_ends_its_family(store: Shared) {
    populate(&store).await;
    store.insert_refresh_token(&refresh_token(60, 50)).await.expect("inserted");
    assert!(store.rotate_refresh_token(id(60), 1_005, &refresh_token(61, 50)).await.expect("answer"));
    store.insert_refresh_token(&refresh_token(62, 51)).await.expect("inserted");
    store.insert_session(&session(40), None).await.expect("inserted");
    store.insert_authorization_code(&code(50)).await.expect("inserted");
    store.insert_authorization_code(&code(51)).await.expect("inserted");
    store.revoke(&mark(Revoked::Token("x".to_owned()))).await.expect("revoked");
    assert!(!is_revoked(&store, 61).await, "a token is one token");
    store.revoke(&mark(Revoked::Grant(id(50)))).await.expect("revoked");
    assert!(is_revoked(&store, 60).await && is_revoked(&store, 61).await);
    assert!(!is_revoked(&store, 62).await);
    assert!(!store.rotate_refresh_token(id(61), 1_100, &refresh_token(63, 50)).await.expect("answer"));
    assert!(!store.touch_refresh_token(id(61), 1_100, 3_000).await.expect("answer"));
    assert!(store.find_session("session 40").await.expect("answer").is_some());
    let revoked_at = store.find_refresh_token_by_id(id(61)).await.expect("answer").expect("found").revoked_at;
    assert_eq!(revoked_at, Some(1_010));
    store.revoke(&Revocation { revoked_at: 1_200, ..mark(Revoked::Grant(id(50))) }).await.expect("revoked");
    let again = store.find_refresh_token_by_id(id(61)).await.expect("answer").expect("found").revoked_at;
    assert_eq!(again, revoked_at, "the first time counts");
    assert!(!redeems(&store, 50).await && redeems(&store, 51).await, "its code, if it was not redeemed yet");
}

async fn a_revoked_session_is_gone(store: Shared) {
    populate(&store).await;
    store.insert_session(&session(40), None).await.expect("inserted");
    store.insert_session(&session(41), None).await.expect("inserted");
    store.join_session(id(40), id(20)).await.expect("joined");
    store.revoke(&mark(Revoked::Session(id(40)))).await.expect("revoked");
    assert_eq!(store.find_session("session 40").await.expect("answer"), None);
    assert_eq!(store.list_sessions(id(30)).await.expect("list"), [session(41)]);
}

/// What is found afterwards is over, so that its reuse is told from guesses.
async fn a_revoked_user_keeps_nothing(store: Shared) {
    populate(&store).await;
    store.insert_session(&session(40), None).await.expect("inserted");
    store.insert_authorization_code(&code(50)).await.expect("inserted");
    store.insert_refresh_token(&refresh_token(60, 51)).await.expect("inserted");
    store.insert_device_code(&device_code(70)).await.expect("inserted");
    store.insert_device_code(&device_code(71)).await.expect("inserted");
    assert!(store.decide_device_code(id(70), Some(&approval(52)), 1_005).await.expect("answer"));
    let mut others = (refresh_token(61, 53), code(54), session(41));
    (others.0.approval.user_id, others.1.approval.user_id, others.2.user_id) = (id(31), id(31), id(31));
    store.insert_refresh_token(&others.0).await.expect("inserted");
    store.insert_authorization_code(&others.1).await.expect("inserted");
    store.insert_session(&others.2, None).await.expect("inserted");

    store.revoke(&mark(Revoked::User(id(30)))).await.expect("revoked");
    assert!(store.list_sessions(id(30)).await.expect("list").is_empty());
    assert!(is_revoked(&store, 60).await);
    let over = store.find_authorization_code("code 50").await.expect("answer").expect("found");
    assert_eq!((over.expires_at, over.redeemed_at), (1_010, None));
    let denied = store.find_device_code("device code 70").await.expect("answer").expect("found");
    assert_eq!(denied.state, DeviceState::Denied);
    let pending = store.find_device_code("device code 71").await.expect("answer").expect("found");
    assert_eq!(pending.state, DeviceState::Pending, "nobody has approved it, so it is nobody's");
    assert!(!is_revoked(&store, 61).await);
    assert_eq!(store.find_authorization_code("code 54").await.expect("answer"), Some(others.1));
    assert_eq!(store.list_sessions(id(31)).await.expect("list"), [others.2]);
    store.insert_refresh_token(&refresh_token(62, 55)).await.expect("the user may log in again");
    assert!(!is_revoked(&store, 62).await);
}

async fn a_revoked_client_keeps_nothing(store: Shared) {
    populate(&store).await;
    store.insert_session(&session(40), None).await.expect("inserted");
    let mut other = refresh_token(61, 51);
    other.approval.application_id = id(21);
    store.insert_refresh_token(&refresh_token(60, 50)).await.expect("inserted");
    store.insert_refresh_token(&other).await.expect("inserted");
    store.insert_authorization_code(&code(52)).await.expect("inserted");
    store.revoke(&mark(client("unknown"))).await.expect("an entity, or an application that is gone");
    store.revoke(&mark(client("client-20"))).await.expect("revoked");
    assert!(is_revoked(&store, 60).await && !is_revoked(&store, 61).await);
    let over = store.find_authorization_code("code 52").await.expect("answer").expect("found");
    assert_eq!(over.expires_at, 1_010);
    assert!(store.find_session("session 40").await.expect("answer").is_some());
}

/// C5: whoever refreshes while the grant is revoked ends with nothing that works.
async fn no_rotation_escapes_a_revocation(store: Shared) {
    populate(&store).await;
    for grant in 100..108 {
        store.insert_authorization_code(&code(grant)).await.expect("inserted");
        let race = |store: Shared, number: u8| async move {
            if number == 5 {
                store.revoke(&mark(Revoked::User(id(30)))).await.expect("revoked");
            } else {
                let mut token = refresh_token(number, grant);
                token.id = uuid::Uuid::from_bytes([grant, number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
                token.hash = format!("{grant} {number}");
                let brings = Brought { refresh_token: Some(&token), joins: None };
                let hash = format!("code {grant}");
                if store.redeem_authorization_code(&hash, 1_010, brings).await.expect("answer") {
                    for next in 0..5 {
                        let mut successor = token.clone();
                        successor.id =
                            uuid::Uuid::from_bytes([grant, number, next + 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
                        successor.hash = format!("{grant} {number} {next}");
                        if !store.rotate_refresh_token(token.id, 1_010, &successor).await.expect("answer") {
                            break;
                        }
                        token = successor;
                    }
                }
            }
        };
        crowd(&store, race).await;
        let live = store.list_refresh_tokens(id(30), 1_010).await.expect("list");
        assert!(live.is_empty(), "{live:?}");
    }
}

async fn marks_that_are_over_are_forgotten(store: Shared) {
    store.revoke(&mark(Revoked::User(id(30)))).await.expect("revoked");
    assert_eq!(store.forget(4_999 + 3_600, 0).await.expect("answer"), 0);
    assert_eq!(store.forget(5_000 + 3_600, 0).await.expect("answer"), 1);
    assert_eq!(store.find_revocation("user", &id(30).to_string()).await.expect("answer"), None);
}
