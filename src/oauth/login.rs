//! Logging in: password or passkey, second factor, a new password where one is due, and then a session.
//!
//! Owns the order of the steps for every page that needs a person; whether a password is right is `directory`'s to say.

use std::sync::Arc;

use uuid::Uuid;

use super::AuthorizationServer;
use super::device::CONFIRMED;
use super::error::OAuthError;
use super::interaction::{BrowserRequest, Context, Form, FormOrigin, Keep, Kept, Message, Page, Reply, Step};
use super::keys::LocalIssuer;
use super::login_state::{LoginState, Stage};
use super::own_page::SECTION;
use super::parameters::Parameters;
use super::passkeys;
use super::session::SignedIn;
use crate::directory::{DirectoryError, FieldCode, LoginError};
use crate::model::{ClientSecret, PasswordChange, Tenant, User};
use crate::percent;
use crate::profile::{self, Dialect};
use crate::secret::{Secret, equal};
use crate::store;

/// A longer address than this is refused by somebody on the way: the next step is shown at once then.
pub(super) const MOST_ADDRESS_BYTES: usize = 4096;

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
    Passkeys,
    Account,
}

/// What a session must be to count.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Freshness {
    /// `prompt=login`: only a login for this very request counts.
    pub must_be_new: bool,
    /// `max_age`: seconds since the login.
    pub max_age: Option<i64>,
    /// `acr_values`: a password alone does not count for somebody who has a second factor (RFC 9470 5).
    pub second_factor: bool,
    /// Nobody else's session counts.
    pub user: Option<Uuid>,
}

/// Whether the person is known.
pub(super) enum Entered {
    /// Yes. `kept` has to go with the reply that follows.
    SignedIn(Box<SignedIn>, Kept),
    /// Not yet: this is what the browser gets.
    Reply(Box<Reply>),
}

impl Endpoint {
    /// The parameter that brings the steps of a login back here; the authorization endpoint needs none.
    pub(super) const PARAMETER: &'static str = "to";

    /// The path that all dialects share.
    pub(super) fn path(self) -> &'static str {
        self.named().shared().alone
    }

    /// Where a browser is led in this dialect.
    pub(super) fn path_in(self, dialect: &Dialect) -> &'static str {
        dialect.path(self.named())
    }

    pub(super) fn named(self) -> profile::Endpoint {
        match self {
            Self::Authorize => profile::Endpoint::Authorize,
            Self::Device => profile::Endpoint::Device,
            Self::Passkeys => profile::Endpoint::Passkeys,
            Self::Account => profile::Endpoint::Account,
        }
    }

    /// Which page a path that all dialects share leads to, with a tenant in front or not.
    pub(super) fn at(path: &str) -> Self {
        let own =
            [Self::Device, Self::Passkeys, Self::Account].into_iter().find(|endpoint| path.ends_with(endpoint.path()));
        own.unwrap_or(Self::Authorize)
    }

    /// Which page a step of a login is for.
    pub(super) fn of(parameters: &Parameters<'_>) -> Self {
        match parameters.find(Self::PARAMETER) {
            Some("device") => Self::Device,
            Some("passkeys") => Self::Passkeys,
            Some("account") => Self::Account,
            Some(_) | None => Self::Authorize,
        }
    }

    /// What the parameter says.
    fn mark(self) -> Option<&'static str> {
        match self {
            Self::Authorize => None,
            Self::Device => Some("device"),
            Self::Passkeys => Some("passkeys"),
            Self::Account => Some("account"),
        }
    }
}

