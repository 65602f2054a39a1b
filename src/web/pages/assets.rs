//! The stylesheet and the script: two files of ours, named after what is in them and so kept by browsers for ever.
//!
//! A theme's colours are part of the stylesheet's name. No page has a style of its own.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use axum::body::Body;
use axum::extract::Path;
use axum::http::header::{self, HeaderValue};
use axum::response::{IntoResponse as _, Response};

use super::colour::Colour;
use crate::model::Theme;
use crate::web::respond;

const STYLE: &str = include_str!("assets/pages.css");
const SCRIPT: &str = include_str!("assets/pages.js");
const FOLDER: &str = "/oauth2/assets/";
/// Those of the pages for operators, which are on a listener of their own.
const BOARD_STYLE: &str = concat!(include_str!("assets/pages.css"), include_str!("assets/dashboard.css"));
const BOARD_SCRIPT: &str = include_str!("assets/dashboard.js");
const BOARD_FOLDER: &str = "/dashboard/assets/";
const STYLESHEET: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The grounds that an accent has to be read on: `--card` and `--ground` of the stylesheet, and its own buttons' text.
const LIGHT_GROUNDS: [Colour; 2] = [Colour::WHITE, Colour::rgb(0xf3_f4_f6)];
const DARK_GROUNDS: [Colour; 2] = [Colour::rgb(0x1b_1e_24), Colour::rgb(0x11_13_17)];

static STYLE_HASH: LazyLock<String> = LazyLock::new(|| hash(STYLE));
static SCRIPT_PATH: LazyLock<String> = LazyLock::new(|| format!("{FOLDER}{}.js", hash(SCRIPT)));

static BOARD_STYLE_PATH: LazyLock<String> = LazyLock::new(|| format!("{BOARD_FOLDER}{}.css", hash(BOARD_STYLE)));
static BOARD_SCRIPT_PATH: LazyLock<String> = LazyLock::new(|| format!("{BOARD_FOLDER}{}.js", hash(BOARD_SCRIPT)));

/// `<hash>.css`, or `<hash>-<light>-<dark>.css` for a theme with colours of its own.
pub(super) fn stylesheet_path(theme: &Theme) -> String {
    let parse = |text: &Option<String>| text.as_deref().and_then(Colour::parse);
    let (light, dark) = (parse(&theme.accent), parse(&theme.accent_dark));
    let hash = STYLE_HASH.as_str();
    // One colour serves both when only one is given.
    let Some((light, dark)) = light.or(dark).zip(dark.or(light)) else { return format!("{FOLDER}{hash}.css") };
    let light = light.readable_on(&LIGHT_GROUNDS, Colour::BLACK);
    let dark = dark.readable_on(&DARK_GROUNDS, Colour::WHITE);
    format!("{FOLDER}{hash}-{}-{}.css", light.digits(), dark.digits())
}

pub(super) fn script_path() -> &'static str {
    &SCRIPT_PATH
}

pub(super) fn board_stylesheet_path() -> &'static str {
    &BOARD_STYLE_PATH
}

pub(super) fn board_script_path() -> &'static str {
    &BOARD_SCRIPT_PATH
}

/// `GET /dashboard/assets/{name}` of the admin listener, as [`get`] on the public ones.
pub async fn board(name: &str) -> Response {
    let is = |path: &str| path.strip_prefix(BOARD_FOLDER) == Some(name);
    if is(&BOARD_STYLE_PATH) {
        return file(STYLESHEET, BOARD_STYLE.to_owned());
    }
    if is(&BOARD_SCRIPT_PATH) {
        return file(JAVASCRIPT, BOARD_SCRIPT.to_owned());
    }
    respond::not_found().await
}

/// `GET /oauth2/assets/{name}`. A name with another hash is one of another version, and not ours to answer.
pub async fn get(Path(name): Path<String>) -> Response {
    if SCRIPT_PATH.strip_prefix(FOLDER) == Some(&*name) {
        return file(JAVASCRIPT, SCRIPT.to_owned());
    }
    match stylesheet(&name) {
        Some(style) => file(STYLESHEET, style),
        None => respond::not_found().await,
    }
}

fn stylesheet(name: &str) -> Option<String> {
    let name = name.strip_suffix(".css")?.strip_prefix(STYLE_HASH.as_str())?;
    if name.is_empty() {
        return Some(STYLE.to_owned());
    }
    let (light, dark) = name.strip_prefix('-')?.split_once('-')?;
    let colour = |digits: &str| (digits.len() == 6).then(|| Colour::parse(&format!("#{digits}"))).flatten();
    let (light, dark) = (colour(light)?.digits(), colour(dark)?.digits());
    Some(format!("{STYLE}:root{{--accent:#{light}}}@media(prefers-color-scheme:dark){{:root{{--accent:#{dark}}}}}\n"))
}

fn file(media_type: &'static str, content: String) -> Response {
    let mut response = Body::from(content).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, FOREVER);
    response
}

fn hash(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    hex::encode(&digest.as_ref()[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn theme(accent: Option<&str>, accent_dark: Option<&str>) -> Theme {
        Theme { accent: accent.map(str::to_owned), accent_dark: accent_dark.map(str::to_owned), ..Theme::default() }
    }

    fn name(theme: &Theme) -> String {
        stylesheet_path(theme).strip_prefix(FOLDER).unwrap().to_owned()
    }

    // D-04, UX 17
    #[test]
    fn a_theme_colours_the_stylesheet_and_nothing_else() {
        assert_eq!(stylesheet(&name(&theme(None, None))).as_deref(), Some(STYLE));
        assert_eq!(name(&theme(Some("red;}"), None)), name(&theme(None, None)), "no colour is the default");
        let blue = stylesheet(&name(&theme(Some("#00f"), Some("#8af")))).unwrap();
        assert!(blue.ends_with(":root{--accent:#0000ff}@media(prefers-color-scheme:dark){:root{--accent:#88aaff}}\n"));
        // Yellow cannot be read on white; its name says what it became.
        assert!(!name(&theme(Some("#ffff00"), None)).contains("-ffff00-"));
        let hash = STYLE_HASH.as_str();
        for foreign in ["", ".css", "0123456789abcdef.css", "x.js"] {
            assert_eq!(stylesheet(foreign), None, "{foreign}");
        }
        for tail in ["-", "-0000ff", "-0000ff-", "-00f-00f", "-0000ff-0000f;", "-0000ff-0000ff-0000ff", "x"] {
            assert_eq!(stylesheet(&format!("{hash}{tail}.css")), None, "{tail}");
        }
    }

    // The colours that accents are measured against are those of the stylesheet.
    #[test]
    fn the_grounds_are_those_of_the_stylesheet() {
        for (colours, card, ground) in
            [(LIGHT_GROUNDS, "--card:#", "--ground:#"), (DARK_GROUNDS, "--card:#", "--ground:#")]
        {
            assert!(STYLE.contains(&format!("{card}{}", colours[0].digits())), "{card}{}", colours[0].digits());
            assert!(STYLE.contains(&format!("{ground}{}", colours[1].digits())), "{ground}{}", colours[1].digits());
        }
    }
}
