//! How every page looks and reads: accessible, in every language, scheme and width, with scripts and without.

use faregate::web::pages::{Language, samples as all};
use serde_json::json;

use super::axe;
use super::driver::{Browser, Scheme};
use super::samples::Samples;

/// Pages that go on by themselves where scripts run.
const LEAVING: [&str; 3] = ["form_post", "signed_out", "web_message"];

/// Every page in one language.
async fn look(language: Language) {
    let (samples, browser) = (Samples::start().await, Browser::start().await);
    let mut found = Vec::new();
    for (name, _) in all() {
        for scheme in [Scheme::Light, Scheme::Dark] {
            browser.prefer(scheme).await;
            for scripts in [true, false] {
                if scripts && LEAVING.contains(&name) {
                    continue;
                }
                browser.allow_scripts(scripts).await;
                browser.open(&samples.url(name, language)).await;
                let script = if scripts { "script" } else { "plain" };
                let place = format!("{name}-{}-{}-{script}", language.tag(), scheme.as_str());
                browser.picture(&place).await;
                // The page has been made without scripts by now; the check itself is one.
                browser.allow_scripts(true).await;
                found.extend(axe::violations(&browser).await.into_iter().map(|line| format!("{place}: {line}")));
                found.extend(browser.complaints().await.into_iter().map(|line| format!("{place}: {line}")));
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

// UX 17, UX 18
#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_accessible_in_english() {
    look(Language::English).await;
}

// UX 17, UX 18
#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_accessible_in_german() {
    look(Language::German).await;
}

// UX 17, UX 18
#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_accessible_in_arabic() {
    look(Language::Arabic).await;
}

// D-04, UX 17: what a tenant may set cannot make a page unreadable
#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_accessible_with_a_theme_and_with_forced_colours() {
    let (samples, browser) = (Samples::start().await, Browser::start().await);
    let mut found = Vec::new();
    for (name, _) in all().iter().filter(|(name, _)| !LEAVING.contains(name)) {
        for scheme in [Scheme::Light, Scheme::Dark, Scheme::Forced] {
            browser.prefer(scheme).await;
            browser.open(&format!("{}&themed=true", samples.url(name, Language::English))).await;
            let place = format!("{name}-themed-{}", scheme.as_str());
            browser.picture(&place).await;
            found.extend(axe::violations(&browser).await.into_iter().map(|line| format!("{place}: {line}")));
            found.extend(browser.complaints().await.into_iter().map(|line| format!("{place}: {line}")));
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

// UX 17: 320 px, which is 400 % of 1280 (WCAG 2.2 1.4.10); 200 % text (1.4.4); targets (2.5.8)
#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_a_narrow_window_in_every_language() {
    let (samples, browser) = (Samples::start().await, Browser::start().await);
    browser.resize(320, 640).await;
    let measure = "document.documentElement.style.fontSize = arguments[0];\
        const out = [...document.querySelectorAll('body *')].filter((e) => e.getClientRects().length && !e.closest('svg'))\
            .filter((e) => { const r = e.getBoundingClientRect(); return r.left < -1 || r.right > innerWidth + 1 })\
            .map((e) => e.outerHTML.slice(0, 80));\
        const small = [...document.querySelectorAll('button, input:not([type=hidden]), a')]\
            .filter((e) => e.getClientRects().length)\
            .filter((e) => { const r = e.getBoundingClientRect(); return r.width < 24 || r.height < 24 })\
            .map((e) => 'small: ' + e.outerHTML.slice(0, 80));\
        const scrolls = document.documentElement.scrollWidth > innerWidth ? ['scrolls sideways'] : [];\
        return [...out, ...small, ...scrolls]";
    let mut found = Vec::new();
    for (name, _) in all().iter().filter(|(name, _)| !LEAVING.contains(name)) {
        for language in Language::ALL {
            for size in ["100%", "200%"] {
                browser.open(&samples.url(name, language)).await;
                let place = format!("{name}-{}-narrow-{size}", language.tag());
                for problem in browser.run(measure, json!([size])).await.as_array().unwrap() {
                    found.push(format!("{place}: {problem}"));
                }
                browser.picture(&place.replace('%', "")).await;
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}
