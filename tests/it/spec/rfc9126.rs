//! RFC 9126: clients say to us directly what they will ask a person for.

use std::sync::Arc;

use faregate::model::{ApplicationSettings, AuthorizationCode, ClientSecret};
use faregate::store::Store as _;
use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::authorization_server::{Answer, NOW, OTHER_TENANT, PUBLIC_URL, TestServer, encode};
use crate::support::browser::{Browser, Shown};
use crate::support::database::Database;
use crate::support::dpop::DpopKey;
use crate::support::people::{self, members};
use crate::support::world::{
    ADA, ADA_EMAIL, CHALLENGE, PASSWORD, SPA, SPA_URI, THIRD, THIRD_URI, WEB, WEB_SECRET, WEB_URI, ask, world,
    world_with,
};

const PAR: &str = "/oauth2/par";
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// What the first client pushes, with more parameters as they stand.
fn form(more: &str) -> String {
    form_as((WEB, WEB_SECRET), WEB_URI, &format!("&response_type=code{more}"))
}

fn form_as((client, secret): (Uuid, &str), redirect_uri: &str, more: &str) -> String {
    let secret = if secret.is_empty() { String::new() } else { format!("&client_secret={}", encode(secret)) };
    format!("client_id={client}{secret}&redirect_uri={}{more}", encode(redirect_uri))
}

async fn push(server: &TestServer, form: String) -> Answer {
    server.post(PAR).body(form).send().await
}

/// Where the client sends the browser then.
fn link(client: Uuid, pushed: &Answer) -> String {
    assert_eq!(pushed.status, StatusCode::CREATED, "{}", pushed.text());
    let uri = pushed.json()["request_uri"].as_str().unwrap().to_owned();
    format!("/oauth2/authorize?client_id={client}&request_uri={}", encode(&uri))
}

async fn stored(server: &TestServer, shown: &Shown) -> AuthorizationCode {
    let code = shown.get("code").unwrap_or_else(|| panic!("no code: {:?} {}", shown.location, shown.text()));
    server.store.find_authorization_code(&ClientSecret::hash(&code)).await.unwrap().unwrap()
}

fn assert_gone(page: &Shown, what: &str) {
    assert_eq!((page.status, &page.location), (StatusCode::BAD_REQUEST, &None), "{what}");
    assert!(page.text().contains("invalid_request_uri"), "{what}: {}", page.text());
}

// RFC 9126 2.2, 4, 7.3, A14: once, when it is granted; loading the page takes nothing away
#[tokio::test]
async fn a_pushed_request_is_granted_once() {
    let server = world().await;
    let pushed = push(&server, form("&scope=openid+email&state=s%2B&nonce=n")).await;
    assert_eq!((pushed.status, pushed.header("cache-control")), (StatusCode::CREATED, Some("no-store")));
    let answer = pushed.json();
    assert_eq!(members(&answer), ["expires_in", "request_uri"]);
    assert_eq!(answer["expires_in"], 60);
    // B9
    assert_eq!(answer["request_uri"].as_str().unwrap().strip_prefix(PREFIX).unwrap().len(), 43);
    let link = link(WEB, &pushed);
    let mut browser = Browser::new(&server);
    for _ in 0..3 {
        assert!(browser.open(&link).await.has("loginId"), "prefetched, loaded and loaded again");
    }
    // RFC 9101 6.3: what the browser adds counts for nothing.
    let page =
        browser.open(&format!("{link}&scope=openid+phone&state=evil&redirect_uri=https%3A%2F%2Fevil.example")).await;
    let names: Vec<String> = page.hidden().into_iter().map(|(name, _)| name).collect();
    assert!(!names.iter().any(|name| ["scope", "state", "redirect_uri"].contains(&&**name)), "{names:?}");
    let shown = browser.submit(&page, &[("loginId", ADA_EMAIL), ("password", PASSWORD)]).await;
    assert!(shown.location.as_ref().unwrap().starts_with(&format!("{WEB_URI}?code=")));
    assert_eq!(shown.get("state").as_deref(), Some("s+"));
    let code = stored(&server, &shown).await;
    assert_eq!(
        (code.approval.scopes, code.approval.nonce.as_deref()),
        (vec!["openid".into(), "email".into()], Some("n"))
    );
    assert_gone(&browser.open(&link).await, "with the session that there is now");
    assert_gone(&Browser::new(&server).open(&link).await, "in another browser");
    // D19
    let refused = server.get(&link).header("Accept", "application/json").send().await.json();
    assert_eq!((&refused["error"], refused.get("error_reason")), (&json!("invalid_request_uri"), None));
}

