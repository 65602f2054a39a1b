//! Libraries that pages of others embed to log people in, each in such a page: logins by redirect and in a window, tokens that
//! are renewed unseen, sessions that end elsewhere, calls of the gateway.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::header;
use axum::response::Html;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::driver::Browser;
use super::npm;
use super::world::{PASSWORD, Served, free_port};

const EMAIL: &str = "ann@example.com";

/// The gateway serves the page too, at another origin of the same site: third-party cookies are no browser's any more.
const CONFIGURATION: &str = r#"
listen:
  - { address: "127.0.0.1:GATE", tls: { certificate: tls.crt, key: tls.key } }
  - { address: "127.0.0.1:PAGE", tls: { certificate: tls.crt, key: tls.key } }
admin: 127.0.0.1:0
public_url: https://127.0.0.1:GATE
store: "sqlite::memory:"
keys: { master_key: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= }
upstreams: { pages: "http://UPSTREAM", api: "builtin:echo" }
issuers: { main: { tenant: main } }
routes:
  /app/**: { upstream: pages, public: true }
  /orders/**: { upstream: api, require: scope email, cors: { origins: ["https://127.0.0.1:PAGE"] } }
directory:
  tenants: { main: TENANT }
  applications:
    page:
      tenant: main
      client_id: page
      public: true
      origins: ["https://127.0.0.1:PAGE"]
      redirect_uris: ["https://127.0.0.1:PAGE/app/", "https://127.0.0.1:PAGE/app/silent", "https://127.0.0.1:PAGE/app/popup"]
  users: { ann@example.com: { tenant: main, password: "PASSWORD" } }
"#;

struct World {
    _served: Served,
    gate: String,
    /// The address of the page.
    page: String,
    browser: Browser,
}

impl World {
    /// `script` runs in every page of the application, after the library.
    async fn start(name: &str, tenant: &str, library: String, script: &str) -> Self {
        let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let files = [("tls.crt", pair.cert.pem()), ("tls.key", pair.signing_key.serialize_pem())];
        let (gate, page) = (free_port(), free_port());
        let upstream = serve(library, script.replace("GATE", &gate.to_string())).await;
        let configuration = CONFIGURATION
            .replace("TENANT", &tenant.replace("GATE", &gate.to_string()))
            .replace("UPSTREAM", &upstream.to_string())
            .replace("PASSWORD", PASSWORD)
            .replace("GATE", &gate.to_string())
            .replace("PAGE", &page.to_string());
        let world = Self {
            _served: Served::start(name, &configuration, &files),
            gate: format!("https://127.0.0.1:{gate}"),
            page: format!("https://127.0.0.1:{page}/app/"),
            browser: Browser::start().await,
        };
        world.wait_for_keys().await;
        world.browser.open(&world.page).await;
        world
    }

    /// RSA keys take a few seconds to be made; ID tokens have to wait for them.
    async fn wait_for_keys(&self) {
        let client = reqwest::Client::builder().danger_accept_invalid_certs(true).build().unwrap();
        loop {
            let answer = client.get(format!("{}/.well-known/jwks.json", self.gate)).send().await.unwrap();
            let keys: Value = answer.json().await.unwrap();
            if keys["keys"].as_array().is_some_and(|keys| keys.len() > 1) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What an expression comes to in the page; what it is refused with, if it is.
    async fn ask(&self, expression: &str) -> Value {
        let script = format!(
            "const done = arguments[0];\
             (async () => {expression})().then((value) => done(value ?? null), (error) => done('refused: ' + (error.error ?? error)))"
        );
        self.browser.run_until_called(&script, json!([])).await
    }

    /// Begins what leads elsewhere.
    async fn begin(&self, expression: &str) {
        self.browser.mark().await;
        self.browser.run(&format!("{expression}; return null"), json!([])).await;
    }

    async fn sign_in(&self) {
        self.browser.fill("#loginId", EMAIL).await;
        self.browser.fill("#password", PASSWORD).await;
        self.browser.click("#submit").await;
    }

    /// Signs in in the window that `expression` opens, and answers what it comes to.
    async fn sign_in_beside(&self, expression: &str) -> Value {
        let before = self.browser.windows().await;
        self.begin(&format!("window.beside = {expression}")).await;
        let opened = loop {
            if let Some(opened) = self.browser.windows().await.into_iter().find(|window| !before.contains(window)) {
                break opened;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        self.browser.switch(&opened).await;
        self.sign_in().await;
        self.browser.switch(&before[0]).await;
        self.ask("window.beside").await
    }

    /// Signs out at the issuer, in a window of its own.
    async fn sign_out_elsewhere(&self) {
        let main = self.browser.windows().await.remove(0);
        let other = self.browser.new_window().await;
        self.browser.switch(&other).await;
        self.browser.open(&format!("{}/oauth2/logout", self.gate)).await;
        self.browser.follow("#logout").await;
        self.browser.switch(&main).await;
    }
}

/// The application: the same page everywhere.
async fn serve(library: String, script: String) -> SocketAddr {
    let html =
        format!("<!DOCTYPE html><title>app</title><script src=\"/app/library.js\"></script><script>{script}</script>");
    let library = ([(header::CONTENT_TYPE, "text/javascript")], library);
    let router = Router::new().route("/app/library.js", get(async || library)).fallback(get(async || Html(html)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

// F-252, RFC 9449, Web Message Response Mode: Auth0's own, with refresh tokens and with a hidden frame
#[tokio::test(flavor = "multi_thread")]
async fn auth0_spa_js_works() {
    let tenant = "{ profile: auth0, issuer: \"https://127.0.0.1:GATE/\" }";
    let script = "const options = { domain: 'https://127.0.0.1:GATE', clientId: 'page', cacheLocation: 'localstorage' };
        const authorizationParams = { redirect_uri: location.origin + '/app/' };
        window.framed = new auth0.Auth0Client({ ...options, authorizationParams });
        window.client = new auth0.Auth0Client({ ...options, useRefreshTokens: true, useDpop: true, authorizationParams:
            { ...authorizationParams, scope: 'openid email offline_access' } });
        const token = async (client) => (await client.getTokenSilently({ cacheMode: 'off', timeoutInSeconds: 20 })).length > 99";
    let library = npm::source("@auth0/auth0-spa-js/dist/auth0-spa-js.production.js");
    let world = World::start("auth0-spa-js", tenant, library, script).await;
    assert_eq!(world.ask("token(framed)").await, "refused: login_required");

    world.begin("client.loginWithRedirect()").await;
    world.sign_in().await;
    world.browser.arrive(&format!("{}?code=", world.page)).await;
    world.ask("client.handleRedirectCallback()").await;
    assert_eq!(world.ask("(await client.getUser()).email").await, EMAIL);
    // Each needs what the one before brought.
    for _ in 0..3 {
        assert_eq!(world.ask("token(client)").await, true);
    }
    let call = format!(
        "(await client.createFetcher({{ dpopNonceId: 'api' }}).fetchWithAuth('{}/orders/1')).status",
        world.gate
    );
    assert_eq!(world.ask(&call).await, 200);

    for _ in 0..5 {
        assert_eq!(world.ask("token(framed)").await, true, "silent logins are no circle");
    }
    world.begin("client.logout({ logoutParams: { returnTo: location.origin + '/app/' } })").await;
    world.browser.leave().await;
    assert_eq!(world.ask("token(framed)").await, "refused: login_required");
    assert_eq!(world.sign_in_beside("client.loginWithPopup()").await, Value::Null);
    assert_eq!(world.ask("(await client.getUser()).email").await, EMAIL);
}

// Session Management 1.0, RP-Initiated Logout 1.0, RFC 9449
#[tokio::test(flavor = "multi_thread")]
async fn oidc_client_ts_works() {
    let script = "const at = (path) => location.origin + '/app/' + path;
        window.manager = new oidc.UserManager({ authority: 'https://127.0.0.1:GATE', client_id: 'page',
            redirect_uri: at(''), silent_redirect_uri: at('silent'), popup_redirect_uri: at('popup'),
            post_logout_redirect_uri: at(''), scope: 'openid email offline_access', dpop: { store: new oidc.IndexedDbDPoPStore() },
            automaticSilentRenew: false, monitorSession: true, checkSessionIntervalInSeconds: 1 });
        manager.events.addUserSignedOut(() => { window.ended = true });
        if (location.pathname === '/app/silent') manager.signinSilentCallback();
        if (location.pathname === '/app/popup') manager.signinPopupCallback();
        const call = async (url) => {
            const user = await manager.getUser();
            const headers = { Authorization: 'DPoP ' + user.access_token, DPoP: await manager.dpopProof(url, user, 'GET') };
            return (await fetch(url, { headers })).status;
        }";
    let library = npm::source("oidc-client-ts/dist/browser/oidc-client-ts.min.js");
    let world = World::start("oidc-client-ts", "{}", library, script).await;
    world.begin("manager.signinRedirect({ state: 'kept' })").await;
    world.sign_in().await;
    world.browser.arrive(&format!("{}?code=", world.page)).await;
    assert_eq!(world.ask("(await manager.signinCallback()).state").await, "kept");
    assert_eq!(world.ask(&format!("call('{}/orders/1')", world.gate)).await, 200);

    let again = |how: &str| {
        format!("(await manager.getUser()).access_token !== (await manager.signinSilent({how})).access_token")
    };
    for how in ["", "", "{ forceIframeAuth: true }", "{ forceIframeAuth: true }"] {
        assert_eq!(world.ask(&again(how)).await, true, "{how}");
    }
    assert_eq!(
        world.ask("(await manager.querySessionStatus()).sub === (await manager.getUser()).profile.sub").await,
        true
    );
    world.sign_out_elsewhere().await;
    world.browser.until("return window.ended === true").await;
    assert_eq!(world.ask("manager.signinSilent({ forceIframeAuth: true })").await, "refused: login_required");

    assert_eq!(
        world.sign_in_beside("manager.signinPopup().then((user) => user.scope)").await,
        "openid email offline_access"
    );
    world.begin("manager.signoutRedirect({ state: 'bye' })").await;
    world.browser.arrive(&format!("{}?state=", world.page)).await;
    assert_eq!(world.ask("(await manager.signoutCallback()).userState").await, "bye");
    assert_eq!(world.ask("manager.getUser()").await, Value::Null);
}
