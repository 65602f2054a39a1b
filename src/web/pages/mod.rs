//! The pages that people see: one typed struct per page, rendered on the server.
//!
//! Owns HTML, its texts in three languages, its one stylesheet, and the header fields of a page. A page decides nothing:
//! whoever makes one has decided already. No page needs a script, and none loads anything from elsewhere (A17, K1).
//!
//! [`respond`] makes the whole answer. Forms are posted with [`field`]'s names beside those they were given. Browsers send
//! `Origin: null` with them, because of `Referrer-Policy: no-referrer`; `Sec-Fetch-Site` tells where a form came from.

mod account;
mod assets;
mod browser_name;
mod change_password;
mod colour;
mod consent;
mod dashboard;
mod device;
mod error;
mod form_post;
mod headers;
mod language;
mod leaving;
mod logout;
mod message;
mod new_password;
mod passkeys;
mod second_factor;
mod setup;
mod shown;
mod sign_in;
#[cfg(test)]
mod tests;
mod texts;
mod totp;
mod view;
mod web_message;

use crate::model::Theme;

pub use account::{Account, ListedApplication, ListedSession};
pub use assets::{board as board_asset, get as asset};
pub use change_password::ChangePassword;
pub use consent::{Consent, ConsentScope};
pub use dashboard::{
    Dashboard, Decision, DecisionPage, Decisions, Explained, Figure, IssuerHealth, KeyOrCertificate, LastReload,
    Memory, ReasonPage, Refusal, ServerHealth, TokenCacheUse, Traffic, UpstreamHealth, show,
};
pub use device::{DeviceConfirm, DeviceDone, DeviceEntry};
pub use error::{ErrorKind, ErrorPage, NotRegistered};
pub use form_post::FormPost;
pub use headers::{FormAction, harden, keep_opener, respond};
pub use language::Language;
pub use leaving::Leaving;
pub use logout::{ConfirmLogout, SignedOut};
pub use message::Message;
pub use new_password::NewPassword;
pub use passkeys::{ListedPasskey, Passkeys};
pub use second_factor::SecondFactor;
pub use setup::{SetUp, SetUpDone};
pub use sign_in::SignIn;
pub use totp::{RecoveryCodes, SecondFactorOn, SecondFactorSetUp};
pub use web_message::WebMessage;

/// Where the stylesheet and the script are, for [`asset`] to answer.
pub const ASSET: &str = "/oauth2/assets/{name}";

/// Names of the fields that the pages add to a form.
pub mod field {
    /// The anti-forgery value, hidden in every form that changes something (K5).
    pub const FORGERY: &str = "forgery";
    pub const LOGIN_ID: &str = "loginId";
    pub const PASSWORD: &str = "password";
    /// Of the first person.
    pub const EMAIL: &str = "email";
    /// A new password, typed again.
    pub const CONFIRM: &str = "confirm";
    /// `true` when it is ticked, absent otherwise (D-18).
    pub const REMEMBER: &str = "rememberDevice";
    /// Of the second factor.
    pub const CODE: &str = "code";
    pub const USER_CODE: &str = "user_code";
    /// Which button was pressed, [`ALLOW`] or [`DENY`]. Anything else counts as a denial.
    pub const DECISION: &str = "decision";
    pub const ALLOW: &str = "allow";
    pub const DENY: &str = "deny";
    /// Before the name of each scope that may be left out: `scope:email=true` when it is ticked.
    pub const SCOPE_PREFIX: &str = "scope:";
}

/// What stands around every page.
#[derive(Clone, Copy, Debug)]
pub struct Chrome<'a> {
    pub language: Language,
    pub theme: &'a Theme,
    pub tenant_name: &'a str,
    /// An address of ours, with its query, that shows this page by GET: the links to other languages add `ui_locales` to
    /// it. `None`: there are no such links.
    pub here: Option<&'a str>,
    /// Whether people reach us by `https`: only then may HSTS be said (RFC 6797 7.2).
    pub is_https: bool,
}

