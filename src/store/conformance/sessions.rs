//! Promises about browser sessions.

use std::sync::Arc;

use uuid::Uuid;

use super::{Behaviour, crowd, id, populate, promises, session};
use crate::model::{Revocation, Revoked, Session, UntoldLogout};
use crate::store::{Lease, Store};

pub(super) const BEHAVIOURS: &[Behaviour] = promises![
    a_session_survives_the_trip,
    a_login_ends_the_session_before,
    a_login_of_the_same_person_renews_the_session,
    who_knew_of_an_abandoned_session_is_kept,
    a_used_session_lives_on,
    a_session_ends_once,
    applications_join_a_session_once,
    sessions_that_are_over_are_forgotten,
    who_knew_of_a_revoked_session_is_kept,
    a_client_to_be_told_is_taken_by_one,
];

type Shared = Arc<dyn Store>;

async fn a_session_survives_the_trip(store: Shared) {
    populate(&store).await;
    let full = Session {
        methods: vec!["pwd".to_owned(), "otp".to_owned(), "mfa".to_owned()],
        created_at: 2_000,
        peer: Some("2001:db8::1".to_owned()),
        user_agent: Some("Mozilla/5.0 '\"ü".to_owned()),
        ..session(41)
    };
    assert_eq!(store.find_session("session 40").await.expect("answer"), None);
    for session in [&session(40), &full] {
        store.insert_session(session, None).await.expect("inserted");
        assert_eq!(store.find_session(&session.hash).await.expect("answer").as_ref(), Some(session));
    }
    assert_eq!(store.list_sessions(id(30)).await.expect("list"), [full, session(40)]);
    assert!(store.list_sessions(id(31)).await.expect("list").is_empty());
}

/// K6
async fn a_login_ends_the_session_before(store: Shared) {
    populate(&store).await;
    store.insert_session(&session(40), None).await.expect("inserted");
    store.join_session(id(40), id(20)).await.expect("joined");
    store.insert_session(&session(41), Some(id(40))).await.expect("inserted");
    assert_eq!(store.list_sessions(id(30)).await.expect("list"), [session(41)]);
    assert!(store.list_session_applications(id(40)).await.expect("list").is_empty());
    // The same `sid` with another cookie, and one that is not there.
    let renewed = Session { hash: "renewed".to_owned(), ..session(41) };
    store.insert_session(&renewed, Some(id(41))).await.expect("inserted");
    store.insert_session(&session(42), Some(id(40))).await.expect("inserted");
    assert_eq!(store.find_session("session 41").await.expect("answer"), None);
    assert_eq!(store.find_session("renewed").await.expect("answer"), Some(renewed));
}

/// Back-Channel Logout 1.0 2.1: clients know the session by its id.
async fn a_login_of_the_same_person_renews_the_session(store: Shared) {
    populate(&store).await;
    store.insert_session(&session(40), None).await.expect("inserted");
    store.join_session(id(40), id(20)).await.expect("joined");
    let renewed = Session {
        hash: "renewed".to_owned(),
        authenticated_at: 1_500,
        methods: vec!["otp".to_owned()],
        last_used_at: 1_500,
        idle_expires_at: 2_500,
        expires_at: 9_500,
        peer: Some("192.0.2.1".to_owned()),
        user_agent: Some("Mozilla/5.0".to_owned()),
        ..session(40)
    };
    assert!(store.renew_session(&renewed).await.expect("answer"));
    assert_eq!(store.find_session("session 40").await.expect("answer"), None);
    assert_eq!(store.find_session("renewed").await.expect("answer"), Some(renewed));
    assert_eq!(store.list_session_applications(id(40)).await.expect("list"), [id(20)]);
    assert!(taken(&store, 1_500, 10).await.is_empty());
    let late = Session { last_used_at: 2_500, idle_expires_at: 3_500, ..session(40) };
    assert!(!store.renew_session(&late).await.expect("answer"), "what is over stays over");
    assert!(!store.renew_session(&session(41)).await.expect("answer"));
}

