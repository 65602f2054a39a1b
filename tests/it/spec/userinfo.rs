//! OpenID Connect Core 5.3 and RFC 6750: UserInfo.

use faregate::jose::{KeySet, verify};
use faregate::model::Profile;
use faregate::store::Store as _;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::authorization_server::{
    Answer, FORM, NOW, OTHER_TENANT, PUBLIC_URL, TENANT, TestServer, encode, part, speaking,
};
use crate::support::people::{ADA, COMPATIBLE, WEB, id_of, redemption};

async fn ask(server: &TestServer, token: &str) -> Answer {
    server.get("/oauth2/userinfo").header("Authorization", &format!("Bearer {token}")).send().await
}

// OpenID Connect Core 5.3.2, 5.4; F-145, F-148, F-149, B10
#[tokio::test]
async fn scopes_decide_what_is_told() {
    let server = TestServer::with_people().await;
    let rows = [
        ("openid", json!({ "sub": ADA })),
        ("openid email", json!({ "email": "ada@example.com", "email_verified": true, "sub": ADA })),
        ("openid phone", json!({ "phone_number": "+441234567", "phone_number_verified": false, "sub": ADA })),
        ("openid address", json!({ "sub": ADA })),
        (
            "openid profile",
            json!({
                "family_name": "Lovelace", "given_name": "Ada", "name": "Ada Lovelace", "preferred_username": "ada",
                "sub": ADA, "updated_at": 1,
            }),
        ),
    ];
    for (scope, expected) in rows {
        let token = server.tokens(WEB, scope).await.access_token();
        let answer = ask(&server, &token).await;
        assert_eq!((answer.status, answer.json()), (StatusCode::OK, expected), "{scope}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    // 5.5: what the request itself asked for.
    let asked = json!({ "userinfo": { "given_name": { "essential": true }, "made_up": null } });
    let code = server.code_with(WEB, "openid", |code| code.approval.claims = Some(asked)).await;
    let token = server.ask(WEB, &redemption(&code)).await.access_token();
    assert_eq!(ask(&server, &token).await.json(), json!({ "given_name": "Ada", "sub": ADA }));
    // D-02, F-148: FusionAuth's way tells everything, with or without openid.
    let token = server.tokens(COMPATIBLE, "").await.access_token();
    let body = ask(&server, &token).await.json();
    assert_eq!((&body["applicationId"], &body["roles"]), (&json!(id_of(COMPATIBLE)), &json!(["admin", "user"])));
    assert_eq!((&body["email"], &body["name"]), (&json!("ada@example.com"), &json!("Ada Lovelace")));
}

// RFC 6750 2, 3, 3.1; F-146, F-147, F-150, OpenID Connect Core 5.3.1, 5.3.3
#[tokio::test]
async fn the_token_is_in_the_header_or_the_form() {
    let server = TestServer::with_people().await;
    let token = server.tokens(WEB, "openid").await.access_token();
    let bearer = format!("Bearer {token}");
    let post = || server.request("POST", "/oauth2/userinfo");
    let good = [
        post().header("Authorization", &bearer).send().await,
        post().header("Authorization", &bearer).header("Content-Type", FORM).send().await,
        post().header("Content-Type", FORM).body(format!("access_token={token}")).send().await,
        server.get("/oauth2/userinfo").header("authorization", &bearer.replace("Bearer", "bearer")).send().await,
        server.get(&format!("/{TENANT}/oauth2/userinfo")).header("Authorization", &bearer).send().await,
    ];
    for answer in good {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    }
    let get = |value: &str| server.get("/oauth2/userinfo").header("Authorization", value).send();
    let realm = r#"Bearer realm="userinfo""#;
    // Nothing to be wrong about: a challenge without an error.
    let none = server.get("/oauth2/userinfo").send().await;
    assert_eq!((none.status.as_u16(), none.header("www-authenticate")), (401, Some(realm)));
    let in_query = server.get(&format!("/oauth2/userinfo?access_token={token}")).send().await;
    assert_eq!((in_query.status.as_u16(), in_query.header("www-authenticate")), (401, Some(realm)), "F12");
    for wrong in ["Bearer", "Bearer ", "Basic YTpi", "Bearer x", "Bearer x.y.z"] {
        let answer = get(wrong).await;
        assert_eq!(answer.verdict().1, "invalid_token", "{wrong}");
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.starts_with(realm) && challenge.contains(r#"error="invalid_token""#), "{challenge}");
    }
    let twice = post().header("Authorization", &bearer).header("Content-Type", FORM);
    let twice = twice.body(format!("access_token={token}")).send().await;
    assert_eq!((twice.status.as_u16(), twice.verdict().1.as_str()), (400, "invalid_request"));
    let id_token = server.tokens(WEB, "openid").await.json()["id_token"].as_str().unwrap().to_owned();
    assert_eq!(get(&format!("Bearer {id_token}")).await.status, StatusCode::UNAUTHORIZED, "E3");
    server.clock.advance(3600);
    let expired = get(&bearer).await;
    assert_eq!(expired.verdict(), (401, "invalid_token".to_owned(), "access_token_expired".to_owned()));
}

// F-149, RFC 6750 3.1
#[tokio::test]
async fn without_openid_there_is_no_userinfo() {
    let server = TestServer::with_people().await;
    let answer = ask(&server, &server.tokens(WEB, "email").await.access_token()).await;
    assert_eq!((answer.status.as_u16(), answer.verdict().1.as_str()), (403, "insufficient_scope"));
    assert!(answer.header("www-authenticate").unwrap().contains(r#"scope="openid""#));
    let entity = server.token("target-entity:email").await.access_token();
    assert_eq!(ask(&server, &entity).await.status, StatusCode::FORBIDDEN);
}

// The tenant of the path must be the token's.
#[tokio::test]
async fn a_token_is_good_in_its_tenant() {
    let server = TestServer::with_people().await;
    server.add_other_tenant().await;
    let token = server.tokens(WEB, "openid").await.access_token();
    let call = server.get(&format!("/{OTHER_TENANT}/oauth2/userinfo"));
    assert_eq!(call.header("Authorization", &format!("Bearer {token}")).send().await.status, StatusCode::UNAUTHORIZED);
}

// F-035, D-01: mappings, and names that they cannot take.
#[tokio::test]
async fn claims_can_be_mapped() {
    let server = TestServer::with_people().await;
    let mapping = [
        ("favoriteColor", "user.data.color.favorite"),
        ("desk", "registration.data.desk"),
        ("groups", "registration.roles"),
        ("login", "user.username"),
        // The directory refuses these two; an older program may not have.
        ("sub", "user.username"),
        ("email", "user.username"),
        ("nothing", "user.data.made.up"),
        ("secret", "user.password_hash"),
    ];
    let mapping: Vec<_> = mapping.iter().map(|(name, path)| ((*name).to_owned(), (*path).to_owned())).collect();
    let before = server.store.find_application(id_of(WEB)).await.unwrap().unwrap();
    let mut after = before.clone();
    after.settings.userinfo_claims = mapping;
    assert!(server.store.update_application(&before, &after).await.unwrap());
    let body = ask(&server, &server.tokens(WEB, "openid").await.access_token()).await.json();
    assert_eq!(
        body,
        json!({ "desk": 7, "favoriteColor": "mauve", "groups": ["admin", "user"], "login": "ada", "sub": ADA })
    );
}

// OpenID Connect Core 5.3.2: signed when the client registered for it.
#[tokio::test]
async fn answers_are_signed_when_asked_for() {
    let server = TestServer::with_people().await;
    server.change(WEB, |settings| settings.userinfo_algorithm = Some("ES256".to_owned())).await;
    let answer = ask(&server, &server.tokens(WEB, "openid email").await.access_token()).await;
    assert_eq!(answer.header("content-type"), Some("application/jwt"));
    let token = answer.text();
    let claims = part(&token, 1);
    assert_eq!((&claims["iss"], &claims["aud"], &claims["sub"]), (&json!(PUBLIC_URL), &json!(WEB), &json!(ADA)));
    assert_eq!(claims["email"], "ada@example.com");
    let keys = server.get("/.well-known/jwks.json").send().await.text();
    let keys = KeySet::parse(&keys).unwrap();
    assert!(keys.find(part(&token, 0)["kid"].as_str().unwrap()).is_some());
    // E3: it opens no door.
    let issuer = server.keys.find_issuer(PUBLIC_URL).unwrap();
    assert!(verify(&token, &issuer.expectations, &issuer.access_token_keys, NOW).is_err());
    assert_eq!(ask(&server, &token).await.status, StatusCode::UNAUTHORIZED);
}

// I8: revoked, locked, gone.
#[tokio::test]
async fn a_token_that_is_over_says_nothing() {
    let server = TestServer::with_people_and(speaking(Profile::FusionAuth)).await;
    let token = server.tokens(WEB, "openid").await.access_token();
    let other = server.tokens(WEB, "openid").await.access_token();
    let secret = encode(crate::support::people::SECRET);
    let body = format!("client_id={WEB}&client_secret={secret}&token={token}");
    assert_eq!(server.post("/oauth2/revoke").body(body).send().await.status, StatusCode::OK);
    assert_eq!(ask(&server, &token).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&server, &other).await.status, StatusCode::OK);
    server.directory.delete_user(ADA).await.unwrap();
    let answer = ask(&server, &other).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_ne!(answer.json(), Value::Null);
}
