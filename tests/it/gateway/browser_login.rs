//! People who come with a browser: led to an issuer, ours or another one, known again, kept logged in, signed out.

use std::time::{Duration, Instant};

use faregate::jose::TokenType;
use serde_json::json;

use crate::support::foreign_issuer::{END_SESSION, ForeignIssuer, METADATA, Reply, TOKEN, now};
use crate::support::gateway::{Gateway, client};
use crate::support::upstream::Behaviour;
use crate::support::visitor::{Seen, Visitor};

const ADA: &str = "ada@example.com";
const PASSWORD: &str = "Setec Astronomy is not too many secrets";
const SECRET: &str = "app-secret-app-secret-app-secret-app-secret";
const HTML: (&str, &str) = ("accept", "text/html");

/// Ada may use the application; nobody is an admin.
const OWN: &str = r#"
listen: "${LISTEN}"
issuers: { self: {} }
logins: { people: { issuer: self, client_id: app, client_secret: "${SECRET}" } }
upstreams: { app: "${UPSTREAM}" }
routes:
  /app/**: { upstream: app, require: authenticated, login: redirect }
  /admin/**: { upstream: app, require: role admin, login: people }
  /mixed/**: { upstream: app, require: { GET: public, "*": authenticated }, login: redirect }
  /api/**: { upstream: app, require: authenticated }
directory:
  tenants: { default: { id_token_algorithm: ES256 } }
  applications:
    app:
      tenant: default
      client_id: app
      client_secret: "${SECRET}"
      redirect_uris: [http://127.0.0.1/_faregate/callback, http://127.0.0.1/bye]
  users:
    ada@example.com: { password: "${PASSWORD}" }
"#;

/// One issuer, or with `more` several.
const CORP: &str = r#"
listen: "${LISTEN}"
issuers: { self: {}, corp: { issuer: "${CORP}", audience: api, logout: { audience: gate } } }
logins: { corp: { issuer: corp, client_id: gate, parameters: { prompt: login } } }
upstreams: { app: "${UPSTREAM}" }
routes: { /corp/**: { upstream: app, tokens: [self, corp], require: scope read, login: corp } }
"#;

async fn own() -> Gateway {
    Gateway::of(OWN, &[("SECRET", SECRET), ("PASSWORD", PASSWORD)]).await
}

/// A gateway and an issuer whose access tokens live so many seconds.
async fn corp(life: i64) -> (Gateway, ForeignIssuer) {
    let issuer = ForeignIssuer::start().await;
    issuer.let_people_in(life);
    (Gateway::of(CORP, &[("CORP", &issuer.url())]).await, issuer)
}

async fn sign_in(visitor: &mut Visitor, url: &str) -> Seen {
    let page = visitor.go(url).await;
    assert!(page.body.contains("id=\"loginId\""), "{page:?}");
    visitor.submit(&page, &[("loginId", ADA), ("password", PASSWORD)]).await
}

// F-330, F-332, K4: from a link to what it leads to, through a login, and the upstream hears of none of it
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_leads_through_a_login_to_where_it_leads() {
    let gateway = own().await;
    let mut ada = Visitor::new();
    ada.cookies.insert("theme".to_owned(), "dark".to_owned());
    let seen = sign_in(&mut ada, &gateway.url("/app/a%20b?page=2&sort=up")).await;
    assert_eq!((seen.status, seen.body.as_str()), (200, "ok"));
    assert_eq!(seen.url, gateway.url("/app/a%20b?page=2&sort=up"));
    let received = gateway.upstream.last();
    assert!(received.request_line().starts_with("GET /app/a%20b?page=2&sort=up "), "{received:?}");
    assert_eq!(received.field("cookie").as_deref(), Some("theme=dark"));
    assert_eq!(received.field("authorization"), None);
    assert!(received.field("x-auth-subject").is_some_and(|subject| subject.len() == 36), "{received:?}");
    assert_eq!(received.field("x-auth-client").as_deref(), Some("app"));
    assert_eq!(gateway.upstream.count(), 1);
    // RFC 9111 3.5: no cache gives it to anybody else.
    assert_eq!((seen.field("vary"), seen.field("cache-control")), ("Cookie", "private"));
    let names: Vec<&String> = ada.cookies.keys().filter(|name| name.contains("faregate_at_")).collect();
    assert_eq!(names, ["faregate_at_people"], "nothing is left of the attempt");
    // Now she goes anywhere, without a redirect.
    assert_eq!(ada.open(&gateway.url("/app/other")).await.status, 200);
    // Routes without a login look at no cookie.
    assert_eq!(ada.open(&gateway.url("/api/x")).await.status, 401);
    assert_eq!(ada.open(&gateway.url("/admin/x")).await.status, 403, "what she may is decided as ever");
    assert_eq!(ada.open(&gateway.url("/mixed/x")).await.status, 200);
    assert_eq!(gateway.upstream.last().field("x-auth-subject"), None);
}

// F14: only people are led anywhere; programs get a challenge, and their own credential counts before a cookie
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_are_never_redirected() {
    let gateway = own().await;
    let url = gateway.url("/app/x");
    for (method, fields) in [
        ("GET", &[][..]),
        ("GET", &[("accept", "*/*")]),
        ("GET", &[("accept", "application/json")]),
        ("POST", &[HTML]),
        ("PUT", &[HTML]),
        ("GET", &[HTML, ("sec-fetch-mode", "cors")]),
        ("GET", &[HTML, ("sec-fetch-dest", "iframe"), ("sec-fetch-mode", "navigate")]),
        ("GET", &[HTML, ("authorization", "Bearer x.y.z")]),
        ("GET", &[HTML, ("authorization", "Basic eDp5")]),
    ] {
        let seen = Visitor::new().send(method, &url, fields, None).await;
        assert_eq!(seen.status, 401, "{method} {fields:?}");
        assert!(seen.field("www-authenticate").starts_with("Bearer"), "{seen:?}");
        assert_eq!((seen.field("location"), seen.field("set-cookie")), ("", ""));
    }
    let led = Visitor::new().send("HEAD", &url, &[HTML], None).await;
    assert_eq!((led.status, led.field("cache-control")), (302, "no-store"));
    assert!(led.field("location").starts_with(&gateway.url("/oauth2/authorize?response_type=code&")), "{led:?}");
    let mut ada = Visitor::new();
    assert_eq!(sign_in(&mut ada, &url).await.status, 200);
    let seen = ada.send("GET", &url, &[HTML, ("authorization", "Bearer x.y.z")], None).await;
    assert_eq!((seen.status, gateway.upstream.count()), (401, 1));
    let (token, mut program) = (seen.status, Visitor::new());
    assert_eq!(token, 401);
    program.cookies = ada.cookies.clone();
    assert_eq!(program.send("GET", &url, &[], None).await.status, 200, "a script of the page has her session");
}