impl AuthorizationServer {
    /// Who the person is: from the form that was sent, or from a session that is enough for the place; else the page that
    /// asks. After a login the browser's kept things change: pass them on with the reply.
    ///
    /// # Errors
    /// `temporarily_unavailable` if the store does not answer or too many people log in at once.
    pub(super) async fn enter(&self, request: &BrowserRequest<'_>, place: &Place<'_>) -> Result<Entered, OAuthError> {
        let dialect = Dialect::of(place.issuer.tenant.profile);
        let body = Parameters::parse(request.form.unwrap_or_default())?;
        let login_id = body.find("loginId");
        // F-047: only an old dialect takes a login without proof that the form is ours.
        let is_bare = request.form_origin == FormOrigin::Foreign && request.origin.is_none();
        let is_own = request.form_origin == FormOrigin::Own || (is_bare && dialect.accepts_bare_login);
        if request.form.is_some() && is_own {
            let state = || self.kept_login(&place.issuer.tenant, request);
            match (request.step, login_id) {
                // Its challenge is the proof that the form is ours, so that nothing excuses from that.
                (Step::Start, _) if body.find(passkeys::USED).is_some() && request.form_origin == FormOrigin::Own => {
                    return self.try_passkey(request, place, &body).await;
                }
                (Step::Start, Some(login_id)) => return self.try_password(request, place, login_id).await,
                (Step::Start | Step::Consent, _) => {}
                (Step::SecondFactor, _) => {
                    if let Some(state) = state().filter(|state| state.stage == Stage::Password) {
                        return self.try_second_factor(request, place, state).await;
                    }
                }
                (Step::ChangePassword, _) => {
                    if let Some(state) = state().filter(|state| state.stage == Stage::Proven) {
                        return self.try_new_password(request, place, state).await;
                    }
                }
            }
        }
        if let Some(signed_in) = self.recognise(request, place).await? {
            return Ok(Entered::SignedIn(Box::new(signed_in), Kept::default()));
        }
        let message = match request.form_origin {
            _ if request.form.is_none() => None,
            FormOrigin::Own if request.step == Step::Start => None,
            FormOrigin::Foreign if login_id.is_none() => None,
            FormOrigin::Own | FormOrigin::Foreign | FormOrigin::Stale => Some(Message::FormExpired),
            FormOrigin::NoCookies => Some(Message::CookiesMissing),
        };
        if let Some(page) = self.resume(request, place, message).await? {
            return Ok(Entered::Reply(Box::new(page)));
        }
        Ok(Entered::Reply(Box::new(place.sign_in_page(request, login_id, message))))
    }

    /// The person that a complete login for this request or a session names, if that is enough. Asks nobody.
    ///
    /// # Errors
    /// If the store does not answer.
    pub(super) async fn recognise(
        &self,
        request: &BrowserRequest<'_>,
        place: &Place<'_>,
    ) -> store::Result<Option<SignedIn>> {
        let tenant = &place.issuer.tenant;
        let found = self.find_session(tenant, request).await?;
        let complete = self.kept_login(tenant, request).filter(|state| state.stage == Stage::Complete);
        let counts = |state: &LoginState| {
            let age = self.clock.now() - state.authenticated_at;
            state.request.as_ref() == Some(&place.digest()) && place.is_recent(age)
        };
        if let Some(state) = complete.filter(counts) {
            // Without a session the person did not want to be remembered; one that ended takes the login with it.
            let known = match (state.session_id, found.clone()) {
                (None, _) => self.living_user(&state).await?.map(|user| (None, user)),
                (Some(id), Some((session, user))) if session.id == id => Some((Some(session), user)),
                (Some(_), _) => None,
            };
            if let Some((session, user)) = known {
                let (authenticated_at, methods) = (state.authenticated_at, state.methods);
                let signed_in = SignedIn { user, session, authenticated_at, methods, is_fresh: true };
                // A second factor may be younger than the login.
                let lacks_factor = signed_in.user.has_second_factor() && !signed_in.has_second_factor();
                return Ok(Some(signed_in).filter(|_| !(place.freshness.second_factor && lacks_factor)));
            }
        }
        let Some((session, user)) = found else { return Ok(None) };
        let (authenticated_at, methods) = (session.authenticated_at, session.methods.clone());
        let signed_in = SignedIn { user, session: Some(session), authenticated_at, methods, is_fresh: false };
        Ok(Some(signed_in).filter(|signed_in| place.freshness.accepts(signed_in, self.clock.now())))
    }

    /// The page of a step that the browser is in the middle of (a reload, a second tab).
    async fn resume(
        &self,
        request: &BrowserRequest<'_>,
        place: &Place<'_>,
        message: Option<Message>,
    ) -> store::Result<Option<Reply>> {
        let expected = match request.step {
            Step::SecondFactor => Stage::Password,
            Step::ChangePassword => Stage::Proven,
            Step::Start | Step::Consent => return Ok(None),
        };
        let state = self.kept_login(&place.issuer.tenant, request).filter(|state| state.stage == expected);
        let Some(state) = state else { return Ok(None) };
        let Some(user) = self.living_user(&state).await? else { return Ok(None) };
        Ok(place.step_page(request, &user, state.stage, message))
    }

