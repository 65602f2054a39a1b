//! The page of one's passkeys (rule L12). It does not know what a passkey is good for.

use askama::Template;

use super::view::View;
use super::{Chrome, Form, Message, Needs, Page, Script, shown};

/// Lists passkeys, and offers to add one.
#[derive(Clone, Copy, Debug)]
pub struct Passkeys<'a> {
    pub form: Form<'a>,
    pub message: Option<Message>,
    /// Where the page of the account is.
    pub account: &'a str,
    /// The host on which they are good.
    pub place: &'a str,
    /// What the authenticator keeps of the user, in base64url.
    pub handle: &'a str,
    pub login_id: &'a str,
    pub name: &'a str,
    pub passkeys: &'a [ListedPasskey<'a>],
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct ListedPasskey<'a> {
    /// In base64url.
    pub id: &'a str,
    /// What the person calls it; may be empty.
    pub name: &'a str,
    /// Seconds since it was added.
    pub added_for: i64,
}

#[derive(Template)]
#[template(path = "passkeys.html")]
struct Html<'a> {
    view: View<'a>,
    page: &'a Passkeys<'a>,
    login_id: String,
    name: String,
    passkeys: Vec<(&'a ListedPasskey<'a>, String)>,
}

impl Html<'_> {
    /// The ids of those that are there, for the authenticator that has one of them already.
    fn known(&self) -> String {
        self.page.passkeys.iter().map(|passkey| passkey.id).collect::<Vec<_>>().join(" ")
    }
}

impl Page for Passkeys<'_> {
    fn render(&self, chrome: &Chrome<'_>) -> String {
        let view = View::new(chrome);
        let name = |passkey: &'_ ListedPasskey<'_>| match passkey.name {
            "" => view.t.passkey_unnamed.to_owned(),
            name => shown::line(name, 64),
        };
        let passkeys = self.passkeys.iter().map(|passkey| (passkey, name(passkey))).collect();
        let login_id = shown::line(self.login_id, 254);
        let html = Html { page: self, login_id, name: shown::line(self.name, 254), passkeys, view };
        html.render().unwrap_or_default()
    }

    fn needs(&self) -> Needs<'_> {
        Needs { script: Script::File, ..Needs::default() }
    }
}

impl Passkeys<'static> {
    pub fn sample() -> Self {
        const SOME: &[ListedPasskey<'static>] = &[
            ListedPasskey { id: "c29tZSBpZA", name: "Phone", added_for: 3 * 86_400 },
            ListedPasskey { id: "YW5vdGhlcg", name: "", added_for: 20 },
        ];
        Self {
            form: Form { action: "/oauth2/passkeys", fields: &[], ..Form::SAMPLE },
            message: Some(Message::PasskeyAdded),
            account: "/oauth2/account",
            place: "login.piedpiper.com",
            handle: "AAAAAAAAAAAAAAAAAAAAAQ",
            login_id: "richard@piedpiper.com",
            name: "Richard Hendricks",
            passkeys: SOME,
        }
    }
}
