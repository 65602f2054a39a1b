//! RFC 6749 4.1.3 and RFC 7636 4.6: authorization codes are redeemed once, by their client, as they were asked for.

use std::sync::Arc;

use faregate::model::{Obstacle, Profile, Revocation, Revoked};
use faregate::store::Store as _;
use http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use crate::support::authorization_server::{Answer, NOW, PUBLIC_URL, TENANT, TestServer, encode, part, speaking};
use crate::support::database::Database;
use crate::support::people::{
    ADA, BOB, CALLBACK, CHALLENGE, COMPATIBLE, OPTIONAL, PASSWORD, PKCE, PLAIN, SPA, VERIFIER, WEB, id_of, members,
    redemption,
};

fn verdict(answer: &Answer) -> (u16, String, String) {
    if answer.status == StatusCode::OK { (200, String::new(), String::new()) } else { answer.verdict() }
}

fn expected(verdict: (u16, &str, &str)) -> (u16, String, String) {
    (verdict.0, verdict.1.to_owned(), verdict.2.to_owned())
}

/// Status, `error` and `error_reason`.
type Verdict = (u16, &'static str, &'static str);

const OK: Verdict = (200, "", "");

// F-050, F-087 to F-094, F-101, F-102, RFC 6749 5.1
#[tokio::test]
async fn a_code_gives_every_token_that_was_asked_for() {
    let server = TestServer::with_people().await;
    let answer = server.tokens(WEB, "openid offline_access email").await;
    let body = answer.json();
    assert_eq!(
        members(&body),
        [
            "access_token",
            "expires_in",
            "id_token",
            "refresh_token",
            "refresh_token_id",
            "scope",
            "token_type",
            "userId"
        ]
    );
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(3600)));
    assert_eq!((&body["scope"], &body["userId"]), (&json!("openid offline_access email"), &json!(ADA)));
    let refresh_token = answer.refresh_token();
    assert!(
        refresh_token.len() == 54 && refresh_token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));

    // F-091, F-092: nothing that was not asked for.
    let body = server.tokens(WEB, "email").await.json();
    assert_eq!(members(&body), ["access_token", "expires_in", "scope", "token_type", "userId"]);
    let body = server.tokens(WEB, "").await.json();
    assert_eq!(members(&body), ["access_token", "expires_in", "token_type", "userId"]);
    // F-011
    server.change(WEB, |settings| settings.generates_refresh_tokens = false).await;
    assert!(server.tokens(WEB, "offline_access").await.json().get("refresh_token").is_none());
}

// RFC 9068 2.2, F-090, F-103, F-142, F-200, F-206, F-209, E2
#[tokio::test]
async fn access_tokens_say_who_and_how() {
    let server = TestServer::with_people().await;
    let session = Uuid::from_u128(5);
    let code = server.code_with(WEB, "openid todo", |code| code.approval.session_id = Some(session)).await;
    let answer = server.ask(WEB, &redemption(&code)).await;
    let claims = answer.claims();
    let expected = json!({
        "acr": "1",
        "amr": ["pwd"],
        "applicationId": id_of(WEB),
        "aud": WEB,
        "auth_time": NOW - 60,
        "authenticationType": "PASSWORD",
        "client_id": WEB,
        "exp": NOW + 3600,
        "gid": claims["gid"],
        "iat": NOW,
        "iss": PUBLIC_URL,
        "jti": claims["jti"],
        "roles": ["admin", "user"],
        "scope": "openid todo",
        "sid": session,
        "sub": ADA,
        "tid": TENANT,
    });
    assert_eq!(claims, expected);
    assert!(members(&claims).is_sorted());
    assert_eq!(answer.token_header()["typ"], "at+jwt");
    assert!(answer.token_header()["kid"].is_string());
    // F-200: nobody has roles where they are not registered.
    let claims = server.tokens(PLAIN, "openid").await.claims();
    assert!(claims.get("roles").is_none() && claims.get("applicationId").is_none());
    // D-02, F-201
    let claims = server.tokens(COMPATIBLE, "").await.claims();
    assert_eq!((&claims["email"], &claims["email_verified"]), (&json!("ada@example.com"), &json!(true)));
    assert_eq!(claims["preferred_username"], "ada");
}

