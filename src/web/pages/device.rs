//! The pages on which a person lets a device in (RFC 8628 3.3, UX 20). They know no codes.

use askama::Template;

use super::consent::{ConsentScope, Row};
use super::view::View;
use super::{Chrome, Form, Message, Page, shown};

/// Asks for the code that a device shows.
#[derive(Clone, Copy, Debug)]
pub struct DeviceEntry<'a> {
    pub form: Form<'a>,
    /// What was typed before, or came with the link.
    pub user_code: &'a str,
    pub message: Option<Message>,
}

#[derive(Template)]
#[template(path = "device_entry.html")]
struct Entry<'a> {
    view: View<'a>,
    page: &'a DeviceEntry<'a>,
    user_code: String,
}

impl Page for DeviceEntry<'_> {
    fn render(&self, chrome: &Chrome<'_>) -> String {
        let html = Entry { view: View::new(chrome), page: self, user_code: shown::line(self.user_code, 32) };
        html.render().unwrap_or_default()
    }
}

impl DeviceEntry<'static> {
    pub fn sample() -> Self {
        Self { form: Form::SAMPLE, user_code: "WDJB-MJHT", message: Some(Message::UnknownUserCode) }
    }
}

/// Asks whether the device may have what it asks for. Denying comes first and is what Enter does (J8).
#[derive(Clone, Copy, Debug)]
pub struct DeviceConfirm<'a> {
    pub form: Form<'a>,
    pub client_name: &'a str,
    /// To compare with what the device shows (J7).
    pub user_code: &'a str,
    /// Where the device is, as far as we know: its address.
    pub place: Option<&'a str>,
    /// Seconds since the device asked.
    pub asked_for: i64,
    pub scopes: &'a [ConsentScope<'a>],
}

#[derive(Template)]
#[template(path = "device_confirm.html")]
struct Confirm<'a> {
    view: View<'a>,
    page: &'a DeviceConfirm<'a>,
    client_name: String,
    user_code: String,
    place: Option<String>,
    required: Vec<Row>,
}

impl Page for DeviceConfirm<'_> {
    fn render(&self, chrome: &Chrome<'_>) -> String {
        let view = View::new(chrome);
        let html = Confirm {
            client_name: shown::name(self.client_name),
            user_code: shown::line(self.user_code, 32),
            place: self.place.map(shown::name).filter(|place| !place.is_empty()),
            required: self.scopes.iter().map(|scope| scope.row(view.t)).collect(),
            page: self,
            view,
        };
        html.render().unwrap_or_default()
    }
}

impl DeviceConfirm<'static> {
    pub fn sample() -> Self {
        const SCOPES: [ConsentScope<'static>; 2] = [
            ConsentScope { name: "openid", message: None, detail: None, required: true },
            ConsentScope { name: "offline_access", message: None, detail: None, required: true },
        ];
        Self {
            form: Form::SAMPLE,
            client_name: "Living-room TV",
            user_code: "WDJB-MJHT",
            place: Some("203.0.113.7"),
            asked_for: 130,
            scopes: &SCOPES,
        }
    }
}

/// Says that the device knows the answer.
#[derive(Clone, Copy, Debug)]
pub struct DeviceDone {
    pub approved: bool,
}

#[derive(Template)]
#[template(path = "device_done.html")]
struct Done<'a> {
    view: View<'a>,
    approved: bool,
}

impl Page for DeviceDone {
    fn render(&self, chrome: &Chrome<'_>) -> String {
        Done { view: View::new(chrome), approved: self.approved }.render().unwrap_or_default()
    }
}

impl DeviceDone {
    pub fn sample() -> Self {
        Self { approved: true }
    }
}
