//! People whose login does not suffice for a route: led to another one, once (RFC 9470); and what becomes of their tokens when
//! they leave (RFC 7009).

use std::time::{Duration, Instant};

use crate::support::foreign_issuer::{ForeignIssuer, REVOKE, TOKEN};
use crate::support::gateway::Gateway;
use crate::support::visitor::{Seen, Visitor};

const ADA: &str = "ada@example.com";
const PASSWORD: &str = "Setec Astronomy is not too many secrets";
const SECRET: &str = "app-secret-app-secret-app-secret-app-secret";
const HTML: (&str, &str) = ("accept", "text/html");
/// Seconds for which a login is new enough for `/recent`.
const RECENT: u64 = 4;

const OWN: &str = r#"
listen: "${LISTEN}"
issuers: { self: {} }
logins: { people: { issuer: self, client_id: app, client_secret: "${SECRET}", logout: here } }
upstreams: { app: "${UPSTREAM}" }
routes:
  /app/**: { upstream: app, require: authenticated, login: redirect }
  /strong/**: { upstream: app, require: "all: [acr 2, authenticated]", login: redirect }
  /recent/**: { upstream: app, require: "all: [authenticated, authenticated within ${RECENT}s]", login: redirect }
directory:
  tenants: { default: { id_token_algorithm: ES256 } }
  applications:
    app:
      tenant: default
      client_id: app
      client_secret: "${SECRET}"
      redirect_uris: [http://127.0.0.1/_faregate/callback]
  users:
    ada@example.com: { password: "${PASSWORD}" }
"#;

const CORP: &str = r#"
listen: "${LISTEN}"
issuers: { corp: { issuer: "${CORP}", audience: api } }
logins: { corp: { issuer: corp, client_id: gate, parameters: { acr_values: bronze, prompt: login } } }
upstreams: { app: "${UPSTREAM}" }
routes:
  /corp/**: { upstream: app, require: scope read, login: corp }
  /gold/**: { upstream: app, require: "all: [scope read, acr in [gold, platinum]]", login: corp }
  /recent/**: { upstream: app, require: { GET: authenticated within 5m, POST: authenticated within 5m }, login: corp }
"#;

async fn own() -> Gateway {
    Gateway::of(OWN, &[("SECRET", SECRET), ("PASSWORD", PASSWORD), ("RECENT", &RECENT.to_string())]).await
}

async fn corp() -> (Gateway, ForeignIssuer) {
    let issuer = ForeignIssuer::start().await;
    issuer.let_people_in(300);
    (Gateway::of(CORP, &[("CORP", &issuer.url())]).await, issuer)
}

async fn sign_in(visitor: &mut Visitor, page: Seen) -> Seen {
    assert!(page.body.contains("id=\"loginId\""), "{page:?}");
    visitor.submit(&page, &[("loginId", ADA), ("password", PASSWORD)]).await
}

// RFC 9470 3, 4, OpenID Connect Core 3.1.2.1: an old login is made again, and the page comes that was wanted
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_is_too_old_is_made_again() {
    let gateway = own().await;
    let mut ada = Visitor::new();
    let page = ada.go(&gateway.url("/recent/x?page=2")).await;
    assert_eq!(sign_in(&mut ada, page).await.status, 200);
    assert_eq!(ada.open(&gateway.url("/recent/y")).await.status, 200);
    tokio::time::sleep(Duration::from_secs(RECENT + 1)).await;
    assert_eq!(ada.open(&gateway.url("/app/x")).await.status, 200, "it is old for this page only");
    // A program of the page is told what it needs, and is led nowhere.
    for (method, fields) in [("GET", &[][..]), ("POST", &[HTML, ("sec-fetch-site", "same-origin")])] {
        let told = ada.send(method, &gateway.url("/recent/x"), fields, None).await;
        assert_eq!((told.status, told.field("location")), (401, ""), "{told:?}");
        let challenge = told.field("www-authenticate");
        assert!(
            challenge.contains("insufficient_user_authentication") && challenge.contains("max_age=\"4\""),
            "{told:?}"
        );
    }
    let led = ada.open(&gateway.url("/recent/x?page=2")).await;
    assert_eq!(led.status, 302);
    assert!(led.field("location").contains("&max_age=4"), "{led:?}");
    let page = ada.follow(led).await;
    let seen = sign_in(&mut ada, page).await;
    assert_eq!((seen.status, seen.url), (200, gateway.url("/recent/x?page=2")), "after the password, again");
}

// RFC 9470 4: whoever has no second factor is told so, and not sent round in circles
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_is_too_weak_is_made_again() {
    let gateway = own().await;
    let mut ada = Visitor::new();
    let page = ada.go(&gateway.url("/strong/x")).await;
    // The password, then once more with `acr_values`, which changes nothing.
    let seen = sign_in(&mut ada, page).await;
    assert_eq!((seen.status, seen.url.as_str()), (401, gateway.url("/strong/x").as_str()));
    assert!(seen.body.contains("You have logged in again") && seen.body.contains("weak_authentication"), "{seen:?}");
    assert!(seen.field("www-authenticate").contains("acr_values=\"2\""), "{seen:?}");
    assert_eq!(ada.open(&gateway.url("/app/x")).await.status, 200, "her session is as good as before");

    let directory = gateway.running.directory();
    let user = directory.find_user(gateway.running.tenant_id, ADA).await.unwrap().unwrap();
    let enrolled = directory.enroll_totp(user.id).await.unwrap();
    let code = enrolled.recovery_codes[0].expose().clone();
    // Sooner than that, it would only have been sent round.
    tokio::time::sleep(Duration::from_secs(11)).await;
    let led = ada.open(&gateway.url("/strong/x")).await;
    assert!(led.field("location").contains("&acr_values=2"), "{led:?}");
    let page = ada.follow(led).await;
    let asked = sign_in(&mut ada, page).await;
    assert!(asked.body.contains("name=\"code\""), "{asked:?}");
    let seen = ada.submit(&asked, &[("code", &code)]).await;
    assert_eq!((seen.status, seen.url), (200, gateway.url("/strong/x")));
}

// RFC 9470 4, 6: an issuer that says nothing of logins in its tokens is asked once more, and that is told
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_that_cannot_say_is_asked_once_more() {
    let (gateway, issuer) = corp().await;
    for (path, demanded) in [("/gold/x", "&acr_values=gold%20platinum"), ("/recent/x", "&max_age=300")] {
        let mut ann = Visitor::new();
        let before = issuer.logins().len();
        let seen = ann.go(&gateway.url(path)).await;
        assert_eq!(seen.status, 401, "{seen:?}");
        assert!(seen.body.contains("You have logged in again"), "{seen:?}");
        let logins = issuer.logins().split_off(before);
        let [first, second] = &logins[..] else { panic!("{logins:?}") };
        assert!(first.contains("&acr_values=bronze") && !first.contains(demanded), "{first}");
        // What the route wants takes the place of what is usual.
        assert_eq!(second.matches("acr_values=").count(), 1, "{second}");
        assert!(second.contains(demanded) && second.contains("&prompt=login"), "{second}");
        // Another page, which asks for something else, may ask once more.
        assert_eq!(ann.open(&gateway.url("/corp/x")).await.status, 200);
        assert_eq!(ann.open(&gateway.url(path)).await.status, 401, "and nobody is led anywhere now");
        assert_eq!(issuer.logins().len(), before + 2);
    }
    let metrics = gateway.metrics().await;
    for reason in
        [r#"reason="weak_authentication",route="/gold/**""#, r#"reason="old_authentication",route="/recent/**""#]
    {
        assert!(metrics.contains(reason), "{metrics}");
    }
    // A client of its own is told, whatever it accepts.
    let token = issuer.token(serde_json::json!({}));
    let fields = [HTML, ("authorization", &*format!("Bearer {token}"))];
    let told = Visitor::new().send("GET", &gateway.url("/gold/x"), &fields, None).await;
    assert_eq!((told.status, told.field("location")), (401, ""), "{told:?}");
}

// RFC 7009 2.1: what a session could be renewed with is given back when its owner leaves
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_leaves_takes_the_refresh_token_along() {
    let (gateway, issuer) = corp().await;
    let mut ann = Visitor::new();
    assert_eq!(ann.go(&gateway.url("/corp/x")).await.status, 200);
    let logout = gateway.url("/_faregate/logout");
    let page = ann.open(&logout).await;
    assert_eq!(issuer.count(REVOKE), 0, "a question ends nothing");
    ann.submit(&page, &[]).await;
    let began = Instant::now();
    while issuer.count(REVOKE) == 0 {
        assert!(began.elapsed() < Duration::from_secs(5), "the issuer is told");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let asked = &issuer.asked(REVOKE)[0];
    assert_eq!(asked.body, "token=refresh-1&token_type_hint=refresh_token&client_id=gate");
    assert_eq!((issuer.count(REVOKE), issuer.count(TOKEN)), (1, 1));

    // An issuer that does not answer holds nobody up, and neither does one that has no such endpoint.
    issuer.reply(REVOKE, crate::support::foreign_issuer::Reply::Close);
    let mut ann = Visitor::new();
    assert_eq!(ann.go(&gateway.url("/corp/x")).await.status, 200);
    let page = ann.open(&logout).await;
    let bye = ann.submit(&page, &[]).await;
    assert!(bye.body.contains("Bye") && ann.cookies.is_empty(), "{bye:?}");
}

// The same of our own, without a hop
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_refresh_tokens_end_too() {
    let gateway = own().await;
    let mut ada = Visitor::new();
    let page = ada.go(&gateway.url("/app/x")).await;
    assert_eq!(sign_in(&mut ada, page).await.status, 200);
    let directory = gateway.running.directory();
    let user = directory.find_user(gateway.running.tenant_id, ADA).await.unwrap().unwrap();
    let count = async || directory.access_of(user.id).await.unwrap().grants.len();
    assert_eq!(count().await, 1);
    let own = gateway.url("");
    let left =
        ada.send("POST", &gateway.url("/_faregate/logout"), &[HTML, ("origin", &own)], Some(String::new())).await;
    assert!(left.body.contains("You are signed out"), "{left:?}");
    let began = Instant::now();
    while count().await > 0 {
        assert!(began.elapsed() < Duration::from_secs(5), "her refresh token is still good");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