// RFC 9126 2.1: every way that the token endpoint knows, and no other
#[tokio::test]
async fn clients_authenticate_as_at_the_token_endpoint() {
    let server = world().await;
    let open = format!("client_id={WEB}&response_type=code&redirect_uri={}", encode(WEB_URI));
    let named = server.post(PAR).basic(&WEB.to_string(), WEB_SECRET).body(open.clone()).send().await;
    let nameless = open.split_once('&').unwrap().1.to_owned();
    let unnamed = server.post(PAR).basic(&WEB.to_string(), WEB_SECRET).body(nameless.clone()).send().await;
    for pushed in [named, unnamed] {
        let shown = Browser::new(&server).sign_in(&link(WEB, &pushed), ADA_EMAIL, PASSWORD).await;
        assert!(shown.get("code").is_some());
    }
    // A client without a secret says its name.
    let pkce = format!("&response_type=code&code_challenge={CHALLENGE}&code_challenge_method=S256");
    let public = push(&server, form_as((SPA, ""), SPA_URI, &pkce)).await;
    let shown = Browser::new(&server).sign_in(&link(SPA, &public), ADA_EMAIL, PASSWORD).await;
    assert_eq!(stored(&server, &shown).await.code_challenge.as_deref(), Some(CHALLENGE));
    let entity = crate::support::authorization_server::TODO_API.to_string();
    let rows = [
        (server.post(PAR).body(open.clone()), 401, "invalid_client"),
        (server.post(PAR).body(form_as((WEB, "wrong"), WEB_URI, "&response_type=code")), 401, "invalid_client"),
        (server.post(PAR).body(form_as((Uuid::nil(), "x"), WEB_URI, "&response_type=code")), 401, "invalid_client"),
        (server.post(PAR).basic(&WEB.to_string(), WEB_SECRET).body(form("")), 400, "invalid_request"),
        (server.post(PAR).basic(&THIRD.to_string(), "third secret").body(open.clone()), 400, "invalid_request"),
        (server.post(PAR).body(nameless), 400, "invalid_request"),
        (
            server
                .post(PAR)
                .basic(&entity, crate::support::authorization_server::TODO_SECRET)
                .body("response_type=code"),
            400,
            "unauthorized_client",
        ),
        // D6
        (server.post(&format!("{PAR}?{}", form(""))).body(""), 400, "invalid_request"),
    ];
    for (number, (call, status, error)) in rows.into_iter().enumerate() {
        let (found, code, _) = call.send().await.verdict();
        assert_eq!((found, code.as_str()), (status, error), "{number}");
    }
}

