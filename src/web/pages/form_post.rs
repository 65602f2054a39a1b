//! The page that carries an authorization response to the client as a form (OAuth 2.0 Form Post Response Mode).
//! It shows a button to those whose browsers run no scripts.

use askama::Template;

use super::view::View;
use super::{Chrome, Needs, Page, Script};

/// The one script that stands in a page. The policy of the page names its hash. A field called `submit` hides the
/// method of its form, so the method is taken from where all forms have it.
pub(super) const SUBMIT: &str = "HTMLFormElement.prototype.submit.call(document.forms[0])";

/// Posts `fields` to a client.
#[derive(Clone, Copy, Debug)]
pub struct FormPost<'a> {
    /// The client's redirect URI.
    pub action: &'a str,
    pub fields: &'a [(&'a str, &'a str)],
}

#[derive(Template)]
#[template(path = "form_post.html")]
struct Html<'a> {
    view: View<'a>,
    page: &'a FormPost<'a>,
    submit: &'static str,
}

impl Page for FormPost<'_> {
    fn render(&self, chrome: &Chrome<'_>) -> String {
        Html { view: View::new(chrome), page: self, submit: SUBMIT }.render().unwrap_or_default()
    }

    fn needs(&self) -> Needs<'_> {
        Needs { script: Script::Submit, form_action: Some(self.action), ..Needs::default() }
    }
}

impl FormPost<'static> {
    pub fn sample() -> Self {
        Self { action: "https://app.example/cb", fields: &[("code", "SplxlOBeZQQYbYS6WxSbIA"), ("state", "xyz")] }
    }
}
