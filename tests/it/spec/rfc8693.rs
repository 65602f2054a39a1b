//! RFC 8693: a service that was sent a person's token calls the next one for that person, and no more than it may itself.

use faregate::model::{EntityGrant, Profile};
use faregate::store::Store as _;
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::authorization_server::{
    Answer, CALENDAR, EMAIL, NOW, REPORTS_SECRET, TODO_API, TODO_SECRET, TestServer, encode, speaking,
};
use crate::support::people::{ADA, SECRET, WEB, id_of};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Ada uses `web`, which lets `todo`, `email` and `reports` act for its users.
async fn world() -> TestServer {
    let server = TestServer::with_people().await;
    listing(&server, &[&TODO_API.to_string(), "email-client", "reports"]).await;
    server
}

async fn listing(server: &TestServer, clients: &[&str]) {
    let clients = clients.iter().map(|&client_id| client_id.to_owned()).collect();
    server.change(WEB, |settings| settings.token_exchange_clients = clients).await;
}

fn form(subject_token: &str, more: &str) -> String {
    let (grant_type, subject_token) = (encode(EXCHANGE), encode(subject_token));
    let kind = encode(ACCESS_TOKEN);
    format!("grant_type={grant_type}&subject_token={subject_token}&subject_token_type={kind}{more}")
}

async fn ask(server: &TestServer, (client_id, secret): (&str, &str), form: String) -> Answer {
    server.post("/oauth2/token").basic(client_id, secret).body(form).send().await
}

/// As `todo`.
async fn exchange(server: &TestServer, subject_token: &str, more: &str) -> Answer {
    ask(server, (&TODO_API.to_string(), TODO_SECRET), form(subject_token, more)).await
}

async fn token_of_ada(server: &TestServer) -> String {
    server.tokens(WEB, "openid").await.access_token()
}

fn verdict(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.json()["error"].as_str().unwrap_or_default().to_owned())
}

// RFC 8693 2.1, 2.2.1, 4.1, 4.3
#[tokio::test]
async fn a_service_acts_for_a_person_with_what_it_was_granted() {
    let server = world().await;
    let token = server.tokens(WEB, "openid profile").await;
    let answer = exchange(&server, &token.access_token(), "&audience=email&scope=read+write").await;
    let claims = answer.claims();
    let expected = json!({
        "act": { "sub": TODO_API.to_string() },
        "amr": ["pwd"],
        "aud": EMAIL.to_string(),
        "auth_time": token.claims()["auth_time"],
        "client_id": TODO_API.to_string(),
        "exp": NOW + 3600,
        "first_client": WEB,
        "gid": token.claims()["gid"],
        "iat": NOW,
        "iss": token.claims()["iss"],
        "jti": claims["jti"],
        "permissions": { EMAIL.to_string(): ["read", "write"] },
        "scope": "target-entity:email:read,write",
        "sub": ADA.to_string(),
        "tid": token.claims()["tid"],
    });
    let mut claims = claims;
    for of_login in ["acr", "sid"] {
        assert_eq!(claims.as_object_mut().unwrap().shift_remove(of_login), token.claims().get(of_login).cloned());
    }
    assert_eq!(claims, expected);
    let members: Vec<_> = answer.claims().as_object().unwrap().keys().cloned().collect();
    assert!(members.is_sorted(), "{members:?}");
    let body = answer.json();
    assert_eq!(body["issued_token_type"], ACCESS_TOKEN);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["scope"], "target-entity:email:read,write", "what was asked for in other words");
    assert!(body.get("refresh_token").is_none() && body.get("id_token").is_none(), "{body}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    // The same in FusionAuth's grammar, which can name several.
    let scope = encode(&format!("target-entity:{EMAIL}:read target-entity:calendar"));
    let both = exchange(&server, &token.access_token(), &format!("&scope={scope}")).await.claims();
    assert_eq!(both["aud"], json!([EMAIL.to_string(), CALENDAR.to_string()]));
    // JWT is another name of the same.
    let jwt = encode("urn:ietf:params:oauth:token-type:jwt");
    let asked = form(&token.access_token(), &format!("&audience=email&requested_token_type={jwt}"));
    let asked = asked.replace(&format!("type={}", encode(ACCESS_TOKEN)), &format!("type={jwt}"));
    let answer = ask(&server, (&TODO_API.to_string(), TODO_SECRET), asked).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
}

