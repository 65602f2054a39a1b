//! Logging in through the API, where an application shows the form itself.

use http::Method;
use serde_json::json;
use uuid::Uuid;

use super::Caller;
use super::people::{ANN, BOB, PASSWORD, People, claims, done, text};

// D-14, F-142, E2: the token is one of ours, for the application, and good at once
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_brings_tokens_that_are_good() {
    let people = People::start().await;
    for login_id in ["ann", "ANN@example.com"] {
        let answer = done(people.log_in(login_id, PASSWORD).await);
        assert_eq!((&answer.body["user"]["id"], answer.media_type.as_deref()), (&json!(ANN), Some("application/json")));
        assert!(answer.body["user"].get("password").is_none());
        let token = text(&answer.body, "token");
        let claims = claims(&token);
        assert_eq!((&claims["sub"], &claims["aud"]), (&json!(ANN), &json!(people.shop)), "{claims}");
        assert_eq!((&claims["roles"], &claims["applicationId"]), (&json!(["reader"]), &json!(people.shop)));
        assert_eq!((&claims["authenticationType"], &claims["amr"]), (&json!("PASSWORD"), &json!(["pwd"])));
        assert_eq!(claims.get("scope"), None, "nobody asked for any");
        assert_eq!(answer.body["tokenExpirationInstant"], claims["exp"].as_i64().unwrap() * 1000);
        assert_eq!(people.status_of("/readers/x", &token).await, 200);
        let id = text(&answer.body, "refreshTokenId");
        let listed = people.root().get(&format!("/api/jwt/refresh/{id}")).await;
        assert_eq!(listed.body["refreshToken"]["userId"], ANN, "{listed:?}");
    }
    let login = json!({
        "loginId": "ann", "password": PASSWORD, "applicationId": people.shop, "noJWT": true, "unknown": { "x": [] },
    });
    let silent = done(people.root().post("/api/login", login).await);
    assert_eq!((silent.body.get("token"), silent.body.get("refreshToken")), (None, None));
    let nowhere = done(people.root().post("/api/login", json!({ "loginId": "ann", "password": PASSWORD })).await);
    assert_eq!((&nowhere.body["user"]["id"], nowhere.body.get("token")), (&json!(ANN), None), "for nobody");
}

// F-011: refresh tokens are the application's choice, and the device's name goes with them
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_application_decides_about_refresh_tokens() {
    let people = People::start().await;
    let without = people.application("kiosk", json!({ "loginConfiguration": {} })).await;
    let shown = people.root().get(&format!("/api/application/{without}")).await;
    let expected = json!({ "allowTokenRefresh": false, "generateRefreshTokens": false, "requireAuthentication": true });
    assert_eq!(shown.body["application"]["loginConfiguration"], expected);
    people.register(ANN, &without).await;
    let login = json!({ "loginId": "ann", "password": PASSWORD, "applicationId": without });
    let answer = done(people.root().post("/api/login", login).await);
    assert_eq!((answer.body["token"].is_string(), answer.body.get("refreshToken")), (true, None));
    let login = json!({
        "loginId": "ann", "password": PASSWORD, "applicationId": people.shop,
        "metaData": { "device": { "name": "Ann's \u{7}phone" } },
    });
    let id = text(&done(people.root().post("/api/login", login).await).body, "refreshTokenId");
    let found = people.root().get(&format!("/api/jwt/refresh/{id}")).await;
    assert_eq!(found.body["refreshToken"]["metaData"]["device"]["name"], "Ann's phone");
}

// L9: nobody learns whether the name or the password was wrong
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_names_and_wrong_passwords_look_the_same() {
    let people = People::start().await;
    let wrong = people.log_in("ann", "not her password at all").await;
    let unknown = people.log_in("nobody", "not her password at all").await;
    for answer in [&wrong, &unknown] {
        assert_eq!((answer.status, &answer.media_type, &answer.body), (404, &None, &json!(null)), "{answer:?}");
    }
}

// L8, RFC 6585 4: the password of the right person waits with the guesses from the same place, and nowhere else
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_are_throttled_by_the_address_that_the_caller_tells() {
    let people = People::start().await;
    let login = |password: &str, address: &str| json!({ "loginId": "ann", "password": password, "applicationId": people.shop, "ipAddress": address });
    let root = people.root();
    for _ in 0..5 {
        assert_eq!(root.post("/api/login", login("wrong wrong wrong", "192.0.2.1")).await.status, 404);
    }
    let throttled = root.post("/api/login", login(PASSWORD, "192.0.2.1")).await;
    assert_eq!((throttled.status, throttled.body), (429, json!(null)));
    assert_eq!(root.post("/api/login", login(PASSWORD, "192.0.2.2")).await.status, 200);
    assert_eq!(people.log_in("ann", PASSWORD).await.status, 200, "from where the caller is itself");
}

