//! The page that asks for a second factor. It does not know which codes are right.

use askama::Template;

use super::view::View;
use super::{Chrome, Form, Message, Page};

/// Asks for a time-based code, or for a recovery code.
#[derive(Clone, Copy, Debug)]
pub struct SecondFactor<'a> {
    pub form: Form<'a>,
    pub message: Option<Message>,
}

#[derive(Template)]
#[template(path = "second_factor.html")]
struct Html<'a> {
    view: View<'a>,
    page: &'a SecondFactor<'a>,
}

impl Page for SecondFactor<'_> {
    fn render(&self, chrome: &Chrome<'_>) -> String {
        Html { view: View::new(chrome), page: self }.render().unwrap_or_default()
    }
}

impl SecondFactor<'static> {
    pub fn sample() -> Self {
        Self { form: Form::SAMPLE, message: Some(Message::WrongCode) }
    }
}
