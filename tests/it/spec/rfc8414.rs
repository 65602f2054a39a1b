//! RFC 8414 and OpenID Connect Discovery 1.0: what the server says about itself is true.

use http::StatusCode;
use serde_json::json;

use crate::support::authorization_server::{OTHER_TENANT, PUBLIC_URL, TENANT, TestServer};

// RFC 8414 2 and 3, OpenID Connect Discovery 3 and 4, F-151
#[tokio::test]
async fn everything_derives_from_the_issuer() {
    let server = TestServer::start().await;
    server.add_other_tenant().await;
    let expected = |issuer: &str| {
        json!({
            "grant_types_supported": ["client_credentials"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "issuer": issuer,
            "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
            "response_types_supported": [],
            "subject_types_supported": ["public"],
            "token_endpoint": format!("{issuer}/oauth2/token"),
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        })
    };
    let own = expected(PUBLIC_URL);
    let other = expected(&format!("{PUBLIC_URL}/{OTHER_TENANT}"));
    let rows = [
        ("/.well-known/openid-configuration".to_owned(), &own),
        ("/.well-known/oauth-authorization-server".to_owned(), &own),
        (format!("/{TENANT}/.well-known/openid-configuration"), &own),
        (format!("/{OTHER_TENANT}/.well-known/openid-configuration"), &other),
        (format!("/.well-known/oauth-authorization-server/{OTHER_TENANT}"), &other),
    ];
    for (path, expected) in rows {
        let answer = server.get(&path).send().await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.json(), *expected, "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    }
}

// RFC 8414 3.3: the issuer is the one that was asked for, and every listed URL answers.
#[tokio::test]
async fn what_is_listed_exists() {
    let server = TestServer::start().await;
    server.add_other_tenant().await;
    for path in
        ["/.well-known/openid-configuration".to_owned(), format!("/{OTHER_TENANT}/.well-known/openid-configuration")]
    {
        let document = server.get(&path).send().await.json();
        let local = |name: &str| document[name].as_str().unwrap().strip_prefix(PUBLIC_URL).unwrap().to_owned();
        assert_eq!(format!("{}/.well-known/openid-configuration", local("issuer")), path);
        let keys = server.get(&local("jwks_uri")).send().await;
        assert_eq!(keys.status, StatusCode::OK);
        assert_eq!(server.post(&local("token_endpoint")).send().await.verdict().2, "missing_client_id");
    }
}

// D2: an issuer that is no URL cannot be discovered; its tokens still say it (F-204).
#[tokio::test]
async fn an_issuer_that_is_no_url_has_no_metadata() {
    let server = TestServer::start_with(|tenant| tenant.issuer = Some("acme.com".to_owned())).await;
    assert_eq!(server.token("").await.claims()["iss"], "acme.com");
    let answer = server.get("/.well-known/openid-configuration").send().await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(server.get("/.well-known/jwks.json").send().await.status, StatusCode::OK);
}

// D2: an issuer on another host is the base of its own endpoints.
#[tokio::test]
async fn a_tenants_own_issuer_is_its_base() {
    let server = TestServer::start_with(|tenant| tenant.issuer = Some("https://login.example.com/".to_owned())).await;
    let document = server.get(&format!("/{TENANT}/.well-known/openid-configuration")).send().await.json();
    assert_eq!(document["issuer"], "https://login.example.com/");
    assert_eq!(document["token_endpoint"], "https://login.example.com/oauth2/token");
    assert_eq!(server.token("").await.claims()["iss"], "https://login.example.com/");
}

#[tokio::test]
async fn unknown_tenants_have_no_metadata() {
    let server = TestServer::start().await;
    let missing = [
        format!("/{OTHER_TENANT}/.well-known/openid-configuration"),
        format!("/.well-known/oauth-authorization-server/{OTHER_TENANT}"),
        "/main/.well-known/openid-configuration".to_owned(),
        "/.well-known/oauth-authorization-server/".to_owned(),
    ];
    for path in missing {
        assert_eq!(server.get(&path).send().await.status, StatusCode::NOT_FOUND, "{path}");
    }
}
