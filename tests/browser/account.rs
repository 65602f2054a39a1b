//! The page of one's account at the running gateway (UX 23): what people end there is over.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::world::{Client, PASSWORD, World};

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

/// Somebody who lets the client in, in a browser that they leave behind.
async fn let_in(world: &World, client: &Client) -> Value {
    world.browser.open(&world.authorize(client, "&scope=openid%20offline_access")).await;
    world.sign_in("ann@example.com", PASSWORD).await;
    let tokens = world.redeem(client, &world.returned().await).await;
    world.browser.devtools("Network.clearBrowserCookies", json!({})).await;
    tokens
}

async fn refreshed(world: &World, client: &Client, tokens: &Value) -> u16 {
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
    world.post(client, "/oauth2/token", &form).await.0
}

// UX 18, UX 23, A17: with and without scripts; small, of one origin
#[tokio::test(flavor = "multi_thread")]
async fn people_end_sessions_and_access() {
    let world = World::start().await;
    let (client, browser) = (world.client("shop", &[]), &world.browser);
    world.user("ann@example.com", &[]);
    let page = format!("{}/oauth2/account", world.gate());
    for scripts in [true, false] {
        browser.devtools("Network.clearBrowserCookies", json!({})).await;
        browser.allow_scripts(scripts).await;
        let lost = let_in(&world, &client).await;
        browser.open(&page).await;
        assert_eq!(browser.text("h1").await, "Sign in");
        world.sign_in("ann@example.com", PASSWORD).await;
        assert_eq!(browser.url().await, page);
        assert_eq!(browser.text("h1").await, "Your account");
        assert!(browser.text("main").await.contains("This browser"), "scripts: {scripts}");
        assert!(browser.text("#session-2").await.contains("Linux"));
        assert_eq!(browser.text("#application-1").await, "shop");
        let loaded = "const seen = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];\
            return [seen.length, seen.reduce((sum, one) => sum + one.decodedBodySize, 0),\
                seen.every((one) => one.name.startsWith(location.origin))]";
        let loaded = browser.run(loaded, json!([])).await;
        assert!(loaded[0].as_u64() <= Some(3) && loaded[1].as_u64() < Some(30_000), "{loaded}");
        assert_eq!(loaded[2], true, "{loaded}");
        world.look("account").await;
        browser.allow_scripts(scripts).await;
        browser.open(&page).await;

        assert_eq!(refreshed(&world, &client, &lost).await, 200);
        browser.follow("#end-session-2").await;
        assert!(browser.text("#message").await.contains("The session has ended"));
        assert_eq!(browser.focus().await, "message", "scripts: {scripts}");
        assert_eq!(refreshed(&world, &client, &lost).await, 400, "what was let in there is out");
        world.look("account-session-ended").await;
        browser.allow_scripts(scripts).await;

        // The same application, let in by this browser.
        browser.open(&world.authorize(&client, "&scope=openid%20offline_access")).await;
        let tokens = world.redeem(&client, &world.returned().await).await;
        browser.open(&page).await;
        browser.follow("#end-access-1").await;
        assert!(browser.text("#message").await.contains("cannot go on without you"));
        assert_eq!(refreshed(&world, &client, &tokens).await, 400);
        assert!(browser.text("main").await.contains("once you have allowed it something"));
        world.look("account-access-ended").await;
        browser.allow_scripts(scripts).await;
        browser.open(&page).await;
        browser.follow("#sign-out").await;
        browser.follow("#logout").await;
        assert_eq!(browser.text("h1").await, "You are signed out");
    }
}

// UX 17, UX 18: every control by the keyboard, in the order in which it is seen
#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_reaches_everything() {
    let world = World::start().await;
    let (client, browser) = (world.client("shop", &[]), &world.browser);
    world.user("ann@example.com", &[]);
    let_in(&world, &client).await;
    browser.open(&format!("{}/oauth2/account", world.gate())).await;
    world.sign_in("ann@example.com", PASSWORD).await;
    let controls =
        "return [...document.querySelectorAll('main a, main button, main input:not([type=hidden])')].map((e) => e.id)";
    let controls = browser.run(controls, json!([])).await;
    let controls: Vec<&str> = controls.as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    assert!(
        ["sign-out", "end-session-2", "end-others", "end-access-1"].iter().all(|id| controls.contains(id)),
        "{controls:?}"
    );
    for control in &controls {
        browser.press(TAB).await;
        assert_eq!(browser.focus().await, *control);
    }
    assert_eq!(controls.last(), Some(&"end-access-1"));
    browser.mark().await;
    browser.press(ENTER).await;
    browser.leave().await;
    assert!(browser.text("#message").await.contains("cannot go on without you"));
}

