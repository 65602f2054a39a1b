//! Logging in: password, second factor, a new password where one is due, and then a session.
//!
//! Owns the order of the steps for every page that needs a person; whether the password is right is `directory`'s.

use std::sync::Arc;

use super::error::OAuthError;
use super::interaction::{BrowserRequest, Context, Form, Kept, Message, Page, Reply};
use super::keys::LocalIssuer;
use super::session::SignedIn;
use super::{AuthorizationServer, interaction::Step};

/// A page that needs to know who the person is.
pub(super) struct Place<'a> {
    pub issuer: &'a Arc<LocalIssuer>,
    pub endpoint: Endpoint,
    /// The parameters of the request, which every form carries along.
    pub fields: Vec<(String, String)>,
    /// Who asks, for the person.
    pub client_name: String,
    /// What the sign-in page is filled with.
    pub login_hint: Option<String>,
    pub freshness: Freshness,
    pub context: Context,
}

/// Where a login leads back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Authorize,
    Device,
}

/// What a session must be to count.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Freshness {
    /// `prompt=login`: only a login for this very request counts.
    pub must_be_new: bool,
    /// `max_age`: seconds since the login.
    pub max_age: Option<i64>,
}

/// Whether the person is known.
pub(super) enum Entered {
    /// Yes. `kept` has to go with the reply that follows.
    SignedIn(Box<SignedIn>, Kept),
    /// Not yet: this is what the browser gets.
    Reply(Box<Reply>),
}

impl Endpoint {
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Authorize => "/oauth2/authorize",
            Self::Device => "/oauth2/device",
        }
    }
}

impl AuthorizationServer {
    /// Who the person is: the live session's user, if that is enough for the place; else the page that asks.
    ///
    /// # Errors
    /// `temporarily_unavailable` if the store does not answer.
    pub(super) async fn enter(&self, request: &BrowserRequest<'_>, place: &Place<'_>) -> Result<Entered, OAuthError> {
        let found = self.find_session(&place.issuer.tenant, request).await?;
        if let Some((session, user)) = found {
            let signed_in = SignedIn {
                user,
                authenticated_at: session.authenticated_at,
                methods: session.methods.clone(),
                session: Some(session),
                is_fresh: false,
            };
            if place.freshness.accepts(&signed_in, self.clock.now()) {
                return Ok(Entered::SignedIn(Box::new(signed_in), Kept::default()));
            }
        }
        Ok(Entered::Reply(Box::new(place.sign_in_page(request, None))))
    }
}

impl Freshness {
    fn accepts(self, signed_in: &SignedIn, now: i64) -> bool {
        let age = now - signed_in.authenticated_at;
        signed_in.is_fresh || (!self.must_be_new && self.max_age.is_none_or(|max_age| age < max_age))
    }
}

impl Place<'_> {
    /// A form that leads to a step of this place.
    pub(super) fn form(&self, request: &BrowserRequest<'_>, step: Step) -> Form {
        let path = match step {
            Step::Start => self.endpoint.path(),
            Step::SecondFactor => "/oauth2/two-factor",
            Step::ChangePassword => "/password/change",
            Step::Consent => "/oauth2/consent",
        };
        let action = match request.tenant_path {
            Some(tenant) => format!("/{tenant}{path}"),
            None => path.to_owned(),
        };
        Form { action, fields: self.fields.clone() }
    }

    pub(super) fn sign_in_page(&self, request: &BrowserRequest<'_>, message: Option<Message>) -> Reply {
        let settings = &self.issuer.tenant.settings;
        let page = Page::SignIn {
            form: self.form(request, Step::Start),
            client_name: self.client_name.clone(),
            login_id: self.login_hint.clone().unwrap_or_default(),
            message,
            shows_remember: !settings.always_remember,
            remembers: settings.always_remember,
        };
        Reply::page(page, self.context.clone())
    }
}