// RFC 8693 2.1, 2.2.2
#[tokio::test]
async fn what_is_no_exchange_is_refused() {
    let server = world().await;
    let token = token_of_ada(&server).await;
    let whole = form(&token, "&audience=email");
    let without = |name: &str| whole.split('&').filter(|pair| !pair.starts_with(name)).collect::<Vec<_>>().join("&");
    let kind = |name: &str| encode(&format!("urn:ietf:params:oauth:token-type:{name}"));
    let rows = [
        ("no token", without("subject_token="), "invalid_request"),
        ("no type", without("subject_token_type="), "invalid_request"),
        ("another type", whole.replace("access_token&", "refresh_token&"), "invalid_request"),
        ("no target", form(&token, ""), "invalid_target"),
        ("nothing in the scope", form(&token, "&scope=+"), "invalid_target"),
        ("a resource that nobody knows", format!("{whole}&resource=https%3A%2F%2Fx.example"), "invalid_target"),
        ("a SAML assertion asked for", format!("{whole}&requested_token_type={}", kind("saml2")), "invalid_request"),
        ("an actor", format!("{whole}&actor_token={token}&actor_token_type={}", kind("jwt")), "invalid_request"),
        ("a target that is not granted", form(&token, "&audience=vault"), "invalid_scope"),
        ("a target that is none", form(&token, "&audience=nobody"), "invalid_scope"),
        ("a permission that is not granted", form(&token, "&audience=email&scope=delete"), "invalid_scope"),
        ("the person's own scope", form(&token, "&scope=openid"), "invalid_scope"),
        ("two targets as one", form(&token, "&audience=email+target-entity%3Acalendar"), "invalid_scope"),
        ("no token of ours", form("e30.e30.e30", "&audience=email"), "invalid_request"),
        ("another signature", form(&format!("{}AA", &token[..token.len() - 2]), "&audience=email"), "invalid_request"),
    ];
    for (name, form, error) in rows {
        let answer = ask(&server, (&TODO_API.to_string(), TODO_SECRET), form).await;
        assert_eq!(verdict(&answer), (400, error.to_owned()), "{name}: {}", answer.text());
    }
    let wrong = ask(&server, (&TODO_API.to_string(), "wrong"), whole.clone()).await;
    assert_eq!(verdict(&wrong), (401, "invalid_client".to_owned()));
}

// RFC 8693 2.2.2, 5: nobody acts for people whose application did not say so.
#[tokio::test]
async fn the_persons_application_says_who_may() {
    let server = world().await;
    let token = token_of_ada(&server).await;
    assert_eq!(exchange(&server, &token, "&audience=email").await.status, StatusCode::OK);
    for others in [&[][..], &["reports"], &["Reports", "todo"]] {
        listing(&server, others).await;
        assert_eq!(verdict(&exchange(&server, &token, "&audience=email").await), (400, "invalid_request".to_owned()));
    }
    // Who is listed and was granted nothing gets nothing.
    let reports = ask(&server, ("reports", REPORTS_SECRET), form(&token, "&audience=email")).await;
    assert_eq!(verdict(&reports), (400, "invalid_request".to_owned()), "not listed by now");
    listing(&server, &["reports"]).await;
    let reports = ask(&server, ("reports", REPORTS_SECRET), form(&token, "&audience=email")).await;
    assert_eq!(verdict(&reports), (400, "invalid_scope".to_owned()));
    // Applications are granted nothing on anybody, so it is no grant of theirs.
    let more = format!("{}&client_secret={}", form(&token, "&audience=email"), encode(SECRET));
    let application = server.post("/oauth2/token").body(format!("client_id={WEB}&{more}")).send().await;
    assert_eq!(verdict(&application), (400, "unauthorized_client".to_owned()));
}

