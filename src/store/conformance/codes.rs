//! Promises about authorization codes.

use std::sync::Arc;

use serde_json::json;

use super::{Behaviour, code, crowd, devices::device_code, id, populate, promises, refresh_token, session, winners};
use crate::model::{Approval, AuthenticationType, AuthorizationCode, DeviceState};
use crate::store::{Brought, Store};

pub(super) const BEHAVIOURS: &[Behaviour] = promises![
    a_code_survives_the_trip,
    a_code_is_redeemed_once,
    of_many_redemptions_at_once_one_wins,
    a_code_that_is_over_brings_nothing,
    a_redemption_brings_everything_or_nothing,
    a_login_for_a_device_approves_it,
    codes_that_are_over_are_forgotten,
];

type Shared = Arc<dyn Store>;

async fn a_code_survives_the_trip(store: Shared) {
    populate(&store).await;
    let full = AuthorizationCode {
        approval: Approval {
            session_id: Some(id(40)),
            scopes: vec!["openid".to_owned(), "a:b/c".to_owned()],
            audience: Some("https://api.example/".to_owned()),
            methods: vec!["pwd".to_owned(), "mfa".to_owned()],
            acr: Some("urn:x".to_owned()),
            nonce: Some("n ü \" '".to_owned()),
            claims: Some(json!({"userinfo": {"email": null}, "id_token": {"acr": {"values": ["a"]}}})),
            bound_to: None,
            authentication_type: AuthenticationType::SingleSignOn,
            ..code(50).approval
        },
        redirect_uri: Some("https://client.example/cb?a=b#".to_owned()),
        code_challenge: Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned()),
        device_code_id: Some(id(70)),
        ..code(50)
    };
    assert_eq!(store.find_authorization_code("code 50").await.expect("answer"), None);
    for code in [full, code(51)] {
        store.insert_authorization_code(&code).await.expect("inserted");
        assert_eq!(store.find_authorization_code(&code.hash).await.expect("answer"), Some(code));
    }
}

async fn a_code_is_redeemed_once(store: Shared) {
    populate(&store).await;
    store.insert_authorization_code(&code(50)).await.expect("inserted");
    store.insert_session(&session(40), None).await.expect("inserted");
    let token = refresh_token(60, 50);
    let brings = Brought { refresh_token: Some(&token), joins: Some((id(40), id(20))) };
    assert!(!store.redeem_authorization_code("code 51", 1_010, brings).await.expect("answer"));
    assert!(store.redeem_authorization_code("code 50", 1_010, brings).await.expect("answer"));
    assert!(!store.redeem_authorization_code("code 50", 1_010, brings).await.expect("answer"));
    let spent = AuthorizationCode { redeemed_at: Some(1_010), ..code(50) };
    assert_eq!(store.find_authorization_code("code 50").await.expect("answer"), Some(spent), "for whoever replays it");
    assert_eq!(store.find_refresh_token(&token.hash).await.expect("answer"), Some(token));
    assert_eq!(store.list_session_applications(id(40)).await.expect("list"), [id(20)]);
}

/// B5
async fn of_many_redemptions_at_once_one_wins(store: Shared) {
    populate(&store).await;
    store.insert_authorization_code(&code(50)).await.expect("inserted");
    let redeem = |store: Shared, number: u8| async move {
        let token = refresh_token(100 + number, 50);
        let brings = Brought { refresh_token: Some(&token), joins: None };
        store.redeem_authorization_code("code 50", 1_010, brings).await.expect("answer")
    };
    assert_eq!(winners(crowd(&store, redeem).await), 1);
    assert_eq!(store.list_refresh_tokens(id(30), 1_010).await.expect("list").len(), 1, "losers leave nothing behind");
}

async fn a_code_that_is_over_brings_nothing(store: Shared) {
    populate(&store).await;
    store.insert_authorization_code(&code(50)).await.expect("inserted");
    let token = refresh_token(60, 50);
    let brings = Brought { refresh_token: Some(&token), joins: None };
    assert!(!store.redeem_authorization_code("code 50", 1_030, brings).await.expect("answer"));
    assert_eq!(store.find_refresh_token(&token.hash).await.expect("answer"), None);
    assert_eq!(store.find_authorization_code("code 50").await.expect("answer"), Some(code(50)));
    assert!(store.redeem_authorization_code("code 50", 1_029, brings).await.expect("answer"));
}

async fn a_redemption_brings_everything_or_nothing(store: Shared) {
    populate(&store).await;
    store.insert_authorization_code(&code(50)).await.expect("inserted");
    let token = refresh_token(60, 50);
    store.insert_refresh_token(&token).await.expect("inserted");
    // The id is taken, so the token cannot be stored, so the code is not spent.
    let brings = Brought { refresh_token: Some(&token), joins: None };
    assert!(store.redeem_authorization_code("code 50", 1_010, brings).await.is_err());
    assert_eq!(store.find_authorization_code("code 50").await.expect("answer"), Some(code(50)));
    let gone = Brought { refresh_token: None, joins: Some((id(49), id(20))) };
    assert!(store.redeem_authorization_code("code 50", 1_010, gone).await.expect("a session that is gone is no error"));
}

/// F-163
async fn a_login_for_a_device_approves_it(store: Shared) {
    populate(&store).await;
    let state = |hash: &'static str| {
        let store = Arc::clone(&store);
        async move { store.find_device_code(hash).await.expect("answer").expect("found").state }
    };
    for number in [70, 71, 72] {
        store.insert_device_code(&device_code(number)).await.expect("inserted");
    }
    let login = |number: u8, device: u8| {
        let store = Arc::clone(&store);
        async move {
            let code = AuthorizationCode { device_code_id: Some(id(device)), ..code(number) };
            store.insert_authorization_code(&code).await.expect("inserted");
            store.redeem_authorization_code(&code.hash, 1_010, Brought::default()).await.expect("answer")
        }
    };
    assert!(login(50, 70).await);
    assert_eq!(state("device code 70").await, DeviceState::Approved(Box::new(code(50).approval)));
    assert_eq!(state("device code 71").await, DeviceState::Pending);
    // Whoever decided before is not overruled, and the login itself still works.
    assert!(store.decide_device_code(id(71), None, 1_005).await.expect("answer"));
    assert!(login(51, 71).await);
    assert_eq!(state("device code 71").await, DeviceState::Denied);
    assert!(login(52, 79).await, "a device code that is gone");
    assert!(login(53, 70).await);
    assert_eq!(state("device code 70").await, DeviceState::Approved(Box::new(code(50).approval)));
}

async fn codes_that_are_over_are_forgotten(store: Shared) {
    populate(&store).await;
    store.insert_authorization_code(&code(50)).await.expect("inserted");
    assert!(store.redeem_authorization_code("code 50", 1_010, Brought::default()).await.expect("answer"));
    assert_eq!(store.forget(1_029 + 3_600, 0).await.expect("answer"), 0);
    assert!(store.find_authorization_code("code 50").await.expect("answer").is_some(), "reuse is told from guesses");
    assert_eq!(store.forget(1_030 + 3_600, 0).await.expect("answer"), 1);
    assert_eq!(store.find_authorization_code("code 50").await.expect("answer"), None);
}
