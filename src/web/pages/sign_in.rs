//! The sign-in page (UX 17). It does not know what a right password is.

use askama::Template;

use super::view::View;
use super::{Chrome, Form, Message, Needs, Page, Script, shown};

/// Asks for login id and password.
#[derive(Clone, Copy, Debug)]
pub struct SignIn<'a> {
    pub form: Form<'a>,
    /// The application that is signed in to; `""` when there is none to name.
    pub client_name: &'a str,
    /// What was typed before, or the client's `login_hint`.
    pub login_id: &'a str,
    pub message: Option<Message>,
    /// Whether people may choose to stay signed in (D-18).
    pub show_remember: bool,
    pub remember: bool,
    /// Whether a passkey does instead of both.
    pub offer_passkey: bool,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Html<'a> {
    view: View<'a>,
    page: &'a SignIn<'a>,
    client_name: String,
    login_id: String,
}

impl Page for SignIn<'_> {
    fn render(&self, chrome: &Chrome<'_>) -> String {
        let html = Html {
            view: View::new(chrome),
            page: self,
            client_name: shown::name(self.client_name),
            login_id: shown::typed(self.login_id),
        };
        html.render().unwrap_or_default()
    }

    fn needs(&self) -> Needs<'_> {
        Needs { script: Script::File, ..Needs::default() }
    }
}

impl SignIn<'static> {
    pub fn sample() -> Self {
        Self {
            form: Form::SAMPLE,
            client_name: "Pied Piper",
            login_id: "richard@piedpiper.com",
            message: None,
            show_remember: true,
            remember: true,
            offer_passkey: true,
        }
    }
}
