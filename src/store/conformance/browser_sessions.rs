//! Promises about sessions of browsers with routes.

use std::sync::Arc;

use super::{Behaviour, crowd, promises};
use crate::model::BrowserSession;
use crate::store::{Lease, Store};

pub(super) const BEHAVIOURS: &[Behaviour] = promises![
    a_browser_session_survives_the_trip,
    one_of_many_renews_a_browser_session,
    a_used_browser_session_lives_on,
    a_browser_session_ends_once_and_is_forgotten,
];

type Shared = Arc<dyn Store>;

fn browser_session(hash: &str) -> BrowserSession {
    BrowserSession {
        hash: hash.to_owned(),
        login: "people".to_owned(),
        sealed: "v1.'\"ü".to_owned(),
        version: 0,
        created_at: 1_000,
        idle_expires_at: 2_000,
        expires_at: 3_000,
    }
}

async fn a_browser_session_survives_the_trip(store: Shared) {
    assert_eq!(store.find_browser_session("a").await.expect("answer"), None);
    for hash in ["a", "b"] {
        store.insert_browser_session(&browser_session(hash)).await.expect("inserted");
    }
    assert_eq!(store.find_browser_session("a").await.expect("answer"), Some(browser_session("a")));
}

/// A refresh token that rotates is used once, however many requests and nodes want to (C5).
async fn one_of_many_renews_a_browser_session(store: Shared) {
    store.insert_browser_session(&browser_session("a")).await.expect("inserted");
    let lease = |store: Shared, version, now| async move {
        let lease = Lease { now, expires_at: now + 30 };
        store.lease_browser_session("a", version, lease).await.expect("answer")
    };
    let leased = crowd(&store, |store, _| lease(store, 0, 1_100)).await;
    assert_eq!(leased.into_iter().filter(|leased| *leased).count(), 1);
    assert!(!lease(store.clone(), 0, 1_129).await, "somebody is at it");
    assert!(lease(store.clone(), 0, 1_130).await, "whoever was at it is gone");
    assert!(store.renew_browser_session("a", 0, "newer").await.expect("answer"));
    assert!(!store.renew_browser_session("a", 0, "another").await.expect("answer"), "that was renewed before");
    assert!(!lease(store.clone(), 0, 1_200).await);
    assert!(lease(store.clone(), 1, 1_131).await, "renewing ends the lease");
    let renewed = BrowserSession { sealed: "newer".to_owned(), version: 1, ..browser_session("a") };
    assert_eq!(store.find_browser_session("a").await.expect("answer"), Some(renewed));
    assert!(!lease(store.clone(), 1, 2_000).await, "it is over");
    assert!(!store.renew_browser_session("b", 0, "newer").await.expect("answer"));
}

async fn a_used_browser_session_lives_on(store: Shared) {
    store.insert_browser_session(&browser_session("a")).await.expect("inserted");
    let touch = async |at, until| store.touch_browser_session("a", at, until).await.expect("answer");
    assert!(touch(1_500, 2_500).await);
    // Never backwards.
    assert!(touch(1_400, 2_400).await);
    let touched = BrowserSession { idle_expires_at: 2_500, ..browser_session("a") };
    assert_eq!(store.find_browser_session("a").await.expect("answer"), Some(touched));
    assert!(touch(2_499, 3_499).await);
    assert!(!touch(3_000, 4_000).await, "nothing lasts for ever");
}

async fn a_browser_session_ends_once_and_is_forgotten(store: Shared) {
    for hash in ["a", "b", "c"] {
        store.insert_browser_session(&browser_session(hash)).await.expect("inserted");
    }
    assert!(store.end_browser_session("a").await.expect("answer"));
    assert!(!store.end_browser_session("a").await.expect("answer"));
    store.touch_browser_session("b", 1_900, 9_000).await.expect("answer");
    let found = async |hash| store.find_browser_session(hash).await.expect("answer").is_some();
    store.forget(2_000 + 3_600, 0).await.expect("answer");
    assert!(found("b").await && !found("c").await);
    store.forget(3_000 + 3_600, 0).await.expect("answer");
    assert!(!found("b").await);
}
