//! RFC 6749 4.3: passwords at the token endpoint.

use faregate::directory::{DirectoryError, Enrollment};
use faregate::model::{ClientSecret, PasswordChange, Profile, UnknownScopes};
use faregate::secret::Secret;
use faregate::store::Store as _;
use http::StatusCode;
use serde_json::json;

use crate::support::authorization_server::{Answer, NOW, TestServer, encode, speaking};
use crate::support::people::{ADA, ADA_EMAIL, BOB, COMPATIBLE, PASSWORD, PKCE, SECRET, WEB, members, redemption};

fn assert_refused(answer: &Answer, expected: (u16, &str, &str)) {
    let (status, error, reason) = answer.verdict();
    assert_eq!((status, &*error, &*reason), expected, "{}", answer.text());
}

fn form(login_id: &str) -> String {
    format!("grant_type=password&username={}&password=Setec+Astronomy", encode(login_id))
}

const WRONG: (u16, &str, &str) = (400, "invalid_grant", "invalid_user_credentials");

// F-105, F-106, F-109, F-111, F-087, D12
#[tokio::test]
async fn a_password_gives_tokens() {
    let server = TestServer::with_people().await;
    for login_id in [ADA_EMAIL, "ADA@example.com", "ada"] {
        let answer = server.ask(WEB, &form(login_id)).await;
        assert_eq!(answer.status, StatusCode::OK, "{login_id}: {}", answer.text());
        assert_eq!(members(&answer.json()), ["access_token", "expires_in", "token_type", "userId"]);
        let claims = answer.claims();
        assert_eq!((&claims["sub"], &claims["authenticationType"]), (&json!(ADA), &json!("PASSWORD")));
        assert_eq!((&claims["amr"], &claims["auth_time"], &claims["acr"]), (&json!(["pwd"]), &json!(NOW), &json!("1")));
    }
    let legacy = form("ada").replace("username", "loginId");
    assert_eq!(server.ask(WEB, &legacy).await.status, StatusCode::OK);
    let both = format!("{}&loginId=nobody", form("ada"));
    assert_eq!(server.ask(WEB, &both).await.status, StatusCode::OK, "D12: username wins");
    let answer = server.ask(WEB, &format!("{}&scope=openid+offline_access", form("ada"))).await;
    assert!(answer.json()["id_token"].is_string());
    assert_eq!(server.refresh(WEB, &answer.refresh_token()).await.status, StatusCode::OK);
}

// F-030, F-108, F-110, RFC 6749 5.2
#[tokio::test]
async fn what_is_wrong_is_said_without_telling_who_exists() {
    let server = TestServer::with_people().await;
    let rows = [
        ("grant_type=password&username=ada&password=wrong", WRONG),
        ("grant_type=password&username=nobody&password=wrong", WRONG),
        // Without a password nobody logs in with one.
        ("grant_type=password&username=bob&password=wrong", WRONG),
        // The very body of FusionAuth's documentation: `%pi` is no escape.
        ("grant_type=password&loginId=bishop%piedpiper.com&password=Setec+Astronomy", WRONG),
        ("grant_type=password&username=ada", (400, "invalid_request", "invalid_user_credentials")),
        ("grant_type=password&password=x", (400, "invalid_request", "invalid_user_credentials")),
    ];
    for (body, expected) in rows {
        assert_refused(&server.ask(WEB, body).await, expected);
    }
    let unknown = server.ask(WEB, "grant_type=password&username=nobody&password=x").await;
    let wrong = server.ask(WEB, "grant_type=password&username=ada&password=x").await;
    assert_eq!(unknown.body, wrong.body, "L9");
    // F-007, D7
    let answer = server.ask_openly(PKCE, &form("ada")).await;
    assert_refused(&answer, (401, "invalid_client", "client_authentication_missing"));
}