/// Back-Channel Logout 1.0: somebody else logged in, or somebody who did not want to be remembered.
async fn who_knew_of_an_abandoned_session_is_kept(store: Shared) {
    populate(&store).await;
    for number in 40..42 {
        store.insert_session(&session(number), None).await.expect("inserted");
        store.join_session(id(number), id(20)).await.expect("joined");
    }
    let next = Session { created_at: 1_010, ..session(42) };
    store.insert_session(&next, Some(id(40))).await.expect("inserted");
    assert_eq!(taken(&store, 1_010, 10).await, [(id(40), id(20))]);
    store.abandon_session(id(41), 1_010).await.expect("abandoned");
    store.abandon_session(id(49), 1_010).await.expect("one that is gone is no error");
    assert_eq!(taken(&store, 1_010, 10).await, [(id(41), id(20))]);
    assert_eq!(store.list_sessions(id(30)).await.expect("list"), [next]);
}

async fn a_used_session_lives_on(store: Shared) {
    populate(&store).await;
    store.insert_session(&session(40), None).await.expect("inserted");
    let ends = || {
        let store = Arc::clone(&store);
        async move {
            let session = store.find_session("session 40").await.expect("answer").expect("found");
            (session.last_used_at, session.idle_expires_at)
        }
    };
    assert!(store.touch_session(id(40), 1_500, 2_500).await.expect("answer"));
    assert_eq!(ends().await, (1_500, 2_500));
    assert!(store.touch_session(id(40), 1_400, 2_400).await.expect("answer"), "an older request comes late");
    assert_eq!(ends().await, (1_500, 2_500));
    assert!(!store.touch_session(id(40), 2_500, 3_500).await.expect("answer"), "what is over stays over");
    assert_eq!(ends().await, (1_500, 2_500));
    assert!(store.touch_session(id(40), 2_499, 99_000).await.expect("answer"));
    assert!(!store.touch_session(id(40), 9_000, 99_000).await.expect("answer"), "whatever was said about idle time");
    assert!(!store.touch_session(id(49), 1_500, 2_500).await.expect("answer"));
}

async fn a_session_ends_once(store: Shared) {
    populate(&store).await;
    store.insert_session(&session(40), None).await.expect("inserted");
    let ended = crowd(&store, |store, _| async move { store.end_session(id(40)).await.expect("answer") }).await;
    assert_eq!(super::winners(ended), 1);
    assert_eq!(store.find_session("session 40").await.expect("answer"), None);
}

async fn applications_join_a_session_once(store: Shared) {
    populate(&store).await;
    store.insert_session(&session(40), None).await.expect("inserted");
    for result in crowd(&store, |store, _| async move { store.join_session(id(40), id(21)).await }).await {
        result.expect("repeating it changes nothing");
    }
    store.join_session(id(40), id(20)).await.expect("joined");
    store.join_session(id(49), id(20)).await.expect("a session that is gone is no error");
    assert_eq!(store.list_session_applications(id(40)).await.expect("list"), [id(20), id(21)]);
    assert!(store.list_session_applications(id(49)).await.expect("list").is_empty());
    assert!(store.end_session(id(40)).await.expect("answer"));
    assert!(store.list_session_applications(id(40)).await.expect("list").is_empty());
}