// F-114: locked and expired are said to nobody who does not know the password
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_log_in_is_told_why_with_the_right_password_only() {
    let people = People::start().await;
    let root = people.root();
    done(root.delete(&format!("/api/user/{ANN}")).await);
    assert_eq!(people.log_in("ann", "not her password at all").await.status, 404);
    let locked = people.log_in("ann", PASSWORD).await;
    assert_eq!((locked.status, locked.body), (423, json!(null)));
    let ping = format!("/api/login/{ANN}/{}", people.shop);
    assert_eq!(root.send(Method::PUT, &ping, None).await.status, 423);
    done(root.put(&format!("/api/user/{ANN}?reactivate=true"), json!({})).await);
    done(root.patch(&format!("/api/user/{ANN}"), json!({ "user": { "expiry": 1000 } })).await);
    let expired = people.log_in("ann", PASSWORD).await;
    assert_eq!((expired.status, expired.body), (410, json!(null)));
}

// F-034, F-200: without a registration there are no roles, and no token where one is required
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_registered_is_told_apart() {
    let people = People::start().await;
    let answer = people.log_in("bob", PASSWORD).await;
    assert_eq!((answer.status, &answer.body["user"]["id"]), (202, &json!(BOB)), "{answer:?}");
    let claims = claims(&text(&answer.body, "token"));
    assert_eq!((claims.get("roles"), claims.get("applicationId")), (None, None), "{claims}");
    let strict = people.application("club", json!({ "oauthConfiguration": { "requireRegistration": true } })).await;
    let login = json!({ "loginId": "bob", "password": PASSWORD, "applicationId": strict });
    let answer = people.root().post("/api/login", login).await;
    assert_eq!((answer.status, answer.body.get("token"), answer.body.get("refreshToken")), (202, None, None));
}

// F-055: what is answered opens the choice of a new password
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_is_due_is_asked_for() {
    let people = People::start().await;
    let due = json!({ "user": { "passwordChangeRequired": true } });
    done(people.root().patch(&format!("/api/user/{ANN}"), due).await);
    let answer = people.log_in("ann", PASSWORD).await;
    assert_eq!((answer.status, &answer.body["changePasswordReason"]), (203, &json!("Administrative")), "{answer:?}");
    assert_eq!((answer.body.get("token"), answer.body.get("user")), (None, None));
    let path = format!("/api/user/change-password/{}", text(&answer.body, "changePasswordId"));
    // L16: the same one is no new one.
    let same = people.stranger().post(&path, json!({ "password": PASSWORD })).await;
    assert_eq!((same.status, same.codes()), (400, vec!["[previouslyUsed]user.password"]));
    done(people.stranger().post(&path, json!({ "password": "what Ann chose herself" })).await);
    assert_eq!(people.log_in("ann", "what Ann chose herself").await.status, 200);
}

// D-10: every wrong member by its name; no key, no login; another tenant's application does not exist
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_logins_are_named() {
    let people = People::start().await;
    let root = people.root();
    let wrong = json!({ "password": 7, "applicationId": "x", "ipAddress": "here", "noJWT": "yes" });
    let answer = root.post("/api/login", wrong).await;
    let codes =
        ["[blank]loginId", "[invalid]password", "[invalid]applicationId", "[invalid]ipAddress", "[invalid]noJWT"];
    assert_eq!((answer.status, answer.codes()), (400, codes.to_vec()), "{answer:?}");
    let elsewhere = json!({ "loginId": "ann", "password": PASSWORD, "applicationId": Uuid::nil() });
    assert_eq!(root.post("/api/login", elsewhere).await.codes(), ["[invalid]applicationId"]);
    assert_eq!(root.post("/api/login", json!([])).await.status, 400);
    let login = json!({ "loginId": "ann", "password": PASSWORD, "applicationId": people.shop });
    assert_eq!(people.stranger().post("/api/login", login.clone()).await.status, 401);
    let made = done(root.post("/api/tenant", json!({ "tenant": { "name": "other" } })).await);
    let other = text(&made.body["tenant"], "id");
    let foreign = Caller::root(&people.gateway).of_tenant(&other);
    assert_eq!(foreign.post("/api/login", login).await.codes(), ["[invalid]applicationId"]);
}