// An application may have its own life of access tokens.
#[tokio::test]
async fn applications_shorten_their_tokens() {
    let server = TestServer::with_people().await;
    server.change(WEB, |settings| settings.access_token_for = Some(120)).await;
    let answer = server.tokens(WEB, "openid").await;
    assert_eq!(answer.json()["expires_in"], 120);
    assert_eq!(answer.claims()["exp"], NOW + 120);
}

// RFC 6749 4.1.3, 5.2; F-010, F-060, F-100; B3, B4
#[tokio::test]
async fn a_code_is_bound_to_how_it_was_asked_for() {
    let server = TestServer::with_people().await;
    let uri = encode(CALLBACK);
    let other_uri = encode("https://app.example/callback?x=2");
    let grant = "grant_type=authorization_code";
    let rows: [(&str, &str, bool, String, Verdict); 15] = [
        ("good", WEB, false, format!("redirect_uri={uri}"), OK),
        ("good, with its verifier", WEB, true, format!("redirect_uri={uri}&code_verifier={VERIFIER}"), OK),
        ("no redirect_uri", WEB, false, String::new(), (400, "invalid_request", "missing_redirect_uri")),
        (
            "another one",
            WEB,
            false,
            format!("redirect_uri={other_uri}"),
            (400, "invalid_grant", "invalid_redirect_uri"),
        ),
        (
            "encoded twice",
            WEB,
            false,
            format!("redirect_uri={}", encode(&uri)),
            (400, "invalid_grant", "invalid_redirect_uri"),
        ),
        ("no verifier", WEB, true, format!("redirect_uri={uri}"), (400, "invalid_grant", "missing_code_verifier")),
        (
            "another verifier",
            WEB,
            true,
            format!("redirect_uri={uri}&code_verifier={}", "a".repeat(43)),
            (400, "invalid_grant", "invalid_pkce_code_verifier"),
        ),
        (
            "the challenge itself",
            WEB,
            true,
            format!("redirect_uri={uri}&code_verifier={CHALLENGE}"),
            (400, "invalid_grant", "invalid_pkce_code_verifier"),
        ),
        (
            "a verifier for a code without challenge",
            WEB,
            false,
            format!("redirect_uri={uri}&code_verifier={VERIFIER}"),
            (400, "invalid_grant", "invalid_pkce_code_verifier"),
        ),
        (
            "another client",
            COMPATIBLE,
            false,
            format!("redirect_uri={uri}"),
            (400, "invalid_grant", "client_id_mismatch"),
        ),
        (
            "a public client's",
            SPA,
            true,
            format!("redirect_uri={uri}&code_verifier={VERIFIER}"),
            (400, "invalid_grant", "client_id_mismatch"),
        ),
        ("no code", WEB, false, format!("redirect_uri={uri}&code="), (400, "invalid_request", "missing_code")),
        (
            "unknown code",
            WEB,
            false,
            format!("redirect_uri={uri}&code=x"),
            (400, "invalid_grant", "auth_code_not_found"),
        ),
        ("scope is not looked at", WEB, false, format!("redirect_uri={uri}&scope=everything"), OK),
        ("unknown parameters", WEB, false, format!("redirect_uri={uri}&extra=1"), OK),
    ];
    for (name, client_id, has_challenge, form, expect) in rows {
        let code = server
            .code_with(WEB, "openid", |code| code.code_challenge = has_challenge.then(|| CHALLENGE.to_owned()))
            .await;
        let code = if form.contains("code=") { String::new() } else { format!("&code={code}") };
        let answer = server.ask(client_id, &format!("{grant}&{form}{code}")).await;
        assert_eq!(verdict(&answer), expected(expect), "{name}: {}", answer.text());
    }
    // RFC 6749 4.1.3: none is needed if none was sent; FusionAuth always wants one.
    let without = async |server: &TestServer| server.code_with(WEB, "openid", |code| code.redirect_uri = None).await;
    let answer = server.ask(WEB, &format!("{grant}&code={}", without(&server).await)).await;
    assert_eq!(answer.status, StatusCode::OK);
    let answer = server.ask(WEB, &redemption(&without(&server).await)).await;
    assert_eq!(verdict(&answer), expected((400, "invalid_grant", "invalid_redirect_uri")));
    let server = TestServer::with_people_and(speaking(Profile::FusionAuth)).await;
    let answer = server.ask(WEB, &format!("{grant}&code={}", without(&server).await)).await;
    assert_eq!(verdict(&answer), expected((400, "invalid_request", "missing_redirect_uri")));
}

