//! People at the running gateway: signing in, agreeing, letting devices in, signing out.

use serde_json::{Value, json};

use super::driver::{Browser, Scheme};
use super::samples::{HOP, Samples};
use super::world::{Client, PASSWORD, World, value};

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

// UX 17, K2, F-050: with and without scripts; the redirect to the client passes `form-action`
#[tokio::test(flavor = "multi_thread")]
async fn people_sign_in_once() {
    let world = World::start().await;
    let (client, browser) = (world.client("shop", &[]), &world.browser);
    world.user("ann@example.com", &["--username", "ann"]);
    for scripts in [true, false] {
        browser.devtools("Network.clearBrowserCookies", json!({})).await;
        browser.allow_scripts(scripts).await;
        browser.open(&world.authorize(&client, "&scope=openid")).await;
        assert_eq!(browser.text("h1").await, "Sign in");
        assert!(browser.text(".lead").await.contains("shop"));

        world.sign_in("ann@example.com", "wrong").await;
        let message = browser.text("#message").await;
        assert!(message.contains("is wrong"), "{message}");
        assert_eq!(browser.focus().await, "message", "scripts: {scripts}");
        let kept = browser.run("return document.getElementById('loginId').value", json!([])).await;
        assert_eq!(kept, "ann@example.com");

        world.sign_in("ANN", PASSWORD).await;
        let returned = world.returned().await;
        assert_eq!(value(&returned, "state"), Some("st-1"));
        assert_eq!(value(&returned, "iss"), Some(world.ready["issuer"].as_str().unwrap()), "RFC 9207");
        let tokens = world.redeem(&client, &returned).await;
        assert!(tokens["id_token"].is_string(), "{tokens}");

        // The session answers the next client.
        browser.open(&world.authorize(&client, "&scope=openid&prompt=none&nonce=2")).await;
        assert!(value(&world.returned().await, "code").is_some(), "scripts: {scripts}");
        assert_eq!(browser.complaints().await.iter().filter(|line| line.contains("Content Security")).count(), 0);
    }
}

// L8: nobody learns who has an account
#[tokio::test(flavor = "multi_thread")]
async fn unknown_people_and_wrong_passwords_get_the_same_page() {
    let world = World::start().await;
    let (client, browser) = (world.client("shop", &[]), &world.browser);
    world.user("ann@example.com", &[]);
    let mut pages = Vec::new();
    for login in ["ann@example.com", "bob@example.com"] {
        browser.open(&world.authorize(&client, "")).await;
        world.sign_in(login, "wrong").await;
        browser.find("#message").await;
        let text = browser.run("return document.title + document.querySelector('main').innerText", json!([])).await;
        pages.push(text);
        world.look("wrong-password").await;
    }
    assert_eq!(pages[0], pages[1]);
}

// UX 17: a keyboard is enough
#[tokio::test(flavor = "multi_thread")]
async fn people_sign_in_and_agree_with_the_keyboard_alone() {
    let world = World::start().await;
    let (client, browser) = (world.client("partner", &["--relationship", "ThirdParty"]), &world.browser);
    world.user("ann@example.com", &[]);
    browser.open(&world.authorize(&client, "&scope=openid%20email")).await;
    assert_eq!(browser.focus().await, "loginId");
    browser.mark().await;
    browser.press(&format!("ann@example.com{TAB}{PASSWORD}{ENTER}")).await;
    browser.leave().await;
    browser.find("#allow").await;
    // Each of the controls in front of the button, then the button.
    for _ in 0..8 {
        browser.press(TAB).await;
        if browser.focus().await == "allow" {
            break;
        }
        if browser.focus().await.starts_with("scope-") {
            browser.press(" ").await;
        }
    }
    assert_eq!(browser.focus().await, "allow");
    browser.press(ENTER).await;
    let tokens = world.redeem(&client, &world.returned().await).await;
    assert_eq!(tokens["scope"].as_str().map(|scope| scope.contains("email")), Some(true), "{tokens}");
}

// L11, L13: codes of an authenticator, and those for the day it is lost
#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_is_asked_for() {
    let world = World::start().await;
    let (client, browser) = (world.client("shop", &[]), &world.browser);
    world.user("ann@example.com", &[]);
    let enrolled = world.command(&["user", "totp", "ann@example.com"], "");
    let secret: [u8; 20] = base32(enrolled["secret"].as_str().unwrap()).try_into().unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    for scripts in [true, false] {
        browser.allow_scripts(scripts).await;
        browser.devtools("Network.clearBrowserCookies", json!({})).await;
        browser.open(&world.authorize(&client, "&scope=openid")).await;
        world.sign_in("ann@example.com", PASSWORD).await;
        browser.fill("#code", "000000").await;
        browser.follow("#submit").await;
        assert!(browser.text("#message").await.contains("wrong"));
        if scripts {
            world.look("second-factor").await;
        }
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let code = match scripts {
            true => totp.generate(now).to_string(),
            false => enrolled["recovery_codes"][0].as_str().unwrap().to_owned(),
        };
        browser.fill("#code", &code).await;
        browser.follow("#submit").await;
        assert!(value(&world.returned().await, "code").is_some(), "scripts: {scripts}");
    }
}

