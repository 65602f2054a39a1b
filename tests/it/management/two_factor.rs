//! The second step of a login through the API.

use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::people::{ANN, BOB, PASSWORD, People, authenticator, claims, code, done, text};
use super::{Answer, Caller};

async fn send_code(people: &People, id: &str, code: &str) -> Answer {
    people.stranger().post("/api/two-factor/login", json!({ "twoFactorId": id, "code": code })).await
}

/// The id that Ann's password brings.
async fn challenge(people: &People) -> String {
    let answer = people.log_in("ann", PASSWORD).await;
    assert_eq!(answer.status, 242, "{answer:?}");
    let method = &answer.body["methods"][0];
    assert_eq!((&method["method"], &method["authenticator"]["codeLength"]), (&json!("authenticator"), &json!(6)));
    assert_eq!((answer.body.get("token"), answer.body.get("user")), (None, None));
    text(&answer.body, "twoFactorId")
}

// F-113, L11: nothing before the code, everything with it
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_goes_on_with_a_code() {
    let people = People::start().await;
    let (authenticator, recovery_codes) = people.enroll(ANN).await;
    let id = challenge(&people).await;
    for wrong in ["000000x", "12345"] {
        let answer = send_code(&people, &id, wrong).await;
        assert_eq!((answer.status, answer.body), (421, json!(null)));
    }
    let answer = done(send_code(&people, &id, &code(&authenticator)).await);
    let claims = claims(&text(&answer.body, "token"));
    assert_eq!((&claims["amr"], &claims["acr"]), (&json!(["pwd", "otp", "mfa"]), &json!("2")), "{claims}");
    assert_eq!((&claims["aud"], &claims["roles"]), (&json!(people.shop), &json!(["reader"])));
    assert_eq!(answer.body["user"]["twoFactor"]["methods"][0]["method"], "authenticator");
    // A recovery code is good once.
    let id = challenge(&people).await;
    let spent = recovery_codes[0].expose();
    let no_token = json!({ "twoFactorId": id, "code": spent, "noJWT": true, "applicationId": people.shop });
    let answer = done(people.stranger().post("/api/two-factor/login", no_token).await);
    assert_eq!(answer.body.get("token"), None);
    assert_eq!(send_code(&people, &id, spent).await.status, 421);
}

// L11, L13: of many requests with the same code one is a login
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_spent_once_however_many_send_it() {
    let people = People::start().await;
    let (_, recovery_codes) = people.enroll(ANN).await;
    let id = challenge(&people).await;
    let spent = recovery_codes[3].expose();
    let sends = [(); 4].map(|()| send_code(&people, &id, spent));
    let [first, second, third, fourth] = sends;
    let (first, second, third, fourth) = tokio::join!(first, second, third, fourth);
    let mut statuses = [first, second, third, fourth].map(|answer| answer.status);
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 421, 421, 421]);
}

// L8, L11: codes are counted per user, and the wait is told
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_codes_are_throttled() {
    let people = People::start().await;
    let (authenticator, _) = people.enroll(ANN).await;
    let id = challenge(&people).await;
    for _ in 0..5 {
        assert_eq!(send_code(&people, &id, "wrong").await.status, 421);
    }
    assert_eq!(send_code(&people, &id, &code(&authenticator)).await.status, 429);
}

// an id is good for its application and until the password changes; one of the token endpoint is none of these
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_are_good_where_they_are_from() {
    let people = People::start().await;
    let (authenticator, _) = people.enroll(ANN).await;
    let id = challenge(&people).await;
    let other = people.application("other", json!({ "oauthConfiguration": { "enabledGrants": ["password"] } })).await;
    let elsewhere = json!({ "twoFactorId": id, "code": code(&authenticator), "applicationId": other });
    let answer = people.stranger().post("/api/two-factor/login", elsewhere).await;
    assert_eq!((answer.status, answer.codes()), (400, vec!["[invalid]applicationId"]));
    for wrong in ["", "x", &id[1..], &format!("{id}x"), &Uuid::nil().to_string()] {
        let status = send_code(&people, wrong, &code(&authenticator)).await.status;
        assert_eq!(status, if wrong.is_empty() { 400 } else { 404 }, "{wrong}");
    }
    let secret = done(people.root().put(&format!("/api/application/{other}"), json!({ "application": {
        "name": "other", "oauthConfiguration": { "enabledGrants": ["password"], "clientAuthenticationPolicy": "NotRequired" },
    } })).await);
    assert_eq!(secret.body["application"]["name"], "other");
    let form = [("grant_type", "password"), ("client_id", &*other), ("username", "ann"), ("password", PASSWORD)];
    let (_, challenged) = people.gateway.post_form("/oauth2/token", &form).await;
    let of_client = text(&challenged, "two_factor_id");
    assert_eq!(
        send_code(&people, &of_client, &code(&authenticator)).await.status,
        404,
        "its client proves nothing here"
    );
    let form = [("grant_type", "password"), ("client_id", &other), ("two_factor_id", &id), ("two_factor_code", "1")];
    let (_, refused) = people.gateway.post_form("/oauth2/token", &form).await;
    assert_eq!(refused["error"], "invalid_grant", "{refused}");
    done(
        people
            .root()
            .patch(&format!("/api/user/{ANN}"), json!({ "user": { "password": "another one of hers" } }))
            .await,
    );
    assert_eq!(send_code(&people, &id, &code(&authenticator)).await.status, 404);
}

