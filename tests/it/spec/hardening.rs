//! HARDENING A, K: what every page and redirect of a login carries, and what none does.

use http::StatusCode;

use crate::support::browser::Browser;
use crate::support::log::Log;
use crate::support::world::{ADA_EMAIL, CHALLENGE, PASSWORD, THIRD, THIRD_URI, WEB, ask, ask_as, world};

// A16, A17, K1, K2, K3
#[tokio::test]
async fn every_page_is_closed_to_others() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    let login = browser.open(&ask("")).await;
    let mut stranger = Browser::new(&server);
    let error = stranger.open("/oauth2/authorize").await;
    assert!(stranger.cookies.is_empty(), "a page without a form needs none");
    let consent =
        browser.sign_in(&ask_as(THIRD, THIRD_URI, "&response_type=code&scope=openid"), ADA_EMAIL, PASSWORD).await;
    let logout = browser.open("/oauth2/logout").await;
    for page in [&login, &error, &consent, &logout] {
        let header =
            |name: &str| page.answer.header(name).unwrap_or_else(|| panic!("{}: no {name}", page.url)).to_owned();
        let policy = header("content-security-policy");
        for part in ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"] {
            assert!(policy.contains(part), "{}: {policy}", page.url);
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin");
        assert!(header("strict-transport-security").starts_with("max-age=31536000"));
        for elsewhere in ["src=\"http", "href=\"http", "url(http", "//cdn"] {
            assert!(!page.text().contains(elsewhere), "{}: {elsewhere}", page.url);
        }
        assert!(page.text().len() < 30 * 1024);
    }
    // K2: Chromium asks the policy about every redirect after the form.
    let policy =
        |page: &crate::support::browser::Shown| page.answer.header("content-security-policy").unwrap().to_owned();
    for page in [&login, &consent] {
        assert!(policy(page).contains("form-action 'self' http: https:;"), "{}", policy(page));
    }
}

// A7: nobody's script reads what a person sees.
#[tokio::test]
async fn no_page_is_shared_with_other_origins() {
    let server = world().await;
    for path in [ask(""), "/oauth2/logout".to_owned()] {
        let answer = server.get(&path).header("Origin", "https://spa.example.com").send().await;
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")), "{path}");
    }
    let answer = server
        .request("OPTIONS", "/oauth2/authorize")
        .header("Origin", "https://spa.example.com")
        .header("Access-Control-Request-Method", "POST")
        .send()
        .await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
}

// A5: 303, never 307, whatever is posted where.
#[tokio::test]
async fn no_post_is_passed_on() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    let query = ask("&state=s").split_once('?').unwrap().1.to_owned();
    let login = browser.open(&ask("&state=s")).await;
    let bodies = [login.body(&[("loginId", ADA_EMAIL), ("password", PASSWORD)]), query, String::new()];
    for path in ["/oauth2/authorize", "/oauth2/two-factor", "/password/change", "/oauth2/consent", "/oauth2/logout"] {
        for body in &bodies {
            let answer = browser.copy().send("POST", path, Some(body.clone())).await;
            let expected = [StatusCode::OK, StatusCode::SEE_OTHER, StatusCode::BAD_REQUEST];
            assert!(expected.contains(&answer.status), "{path}: {}", answer.status);
        }
    }
}

// K4, K6, P3
#[tokio::test]
async fn cookies_are_for_us_alone() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    let page = browser.open(&ask("&scope=openid")).await;
    let answer =
        browser.send("POST", &page.action(), Some(page.body(&[("loginId", ADA_EMAIL), ("password", PASSWORD)]))).await;
    let cookies: Vec<_> = [&page.answer, &answer]
        .iter()
        .flat_map(|answer| answer.headers.get_all("set-cookie"))
        .map(|field| field.to_str().unwrap())
        .collect();
    let find =
        |name: &str| *cookies.iter().find(|field| field.starts_with(name)).unwrap_or_else(|| panic!("no {name}"));
    for name in ["__Host-faregate_session=", "__Host-faregate_browser="] {
        let field = find(name);
        assert!(field.contains("; Path=/; Secure; HttpOnly; SameSite=Lax") && field.len() < 4096, "{field}");
        assert!(!field.contains("Domain"), "{field}");
    }
    // Session Management 1.0 3.3: the one that scripts read in a frame.
    assert!(find("__Host-faregate_state=").contains("; Secure; SameSite=None"));
    // K6: 256 bits, of which the store knows the hash; and a new one with every login.
    let first = browser.cookies["__Host-faregate_session"].clone();
    assert_eq!(first.len(), 43);
    let page = browser.open(&ask("&prompt=login")).await;
    browser.submit(&page, &[("loginId", ADA_EMAIL), ("password", PASSWORD)]).await;
    assert_ne!(browser.cookies["__Host-faregate_session"], first);
    let mut old = Browser::new(&server);
    old.cookies.insert("__Host-faregate_session".to_owned(), first);
    assert!(old.open(&ask("")).await.has("password"), "the one before is over");
}