    async fn try_password(
        &self,
        request: &BrowserRequest<'_>,
        place: &Place<'_>,
        login_id: &str,
    ) -> Result<Entered, OAuthError> {
        let body = Parameters::parse(request.form.unwrap_or_default())?;
        let tenant = &place.issuer.tenant;
        let password = Secret::new(body.find("password").unwrap_or_default().to_owned());
        let user = match self.directory.check_credentials(tenant, login_id, &password, request.peer).await {
            Ok(login) => login.user,
            Err(error) => {
                let message = told(error, Message::WrongCredentials)?;
                return Ok(Entered::Reply(Box::new(place.sign_in_page(request, Some(login_id), Some(message)))));
            }
        };
        let state = self.proven(tenant, &body, (user.id, Stage::Password), vec!["pwd".to_owned()]);
        if user.has_second_factor() {
            return Ok(self.next_step(request, place, &user, state));
        }
        self.advance(request, place, user, state).await
    }

    /// Both factors at once: the device, and what unlocks it (L12).
    async fn try_passkey(
        &self,
        request: &BrowserRequest<'_>,
        place: &Place<'_>,
        body: &Parameters<'_>,
    ) -> Result<Entered, OAuthError> {
        let tenant = &place.issuer.tenant;
        let user = match self.prove_passkey(place.issuer, body).await {
            Ok(user) => user,
            Err(error) => {
                let message = told(error, Message::WrongPasskey)?;
                return Ok(Entered::Reply(Box::new(place.sign_in_page(request, None, Some(message)))));
            }
        };
        let methods = ["pop", "user", "mfa"].map(str::to_owned);
        let state = self.proven(tenant, body, (user.id, Stage::Proven), methods.into());
        self.advance(request, place, user, state).await
    }

    /// The state of a login that begins now.
    fn proven(
        &self,
        tenant: &Tenant,
        body: &Parameters<'_>,
        (user_id, stage): (Uuid, Stage),
        methods: Vec<String>,
    ) -> LoginState {
        let now = self.clock.now();
        LoginState {
            stage,
            tenant_id: tenant.id,
            user_id,
            methods,
            authenticated_at: now,
            remembers: tenant.settings.always_remember || body.find("rememberDevice").is_some(),
            session_id: None,
            request: None,
            expires_at: now + tenant.settings.interaction_for,
            issued_at: now,
        }
    }

    async fn try_second_factor(
        &self,
        request: &BrowserRequest<'_>,
        place: &Place<'_>,
        mut state: LoginState,
    ) -> Result<Entered, OAuthError> {
        let body = Parameters::parse(request.form.unwrap_or_default())?;
        let Some(user) = self.living_user(&state).await? else {
            return Ok(Entered::Reply(Box::new(place.sign_in_page(request, None, Some(Message::FormExpired)))));
        };
        let code = body.find("code").unwrap_or_default();
        match self.directory.check_second_factor(&user, code, request.peer).await {
            Ok(_) => {
                state.methods.extend(["otp", "mfa"].map(str::to_owned));
                // A recovery code is spent: what was read before is old.
                let user = self.living_user(&state).await?.unwrap_or(user);
                self.advance(request, place, user, state).await
            }
            Err(error) => {
                let message = told(error, Message::WrongCode)?;
                let page = place.step_page(request, &user, Stage::Password, Some(message));
                let page = page.unwrap_or_else(|| place.sign_in_page(request, None, Some(message)));
                Ok(Entered::Reply(Box::new(page)))
            }
        }
    }

    async fn try_new_password(
        &self,
        request: &BrowserRequest<'_>,
        place: &Place<'_>,
        state: LoginState,
    ) -> Result<Entered, OAuthError> {
        let body = Parameters::parse(request.form.unwrap_or_default())?;
        let user = self.living_user(&state).await?;
        // Whoever changed it meanwhile knows the new one (L15).
        let Some(user) = user.filter(|user| user.password_change.is_some()) else {
            return Ok(Entered::Reply(Box::new(place.sign_in_page(request, None, Some(Message::FormExpired)))));
        };
        let password = Secret::new(body.find("password").unwrap_or_default().to_owned());
        let confirmed = body.find("confirm").unwrap_or_default();
        let refused = if equal(password.expose().as_bytes(), confirmed.as_bytes()) {
            match self.directory.change_password(user.id, &password).await {
                Ok(()) => None,
                Err(error) => Some(too_weak(error, place.issuer.tenant.settings.password_min_length)?),
            }
        } else {
            Some(Message::PasswordsDiffer)
        };
        if refused.is_some() {
            let page = place.step_page(request, &user, Stage::Proven, refused);
            let page = page.unwrap_or_else(|| place.sign_in_page(request, None, refused));
            return Ok(Entered::Reply(Box::new(page)));
        }
        // The new password has ended what began with the old one, but for this.
        match self.store.find_user(state.user_id).await?.filter(|user| user.obstacle(self.clock.now()).is_none()) {
            Some(user) => self.advance(request, place, user, state).await,
            None => Ok(Entered::Reply(Box::new(place.sign_in_page(request, None, Some(Message::FormExpired))))),
        }
    }

