//! The pages in a real browser: Debian's Chromium, driven through chromedriver, checked by axe-core.
//!
//! Owns everything that only a browser can tell. Screenshots are left in `target/screenshots`, one for every page, language,
//! and colour scheme, with and without scripts.

mod appearance;
mod axe;
mod behaviour;
mod driver;
mod flows;
mod samples;
mod world;