// F-059, B8
#[tokio::test]
async fn a_code_expires() {
    let server = TestServer::with_people().await;
    let (first, second) = (server.code(WEB, "openid").await, server.code(WEB, "openid").await);
    server.clock.advance(29);
    assert_eq!(server.ask(WEB, &redemption(&first)).await.status, StatusCode::OK);
    server.clock.advance(1);
    let answer = server.ask(WEB, &redemption(&second)).await;
    assert_eq!(verdict(&answer), expected((400, "invalid_grant", "auth_code_not_found")));
}

// F-059, RFC 6749 4.1.2, B5, B6: the second redemption is refused and ends what the first one gave.
#[tokio::test]
async fn a_replay_revokes_what_the_code_gave() {
    let server = TestServer::with_people().await;
    let code = server.code(WEB, "openid offline_access").await;
    let first = server.ask(WEB, &redemption(&code)).await;
    let other = server.tokens(WEB, "openid offline_access").await;
    let replay = server.ask(WEB, &redemption(&code)).await;
    assert_eq!(verdict(&replay), expected((400, "invalid_grant", "auth_code_not_found")));
    assert_eq!((first.reuse, replay.reuse), (None, Some("authorization_code")));
    let answer = server.refresh(WEB, &first.refresh_token()).await;
    assert_eq!(verdict(&answer), expected((400, "invalid_grant", "refresh_token_not_found")));
    let userinfo =
        |token: String| server.get("/oauth2/userinfo").header("Authorization", &format!("Bearer {token}")).send();
    assert_eq!(userinfo(first.access_token()).await.status, StatusCode::UNAUTHORIZED);
    // Another grant of the same user and client goes on (C: a family per grant).
    assert_eq!(server.refresh(WEB, &other.refresh_token()).await.status, StatusCode::OK);
    assert_eq!(userinfo(other.access_token()).await.status, StatusCode::OK);
}

// B7: whoever has the code alone can neither use it nor end anything with it.
#[tokio::test]
async fn a_replay_that_proves_nothing_revokes_nothing() {
    let server = TestServer::with_people().await;
    let challenged = |code: &mut faregate::model::AuthorizationCode| code.code_challenge = Some(CHALLENGE.to_owned());
    let code = server.code_with(WEB, "openid offline_access", challenged).await;
    let good = format!("{}&code_verifier={VERIFIER}", redemption(&code));
    let tokens = server.ask(WEB, &good).await;
    assert_eq!(tokens.status, StatusCode::OK);
    let attempts = [
        server.ask(WEB, &redemption(&code)).await,
        server.ask(WEB, &format!("{}&code_verifier={}", redemption(&code), "b".repeat(43))).await,
        server.ask_openly(WEB, &good).await,
        server.ask_openly(WEB, &format!("{good}&client_secret=wrong")).await,
        server.ask(COMPATIBLE, &good).await,
    ];
    for answer in attempts {
        assert_ne!(answer.status, StatusCode::OK);
    }
    assert_eq!(server.refresh(WEB, &tokens.refresh_token()).await.status, StatusCode::OK);
}

// RFC 6749 5.2: whose grant was revoked before the redemption hears about the code, not about a token that never was.
#[tokio::test]
async fn a_code_of_a_revoked_grant_is_none() {
    let server = TestServer::with_people().await;
    let grant_id = Uuid::from_u128(77);
    let code = server.code_with(WEB, "openid offline_access", |code| code.approval.grant_id = grant_id).await;
    let revoked = Revoked::Grant(grant_id);
    server.revocations.add(&Revocation { revoked, revoked_at: NOW, expires_at: NOW + 1_000 });
    let answer = server.ask(WEB, &redemption(&code)).await;
    assert_eq!(verdict(&answer), expected((400, "invalid_grant", "auth_code_not_found")));
}