// K5, CWE-352, CWE-1385: other sites' pages send the cookie too
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_something_must_come_from_the_same_origin() {
    let gateway = own().await;
    let mut ada = Visitor::new();
    let url = gateway.url("/app/x");
    sign_in(&mut ada, &url).await;
    let own = gateway.url("");
    let upgrade = [("upgrade", "websocket"), ("connection", "upgrade")];
    for (method, fields, expected) in [
        ("POST", vec![], 403),
        ("POST", vec![("sec-fetch-site", "cross-site"), ("origin", own.as_str())], 403),
        ("POST", vec![("sec-fetch-site", "same-site")], 403),
        ("DELETE", vec![("origin", "https://evil.example")], 403),
        ("PATCH", vec![("origin", "null")], 403),
        ("GET", [&upgrade[..], &[("origin", "https://evil.example")]].concat(), 403),
        ("POST", vec![("sec-fetch-site", "same-origin")], 200),
        ("POST", vec![("origin", own.as_str())], 200),
        ("GET", vec![("sec-fetch-site", "cross-site")], 200),
        ("OPTIONS", vec![], 200),
    ] {
        let seen = ada.send(method, &url, &fields, None).await;
        assert_eq!(seen.status, expected, "{method} {fields:?} {seen:?}");
        if expected == 403 {
            assert_eq!(seen.code(), "cross_site_request");
        }
    }
    // Whoever has a token of their own cannot be made to send it.
    assert_eq!(ada.send("POST", &url, &[("authorization", "Bearer x.y.z")], None).await.status, 401);
}

