//! What the frame of a page shows: names, language, stylesheet. It does not know which page is in the frame.

use super::texts::{self, Texts};
use super::{Chrome, Language, assets, shown};

/// Logos larger than this are not shown: they would be most of the page.
const MOST_LOGO_BYTES: usize = 12 * 1024;

/// The part of every template's context that all of them have.
pub(super) struct View<'a> {
    pub t: &'static Texts,
    pub language: Language,
    /// Whose page it is.
    pub name: String,
    /// A `data:` URL of an image.
    pub logo: Option<&'a str>,
    pub welcome: Option<String>,
    pub stylesheet: String,
    pub script: &'static str,
    /// The other languages: name, tag, direction, address.
    pub languages: Vec<(&'static str, &'static str, &'static str, String)>,
}

impl<'a> View<'a> {
    pub fn new(chrome: &Chrome<'a>) -> Self {
        let (theme, language) = (chrome.theme, chrome.language);
        let welcome = theme.welcome.get(language.tag()).or_else(|| theme.welcome.get(""));
        Self {
            t: language.texts(),
            language,
            name: shown::name(theme.name.as_deref().unwrap_or(chrome.tenant_name)),
            logo: logo(chrome),
            welcome: welcome.map(|text| shown::line(text, shown::SENTENCE)).filter(|text| !text.is_empty()),
            stylesheet: assets::stylesheet_path(theme),
            script: assets::script_path(),
            languages: chrome.here.map(|here| languages(here, language)).unwrap_or_default(),
        }
    }

    /// HTML of a text of ours with somebody else's `name` in the place of `placeholder`, fenced so that it can neither
    /// be markup nor turn the direction of what is around it (K11).
    pub fn naming(&self, text: &str, placeholder: &str, name: &str) -> String {
        let name = if name.is_empty() { self.t.unnamed } else { name };
        let (before, after) = text.split_once(placeholder).unwrap_or((text, ""));
        let (before, name, after) = (shown::escape(before), shown::escape(name), shown::escape(after));
        format!("{before}<bdi class=\"name\">{name}</bdi>{after}")
    }

    /// `seconds` in the largest unit that says it without a fraction worth mentioning.
    pub fn length(&self, seconds: i64) -> String {
        texts::length(self.t, self.language, seconds)
    }

    /// How long ago something was.
    pub fn ago(&self, seconds: i64) -> String {
        if seconds < 60 {
            return self.t.just_now.to_owned();
        }
        texts::ago(self.t, self.language, seconds)
    }
}

/// The theme's logo if it is an image that came with the page and is not too large (K11).
pub(super) fn logo<'a>(chrome: &Chrome<'a>) -> Option<&'a str> {
    let logo = chrome.theme.logo.as_deref()?;
    let kinds = ["data:image/png;base64,", "data:image/svg+xml;base64,", "data:image/svg+xml,"];
    let is_image = kinds.iter().any(|kind| logo.starts_with(kind));
    (is_image && logo.len() <= MOST_LOGO_BYTES).then_some(logo)
}

fn languages(here: &str, current: Language) -> Vec<(&'static str, &'static str, &'static str, String)> {
    let (path, query) = here.split_once('?').unwrap_or((here, ""));
    let chooses = |pair: &&str| ["ui_locales", "locale"].contains(&pair.split('=').next().unwrap_or_default());
    let rest: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty() && !chooses(pair)).collect();
    let others = Language::ALL.into_iter().filter(|language| *language != current);
    let link = |language: Language| {
        let choice = format!("ui_locales={}", language.tag());
        let pairs: Vec<&str> = rest.iter().copied().chain([choice.as_str()]).collect();
        (language.own_name(), language.tag(), language.direction(), format!("{path}?{}", pairs.join("&")))
    };
    others.map(link).collect()
}
