//! Promises about device codes.

use std::sync::Arc;

use super::{
    Behaviour, CROWD, approval, assert_refused, crowd, id, populate, promises, refresh_token, tenant, winners,
};
use crate::model::{DeviceCode, DeviceState};
use crate::store::StoreError::Conflict;
use crate::store::{Brought, Store, Unique};

pub(super) const BEHAVIOURS: &[Behaviour] = promises![
    a_device_code_survives_the_trip,
    user_codes_conflict_in_their_tenant_only,
    one_refusal_among_many_hurts_nobody_else,
    a_device_code_is_decided_once,
    of_many_decisions_at_once_one_counts,
    polls_that_come_too_early_slow_down,
    a_device_code_is_redeemed_once,
    of_many_polls_at_once_one_gets_the_tokens,
    device_codes_that_are_over_are_forgotten,
];

type Shared = Arc<dyn Store>;

pub(super) fn device_code(number: u8) -> DeviceCode {
    DeviceCode {
        id: id(number),
        hash: format!("device code {number}"),
        user_code_hash: format!("user code {number}"),
        tenant_id: id(1),
        application_id: id(20),
        scopes: vec!["openid".to_owned()],
        audience: None,
        state: DeviceState::Pending,
        interval: 5,
        last_polled_at: None,
        peer: None,
        device_name: None,
        created_at: 1_000,
        expires_at: 1_300,
    }
}

async fn found(store: &Shared, number: u8) -> DeviceCode {
    let code = store.find_device_code(&format!("device code {number}")).await;
    code.expect("answer").expect("found")
}

async fn a_device_code_survives_the_trip(store: Shared) {
    populate(&store).await;
    let states = [
        DeviceState::Pending,
        DeviceState::Approved(Box::new(approval(50))),
        DeviceState::Denied,
        DeviceState::Redeemed { grant_id: id(50) },
    ];
    assert_eq!(store.find_device_code("device code 70").await.expect("answer"), None);
    for (number, state) in (70..).zip(states) {
        let code = DeviceCode {
            state,
            last_polled_at: Some(1_005),
            peer: Some("192.0.2.1".to_owned()),
            device_name: Some("Télé".to_owned()),
            audience: (number > 70).then(|| "https://api.example/ü".to_owned()),
            ..device_code(number)
        };
        store.insert_device_code(&code).await.expect("inserted");
        assert_eq!(found(&store, number).await, code);
        let by_user_code = store.find_device_code_by_user_code(id(1), &code.user_code_hash).await;
        assert_eq!(by_user_code.expect("answer"), Some(code));
    }
    assert_eq!(store.find_device_code_by_user_code(id(9), "user code 70").await.expect("answer"), None);
}

async fn user_codes_conflict_in_their_tenant_only(store: Shared) {
    populate(&store).await;
    store.insert_tenant(&tenant(5)).await.expect("inserted");
    store.insert_device_code(&device_code(70)).await.expect("inserted");
    let same = DeviceCode { user_code_hash: device_code(70).user_code_hash, ..device_code(71) };
    assert_refused!(store.insert_device_code(&same).await, Conflict(Unique::UserCode));
    store.insert_device_code(&DeviceCode { tenant_id: id(5), ..same }).await.expect("another tenant");
}

async fn one_refusal_among_many_hurts_nobody_else(store: Shared) {
    populate(&store).await;
    let insert = |store: Shared, number: u8| async move {
        let mut code = device_code(100 + number);
        if number.is_multiple_of(4) {
            code.user_code_hash = "wanted".to_owned();
        }
        (number, store.insert_device_code(&code).await)
    };
    let mut refused = 0;
    for (number, result) in crowd(&store, insert).await {
        if number.is_multiple_of(4) && matches!(result, Err(Conflict(Unique::UserCode))) {
            refused += 1;
        } else {
            result.expect("inserted");
            assert_eq!(found(&store, 100 + number).await.id, id(100 + number));
        }
    }
    assert_eq!(refused, CROWD / 4 - 1);
}

async fn a_device_code_is_decided_once(store: Shared) {
    populate(&store).await;
    for number in [70, 71, 72] {
        store.insert_device_code(&device_code(number)).await.expect("inserted");
    }
    assert!(store.decide_device_code(id(70), Some(&approval(50)), 1_010).await.expect("answer"));
    assert!(!store.decide_device_code(id(70), None, 1_010).await.expect("answer"));
    assert_eq!(found(&store, 70).await.state, DeviceState::Approved(Box::new(approval(50))));
    assert!(store.decide_device_code(id(71), None, 1_010).await.expect("answer"));
    assert!(!store.decide_device_code(id(71), Some(&approval(50)), 1_010).await.expect("answer"));
    assert_eq!(found(&store, 71).await.state, DeviceState::Denied);
    assert!(!store.decide_device_code(id(72), Some(&approval(50)), 1_300).await.expect("answer"), "it has expired");
    assert_eq!(found(&store, 72).await.state, DeviceState::Pending);
    assert!(!store.decide_device_code(id(79), None, 1_010).await.expect("answer"));
}