/// What the authenticator shows whose key the page shows.
async fn code(world: &World) -> String {
    let key = world.browser.text("#key").await.replace(' ', "");
    let digit = |letter: char| "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(letter).unwrap();
    let bits: String = key.chars().map(|letter| format!("{:05b}", digit(letter))).collect();
    let secret: [u8; 20] = std::array::from_fn(|at| u8::from_str_radix(&bits[8 * at..8 * at + 8], 2).unwrap());
    let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    totp.generate(now).to_string()
}

// UX 18, UX 23: password, second factor and recovery codes, with and without scripts
#[tokio::test(flavor = "multi_thread")]
async fn people_change_how_they_sign_in() {
    const OTHER: &str = "six green frogs leap";
    let world = World::start().await;
    let browser = &world.browser;
    for (scripts, login) in [(true, "ann@example.com"), (false, "bea@example.com")] {
        world.user(login, &[]);
        browser.devtools("Network.clearBrowserCookies", json!({})).await;
        browser.allow_scripts(scripts).await;
        browser.open(&format!("{}/oauth2/account", world.gate())).await;
        world.sign_in(login, PASSWORD).await;
        browser.follow("#password").await;
        assert_eq!(browser.focus().await, "current", "scripts: {scripts}");
        for (current, complaint) in [("wrong", Some("current password is wrong")), (PASSWORD, None)] {
            browser.fill("#current", current).await;
            browser.fill("#password", OTHER).await;
            browser.fill("#confirm", OTHER).await;
            browser.follow("#submit").await;
            assert!(browser.text("#message").await.contains(complaint.unwrap_or("Your password was changed")));
            world.look("account-password").await;
            browser.allow_scripts(scripts).await;
        }

        browser.follow("#second-factor").await;
        assert_eq!(browser.text("h1").await, "Set up an authenticator app");
        let seen = "const r = document.querySelector('.qr svg').getBoundingClientRect(); return [r.width, r.height]";
        let seen = browser.run(seen, json!([])).await;
        assert!(seen[0].as_f64() > Some(150.0) && seen[0] == seen[1], "{seen}");
        world.look("account-totp").await;
        browser.allow_scripts(scripts).await;
        browser.fill("#code", &code(&world).await).await;
        browser.follow("#submit").await;
        assert_eq!(browser.text("h1").await, "Your recovery codes");
        let codes = browser.text("#codes").await;
        assert_eq!(codes.lines().count(), 10, "{codes}");
        world.look("account-recovery-codes").await;
        // The page stays, and the browser has a file.
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser/downloads").join(login);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let behavior = json!({ "behavior": "allow", "downloadPath": folder });
        browser.devtools("Browser.setDownloadBehavior", behavior).await;
        browser.click("#download").await;
        let (file, started) = (folder.join("recovery-codes.txt"), Instant::now());
        // It is there before its content is.
        while fs::read_to_string(&file).unwrap_or_default().is_empty() {
            assert!(started.elapsed() < Duration::from_secs(10), "no file, scripts: {scripts}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(fs::read_to_string(&file).unwrap().trim_end(), codes);
        assert_eq!(browser.text("#codes").await, codes);

        browser.follow("#account").await;
        assert!(browser.text("main").await.contains("On. Recovery codes left: 10"));
        // This session is older than the factor: it does not do any more.
        browser.follow("#second-factor").await;
        world.sign_in(login, OTHER).await;
        browser.fill("#code", codes.lines().next().unwrap()).await;
        browser.follow("#submit").await;
        assert_eq!(browser.text("h1").await, "Authenticator app");
        world.look("account-totp-on").await;
        browser.allow_scripts(scripts).await;
        browser.fill("#code", codes.lines().nth(1).unwrap()).await;
        browser.follow("#renew").await;
        let renewed = browser.text("#codes").await;
        assert!(renewed.lines().count() == 10 && !renewed.contains(codes.lines().nth(1).unwrap()), "{renewed}");
        browser.follow("#account").await;
        browser.follow("#second-factor").await;
        browser.fill("#code", renewed.lines().next().unwrap()).await;
        browser.follow("#submit").await;
        assert!(browser.text("#message").await.contains("The authenticator app is off"));
        assert!(browser.text("main").await.contains("Off. With it"));
    }
}