// F-036, D10, D-02
#[tokio::test]
async fn scopes_are_as_the_application_says() {
    let server = TestServer::with_people().await;
    let bogus = format!("{}&scope=openid+bogus", form("ada"));
    assert_refused(&server.ask(WEB, &bogus).await, (400, "invalid_scope", "unknown_scope"));
    server.change(WEB, |settings| settings.unknown_scopes = UnknownScopes::Remove).await;
    assert_eq!(server.ask(WEB, &bogus).await.json()["scope"], "openid");
}

// F-034, F-200: whoever is registered nowhere gets a token without roles.
#[tokio::test]
async fn an_unregistered_user_may_still_log_in() {
    let server = TestServer::with_people().await;
    let hash = server.store.find_user(ADA).await.unwrap().unwrap().password_hash;
    server.change_user(BOB, |bob| bob.password_hash = hash).await;
    server.change(WEB, |settings| settings.requires_registration = true).await;
    let claims = server.ask(WEB, &form("bob")).await.claims();
    assert!(claims.get("roles").is_none() && claims.get("applicationId").is_none());
}

// F-113, F-114, F-055
#[tokio::test]
async fn users_who_may_not_log_in_are_told_why_after_the_password() {
    let server = TestServer::with_people().await;
    server.change_user(ADA, |ada| ada.locked_at = Some(NOW)).await;
    assert_refused(&server.ask(WEB, &form("ada")).await, (400, "invalid_grant", "user_locked"));
    let guess = server.ask(WEB, "grant_type=password&username=ada&password=x").await;
    assert_refused(&guess, WRONG);
    server.change_user(ADA, |ada| (ada.locked_at, ada.expires_at) = (None, Some(NOW))).await;
    assert_refused(&server.ask(WEB, &form("ada")).await, (400, "invalid_grant", "user_expired"));
    server.change_user(ADA, |ada| (ada.expires_at, ada.password_change) = (None, Some(PasswordChange::Breached))).await;
    let answer = server.ask(WEB, &form("ada")).await;
    assert_refused(&answer, (400, "change_password_required", "change_password_breached"));
}

// F-055, F-113, L15: what opens the choice of a new password, once, for minutes.
#[tokio::test]
async fn a_new_password_can_be_chosen_with_an_id() {
    let server = TestServer::with_people().await;
    let due = |user: &mut faregate::model::User| user.password_change = Some(PasswordChange::Administrative);
    server.change_user(ADA, due).await;
    let ask = async || server.ask(WEB, &form("ada")).await.json()["change_password_id"].as_str().map(str::to_owned);
    let change = async |id: &str, password: &str| {
        let password = Secret::new(password.to_owned());
        server.server.change_password_with_id(id, &password).await
    };
    let unknown = |result: Result<(), DirectoryError>| matches!(result, Err(DirectoryError::NotFound(_)));
    let id = ask().await.unwrap();
    let good = "velvet anchor summit";
    let tampered = format!("{}AAAA{}", &id[..20], &id[24..]);
    for wrong in ["", "x", &tampered, &id[..40], &id[4..]] {
        assert!(unknown(change(wrong, good).await), "{wrong}");
    }
    // L1, L4: a password that may not be chosen uses up nothing.
    let weak = change(&id, "short").await;
    assert!(matches!(weak, Err(DirectoryError::Invalid(_))), "{weak:?}");
    // Locked meanwhile.
    server.change_user(ADA, |ada| ada.locked_at = Some(NOW)).await;
    assert!(unknown(change(&id, good).await));
    server.change_user(ADA, |ada| ada.locked_at = None).await;
    // Too late.
    server.clock.advance(600);
    assert!(unknown(change(&id, good).await));
    let (id, other) = (ask().await.unwrap(), ask().await.unwrap());
    server.clock.advance(599);
    assert_eq!(server.server.user_of_change_password_id(&id).await.unwrap().map(|user| user.id), Some(ADA));
    let (first, second) = tokio::join!(change(&id, good), change(&other, "harbour lantern mitten"));
    assert_eq!([first.is_ok(), second.is_ok()].iter().filter(|&&done| done).count(), 1, "{first:?} {second:?}");
    assert!(unknown(change(&id, good).await) && unknown(change(&other, good).await));
    assert!(server.server.user_of_change_password_id(&id).await.unwrap().is_none());
    let chosen = if first.is_ok() { good } else { "harbour lantern mitten" };
    let answer = server.ask(WEB, &format!("grant_type=password&username=ada&password={}", encode(chosen))).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_refused(&server.ask(WEB, &form("ada")).await, WRONG);
}

