//! The dashboard of the running gateway (UX 24): read without scripts, renewed with them where nobody notices.

use serde_json::{Value, json};

use super::axe;
use super::driver::Scheme;
use super::world::World;

/// Whether the policy or the page itself complains.
async fn look(world: &World, name: &str) {
    let mut found = Vec::new();
    for scheme in [Scheme::Light, Scheme::Dark, Scheme::Forced] {
        world.browser.prefer(scheme).await;
        world.browser.picture(&format!("dashboard-{name}-{}", scheme.as_str())).await;
        let place = format!("{name} {}", scheme.as_str());
        found.extend(axe::violations(&world.browser).await.into_iter().map(|line| format!("{place}: {line}")));
    }
    world.browser.prefer(Scheme::Light).await;
    found.extend(world.browser.complaints().await);
    assert!(found.is_empty(), "{name}:\n{}", found.join("\n"));
}

fn admin(world: &World) -> String {
    world.ready["admin"].as_str().unwrap().to_owned()
}

/// A request that no route is for.
async fn refused(world: &World) {
    let answer = reqwest::get(format!("{}/nowhere", world.gate())).await.unwrap();
    assert_eq!(answer.status(), 404);
}

async fn count_of(world: &World, row: &str) -> Value {
    let script = "return document.querySelector(`#${arguments[0]} data`)?.value ?? null";
    world.browser.run(script, json!([row])).await
}

/// Waits until a number is this one.
async fn becomes(world: &World, row: &str, expected: &str) {
    for _ in 0..400 {
        if count_of(world, row).await == expected {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{row}: {} and not {expected}", count_of(world, row).await);
}

// UX 24, A17: tables, links and the way to an explanation need no script; axe finds nothing, in light, dark and forced colours
#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_is_read_without_scripts() {
    let world = World::start().await;
    let browser = &world.browser;
    let page = format!("{}/dashboard", admin(&world));
    browser.allow_scripts(false).await;
    browser.open(&page).await;
    assert_eq!(browser.text("h1").await, "Dashboard");
    assert!(browser.text("main").await.contains("No refusal is remembered"));
    browser.seen("#pause", false).await;
    browser.allow_scripts(true).await;
    look(&world, "empty").await;
    browser.allow_scripts(false).await;

    refused(&world).await;
    browser.open(&format!("{}/", admin(&world))).await;
    assert_eq!(browser.url().await, page, "a browser is led there");
    assert!(browser.text("#decision-deny-no_route").await.contains("no_route"));
    browser.follow("#refresh").await;
    assert_eq!(browser.url().await, page);
    browser.follow("tr[id^=r-] th a").await;
    assert_eq!(browser.text("h1").await, "Refused: no_route");
    assert!(browser.text("main").await.contains("What to do"));
    browser.allow_scripts(true).await;
    look(&world, "decision").await;
    browser.allow_scripts(false).await;
    browser.follow(".back a").await;
    browser.follow("#decision-deny-no_route a").await;
    assert_eq!(browser.text("h1").await, "no_route");
    browser.allow_scripts(true).await;
    look(&world, "reason").await;

    // WCAG 2.2 1.4.10: at 320 px only the tables scroll, each in its own box, which the keyboard reaches.
    browser.resize(320, 640).await;
    browser.open(&page).await;
    let beyond = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
    assert_eq!(browser.run(beyond, json!([])).await, 0);
    let boxes = "const boxes = [...document.querySelectorAll('.scroll')];\
        return [boxes.some((box) => box.scrollWidth > box.clientWidth), boxes.every((box) => box.tabIndex === 0)]";
    assert_eq!(browser.run(boxes, json!([])).await, json!([true, true]));
    look(&world, "narrow").await;
    let small = "return [...document.querySelectorAll('main a, main button, nav a')].filter((one) => one.checkVisibility())\
        .filter((one) => !one.closest('td, tbody th, p:not(.tools)')).map((one) => one.getBoundingClientRect())\
        .filter((box) => box.height < 24).length";
    assert_eq!(browser.run(small, json!([])).await, 0, "WCAG 2.2 2.5.8");
}

// UX 24: numbers change by themselves; focus, scrolling and the elements themselves stay, and somebody can stop it (WCAG 2.2.2)
#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_is_renewed_without_flicker() {
    let world = World::start().await;
    let browser = &world.browser;
    for _ in 0..30 {
        refused(&world).await;
    }
    browser.resize(700, 500).await;
    browser.open(&format!("{}/dashboard", admin(&world))).await;
    becomes(&world, "decision-deny-no_route", "30").await;
    let prepare = "const link = document.querySelector('tr[id^=r-] th a'); link.focus();\
        document.querySelector('.tall').scrollTop = 120; scrollTo(0, 300); document.querySelector('#live').kept = link.kept = true;\
        return [link.href, scrollY]";
    let before = browser.run(prepare, json!([])).await;
    refused(&world).await;
    // Within the interval, by itself.
    becomes(&world, "decision-deny-no_route", "31").await;
    let after = "const at = document.activeElement; const rows = document.querySelectorAll('tr[id^=r-]');\
        return [at.href, scrollY, at.kept, document.querySelector('#live').kept, rows.length, rows[1].contains(at),\
            document.querySelector('.tall').scrollTop > 0]";
    let after = browser.run(after, json!([])).await;
    assert_eq!((&after[0], &after[1]), (&before[0], &before[1]), "focus and place are as they were");
    assert_eq!(after.as_array().unwrap()[2..], [json!(true), json!(true), json!(31), json!(true), json!(true)]);

    // Paused, nothing changes until it is asked for.
    browser.click("#pause").await;
    refused(&world).await;
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    assert_eq!(count_of(&world, "decision-deny-no_route").await, "31");
    browser.mark().await;
    browser.click("#refresh").await;
    becomes(&world, "decision-deny-no_route", "32").await;
    let marked = browser.run("return 'marked' in document.documentElement.dataset", json!([])).await;
    assert_eq!(marked, true, "no other page was loaded");
    // What is drawn in place is what a new page would be.
    let renewed = "const parts = [...document.querySelectorAll('tbody tr')].map((row) => row.outerHTML); return parts";
    let renewed_rows = browser.run(renewed, json!([])).await;
    browser.open(&format!("{}/dashboard", admin(&world))).await;
    assert_eq!(browser.run(renewed, json!([])).await.as_array().map(Vec::len), renewed_rows.as_array().map(Vec::len));
    look(&world, "busy").await;
}
