//! The page that asks whether a client may have what it asks for (K7, UX 19). It remembers nothing.

use askama::Template;

use super::texts::Texts;
use super::view::View;
use super::{Chrome, Form, Page, shown};

/// Asks for consent. Nothing is ticked beforehand.
#[derive(Clone, Copy, Debug)]
pub struct Consent<'a> {
    pub form: Form<'a>,
    pub client_name: &'a str,
    /// Who registered the client.
    pub owner: Option<&'a str>,
    /// Where the browser goes afterwards: host, or scheme of an application on the device.
    pub redirect_host: &'a str,
    /// Whether the operator vouches for the client (K8).
    pub verified: bool,
    /// Seconds for which the access lasts.
    pub lifetime: i64,
    pub scopes: &'a [ConsentScope<'a>],
}

/// One scope, as people are told about it.
#[derive(Clone, Copy, Debug)]
pub struct ConsentScope<'a> {
    pub name: &'a str,
    /// What is shown; without it our own words for the scopes of OpenID Connect, and the name of any other.
    pub message: Option<&'a str>,
    pub detail: Option<&'a str>,
    /// Whether it comes with the rest. Others have a box to tick.
    pub required: bool,
}

/// One row of the list.
pub(super) struct Row {
    pub name: String,
    pub message: String,
    pub detail: String,
    pub required: bool,
    /// Marked because it reaches further than people expect.
    pub is_sensitive: bool,
}

impl ConsentScope<'_> {
    pub(super) fn row(&self, t: &Texts) -> Row {
        let known = t.scope(self.name);
        let message = self.message.map(|message| shown::line(message, shown::SENTENCE)).filter(|text| !text.is_empty());
        Row {
            name: self.name.to_owned(),
            message: message.or(known.map(str::to_owned)).unwrap_or_else(|| shown::name(self.name)),
            detail: self.detail.map(|detail| shown::line(detail, shown::SENTENCE)).unwrap_or_default(),
            required: self.required,
            is_sensitive: self.name == "offline_access",
        }
    }
}

#[derive(Template)]
#[template(path = "consent.html")]
struct Html<'a> {
    view: View<'a>,
    page: &'a Consent<'a>,
    client_name: String,
    owner: Option<String>,
    redirect_host: String,
    required: Vec<Row>,
    optional: Vec<Row>,
}

impl Page for Consent<'_> {
    fn render(&self, chrome: &Chrome<'_>) -> String {
        let view = View::new(chrome);
        let rows = self.scopes.iter().map(|scope| scope.row(view.t));
        let (required, optional) = rows.partition(|row| row.required);
        let html = Html {
            client_name: shown::name(self.client_name),
            owner: self.owner.map(shown::name).filter(|owner| !owner.is_empty()),
            redirect_host: shown::name(self.redirect_host),
            required,
            optional,
            page: self,
            view,
        };
        html.render().unwrap_or_default()
    }
}

impl Consent<'static> {
    pub fn sample() -> Self {
        const SCOPES: [ConsentScope<'static>; 5] = [
            ConsentScope { name: "openid", message: None, detail: None, required: true },
            ConsentScope { name: "profile", message: None, detail: None, required: true },
            ConsentScope {
                name: "orders:write",
                message: Some("Place orders for you"),
                detail: Some("Up to 100 € a day."),
                required: true,
            },
            ConsentScope { name: "email", message: None, detail: None, required: false },
            ConsentScope { name: "offline_access", message: None, detail: None, required: false },
        ];
        Self {
            form: Form::SAMPLE,
            client_name: "Hooli Chat",
            owner: Some("Hooli Inc."),
            redirect_host: "chat.hooli.example",
            verified: false,
            lifetime: 90 * 86_400,
            scopes: &SCOPES,
        }
    }
}