// RFC 8693 4.1: the next service in a row exchanges what was meant for it, and the last one says who all acted.
#[tokio::test]
async fn services_act_one_after_the_other() {
    let server = world().await;
    let grant = grant(EMAIL, CALENDAR);
    server.store.upsert_grant(&grant).await.unwrap();
    server.absorb().await;
    let email = ("email-client", "email secret");
    let first = token_of_ada(&server).await;
    let to_email = exchange(&server, &first, "&audience=email").await.access_token();
    let chained = ask(&server, email, form(&to_email, "&audience=calendar&scope=read")).await.claims();
    assert_eq!(chained["act"], json!({ "sub": EMAIL.to_string(), "act": { "sub": TODO_API.to_string() } }));
    assert_eq!((&chained["sub"], &chained["first_client"]), (&json!(ADA.to_string()), &json!(WEB)));
    assert_eq!(chained["client_id"], "email-client");
    // One that was meant for somebody else is not.
    let to_calendar = exchange(&server, &first, "&audience=calendar").await.access_token();
    let stolen = ask(&server, email, form(&to_calendar, "&audience=calendar")).await;
    assert_eq!(verdict(&stolen), (400, "invalid_request".to_owned()));
    // Each of them has to be listed by the application that the person used.
    listing(&server, &[&TODO_API.to_string()]).await;
    let unlisted = ask(&server, email, form(&to_email, "&audience=calendar")).await;
    assert_eq!(verdict(&unlisted), (400, "invalid_request".to_owned()));
}

// RFC 8693 4.1: the row ends.
#[tokio::test]
async fn not_everybody_can_act_for_everybody() {
    let server = world().await;
    server.store.upsert_grant(&grant(TODO_API, TODO_API)).await.unwrap();
    server.absorb().await;
    let mut token = token_of_ada(&server).await;
    for _ in 0..8 {
        token = exchange(&server, &token, "&audience=todo").await.access_token();
    }
    assert_eq!(verdict(&exchange(&server, &token, "&audience=todo").await), (400, "invalid_request".to_owned()));
}

fn grant(recipient: Uuid, target: Uuid) -> EntityGrant {
    EntityGrant {
        id: Uuid::from_u128(78),
        recipient_id: recipient,
        target_id: target,
        permissions: vec!["read".to_owned()],
        managed_by: None,
        created_at: 1,
        updated_at: 1,
    }
}

// I8: what is exchanged ends with what it came from, and sooner only by itself.
#[tokio::test]
async fn it_ends_with_the_persons_login() {
    let server = world().await;
    let subject = server.tokens(WEB, "openid").await;
    server.clock.advance(3000);
    let short = exchange(&server, &subject.access_token(), "&audience=email").await;
    assert_eq!(short.claims()["exp"], NOW + 3600, "no longer than the token that it was made of");
    assert_eq!(short.json()["expires_in"], 600);
    server.clock.advance(600);
    let expired = exchange(&server, &subject.access_token(), "&audience=email").await;
    assert_eq!(expired.verdict(), (400, "invalid_request".to_owned(), "access_token_expired".to_owned()));

    let subject = server.tokens(WEB, "openid offline_access").await;
    let exchanged = exchange(&server, &subject.access_token(), "&audience=email").await.access_token();
    assert!(server.is_good(&exchanged));
    let revoke = |token: &str, hint: &str| format!("token={}{hint}", encode(token));
    // The service gives back its own, and nothing of Ada's ends.
    let own = exchange(&server, &subject.access_token(), "&audience=email").await.access_token();
    let given_back =
        server.post("/oauth2/revoke").basic(&TODO_API.to_string(), TODO_SECRET).body(revoke(&own, "")).send().await;
    assert_eq!(given_back.status, StatusCode::OK);
    assert_eq!((server.is_good(&own), server.is_good(&exchanged)), (false, true));
    // Ada's application gives back the grant.
    let body = format!("client_id={WEB}&client_secret={}&{}", encode(SECRET), revoke(&subject.refresh_token(), ""));
    assert_eq!(server.post("/oauth2/revoke").body(body).send().await.status, StatusCode::OK);
    assert!(!server.is_good(&exchanged));
    let after = exchange(&server, &subject.access_token(), "&audience=email").await;
    assert_eq!(verdict(&after), (400, "invalid_request".to_owned()), "nor is a new one made");

    let subject = token_of_ada(&server).await;
    let exchanged = exchange(&server, &subject, "&audience=email").await.access_token();
    server.directory.revoke_user(ADA).await.unwrap();
    server.absorb().await;
    assert!(!server.is_good(&exchanged), "everything of Ada's ended");

    server.clock.advance(1);
    let exchanged = exchange(&server, &token_of_ada(&server).await, "&audience=email").await.access_token();
    assert!(server.is_good(&exchanged));
    server.directory.deactivate_application(id_of(WEB)).await.unwrap();
    assert!(!server.is_good(&exchanged), "nobody acts for the users of an application that is out of use");
}