/// One hundred at once, at three nodes.
async fn one_redemption_succeeds(database: &Database) {
    let nodes = TestServer::nodes_with_people(database).await;
    let code = nodes[0].code(WEB, "openid offline_access").await;
    let redemptions: Vec<_> = (0..100)
        .map(|number| {
            let (node, form) = (Arc::clone(&nodes[number % nodes.len()]), redemption(&code));
            tokio::spawn(async move { node.ask(WEB, &form).await })
        })
        .collect();
    let mut succeeded = 0;
    for redemption in redemptions {
        let answer = redemption.await.unwrap();
        match answer.status {
            StatusCode::OK => succeeded += 1,
            _ => assert_eq!(verdict(&answer), expected((400, "invalid_grant", "auth_code_not_found"))),
        }
    }
    assert_eq!(succeeded, 1);
}

// B5
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_redemptions_at_once_one_succeeds_on_sqlite() {
    one_redemption_succeeds(&Database::sqlite()).await;
}

// B5
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_redemptions_at_once_one_succeeds_on_postgres() {
    if let Some(database) = Database::postgres().await {
        one_redemption_succeeds(&database).await;
    }
}

// F-004 to F-006, F-008, D7
#[tokio::test]
async fn the_policy_says_who_must_authenticate() {
    let server = TestServer::with_people().await;
    let missing = (401, "invalid_client", "client_authentication_missing");
    let wrong = (401, "invalid_client", "invalid_client_authentication");
    let rows = [
        (WEB, "", false, missing),
        (WEB, "", true, missing),
        (SPA, "", true, OK),
        (SPA, "", false, OK),
        (SPA, "&client_secret=x", true, wrong),
        (OPTIONAL, "", false, OK),
        (OPTIONAL, "&client_secret=x", false, wrong),
        (PKCE, "", true, OK),
        (PKCE, "", false, missing),
        (PKCE, "&client_secret=x", true, wrong),
        ("nobody", "", true, missing),
        ("nobody", "&client_secret=x", true, wrong),
    ];
    for (client_id, secret, uses_pkce, expect) in rows {
        let owner = if client_id == "nobody" { WEB } else { client_id };
        let challenge = uses_pkce.then(|| CHALLENGE.to_owned());
        let code = server.code_with(owner, "openid", |code| code.code_challenge = challenge).await;
        let verifier = if uses_pkce { format!("&code_verifier={VERIFIER}") } else { String::new() };
        let answer = server.ask_openly(client_id, &format!("{}{secret}{verifier}", redemption(&code))).await;
        assert_eq!(verdict(&answer), expected(expect), "{client_id} {secret} {uses_pkce}");
    }
    // F-006: a verifier of a code without challenge stands in for nothing.
    let code = server.code(PKCE, "openid").await;
    let answer = server.ask_openly(PKCE, &format!("{}&code_verifier={VERIFIER}", redemption(&code))).await;
    assert_eq!(verdict(&answer), expected((400, "invalid_grant", "invalid_pkce_code_verifier")));
}

// F-012, F-029, F-030, F-032, F-180, D10
#[tokio::test]
async fn a_client_uses_its_own_grants_only() {
    let server = TestServer::with_people().await;
    let disabled = (400, "unauthorized_client", "grant_type_disabled");
    for grant_type in ["password", "client_credentials", "urn:ietf:params:oauth:grant-type:device_code"] {
        let answer = server.ask(PLAIN, &format!("grant_type={grant_type}&username=a&password=b&device_code=c")).await;
        assert_eq!(verdict(&answer), expected(disabled), "{grant_type}");
    }
    let answer = server.ask_openly(WEB, "grant_type=foo").await;
    assert_eq!(verdict(&answer), expected((400, "unsupported_grant_type", "invalid_grant_type")));
    let answer = server.ask_openly(WEB, "x=1").await;
    assert_eq!(verdict(&answer), expected((400, "invalid_request", "missing_grant_type")));
    let tokens = server.tokens(PLAIN, "offline_access").await;
    server.change(PLAIN, |settings| settings.grants.clear()).await;
    let answer = server.refresh(PLAIN, &tokens.refresh_token()).await;
    assert_eq!(verdict(&answer), expected(disabled));
}

