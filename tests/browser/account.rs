//! The page of one's account at the running gateway (UX 23): what people end there is over.

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