async fn sessions_that_are_over_are_forgotten(store: Shared) {
    populate(&store).await;
    let short = Session { expires_at: 1_500, ..session(41) };
    for session in [&session(40), &short, &session(42)] {
        store.insert_session(session, None).await.expect("inserted");
    }
    store.join_session(id(41), id(20)).await.expect("joined");
    assert!(store.touch_session(id(42), 1_999, 8_000).await.expect("answer"));
    assert_eq!(store.forget(1_499 + 3_600, 0).await.expect("answer"), 0, "it is found for another hour");
    assert_eq!(store.forget(1_500 + 3_600, 0).await.expect("answer"), 1);
    assert_eq!(store.forget(2_000 + 3_600, 0).await.expect("answer"), 1, "unused for too long");
    let left = store.list_sessions(id(30)).await.expect("list");
    assert_eq!(left.into_iter().map(|session| session.id).collect::<Vec<_>>(), [id(42)]);
    assert!(store.list_session_applications(id(41)).await.expect("list").is_empty());
    assert_eq!(store.forget(8_000 + 3_600, 0).await.expect("answer"), 1);
}

async fn revoke(store: &Shared, revoked: Revoked) {
    let revocation = Revocation { revoked, revoked_at: 1_010, expires_at: 5_000 };
    store.revoke(&revocation).await.expect("revoked");
}

/// Numbers of sessions and applications.
async fn taken(store: &Shared, now: i64, limit: u32) -> Vec<(Uuid, Uuid)> {
    let lease = Lease { now, expires_at: now + 100 };
    let taken = store.take_untold_logouts(lease, limit).await.expect("answer");
    assert!(taken.iter().all(|untold| (untold.tenant_id, untold.user_id) == (id(1), id(30))), "{taken:?}");
    let mut pairs: Vec<_> =
        taken.iter().map(|UntoldLogout { session_id, application_id, .. }| (*session_id, *application_id)).collect();
    pairs.sort_unstable();
    pairs
}

/// Back-Channel Logout 1.0: revoked sessions, and neither those that somebody logged out of nor those that were over.
async fn who_knew_of_a_revoked_session_is_kept(store: Shared) {
    populate(&store).await;
    let over = Session { idle_expires_at: 1_010, ..session(44) };
    let foreign = Session { user_id: id(31), ..session(45) };
    for session in [&session(40), &session(41), &session(42), &session(43), &over, &foreign] {
        store.insert_session(session, None).await.expect("inserted");
        store.join_session(session.id, id(20)).await.expect("joined");
    }
    store.join_session(id(40), id(21)).await.expect("joined");
    assert!(store.end_session(id(41)).await.expect("answer"));
    assert!(taken(&store, 1_010, 10).await.is_empty());
    revoke(&store, Revoked::Session(id(40))).await;
    let both = [(id(40), id(20)), (id(40), id(21))];
    assert_eq!(taken(&store, 1_010, 10).await, both);
    assert!(taken(&store, 1_109, 10).await.is_empty(), "somebody is busy with them");
    assert_eq!(taken(&store, 1_110, 10).await, both, "or was");
    store.forget_untold_logout(id(40), id(20)).await.expect("told");
    store.forget_untold_logout(id(40), id(20)).await.expect("repeating it changes nothing");
    revoke(&store, Revoked::User(id(30))).await;
    assert_eq!(taken(&store, 1_300, 10).await, [both[1], (id(42), id(20)), (id(43), id(20))]);
    assert_eq!(store.forget(1_010 + 3_599, 0).await.expect("answer"), 0);
    assert_eq!(store.forget(1_010 + 3_600, 0).await.expect("answer"), 3, "nobody wants to hear it any more");
    assert!(taken(&store, 9_000, 10).await.is_empty());
}

async fn a_client_to_be_told_is_taken_by_one(store: Shared) {
    populate(&store).await;
    for number in 40..48 {
        store.insert_session(&session(number), None).await.expect("inserted");
        store.join_session(id(number), id(20)).await.expect("joined");
    }
    revoke(&store, Revoked::User(id(30))).await;
    let mut all = crowd(&store, |store, _| async move { taken(&store, 1_010, 1).await }).await.concat();
    while let [pair] = taken(&store, 1_010, 1).await[..] {
        all.push(pair);
    }
    all.sort_unstable();
    let expected: Vec<_> = (40..48).map(|number| (id(number), id(20))).collect();
    assert_eq!(all, expected);
}