/// RFC 4648 6
fn base32(text: &str) -> Vec<u8> {
    let digit = |letter: u8| b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|&known| known == letter).unwrap();
    let bits: String = text.bytes().map(|letter| format!("{:05b}", digit(letter))).collect();
    bits.as_bytes()
        .chunks_exact(8)
        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
        .collect()
}

// F-055
#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_password_is_changed_first() {
    let world = World::start().await;
    let (client, browser) = (world.client("shop", &[]), &world.browser);
    world.given_user("ann@example.com", &[]);
    browser.open(&world.authorize(&client, "&scope=openid")).await;
    world.sign_in("ann@example.com", PASSWORD).await;
    for (password, confirm, complaint) in [
        ("four black storks sleep", "five black storks sleep", Some("not the same")),
        ("password1234", "password1234", Some("easy to guess")),
        ("four black storks sleep", "four black storks sleep", None),
    ] {
        browser.fill("#password", password).await;
        browser.fill("#confirm", confirm).await;
        browser.follow("#submit").await;
        if let Some(complaint) = complaint {
            let message = browser.text("#message").await;
            assert!(message.contains(complaint), "{message}");
            world.look("change-password").await;
        }
    }
    assert!(value(&world.returned().await, "code").is_some());
}

// K7, UX 19
#[tokio::test(flavor = "multi_thread")]
async fn people_decide_what_a_third_party_gets() {
    let world = World::start().await;
    let (client, browser) = (world.client("partner", &["--relationship", "ThirdParty"]), &world.browser);
    world.user("ann@example.com", &[]);
    let address = world.authorize(&client, "&scope=openid%20profile%20email");
    browser.open(&address).await;
    world.sign_in("ann@example.com", PASSWORD).await;
    assert!(browser.text(".lead").await.contains("partner"));
    world.look("consent").await;
    browser.follow("#deny").await;
    let returned = world.returned().await;
    assert_eq!((value(&returned, "error"), value(&returned, "code")), (Some("access_denied"), None));
    assert_eq!(value(&returned, "state"), Some("st-1"));

    browser.allow_scripts(false).await;
    browser.open(&address).await;
    assert_eq!(browser.run("return document.querySelectorAll(':checked').length", json!([])).await, 0);
    browser.click("[name='scope:email']").await;
    browser.follow("#allow").await;
    let tokens = world.redeem(&client, &world.returned().await).await;
    let scopes: Vec<&str> = tokens["scope"].as_str().unwrap().split(' ').collect();
    assert!(scopes.contains(&"email") && !scopes.contains(&"profile"), "{tokens}");
}

/// What a device shows, and how it asks for its tokens.
async fn ask_for_device(world: &World) -> (Client, Value) {
    let id = world.ready["applications"]["device"]["client_id"].as_str().unwrap().to_owned();
    let client = Client { id, secret: String::new() };
    let fields = [("client_id", client.id.as_str()), ("scope", "openid offline_access")];
    let (status, answer) = world.post(&client, "/oauth2/device_authorize", &fields).await;
    assert_eq!(status, 200, "{answer}");
    (client, answer)
}

async fn poll(world: &World, client: &Client, answer: &Value) -> (u16, Value) {
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", answer["device_code"].as_str().unwrap()),
        ("client_id", client.id.as_str()),
    ];
    world.post(client, "/oauth2/token", &fields).await
}

/// The administrator of the dev world signs in.
async fn sign_in_as_admin(world: &World) {
    let text = |name: &str| world.ready["user"][name].as_str().unwrap().to_owned();
    world.sign_in(&text("email"), &text("password")).await;
}

