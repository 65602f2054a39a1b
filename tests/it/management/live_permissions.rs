//! Routes that go by what is granted now: a change is there with the next request, whatever tokens say.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use super::{Caller, ROOT_KEY};
use crate::support::files::Folder;
use crate::support::gateway::{Gateway, RECIPIENT_ID, TARGET_ID, client};

const SECTIONS: &str = r#"
public_url: https://gate.example.com
management: { public: true, api_key: root-key-of-the-tests-0123456789-abcdef }
upstreams: { app: "${UPSTREAM}" }
routes:
  /token/{entity}: { upstream: app, require: "permission write on {entity}" }
  /live/{entity}: { upstream: app, permissions: live, require: "permission write on {entity}" }
  /live/any: { upstream: app, permissions: live, require: authenticated }
"#;

async fn granted(root: &Caller<'_>, permissions: Value) {
    let path = format!("/api/entity/{TARGET_ID}/grant");
    let grant = json!({ "grant": { "recipientEntityId": RECIPIENT_ID, "permissions": permissions } });
    assert_eq!(root.post(&path, grant).await.status, 200);
}

async fn status(gateway: &Gateway, path: &str, token: &str) -> u16 {
    client().get(gateway.url(path)).bearer_auth(token).send().await.unwrap().status().as_u16()
}

// D-09, V3: both ways, on the node of the change with the next request
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_request_goes_by_what_is_granted_now() {
    let gateway = Gateway::with(SECTIONS, &[]).await;
    let root = Caller::root(&gateway);
    // Once for the target as a whole, and once for one permission of it.
    let (whole, reader) = (gateway.token("target-entity:orders").await, gateway.reader().await);
    let both = async |token: &str| {
        (status(&gateway, "/token/orders", token).await, status(&gateway, "/live/orders", token).await)
    };
    assert_eq!((both(&whole).await, both(&reader).await), ((403, 403), (403, 403)));

    granted(&root, json!(["read", "write"])).await;
    assert_eq!(both(&whole).await, (403, 200), "what a token was asked for as a whole grows with the grant");
    assert_eq!(both(&reader).await, (403, 403), "nobody gets what the token was not asked for");
    let told = gateway.upstream.last().field("x-auth-permissions").unwrap();
    assert_eq!(serde_json::from_str::<Value>(&told).unwrap(), json!({ TARGET_ID: ["read", "write"] }));

    let writer = gateway.token("target-entity:orders:write").await;
    assert_eq!(both(&writer).await, (200, 200));
    granted(&root, json!(["read"])).await;
    assert_eq!((both(&writer).await, both(&whole).await), ((200, 403), (403, 403)));
    assert_eq!(status(&gateway, "/live/any", &writer).await, 200, "still somebody");
    assert_eq!(
        gateway.upstream.last().field("x-auth-permissions").as_deref(),
        Some(&*format!(r#"{{"{TARGET_ID}":[]}}"#))
    );

    granted(&root, json!(["write"])).await;
    assert_eq!(both(&writer).await, (200, 200));
    let path = format!("/api/entity/{TARGET_ID}/grant?recipientEntityId={RECIPIENT_ID}");
    assert_eq!(root.send(Method::DELETE, &path, None).await.status, 200);
    assert_eq!(both(&writer).await, (200, 403));
    assert_eq!(status(&gateway, "/live/any", &writer).await, 200);
    assert_eq!(gateway.upstream.last().field("x-auth-permissions"), None, "nothing is granted");
}

// V3: the other nodes within a second
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_nodes_hear_of_it() {
    let folder = Folder::new();
    let store = format!("sqlite://{}", folder.path().join("faregate.db").display());
    let here = Gateway::with(SECTIONS, &[("STORE", &store)]).await;
    let there = Gateway::with(SECTIONS, &[("STORE", &store)]).await;
    let root = Caller::with_key(&here, ROOT_KEY);
    granted(&root, json!(["write"])).await;
    let token = here.token("target-entity:orders:write").await;
    for gateway in [&here, &there] {
        assert_eq!(status(gateway, "/live/orders", &token).await, 200);
    }
    granted(&root, json!(["read"])).await;
    assert_eq!(status(&here, "/live/orders", &token).await, 403);
    let since = Instant::now();
    while status(&there, "/live/orders", &token).await == 200 {
        assert!(since.elapsed() < Duration::from_secs(2), "not refused within two seconds");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
