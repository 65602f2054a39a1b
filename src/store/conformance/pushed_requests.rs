//! Promises about pushed authorization requests.

use std::sync::Arc;

use super::{Behaviour, crowd, id, populate, promises, winners};
use crate::model::PushedRequest;
use crate::store::Store;

pub(super) const BEHAVIOURS: &[Behaviour] = promises![
    a_pushed_request_survives_the_trip,
    of_many_who_spend_a_pushed_request_one_wins,
    pushed_requests_go_with_their_application,
    pushed_requests_that_are_over_are_forgotten,
];

type Shared = Arc<dyn Store>;

fn pushed_request(hash: &str) -> PushedRequest {
    PushedRequest {
        hash: hash.to_owned(),
        application_id: id(20),
        parameters: "client_id=a&state=%2B'\"ü".to_owned(),
        created_at: 1_000,
        expires_at: 1_060,
        spent_at: None,
    }
}

async fn a_pushed_request_survives_the_trip(store: Shared) {
    assert_eq!(store.find_pushed_request("a").await.expect("answer"), None);
    for hash in ["a", "b"] {
        store.insert_pushed_request(&pushed_request(hash)).await.expect("inserted");
    }
    assert_eq!(store.find_pushed_request("a").await.expect("answer"), Some(pushed_request("a")));
}

/// A14: of all the browsers that were sent with one reference, one brings an answer back.
async fn of_many_who_spend_a_pushed_request_one_wins(store: Shared) {
    store.insert_pushed_request(&pushed_request("a")).await.expect("inserted");
    let spend = |store: Shared, _| async move { store.spend_pushed_request("a", 1_010).await.expect("answer") };
    assert_eq!(winners(crowd(&store, spend).await), 1);
    let spent = PushedRequest { spent_at: Some(1_010), ..pushed_request("a") };
    assert_eq!(store.find_pushed_request("a").await.expect("answer"), Some(spent), "and stays spent");
    assert!(!store.spend_pushed_request("b", 1_010).await.expect("answer"), "nobody pushed it");
}

async fn pushed_requests_go_with_their_application(store: Shared) {
    populate(&store).await;
    let other = PushedRequest { application_id: id(21), ..pushed_request("b") };
    for request in [&pushed_request("a"), &other] {
        store.insert_pushed_request(request).await.expect("inserted");
    }
    assert!(store.delete_application(id(20), 1_050).await.expect("answer"));
    assert_eq!(store.find_pushed_request("a").await.expect("answer"), None);
    assert_eq!(store.find_pushed_request("b").await.expect("answer"), Some(other));
}

async fn pushed_requests_that_are_over_are_forgotten(store: Shared) {
    let later = PushedRequest { expires_at: 2_000, ..pushed_request("b") };
    for request in [&pushed_request("a"), &later] {
        store.insert_pushed_request(request).await.expect("inserted");
    }
    // A login that began in time may take a while.
    store.forget(1_060 + 3_599, 0).await.expect("answer");
    assert!(store.find_pushed_request("a").await.expect("answer").is_some());
    store.forget(1_060 + 3_600, 0).await.expect("answer");
    assert_eq!(store.find_pushed_request("a").await.expect("answer"), None);
    assert!(store.find_pushed_request("b").await.expect("answer").is_some());
}
