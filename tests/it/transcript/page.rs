//! A page, abbreviated: its title, its forms with their fields, its frames, and where it leads.
//!
//! Owns what is left out: texts and looks, which no program depends on.

use std::fmt::Write as _;

use crate::support::authorization_server::encode;
use crate::support::browser;

/// What says something to a program.
const ELEMENTS: [&str; 6] = ["form", "input", "button", "iframe", "a", "select"];
const ATTRIBUTES: [&str; 8] = ["method", "action", "type", "name", "value", "checked", "src", "href"];
/// Proves that a form is ours, and differs with every page.
const FORGERY: &str = "forgery";

#[derive(Default)]
pub(super) struct Page {
    pub text: String,
    /// Where the first form goes.
    pub action: String,
    /// The hidden fields of the first form.
    pub hidden: Vec<(String, String)>,
}

impl Page {
    pub(super) fn read(html: &str) -> Self {
        let mut page = Self::default();
        let title = html.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next()).unwrap_or_default();
        writeln!(page.text, "<title>{title}</title>").unwrap();
        for tag in html.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
            let Some(element) = ELEMENTS.iter().find(|element| tag.split(' ').next() == Some(element)) else {
                continue;
            };
            let said: Vec<_> = ATTRIBUTES.iter().filter_map(|name| Some((*name, attribute(tag, name)?))).collect();
            let value = |name: &str| said.iter().find(|(own, _)| *own == name).map(|(_, value)| unescaped(value));
            let stays = value("href").is_some_and(|href| href.starts_with('#')) || tag.contains(" hreflang=");
            // Buttons of scripts, and what only a script enables.
            if stays || value("type").as_deref() == Some("button") || tag.ends_with(" disabled") {
                continue;
            }
            match (*element, value("type").as_deref()) {
                ("form", _) if page.action.is_empty() => page.action = value("action").unwrap_or_default(),
                ("input", Some("hidden")) => page.hidden.extend(value("name").zip(value("value"))),
                _ => {}
            }
            let is_forgery = value("name").as_deref() == Some(FORGERY);
            write!(page.text, "<{element}").unwrap();
            for (name, value) in &said {
                let value = if is_forgery && *name == "value" { "{{forgery}}" } else { value };
                write!(page.text, " {name}=\"{value}\"").unwrap();
            }
            writeln!(page.text, ">").unwrap();
        }
        page
    }

    /// What the form sends without anything filled in.
    pub(super) fn body(&self) -> String {
        let pairs = self.hidden.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
        pairs.collect::<Vec<_>>().join("&")
    }
}

/// The parameters of a URL, in its query or its fragment.
pub(super) fn parameters(url: &str) -> Vec<(String, String)> {
    let parts = url.split(['?', '#']).skip(1);
    parts.flat_map(browser::parameters).collect()
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split('"').next()
}

fn unescaped(text: &str) -> String {
    let named = [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&"), ("&amp;", "&")];
    named.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}