// F-048: `loginIdTypes` says what a login id may be, as it does for GET /api/user
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_id_is_of_the_types_that_are_named() {
    let people = People::start().await;
    let root = people.root();
    people.enroll(BOB).await;
    let login =
        |login_id: &str, types: &[&str]| json!({ "loginId": login_id, "password": PASSWORD, "loginIdTypes": types });
    for (login_id, types, status) in [
        ("ann", &["username"][..], 200),
        ("ANN@example.com", &["email"], 200),
        ("ann", &["email", "username"], 200),
        ("ann", &["email"], 404),
        ("ann@example.com", &["username"], 404),
        ("ann", &["phoneNumber"], 404),
    ] {
        assert_eq!(root.post("/api/login", login(login_id, types)).await.status, status, "{login_id} {types:?}");
    }
    for (types, status) in [(&["username"][..], 200), (&["email"], 404)] {
        let start = json!({ "loginId": "bob", "loginIdTypes": types });
        assert_eq!(root.post("/api/two-factor/start", start).await.status, status, "{types:?}");
    }
    let wrong = json!({ "loginId": "ann", "password": PASSWORD, "loginIdTypes": "email" });
    assert_eq!(root.post("/api/login", wrong).await.codes(), ["[invalid]loginIdTypes"]);
}

// an application says that somebody is there again: the same answer without tokens
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_user_is_noted_by_path_and_by_body() {
    let people = People::start().await;
    let root = people.root();
    let path = format!("/api/login/{ANN}/{}?ipAddress=192.0.2.1", people.shop);
    let noted = done(root.send(Method::PUT, &path, None).await);
    assert_eq!((&noted.body["user"]["id"], noted.body.get("token")), (&json!(ANN), None));
    let by_body = |user: &str| json!({ "userId": user, "applicationId": people.shop, "ipAddress": "192.0.2.1" });
    assert_eq!(done(root.put("/api/login", by_body(ANN)).await).body, noted.body);
    let unregistered = root.put("/api/login", by_body(BOB)).await;
    assert_eq!((unregistered.status, &unregistered.body["user"]["id"]), (202, &json!(BOB)), "{unregistered:?}");
    assert_eq!(
        done(root.put("/api/login", json!({ "userId": BOB })).await).body,
        unregistered.body,
        "of no application"
    );
    let nowhere = json!({ "userId": ANN, "applicationId": Uuid::nil() });
    assert_eq!(root.put("/api/login", nowhere).await.status, 404);
    assert_eq!(root.put("/api/login", by_body(&Uuid::nil().to_string())).await.status, 404);
    assert_eq!(root.put("/api/login", json!({})).await.codes(), ["[missing]userId"]);
    assert_eq!(people.stranger().send(Method::PUT, &path, None).await.status, 401);
}

// D-10: a key for logins is for nothing else, and a tenant's key for nobody else's users
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_may_be_for_logins_alone() {
    let people = People::start().await;
    let root = people.root();
    let made = done(root.post("/api/tenant", json!({ "tenant": { "name": "other" } })).await);
    let other = text(&made.body["tenant"], "id");
    let key = |tenant: serde_json::Value| {
        let rights = json!({ "endpoints": { "/api/login": ["POST"] } });
        root.post("/api/api-key", json!({ "apiKey": { "permissions": rights, "tenantId": tenant } }))
    };
    let (own, foreign) = (done(key(json!(null)).await), done(key(json!(other)).await));
    let own = Caller::with_key(&people.gateway, &text(&own.body["apiKey"], "key"));
    let foreign = Caller::with_key(&people.gateway, &text(&foreign.body["apiKey"], "key"));
    let login = json!({ "loginId": "ann", "password": PASSWORD, "applicationId": people.shop });
    done(own.post("/api/login", login.clone()).await);
    let noted = json!({ "userId": ANN, "applicationId": people.shop });
    assert_eq!(own.put("/api/login", noted.clone()).await.status, 401, "not by PUT");
    assert_eq!(own.post("/api/two-factor/start", noted).await.status, 401);
    assert_eq!(own.post("/api/jwt/vend", json!({})).await.status, 401);
    assert_eq!(own.get(&format!("/api/user/{ANN}")).await.status, 401);
    assert_eq!(foreign.post("/api/login", login).await.codes(), ["[invalid]applicationId"]);
    let nowhere = json!({ "loginId": "ann", "password": PASSWORD });
    assert_eq!(foreign.post("/api/login", nowhere).await.status, 404, "there is no Ann in that tenant");
}
