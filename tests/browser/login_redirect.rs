//! `login: redirect` in a real browser: people who only follow a link, at our own issuer and at somebody else's.

use super::driver::Browser;
use super::foreign_issuer::ForeignIssuer;
use super::samples::Samples;
use super::world::{PASSWORD, Served, free_port};

const CONFIGURATION: &str = r#"
listen: { address: "127.0.0.1:PORT", tls: { certificate: tls.crt, key: tls.key } }
admin: 127.0.0.1:0
store: "sqlite::memory:"
keys: { master_key: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= }
issuers: { self: {}, corp: { issuer: "CORP", audience: api } }
logins:
  people: { issuer: self, client_id: app, client_secret: app-secret-app-secret-app-secret-app }
  corp: { issuer: corp, client_id: gate }
upstreams: { app: "http://UPSTREAM" }
routes:
  /app/**: { upstream: app, tokens: self, require: authenticated, login: people }
  /corp/**: { upstream: app, tokens: corp, require: scope read, login: corp }
directory:
  tenants: { default: { id_token_algorithm: ES256 } }
  applications:
    app:
      tenant: default
      client_id: app
      client_secret: app-secret-app-secret-app-secret-app
      redirect_uris: ["https://127.0.0.1:PORT/_faregate/callback/people"]
  users: { ann@example.com: { password: "PASSWORD" } }
"#;

/// A gateway with TLS in front of an application that remembers what it was asked.
struct Gate {
    _served: Served,
    url: String,
    samples: Samples,
    corp: ForeignIssuer,
    browser: Browser,
}

impl Gate {
    async fn start(name: &str) -> Self {
        let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let files = [("tls.crt", pair.cert.pem()), ("tls.key", pair.signing_key.serialize_pem())];
        let (samples, corp) = (Samples::start().await, ForeignIssuer::start().await);
        corp.let_people_in(300);
        let port = free_port();
        let configuration = CONFIGURATION
            .replace("PORT", &port.to_string())
            .replace("CORP", &corp.url())
            .replace("UPSTREAM", &samples.client.to_string())
            .replace("PASSWORD", PASSWORD);
        let served = Served::start(name, &configuration, &files);
        let browser = Browser::start().await;
        Self { _served: served, url: format!("https://127.0.0.1:{port}"), samples, corp, browser }
    }

    /// Whether the application was asked for this since the last time.
    fn was_asked(&self, line: &str) -> bool {
        std::mem::take(&mut *self.samples.seen.lock().unwrap()).iter().any(|seen| seen == line)
    }

    async fn breaks_no_policy(&self) {
        let complaints = self.browser.complaints().await;
        let of_policy: Vec<_> = complaints.iter().filter(|line| line.contains("Content Security")).collect();
        assert!(of_policy.is_empty(), "{of_policy:?}");
    }
}

// K2, K4, K10: with our own pages, on https, where the cookies have the names that promise something
#[tokio::test(flavor = "multi_thread")]
async fn a_link_leads_through_our_own_login() {
    let gate = Gate::start("login-own").await;
    let (browser, link) = (&gate.browser, format!("{}/app/page?x=1", gate.url));
    browser.open(&link).await;
    assert_eq!(browser.text("h1").await, "Sign in");
    browser.fill("#loginId", "ann@example.com").await;
    browser.fill("#password", PASSWORD).await;
    browser.follow("#submit").await;
    assert_eq!(browser.arrive(&link).await, link);
    assert!(gate.was_asked("GET /app/page?x=1"));
    let cookies = browser.devtools("Network.getAllCookies", serde_json::json!({})).await;
    let named = |name: &str| cookies["cookies"].as_array().unwrap().iter().find(|own| own["name"] == name).cloned();
    let session = named("__Host-faregate_at_people").unwrap_or_else(|| panic!("{cookies}"));
    assert_eq!(
        (&session["httpOnly"], &session["secure"], &session["sameSite"]),
        (&true.into(), &true.into(), &"Lax".into())
    );
    // Another page needs no login, and a script of another site's cannot use this one.
    browser.open(&format!("{}/app/other", gate.url)).await;
    assert!(gate.was_asked("GET /app/other"));
    gate.breaks_no_policy().await;
    // The way out: a question, and the issuer's own session ends too.
    browser.open(&format!("{}/_faregate/logout", gate.url)).await;
    assert_eq!(browser.text("h1").await, "Sign out?");
    browser.follow("#logout").await;
    assert_eq!(browser.text("h1").await, "You are signed out");
    gate.breaks_no_policy().await;
    browser.open(&link).await;
    assert_eq!(browser.text("h1").await, "Sign in");
    assert!(!gate.was_asked("GET /app/page?x=1"));
}

// K2: the form that signs out leads to the issuer, whose address its policy names
#[tokio::test(flavor = "multi_thread")]
async fn a_link_leads_through_somebody_elses_login() {
    let gate = Gate::start("login-foreign").await;
    let (browser, link) = (&gate.browser, format!("{}/corp/page?x=1", gate.url));
    browser.open(&link).await;
    assert_eq!(browser.arrive(&link).await, link);
    assert!(gate.was_asked("GET /corp/page?x=1"));
    assert_eq!(gate.corp.count("/token"), 1);
    browser.open(&format!("{}/_faregate/logout", gate.url)).await;
    browser.follow("#logout").await;
    assert_eq!(browser.text("h1").await, "Bye");
    gate.breaks_no_policy().await;
    // An answer that nobody asked for is a page that says what to do.
    browser.open(&format!("{}/_faregate/callback/corp?code=x&state=y", gate.url)).await;
    assert_eq!(browser.text("h1").await, "Signing in did not work");
}