// L13: the second factor comes first.
#[tokio::test]
async fn a_password_alone_opens_no_change_of_it() {
    let server = TestServer::with_people().await;
    let Enrollment { recovery_codes, .. } = server.directory.enroll_totp(ADA).await.unwrap();
    server.directory.require_password_change(ADA, PasswordChange::Expired).await.unwrap();
    let waiting = server.ask(WEB, &form("ada")).await;
    assert_eq!((waiting.verdict().1.as_str(), waiting.json().get("change_password_id")), ("two_factor_required", None));
    let both = format!("{}&two_factor_code={}", form("ada"), recovery_codes[0].expose());
    let answer = server.ask(WEB, &both).await;
    assert_refused(&answer, (400, "change_password_required", "change_password_expired"));
    assert!(answer.json()["change_password_id"].is_string());
}

// F-113, L11, L13: the second factor, in the same request or in the next one.
#[tokio::test]
async fn a_second_factor_is_asked_for() {
    let server = TestServer::with_people().await;
    let Enrollment { recovery_codes, .. } = server.directory.enroll_totp(ADA).await.unwrap();
    let answer = server.ask(WEB, &form("ada")).await;
    assert_refused(&answer, (400, "two_factor_required", "multi_factor_challenge_required"));
    let body = answer.json();
    assert_eq!(body["two_factor_methods"], json!([{ "method": "authenticator" }]));
    let id = body["two_factor_id"].as_str().unwrap().to_owned();

    let with = |code: &str| format!("grant_type=password&two_factor_id={id}&two_factor_code={code}&scope=openid");
    assert_refused(&server.ask(WEB, &with("000000")).await, WRONG);
    // Another client, another id, no code.
    let code = recovery_codes[0].expose();
    assert_refused(&server.ask(COMPATIBLE, &with(code)).await, WRONG);
    let tampered = with(code).replace(&id[..4], "AAAA");
    assert_refused(&server.ask(WEB, &tampered).await, WRONG);
    let answer = server.ask(WEB, &format!("grant_type=password&two_factor_id={id}")).await;
    assert_eq!(answer.verdict().1, "two_factor_required");
    let answer = server.ask(WEB, &with(code)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    assert_eq!((&answer.claims()["amr"], &answer.claims()["acr"]), (&json!(["pwd", "otp", "mfa"]), &json!("2")));
    assert_refused(&server.ask(WEB, &with(code)).await, WRONG);
    // At once.
    let at_once = format!("{}&two_factor_code={}", form("ada"), recovery_codes[1].expose());
    assert_eq!(server.ask(WEB, &at_once).await.status, StatusCode::OK);
    // For minutes only.
    server.clock.advance(300);
    assert_refused(&server.ask(WEB, &with(recovery_codes[2].expose())).await, WRONG);
}

// A9, L8, N7
#[tokio::test]
async fn guessing_is_throttled_like_a_login() {
    let server = TestServer::with_people().await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.push(server.ask(WEB, "grant_type=password&username=ada&password=x").await);
    }
    let last = statuses.pop().unwrap();
    assert_eq!(last.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(last.header("retry-after").unwrap().parse::<i64>().unwrap() > 0);
}

// F-049, F-107, D11
#[tokio::test]
async fn the_first_dialect_wants_to_know_the_device() {
    let server = TestServer::with_people_and(speaking(Profile::FusionAuthLegacy)).await;
    let offline = format!("{}&scope=offline_access", form("ada"));
    assert!(server.ask(WEB, &offline).await.json().get("refresh_token").is_none());
    let answer = server.ask(WEB, &format!("{offline}&device=phone")).await;
    assert_eq!(answer.refresh_token().len(), 54);
    let listed = server.store.list_refresh_tokens(ADA, NOW).await.unwrap();
    assert_eq!(listed[0].device_name.as_deref(), Some("phone"));
}

// O2: what was typed is in no answer.
#[tokio::test]
async fn answers_do_not_repeat_what_was_typed() {
    let server = TestServer::with_people().await;
    let answer = server.ask(WEB, "grant_type=password&username=ada&password=hunter2-marked").await;
    assert!(!answer.text().contains("hunter2") && !answer.text().contains(PASSWORD));
}

/// A television of `web` that waits, and its user code.
async fn waiting_device(server: &TestServer) -> (String, String) {
    let answer = server.post("/oauth2/device_authorize");
    let body = format!("client_id={WEB}&client_secret={}&scope=offline_access", encode(SECRET));
    let body = answer.body(body).send().await.json();
    let text = |name: &str| body[name].as_str().unwrap_or_else(|| panic!("{body}")).to_owned();
    (text("device_code"), text("user_code"))
}

async fn poll(server: &TestServer, device_code: &str) -> Answer {
    server.clock.advance(5);
    let grant_type = encode("urn:ietf:params:oauth:grant-type:device_code");
    server.ask(WEB, &format!("grant_type={grant_type}&device_code={device_code}")).await
}

// F-112, F-165, D17: a grant that succeeds with a user code approves the device at once.
#[tokio::test]
async fn a_user_code_lets_a_device_in() {
    let server = TestServer::with_people().await;
    let (device_code, user_code) = waiting_device(&server).await;
    assert_refused(
        &server.ask(WEB, &format!("{}&user_code=X", form("ada"))).await,
        (400, "invalid_request", "invalid_user_code"),
    );
    let wrong = format!("grant_type=password&username=ada&password=x&user_code={user_code}");
    assert_refused(&server.ask(WEB, &wrong).await, WRONG);
    assert_eq!(poll(&server, &device_code).await.verdict().1, "authorization_pending");
    let own = server.ask(WEB, &format!("{}&user_code={user_code}&scope=openid", form("ada"))).await;
    assert_eq!(own.status, StatusCode::OK, "{}", own.text());
    let device = poll(&server, &device_code).await;
    // The device has what it asked for, not what the other client did, and a family of its own.
    assert_eq!((device.json()["scope"].as_str(), device.refresh_token().len()), (Some("offline_access"), 54));
    assert_ne!(device.claims()["gid"], own.claims()["gid"]);
    assert_refused(&poll(&server, &device_code).await, (400, "invalid_grant", "invalid_device_code"));
    // The same with a refresh token.
    let (device_code, user_code) = waiting_device(&server).await;
    let refresh = format!("grant_type=refresh_token&refresh_token={}&user_code={user_code}", device.refresh_token());
    assert_eq!(server.ask(WEB, &refresh).await.status, StatusCode::OK);
    assert_eq!(poll(&server, &device_code).await.status, StatusCode::OK);
    assert_refused(&server.ask(WEB, &refresh).await, (400, "invalid_request", "invalid_user_code"));
}

// F-163: a login in the browser approves the device when its code is exchanged, and not before.
#[tokio::test]
async fn the_exchange_of_a_code_lets_a_device_in() {
    let server = TestServer::with_people().await;
    let (device_code, _) = waiting_device(&server).await;
    let stored = server.store.find_device_code(&ClientSecret::hash(&device_code)).await.unwrap().unwrap();
    let code = server.code_with(WEB, "offline_access", |code| code.device_code_id = Some(stored.id)).await;
    assert_eq!(poll(&server, &device_code).await.verdict().1, "authorization_pending");
    assert_eq!(server.ask(WEB, &redemption(&code)).await.status, StatusCode::OK);
    assert_eq!(poll(&server, &device_code).await.status, StatusCode::OK);
}
