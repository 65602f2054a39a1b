//! OpenID Connect Core 1.0, as far as the authorization endpoint goes: response types and modes, prompts, ages and hints.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use faregate::model::{ClientSecret, UnknownScopes};
use faregate::store::Store as _;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::authorization_server::{PUBLIC_URL, TENANT, TestServer, encode, part};
use crate::support::browser::{Browser, Shown};
use crate::support::log::Log;
use crate::support::world::{
    ADA, ADA_EMAIL, BOB, BOB_EMAIL, CHALLENGE, PASSWORD, VERIFIER, WEB, WEB_SECRET, WEB_URI, ask, ask_as, world,
    world_with,
};

fn as_web(more: &str) -> String {
    ask_as(WEB, WEB_URI, more)
}

fn left_half(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(&digest::digest(&digest::SHA256, text.as_bytes()).as_ref()[..16])
}

async fn approval(server: &TestServer, shown: &Shown) -> faregate::model::Approval {
    let code = shown.get("code").unwrap_or_else(|| panic!("no code: {:?} {}", shown.location, shown.text()));
    server.store.find_authorization_code(&ClientSecret::hash(&code)).await.unwrap().unwrap().approval
}

// Core 3.1.2.5, 3.2.2.5, 3.3.2.5; Multiple Response Types 3, 5
#[tokio::test]
async fn each_response_type_brings_what_it_names() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    browser.sign_in(&ask(""), ADA_EMAIL, PASSWORD).await;
    for (response_type, code, token, id_token) in [
        ("code", true, false, false),
        ("id_token", false, false, true),
        ("token", false, true, false),
        ("id_token token", false, true, true),
        ("code id_token", true, false, true),
        ("code token", true, true, false),
        ("token code id_token", true, true, true),
    ] {
        for mode in ["", "&response_mode=fragment", "&response_mode=form_post"] {
            let url = as_web(&format!("&response_type={}&scope=openid&nonce=n&state=s{mode}", encode(response_type)));
            let shown = browser.open(&url).await;
            let response = shown.response();
            let has = |name: &str| response.contains_key(name);
            assert_eq!((has("code"), has("access_token"), has("id_token")), (code, token, id_token), "{url}");
            assert_eq!((has("token_type"), has("expires_in")), (token, token), "{url}");
            assert_eq!(response["state"], "s");
            match (mode, response_type) {
                ("&response_mode=form_post", _) => {
                    assert_eq!((shown.status, shown.action()), (StatusCode::OK, WEB_URI.to_owned()))
                }
                ("", "code") => assert!(shown.location.unwrap().starts_with(&format!("{WEB_URI}?"))),
                (_, _) => assert!(shown.location.unwrap().starts_with(&format!("{WEB_URI}#"))),
            }
            if !id_token {
                continue;
            }
            let claims = part(&response["id_token"], 1);
            assert_eq!(claims["nonce"], "n");
            assert_eq!((&claims["iss"], &claims["sub"]), (&json!(PUBLIC_URL), &json!(ADA.to_string())));
            assert_eq!(claims["aud"], json!(WEB.to_string()));
            // Core 3.2.2.10, 3.3.2.11
            let expected =
                |present: bool, name: &str| if present { json!(left_half(&response[name])) } else { Value::Null };
            assert_eq!(claims["at_hash"], expected(token, "access_token"), "{url}");
            assert_eq!(claims["c_hash"], expected(code, "code"), "{url}");
        }
    }
}

// Core 3.2.2.1
#[tokio::test]
async fn an_id_token_from_the_browser_needs_nonce_and_openid() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    browser.sign_in(&ask(""), ADA_EMAIL, PASSWORD).await;
    let rows = [
        ("&response_type=id_token&scope=openid", "invalid_request"),
        ("&response_type=code+id_token&scope=openid", "invalid_request"),
        ("&response_type=id_token&nonce=n", "invalid_scope"),
    ];
    for (more, error) in rows {
        assert_eq!(browser.open(&as_web(more)).await.refusal().0, error, "{more}");
    }
    // Core 3.1.2.1: with a code it is optional.
    assert!(browser.open(&ask("&scope=openid")).await.get("code").is_some());
}

// Core 3.1.2.1 and 3.1.2.6, D-03
#[tokio::test]
async fn prompt_none_asks_nobody() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    assert_eq!(browser.open(&ask("&prompt=none&scope=openid")).await.refusal().0, "login_required");
    browser.sign_in(&ask(""), ADA_EMAIL, PASSWORD).await;
    let shown = browser.open(&ask("&prompt=none&scope=openid")).await;
    assert!(shown.get("code").is_some());
    assert_eq!(approval(&server, &shown).await.authentication_type.as_str(), "JWT_SSO");
}

