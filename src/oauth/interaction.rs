//! What a browser brings, and what it is to be shown or sent. One vocabulary for every page that people see.
//!
//! Owns the types between `web` and the protocol; it decides nothing and knows no HTML.

use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use super::error::OAuthError;
use super::parameters::Parameters;
use crate::model::{PasswordChange, Profile, Tenant};
use crate::secret::Secret;

/// A request of a browser, as it was sent.
#[derive(Clone, Copy, Debug)]
pub struct BrowserRequest<'a> {
    /// Which page it is for.
    pub step: Step,
    pub query: &'a [u8],
    /// The body, if the request is a POST.
    pub form: Option<&'a [u8]>,
    /// Whether the form is one that we gave to this browser.
    pub form_origin: FormOrigin,
    /// What stands in front of our paths when the browser is led to another one.
    pub prefix: Option<&'a str>,
    /// The tenant in the path.
    pub tenant_path: Option<&'a str>,
    /// `X-FusionAuth-TenantId`.
    pub tenant_header: Option<&'a [u8]>,
    /// What the browser keeps for its session in the tenant.
    pub session: Option<&'a str>,
    /// What it keeps between the steps of one login.
    pub interaction: Option<&'a str>,
    /// What has just become of a form of this browser.
    pub outcome: Option<&'a str>,
    /// The origin from which the request comes, if the browser says and it is not ours; `null` if it hides it (F-023).
    pub origin: Option<&'a str>,
    pub peer: Option<IpAddr>,
    /// What the browser calls itself.
    pub user_agent: Option<&'a str>,
    /// Whether the answer is for a person (D4, D19).
    pub wants_page: bool,
}

/// The page that a request is for. Every step runs all the checks again (A8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The authorization endpoint or another page that needs a session, with the login form of its own.
    Start,
    SecondFactor,
    ChangePassword,
    Consent,
}

/// What is known about a form that was sent (K5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormOrigin {
    /// Ours, given to this browser a short time ago.
    Own,
    /// It claims to be ours, but is too old, or the browser's session is another one now.
    Stale,
    /// As stale, and the browser keeps nothing for us at all.
    NoCookies,
    /// A request of somebody else.
    Foreign,
}

/// What the browser gets.
#[derive(Debug)]
pub struct Reply {
    pub next: Next,
    pub kept: Kept,
    /// The dialect in which tokens go to the client with it, for those who count.
    pub issues: Option<Profile>,
    /// What became of the form, for the page that follows: the browser keeps it, because anybody can make an address.
    pub outcome: Option<String>,
    /// Whether the window that opened this one waits for an answer there, so that the two must know each other.
    pub keeps_opener: bool,
}

