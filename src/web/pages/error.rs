//! The pages on which a way ends: errors, and accounts that an application does not know (UX 21).
//!
//! They tell the person what to do, the developer which rule it was, and the operator which request.

use askama::Template;

use super::view::View;
use super::{Chrome, Page, shown};

/// What the person should be told, whatever the protocol calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The client asked wrongly; going back may help, and its developer has to look.
    Request,
    /// Too many attempts from here.
    Throttled,
    /// The same way, again and again: cookies blocked, a wrong clock, another host name.
    Loop,
    /// An issuer sent the person back, and that is not a login.
    Login,
    /// We cannot at the moment.
    Unavailable,
}

/// An error that no client is told of, because none can be trusted to be the right one.
#[derive(Clone, Copy, Debug)]
pub struct ErrorPage<'a> {
    pub kind: ErrorKind,
    /// The code of OAuth: `invalid_request`.
    pub error: &'a str,
    /// One constant sentence for developers.
    pub description: &'a str,
    /// What was received and what was expected: for development only.
    pub detail: Option<&'a str>,
    /// Finds the request in the log.
    pub request_id: Option<&'a str>,
    /// An address of ours where it can be tried again.
    pub again: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "error.html")]
struct Html<'a> {
    view: View<'a>,
    page: &'a ErrorPage<'a>,
    description: String,
    detail: Option<String>,
    request_id: Option<String>,
}

impl Html<'_> {
    /// The heading, and what to do.
    fn words(&self) -> (&'static str, &'static str) {
        let t = self.view.t;
        match self.page.kind {
            ErrorKind::Request => (t.error_request_title, t.error_request_text),
            ErrorKind::Throttled => (t.error_throttled_title, t.error_throttled_text),
            ErrorKind::Loop => (t.error_loop_title, t.error_loop_text),
            ErrorKind::Login => (t.error_login_title, t.error_login_text),
            ErrorKind::Unavailable => (t.error_unavailable_title, t.error_unavailable_text),
        }
    }
}

impl Page for ErrorPage<'_> {
    fn render(&self, chrome: &Chrome<'_>) -> String {
        let html = Html {
            view: View::new(chrome),
            page: self,
            description: shown::line(self.description, shown::SENTENCE),
            detail: self.detail.map(|detail| shown::line(detail, 2 * shown::SENTENCE)),
            request_id: self.request_id.map(shown::name),
        };
        html.render().unwrap_or_default()
    }
}

impl ErrorPage<'static> {
    pub fn sample() -> Self {
        Self {
            kind: ErrorKind::Request,
            error: "invalid_request",
            description: "The redirect_uri is not registered for this client.",
            detail: Some(r#"redirect_uri does not match: registered "https://a/cb", received "https://a/cb/""#),
            request_id: Some("018f3a7e5b7c"),
            again: None,
        }
    }
}

/// Says that the application does not know the person (F-034).
#[derive(Clone, Copy, Debug)]
pub struct NotRegistered<'a> {
    pub client_name: &'a str,
}

#[derive(Template)]
#[template(path = "not_registered.html")]
struct Unknown<'a> {
    view: View<'a>,
    client_name: String,
}

impl Page for NotRegistered<'_> {
    fn render(&self, chrome: &Chrome<'_>) -> String {
        Unknown { view: View::new(chrome), client_name: shown::name(self.client_name) }.render().unwrap_or_default()
    }
}

impl NotRegistered<'static> {
    pub fn sample() -> Self {
        Self { client_name: "Pied Piper" }
    }
}