impl TestServer {
    fn is_good(&self, token: &str) -> bool {
        self.server.claims_of(token).is_ok()
    }
}

// I3, UserInfo: whoever the token is for may ask about it; it opens nothing of the person's account.
#[tokio::test]
async fn it_is_for_its_target_only() {
    let server = world().await;
    let token = exchange(&server, &token_of_ada(&server).await, "&audience=email").await.access_token();
    let body = format!("token={}", encode(&token));
    let introspect = |client_id: &'static str, secret: &'static str| {
        server.post("/oauth2/introspect").basic(client_id, secret).body(body.clone()).send()
    };
    let told: Value = introspect("email-client", "email secret").await.json();
    assert_eq!((&told["active"], &told["sub"]), (&json!(true), &json!(ADA.to_string())));
    assert_eq!(told["act"]["sub"], TODO_API.to_string(), "RFC 8693 4.1");
    assert_eq!(introspect("reports", REPORTS_SECRET).await.json(), json!({ "active": false }));
    let userinfo = server.get("/oauth2/userinfo").header("Authorization", &format!("Bearer {token}")).send().await;
    assert_eq!(userinfo.status, StatusCode::UNAUTHORIZED);
    let account = server.server.account_of(&token).await.unwrap();
    assert!(account.is_none());
}

// RFC 8414 2: where somebody may
#[tokio::test]
async fn the_metadata_lists_it_where_an_application_allows_it() {
    let server = TestServer::with_people().await;
    let lists = async |server: &TestServer| {
        let document = server.get("/.well-known/openid-configuration").send().await.json();
        document["grant_types_supported"].as_array().unwrap().contains(&json!(EXCHANGE))
    };
    assert!(!lists(&server).await);
    listing(&server, &["reports"]).await;
    server.clock.advance(1);
    assert!(lists(&server).await);
}

// D-07: in FusionAuth's dialect with FusionAuth's reasons
#[tokio::test]
async fn it_speaks_the_tenants_dialect() {
    let server = TestServer::with_people_and(speaking(Profile::FusionAuth)).await;
    listing(&server, &[&TODO_API.to_string()]).await;
    let answer = exchange(&server, &token_of_ada(&server).await, "&audience=email").await;
    assert_eq!(answer.token_header()["typ"], "JWT");
    assert_eq!(answer.json()["issued_token_type"], ACCESS_TOKEN);
    let missing = exchange(&server, "", "&audience=email").await;
    assert_eq!(missing.verdict(), (400, "invalid_request".to_owned(), "missing_token".to_owned()));
}

// A token of a service's own, and one that an application has for itself, are about no person.
#[tokio::test]
async fn only_people_are_acted_for() {
    let server = world().await;
    let of_service = server.token("target-entity:email").await.access_token();
    assert_eq!(verdict(&exchange(&server, &of_service, "&audience=email").await), (400, "invalid_request".to_owned()));
    let subject = server.tokens(WEB, "openid").await;
    server.change_user(ADA, |ada| ada.locked_at = Some(NOW)).await;
    let locked = exchange(&server, &subject.access_token(), "&audience=email").await;
    assert_eq!(locked.status, StatusCode::BAD_REQUEST, "nobody acts for who may not log in: {}", locked.text());
}
