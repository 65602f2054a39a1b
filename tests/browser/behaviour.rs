//! What pages do: the keyboard, the one script, forms and frames that lead to clients.

use faregate::web::pages::{Language, samples as all};
use serde_json::{Value, json};

use super::driver::{Browser, Scheme};
use super::samples::Samples;

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const SPACE: &str = " ";

// UX 17, UX 18: every control by Tab, in the order of reading, visibly
#[tokio::test(flavor = "multi_thread")]
async fn every_control_is_reached_by_keyboard_and_shows_it() {
    let (samples, browser) = (Samples::start().await, Browser::start().await);
    let controls = "return [...document.querySelectorAll('a[href], button, input:not([type=hidden])')]\
        .filter((e) => e.getClientRects().length).map((e) => e.outerHTML.slice(0, 90))";
    let focused = "const e = document.activeElement, s = getComputedStyle(e);\
        return [e.outerHTML.slice(0, 90), s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2]";
    for (name, _) in all().iter().filter(|(name, _)| !["form_post", "signed_out", "web_message"].contains(name)) {
        for scheme in [Scheme::Light, Scheme::Forced] {
            browser.prefer(scheme).await;
            browser.open(&samples.url(name, Language::English)).await;
            // From the very beginning, wherever the page put the focus.
            let start = "const top = document.createElement('span'); top.tabIndex = -1; document.body.prepend(top); top.focus()";
            browser.run(start, json!([])).await;
            for control in browser.run(controls, json!([])).await.as_array().unwrap() {
                browser.press(TAB).await;
                assert_eq!(browser.run(focused, json!([])).await, json!([control, true]), "{name} {}", scheme.as_str());
            }
        }
    }
}

// UX 17: focus where the work is
#[tokio::test(flavor = "multi_thread")]
async fn the_focus_begins_where_the_work_is() {
    let (samples, browser) = (Samples::start().await, Browser::start().await);
    for scripts in [true, false] {
        browser.allow_scripts(scripts).await;
        for (name, expected) in [
            ("sign_in", "password"),
            ("sign_in_wrong", "message"),
            ("second_factor", "message"),
            ("device_confirm", "deny"),
            ("device_done", "body"),
        ] {
            browser.open(&samples.url(name, Language::English)).await;
            assert_eq!(browser.focus().await, expected, "{name}, scripts: {scripts}");
        }
    }
}

// UX 17, L5: show password, as an extra of those who run scripts
#[tokio::test(flavor = "multi_thread")]
async fn a_password_can_be_shown_and_nothing_moves() {
    let (samples, browser) = (Samples::start().await, Browser::start().await);
    browser.open(&samples.url("sign_in", Language::English)).await;
    let kind = "return document.getElementById('password').type";
    browser.fill("#password", "correct horse").await;
    assert_eq!(browser.run(kind, json!([])).await, "password");
    browser.click(".show").await;
    assert_eq!(browser.run(kind, json!([])).await, "text");
    assert_eq!(browser.run("return document.querySelector('.show').ariaPressed", json!([])).await, "true");
    browser.press(SPACE).await;
    assert_eq!(browser.run(kind, json!([])).await, "password");
    // What moves because somebody typed or clicked is no shift, by the definition of Cumulative Layout Shift.
    let shifts = "const done = arguments[0]; const unasked = (list) => list.getEntries().filter((e) => !e.hadRecentInput)\
        .map((e) => [e.value, e.startTime, e.sources.map((s) => s.node && s.node.nodeName)]);\
        new PerformanceObserver((list) => done(unasked(list)))\
        .observe({ type: 'layout-shift', buffered: true }); setTimeout(() => done([]), 500)";
    assert_eq!(browser.run_until_called(shifts, json!([])).await, json!([]));
    assert_eq!(browser.complaints().await, [""; 0]);

    browser.allow_scripts(false).await;
    browser.open(&samples.url("sign_in", Language::English)).await;
    browser.allow_scripts(true).await;
    assert_eq!(browser.run("return document.querySelector('.show').hidden", json!([])).await, true);
}