// F-114: whoever may not log in gets nothing for a code that was issued before.
#[tokio::test]
async fn a_user_who_is_kept_out_gets_nothing() {
    let server = TestServer::with_people().await;
    let code = server.code(WEB, "openid").await;
    server.change_user(ADA, |ada| ada.locked_at = Some(NOW)).await;
    let answer = server.ask(WEB, &redemption(&code)).await;
    assert_eq!(verdict(&answer), expected((400, "invalid_grant", "user_locked")));
    server.change_user(ADA, |ada| (ada.locked_at, ada.expires_at) = (None, Some(NOW))).await;
    let answer = server.ask(WEB, &redemption(&code)).await;
    assert_eq!(verdict(&answer), expected((400, "invalid_grant", "user_expired")));
    let ada = server.store.find_user(ADA).await.unwrap().unwrap();
    assert_eq!(ada.obstacle(NOW), Some(Obstacle::Expired));
    // Nothing was spent.
    server.change_user(ADA, |ada| ada.expires_at = None).await;
    assert_eq!(server.ask(WEB, &redemption(&code)).await.status, StatusCode::OK);
    let code = server.code_with(WEB, "openid", |code| code.approval.user_id = BOB).await;
    server.directory.delete_user(BOB).await.unwrap();
    assert_eq!(server.ask(WEB, &redemption(&code)).await.status, StatusCode::BAD_REQUEST);
}

// OpenID Connect Core 2, 3.1.3.3, 3.1.3.6, 5.4, 5.5; F-207, F-208, E10
#[tokio::test]
async fn id_tokens_say_what_was_asked_for() {
    let server = TestServer::with_people().await;
    let answer = server.tokens(WEB, "openid email profile").await;
    let body = answer.json();
    let id_token = body["id_token"].as_str().unwrap();
    let claims = part(id_token, 1);
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, answer.access_token().as_bytes());
    use base64::Engine as _;
    let at_hash = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]);
    assert_eq!(
        claims,
        json!({
            "acr": "1", "amr": ["pwd"], "at_hash": at_hash, "aud": WEB, "auth_time": NOW - 60, "azp": WEB,
            "exp": NOW + 3600, "iat": NOW, "iss": PUBLIC_URL, "nonce": "n-0S6_WzA2Mj", "sub": ADA,
        })
    );
    assert!(members(&claims).is_sorted());
    assert_eq!(part(id_token, 0)["typ"], "JWT");
    // 5.5: by the request itself.
    let asked = json!({ "id_token": { "email": null, "nickname": null }, "userinfo": { "phone_number": null } });
    let code = server.code_with(WEB, "openid", |code| code.approval.claims = Some(asked)).await;
    let answer = server.ask(WEB, &redemption(&code)).await;
    let claims = part(answer.json()["id_token"].as_str().unwrap(), 1);
    assert_eq!(
        (&claims["email"], claims.get("phone_number"), claims.get("nickname")),
        (&json!("ada@example.com"), None, None)
    );
    assert_eq!(answer.claims()["userinfo"], json!(["phone_number"]));
    // D-02
    let answer = server.tokens(COMPATIBLE, "openid").await;
    assert_eq!(part(answer.json()["id_token"].as_str().unwrap(), 1)["preferred_username"], "ada");
}

// What was acknowledged is not lost: a code is not spent on an answer that cannot be signed yet
#[tokio::test]
async fn a_code_outlives_the_time_until_the_first_keys_are_made() {
    let server = TestServer::start_before_its_keys(|_| {}).await;
    server.fill_people().await;
    let code = server.code(WEB, "openid").await;
    let early = server.ask(WEB, &redemption(&code)).await;
    assert_eq!(
        (early.status, early.verdict().1.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable")
    );
    // Nor is anything begun that nobody hears of.
    let login = format!("grant_type=password&username=ada&password={}&scope=openid+offline_access", encode(PASSWORD));
    assert_eq!(server.ask(WEB, &login).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(server.store.list_refresh_tokens(ADA, NOW).await.unwrap(), []);
    server.keys.provide().await.unwrap();
    assert_eq!(server.ask(WEB, &redemption(&code)).await.status, StatusCode::OK);
    assert_eq!(server.ask(WEB, &login).await.status, StatusCode::OK);
}
