//! RFC 7517 section 5: the key set that we publish.

use http::StatusCode;

use crate::support::authorization_server::{OTHER_TENANT, TENANT, TODO_API, TestServer};

// E8, F-154, F-155, F-156 (D6: one set per tenant)
#[tokio::test]
async fn the_key_set_is_public_and_per_tenant() {
    let server = TestServer::start().await;
    server.add_other_tenant().await;
    let answer = server.get("/.well-known/jwks.json").send().await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let document = answer.json();
    let keys = document["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    let mut kids = std::collections::HashSet::new();
    for key in keys {
        assert_eq!((&key["kty"], &key["use"], &key["alg"]), (&"EC".into(), &"sig".into(), &"ES256".into()));
        assert!(kids.insert(key["kid"].as_str().unwrap().to_owned()));
        assert!(key.get("d").is_none());
    }
    assert!(kids.contains(server.token("").await.token_header()["kid"].as_str().unwrap()));

    assert_eq!(server.get(&format!("/{TENANT}/.well-known/jwks.json")).send().await.text(), answer.text());
    let other = server.get(&format!("/{OTHER_TENANT}/.well-known/jwks.json")).send().await.json();
    assert!(other["keys"].as_array().unwrap().iter().all(|key| !kids.contains(key["kid"].as_str().unwrap())));
    for nobody in [TODO_API.to_string(), "main".to_owned()] {
        let answer = server.get(&format!("/{nobody}/.well-known/jwks.json")).send().await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{nobody}");
    }
}
