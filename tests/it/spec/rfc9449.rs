//! RFC 9449 at the authorization server: tokens that are bound to a key, and what may be done with them here.

use std::sync::Arc;

use faregate::model::{ApplicationGrant, Confirmation};
use faregate::store::Store as _;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::authorization_server::{
    Answer, EMAIL, NOW, PUBLIC_URL, TENANT, TODO_API, TODO_SECRET, TestServer, encode,
};
use crate::support::browser::Browser;
use crate::support::database::Database;
use crate::support::dpop::DpopKey;
use crate::support::people::{ADA_EMAIL, PASSWORD, ROTATING, SECRET, SPA, WEB, redemption};
use crate::support::world;

const TOKEN: &str = "/oauth2/token";
const USERINFO: &str = "/oauth2/userinfo";

/// A proof of the instant at which the clock of the tests stands still.
fn proof(key: &DpopKey, path: &str) -> String {
    proof_with(key, path, |_, _| {})
}

fn proof_with(key: &DpopKey, path: &str, change: impl FnOnce(&mut Value, &mut Value)) -> String {
    key.proof_with("POST", &format!("{PUBLIC_URL}{path}"), None, |header, claims| {
        claims["iat"] = NOW.into();
        change(header, claims);
    })
}

/// A request of `client_id`, with its secret if it has one, and these proofs.
async fn ask(server: &TestServer, client_id: &str, form: &str, proofs: &[&str]) -> Answer {
    let secret = if client_id == SPA { String::new() } else { format!("&client_secret={}", encode(SECRET)) };
    let call = server.post(TOKEN).body(format!("client_id={client_id}&{form}{secret}"));
    proofs.iter().fold(call, |call, proof| call.header("DPoP", proof)).send().await
}

fn refreshed(token: &str) -> String {
    format!("grant_type=refresh_token&refresh_token={token}")
}

fn verdict(answer: &Answer) -> (u16, String) {
    let (status, error, _) = answer.verdict();
    (status, error)
}

fn refused(status: u16, error: &str) -> (u16, String) {
    (status, error.to_owned())
}

fn assert_bound(answer: &Answer, key: &DpopKey) {
    assert_eq!(answer.json()["token_type"], "DPoP", "{}", answer.text());
    assert_eq!(answer.claims()["cnf"], json!({ "jkt": key.thumbprint() }));
}

// RFC 9449 5, 6.1: whatever the grant
#[tokio::test]
async fn every_grant_binds_its_token_to_the_key() {
    let (server, key) = (TestServer::with_people().await, DpopKey::new());
    let code = redemption(&server.code(WEB, "openid offline_access").await);
    let first = ask(&server, WEB, &code, &[&proof(&key, TOKEN)]).await;
    assert_bound(&first, &key);
    assert_bound(&ask(&server, WEB, &refreshed(&first.refresh_token()), &[&proof(&key, TOKEN)]).await, &key);
    let password = format!("grant_type=password&username={ADA_EMAIL}&password={}", encode(PASSWORD));
    assert_bound(&ask(&server, WEB, &password, &[&proof(&key, TOKEN)]).await, &key);
    let entity = server.post(TOKEN).basic(&TODO_API.to_string(), TODO_SECRET);
    let body = format!("grant_type=client_credentials&scope=target-entity:{EMAIL}");
    assert_bound(&entity.header("DPoP", &proof(&key, TOKEN)).body(body).send().await, &key);
    // Without a proof nothing is as it was not.
    let unbound = server.tokens(WEB, "openid").await;
    assert_eq!((&unbound.json()["token_type"], unbound.claims().get("cnf")), (&json!("Bearer"), None));
    // RFC 8414 2, RFC 9449 5.1
    let metadata = server.get("/.well-known/openid-configuration").send().await.json();
    let algorithms = metadata["dpop_signing_alg_values_supported"].as_array().unwrap();
    assert!(algorithms.contains(&json!("ES256")) && !algorithms.contains(&json!("HS256")), "{algorithms:?}");
}

// H4: by whichever of its names the tenant's endpoint is called
#[tokio::test]
async fn a_proof_names_the_endpoint() {
    let (server, key) = (TestServer::with_people().await, DpopKey::new());
    let of_tenant = format!("/{TENANT}{TOKEN}");
    for (path, status) in [
        (TOKEN.to_owned(), 200),
        (format!("{TOKEN}?a=b#c"), 200),
        (of_tenant, 200),
        (USERINFO.to_owned(), 400),
        ("/".to_owned(), 400),
        (format!("/{}{TOKEN}", uuid::Uuid::from_u128(9)), 400),
    ] {
        let form = redemption(&server.code(WEB, "").await);
        assert_eq!(ask(&server, WEB, &form, &[&proof(&key, &path)]).await.status.as_u16(), status, "{path}");
    }
}