// F-114
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_locked_between_the_steps_stays_out() {
    let people = People::start().await;
    let (authenticator, _) = people.enroll(ANN).await;
    let id = challenge(&people).await;
    done(people.root().delete(&format!("/api/user/{ANN}")).await);
    assert_eq!(send_code(&people, &id, &code(&authenticator)).await.status, 423);
}

// a key begins a login with the second factor alone; the token says that there was no password
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_asks_for_the_second_factor_alone() {
    let people = People::start().await;
    let (authenticator, recovery_codes) = people.enroll(ANN).await;
    let root = people.root();
    for who in [json!({ "userId": ANN }), json!({ "loginId": "Ann@example.com" })] {
        let mut asked = who;
        asked["applicationId"] = json!(people.shop);
        let started = done(root.post("/api/two-factor/start", asked).await);
        assert_eq!(started.body["methods"][0]["method"], "authenticator");
    }
    let started = done(root.post("/api/two-factor/start", json!({ "userId": ANN })).await);
    let id = text(&started.body, "twoFactorId");
    let answer = done(send_code(&people, &id, &code(&authenticator)).await);
    assert_eq!(answer.body.get("token"), None, "no application was named");
    let with = json!({ "twoFactorId": id, "code": recovery_codes[0].expose(), "applicationId": people.shop });
    let answer = done(people.stranger().post("/api/two-factor/login", with).await);
    let claims = claims(&text(&answer.body, "token"));
    assert_eq!((&claims["amr"], &claims["acr"]), (&json!(["otp"]), &json!("1")), "{claims}");
    assert_eq!(root.post("/api/two-factor/start", json!({ "userId": BOB })).await.status, 421);
    assert_eq!(root.post("/api/two-factor/start", json!({ "userId": Uuid::nil() })).await.status, 404);
    assert_eq!(root.post("/api/two-factor/start", json!({})).await.codes(), ["[blank]loginId"]);
    assert_eq!(people.stranger().post("/api/two-factor/start", json!({ "userId": ANN })).await.status, 401);
}

// RFC 6238, RFC 4226 4: 160 random bits in both encodings, for a key or a token
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shared_secrets_are_made_for_keys_and_tokens() {
    use base64::Engine as _;
    let people = People::start().await;
    let (token, _) = people.tokens_of_ann().await;
    let with_token = Caller::with_key(&people.gateway, &format!("Bearer {token}"));
    let mut seen = Vec::new();
    for caller in [people.root(), with_token] {
        let secret = done(caller.get("/api/two-factor/secret").await).body;
        let bytes = base64::engine::general_purpose::STANDARD.decode(text(&secret, "secret")).unwrap();
        let made = totp_rs::Builder::new().with_secret(<[u8; 20]>::try_from(bytes).unwrap()).build().unwrap();
        assert_eq!(made.generate(59), authenticator(&text(&secret, "secretBase32Encoded")).generate(59));
        seen.push(secret);
    }
    assert_ne!(seen[0], seen[1]);
    for wrong in ["", "Bearer x", "wrong"] {
        assert_eq!(Caller::with_key(&people.gateway, wrong).get("/api/two-factor/secret").await.status, 401);
    }
}

