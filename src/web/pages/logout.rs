//! The pages around signing out. Which sessions end is decided elsewhere.

use askama::Template;

use super::view::View;
use super::{Chrome, Form, Needs, Page, Script};

/// Says that the person is signed out, tells other clients in frames, and leads on.
#[derive(Clone, Copy, Debug)]
pub struct SignedOut<'a> {
    /// Addresses of clients that are told by loading them (F-125, OpenID Connect Front-Channel Logout 1.0).
    pub frames: &'a [String],
    /// Where the browser goes once they have been.
    pub next: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct Out<'a> {
    view: View<'a>,
    page: &'a SignedOut<'a>,
}

impl Page for SignedOut<'_> {
    fn render(&self, chrome: &Chrome<'_>) -> String {
        Out { view: View::new(chrome), page: self }.render().unwrap_or_default()
    }

    fn needs(&self) -> Needs<'_> {
        let script = if self.next.is_some() { Script::File } else { Script::None };
        Needs { script, frames: self.frames, next: self.next, ..Needs::default() }
    }
}

impl SignedOut<'static> {
    pub fn sample() -> Self {
        Self { frames: &[], next: Some("https://app.example/bye?state=xyz") }
    }
}

/// Asks a person who may not have meant it whether to sign out (K10).
#[derive(Clone, Copy, Debug)]
pub struct ConfirmLogout<'a> {
    pub form: Form<'a>,
}

#[derive(Template)]
#[template(path = "confirm_logout.html")]
struct Confirm<'a> {
    view: View<'a>,
    page: &'a ConfirmLogout<'a>,
}

impl Page for ConfirmLogout<'_> {
    fn render(&self, chrome: &Chrome<'_>) -> String {
        Confirm { view: View::new(chrome), page: self }.render().unwrap_or_default()
    }
}

impl ConfirmLogout<'static> {
    pub fn sample() -> Self {
        Self { form: Form { action: "/oauth2/logout", ..Form::SAMPLE } }
    }
}
