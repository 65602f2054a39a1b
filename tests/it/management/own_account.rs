//! What people do with their own account, and passwords that are changed without a login that waits for it.

use serde_json::json;
use uuid::Uuid;

use super::Caller;
use super::people::{ANN, PASSWORD, People, code, done, text};
use crate::support::gateway::client;

const NEW: &str = "a password of her own choice";

fn bearer<'a>(people: &'a People, token: &str) -> Caller<'a> {
    Caller::with_key(&people.gateway, &format!("Bearer {token}"))
}

// D-13: by the access token in either place, like an administrator would see them
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_shows_its_user() {
    let people = People::start().await;
    let (token, _) = people.tokens_of_ann().await;
    let seen = people.root().get(&format!("/api/user/{ANN}")).await;
    assert_eq!(done(bearer(&people, &token).get("/api/user").await).body, seen.body);
    let cookie = format!("other=1; access_token={token}");
    let by_cookie = client().get(people.gateway.url("/api/user")).header("cookie", cookie).send().await.unwrap();
    assert_eq!(by_cookie.json::<serde_json::Value>().await.unwrap(), seen.body);
    for wrong in [format!("{token}x"), people.gateway.reader().await] {
        assert_eq!(bearer(&people, &wrong).get("/api/user").await.status, 401);
    }
    assert_eq!(people.stranger().get("/api/user").await.status, 401);
    // A third party knows what the scopes say, not everything.
    let third = people.application("third", json!({ "oauthConfiguration": { "relationship": "ThirdParty" } })).await;
    let login = json!({ "loginId": "ann", "password": PASSWORD, "applicationId": third });
    let foreign = text(&people.root().post("/api/login", login).await.body, "token");
    assert_eq!(people.status_of("/any/x", &foreign).await, 200);
    assert_eq!(bearer(&people, &foreign).get("/api/user").await.status, 401);
    assert_eq!(bearer(&people, &foreign).get("/api/user/change-password").await.status, 401);
    done(people.root().delete(&format!("/api/user/{ANN}")).await);
    assert_eq!(bearer(&people, &token).get("/api/user").await.status, 401);
}

// RFC 8707 3, E1: an API that was called with a token is not the person
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_for_an_api_opens_no_account() {
    let people = People::start().await;
    let token = people.token_for_api().await;
    let caller = bearer(&people, &token);
    let right = json!({ "currentPassword": PASSWORD, "password": NEW });
    for answer in [
        caller.get("/api/user").await,
        caller.get("/api/user/change-password").await,
        caller.post("/api/user/change-password", right).await,
    ] {
        assert_eq!((answer.status, answer.body), (401, json!(null)));
    }
    assert_eq!(people.log_in("ann", PASSWORD).await.status, 200, "the password is what it was");
}

// L15, C9: with the current password only, and everybody who knew the old one is out
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_and_the_current_password_change_it() {
    let people = People::start().await;
    let (token, refresh_token) = people.tokens_of_ann().await;
    let caller = bearer(&people, &token);
    done(caller.get("/api/user/change-password").await);
    for (body, code) in [
        (json!({ "password": NEW }), "[blank]currentPassword"),
        (json!({ "currentPassword": PASSWORD }), "[blank]password"),
        (json!({ "currentPassword": PASSWORD, "password": "short" }), "[tooShort]user.password"),
    ] {
        let answer = caller.post("/api/user/change-password", body).await;
        assert_eq!((answer.status, answer.codes()), (400, vec![code]), "{answer:?}");
    }
    let wrong = caller.post("/api/user/change-password", json!({ "currentPassword": "wrong", "password": NEW })).await;
    assert_eq!((wrong.status, wrong.body), (404, json!(null)));
    let right = json!({ "currentPassword": PASSWORD, "password": NEW });
    done(caller.post("/api/user/change-password", right.clone()).await);
    assert_eq!(caller.post("/api/user/change-password", right).await.status, 401, "the token ended");
    let old = people.stranger().post("/api/jwt/refresh", json!({ "refreshToken": refresh_token })).await;
    assert_eq!(old.status, 400);
    assert_eq!((people.log_in("ann", PASSWORD).await.status, people.log_in("ann", NEW).await.status), (404, 200));
}

// L8: the current password is guessed at like any other
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_at_the_current_password_are_throttled() {
    let people = People::start().await;
    let (token, _) = people.tokens_of_ann().await;
    let caller = bearer(&people, &token);
    for _ in 0..5 {
        let wrong = json!({ "currentPassword": "wrong wrong", "password": NEW });
        assert_eq!(caller.post("/api/user/change-password", wrong).await.status, 404);
    }
    let right = json!({ "currentPassword": PASSWORD, "password": NEW });
    assert_eq!(caller.post("/api/user/change-password", right).await.status, 429);
}