// Core 3.1.2.1, D-03: `login` and `max_age=0` want a login for this request; it comes with a new `auth_time`.
#[tokio::test]
async fn prompt_login_asks_again() {
    for more in ["&prompt=login", "&max_age=0", "&prompt=login&prompt_extra=1"] {
        let server = world().await;
        let mut browser = Browser::new(&server);
        let first = browser.sign_in(&ask(""), ADA_EMAIL, PASSWORD).await;
        let first = approval(&server, &first).await;
        let before = browser.copy();
        server.clock.advance(100);
        let page = browser.open(&ask(more)).await;
        assert!(page.has("password"), "{more}");
        let shown = browser.submit(&page, &[("loginId", ADA_EMAIL), ("password", PASSWORD)]).await;
        let second = approval(&server, &shown).await;
        assert_eq!(second.authenticated_at - first.authenticated_at, 100);
        // Back-Channel Logout 2.1: what clients call the session stays, and K6: what the browser presents does not.
        assert_eq!(second.session_id, first.session_id);
        assert!(before.copy().open(&ask("&prompt=none")).await.get("error").is_some());
        assert!(browser.open(&ask(more)).await.has("password"), "the next one asks again");
    }
}

// Core 3.1.2.1
#[tokio::test]
async fn max_age_counts_from_the_login() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    browser.sign_in(&ask(""), ADA_EMAIL, PASSWORD).await;
    server.clock.advance(99);
    assert!(browser.open(&ask("&max_age=100")).await.get("code").is_some());
    server.clock.advance(1);
    assert!(browser.open(&ask("&max_age=100")).await.has("password"));
    assert_eq!(browser.open(&ask("&max_age=100&prompt=none")).await.refusal().0, "login_required");
    assert!(browser.open(&ask("&max_age=10000")).await.get("code").is_some());
}

// Core 3.1.2.1, 3.1.2.2, 5.5.1: the client names the user that it will have.
#[tokio::test]
async fn a_hint_names_the_user() {
    let server = world().await;
    let mut ada = Browser::new(&server);
    let shown = ada.sign_in(&as_web("&response_type=id_token&scope=openid&nonce=n"), ADA_EMAIL, PASSWORD).await;
    let hint = shown.get("id_token").unwrap();
    // It may be old.
    server.clock.advance(80_000);
    let mut ada = Browser::new(&server);
    ada.sign_in(&ask(""), ADA_EMAIL, PASSWORD).await;
    let mut bob = Browser::new(&server);
    bob.sign_in(&ask(""), BOB_EMAIL, PASSWORD).await;
    let by_claims = encode(&json!({ "id_token": { "sub": { "value": ADA } } }).to_string());
    for named in [format!("&id_token_hint={hint}"), format!("&claims={by_claims}")] {
        assert!(ada.open(&ask(&format!("{named}&prompt=none"))).await.get("code").is_some(), "{named}");
        assert_eq!(bob.open(&ask(&format!("{named}&prompt=none"))).await.refusal().0, "login_required");
        // Asked, Bob still is not Ada.
        let page = bob.open(&ask(&named)).await;
        assert!(page.has("password") && page.text().contains(ADA_EMAIL));
        let shown = bob.submit(&page, &[("loginId", BOB_EMAIL), ("password", PASSWORD)]).await;
        assert_eq!(shown.refusal().0, "login_required");
    }
    let contradiction = encode(&json!({ "id_token": { "sub": { "value": BOB } } }).to_string());
    let shown = ada.open(&ask(&format!("&id_token_hint={hint}&claims={contradiction}"))).await;
    assert_eq!(shown.refusal().0, "login_required");
    // E3: an access token, or a token of another client, is no hint.
    let token = ada.open(&as_web("&response_type=token")).await.get("access_token").unwrap();
    assert_eq!(ada.open(&ask(&format!("&id_token_hint={token}"))).await.refusal().1, "invalid_id_token_hint");
    let forged = format!("{}x", &hint[..hint.len() - 1]);
    assert_eq!(ada.open(&ask(&format!("&id_token_hint={forged}"))).await.refusal().1, "invalid_id_token_hint");
    let other = ask_as(crate::support::world::THIRD, crate::support::world::THIRD_URI, "&response_type=code");
    let page = ada.open(&format!("{other}&id_token_hint={hint}")).await;
    let shown = ada.submit(&page, &[("decision", "leave")]).await; // A13
    assert_eq!(shown.refusal().1, "invalid_id_token_hint");
}

// Core 3.1.2.1
#[tokio::test]
async fn a_login_hint_fills_the_page() {
    let server = world().await;
    let page = Browser::new(&server).open(&ask("&login_hint=grace%40example.com%22%3E")).await;
    assert!(page.text().contains("value=\"grace@example.com&#34;&#62;\""), "{}", page.text());
}