// K6: a session that somebody planted is never the one that a login gives.
#[tokio::test]
async fn a_planted_session_is_not_taken_over() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    browser.cookies.insert("__Host-faregate_session".to_owned(), "a".repeat(43));
    browser.sign_in(&ask(""), ADA_EMAIL, PASSWORD).await;
    assert_ne!(browser.cookies["__Host-faregate_session"], "a".repeat(43));
}

// K5: nobody logs a browser in from elsewhere.
#[tokio::test]
async fn a_login_from_another_page_does_not_count() {
    let server = world().await;
    let mut attacker = Browser::new(&server);
    let form = attacker.open(&ask("")).await;
    let body = form.body(&[("loginId", ADA_EMAIL), ("password", PASSWORD)]);
    let mut victim = Browser::new(&server);
    victim.open(&ask("")).await;
    assert!(victim.post("/oauth2/authorize", &body).await.location.is_none(), "the form of another browser");
    for (name, value) in
        [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-site"), ("Origin", "https://evil.example")]
    {
        let mut own = attacker.copy().with(name, value);
        assert!(own.post("/oauth2/authorize", &body).await.location.is_none(), "{name}: {value}");
    }
    let mut own = attacker.copy().with("Sec-Fetch-Site", "same-origin").with("Origin", "null");
    assert!(own.post("/oauth2/authorize", &body).await.location.is_some(), "what Chromium sends with our own forms");
    // A password in an address is not even looked at.
    let query = format!("&loginId={ADA_EMAIL}&password={}", crate::support::authorization_server::encode(PASSWORD));
    assert!(Browser::new(&server).open(&ask(&query)).await.has("password"));
}

// UX 21: no circle without end, and programs that come often are in none.
#[tokio::test]
async fn a_browser_that_is_sent_round_and_round_is_stopped() {
    let server = world().await;
    let mut program = Browser::new(&server);
    program.sign_in(&ask(""), ADA_EMAIL, PASSWORD).await;
    let mut browser = program.copy().with("Sec-Fetch-Mode", "navigate").with("Sec-Fetch-Dest", "document");
    for _ in 0..3 {
        assert!(browser.open(&ask("")).await.get("code").is_some());
    }
    let page = browser.open(&ask("")).await;
    assert!(page.location.is_none() && page.text().contains("cookie"), "{}", page.text());
    assert!(browser.open(&ask("")).await.get("code").is_some(), "loading it again goes on");
    let mut person = browser.copy().with("Sec-Fetch-User", "?1");
    for _ in 0..10 {
        assert!(program.open(&ask("")).await.get("code").is_some());
        assert!(person.open(&ask("")).await.get("code").is_some());
    }
}

// N3
#[tokio::test]
async fn what_is_too_long_or_no_form_is_refused() {
    let server = world().await;
    let mut browser = Browser::new(&server);
    let answer = browser.send("POST", "/oauth2/authorize", Some("a".repeat(64 * 1024 + 1))).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let answer =
        server.request("POST", "/oauth2/authorize").header("Content-Type", "application/json").body("{}").send().await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

// B11, O2: the operator hears of it once, and the client gets its codes.
#[tokio::test]
async fn a_nonce_that_never_changes_is_told_of() {
    let server = world().await;
    let log = Log::start();
    let mut browser = Browser::new(&server);
    let pkce = format!("&code_challenge={CHALLENGE}&code_challenge_method=S256");
    let constant = ask(&format!("&scope=openid&nonce=always-the-same{pkce}"));
    assert!(browser.sign_in(&constant, ADA_EMAIL, PASSWORD).await.get("code").is_some());
    for number in 0..9 {
        assert!(browser.open(&constant).await.get("code").is_some());
        browser.open(&ask(&format!("&scope=openid&nonce={number}"))).await;
    }
    let told = || (log.told("client.nonce_repeated"), log.told("client.code_challenge_repeated"));
    assert_eq!(told(), (Vec::new(), Vec::new()), "ten times may be a person");
    for _ in 0..3 {
        assert!(browser.open(&constant).await.get("code").is_some());
    }
    let client = vec![WEB.to_string()];
    assert_eq!(told(), (client.clone(), client));
    let text = log.text();
    assert!(text.contains(r#""level":"WARN""#) && text.contains(r#""parameter":"nonce""#), "{text}");
    assert!(!text.contains("always-the-same") && !text.contains(CHALLENGE));
}