// RFC 8628 3.3, J8, UX 20: typed by hand, in any spelling; Enter denies
#[tokio::test(flavor = "multi_thread")]
async fn a_device_whose_code_is_typed_is_denied_by_enter() {
    let world = World::start().await;
    let browser = &world.browser;
    let (client, answer) = ask_for_device(&world).await;
    let (shown, uri) = (answer["user_code"].as_str().unwrap(), answer["verification_uri"].as_str().unwrap());
    browser.open(uri).await;
    browser.fill("#user_code", "BBBB-BBBB").await;
    browser.follow("#submit").await;
    assert!(browser.text("#message").await.contains("do not know this code"));
    world.look("device-unknown").await;
    browser.fill("#user_code", &shown.replace('-', " ").to_lowercase()).await;
    browser.follow("#submit").await;
    sign_in_as_admin(&world).await;
    assert_eq!(browser.text(".user-code").await, shown);
    assert!(browser.text("main").await.contains("127.0.0.1"), "where it was asked from");
    world.look("device-confirm").await;
    browser.mark().await;
    browser.press(ENTER).await;
    browser.leave().await;
    assert_eq!(poll(&world, &client, &answer).await.1["error"], "access_denied");
    assert_eq!(browser.text("h1").await, "Access denied");
}

// RFC 8628 3.3.1, J7: the link brings the code along, and the person still compares it
#[tokio::test(flavor = "multi_thread")]
async fn a_device_whose_link_is_opened_is_allowed_by_hand() {
    let world = World::start().await;
    let browser = &world.browser;
    browser.allow_scripts(false).await;
    let (client, answer) = ask_for_device(&world).await;
    browser.open(answer["verification_uri_complete"].as_str().unwrap()).await;
    browser.follow("#submit").await;
    sign_in_as_admin(&world).await;
    assert_eq!(browser.text(".user-code").await, answer["user_code"].as_str().unwrap());
    browser.follow("#allow").await;
    assert_eq!(browser.text("h1").await, "Device connected");
    world.look("device-done").await;
    let (status, tokens) = poll(&world, &client, &answer).await;
    assert_eq!(status, 200, "{tokens}");
}

// K10: nobody is signed out by a link alone
#[tokio::test(flavor = "multi_thread")]
async fn people_sign_out_when_they_say_so() {
    let world = World::start().await;
    let (client, browser) = (world.client("shop", &[]), &world.browser);
    world.user("ann@example.com", &[]);
    browser.open(&world.authorize(&client, "&scope=openid")).await;
    world.sign_in("ann@example.com", PASSWORD).await;
    world.returned().await;
    browser.open(&format!("{}/oauth2/logout", world.gate())).await;
    world.look("confirm-logout").await;
    browser.open(&world.authorize(&client, "&scope=openid&nonce=1")).await;
    assert!(value(&world.returned().await, "code").is_some(), "still signed in");
    browser.open(&format!("{}/oauth2/logout", world.gate())).await;
    browser.follow("#logout").await;
    browser.arrive(world.gate()).await;
    browser.open(&world.authorize(&client, "&scope=openid&nonce=2")).await;
    browser.find("#loginId").await;
}

// UX 22: whatever happens on the way, there is a page to go on with
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_login_goes_on() {
    let world = World::start().await;
    let (client, browser) = (world.client("shop", &[]), &world.browser);
    world.user("ann@example.com", &[]);
    let address = world.authorize(&client, "&scope=openid");

    // Cookies cleared while the form was open.
    browser.open(&address).await;
    browser.devtools("Network.clearBrowserCookies", json!({})).await;
    world.sign_in("ann@example.com", PASSWORD).await;
    browser.find("#message").await;
    world.look("form-expired").await;
    // The language is changed on the way; the request stays.
    browser.follow("footer a[lang=de]").await;
    assert_eq!(browser.text("h1").await, "Anmelden");
    world.sign_in("ann@example.com", PASSWORD).await;
    assert_eq!(value(&world.returned().await, "state"), Some("st-1"));

    // Back to the form after the login, and sent again.
    browser.mark().await;
    browser.run("history.back()", json!([])).await;
    browser.leave().await;
    browser.open(&address).await;
    assert!(value(&world.returned().await, "code").is_some());

    // Two tabs: the form of the first is sent after the login in the second.
    browser.devtools("Network.clearBrowserCookies", json!({})).await;
    browser.open(&address).await;
    let first = browser.windows().await.remove(0);
    let second = browser.new_window().await;
    browser.switch(&second).await;
    browser.open(&address).await;
    world.sign_in("ann@example.com", PASSWORD).await;
    world.returned().await;
    browser.switch(&first).await;
    world.sign_in("ann@example.com", PASSWORD).await;
    if !browser.url().await.starts_with(&world.callback()) {
        assert!(browser.text("#message").await.contains("send it again"));
        world.sign_in("ann@example.com", PASSWORD).await;
    }
    assert!(value(&world.returned().await, "code").is_some());
}