// H1, RFC 9449 4.3, 5: what is wrong spends nothing
#[tokio::test]
async fn a_wrong_proof_is_no_proof() {
    let (server, key, other) = (TestServer::with_people().await, DpopKey::new(), DpopKey::new());
    let form = redemption(&server.code(WEB, "").await);
    let good = || proof(&key, TOKEN);
    let changed = |change: fn(&mut Value, &mut Value)| proof_with(&key, TOKEN, change);
    let rows = [
        vec![good(), good()],
        vec!["nonsense".to_owned()],
        vec![String::new()],
        vec![changed(|header, _| header["typ"] = "JWT".into())],
        vec![changed(|header, _| header["alg"] = "none".into())],
        vec![changed(|header, _| header["jwk"]["d"] = "AA".into())],
        vec![proof_with(&key, TOKEN, |header, _| header["jwk"] = other.jwk.clone())],
        vec![changed(|_, claims| claims["jti"] = Value::Null)],
        vec![changed(|_, claims| claims["htm"] = "GET".into())],
        vec![changed(|_, claims| claims["iat"] = (NOW - 61).into())],
        vec![changed(|_, claims| claims["iat"] = (NOW + 11).into())],
    ];
    for proofs in rows {
        let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
        let answer = ask(&server, WEB, &form, &proofs).await;
        assert_eq!(verdict(&answer), refused(400, "invalid_dpop_proof"), "{proofs:?}");
    }
    assert_bound(&ask(&server, WEB, &form, &[&good()]).await, &key);
}

