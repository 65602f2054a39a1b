//! Promises about refresh tokens.

use std::sync::Arc;

use super::{Behaviour, crowd, id, populate, promises, refresh_token, winners};
use crate::model::RefreshToken;
use crate::store::Store;

pub(super) const BEHAVIOURS: &[Behaviour] = promises![
    a_refresh_token_survives_the_trip,
    a_used_refresh_token_lives_on,
    a_refresh_token_is_rotated_once,
    of_many_rotations_at_once_one_wins,
    a_refresh_token_that_is_over_has_no_successor,
    a_rotation_that_fails_leaves_the_token_usable,
    the_newest_of_each_live_family_is_listed,
    refresh_tokens_that_are_over_are_forgotten,
];

type Shared = Arc<dyn Store>;

async fn found(store: &Shared, number: u8) -> Option<RefreshToken> {
    store.find_refresh_token(&format!("refresh token {number}")).await.expect("answer")
}

async fn a_refresh_token_survives_the_trip(store: Shared) {
    populate(&store).await;
    let full = RefreshToken {
        rotated_at: Some(1_500),
        revoked_at: Some(1_600),
        device_name: Some("Zoë's phone 📱".to_owned()),
        ..refresh_token(60, 50)
    };
    assert_eq!(found(&store, 60).await, None);
    for token in [full, refresh_token(61, 51)] {
        store.insert_refresh_token(&token).await.expect("inserted");
        assert_eq!(store.find_refresh_token(&token.hash).await.expect("answer").as_ref(), Some(&token));
        assert_eq!(store.find_refresh_token_by_id(token.id).await.expect("answer"), Some(token));
    }
    assert_eq!(store.find_refresh_token_by_id(id(9)).await.expect("answer"), None);
}

async fn a_used_refresh_token_lives_on(store: Shared) {
    populate(&store).await;
    store.insert_refresh_token(&refresh_token(60, 50)).await.expect("inserted");
    assert!(store.touch_refresh_token(id(60), 1_500, 2_500).await.expect("answer"));
    assert!(store.touch_refresh_token(id(60), 1_400, 2_400).await.expect("answer"));
    let used = RefreshToken { last_used_at: 1_500, idle_expires_at: 2_500, ..refresh_token(60, 50) };
    assert_eq!(found(&store, 60).await, Some(used), "never backwards");
    assert!(!store.touch_refresh_token(id(60), 2_500, 3_500).await.expect("answer"), "unused for too long (C7)");
    assert!(store.touch_refresh_token(id(60), 2_499, 99_000).await.expect("answer"));
    assert!(!store.touch_refresh_token(id(60), 9_000, 99_000).await.expect("answer"), "its last instant (C8)");
    assert!(store.rotate_refresh_token(id(60), 3_000, &refresh_token(61, 50)).await.expect("answer"));
    assert!(!store.touch_refresh_token(id(60), 3_000, 4_000).await.expect("answer"), "it was rotated");
    assert!(!store.touch_refresh_token(id(69), 1_500, 2_500).await.expect("answer"));
}

async fn a_refresh_token_is_rotated_once(store: Shared) {
    populate(&store).await;
    store.insert_refresh_token(&refresh_token(60, 50)).await.expect("inserted");
    let successor = refresh_token(61, 50);
    assert!(store.rotate_refresh_token(id(60), 1_100, &successor).await.expect("answer"));
    assert!(!store.rotate_refresh_token(id(60), 1_101, &refresh_token(62, 50)).await.expect("answer"));
    assert!(!store.rotate_refresh_token(id(69), 1_101, &refresh_token(62, 50)).await.expect("answer"));
    let spent = RefreshToken { rotated_at: Some(1_100), last_used_at: 1_100, ..refresh_token(60, 50) };
    assert_eq!(found(&store, 60).await, Some(spent), "so that reuse is recognised");
    assert_eq!(found(&store, 61).await, Some(successor));
    assert_eq!(found(&store, 62).await, None);
}