/// Where a form goes and what it carries unseen.
#[derive(Clone, Copy, Debug)]
pub struct Form<'a> {
    /// A path of ours.
    pub action: &'a str,
    /// The original parameters of the request, sent again with every form (A8).
    pub fields: &'a [(&'a str, &'a str)],
    /// The anti-forgery value (K5).
    pub forgery: &'a str,
}

impl Form<'static> {
    const SAMPLE: Self = Self {
        action: "/oauth2/authorize",
        fields: &[("client_id", "85a03867-dccf-4882-adde-1a79aeec50df"), ("state", "a \"b\" & <c>")],
        forgery: "fZkqrR2Wg0mK3vJ8v0oWq1b2Yk1J0bTg",
    };
}

/// A page that can be shown.
pub trait Page {
    /// The whole document.
    fn render(&self, chrome: &Chrome<'_>) -> String;

    /// What its browser has to be allowed, beyond our own stylesheet.
    fn needs(&self) -> Needs<'_> {
        Needs::default()
    }
}

/// What a page needs of its Content-Security-Policy.
#[derive(Clone, Debug, Default)]
pub struct Needs<'a> {
    pub script: Script,
    /// Addresses that are shown in frames.
    pub frames: &'a [String],
    /// Where its form goes, if that is not us.
    pub form_action: Option<&'a str>,
    /// Where the browser goes by itself after a while.
    pub next: Option<&'a str>,
}

/// Scripts of a page. None is needed: each only saves a click.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Script {
    #[default]
    None,
    /// The one file of ours.
    File,
    /// The one of the dashboard, which fetches its page again.
    Refresh,
    /// The one line that submits a form, known by its hash.
    Submit,
    /// The one that tells another window, known by its hash.
    Tell,
}

/// Every page with plausible content, by name: for tests, and for whoever wants to look at them.
pub fn samples() -> Vec<(&'static str, Box<dyn Page>)> {
    let mut pages: Vec<(&'static str, Box<dyn Page>)> = vec![
        ("sign_in", Box::new(SignIn::sample())),
        ("second_factor", Box::new(SecondFactor::sample())),
        ("change_password", Box::new(ChangePassword::sample())),
        ("consent", Box::new(Consent::sample())),
        ("leaving", Box::new(Leaving::sample())),
        ("device_entry", Box::new(DeviceEntry::sample())),
        ("device_confirm", Box::new(DeviceConfirm::sample())),
        ("device_done", Box::new(DeviceDone::sample())),
        ("account", Box::new(Account::sample())),
        ("new_password", Box::new(NewPassword::sample())),
        ("totp_set_up", Box::new(SecondFactorSetUp::sample())),
        ("recovery_codes", Box::new(RecoveryCodes::sample())),
        ("totp_on", Box::new(SecondFactorOn::sample())),
        ("passkeys", Box::new(Passkeys::sample())),
        ("not_registered", Box::new(NotRegistered::sample())),
        ("confirm_logout", Box::new(ConfirmLogout::sample())),
        ("signed_out", Box::new(SignedOut::sample())),
        ("setup", Box::new(SetUp::sample())),
        ("setup_done", Box::new(SetUpDone::sample())),
        ("error", Box::new(ErrorPage::sample())),
        ("form_post", Box::new(FormPost::sample())),
        ("web_message", Box::new(WebMessage::sample())),
    ];
    pages.push(("sign_in_wrong", Box::new(SignIn { message: Some(Message::WrongCredentials), ..SignIn::sample() })));
    pages.push(("account_empty", Box::new(Account::empty())));
    pages.push(("no_passkeys", Box::new(Passkeys { message: None, passkeys: &[], ..Passkeys::sample() })));
    pages.push(("device_denied", Box::new(DeviceDone { approved: false })));
    pages.push(("signed_out_here", Box::new(SignedOut { frames: &[], next: None })));
    pages.push(("error_loop", Box::new(ErrorPage { kind: ErrorKind::Loop, ..ErrorPage::sample() })));
    let again = Some("/app?page=2");
    pages.push(("error_login", Box::new(ErrorPage { kind: ErrorKind::Login, again, ..ErrorPage::sample() })));
    pages
}