// L15: a token from before the second factor is not enough
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_factor_guards_the_password() {
    let people = People::start().await;
    let (token, _) = people.tokens_of_ann().await;
    let (authenticator, _) = people.enroll(ANN).await;
    let right = json!({ "currentPassword": PASSWORD, "password": NEW });
    let caller = bearer(&people, &token);
    for refused in
        [caller.get("/api/user/change-password").await, caller.post("/api/user/change-password", right.clone()).await]
    {
        assert_eq!(refused.status, 400);
        assert_eq!(refused.body["generalErrors"][0]["code"], "[TrustTokenRequired]", "{refused:?}");
    }
    let id = text(&people.log_in("ann", PASSWORD).await.body, "twoFactorId");
    let login = json!({ "twoFactorId": id, "code": code(&authenticator) });
    let both = text(&done(people.stranger().post("/api/two-factor/login", login).await).body, "token");
    let caller = bearer(&people, &both);
    done(caller.get("/api/user/change-password").await);
    done(caller.post("/api/user/change-password", right).await);
}

// a key names the user; a current password that is sent has to be right
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_changes_the_password_of_whom_it_names() {
    let people = People::start().await;
    let root = people.root();
    let path = "/api/user/change-password";
    done(root.get(&format!("{path}?loginId=Ann@Example.com&ipAddress=192.0.2.1")).await);
    done(root.get(&format!("{path}?loginId=ann&loginIdTypes=username")).await);
    assert_eq!(root.get(&format!("{path}?loginId=ann&loginIdTypes=email")).await.status, 404);
    assert_eq!(root.get(&format!("{path}?loginId=nobody")).await.status, 404);
    assert_eq!(root.get(path).await.codes(), ["[blank]loginId"]);
    let change = |current: serde_json::Value, new: &str| json!({ "loginId": "ann", "currentPassword": current, "password": new });
    assert_eq!(root.post(path, change(json!("wrong"), NEW)).await.status, 404);
    assert_eq!(root.post(path, change(json!(null), "short")).await.codes(), ["[tooShort]user.password"]);
    done(root.post(path, change(json!(PASSWORD), NEW)).await);
    assert_eq!(people.log_in("ann", NEW).await.status, 200);
    done(root.post(path, change(json!(null), "and one without the old one")).await);
    assert_eq!(people.log_in("ann", "and one without the old one").await.status, 200);
    assert_eq!(root.post(path, json!({ "loginId": "nobody", "password": NEW })).await.status, 404);
    assert_eq!(root.post(path, json!({})).await.codes(), ["[blank]loginId", "[blank]password"]);
    assert_eq!(people.stranger().post(path, json!({ "loginId": "ann", "password": NEW })).await.status, 401);
}

// F-055, D-13: the id of a login that waits shows who it is, to a key that sees them
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_id_of_a_change_finds_its_user() {
    let people = People::start().await;
    let root = people.root();
    done(root.patch(&format!("/api/user/{ANN}"), json!({ "user": { "passwordChangeRequired": true } })).await);
    let id = text(&people.log_in("ann", PASSWORD).await.body, "changePasswordId");
    let path = format!("/api/user?changePasswordId={id}");
    assert_eq!(done(root.get(&path).await).body["user"]["id"], ANN);
    let made = done(root.post("/api/tenant", json!({ "tenant": { "name": "other" } })).await);
    let other = text(&made.body["tenant"], "id");
    assert_eq!(Caller::root(&people.gateway).of_tenant(&other).get(&path).await.status, 404);
    done(people.stranger().post(&format!("/api/user/change-password/{id}"), json!({ "password": NEW })).await);
    assert_eq!(root.get(&path).await.status, 404, "it was used");
    assert_eq!(root.get(&format!("/api/user?verificationId={}", Uuid::nil())).await.status, 404);
}

// F-055: of many requests with the same id one chooses the password
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_id_of_a_change_is_used_once_however_many_use_it() {
    let people = People::start().await;
    let due = json!({ "user": { "passwordChangeRequired": true } });
    done(people.root().patch(&format!("/api/user/{ANN}"), due).await);
    let id = text(&people.log_in("ann", PASSWORD).await.body, "changePasswordId");
    let path = format!("/api/user/change-password/{id}");
    let stranger = people.stranger();
    let choose = |new: &str| stranger.post(&path, json!({ "password": new }));
    let passwords = ["the first of her choices", "the second of her choices", "the third of her choices"];
    let [first, second, third] = passwords.map(choose);
    let (first, second, third) = tokio::join!(first, second, third);
    let statuses = [first, second, third].map(|answer| answer.status);
    let chosen: Vec<_> = passwords.iter().zip(statuses).filter(|(_, status)| *status == 200).collect();
    assert_eq!(chosen.len(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 404].contains(status)), "{statuses:?}");
    assert_eq!(people.log_in("ann", chosen[0].0).await.status, 200);
}