// Core 5.5, 3.1.2.1
#[tokio::test]
async fn claims_and_nonce_are_kept_for_the_tokens() {
    let server = world().await;
    let claims = json!({ "userinfo": { "email": null }, "id_token": { "auth_time": { "essential": true } } });
    let url = ask(&format!("&scope=openid&nonce=n-0S6_WzA2Mj&claims={}", encode(&claims.to_string())));
    let shown = Browser::new(&server).sign_in(&url, ADA_EMAIL, PASSWORD).await;
    let approval = approval(&server, &shown).await;
    assert_eq!((approval.claims, approval.nonce.as_deref()), (Some(claims), Some("n-0S6_WzA2Mj")));
    assert_eq!((approval.user_id, approval.application_id), (ADA, WEB));
    assert_eq!(approval.acr.as_deref(), Some("1"));
}

// Core 5.5.1.1: a class that is essential is reached, or nobody was authenticated
#[tokio::test]
async fn an_essential_class_is_reached_or_the_login_fails() {
    let server = world().await;
    for (acr, is_met) in [
        (json!({ "essential": true, "values": ["2"] }), false),
        (json!({ "essential": true, "value": "urn:example:gold" }), false),
        (json!({ "essential": true, "values": ["2", "1"] }), true),
        (json!({ "essential": true }), true),
        (json!({ "values": ["2"] }), true),
        (json!(null), true),
    ] {
        let claims = json!({ "id_token": { "acr": acr } });
        let url = ask(&format!("&scope=openid&claims={}", encode(&claims.to_string())));
        let shown = Browser::new(&server).sign_in(&url, ADA_EMAIL, PASSWORD).await;
        match is_met {
            true => assert!(shown.get("code").is_some(), "{claims}"),
            false => assert_eq!(shown.refusal().0, "unmet_authentication_requirements", "{claims}"),
        }
    }
    // Somebody who has more to show is asked for it.
    let user = server.directory.find_user(TENANT, ADA_EMAIL).await.unwrap().unwrap();
    let mut browser = Browser::new(&server);
    assert!(browser.sign_in(&ask(""), ADA_EMAIL, PASSWORD).await.get("code").is_some());
    server.directory.enroll_totp(user.id).await.unwrap();
    let claims = json!({ "id_token": { "acr": { "essential": true, "values": ["2"] } } });
    let url = ask(&format!("&scope=openid&claims={}", encode(&claims.to_string())));
    assert!(browser.open(&url).await.has("password"));
    assert_eq!(browser.open(&format!("{url}&prompt=none")).await.refusal().0, "login_required");
}

// RFC 6749 4.2.2, 3.3: who gets something else than it asked for is told; of nothing valid nothing is left
#[tokio::test]
async fn a_token_through_the_browser_says_its_scope_if_that_is_another() {
    let log = Log::start();
    let server = world_with(|_| {}, |_, settings| settings.unknown_scopes = UnknownScopes::Remove).await;
    let mut browser = Browser::new(&server);
    for (asked, told) in [
        ("", None),
        ("&scope=email+orders%3Aread", None),
        ("&scope=email+bogus", Some("email")),
        ("&scope=email+offline_access", Some("email")),
    ] {
        let url = ask_as(WEB, WEB_URI, &format!("&response_type=token{asked}"));
        let shown = browser.sign_in(&url, ADA_EMAIL, PASSWORD).await;
        assert!(shown.get("access_token").is_some(), "{asked}");
        assert_eq!(shown.get("scope").as_deref(), told, "{asked}");
    }
    assert_eq!(log.told("token.issued").len(), 4, "O1");
    let nothing = browser.open(&ask_as(WEB, WEB_URI, "&response_type=token&scope=bogus")).await;
    assert_eq!(nothing.refusal().0, "invalid_scope");
}

// Core 3.1.2.1: GET and POST are the same request.
#[tokio::test]
async fn a_request_may_be_posted() {
    let server = world().await;
    let mut browser =
        Browser::new(&server).with("Origin", "https://web.example.com").with("Sec-Fetch-Site", "cross-site");
    let body = format!("client_id={WEB}&redirect_uri={}&response_type=code&scope=openid&state=s", encode(WEB_URI));
    let page = browser.post("/oauth2/authorize", &body).await;
    // SameSite=Lax: what a session is worth is found out by GET.
    assert!(page.has("password") && page.url.contains("state=s"), "{}", page.url);
    browser.fields.truncate(1);
    let shown = browser.submit(&page, &[("loginId", ADA_EMAIL), ("password", PASSWORD)]).await;
    assert_eq!((shown.get("state").as_deref(), shown.get("code").is_some()), (Some("s"), true));
    // With a session the answer comes at once, by GET (A5).
    let shown = browser.post("/oauth2/authorize", &body).await;
    assert_eq!((shown.status, shown.get("code").is_some()), (StatusCode::SEE_OTHER, true));
    // A10: what is said in the query may not be said again in the body.
    let page = browser.post("/oauth2/authorize?state=t", &body).await;
    assert_eq!((page.status, page.location), (StatusCode::BAD_REQUEST, None));
}