#[derive(Debug)]
pub enum Next {
    /// Another address: a client's, or one of ours that begins with `/`.
    Redirect(String),
    /// A form that the browser posts to the client (OAuth 2.0 Form Post Response Mode).
    FormPost {
        action: String,
        fields: Vec<(&'static str, String)>,
        context: Context,
    },
    /// A message to the page of the client that shows ours in a frame or opened it in a window, if it is of this origin
    /// (Web Message Response Mode).
    Message {
        origin: String,
        fields: Vec<(&'static str, String)>,
        context: Context,
    },
    Page(Box<Page>, Context),
    /// A text that the browser keeps under this name.
    File {
        name: &'static str,
        content: Secret<String>,
    },
}

/// What the browser is to keep.
#[derive(Debug, Default)]
pub struct Kept {
    pub session: Keep,
    pub interaction: Keep,
    /// What scripts of the session check page compare (Session Management 1.0 section 3.2); never a secret.
    pub browser_state: Keep,
}

#[derive(Debug, Default)]
pub enum Keep {
    #[default]
    AsItIs,
    /// Replace it by this, for some seconds; `None` until the browser is closed.
    Set(Secret<String>, Option<i64>),
    Remove,
}

/// A message for another server, to be posted as the form parameter `logout_token` (Back-Channel Logout 1.0 2.5).
#[derive(Clone, Debug)]
pub struct Notice {
    pub uri: String,
    pub logout_token: Secret<String>,
}

/// What a page needs besides its own content.
#[derive(Clone, Debug, Default)]
pub struct Context {
    pub tenant: Option<Arc<Tenant>>,
    /// `ui_locales` or `locale`: the languages that were asked for, the best first.
    pub locales: Option<String>,
    /// The client's address, to which the form may lead in the end (K2).
    pub leads_to: Option<String>,
    /// The origin that may show the page in a frame (F-025).
    pub framed_by: Option<String>,
    /// What becomes of [`Reply::keeps_opener`].
    pub keeps_opener: bool,
    /// Where a GET shows the same page.
    pub here: Option<String>,
}

/// What a page's form sends: where to, and the parameters of the original request. `web` adds its own proof of origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    pub action: String,
    pub fields: Vec<(String, String)>,
}

/// The pages.
#[derive(Debug)]
pub enum Page {
    SignIn {
        form: Form,
        client_name: String,
        login_id: String,
        message: Option<Message>,
        /// Whether the person chooses to be remembered (D-18).
        shows_remember: bool,
        remembers: bool,
        /// Whether a passkey does instead of both.
        offers_passkey: bool,
    },
    SecondFactor {
        form: Form,
        message: Option<Message>,
    },
    ChangePassword {
        form: Form,
        message: Option<Message>,
        reason: PasswordChange,
        min_length: u32,
        /// Whose password it is, for password managers.
        login_id: String,
    },
    Consent {
        form: Form,
        client_name: String,
        owner: Option<String>,
        /// Where the browser goes afterwards, so that the person can tell an impostor (K7).
        redirect_host: String,
        /// Whether we know that the client is who it says.
        is_verified: bool,
        /// Seconds for which the client can act without asking again.
        lasts_for: i64,
        scopes: Vec<ConsentScope>,
    },
    /// Before the way back to a client that the person has let have nothing (A13).
    Leaving {
        form: Form,
        client_name: String,
        redirect_host: String,
    },
    /// Where a person types what their device shows (RFC 8628 section 3.3).
    DeviceEntry {
        form: Form,
        user_code: String,
        message: Option<Message>,
    },
    /// What the device asks for, with the code to compare (J7, J8).
    DeviceConfirm {
        form: Form,
        client_name: String,
        user_code: String,
        /// What the device calls itself, and where it was when it asked.
        place: Option<String>,
        /// Seconds since it asked.
        asked_for: i64,
        scopes: Vec<ConsentScope>,
    },
    DeviceDone {
        approved: bool,
    },
    /// Where a person is signed in, and what they let in (UX 23).
    Account {
        form: Form,
        message: Option<Message>,
        login_id: String,
        /// Seconds since the password was changed.
        password_changed_for: i64,
        /// How many are left; `None` without a second factor.
        recovery_codes: Option<usize>,
        /// How many they have.
        passkeys: usize,
        /// Of this browser first, then those that were used last.
        sessions: Vec<ListedSession>,
        has_other_sessions: bool,
        applications: Vec<ListedApplication>,
        /// How many sessions and applications are not in the lists.
        left_out: usize,
        links: AccountLinks,
    },
    /// The part of it on which people change their password.
    NewPassword {
        form: Form,
        message: Option<Message>,
        min_length: u32,
        /// Whose password it is, for password managers.
        login_id: String,
        /// Where the page of their account is.
        account: String,
    },
    /// The part on which people turn a second factor on.
    SecondFactorSetUp {
        form: Form,
        message: Option<Message>,
        /// For an authenticator: an SVG image.
        picture: Secret<String>,
        /// The same, to be typed: in base32.
        key: Secret<String>,
        account: String,
    },
    /// Shown once, after it was turned on.
    RecoveryCodes {
        form: Form,
        codes: Vec<Secret<String>>,
        account: String,
    },
    /// The part on which people get other recovery codes, or turn it off.
    SecondFactorOn {
        form: Form,
        message: Option<Message>,
        /// How many recovery codes are left.
        left: usize,
        /// What the form for other ones brings along.
        codes_seen: String,
        account: String,
    },
    /// What a person can sign in with besides the password.
    Passkeys {
        form: Form,
        message: Option<Message>,
        /// Where the page of their account is.
        account: String,
        /// What a new one is made for.
        person: PasskeyOwner,
        passkeys: Vec<ListedPasskey>,
    },
    NotRegistered {
        client_name: String,
    },
    /// Asks for the first account (L14).
    SetUp {
        form: Form,
        message: Option<Message>,
        email: String,
        min_length: u32,
    },
    /// Shows what the first person needs, once.
    SetUpDone {
        email: String,
        api_key: Secret<String>,
    },
    ConfirmLogout {
        form: Form,
    },
    SignedOut {
        /// Addresses to open in frames (Front-Channel Logout 1.0).
        frames: Vec<String>,
        next: Option<String>,
    },
    Error(OAuthError),
}

/// A scope that a person is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentScope {
    pub name: String,
    /// `None` for scopes of OpenID Connect, which pages know how to put.
    pub message: Option<String>,
    pub detail: Option<String>,
    pub is_required: bool,
}