// CWE-601
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_ends_up_on_another_host() {
    let (gateway, _corp) = corp(300).await;
    for (path, expected) in [
        ("/corp//evil.example/", "/corp/evil.example/"),
        ("/corp/?next=//evil.example", "/corp/?next=//evil.example"),
        ("/corp/x?access_token=abc&a=b", "/corp/x?a=b"),
        ("/corp/./x", "/corp/x"),
    ] {
        let seen = Visitor::new().go(&gateway.url(path)).await;
        assert_eq!((seen.status, seen.url), (200, gateway.url(expected)), "{path}");
    }
    // M6: whatever the request says, people come back to the public URL.
    let raw = "GET /corp/x HTTP/1.1\r\nHost: evil.example\r\nAccept: text/html\r\nConnection: close\r\n\r\n";
    let answer = gateway.raw(raw).await;
    assert_eq!((answer.status(), answer.field("location")), (302, Some(&*gateway.url("/corp/x"))), "{answer:?}");
    assert_eq!(answer.field("set-cookie"), None);
}

// RFC 9700 2.1, 4.4, 4.7, RFC 9207: what comes back is from whom it was asked, for the browser that asked, and once
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_good_once_and_for_one_browser() {
    let (gateway, issuer) = corp(300).await;
    let mut ann = Visitor::new();
    let led = ann.open(&gateway.url("/corp/x")).await;
    assert!(led.field("location").contains("&prompt=login"), "{led:?}");
    let before = ann.copy();
    let back = ann.open(led.field("location")).await;
    let answer = back.field("location").to_owned();
    // Login CSRF: somebody is made to finish the login of another one.
    let stranger = Visitor::new().open(&answer).await;
    assert_eq!((stranger.status, stranger.code().as_str()), (400, "login_unknown"));
    assert!(stranger.body.contains("Start again") && stranger.field("set-cookie").is_empty(), "{stranger:?}");
    assert!(stranger.field("content-security-policy").contains("frame-ancestors 'none'"), "A16");
    // Mix-up: the answer is somebody else's, or nobody's. Each attempt is over with the first answer.
    for (from, to) in [("iss=http", "iss=https"), ("&iss=", "&was=")] {
        let mut other = Visitor::new();
        let led = other.open(&gateway.url("/corp/x")).await;
        let back = other.open(led.field("location")).await;
        let seen = other.open(&back.field("location").replace(from, to)).await;
        assert_eq!((seen.status, seen.code().as_str()), (400, "wrong_issuer"));
        assert!(seen.body.contains("href=\"/corp/x\""), "{}", seen.body);
        assert_eq!(other.open(back.field("location")).await.code(), "login_unknown");
    }
    assert_eq!(issuer.count(TOKEN), 0, "nobody was told of the code");
    let seen = ann.go(&answer).await;
    assert_eq!((seen.status, issuer.count(TOKEN)), (200, 1));
    let again = before.copy().open(&answer).await;
    assert_eq!(again.code(), "login_replayed");
    // A person who says no gets a page, and is led nowhere.
    let mut other = Visitor::new();
    let led = other.open(&gateway.url("/corp/y")).await;
    let state = led.field("location").split("&state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let issuer_url = issuer.url().replace(':', "%3A").replace('/', "%2F");
    let denied = gateway.url(&format!("/_faregate/callback?error=access_denied&state={state}&iss={issuer_url}"));
    let seen = other.open(&denied).await;
    assert_eq!((seen.status, seen.code().as_str()), (403, "login_denied"));
    let metrics = gateway.metrics().await;
    for result in ["login_replayed", "login_denied", "unknown", "wrong_issuer", "done"] {
        assert!(metrics.contains(&format!("browser_logins_total{{login=\"corp\",result=\"{result}\"}}")), "{result}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_tabs_log_in_at_once() {
    let (gateway, _issuer) = corp(300).await;
    let mut ann = Visitor::new();
    let first = ann.open(&gateway.url("/corp/first")).await;
    let second = ann.open(&gateway.url("/corp/second")).await;
    for (led, path) in [(second, "/corp/second"), (first, "/corp/first")] {
        let seen = ann.follow(led).await;
        assert_eq!((seen.status, seen.url), (200, gateway.url(path)));
    }
}

// C5: a hundred requests at the end of a token are one refresh, and the token that rotates is not burnt
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_at_the_end_of_a_token_is_one_refresh() {
    let (gateway, issuer) = corp(3).await;
    let mut ann = Visitor::new();
    assert_eq!(ann.go(&gateway.url("/corp/x")).await.status, 200);
    for round in 1..3 {
        tokio::time::sleep(Duration::from_millis(3100)).await;
        let mut requests = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let (mut ann, url) = (ann.copy(), gateway.url("/corp/x"));
            requests.spawn(async move { ann.send("GET", &url, &[], None).await.status });
        }
        let statuses = requests.join_all().await;
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
        assert_eq!(issuer.count(TOKEN), 1 + round);
    }
    let asked = issuer.asked(TOKEN);
    assert!(asked[0].body.contains("grant_type=authorization_code") && asked[0].body.contains("client_id=gate"));
    assert!(asked[1].body.contains("refresh_token=refresh-1") && asked[2].body.contains("refresh_token=refresh-2"));
}

// O1, C5: silence is 503, a refusal is another login, and neither is a permit
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_no_token_can_be_had() {
    let (gateway, issuer) = corp(2).await;
    let mut ann = Visitor::new();
    let url = gateway.url("/corp/x");
    assert_eq!(ann.go(&url).await.status, 200);
    issuer.reply(TOKEN, Reply::status(500));
    tokio::time::sleep(Duration::from_millis(2100)).await;
    for fields in [&[HTML][..], &[]] {
        let seen = ann.send("GET", &url, fields, None).await;
        assert_eq!((seen.status, seen.field("location")), (503, ""), "{seen:?}");
        assert_eq!(seen.field("retry-after"), "5");
    }
    issuer.let_people_in(2);
    let since = Instant::now();
    // Its count begins anew, so that it refuses the old refresh token.
    loop {
        let seen = ann.send("GET", &url, &[], None).await;
        match seen.status {
            503 => assert!(since.elapsed() < Duration::from_secs(5), "{seen:?}"),
            status => {
                assert_eq!(status, 401, "{seen:?}");
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(ann.go(&url).await.status, 200, "a person logs in again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_that_says_nothing_leads_nobody() {
    let (gateway, issuer) = corp(300).await;
    issuer.reply(METADATA, Reply::Close);
    let url = gateway.url("/corp/x");
    let seen = Visitor::new().open(&url).await;
    assert_eq!((seen.status, seen.field("set-cookie")), (503, ""));
    assert_eq!(Visitor::new().send("GET", &url, &[], None).await.status, 401, "programs are told at once");
    issuer.let_people_in(300);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(Visitor::new().go(&url).await.status, 200);
}

// OpenID Connect Back-Channel Logout 1.0, I8
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_at_the_issuer_ends_the_session_here() {
    let (gateway, issuer) = corp(300).await;
    let url = gateway.url("/corp/x");
    let mut ann = Visitor::new();
    assert_eq!(ann.go(&url).await.status, 200);
    let event = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
    let claims = json!({ "aud": "gate", "scope": null, "jti": "l1", "sid": "s1", "iat": now(), "events": event });
    let notice = issuer.signed(TokenType::LogoutToken, claims);
    let told = client().post(gateway.url("/_faregate/logout/corp")).form(&[("logout_token", &notice)]);
    assert_eq!(told.send().await.unwrap().status(), 200);
    assert_eq!(ann.send("GET", &url, &[], None).await.status, 401);
    let led = ann.open(&url).await;
    assert_eq!(led.status, 302, "a person logs in again");
}

// RP-Initiated Logout 1.0, K5, K10
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_out_ends_the_session_here_and_at_the_issuer() {
    let (gateway, issuer) = corp(300).await;
    let mut ann = Visitor::new();
    let (url, logout) = (gateway.url("/corp/x"), gateway.url("/_faregate/logout"));
    ann.go(&url).await;
    let stolen = ann.copy();
    let page = ann.open(&logout).await;
    assert!(page.status == 200 && page.body.contains("Sign out?"), "{page:?}");
    assert!(page.field("content-security-policy").contains("form-action 'self' http: https:;"), "K2");
    let cross = ann.send("POST", &logout, &[("sec-fetch-site", "cross-site")], Some(String::new())).await;
    assert!(cross.body.contains("Sign out?") && ann.open(&url).await.status == 200, "{cross:?}");
    let bye = ann.submit(&page, &[]).await;
    assert!(bye.status == 200 && bye.body.contains("Bye"), "{bye:?}");
    let sent = &bye.url[issuer.url().len()..];
    assert!(
        sent.starts_with(END_SESSION) && sent.contains("id_token_hint=ey") && sent.contains("client_id=gate"),
        "{sent}"
    );
    assert!(ann.cookies.is_empty(), "{:?}", ann.cookies);
    for mut visitor in [ann, stolen] {
        assert_eq!(visitor.send("GET", &url, &[], None).await.status, 401);
    }
    assert!(Visitor::new().open(&logout).await.body.contains("You are signed out"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_out_of_our_own_issuer_asks_for_the_password_again() {
    let gateway = own().await;
    let mut ada = Visitor::new();
    let url = gateway.url("/app/x");
    sign_in(&mut ada, &url).await;
    let own = gateway.url("");
    let left =
        ada.send("POST", &gateway.url("/_faregate/logout"), &[HTML, ("origin", &own)], Some(String::new())).await;
    assert_eq!(left.status, 303);
    let left = ada.follow(left).await;
    assert!(left.status == 200 && left.body.contains("You are signed out"), "{left:?}");
    assert!(ada.go(&url).await.body.contains("id=\"loginId\""));
}

// A revoked grant ends the session of its tokens; a session as young as that leads nobody in circles.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_do_not_suffice_lead_nobody_in_circles() {
    let issuer = ForeignIssuer::start().await;
    issuer.let_people_in(300);
    let sections = CORP.replace("audience: api", "audience: another-api");
    let gateway = Gateway::of(&sections, &[("CORP", &issuer.url())]).await;
    let seen = Visitor::new().go(&gateway.url("/corp/x")).await;
    assert_eq!((seen.status, seen.field("location")), (401, ""));
    assert!(seen.body.contains("wrong_audience"), "{seen:?}");
    assert_eq!(issuer.count(TOKEN), 1);
}

// K4: whoever is behind the gate sets no cookie by which the gate knows people
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_cannot_make_anybody_somebody_else() {
    let (gateway, _issuer) = corp(300).await;
    let fields = "Set-Cookie: theme=dark\r\nSet-Cookie: faregate_at_corp=x; Path=/\r\nset-cookie: __Host-Faregate_session=y\r\n\
         Set-Cookie: =faregate_at_corp=x\r\nSet-Cookie: = faregate_at_corp=x; Path=/\r\n";
    let answer = format!("HTTP/1.1 200 OK\r\n{fields}Set-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok");
    gateway.upstream.behave(Behaviour::Answer(answer));
    let mut ann = Visitor::new();
    for _ in 0..2 {
        let seen = ann.go(&gateway.url("/corp/x")).await;
        assert_eq!((seen.status, seen.all("set-cookie")), (200, vec!["theme=dark", "a=b"]));
    }
    assert_eq!(ann.cookies.len(), 3, "{:?}", ann.cookies.keys());
}

// M6, RFC 9113 8.3.1: over HTTP/2 the host is not among the fields
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_come_over_http_2_too() {
    let issuer = ForeignIssuer::start().await;
    issuer.let_people_in(300);
    let listen = r#"listen: { address: "${LISTEN}", h2c: true }"#;
    let sections =
        CORP.replace(r#"listen: "${LISTEN}""#, listen).replace("require: scope", "hosts: 127.0.0.1, require: scope");
    let gateway = Gateway::of(&sections, &[("CORP", &issuer.url())]).await;
    let mut ann = Visitor::new();
    assert_eq!(ann.go(&gateway.url("/corp/x")).await.status, 200);
    let (name, value) = ann.cookies.first_key_value().unwrap();
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    let http_2 = builder.http2_prior_knowledge().build().unwrap();
    let url = gateway.url("/corp/x");
    let led = http_2.get(&url).header("accept", "text/html").send().await.unwrap();
    assert!(led.headers()["location"].to_str().unwrap().starts_with(&issuer.url()), "{led:?}");
    let cookie = format!("{name}={value}");
    for (origin, expected) in [(gateway.url(""), 200), ("http://evil.example".to_owned(), 403)] {
        let sent = http_2.post(&url).header("cookie", &cookie).header("origin", origin).send().await.unwrap();
        assert_eq!(sent.status(), expected);
    }
    // Where hosts are named, others are not served.
    let other = gateway.url("/corp/x").replace("127.0.0.1", "localhost");
    assert_eq!(http_2.get(other).send().await.unwrap().status(), 421);
}

// RFC 9111: an upstream that says who may keep its answer is left alone
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_upstream_says_of_caching_stays() {
    let (gateway, _issuer) = corp(300).await;
    let answer = "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nVary: Accept\r\nContent-Length: 2\r\n\r\nok";
    gateway.upstream.behave(Behaviour::Answer(answer.to_owned()));
    let mut ann = Visitor::new();
    let seen = ann.go(&gateway.url("/corp/x")).await;
    assert_eq!((seen.field("cache-control"), seen.all("vary")), ("no-store", vec!["Accept", "Cookie"]));
}
