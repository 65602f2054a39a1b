//! The page that tells an authorization response to the client's page that opened it in a window, or shows it in a frame
//! (`draft-sakimura-oauth-wmrm-00`, as Auth0 has it). Whoever waits for it runs scripts, so there is no way without.

use askama::Template;

use super::view::View;
use super::{Chrome, Needs, Page, Script};

/// The one script that stands in the page. The policy of the page names its hash.
pub(super) const TELL: &str = "const said = document.forms[0];\
    (opener ?? parent).postMessage({ type: \"authorization_response\", response: Object.fromEntries(new FormData(said)) },\
    said.dataset.origin)";

/// Tells `fields` to a client.
#[derive(Clone, Copy, Debug)]
pub struct WebMessage<'a> {
    /// Whose page may read it; a browser tells no other.
    pub origin: &'a str,
    pub fields: &'a [(&'a str, &'a str)],
}

#[derive(Template)]
#[template(path = "web_message.html")]
struct Html<'a> {
    view: View<'a>,
    page: &'a WebMessage<'a>,
    tell: &'static str,
}

impl Page for WebMessage<'_> {
    fn render(&self, chrome: &Chrome<'_>) -> String {
        Html { view: View::new(chrome), page: self, tell: TELL }.render().unwrap_or_default()
    }

    fn needs(&self) -> Needs<'_> {
        Needs { script: Script::Tell, ..Needs::default() }
    }
}

impl WebMessage<'static> {
    pub fn sample() -> Self {
        Self { origin: "https://app.example", fields: &[("code", "SplxlOBeZQQYbYS6WxSbIA"), ("state", "xyz")] }
    }
}
