//! Who gets through, and what the others are told.

use crate::support::gateway::Gateway;

// F-331, RFC 6750 3
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_nobody_gets_through() {
    let gateway = Gateway::start().await;
    let answer = gateway.request("GET", "/api/orders", "").await;
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.field("www-authenticate"), Some("Bearer realm=\"faregate\""));
    assert_eq!(answer.json()["code"], "no_token");
    assert_eq!(gateway.upstream.count(), 0);
}

// F-336, F-332, RFC 6750 3.1
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permission_opens_what_it_names() {
    let gateway = Gateway::start().await;
    let token = gateway.reader().await;
    let authorization = format!("Authorization: Bearer {token}\r\n");

    let answer = gateway.request("GET", "/api/orders", &authorization).await;
    assert_eq!(answer.status(), 200, "{}", answer.text);
    let received = gateway.upstream.last();
    assert!(!received.head.contains(&token), "{}", received.head);
    assert_eq!(received.field("x-auth-subject").as_deref(), Some(crate::support::gateway::RECIPIENT_ID));

    let answer = gateway.request("POST", "/api/orders", &authorization).await;
    assert_eq!(answer.status(), 403);
    assert!(
        answer
            .field("www-authenticate")
            .is_some_and(|challenge| challenge.contains("scope=\"target-entity:orders:write\""))
    );
    assert_eq!(gateway.upstream.count(), 1);
}
