//! The pages for the first person (rule L14). They do not know who may see them.

use askama::Template;

use super::view::View;
use super::{Chrome, Form, Message, Needs, Page, Script, shown};

/// Asks for an email address and a password, twice.
#[derive(Clone, Copy, Debug)]
pub struct SetUp<'a> {
    pub form: Form<'a>,
    pub message: Option<Message>,
    /// What was typed before.
    pub email: &'a str,
    /// In characters.
    pub min_length: u32,
}

#[derive(Template)]
#[template(path = "setup.html")]
struct Html<'a> {
    view: View<'a>,
    page: &'a SetUp<'a>,
    email: String,
}

impl Html<'_> {
    fn min_length(&self) -> String {
        self.view.t.min_length.replace("{min}", &self.page.min_length.to_string())
    }
}

impl Page for SetUp<'_> {
    fn render(&self, chrome: &Chrome<'_>) -> String {
        let html = Html { view: View::new(chrome), page: self, email: shown::typed(self.email) };
        html.render().unwrap_or_default()
    }

    fn needs(&self) -> Needs<'_> {
        Needs { script: Script::File, ..Needs::default() }
    }
}

impl SetUp<'static> {
    pub fn sample() -> Self {
        let form = Form { action: "/oauth2/setup", ..Form::SAMPLE };
        Self { form, message: Some(Message::InvalidEmail), email: "richard@", min_length: 8 }
    }
}

/// Shows the first API key, this once.
#[derive(Clone, Copy)]
pub struct SetUpDone<'a> {
    pub email: &'a str,
    pub api_key: &'a str,
}

#[derive(Template)]
#[template(path = "setup_done.html")]
struct Done<'a> {
    view: View<'a>,
    email: String,
    api_key: &'a str,
}

impl Page for SetUpDone<'_> {
    fn render(&self, chrome: &Chrome<'_>) -> String {
        let html = Done { view: View::new(chrome), email: shown::line(self.email, 254), api_key: self.api_key };
        html.render().unwrap_or_default()
    }
}

impl SetUpDone<'static> {
    pub fn sample() -> Self {
        Self { email: "richard@piedpiper.com", api_key: "oVvQ0oLV1Ee6Bz4h8uYQ3mJkq5cJ2xTnN9wLr7sDfGk" }
    }
}
