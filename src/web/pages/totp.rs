//! The pages on which people turn their second factor on and off (RFC 6238). They do not know what a code is worth.

use askama::Template;

use super::view::View;
use super::{Chrome, Form, Message, Page};

/// Shows a shared secret, and asks for a code that is made with it.
#[derive(Clone, Copy)]
pub struct SecondFactorSetUp<'a> {
    pub form: Form<'a>,
    pub message: Option<Message>,
    /// An SVG image of ours.
    pub picture: &'a str,
    /// The same, to be typed: in base32.
    pub key: &'a str,
    /// Where the page of the account is.
    pub account: &'a str,
}

#[derive(Template)]
#[template(path = "totp_set_up.html")]
struct SetUpHtml<'a> {
    view: View<'a>,
    page: &'a SecondFactorSetUp<'a>,
    /// In groups of four, which authenticators take as one.
    key: String,
}

impl Page for SecondFactorSetUp<'_> {
    fn render(&self, chrome: &Chrome<'_>) -> String {
        let mut key = String::new();
        for (index, character) in self.key.chars().enumerate() {
            if index > 0 && index % 4 == 0 {
                key.push(' ');
            }
            key.push(character);
        }
        SetUpHtml { view: View::new(chrome), page: self, key }.render().unwrap_or_default()
    }
}

impl SecondFactorSetUp<'static> {
    pub fn sample() -> Self {
        Self {
            form: Form { action: "/oauth2/account", fields: &[("section", "second_factor")], ..Form::SAMPLE },
            message: Some(Message::WrongCode),
            picture: r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 29 29"><path fill="#fff" d="M0,0h29v29h-29z"/></svg>"##,
            key: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
            account: "/oauth2/account",
        }
    }
}

/// Shows recovery codes, for the only time.
#[derive(Clone, Copy)]
pub struct RecoveryCodes<'a> {
    /// Leads to the same as a file.
    pub form: Form<'a>,
    pub codes: &'a [&'a str],
    /// Where the page of the account is.
    pub account: &'a str,
}

#[derive(Template)]
#[template(path = "recovery_codes.html")]
struct CodesHtml<'a> {
    view: View<'a>,
    page: &'a RecoveryCodes<'a>,
}

impl Page for RecoveryCodes<'_> {
    fn render(&self, chrome: &Chrome<'_>) -> String {
        CodesHtml { view: View::new(chrome), page: self }.render().unwrap_or_default()
    }
}

impl RecoveryCodes<'static> {
    pub fn sample() -> Self {
        Self {
            form: Form { action: "/oauth2/account", fields: &[("section", "recovery_codes")], ..Form::SAMPLE },
            codes: &["8kzh-4w2n-yd05-tm6q", "q7fe-0s3v-9cxp-h1ja", "n5gt-r8m2-6bdw-z4k0"],
            account: "/oauth2/account",
        }
    }
}

/// Offers other recovery codes, and asks for a code before the second factor goes.
#[derive(Clone, Copy, Debug)]
pub struct SecondFactorOn<'a> {
    pub form: Form<'a>,
    pub message: Option<Message>,
    /// How many recovery codes are left.
    pub left: usize,
    /// What the form for other ones brings along.
    pub codes_seen: &'a str,
    /// Where the page of the account is.
    pub account: &'a str,
}

#[derive(Template)]
#[template(path = "totp_on.html")]
struct OnHtml<'a> {
    view: View<'a>,
    page: &'a SecondFactorOn<'a>,
    state: String,
}

impl Page for SecondFactorOn<'_> {
    fn render(&self, chrome: &Chrome<'_>) -> String {
        let view = View::new(chrome);
        let state = view.t.account_recovery_codes.replace("{count}", &self.left.to_string());
        OnHtml { view, page: self, state }.render().unwrap_or_default()
    }
}

impl SecondFactorOn<'static> {
    pub fn sample() -> Self {
        Self {
            form: Form { action: "/oauth2/account", fields: &[("section", "second_factor")], ..Form::SAMPLE },
            message: None,
            left: 3,
            codes_seen: "1f0c6a5d9b7e4832",
            account: "/oauth2/account",
        }
    }
}
