//! RFC 7592: what becomes of clients that registered themselves, by their own word, the tenant's and the administrators'.

use faregate::store::Store as _;
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::rfc7591::{
    CALLBACK, JSON, REGISTER, agent, ask, code, decide, open, own, path, redeem, refusal, refused_after_login,
    register, registered, scope, stored, text,
};
use crate::support::authorization_server::{Answer, NOW, OTHER_TENANT, TestServer, part};
use crate::support::browser::Browser;
use crate::support::world::WEB;

async fn itself(server: &TestServer, method: &str, client: &Value, token: &str, body: Option<Value>) -> Answer {
    let call = server.request(method, &path(client)).header("Authorization", &format!("Bearer {token}"));
    match body {
        Some(body) => call.header("Content-Type", JSON).body(body.to_string()).send().await,
        None => call.send().await,
    }
}

// RFC 7592 2.1, 2.2, 2.3, 3
#[tokio::test]
async fn a_client_reads_changes_and_ends_its_registration() {
    let server = open().await;
    server.add_other_tenant().await;
    let client = registered(&server, agent()).await;
    let token = text(&client, "registration_access_token").to_owned();
    let read = itself(&server, "GET", &client, &token, None).await;
    assert_eq!((read.status, read.json()), (StatusCode::OK, client.clone()));
    // Somebody else's token, another tenant, an application that an administrator made: one answer.
    let other = registered(&server, agent()).await;
    let strange = text(&other, "registration_access_token").to_owned();
    for (path, token) in [
        (path(&client), strange.as_str()),
        (path(&client), "x"),
        (format!("/{OTHER_TENANT}{}", path(&client)), token.as_str()),
        (format!("{REGISTER}/{WEB}"), token.as_str()),
        (format!("{REGISTER}/{}", Uuid::nil()), token.as_str()),
        (format!("{REGISTER}/nonsense"), token.as_str()),
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let call = server.request(method, &path).header("Authorization", &format!("Bearer {token}"));
            let answer = call.header("Content-Type", JSON).body(agent().to_string()).send().await;
            assert_eq!(refusal(&answer), (401, "invalid_token".to_owned()), "{method} {path}");
        }
    }
    // What is not said again is gone; what is not its own is refused.
    let renamed = json!({
        "client_id": client["client_id"],
        "client_name": "Agent 2",
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "none",
    });
    let answer = itself(&server, "PUT", &client, &token, Some(renamed.clone())).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let changed = answer.json();
    assert_eq!((&changed["client_name"], &changed["client_id"]), (&json!("Agent 2"), &client["client_id"]));
    assert_eq!(changed["grant_types"], json!(["authorization_code"]));
    assert_eq!(changed["registration_access_token"], token);
    for (member, value, error) in [
        ("client_id", json!("another"), "invalid_request"),
        ("client_secret", json!("guess"), "invalid_request"),
        ("token_endpoint_auth_method", json!("client_secret_post"), "invalid_client_metadata"),
        ("redirect_uris", json!([]), "invalid_redirect_uri"),
    ] {
        let mut wrong = renamed.clone();
        wrong[member] = value;
        let answer = itself(&server, "PUT", &client, &token, Some(wrong)).await;
        assert_eq!(refusal(&answer), (400, error.to_owned()), "{member}");
    }
    // Its tokens end with it.
    let access_token = redeem(&server, &client, &code(&server, &client, "openid").await).await.access_token();
    let userinfo =
        |token: String| server.get("/oauth2/userinfo").header("Authorization", &format!("Bearer {token}")).send();
    assert_eq!(userinfo(access_token.clone()).await.status, StatusCode::OK);
    let gone = itself(&server, "DELETE", &client, &token, None).await;
    assert_eq!((gone.status, gone.body.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(userinfo(access_token).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(itself(&server, "GET", &client, &token, None).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(Browser::new(&server).open(&ask(&client, "openid")).await.status, StatusCode::BAD_REQUEST);
}

// What the tenant says today counts for those that are there already.
#[tokio::test]
async fn what_a_tenant_takes_back_is_taken_from_all() {
    let server = open().await;
    let client = registered(&server, agent()).await;
    let asked = ask(&client, "openid orders:read");
    let opens = async || Browser::new(&server).open(&asked).await;
    assert!(opens().await.has("loginId"));
    decide(&server, |registration| registration.as_mut().unwrap().scopes.clear()).await;
    assert_eq!(refused_after_login(&server, &asked).await, "invalid_scope");
    decide(&server, |registration| registration.as_mut().unwrap().scopes = vec![scope("orders:read")]).await;
    assert!(opens().await.has("loginId"));
    decide(&server, |registration| registration.as_mut().unwrap().redirect_hosts = vec!["Known.example".to_owned()])
        .await;
    assert_eq!(opens().await.status, StatusCode::BAD_REQUEST, "there is nowhere to send the browser");
    assert_eq!(refusal(&register(&server, agent()).await), (400, "invalid_redirect_uri".to_owned()));
    for uri in
        ["https://known.example/cb", "https://known.EXAMPLE:8443/cb", "http://127.0.0.1:7777/cb", "com.example.x:/"]
    {
        registered(&server, json!({ "redirect_uris": [uri] })).await;
    }
    for uri in [
        "https://known.example.evil.example/cb",
        "https://known.example@evil.example/",
        "https://evil.example/known.example",
    ] {
        let answer = register(&server, json!({ "redirect_uris": [uri] })).await;
        assert_eq!(refusal(&answer), (400, "invalid_redirect_uri".to_owned()), "{uri}");
    }
    // When nobody may register any more, those that did keep what every client may ask for.
    decide(&server, |registration| *registration = None).await;
    assert_eq!(refused_after_login(&server, &asked).await, "invalid_scope");
    assert!(Browser::new(&server).open(&ask(&client, "openid")).await.has("loginId"));
    let token = text(&client, "registration_access_token");
    let put = itself(&server, "PUT", &client, token, Some(agent())).await;
    assert_eq!(refusal(&put), (403, "access_denied".to_owned()));
    assert_eq!(itself(&server, "DELETE", &client, token, None).await.status, StatusCode::NO_CONTENT);
}

// What administrators gave or took is not undone by the client.
#[tokio::test]
async fn what_administrators_decided_stays() {
    let server = open().await;
    let client = registered(&server, agent()).await;
    let before = stored(&server, &client).await.unwrap();
    let mut after = before.clone();
    after.settings.scopes = vec![scope("orders:all")];
    after.settings.requires_registration = true;
    server.directory.update_application(&before, after).await.unwrap();
    let token = text(&client, "registration_access_token");
    let changed = itself(&server, "PUT", &client, token, Some(agent())).await;
    assert_eq!(changed.status, StatusCode::OK);
    let settings = stored(&server, &client).await.unwrap().settings;
    assert!(settings.requires_registration);
    assert_eq!(settings.scopes, [scope("orders:all")]);
    assert!(Browser::new(&server).open(&ask(&client, "openid orders:all orders:read")).await.has("loginId"));
}

// Of a first login and the end of the wait, one wins, and whoever has a token has a client.
#[tokio::test]
async fn a_client_is_forgotten_or_used_and_never_both() {
    for round in 0..10 {
        let server = open().await;
        let client = registered(&server, agent()).await;
        let code = code(&server, &client, "openid").await;
        let mut after = stored(&server, &client).await.unwrap();
        let before = after.clone();
        after.settings.self_registered.as_mut().unwrap().unused_until = Some(NOW);
        assert!(server.store.update_application(&before, &after).await.unwrap());
        let forget = async {
            if round % 2 == 0 {
                tokio::task::yield_now().await;
            }
            server.directory.forget_unused_clients().await.unwrap()
        };
        let (tokens, forgotten) = tokio::join!(redeem(&server, &client, &code), forget);
        let is_there = stored(&server, &client).await.is_some();
        assert_eq!(
            (tokens.status == StatusCode::OK, forgotten),
            (is_there, usize::from(!is_there)),
            "{}",
            tokens.text()
        );
        if is_there {
            assert_eq!(part(&tokens.access_token(), 1)["client_id"], client["client_id"]);
            assert_eq!(own(&server, &client).await.unused_until, None);
        }
    }
}
