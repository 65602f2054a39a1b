//! The page that asks for a new password. Which passwords are good enough is decided elsewhere.

use askama::Template;

use super::view::View;
use super::{Chrome, Form, Message, Needs, Page, Script};
use crate::model::PasswordChange;

/// Asks for a new password, twice.
#[derive(Clone, Copy, Debug)]
pub struct ChangePassword<'a> {
    pub form: Form<'a>,
    pub message: Option<Message>,
    pub reason: PasswordChange,
    /// In characters.
    pub min_length: u32,
    /// Whose password it is, for password managers; `""` if that may not be said.
    pub login_id: &'a str,
}

#[derive(Template)]
#[template(path = "change_password.html")]
struct Html<'a> {
    view: View<'a>,
    page: &'a ChangePassword<'a>,
}

impl Html<'_> {
    fn reason(&self) -> &'static str {
        let t = self.view.t;
        match self.page.reason {
            PasswordChange::Administrative => t.change_administrative,
            PasswordChange::Breached => t.change_breached,
            PasswordChange::Expired => t.change_expired,
            PasswordChange::Validation => t.change_validation,
        }
    }

    fn min_length(&self) -> String {
        self.view.t.min_length.replace("{min}", &self.page.min_length.to_string())
    }
}

impl Page for ChangePassword<'_> {
    fn render(&self, chrome: &Chrome<'_>) -> String {
        Html { view: View::new(chrome), page: self }.render().unwrap_or_default()
    }

    fn needs(&self) -> Needs<'_> {
        Needs { script: Script::File, ..Needs::default() }
    }
}

impl ChangePassword<'static> {
    pub fn sample() -> Self {
        Self {
            form: Form::SAMPLE,
            message: Some(Message::PasswordTooCommon),
            reason: PasswordChange::Administrative,
            min_length: 8,
            login_id: "richard@piedpiper.com",
        }
    }
}
