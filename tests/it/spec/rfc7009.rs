//! RFC 7009: revocation.

use http::StatusCode;

use crate::support::authorization_server::{Answer, TODO_API, TODO_SECRET, TestServer, encode};
use crate::support::people::{COMPATIBLE, SECRET, SPA, WEB};

async fn revoke(server: &TestServer, client_id: &str, token: &str) -> Answer {
    let secret = if client_id == SPA { String::new() } else { format!("&client_secret={}", encode(SECRET)) };
    let body = format!("client_id={client_id}{secret}&token={}", encode(token));
    server.post("/oauth2/revoke").body(body).send().await
}

async fn is_active(server: &TestServer, client_id: &str, token: &str) -> bool {
    server.introspect(client_id, token).await.json()["active"] == true
}

// RFC 7009 2.1, 2.2, B10
#[tokio::test]
async fn an_access_token_ends_alone() {
    let server = TestServer::with_people().await;
    let tokens = server.tokens(WEB, "offline_access").await;
    let refreshed = server.refresh(WEB, &tokens.refresh_token()).await;
    let answer = revoke(&server, WEB, &tokens.access_token()).await;
    assert_eq!((answer.status, answer.text()), (StatusCode::OK, String::new()));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(!is_active(&server, WEB, &tokens.access_token()).await);
    assert!(is_active(&server, WEB, &refreshed.access_token()).await);
    assert_eq!(server.refresh(WEB, &tokens.refresh_token()).await.status, StatusCode::OK);
    // Again, with a hint, and with a wrong one.
    for hint in ["access_token", "refresh_token", "made_up"] {
        let body = format!(
            "client_id={WEB}&client_secret={}&token={}&token_type_hint={hint}",
            encode(SECRET),
            tokens.access_token()
        );
        assert_eq!(server.post("/oauth2/revoke").body(body).send().await.status, StatusCode::OK);
    }
}

// RFC 7009 2.1, I8: with a refresh token the grant ends, and so its access tokens.
#[tokio::test]
async fn a_refresh_token_ends_its_grant() {
    let server = TestServer::with_people().await;
    let (tokens, other) = (server.tokens(WEB, "offline_access").await, server.tokens(WEB, "offline_access").await);
    let refreshed = server.refresh(WEB, &tokens.refresh_token()).await;
    assert_eq!(revoke(&server, WEB, &tokens.refresh_token()).await.status, StatusCode::OK);
    assert_eq!(server.refresh(WEB, &tokens.refresh_token()).await.verdict().2, "refresh_token_not_found");
    for token in [tokens.access_token(), refreshed.access_token(), tokens.refresh_token()] {
        assert!(!is_active(&server, WEB, &token).await);
    }
    assert!(is_active(&server, WEB, &other.access_token()).await);
    // A rotated one of a public client ends its family too.
    let first = server.tokens(SPA, "offline_access").await.refresh_token();
    let second = server.refresh(SPA, &first).await.refresh_token();
    assert_eq!(revoke(&server, SPA, &first).await.status, StatusCode::OK);
    assert_eq!(server.refresh(SPA, &second).await.verdict().2, "refresh_token_not_found");
}

// RFC 7009 2.2, I7
#[tokio::test]
async fn what_is_not_the_clients_is_left_alone() {
    let server = TestServer::with_people().await;
    let tokens = server.tokens(WEB, "offline_access").await;
    for token in [tokens.access_token(), tokens.refresh_token(), "x".to_owned(), "x.y.z".to_owned()] {
        assert_eq!(revoke(&server, COMPATIBLE, &token).await.status, StatusCode::OK);
    }
    assert!(is_active(&server, WEB, &tokens.access_token()).await);
    assert_eq!(server.refresh(WEB, &tokens.refresh_token()).await.status, StatusCode::OK);
}

// RFC 7009 2.1, D7
#[tokio::test]
async fn the_client_must_authenticate() {
    let server = TestServer::with_people().await;
    let tokens = server.tokens(WEB, "offline_access").await;
    let post = async |body: String| server.post("/oauth2/revoke").body(body).send().await.verdict();
    let (status, error, _) = post(format!("client_id={WEB}&token={}", tokens.access_token())).await;
    assert_eq!((status, &*error), (401, "invalid_client"));
    let (status, error, _) = post(format!("client_id={WEB}&client_secret=x&token={}", tokens.access_token())).await;
    assert_eq!((status, &*error), (401, "invalid_client"));
    assert_eq!(post(format!("token={}", tokens.access_token())).await.2, "missing_client_id");
    assert_eq!(post(format!("client_id={SPA}")).await.2, "missing_token");
    assert!(is_active(&server, WEB, &tokens.access_token()).await);
    assert_eq!(server.get("/oauth2/revoke").send().await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn entities_revoke_their_own() {
    let server = TestServer::start().await;
    let token = server.token("target-entity:email").await.access_token();
    let call = server.post("/oauth2/revoke").basic(&TODO_API.to_string(), TODO_SECRET);
    assert_eq!(call.body(format!("token={token}")).send().await.status, StatusCode::OK);
    let call = server.post("/oauth2/introspect").basic(&TODO_API.to_string(), TODO_SECRET);
    assert_eq!(call.body(format!("token={token}")).send().await.json()["active"], false);
}

// I9: what cannot be written is not acknowledged.
#[tokio::test]
async fn a_silent_store_is_503() {
    use faregate::store::Store as _;
    let server = TestServer::with_people().await;
    let tokens = server.tokens(WEB, "offline_access").await;
    server.store.close().await;
    let answer = revoke(&server, WEB, &tokens.access_token()).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), Some("5"));
}