/// C4
async fn of_many_rotations_at_once_one_wins(store: Shared) {
    populate(&store).await;
    store.insert_refresh_token(&refresh_token(60, 50)).await.expect("inserted");
    let rotate = |store: Shared, number: u8| async move {
        store.rotate_refresh_token(id(60), 1_100, &refresh_token(100 + number, 50)).await.expect("answer")
    };
    assert_eq!(winners(crowd(&store, rotate).await), 1);
    assert_eq!(store.list_refresh_tokens(id(30), 1_100).await.expect("list").len(), 1);
    // On every node the successor of one token is the same.
    store.insert_refresh_token(&refresh_token(62, 52)).await.expect("inserted");
    let rotate = |store: Shared, _| async move {
        store.rotate_refresh_token(id(62), 1_100, &refresh_token(63, 52)).await.expect("answer")
    };
    assert_eq!(winners(crowd(&store, rotate).await), 1);
}

async fn a_refresh_token_that_is_over_has_no_successor(store: Shared) {
    populate(&store).await;
    let revoked = RefreshToken { revoked_at: Some(1_050), ..refresh_token(62, 52) };
    let short = RefreshToken { expires_at: 1_100, ..refresh_token(64, 54) };
    let idle = RefreshToken { idle_expires_at: 1_100, ..refresh_token(66, 56) };
    for token in [revoked, short, idle] {
        store.insert_refresh_token(&token).await.expect("inserted");
        assert!(!store.rotate_refresh_token(token.id, 1_100, &refresh_token(1, 1)).await.expect("answer"));
        assert_eq!(store.find_refresh_token(&token.hash).await.expect("answer"), Some(token));
    }
    assert_eq!(found(&store, 1).await, None);
}

/// C4: what fails half way leaves the parent as it was.
async fn a_rotation_that_fails_leaves_the_token_usable(store: Shared) {
    populate(&store).await;
    store.insert_refresh_token(&refresh_token(60, 50)).await.expect("inserted");
    store.insert_refresh_token(&refresh_token(61, 51)).await.expect("inserted");
    assert!(store.rotate_refresh_token(id(60), 1_100, &refresh_token(61, 50)).await.is_err(), "the id is taken");
    assert_eq!(found(&store, 60).await, Some(refresh_token(60, 50)));
    assert!(store.rotate_refresh_token(id(60), 1_100, &refresh_token(62, 50)).await.expect("answer"));
}

async fn the_newest_of_each_live_family_is_listed(store: Shared) {
    populate(&store).await;
    store.insert_refresh_token(&refresh_token(60, 50)).await.expect("inserted");
    let successor = RefreshToken { created_at: 1_100, ..refresh_token(61, 50) };
    assert!(store.rotate_refresh_token(id(60), 1_100, &successor).await.expect("answer"));
    let other = RefreshToken { created_at: 1_050, ..refresh_token(62, 51) };
    store.insert_refresh_token(&other).await.expect("inserted");
    let revoked = RefreshToken { revoked_at: Some(1_000), ..refresh_token(63, 52) };
    store.insert_refresh_token(&revoked).await.expect("inserted");
    let mut elsewhere = refresh_token(64, 53);
    elsewhere.approval.user_id = id(31);
    store.insert_refresh_token(&elsewhere).await.expect("inserted");
    assert_eq!(store.list_refresh_tokens(id(30), 1_100).await.expect("list"), [successor, other]);
    assert!(store.list_refresh_tokens(id(30), 2_000).await.expect("list").is_empty());
}

async fn refresh_tokens_that_are_over_are_forgotten(store: Shared) {
    populate(&store).await;
    store.insert_refresh_token(&refresh_token(60, 50)).await.expect("inserted");
    store.insert_refresh_token(&refresh_token(61, 51)).await.expect("inserted");
    assert!(store.touch_refresh_token(id(61), 1_999, 99_000).await.expect("answer"));
    assert_eq!(store.forget(1_999 + 3_600, 0).await.expect("answer"), 0);
    assert_eq!(store.forget(2_000 + 3_600, 0).await.expect("answer"), 1);
    assert_eq!(found(&store, 60).await, None);
    assert_eq!(store.forget(8_999 + 3_600, 0).await.expect("answer"), 0);
    assert_eq!(store.forget(9_000 + 3_600, 0).await.expect("answer"), 1);
}