    /// Everything is proven: a new password if one is due, else the session.
    async fn advance(
        &self,
        request: &BrowserRequest<'_>,
        place: &Place<'_>,
        user: User,
        mut state: LoginState,
    ) -> Result<Entered, OAuthError> {
        let tenant = &place.issuer.tenant;
        if user.password_change.is_some() {
            state.stage = Stage::Proven;
            return Ok(self.next_step(request, place, &user, state));
        }
        let mut signed_in = SignedIn {
            user,
            session: None,
            authenticated_at: state.authenticated_at,
            methods: state.methods.clone(),
            is_fresh: true,
        };
        self.directory.login_succeeded(&signed_in.user);
        let mut kept = match state.remembers {
            true => self.begin_session(tenant, request, &mut signed_in).await?,
            false => self.abandon_session(request).await?,
        };
        state.stage = Stage::Complete;
        state.session_id = signed_in.session.as_ref().map(|session| session.id);
        state.request = Some(place.digest());
        kept.interaction = self.keep_login(tenant, &state);
        Ok(Entered::SignedIn(Box::new(signed_in), kept))
    }

    /// Leads to the page of the next step (F-054, F-055, D28).
    fn next_step(&self, request: &BrowserRequest<'_>, place: &Place<'_>, user: &User, state: LoginState) -> Entered {
        let step = match state.stage {
            Stage::Password => Step::SecondFactor,
            Stage::Proven => Step::ChangePassword,
            Stage::Complete => Step::Start,
        };
        let address = place.address(request, step);
        let page = place.step_page(request, user, state.stage, None);
        let reply = match page {
            Some(page) if address.len() > MOST_ADDRESS_BYTES => page,
            Some(_) | None => Reply::redirect(address),
        };
        let kept = Kept { interaction: self.keep_login(&place.issuer.tenant, &state), ..Kept::default() };
        Entered::Reply(Box::new(reply.keeping(kept)))
    }

    /// The user of a login that is under way, unless somebody locked them out or ended everything of theirs meanwhile.
    async fn living_user(&self, state: &LoginState) -> store::Result<Option<User>> {
        if self.is_login_revoked(state) {
            return Ok(None);
        }
        let user = self.store.find_user(state.user_id).await?;
        Ok(user.filter(|user| user.tenant_id == state.tenant_id && user.obstacle(self.clock.now()).is_none()))
    }
}

/// What the person is told; an error if it is not their fault.
pub(super) fn told(error: LoginError, wrong: Message) -> Result<Message, OAuthError> {
    match error {
        LoginError::WrongCredentials => Ok(wrong),
        LoginError::Throttled { retry_after } => Ok(Message::Throttled(retry_after)),
        LoginError::Locked => Ok(Message::Locked),
        LoginError::Expired => Ok(Message::UserExpired),
        LoginError::Busy => Err(OAuthError::unavailable("too many people log in at once")),
        LoginError::Store(error) => Err(error.into()),
    }
}

/// What is wrong with a new password.
pub(super) fn too_weak(error: DirectoryError, min_length: u32) -> Result<Message, OAuthError> {
    match error {
        DirectoryError::Invalid(errors) => Ok(match errors.first().map(|error| error.code) {
            Some(FieldCode::TooShort | FieldCode::Blank) => Message::PasswordTooShort(min_length),
            Some(FieldCode::TooLong) => Message::PasswordTooLong,
            Some(FieldCode::PreviouslyUsed) => Message::PasswordUsed,
            Some(_) | None => Message::PasswordTooCommon,
        }),
        // The same form, sent twice.
        DirectoryError::Changed(_) => Ok(Message::FormExpired),
        error => Err(OAuthError::from(error)),
    }
}

impl Freshness {
    fn accepts(self, signed_in: &SignedIn, now: i64) -> bool {
        let age = now - signed_in.authenticated_at;
        !self.must_be_new
            && self.max_age.is_none_or(|max_age| age < max_age)
            && (!self.second_factor || signed_in.has_second_factor() || !signed_in.user.can_prove_two_factors())
            && self.user.is_none_or(|user| user == signed_in.user.id)
    }
}