// H3, RFC 9449 11.1: once, on whichever node, and not at all while nobody can say
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_is_used_once() {
    one_proof_passes(&Database::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_is_used_once_on_postgres() {
    if let Some(database) = Database::postgres().await {
        one_proof_passes(&database).await;
    }
}

async fn one_proof_passes(database: &Database) {
    let (nodes, key) = (TestServer::nodes_with_people(database).await, DpopKey::new());
    let ask = async |node: Arc<TestServer>, proof: String| {
        let form = redemption(&node.code(WEB, "").await);
        ask(&node, WEB, &form, &[&proof]).await.status
    };
    let once = proof(&key, TOKEN);
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..12 {
        asking.spawn(ask(Arc::clone(&nodes[number % 3]), once.clone()));
    }
    let answers = asking.join_all().await;
    assert_eq!(answers.iter().filter(|status| **status == StatusCode::OK).count(), 1, "{answers:?}");
    // Somebody else's proof may have the same id.
    let same = |_: &mut Value, claims: &mut Value| claims["jti"] = "same".into();
    for key in [&key, &DpopKey::new()] {
        let answer = ask(Arc::clone(&nodes[0]), proof_with(key, TOKEN, same)).await;
        assert_eq!(answer, StatusCode::OK);
    }
}

// O1, H3: nobody is told that a proof is bad while nobody can say
#[tokio::test]
async fn a_silent_store_is_503() {
    let (server, key) = (TestServer::with_people().await, DpopKey::new());
    server.store.close().await;
    let call = server.post(TOKEN).basic(&TODO_API.to_string(), TODO_SECRET).header("DPoP", &proof(&key, TOKEN));
    assert_eq!(
        verdict(&call.body("grant_type=client_credentials").send().await),
        refused(503, "temporarily_unavailable")
    );
}

// H5, B4, RFC 9449 10
#[tokio::test]
async fn a_code_is_bound_to_the_key_that_it_was_asked_for_with() {
    let (server, key, other) = (TestServer::with_people().await, DpopKey::new(), DpopKey::new());
    let bound_to = Confirmation { key: Some(key.thumbprint()), certificate: None };
    let code = server.code_with(WEB, "openid", |code| code.approval.bound_to = Some(bound_to)).await;
    let form = redemption(&code);
    assert_eq!(verdict(&ask(&server, WEB, &form, &[]).await), refused(400, "invalid_grant"));
    assert_eq!(verdict(&ask(&server, WEB, &form, &[&proof(&other, TOKEN)]).await), refused(400, "invalid_grant"));
    // Nothing of that spent it.
    assert_bound(&ask(&server, WEB, &form, &[&proof(&key, TOKEN)]).await, &key);
}

// H5, RFC 9449 10: `dpop_jkt`
#[tokio::test]
async fn the_authorization_endpoint_binds_codes() {
    let (server, key) = (world::world().await, DpopKey::new());
    let mut browser = Browser::new(&server);
    let asked = world::ask(&format!("&dpop_jkt={}", key.thumbprint()));
    let code = browser.sign_in(&asked, world::ADA_EMAIL, world::PASSWORD).await.get("code").unwrap();
    let hash = faregate::model::ClientSecret::hash(&code);
    let stored = server.store.find_authorization_code(&hash).await.unwrap().unwrap();
    assert_eq!(stored.approval.bound_to.unwrap().key, Some(key.thumbprint()));
    for wrong in ["x", &format!("{}A", key.thumbprint()), &key.thumbprint().replace(|_: char| true, "+")] {
        let shown = browser.open(&world::ask(&format!("&dpop_jkt={}", encode(wrong)))).await;
        assert_eq!(shown.get("error").as_deref(), Some("invalid_request"), "{wrong}");
    }
}

// H6, RFC 9449 5: a public client has nothing else to be bound to
#[tokio::test]
async fn refresh_tokens_of_public_clients_are_bound_to_the_key() {
    let (server, key, other) = (TestServer::with_people().await, DpopKey::new(), DpopKey::new());
    let family = async |client_id: &str| {
        let form = redemption(&server.code(client_id, "offline_access").await);
        ask(&server, client_id, &form, &[&proof(&key, TOKEN)]).await.refresh_token()
    };
    let mut token = family(SPA).await;
    for _ in 0..2 {
        let form = refreshed(&token);
        assert_eq!(verdict(&ask(&server, SPA, &form, &[]).await), refused(400, "invalid_grant"));
        assert_eq!(verdict(&ask(&server, SPA, &form, &[&proof(&other, TOKEN)]).await), refused(400, "invalid_grant"));
        let answer = ask(&server, SPA, &form, &[&proof(&key, TOKEN)]).await;
        assert_bound(&answer, &key);
        token = answer.refresh_token();
    }
    // A client that authenticates may take another key, or none.
    let token = family(ROTATING).await;
    let answer = ask(&server, ROTATING, &refreshed(&token), &[&proof(&other, TOKEN)]).await;
    assert_bound(&answer, &other);
    let answer = ask(&server, ROTATING, &refreshed(&answer.refresh_token()), &[]).await;
    assert_eq!((&answer.json()["token_type"], answer.claims().get("cnf")), (&json!("Bearer"), None));
}

// H7, RFC 9449 8: a nonce of ours, good for two generations
#[tokio::test]
async fn a_proof_may_have_to_have_a_nonce() {
    let (server, key) = (TestServer::with_people().await, DpopKey::new());
    server.change(WEB, |settings| settings.dpop_nonce = true).await;
    let form = redemption(&server.code(WEB, "").await);
    let with = |nonce: &str, now: i64| {
        let nonce = nonce.to_owned();
        proof_with(&key, TOKEN, move |_, claims| {
            claims["nonce"] = nonce.into();
            claims["iat"] = now.into();
        })
    };
    let answer = ask(&server, WEB, &form, &[&proof(&key, TOKEN)]).await;
    assert_eq!(verdict(&answer), refused(400, "use_dpop_nonce"));
    let nonce = answer.header("dpop-nonce").unwrap().to_owned();
    let made_up = ask(&server, WEB, &form, &[&with("made-up", NOW)]).await;
    assert_eq!(verdict(&made_up), refused(400, "use_dpop_nonce"));
    let answer = ask(&server, WEB, &form, &[&with(&nonce, NOW)]).await;
    assert_bound(&answer, &key);
    assert_eq!(answer.header("dpop-nonce"), Some(&*nonce), "for the next one");
    let rows = [(300, true), (600, false)];
    for (later, good) in rows {
        server.clock.set(NOW + later);
        let form = redemption(&server.code(WEB, "").await);
        let answer = ask(&server, WEB, &form, &[&with(&nonce, NOW + later)]).await;
        assert_eq!(answer.status == StatusCode::OK, good, "{later}: {}", answer.text());
        assert_ne!(answer.header("dpop-nonce"), Some(&*nonce), "rotated");
    }
    // Scripts in browsers can read it.
    assert!(answer.header("access-control-expose-headers").unwrap().contains("dpop-nonce"));
}

// RFC 9449 5.2: such a client gets nothing that is good for whoever has it
#[tokio::test]
async fn a_client_may_have_to_bring_a_proof() {
    let (server, key) = (TestServer::with_people().await, DpopKey::new());
    server.change(WEB, |settings| settings.dpop_bound_access_tokens = true).await;
    let form = redemption(&server.code(WEB, "").await);
    assert_eq!(verdict(&ask(&server, WEB, &form, &[]).await), refused(400, "invalid_dpop_proof"));
    assert_bound(&ask(&server, WEB, &form, &[&proof(&key, TOKEN)]).await, &key);
    let world = world::world_with(
        |_| {},
        |id, settings| {
            settings.grants = ApplicationGrant::ALL.to_vec();
            settings.dpop_bound_access_tokens = id == world::WEB;
        },
    )
    .await;
    let mut browser = Browser::new(&world);
    let asked = world::ask_as(world::WEB, world::WEB_URI, "&response_type=token");
    let shown = browser.open(&asked).await;
    assert!(shown.location.is_some_and(|location| location.contains("error=unauthorized_client")));
}

// RFC 9449 7.1, 6.2, H2: where a token comes back to us
#[tokio::test]
async fn a_bound_token_is_used_with_a_proof_here_too() {
    let (server, key, other) = (TestServer::with_people().await, DpopKey::new(), DpopKey::new());
    let form = redemption(&server.code(WEB, "openid").await);
    let token = ask(&server, WEB, &form, &[&proof(&key, TOKEN)]).await.access_token();
    let unbound = server.tokens(WEB, "openid").await.access_token();
    let prove = |key: &DpopKey, token: &str| {
        let change = |_: &mut Value, claims: &mut Value| claims["iat"] = NOW.into();
        key.proof_with("GET", &format!("{PUBLIC_URL}{USERINFO}"), Some(token), change)
    };
    let userinfo = async |authorization: String, proofs: &[&str]| {
        let call = server.get(USERINFO).header("Authorization", &authorization);
        proofs.iter().fold(call, |call, proof| call.header("DPoP", proof)).send().await
    };
    let good = prove(&key, &token);
    let answer = userinfo(format!("DPoP {token}"), &[&good]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let rows = [
        (format!("DPoP {token}"), vec![good], "invalid_dpop_proof"),
        (format!("DPoP {token}"), vec![], "invalid_dpop_proof"),
        (format!("DPoP {token}"), vec![prove(&key, "another")], "invalid_dpop_proof"),
        (format!("DPoP {token}"), vec![prove(&other, &token)], "invalid_token"),
        (format!("Bearer {token}"), vec![prove(&key, &token)], "invalid_token"),
        (format!("Bearer {token}"), vec![], "invalid_token"),
        (format!("DPoP {unbound}"), vec![prove(&key, &unbound)], "invalid_token"),
    ];
    for (authorization, proofs, error) in rows {
        let proofs: Vec<&str> = proofs.iter().map(String::as_str).collect();
        let answer = userinfo(authorization.clone(), &proofs).await;
        assert_eq!(verdict(&answer), refused(401, error), "{authorization}");
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.contains(&format!("error=\"{error}\"")), "{challenge}");
        // In the scheme that the token has, or was said to have.
        assert!(challenge.starts_with("DPoP ") && challenge.contains("algs=\""), "{challenge}");
    }
    let form = server.post(USERINFO).body(format!("access_token={token}")).send().await;
    assert_eq!(verdict(&form), refused(401, "invalid_token"));
    assert!(form.header("www-authenticate").unwrap().starts_with("DPoP "));
    let unknown = userinfo("Bearer x".to_owned(), &[]).await;
    assert!(unknown.header("www-authenticate").unwrap().starts_with("Bearer "));
    let introspected = server.introspect(WEB, &token).await.json();
    assert_eq!((&introspected["active"], &introspected["token_type"]), (&json!(true), &json!("DPoP")));
    assert_eq!(introspected["cnf"], json!({ "jkt": key.thumbprint() }));
    assert_eq!(server.introspect(WEB, &unbound).await.json()["token_type"], "Bearer");
    // The management API takes no proofs, so such a token is nobody's there.
    assert!(server.server.account_of(&unbound).await.unwrap().is_some());
    assert!(server.server.account_of(&token).await.unwrap().is_none());
}

// N7, H3: each proof is remembered, so that nobody may send any number for a client that proves nothing else
#[tokio::test]
async fn strangers_send_so_many_proofs_and_no_more() {
    let (server, key) = (TestServer::with_people().await, DpopKey::new());
    let form = refreshed("made-up");
    for _ in 0..600 {
        assert_eq!(verdict(&ask(&server, SPA, &form, &[&proof(&key, TOKEN)]).await), refused(400, "invalid_grant"));
    }
    let answer = ask(&server, SPA, &form, &[&proof(&key, TOKEN)]).await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, Some("60")));
    // Neither does it stop those who send none, nor a client that proves who it is.
    assert_eq!(verdict(&ask(&server, SPA, &form, &[]).await), refused(400, "invalid_grant"));
    assert_eq!(verdict(&ask(&server, WEB, &form, &[&proof(&key, TOKEN)]).await), refused(400, "invalid_grant"));
}
