//! Passkeys in a real browser with an authenticator of its own (rule L12).

use serde_json::json;

use super::axe;
use super::driver::Browser;
use super::samples::Samples;
use super::world::{PASSWORD, Served, free_port};

const CONFIGURATION: &str = r#"
listen: 127.0.0.1:PORT
public_url: "http://localhost:PORT"
admin: 127.0.0.1:0
store: "sqlite::memory:"
keys: { master_key: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= }
issuers: { self: {} }
logins:
  people: { issuer: self, client_id: app, client_secret: app-secret-app-secret-app-secret-app }
upstreams: { app: "http://UPSTREAM" }
routes:
  /app/**: { upstream: app, require: acr 2, login: people }
directory:
  tenants: { default: { id_token_algorithm: ES256 } }
  applications:
    app:
      tenant: default
      client_id: app
      client_secret: app-secret-app-secret-app-secret-app
      redirect_uris: ["http://localhost:PORT/_faregate/callback"]
  users: { ann@example.com: { password: "PASSWORD" } }
"#;

async fn looks_good(browser: &Browser, name: &str) {
    browser.picture(&format!("flow-{name}")).await;
    let mut found = axe::violations(browser).await;
    found.extend(browser.complaints().await);
    assert!(found.is_empty(), "{name}:\n{}", found.join("\n"));
}

// L12, UX 17: added with a password, used without; what the browser signs is what we verify
#[tokio::test(flavor = "multi_thread")]
async fn people_sign_in_with_what_unlocks_their_device() {
    let (samples, browser) = (Samples::start().await, Browser::start().await);
    let port = free_port();
    let configuration = CONFIGURATION
        .replace("PORT", &port.to_string())
        .replace("UPSTREAM", &samples.client.to_string())
        .replace("PASSWORD", PASSWORD);
    let _served = Served::start("passkeys", &configuration, &[]);
    let (page, app) = (format!("http://localhost:{port}/oauth2/passkeys"), format!("http://localhost:{port}/app/x"));
    let device = browser.authenticator().await;

    browser.open(&page).await;
    browser.seen("#passkey", true).await;
    looks_good(&browser, "sign-in-passkey").await;
    browser.fill("#loginId", "ann@example.com").await;
    browser.fill("#password", PASSWORD).await;
    browser.follow("#submit").await;
    assert_eq!(browser.text("h1").await, "Your passkeys");
    browser.seen("#passkey-unsupported", false).await;
    looks_good(&browser, "passkeys-none").await;

    // Whoever cannot unlock the device adds nothing, and is told.
    browser.verify_owner(&device, false).await;
    browser.click("#add").await;
    browser.seen("#passkey-failed", true).await;
    looks_good(&browser, "passkeys-failed").await;
    browser.verify_owner(&device, true).await;
    browser.fill("#passkey_name", "Ann’s laptop").await;
    browser.follow("#add").await;
    assert!(browser.text("#message").await.contains("was added"));
    assert_eq!(browser.text("#passkey-1").await, "Ann’s laptop");
    looks_good(&browser, "passkeys").await;
    let kept = browser.passkeys(&device).await;
    assert_eq!(
        (kept.len(), &kept[0]["rpId"], &kept[0]["isResidentCredential"]),
        (1, &"localhost".into(), &true.into())
    );

    // The route wants two factors: the passkey is both.
    for scheme in ["first", "second"] {
        browser.devtools("Network.clearBrowserCookies", json!({})).await;
        browser.open(&app).await;
        assert_eq!(browser.text("h1").await, "Sign in", "{scheme} time");
        browser.follow("#passkey").await;
        assert_eq!(browser.arrive(&app).await, app, "{scheme} time");
        assert!(browser.complaints().await.iter().all(|line| !line.contains("Content Security")));
    }
    // The authenticator counts, and so do we.
    assert!(browser.passkeys(&device).await[0]["signCount"].as_u64().unwrap() >= 3);

    // Without scripts passkeys can be seen and removed; they are what a script has to ask for.
    browser.allow_scripts(false).await;
    browser.open(&page).await;
    assert!(browser.text("#passkey-unsupported").await.contains("scripts"));
    browser.follow("#remove-1").await;
    assert!(browser.text("#message").await.contains("was removed"));
    browser.allow_scripts(true).await;
    browser.devtools("Network.clearBrowserCookies", json!({})).await;
    browser.open(&app).await;
    browser.follow("#passkey").await;
    assert!(browser.text("#message").await.contains("not known here"));
    looks_good(&browser, "passkey-unknown").await;
}
