//! The page before the way back to a client that the person has let have nothing (A13). It remembers nothing.

use askama::Template;

use super::view::View;
use super::{Chrome, Form, Page, shown};

/// Says where the way back leads, and waits.
#[derive(Clone, Copy, Debug)]
pub struct Leaving<'a> {
    pub form: Form<'a>,
    pub client_name: &'a str,
    /// Host, or scheme of an application on the device.
    pub redirect_host: &'a str,
}

#[derive(Template)]
#[template(path = "leaving.html")]
struct Html<'a> {
    view: View<'a>,
    page: &'a Leaving<'a>,
    client_name: String,
    redirect_host: String,
}

impl Page for Leaving<'_> {
    fn render(&self, chrome: &Chrome<'_>) -> String {
        let html = Html {
            view: View::new(chrome),
            client_name: shown::name(self.client_name),
            redirect_host: shown::name(self.redirect_host),
            page: self,
        };
        html.render().unwrap_or_default()
    }
}

impl Leaving<'static> {
    pub fn sample() -> Self {
        Self { form: Form::SAMPLE, client_name: "Hooli Chat", redirect_host: "chat.hooli.example" }
    }
}