// Core 3.1.3, 3.3.3: what the browser brought, the client exchanges; and the two ID tokens of a hybrid answer agree.
#[tokio::test]
async fn the_code_becomes_tokens() {
    let server = world().await;
    let pkce = format!("&code_challenge={CHALLENGE}&code_challenge_method=S256");
    let mut browser = Browser::new(&server);
    for response_type in ["code", "code+id_token", "code+token", "code+id_token+token"] {
        let url = as_web(&format!("&response_type={response_type}&scope=openid&nonce=n{pkce}"));
        let shown = browser.sign_in(&url, ADA_EMAIL, PASSWORD).await;
        server.clock.advance(5);
        let body = format!(
            "grant_type=authorization_code&code={}&redirect_uri={}&code_verifier={VERIFIER}",
            shown.get("code").unwrap(),
            encode(WEB_URI)
        );
        let answer = server.post("/oauth2/token").basic(&WEB.to_string(), WEB_SECRET).body(body).send().await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let claims = part(answer.json()["id_token"].as_str().unwrap(), 1);
        assert_eq!((&claims["nonce"], &claims["sub"]), (&json!("n"), &json!(ADA.to_string())));
        if let Some(first) = shown.get("id_token").map(|token| part(&token, 1)) {
            for name in ["iss", "sub", "aud", "auth_time", "sid", "acr"] {
                assert_eq!(claims[name], first[name], "{name}");
            }
        }
        let access_token = part(answer.json()["access_token"].as_str().unwrap(), 1);
        assert_eq!((&access_token["sid"], &access_token["auth_time"]), (&claims["sid"], &claims["auth_time"]));
    }
}

// Form Post Response Mode 2; K1
#[tokio::test]
async fn a_form_post_says_everything_in_a_form() {
    let server = world().await;
    let state = "a\"b<c>&d'";
    let url = ask(&format!("&response_mode=form_post&state={}", encode(state)));
    let shown = Browser::new(&server).sign_in(&url, ADA_EMAIL, PASSWORD).await;
    assert_eq!((shown.status, shown.action()), (StatusCode::OK, WEB_URI.to_owned()));
    assert_eq!(shown.get("state").as_deref(), Some(state));
    let policy = shown.answer.header("content-security-policy").unwrap();
    assert!(policy.contains("form-action http: https:;") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(shown.answer.header("cache-control"), Some("no-store"));
    // Errors too.
    let shown = Browser::new(&server).open(&ask("&response_mode=form_post&prompt=none")).await;
    assert_eq!(shown.get("error").as_deref(), Some("login_required"));
}

// K6: a session ends after an hour of silence, and after a day in any case.
#[tokio::test]
async fn sessions_end_by_the_clock() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    browser.sign_in(&ask(""), ADA_EMAIL, PASSWORD).await;
    for _ in 0..24 {
        server.clock.advance(3599);
        assert!(browser.open(&ask("")).await.get("code").is_some());
    }
    server.clock.advance(24);
    assert!(browser.open(&ask("")).await.has("password"), "86400 seconds after the login");

    let mut browser = Browser::new(&server);
    browser.sign_in(&ask(""), ADA_EMAIL, PASSWORD).await;
    server.clock.advance(3600);
    assert!(browser.open(&ask("")).await.has("password"));
}

// K6, D-18
#[tokio::test]
async fn who_does_not_want_to_be_remembered_is_not() {
    let server = crate::support::world::world_with(|tenant| tenant.settings.always_remember = false, |_, _| {}).await;
    let mut browser = Browser::new(&server);
    let page = browser.open(&ask("")).await;
    assert!(page.text().contains("rememberDevice"));
    let shown = browser.submit(&page, &[("loginId", ADA_EMAIL), ("password", PASSWORD)]).await;
    assert_eq!(approval(&server, &shown).await.session_id, None);
    let page = browser.open(&ask("")).await;
    let filled = [("loginId", ADA_EMAIL), ("password", PASSWORD), ("rememberDevice", "true")];
    let shown = browser.submit(&page, &filled).await;
    assert!(approval(&server, &shown).await.session_id.is_some());
    assert!(browser.open(&ask("")).await.get("code").is_some());
}