// RFC 9126 2.1, 2.3: the client hears at once what its user would have been stopped by
#[tokio::test]
async fn what_is_wrong_with_a_request_is_wrong_when_it_is_pushed() {
    let server = world().await;
    let long = "a".repeat(4097);
    let rows = [
        (form("").replace("&response_type=code", ""), "invalid_request"),
        (form("").replace("=code", "=foo"), "unsupported_response_type"),
        (form("").replace(&encode(WEB_URI), &encode("https://evil.example/cb")), "invalid_request"),
        (form("").replace(&format!("&redirect_uri={}", encode(WEB_URI)), ""), "invalid_request"),
        (form("&scope=bogus"), "invalid_scope"),
        (form("&prompt=none+login"), "invalid_request"),
        (form("&claims=x"), "invalid_request"),
        (form("&code_challenge=abc&code_challenge_method=plain"), "invalid_request"),
        (form("&id_token_hint=a.b.c"), "invalid_request"),
        (form(&format!("&state={long}")), "invalid_request"),
        (form("&state=1&state=2"), "invalid_request"),
        (form("&request=x"), "request_not_supported"),
        (form(&format!("&request_uri={PREFIX}x")), "invalid_request"),
        (form("&user_code=BBBB-BBBB"), "invalid_request"),
        (form_as((SPA, ""), SPA_URI, "&response_type=code"), "invalid_request"),
        (form_as((SPA, ""), SPA_URI, "&response_type=token"), "unauthorized_client"),
    ];
    for (form, error) in rows {
        let answer = push(&server, form.clone()).await;
        let (status, code, _) = answer.verdict();
        assert_eq!((status, code.as_str()), (400, error), "{form}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    // A11
    assert_eq!(push(&server, form("&extra=foobar&prompt=")).await.status, StatusCode::CREATED);
}

// RFC 9126 2.3: as HTTP
#[tokio::test]
async fn the_endpoint_takes_forms() {
    let server = world().await;
    assert_eq!(server.get(PAR).send().await.status, StatusCode::METHOD_NOT_ALLOWED);
    let json = server.post_as(PAR, "application/json").body("{}").send().await;
    assert_eq!(json.verdict().0, 400);
    let long = push(&server, format!("{}&x={}", form(""), "a".repeat(65 * 1024))).await;
    assert_eq!(long.status, StatusCode::PAYLOAD_TOO_LARGE);
    // For applications that live in a browser.
    let answer = server.post(PAR).header("Origin", "https://spa.example.com").body(form("")).send().await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    // O1
    server.store.close().await;
    assert_eq!(push(&server, form("")).await.verdict().0, 503);
}

// RFC 9126 2.2, 7.3: nobody else's, and not later
#[tokio::test]
async fn a_reference_is_of_its_client_and_for_a_minute() {
    let server = world().await;
    server.add_other_tenant().await;
    let pushed = push(&server, form("")).await;
    let own = link(WEB, &pushed);
    for (other, what) in [
        (own.replace(&WEB.to_string(), &THIRD.to_string()), "another client"),
        (format!("{own}x"), "a longer one"),
        (own.replace("request_uri%3A", "request_uri%3Ax"), "one that nobody was given"),
    ] {
        assert_gone(&Browser::new(&server).open(&other).await, what);
    }
    // The client of that name is in no other tenant.
    let foreign = Browser::new(&server).open(&format!("/{OTHER_TENANT}{own}")).await;
    assert_eq!((foreign.status, foreign.location), (StatusCode::BAD_REQUEST, None));
    let anonymous = Browser::new(&server).open(&own.replace(&format!("client_id={WEB}&"), "")).await;
    assert!(anonymous.status == StatusCode::BAD_REQUEST && anonymous.text().contains("invalid_request"));
    // Whoever opened the page in time can finish; whoever comes later cannot begin.
    let mut early = Browser::new(&server);
    let page = early.open(&own).await;
    server.clock.advance(60);
    assert_gone(&Browser::new(&server).open(&own).await, "after a minute");
    assert_gone(&early.open(&own).await, "loaded again after a minute");
    assert!(early.submit(&page, &[("loginId", ADA_EMAIL), ("password", PASSWORD)]).await.get("code").is_some());
    let slow = push(&server, form("")).await;
    let mut browser = Browser::new(&server);
    let page = browser.open(&link(WEB, &slow)).await;
    server.clock.advance(660);
    assert_gone(&browser.submit(&page, &[("loginId", ADA_EMAIL), ("password", PASSWORD)]).await, "much later");
}

// A8, A14, UX 22: second factor and consent come in between
#[tokio::test]
async fn all_steps_of_a_login_are_for_the_pushed_request() {
    let server = world().await;
    let enrollment = server.directory.enroll_totp(ADA).await.unwrap();
    let third = "&response_type=code&scope=openid+email+orders%3Alist&state=s";
    let pushed = push(&server, form_as((THIRD, "third secret"), THIRD_URI, third)).await;
    let mut browser = Browser::new(&server);
    let page = browser.sign_in(&link(THIRD, &pushed), ADA_EMAIL, PASSWORD).await;
    assert!(page.url.starts_with("/oauth2/two-factor?") && !page.url.contains("scope"), "{}", page.url);
    server.clock.advance(90);
    let code = enrollment.recovery_codes[0].expose().clone();
    let page = browser.submit(&page, &[("code", &code)]).await;
    assert!(page.url.starts_with("/oauth2/consent?") && page.text().contains("third.example.net"), "{}", page.url);
    assert!(browser.open(&page.url).await.has("allow"), "loaded again");
    let shown = browser.submit(&page, &[("decision", "allow"), ("scope:email", "true")]).await;
    assert_eq!(shown.get("state").as_deref(), Some("s"));
    let code = stored(&server, &shown).await;
    assert_eq!(code.approval.scopes, ["openid", "email", "orders:list"]);
    assert_gone(&browser.submit(&page, &[("decision", "allow")]).await, "allowed twice");
}

// RFC 9126 5, 6: per client, and in the metadata when it is true of all
#[tokio::test]
async fn a_client_may_have_to_push() {
    let strict = |_: Uuid, settings: &mut ApplicationSettings| settings.requires_pushed_requests = true;
    let server = world_with(|_| {}, strict).await;
    let document = async |server: &TestServer| -> Value {
        server.clock.advance(1);
        server.get("/.well-known/openid-configuration").send().await.json()
    };
    let metadata = document(&server).await;
    assert_eq!(metadata["pushed_authorization_request_endpoint"], format!("{PUBLIC_URL}{PAR}"));
    assert_eq!(metadata["require_pushed_authorization_requests"], true);
    let shown = Browser::new(&server).open(&ask("&state=s")).await;
    assert_eq!(shown.refusal().0, "invalid_request");
    assert_eq!(shown.get("state").as_deref(), Some("s"));
    let pushed = push(&server, form("")).await;
    let shown = Browser::new(&server).sign_in(&link(WEB, &pushed), ADA_EMAIL, PASSWORD).await;
    assert!(shown.get("code").is_some());
    let open = world_with(|_| {}, |id, settings| settings.requires_pushed_requests = id == WEB).await;
    assert_eq!(document(&open).await["require_pushed_authorization_requests"], false);
    assert_eq!(Browser::new(&open).open(&ask("")).await.refusal().0, "invalid_request");
}

// H5, RFC 9449 10.1, FAPI 2.0 5.3.2.1-12
#[tokio::test]
async fn a_proof_at_the_push_binds_the_code() {
    let server = world_with(|_| {}, |id, settings| settings.dpop_nonce = id == THIRD).await;
    let (key, other) = (DpopKey::new(), DpopKey::new());
    let prove = |key: &DpopKey, path: &str, nonce: Option<&str>| {
        key.proof_with("POST", &format!("{PUBLIC_URL}{path}"), None, |_, claims| {
            claims["iat"] = NOW.into();
            if let Some(nonce) = nonce {
                claims["nonce"] = nonce.into();
            }
        })
    };
    let with = async |form: String, proof: &str| server.post(PAR).header("DPoP", proof).body(form).send().await;
    let jkt = |key: &DpopKey| format!("&dpop_jkt={}", key.thumbprint());
    for more in [String::new(), jkt(&key)] {
        let pushed = with(form(&more), &prove(&key, PAR, None)).await;
        let shown = Browser::new(&server).sign_in(&link(WEB, &pushed), ADA_EMAIL, PASSWORD).await;
        let bound_to = stored(&server, &shown).await.approval.bound_to;
        assert_eq!(bound_to.and_then(|bound_to| bound_to.key), Some(key.thumbprint()));
        let redeem = async |proof: Option<String>| {
            let code = shown.get("code").unwrap();
            let form = format!("grant_type=authorization_code&code={code}&redirect_uri={}", encode(WEB_URI));
            let call = server.post("/oauth2/token").basic(&WEB.to_string(), WEB_SECRET).body(form);
            match proof {
                Some(proof) => call.header("DPoP", &proof).send().await.status.as_u16(),
                None => call.send().await.status.as_u16(),
            }
        };
        assert_eq!(redeem(None).await, 400);
        assert_eq!(redeem(Some(prove(&other, "/oauth2/token", None))).await, 400);
        assert_eq!(redeem(Some(prove(&key, "/oauth2/token", None))).await, 200);
    }
    let rows = [
        (form(&jkt(&other)), prove(&key, PAR, None)),
        (form(""), prove(&key, "/oauth2/token", None)),
        (form(""), "nonsense".to_owned()),
    ];
    for (form, proof) in rows {
        assert_eq!(with(form, &proof).await.verdict().1, "invalid_dpop_proof");
    }
    // RFC 9449 8: with a nonce of ours, where the client has to have one
    let third = || form_as((THIRD, "third secret"), THIRD_URI, "&response_type=code&scope=openid");
    let refused = with(third(), &prove(&key, PAR, None)).await;
    assert_eq!(refused.verdict().1, "use_dpop_nonce");
    let nonce = refused.header("dpop-nonce").unwrap().to_owned();
    let pushed = with(third(), &prove(&key, PAR, Some(&nonce))).await;
    assert_eq!((pushed.status, pushed.header("dpop-nonce").is_some()), (StatusCode::CREATED, true));
}

// N7: whoever only says a name fills no database
#[tokio::test]
async fn a_name_alone_does_not_push_without_end() {
    let server = world().await;
    let pkce = format!("&response_type=code&code_challenge={CHALLENGE}&code_challenge_method=S256");
    let push = async |peer: &str| server.post(PAR).from(peer).body(form_as((SPA, ""), SPA_URI, &pkce)).send().await;
    for _ in 0..60 {
        assert_eq!(push("192.0.2.1").await.status, StatusCode::CREATED);
    }
    let refused = push("192.0.2.1").await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, Some("60")));
    assert_eq!(push("192.0.2.2").await.status, StatusCode::CREATED);
}

