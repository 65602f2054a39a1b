//! The page on which people change their password because they want to. Which ones are good enough is decided elsewhere.

use askama::Template;

use super::view::View;
use super::{Chrome, Form, Message, Needs, Page, Script};

/// Asks for the current password, and for a new one, twice.
#[derive(Clone, Copy, Debug)]
pub struct NewPassword<'a> {
    pub form: Form<'a>,
    pub message: Option<Message>,
    /// In characters.
    pub min_length: u32,
    /// Whose password it is, for password managers.
    pub login_id: &'a str,
    /// Where the page of the account is.
    pub account: &'a str,
}

#[derive(Template)]
#[template(path = "new_password.html")]
struct Html<'a> {
    view: View<'a>,
    page: &'a NewPassword<'a>,
}

impl Html<'_> {
    fn min_length(&self) -> String {
        self.view.t.min_length.replace("{min}", &self.page.min_length.to_string())
    }
}

impl Page for NewPassword<'_> {
    fn render(&self, chrome: &Chrome<'_>) -> String {
        Html { view: View::new(chrome), page: self }.render().unwrap_or_default()
    }

    fn needs(&self) -> Needs<'_> {
        Needs { script: Script::File, ..Needs::default() }
    }
}

impl NewPassword<'static> {
    pub fn sample() -> Self {
        Self {
            form: Form { action: "/oauth2/account", fields: &[("section", "password")], ..Form::SAMPLE },
            message: Some(Message::WrongPassword),
            min_length: 8,
            login_id: "richard@piedpiper.com",
            account: "/oauth2/account",
        }
    }
}
