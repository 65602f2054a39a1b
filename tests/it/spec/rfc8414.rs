//! RFC 8414 and OpenID Connect Discovery 1.0: what the server says about itself is true.

use faregate::model::{ApplicationGrant, Profile, Tenant};
use faregate::store::Store as _;
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::support::authorization_server::{OTHER_TENANT, PUBLIC_URL, TENANT, TestServer};
use crate::support::people::{COMPATIBLE, OPTIONAL, PKCE, ROTATING, WEB, members};

// RFC 8414 2 and 3, OpenID Connect Discovery 3 and 4, F-151
#[tokio::test]
async fn everything_derives_from_the_issuer() {
    let server = TestServer::start().await;
    server.add_other_tenant().await;
    let urls = |issuer: &str| {
        json!({
            "authorization_endpoint": format!("{issuer}/oauth2/authorize"),
            "check_session_iframe": format!("{issuer}/oauth2/check_session"),
            "end_session_endpoint": format!("{issuer}/oauth2/logout"),
            "introspection_endpoint": format!("{issuer}/oauth2/introspect"),
            "issuer": issuer,
            "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
            "pushed_authorization_request_endpoint": format!("{issuer}/oauth2/par"),
            "revocation_endpoint": format!("{issuer}/oauth2/revoke"),
            "token_endpoint": format!("{issuer}/oauth2/token"),
            "userinfo_endpoint": format!("{issuer}/oauth2/userinfo"),
        })
    };
    let own = urls(PUBLIC_URL);
    let other = urls(&format!("{PUBLIC_URL}/{OTHER_TENANT}"));
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
        let document = answer.json();
        let members: Vec<_> = document.as_object().unwrap().keys().collect();
        assert!(members.is_sorted(), "{members:?}");
        let of_issuer = |(name, value): (&String, &Value)| {
            let is_url = value.as_str().is_some_and(|text| text.starts_with(PUBLIC_URL));
            is_url.then(|| (name.clone(), value.clone()))
        };
        let listed: Map<String, Value> = document.as_object().unwrap().iter().filter_map(of_issuer).collect();
        assert_eq!(Value::Object(listed), *expected, "{path}");
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

// D10, A8, B1, F-153: what nobody may use is not listed, and appears when somebody may.
#[tokio::test]
async fn grants_are_listed_when_an_application_has_them() {
    let server = TestServer::with_people().await;
    let document = async || server.get("/.well-known/openid-configuration").send().await.json();
    for client_id in [WEB, OPTIONAL, PKCE, ROTATING, COMPATIBLE] {
        server.change(client_id, |settings| settings.grants = vec![ApplicationGrant::AuthorizationCode]).await;
    }
    let before = document().await;
    assert_eq!(before["grant_types_supported"], json!(["authorization_code", "client_credentials", "refresh_token"]));
    assert_eq!(before["response_types_supported"], json!(["code"]));
    assert!(before.get("device_authorization_endpoint").is_none());
    server.change(WEB, |settings| settings.grants = ApplicationGrant::ALL.to_vec()).await;
    server.clock.advance(1);
    let after = document().await;
    assert_eq!(
        after["grant_types_supported"],
        json!([
            "authorization_code",
            "client_credentials",
            "implicit",
            "password",
            "refresh_token",
            "urn:ietf:params:oauth:grant-type:device_code",
        ])
    );
    assert_eq!(
        after["response_types_supported"],
        json!(["code", "id_token", "id_token token", "token", "code id_token", "code id_token token", "code token"])
    );
    assert_eq!(after["device_authorization_endpoint"], format!("{PUBLIC_URL}/oauth2/device_authorize"));
    assert_eq!(after["code_challenge_methods_supported"], json!(["S256"]));
    // What is in memory still answers when nothing else does.
    server.store.close().await;
    server.clock.advance(1);
    assert_eq!(document().await, after);
}

// F-152: key for key what the first version of FusionAuth answered, with an issuer that is no URL.
#[tokio::test]
async fn the_first_dialect_has_a_short_document() {
    let change = |tenant: &mut Tenant| {
        tenant.profile = Profile::FusionAuthLegacy;
        tenant.issuer = Some("piedpiper.fusionauth.io".to_owned());
    };
    let server = TestServer::start_with(change).await;
    let document = server.get("/.well-known/openid-configuration").send().await.json();
    assert_eq!(document["issuer"], "piedpiper.fusionauth.io");
    assert_eq!(
        members(&document),
        [
            "authorization_endpoint",
            "claims_supported",
            "grant_types_supported",
            "id_token_signing_alg_values_supported",
            "issuer",
            "response_types_supported",
            "scopes_supported",
            "subject_types_supported",
            "token_endpoint",
            "userinfo_endpoint",
            "userinfo_signing_alg_values_supported",
        ]
    );
    assert_eq!(document["claims_supported"].as_array().unwrap().len(), 11);
    assert_eq!(document["grant_types_supported"], json!(["authorization_code", "password", "refresh_token"]));
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