// A14, ASVS 15.4.2: of all the browsers with one reference, on whichever node, one gets a code
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_browsers_wins() {
    one_wins(&Database::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_browsers_wins_on_postgres() {
    if let Some(database) = Database::postgres().await {
        one_wins(&database).await;
    }
}

async fn one_wins(database: &Database) {
    let nodes = TestServer::nodes_with_people(database).await;
    let form = format!(
        "client_id={}&client_secret={}&response_type=code&redirect_uri={}",
        people::WEB,
        encode(people::SECRET),
        encode(people::CALLBACK)
    );
    let mut first = Browser::new(&nodes[0]);
    let plain = format!(
        "/oauth2/authorize?client_id={}&response_type=code&redirect_uri={}",
        people::WEB,
        encode(people::CALLBACK)
    );
    assert!(first.sign_in(&plain, people::ADA_EMAIL, people::PASSWORD).await.get("code").is_some());
    let pushed = push(&nodes[0], form).await;
    let uri = pushed.json()["request_uri"].as_str().unwrap().to_owned();
    let link = format!("/oauth2/authorize?client_id={}&request_uri={}", people::WEB, encode(&uri));
    let mut opening = tokio::task::JoinSet::new();
    for number in 0..12 {
        let (node, cookies, link) = (Arc::clone(&nodes[number % 3]), first.cookies.clone(), link.clone());
        opening.spawn(async move {
            let mut browser = Browser::new(&node);
            browser.cookies = cookies;
            let shown = browser.open(&link).await;
            (shown.status.as_u16(), shown.location.is_some_and(|location| location.contains("code=")))
        });
    }
    let answers = opening.join_all().await;
    assert_eq!(answers.iter().filter(|(_, has_code)| *has_code).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|(status, has_code)| *has_code || *status == 400), "{answers:?}");
}
