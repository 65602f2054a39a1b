//! Revoked tokens at the door: refused by the next request here, within a second elsewhere, and after a restart.

use std::time::{Duration, Instant};

use crate::support::files::Folder;
use crate::support::gateway::{Gateway, RECIPIENT_ID, RECIPIENT_SECRET, ROUTES, client};

async fn status(gateway: &Gateway, token: &str) -> u16 {
    client().get(gateway.url("/any/thing")).bearer_auth(token).send().await.unwrap().status().as_u16()
}

async fn node(store: &str) -> Gateway {
    // One name for all nodes, as behind a balancer.
    let sections = format!("public_url: https://gate.example.com\n{ROUTES}");
    Gateway::with(&sections, &[("STORE", store)]).await
}

// I8, F-340
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_is_refused_on_every_node() {
    let folder = Folder::new();
    let store = format!("sqlite://{}", folder.path().join("faregate.db").display());
    let (here, there) = (node(&store).await, node(&store).await);
    let (revoked, other) = (here.token("").await, here.token("").await);
    for gateway in [&here, &there] {
        assert_eq!((status(gateway, &revoked).await, status(gateway, &other).await), (200, 200));
    }
    let answer = client()
        .post(here.url("/oauth2/revoke"))
        .basic_auth(RECIPIENT_ID, Some(RECIPIENT_SECRET))
        .form(&[("token", &revoked)])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let refused = client().get(here.url("/any/thing")).bearer_auth(&revoked).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains(r#"error="invalid_token""#), "{challenge}");
    let since = Instant::now();
    while status(&there, &revoked).await == 200 {
        assert!(since.elapsed() < Duration::from_secs(1), "not refused within a second");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for gateway in [&here, &there] {
        assert_eq!((status(gateway, &revoked).await, status(gateway, &other).await), (401, 200));
    }
    // A node that starts later knows it from the first request on.
    let late = node(&store).await;
    assert_eq!((status(&late, &revoked).await, status(&late, &other).await), (401, 200));
}