// A2, UX 21: an address that nobody registered is never gone to
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_request_ends_on_a_page_that_says_so() {
    let world = World::start().await;
    let (client, browser) = (world.client("shop", &[]), &world.browser);
    let address = world.authorize(&client, "&ui_locales=ar").replace("%2Fcb", "%2Fother").replace("/cb", "/other");
    for scheme in [Scheme::Light, Scheme::Dark] {
        browser.prefer(scheme).await;
        browser.open(&address).await;
        assert!(browser.url().await.starts_with(world.gate()));
        assert!(browser.text(".developer").await.contains("invalid_request"));
        world.look_except(&format!("error-{}", scheme.as_str()), "400 (Bad Request)").await;
    }
    assert!(world.samples.seen.lock().unwrap().is_empty());
}

// Form Post Response Mode 1.0, K2
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_posted_to_the_client() {
    let world = World::start().await;
    let (client, browser) = (world.client("shop", &[]), &world.browser);
    world.user("ann@example.com", &[]);
    browser.open(&world.authorize(&client, "&scope=openid&response_mode=form_post")).await;
    world.sign_in("ann@example.com", PASSWORD).await;
    browser.arrive(&world.callback()).await;
    let seen = world.samples.seen.lock().unwrap().join("\n");
    assert!(seen.contains("POST /cb code=") && seen.contains("state=st-1"), "{seen}");
}

// K5, A16: other sites can neither fill in our forms nor frame our pages
#[tokio::test(flavor = "multi_thread")]
async fn other_sites_cannot_use_our_forms_or_frame_our_pages() {
    let world = World::start().await;
    let (client, browser) = (world.client("shop", &[]), &world.browser);
    world.user("ann@example.com", &[]);
    let address = world.authorize(&client, "&scope=openid");
    let elsewhere = format!("http://localhost:{}/evil", world.samples.client.port());
    browser.open(&elsewhere).await;
    let post = "const form = document.createElement('form'); form.method = 'post'; form.action = arguments[0];\
        for (const [name, value] of arguments[1]) { const i = document.createElement('input'); i.name = name;\
            i.value = value; form.append(i) } document.body.append(form); form.submit()";
    browser.mark().await;
    browser.run(post, json!([address, [["loginId", "ann@example.com"], ["password", PASSWORD]]])).await;
    browser.leave().await;
    browser.find("#loginId").await;
    browser.open(&address).await;
    browser.find("#loginId").await;

    browser.open(&elsewhere).await;
    browser.complaints().await;
    let frame = "const [address, done] = arguments; const f = document.createElement('iframe'); f.src = address;\
        f.onload = () => done(f.contentDocument === null); document.body.append(f)";
    browser.run_until_called(frame, json!([address])).await;
    let complaints = browser.complaints().await.join("\n");
    assert!(complaints.contains("frame-ancestors") || complaints.contains("X-Frame-Options"), "{complaints}");
}

// K2, OAuth 2.0 Form Post Response Mode: a client's callback may lead on to another site
#[tokio::test(flavor = "multi_thread")]
async fn a_login_survives_a_client_that_redirects_on() {
    let world = World::start().await;
    let hop = format!("http://{}{HOP}", world.samples.client);
    let (client, browser) = (world.client("shop", &["--redirect-uri", &hop]), &world.browser);
    world.user("ann@example.com", &[]);
    let port = world.samples.client.port();
    for mode in ["query", "form_post"] {
        browser.devtools("Network.clearBrowserCookies", json!({})).await;
        let address = format!(
            "{}/oauth2/authorize?client_id={}&redirect_uri={hop}&response_type=code&response_mode={mode}",
            world.gate(),
            client.id
        );
        browser.open(&address).await;
        world.sign_in("ann@example.com", PASSWORD).await;
        browser.arrive(&format!("http://localhost:{port}/cb")).await;
        assert_eq!(browser.complaints().await.iter().filter(|line| line.contains("Content Security")).count(), 0);
    }
}

// K2: what the list of `form-action` is for. Chromium stops a redirect to anybody who is not on it.
#[tokio::test(flavor = "multi_thread")]
async fn a_form_leads_only_where_its_page_says() {
    let (samples, browser) = (Samples::start().await, Browser::start().await);
    let client = format!("http://{}/cb", samples.client);
    browser.open(&format!("http://{}/leave/bounce?listed=true", samples.address)).await;
    browser.click("#logout").await;
    browser.arrive(&client).await;
    samples.seen.lock().unwrap().clear();
    let page = format!("http://{}/leave/bounce?listed=false", samples.address);
    browser.open(&page).await;
    browser.click("#logout").await;
    browser.complains("form-action").await;
    assert_eq!(*samples.seen.lock().unwrap(), [""; 0]);
}