/// What a page says above its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// Unknown user or wrong password: nobody learns which (L9).
    WrongCredentials,
    /// Seconds until the next try.
    Throttled(i64),
    Locked,
    UserExpired,
    WrongCode,
    /// The form was too old; nothing is lost.
    FormExpired,
    /// The browser does not send back what it is to keep.
    CookiesMissing,
    /// The least number of characters.
    PasswordTooShort(u32),
    PasswordTooLong,
    PasswordTooCommon,
    /// The one that is to be replaced.
    PasswordUsed,
    PasswordsDiffer,
    InvalidEmail,
    UnknownUserCode,
    UserCodeExpired,
    /// A passkey that nobody here has, or that proved nothing.
    WrongPasskey,
    PasskeyAdded,
    /// What the browser told of a new one is not to be believed.
    PasskeyNotAdded,
    PasskeyRemoved,
    /// Somebody has as many as one can have.
    TooManyPasskeys,
    /// The current password, of somebody who is known.
    WrongPassword,
    PasswordChanged,
    /// It has been on for longer than this form.
    SecondFactorOn,
    SecondFactorOff,
    RecoveryCodesChanged,
    SessionEnded,
    OtherSessionsEnded,
    AccessEnded,
    /// It is over already, or somebody else's: nobody learns which.
    NothingToEnd,
}

/// Where the page of an account leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountLinks {
    /// `None` for somebody without a password.
    pub password: Option<String>,
    /// `None` for somebody who has no use for one.
    pub second_factor: Option<String>,
    pub sign_out: String,
    /// `None` where there are no passkeys.
    pub passkeys: Option<String>,
    /// Where nothing is left out; `None` if nothing is.
    pub all: Option<String>,
}

/// A session in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSession {
    pub id: Uuid,
    /// Whether it is the one of this browser.
    pub is_this: bool,
    /// What the browser called itself; may be empty.
    pub user_agent: String,
    /// The address that it was at; may be empty.
    pub place: String,
    /// Seconds since it began.
    pub began_for: i64,
    /// Seconds since it was used.
    pub used_for: i64,
}

/// An application in a list of those that a person let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedApplication {
    pub id: Uuid,
    pub name: String,
    /// What the devices call themselves on which it is used.
    pub devices: Vec<String>,
    pub scopes: Vec<ConsentScope>,
    /// Seconds since the person agreed to it, if they were asked and it is remembered.
    pub allowed_for: Option<i64>,
    /// Seconds since it used its access; `None` if it has none without the person.
    pub used_for: Option<i64>,
    /// Seconds for which it can go on without the person, at most.
    pub lasts_for: Option<i64>,
}

/// Whose passkeys they are, as authenticators show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyOwner {
    /// Where the passkeys are good.
    pub place: String,
    /// The user's id in base64url.
    pub handle: String,
    pub login_id: String,
    pub name: String,
}

/// A passkey in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPasskey {
    /// In base64url.
    pub id: String,
    pub name: String,
    /// Seconds since it was added.
    pub added_for: i64,
}

impl<'a> BrowserRequest<'a> {
    /// Query and body in one list.
    ///
    /// # Errors
    /// `invalid_request` if a parameter is repeated (A10) or is no text.
    pub(super) fn parameters(&self) -> Result<Parameters<'a>, OAuthError> {
        Parameters::parse(self.query)?.and(self.form.unwrap_or_default())
    }

    /// Browsers keep our cookies to themselves when another site's page posts to us, but send them when it leads here: who
    /// posts so without a session may have one all the same.
    pub(super) fn may_lack_cookies(&self) -> bool {
        let is_foreign = self.form.is_some() && self.form_origin == FormOrigin::Foreign && self.origin.is_some();
        is_foreign && self.session.is_none()
    }

    /// A path of ours, of the same tenant as the request.
    pub(super) fn own_path(&self, path: &str) -> String {
        match self.prefix {
            Some(prefix) => format!("/{prefix}{path}"),
            None => path.to_owned(),
        }
    }
}

impl Page {
    /// Whether the person can send something back.
    pub fn has_form(&self) -> bool {
        match self {
            Self::SignIn { .. }
            | Self::SecondFactor { .. }
            | Self::ChangePassword { .. }
            | Self::Consent { .. }
            | Self::Leaving { .. }
            | Self::DeviceEntry { .. }
            | Self::DeviceConfirm { .. }
            | Self::Account { .. }
            | Self::NewPassword { .. }
            | Self::SecondFactorSetUp { .. }
            | Self::RecoveryCodes { .. }
            | Self::SecondFactorOn { .. }
            | Self::Passkeys { .. }
            | Self::SetUp { .. }
            | Self::ConfirmLogout { .. } => true,
            Self::DeviceDone { .. }
            | Self::NotRegistered { .. }
            | Self::SetUpDone { .. }
            | Self::SignedOut { .. }
            | Self::Error(_) => false,
        }
    }
}

impl Reply {
    pub(super) fn redirect(to: String) -> Self {
        Self::from(Next::Redirect(to))
    }

    pub(super) fn page(page: Page, context: Context) -> Self {
        Self::from(Next::Page(Box::new(page), context))
    }

    pub(super) fn keeping(self, kept: Kept) -> Self {
        Self { kept, ..self }
    }
}

impl From<Next> for Reply {
    fn from(next: Next) -> Self {
        Self { next, kept: Kept::default(), issues: None, outcome: None, keeps_opener: false }
    }
}
