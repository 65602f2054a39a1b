//! The pages in a real browser: Debian's Chromium, driven through chromedriver, checked by axe-core.
//!
//! Owns everything that only a browser can tell. Screenshots are left in `target/screenshots`, one for every page, language,
//! and colour scheme, with and without scripts.

mod account;
mod appearance;
mod axe;
mod behaviour;
mod dashboard;
mod driver;
mod embedded;
mod flows;
#[path = "../it/support/foreign_issuer.rs"]
#[expect(dead_code, reason = "other tests ask more of it")]
mod foreign_issuer;
mod login_redirect;
mod npm;
mod passkeys;
#[path = "../it/support/requests.rs"]
mod requests;
mod samples;
mod world;