async fn of_many_decisions_at_once_one_counts(store: Shared) {
    populate(&store).await;
    store.insert_device_code(&device_code(70)).await.expect("inserted");
    let decide = |store: Shared, number: u8| async move {
        let approval = approval(number);
        let approval = number.is_multiple_of(2).then_some(&approval);
        store.decide_device_code(id(70), approval, 1_010).await.expect("answer")
    };
    assert_eq!(winners(crowd(&store, decide).await), 1);
}

/// J6, RFC 8628 3.5
async fn polls_that_come_too_early_slow_down(store: Shared) {
    populate(&store).await;
    store.insert_device_code(&device_code(70)).await.expect("inserted");
    let poll = |at| {
        let store = Arc::clone(&store);
        async move {
            let code = store.poll_device_code(id(70), at, 5).await.expect("answer").expect("found");
            (code.last_polled_at, code.interval)
        }
    };
    assert_eq!(poll(1_000).await, (None, 5), "the first is never early");
    assert_eq!(poll(1_005).await, (Some(1_000), 5));
    assert_eq!(poll(1_009).await, (Some(1_005), 5), "early: it tells the code as it was");
    assert_eq!(poll(1_019).await, (Some(1_009), 10));
    assert_eq!(poll(1_028).await, (Some(1_019), 10), "early again");
    let expected = DeviceCode { last_polled_at: Some(1_028), interval: 15, ..device_code(70) };
    assert_eq!(found(&store, 70).await, expected);
    assert_eq!(store.poll_device_code(id(79), 1_000, 5).await.expect("answer"), None);
}

/// J5
async fn a_device_code_is_redeemed_once(store: Shared) {
    populate(&store).await;
    for number in [70, 71, 72] {
        store.insert_device_code(&device_code(number)).await.expect("inserted");
    }
    let token = refresh_token(60, 50);
    let brings = Brought { refresh_token: Some(&token), joins: None };
    assert!(!store.redeem_device_code(id(70), 1_010, brings).await.expect("answer"), "nobody has approved it");
    assert!(store.decide_device_code(id(70), Some(&approval(50)), 1_010).await.expect("answer"));
    assert!(!store.redeem_device_code(id(70), 1_300, brings).await.expect("answer"), "it has expired");
    assert_eq!(store.find_refresh_token(&token.hash).await.expect("answer"), None);
    assert!(store.redeem_device_code(id(70), 1_020, brings).await.expect("answer"));
    assert!(!store.redeem_device_code(id(70), 1_020, brings).await.expect("answer"));
    assert_eq!(found(&store, 70).await.state, DeviceState::Redeemed { grant_id: id(50) });
    assert_eq!(store.find_refresh_token(&token.hash).await.expect("answer").as_ref(), Some(&token));
    assert!(store.decide_device_code(id(71), None, 1_010).await.expect("answer"));
    assert!(!store.redeem_device_code(id(71), 1_020, Brought::default()).await.expect("answer"), "it was denied");
}

async fn of_many_polls_at_once_one_gets_the_tokens(store: Shared) {
    populate(&store).await;
    store.insert_device_code(&device_code(70)).await.expect("inserted");
    assert!(store.decide_device_code(id(70), Some(&approval(50)), 1_010).await.expect("answer"));
    let redeem = |store: Shared, number: u8| async move {
        let token = refresh_token(100 + number, 50);
        let brings = Brought { refresh_token: Some(&token), joins: None };
        store.redeem_device_code(id(70), 1_020, brings).await.expect("answer")
    };
    assert_eq!(winners(crowd(&store, redeem).await), 1);
    assert_eq!(store.list_refresh_tokens(id(30), 1_020).await.expect("list").len(), 1);
}

async fn device_codes_that_are_over_are_forgotten(store: Shared) {
    populate(&store).await;
    store.insert_device_code(&device_code(70)).await.expect("inserted");
    assert_eq!(store.forget(1_299 + 3_600, 0).await.expect("answer"), 0);
    assert_eq!(store.forget(1_300 + 3_600, 0).await.expect("answer"), 1);
    store.insert_device_code(&device_code(70)).await.expect("the user code is free again");
}