impl Place<'_> {
    /// What a login for this place counts for, and for nothing else.
    pub(super) fn digest(&self) -> String {
        // Another language is the same request, and so is it after a page about it. Who has just signed in for one part of
        // a page has done so for the others.
        let is_part = |name: &str| self.endpoint == Endpoint::Account && name == SECTION;
        let is_beside = |name: &str| ["ui_locales", "locale", CONFIRMED].contains(&name) || is_part(name);
        let fields: Vec<_> = self.fields.iter().filter(|(name, _)| !is_beside(name)).cloned().collect();
        ClientSecret::hash(&format!("{}?{}", self.endpoint.path(), percent::form(&fields)))
    }

    /// Whether a login for this place still counts after so many seconds. What a client says of age is about the moment in
    /// which it asks, and what our own pages say about each of their forms.
    fn is_recent(&self, age: i64) -> bool {
        match self.endpoint {
            Endpoint::Authorize | Endpoint::Device => true,
            Endpoint::Passkeys | Endpoint::Account => self.freshness.max_age.is_none_or(|max_age| age < max_age),
        }
    }

    /// A form that leads to a step of this place.
    pub(super) fn form(&self, request: &BrowserRequest<'_>, step: Step) -> Form {
        let mut fields = self.fields.clone();
        if let Some(mark) = self.endpoint.mark().filter(|_| step != Step::Start) {
            fields.push((Endpoint::PARAMETER.to_owned(), mark.to_owned()));
        }
        Form { action: self.path(request, step), fields }
    }

    /// The same as an address.
    pub(super) fn address(&self, request: &BrowserRequest<'_>, step: Step) -> String {
        let form = self.form(request, step);
        format!("{}?{}", form.action, percent::form(&form.fields))
    }

    fn path(&self, request: &BrowserRequest<'_>, step: Step) -> String {
        let endpoint = match step {
            Step::Start => self.endpoint.named(),
            Step::SecondFactor => profile::Endpoint::SecondFactor,
            Step::ChangePassword => profile::Endpoint::ChangePassword,
            Step::Consent => profile::Endpoint::Consent,
        };
        request.own_path(self.issuer.dialect().path(endpoint))
    }

    fn sign_in_page(&self, request: &BrowserRequest<'_>, login_id: Option<&str>, message: Option<Message>) -> Reply {
        let settings = &self.issuer.tenant.settings;
        let page = Page::SignIn {
            form: self.form(request, Step::Start),
            client_name: self.client_name.clone(),
            login_id: login_id.or(self.login_hint.as_deref()).unwrap_or_default().to_owned(),
            message,
            shows_remember: !settings.always_remember,
            remembers: settings.always_remember,
            offers_passkey: passkeys::place(self.issuer).is_some(),
        };
        Reply::page(page, self.shown(request, Step::Start))
    }

    /// What a page of this place needs besides its content.
    pub(super) fn shown(&self, request: &BrowserRequest<'_>, step: Step) -> Context {
        Context { here: Some(self.address(request, step)), ..self.context.clone() }
    }

    /// The page of an unfinished login. `None` for one that lacks nothing.
    fn step_page(
        &self,
        request: &BrowserRequest<'_>,
        user: &User,
        stage: Stage,
        message: Option<Message>,
    ) -> Option<Reply> {
        let page = match stage {
            Stage::Password => Page::SecondFactor { form: self.form(request, Step::SecondFactor), message },
            Stage::Proven => Page::ChangePassword {
                form: self.form(request, Step::ChangePassword),
                message,
                reason: user.password_change.unwrap_or(PasswordChange::Administrative),
                min_length: self.issuer.tenant.settings.password_min_length,
                login_id: user.email.clone().or_else(|| user.username.clone()).unwrap_or_default(),
            },
            Stage::Complete => return None,
        };
        let step = if stage == Stage::Password { Step::SecondFactor } else { Step::ChangePassword };
        Some(Reply::page(page, self.shown(request, step)))
    }
}

impl Kept {
    /// The login is over: what was kept between its steps goes.
    pub(super) fn after(self, request: &BrowserRequest<'_>) -> Self {
        let interaction = if request.interaction.is_some() { Keep::Remove } else { Keep::AsItIs };
        Self { interaction, ..self }
    }
}
