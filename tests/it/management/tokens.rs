//! Tokens looked into and ended, and the password that is due.

use serde_json::json;
use uuid::Uuid;

use super::{Answer, Caller, ROOT_KEY};
use crate::support::gateway::{Gateway, client};

const PEOPLE: &str = r#"
management: { public: true, api_key: root-key-of-the-tests-0123456789-abcdef }
upstreams: { app: "${UPSTREAM}" }
routes:
  /any/**: { upstream: app, require: authenticated }
listen: "${LISTEN}"
issuers: { self: {} }
directory:
  applications:
    console:
      client_secret: console-secret-console-secret-console-secret
      grants: [password, refresh_token]
  users:
    ann@example.com: { id: "00000000-0000-4000-8000-00000000a001", password: "${PASSWORD}" }
"#;

const ANN: &str = "00000000-0000-4000-8000-00000000a001";
const PASSWORD: &str = "Setec Astronomy";

async fn start() -> Gateway {
    let gateway = Gateway::of(PEOPLE, &[("PASSWORD", PASSWORD)]).await;
    // Both keys of the tenant are needed before anybody logs in, and an RSA key takes a while.
    for _ in 0..1200 {
        let keys = client().get(gateway.url("/.well-known/jwks.json")).send().await.unwrap().text().await.unwrap();
        if keys.contains("RS256") {
            return gateway;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("there is no RSA key");
}

async fn log_in(gateway: &Gateway, password: &str) -> serde_json::Value {
    let application = gateway.running.directory().applications(None).await.unwrap().remove(0);
    let form = [
        ("grant_type", "password"),
        ("username", "ann@example.com"),
        ("password", password),
        ("scope", "offline_access"),
    ];
    let secret = "console-secret-console-secret-console-secret";
    let request =
        client().post(gateway.url("/oauth2/token")).basic_auth(application.client_id, Some(secret)).form(&form);
    request.send().await.unwrap().json().await.unwrap()
}

async fn passes(gateway: &Gateway, token: &str) -> u16 {
    client().get(gateway.url("/any/x")).bearer_auth(token).send().await.unwrap().status().as_u16()
}

async fn validated(gateway: &Gateway, authorization: &str) -> Answer {
    Caller::with_key(gateway, authorization).get("/api/jwt/validate").await
}

// D-14
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_access_token_is_looked_into_without_a_key() {
    let gateway = start().await;
    let tokens = log_in(&gateway, PASSWORD).await;
    let token = tokens["access_token"].as_str().unwrap();
    for scheme in ["Bearer", "JWT", "bearer"] {
        let answer = validated(&gateway, &format!("{scheme} {token}")).await;
        assert_eq!((answer.status, &answer.body["jwt"]["sub"]), (200, &json!(ANN)), "{answer:?}");
    }
    for wrong in [
        format!("Bearer {token}x"),
        format!("Basic {token}"),
        token.to_owned(),
        "Bearer".to_owned(),
        ROOT_KEY.to_owned(),
    ] {
        let answer = validated(&gateway, &wrong).await;
        assert_eq!((answer.status, answer.body), (401, json!(null)));
    }
}

// D-14, C9, I8: what an administrator ends is refused by the next request
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refresh_tokens_are_listed_and_ended() {
    let gateway = start().await;
    let root = Caller::root(&gateway);
    let mut access = Vec::new();
    for _ in 0..3 {
        let tokens = log_in(&gateway, PASSWORD).await;
        access.push(tokens["access_token"].as_str().unwrap().to_owned());
    }
    let listed = root.get(&format!("/api/jwt/refresh?userId={ANN}")).await;
    let tokens = listed.body["refreshTokens"].as_array().unwrap();
    assert_eq!(tokens.len(), 3, "{listed:?}");
    assert!(tokens.iter().all(|token| token.get("token").is_none() && token["userId"] == ANN));
    let path = format!("/api/jwt/refresh/{}", tokens[0]["id"].as_str().unwrap());
    assert_eq!(root.get(&path).await.body["refreshToken"]["id"], tokens[0]["id"]);
    assert_eq!(root.delete(&path).await.status, 200);
    let mut statuses = Vec::new();
    for token in &access {
        statuses.push(passes(&gateway, token).await);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 401]);
    assert_eq!((root.get(&path).await.status, root.delete(&path).await.status), (404, 404));
    let application = tokens[0]["applicationId"].as_str().unwrap();
    let both = format!("/api/jwt/refresh?userId={ANN}&applicationId={}", Uuid::nil());
    assert_eq!(root.delete(&both).await.status, 200, "none of that application");
    assert_eq!(
        root.get(&format!("/api/jwt/refresh?userId={ANN}")).await.body["refreshTokens"].as_array().unwrap().len(),
        2
    );
    assert_eq!(root.delete(&format!("/api/jwt/refresh?applicationId={application}")).await.status, 200);
    for token in &access {
        assert_eq!(passes(&gateway, token).await, 401);
    }
    assert_eq!(root.delete("/api/jwt/refresh").await.codes(), ["[missing]userId"]);
    assert_eq!(root.delete(&format!("/api/jwt/refresh?userId={}", Uuid::nil())).await.status, 404);
    assert_eq!(Caller::with_key(&gateway, "wrong").get(&path).await.status, 401);
}

// F-055: the error says with which id the password that is due can be chosen, once
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_is_due_is_chosen_with_the_id_of_the_error() {
    let gateway = start().await;
    let directory = gateway.running.directory();
    let temporary = faregate::secret::Secret::new("temporary words of theirs".to_owned());
    let user = directory.user(Uuid::parse_str(ANN).unwrap()).await.unwrap().unwrap();
    directory.set_temporary_password(user.id, Some(&temporary)).await.unwrap();
    let refused = log_in(&gateway, temporary.expose()).await;
    assert_eq!(refused["error"], "change_password_required", "{refused}");
    let path = format!("/api/user/change-password/{}", refused["change_password_id"].as_str().unwrap());
    let stranger = Caller::with_key(&gateway, "");
    assert_eq!(stranger.get(&path).await.status, 200);
    for (body, code) in [
        (json!({}), "[blank]password"),
        (json!({ "password": 7 }), "[blank]password"),
        (json!({ "password": "short" }), "[tooShort]user.password"),
    ] {
        let answer = stranger.post(&path, body).await;
        assert_eq!((answer.status, answer.codes()), (400, vec![code]), "{answer:?}");
    }
    let chosen = "what Ann chose herself";
    assert_eq!(stranger.post(&path, json!({ "password": chosen })).await.status, 200);
    assert!(log_in(&gateway, chosen).await["access_token"].is_string());
    assert_eq!(stranger.post(&path, json!({ "password": "once more, with an old id" })).await.status, 404);
    assert_eq!(stranger.get("/api/user/change-password/unknown").await.status, 404);
}