// L11, L15: a code proves that the person has the secret, and another one that it may go again
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_factor_is_given_and_taken_with_a_code() {
    let people = People::start().await;
    let root = people.root();
    let path = format!("/api/user/two-factor/{ANN}");
    let secret = text(&done(root.get("/api/two-factor/secret").await).body, "secretBase32Encoded");
    let made = authenticator(&secret);
    let body = |code: &str| json!({ "method": "authenticator", "secretBase32Encoded": secret, "code": code });
    assert_eq!(root.post(&path, body("000000x")).await.status, 421);
    assert_eq!(people.log_in("ann", PASSWORD).await.status, 200);
    let enabled = done(root.post(&path, body(&code(&made))).await);
    let codes = enabled.body["recoveryCodes"].as_array().unwrap();
    assert_eq!(codes.len(), 10);
    assert_eq!(root.post(&path, body(&code(&made))).await.codes(), ["[duplicate]method"]);
    let id = challenge(&people).await;
    // What showed the authenticator was no login.
    done(send_code(&people, &id, &code(&made)).await);
    for (wrong, codes) in [
        (json!({}), vec!["[blank]secretBase32Encoded", "[blank]code"]),
        (json!({ "method": "sms", "secretBase32Encoded": "AA", "code": "1" }), vec!["[invalid]method"]),
    ] {
        assert_eq!(root.post(&path, wrong).await.codes(), codes);
    }
    let short = json!({ "secretBase32Encoded": "AAAA", "code": "1" });
    let of_bob = format!("/api/user/two-factor/{BOB}");
    assert_eq!(root.post(&of_bob, short).await.codes(), ["[invalid]secretBase32Encoded"]);
    assert_eq!(root.delete(&path).await.codes(), ["[blank]code"]);
    assert_eq!(root.delete(&format!("{path}?methodId=authenticator&code=1")).await.status, 421);
    // Other ones, which end those from before (L13).
    let others = format!("/api/user/two-factor/recovery-code/{ANN}");
    let earlier = codes[0].as_str().unwrap();
    let renewed = done(root.post(&others, Value::Null).await);
    let codes = renewed.body["recoveryCodes"].as_array().unwrap();
    assert!(codes.len() == 10 && !codes.iter().any(|code| code == earlier), "{renewed:?}");
    assert_eq!(root.delete(&format!("{path}?code={earlier}")).await.status, 421);
    assert_eq!(
        root.post(&format!("/api/user/two-factor/recovery-code/{BOB}"), Value::Null).await.codes(),
        ["[invalid]user"]
    );
    assert_eq!(people.stranger().post(&others, Value::Null).await.status, 401);
    let recovery = codes[0].as_str().unwrap();
    let body = Some(("application/json", json!({ "code": recovery }).to_string()));
    done(root.send(Method::DELETE, &path, body).await);
    assert_eq!(people.log_in("ann", PASSWORD).await.status, 200, "nothing more is asked for");
    assert_eq!(root.delete(&format!("{path}?code={recovery}")).await.status, 421, "there is none");
    assert_eq!(people.stranger().delete(&path).await.status, 401);
    assert_eq!(root.delete(&format!("/api/user/two-factor/{}?code=1", Uuid::nil())).await.status, 404);
}

// nothing is sent and nothing is trusted: the answers say so
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_are_not_sent_and_devices_not_trusted() {
    let people = People::start().await;
    people.enroll(ANN).await;
    let (root, stranger) = (people.root(), people.stranger());
    let sms = json!({ "userId": ANN, "method": "sms", "mobilePhone": "+44 1" });
    assert_eq!(root.post("/api/two-factor/send", sms.clone()).await.codes(), ["[invalid]methodId"]);
    assert_eq!(root.post("/api/two-factor/send", json!({ "userId": Uuid::nil() })).await.status, 404);
    assert_eq!(stranger.post("/api/two-factor/send", sms).await.status, 401);
    let path = format!("/api/two-factor/send/{}", challenge(&people).await);
    let none: Option<(&str, String)> = None;
    assert_eq!(stranger.send(Method::POST, &path, none).await.codes(), ["[invalid]methodId"]);
    assert_eq!(stranger.post(&path, json!({ "methodId": "authenticator" })).await.codes(), ["[invalid]methodId"]);
    assert_eq!(stranger.post("/api/two-factor/send/unknown", json!({})).await.status, 404);
    for (user, status) in [(ANN, 242), (BOB, 200)] {
        let query = format!("?userId={user}&applicationId={}", people.shop);
        let expected = json!({ "trusts": [] });
        for path in ["/api/two-factor/status", "/api/two-factor/status/trust"] {
            let answer = root.get(&format!("{path}{query}")).await;
            assert_eq!((answer.status, &answer.body), (status, &expected), "{path}");
        }
        let answer = root.post("/api/two-factor/status", json!({ "userId": user })).await;
        assert_eq!((answer.status, &answer.body), (status, &expected));
    }
    assert_eq!(root.get("/api/two-factor/status").await.codes(), ["[missing]userId"]);
    assert_eq!(root.post("/api/two-factor/status", json!({})).await.codes(), ["[missing]userId"]);
    assert_eq!(root.get(&format!("/api/two-factor/status?userId={}", Uuid::nil())).await.status, 404);
    assert_eq!(stranger.get("/api/two-factor/status").await.status, 401);
}

// D-13: the secret in either of the forms that it is made in; the method that there is then has a name
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_secret_is_taken_in_base64_too() {
    let people = People::start().await;
    let root = people.root();
    let made = done(root.get("/api/two-factor/secret").await).body;
    let code = code(&authenticator(made["secretBase32Encoded"].as_str().unwrap()));
    let path = format!("/api/user/two-factor/{ANN}");
    let wrong = json!({ "secret": "not base64!", "code": code });
    assert_eq!(root.post(&path, wrong).await.codes(), ["[invalid]secret"]);
    done(root.post(&path, json!({ "secret": made["secret"], "code": code })).await);
    let user = done(root.get(&format!("/api/user/{ANN}")).await).body;
    let methods = json!([{ "id": "authenticator", "method": "authenticator" }]);
    assert_eq!(user["user"]["twoFactor"]["methods"], methods);
}