// UX 17: at most 3 requests and 30 KB, all to us
#[tokio::test(flavor = "multi_thread")]
async fn the_sign_in_page_is_three_requests_and_few_bytes() {
    let (samples, browser) = (Samples::start().await, Browser::start().await);
    browser.open(&samples.url("sign_in_wrong", Language::German)).await;
    let entries = "return performance.getEntries().filter((e) => e.transferSize !== undefined)\
        .map((e) => [e.name, e.transferSize])";
    let entries = browser.run(entries, json!([])).await;
    let entries = entries.as_array().unwrap();
    let own = format!("http://{}/", samples.address);
    assert!(entries.iter().all(|entry| entry[0].as_str().unwrap().starts_with(&own)), "{entries:?}");
    assert_eq!(entries.len(), 3, "{entries:?}");
    let bytes: u64 = entries.iter().filter_map(|entry| entry[1].as_u64()).sum();
    assert!((5_000..30 * 1024).contains(&bytes), "{bytes}");
}

// UX 20, J8: Enter denies
#[tokio::test(flavor = "multi_thread")]
async fn enter_on_the_device_page_denies() {
    let (samples, browser) = (Samples::start().await, Browser::start().await);
    browser.open(&samples.url("device_confirm", Language::English)).await;
    let catch = "document.forms[0].addEventListener('submit', (e) => { e.preventDefault();\
        window.chosen = new FormData(e.target, e.submitter).get('decision') })";
    browser.run(catch, json!([])).await;
    browser.press(ENTER).await;
    assert_eq!(browser.run("return window.chosen", json!([])).await, "deny");
}

// F-062 response_mode=form_post: with a script at once, without one by a button
#[tokio::test(flavor = "multi_thread")]
async fn a_form_reaches_the_client_with_and_without_scripts() {
    let (samples, browser) = (Samples::start().await, Browser::start().await);
    let (page, client) =
        (format!("http://{}/leave/form_post", samples.address), format!("http://{}/cb", samples.client));
    for scripts in [true, false] {
        browser.allow_scripts(scripts).await;
        browser.open(&page).await;
        if !scripts {
            assert_eq!(browser.url().await, page);
            browser.click("#continue").await;
        }
        browser.arrive(&client).await;
        let posted: Vec<String> = samples.seen.lock().unwrap().drain(..).filter(|line| line.contains("/cb")).collect();
        assert_eq!(posted, ["POST /cb code=a+b&state=x%26y%3D%3Cz%3E&submit=hidden"], "scripts: {scripts}");
    }
}

// F-125, OpenID Connect Front-Channel Logout 1.0: the frames are loaded before the browser goes on
#[tokio::test(flavor = "multi_thread")]
async fn signing_out_tells_the_clients_and_leads_on() {
    let (samples, browser) = (Samples::start().await, Browser::start().await);
    for scripts in [true, false] {
        browser.allow_scripts(scripts).await;
        browser.open(&format!("http://{}/leave/signed_out", samples.address)).await;
        browser.arrive(&format!("http://{}/cb", samples.client)).await;
        let seen: Vec<String> =
            samples.seen.lock().unwrap().drain(..).filter(|line| !line.contains("favicon")).collect();
        assert_eq!(seen, ["GET /out?sid=1", "GET /cb"], "scripts: {scripts}");
    }
}

// K1: what is not ours does not run, even where somebody managed to write it into the page
#[tokio::test(flavor = "multi_thread")]
async fn the_policy_stops_scripts_that_are_not_ours() {
    let (samples, browser) = (Samples::start().await, Browser::start().await);
    browser.open(&samples.url("consent", Language::English)).await;
    let inject = "const s = document.createElement('script'); s.textContent = 'window.ran = true';\
        document.body.append(s); const i = new Image(); i.src = arguments[0]; document.body.append(i);\
        document.body.setAttribute('onclick', 'window.ran = true'); document.body.click(); return window.ran ?? null";
    let ran = browser.run(inject, json!([format!("http://{}/pixel", samples.client)])).await;
    assert_eq!(ran, Value::Null);
    let complaints = browser.complaints().await;
    assert!(complaints.iter().filter(|line| line.contains("Content Security Policy")).count() >= 2, "{complaints:?}");
    assert_eq!(*samples.seen.lock().unwrap(), [""; 0]);
}
