//! Logging in without our pages: an application's own server asks for the password and passes it on (FusionAuth's Login
//! API). An API key speaks for the application there, so no client is authenticated.
//!
//! Owns the order of the steps and what follows them; whether a password or a code is right is `directory`'s to say.

use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use super::AuthorizationServer;
use super::error::{ErrorReason, OAuthError};
use super::grant::{Asking, GrantType};
use super::issue::{Holder, Proof, TokenResponse, UserGrant};
use super::keys::LocalIssuer;
use super::refresh_tokens::device_name;
use super::waiting_login::{Begun, WaitingLogin};
use crate::directory::{DirectoryError, LoginError};
use crate::events::Event;
use crate::model::{Application, Approval, AuthenticationType, Obstacle, PasswordChange, User};
use crate::secret::Secret;
use crate::store::StoreError;

/// A login that is asked for.
#[derive(Clone, Debug)]
pub struct ApiLogin {
    pub tenant_id: Uuid,
    /// What the user logs in to; of the tenant. Without one there are no tokens, because they would be for nobody.
    pub application: Option<Arc<Application>>,
    /// By which of `email` and `username` the user may be called; empty: by either.
    pub login_id_types: Vec<String>,
    /// Where the person is.
    pub peer: Option<IpAddr>,
    /// What the person calls the device.
    pub device_name: Option<String>,
    pub wants_tokens: bool,
}

/// How far a login has come.
#[derive(Debug)]
pub enum LoginStep {
    Complete(Box<LoggedIn>),
    /// A code of the second factor is missing; the id goes with it.
    SecondFactor(Secret<String>),
    /// A new password is due; the id opens the choice of one.
    NewPassword(Secret<String>, PasswordChange),
}

/// Somebody who proved everything.
#[derive(Debug)]
pub struct LoggedIn {
    pub user: User,
    /// Whether the user has a place in the application, or no application was named.
    pub is_registered: bool,
    pub tokens: Option<TokenResponse>,
}

/// Why nobody is logged in.
#[derive(Debug)]
pub enum LoginRefusal {
    /// What the person sent is wrong, or they may not log in.
    Person(LoginError),
    /// There is no such login, user or registration.
    Unknown,
    /// The login began for another application.
    OtherApplication,
    /// The user has no second factor.
    NoSecondFactor,
    /// Tokens cannot be issued.
    Tokens(OAuthError),
}

impl From<LoginError> for LoginRefusal {
    fn from(error: LoginError) -> Self {
        Self::Person(error)
    }
}

impl From<StoreError> for LoginRefusal {
    fn from(error: StoreError) -> Self {
        Self::Person(error.into())
    }
}

impl From<OAuthError> for LoginRefusal {
    fn from(error: OAuthError) -> Self {
        Self::Tokens(error)
    }
}

impl From<DirectoryError> for LoginRefusal {
    fn from(error: DirectoryError) -> Self {
        Self::Tokens(error.into())
    }
}

impl AuthorizationServer {
    /// The first step: the password.
    ///
    /// # Errors
    /// [`LoginRefusal`]; unknown users and wrong passwords are not told apart (L9).
    pub async fn log_in_by_api(
        &self,
        login: &ApiLogin,
        login_id: &str,
        password: &Secret<String>,
    ) -> Result<LoginStep, LoginRefusal> {
        let issuer = self.find_issuer_of(login.tenant_id).await?.ok_or(LoginRefusal::Unknown)?;
        let tenant = &issuer.tenant;
        let user = self.directory.check_credentials(tenant, login_id, password, login.peer).await?.user;
        if !user.is_called(login_id, &login.login_id_types) {
            // After the password, so that it takes as long (L9).
            return Err(LoginError::WrongCredentials.into());
        }
        if user.has_second_factor() {
            let application_id = login.application.as_ref().map(|application| application.id);
            let id = self.waiting_login_id(tenant, &user, application_id, Begun::LoginApi);
            return Ok(LoginStep::SecondFactor(id));
        }
        self.complete_login(&issuer, login, user, &["pwd"]).await
    }

    /// The id of a login that begins with the second factor and needs no password: an administrator vouches for the rest.
    ///
    /// # Errors
    /// [`LoginRefusal::NoSecondFactor`], and what keeps the user out.
    pub async fn begin_second_factor(
        &self,
        user: &User,
        application: Option<&Application>,
    ) -> Result<Secret<String>, LoginRefusal> {
        self.check_may_log_in(user)?;
        if !user.has_second_factor() {
            return Err(LoginRefusal::NoSecondFactor);
        }
        let issuer = self.find_issuer_of(user.tenant_id).await?.ok_or(LoginRefusal::Unknown)?;
        let application_id = application.map(|application| application.id);
        Ok(self.waiting_login_id(&issuer.tenant, user, application_id, Begun::WithoutPassword))
    }

    /// Whether a code can be sent in with this id.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn knows_two_factor_id(&self, id: &str) -> Result<bool, DirectoryError> {
        Ok(self.find_api_login(id).await?.is_some())
    }

    /// The second step: the code of the second factor, for a login that waits for it. Nobody vouches for `login` but the
    /// id; its application may be missing and must not be another one.
    ///
    /// # Errors
    /// [`LoginRefusal`]
    pub async fn log_in_with_code(
        &self,
        id: &str,
        code: &str,
        application_id: Option<Uuid>,
        login: LoginDetails,
    ) -> Result<LoginStep, LoginRefusal> {
        let waiting = self.find_api_login(id).await?.ok_or(LoginRefusal::Unknown)?;
        let tenant_id = waiting.user.tenant_id;
        if waiting.application_id.is_some_and(|own| application_id.is_some_and(|named| named != own)) {
            return Err(LoginRefusal::OtherApplication);
        }
        let application = match waiting.application_id.or(application_id) {
            None => None,
            Some(id) => {
                let found = self.directory.application(id).await?;
                let found = found.filter(|application| application.tenant_id == tenant_id);
                Some(found.ok_or(LoginRefusal::OtherApplication)?)
            }
        };
        self.check_may_log_in(&waiting.user)?;
        let issuer = self.find_issuer_of(tenant_id).await?.ok_or(LoginRefusal::Unknown)?;
        self.directory.check_second_factor(&waiting.user, code, login.peer).await?;
        let methods: &[&str] = match waiting.begun {
            Begun::LoginApi | Begun::TokenEndpoint => &["pwd", "otp", "mfa"],
            Begun::WithoutPassword => &["otp"],
        };
        let login = ApiLogin {
            tenant_id,
            application,
            login_id_types: Vec::new(),
            peer: login.peer,
            device_name: login.device_name,
            wants_tokens: login.wants_tokens,
        };
        self.complete_login(&issuer, &login, waiting.user, methods).await
    }

    /// Notes that a user is there again, in an application if one is named.
    ///
    /// # Errors
    /// What keeps the user out.
    pub async fn note_login(&self, user: User, application: Option<&Application>) -> Result<LoggedIn, LoginRefusal> {
        self.check_may_log_in(&user)?;
        let is_registered = match application {
            Some(application) => self.directory.registration(user.id, application.id).await?.is_some(),
            None => true,
        };
        let client_id = application.map_or("-", |application| &application.client_id);
        Event::LoginNoted.tell_of(&user.id.to_string(), client_id);
        Ok(LoggedIn { user, is_registered, tokens: None })
    }

    async fn find_api_login(&self, id: &str) -> Result<Option<WaitingLogin>, StoreError> {
        let waiting = self.find_waiting_login(id).await?;
        Ok(waiting.filter(|waiting| match waiting.begun {
            Begun::LoginApi | Begun::WithoutPassword => true,
            // Its client would have to prove itself, and nobody does here.
            Begun::TokenEndpoint => false,
        }))
    }

    fn check_may_log_in(&self, user: &User) -> Result<(), LoginError> {
        match user.obstacle(self.clock.now()) {
            None => Ok(()),
            Some(Obstacle::Locked) => Err(LoginError::Locked),
            Some(Obstacle::Expired) => Err(LoginError::Expired),
        }
    }

    /// Everything is proven: a new password if one is due (L13), else the tokens.
    async fn complete_login(
        &self,
        issuer: &LocalIssuer,
        login: &ApiLogin,
        user: User,
        methods: &[&str],
    ) -> Result<LoginStep, LoginRefusal> {
        if let Some(reason) = user.password_change {
            return Ok(LoginStep::NewPassword(Secret::new(self.change_password_id(&user)), reason));
        }
        let (mut is_registered, mut tokens) = (true, None);
        if let Some(application) = &login.application {
            is_registered = self.directory.registration(user.id, application.id).await?.is_some();
            // F-034
            if login.wants_tokens && (is_registered || !application.settings.requires_registration) {
                let asking = Asking {
                    issuer,
                    application,
                    is_proven: false,
                    peer: login.peer,
                    resource: None,
                    confirmation: None,
                };
                tokens = Some(self.issue_to_login(&asking, &user, methods, login.device_name.as_deref()).await?);
            }
        }
        self.directory.login_succeeded(&user);
        Ok(LoginStep::Complete(Box::new(LoggedIn { user, is_registered, tokens })))
    }

    /// An access token without scopes, and a refresh token where the application's `loginConfiguration` says so.
    async fn issue_to_login(
        &self,
        asking: &Asking<'_>,
        user: &User,
        methods: &[&str],
        named: Option<&str>,
    ) -> Result<TokenResponse, OAuthError> {
        let has_both = methods.contains(&"mfa");
        let approval = Approval {
            grant_id: self.entropy.uuid(),
            tenant_id: asking.issuer.tenant.id,
            application_id: asking.application.id,
            user_id: user.id,
            session_id: None,
            scopes: Vec::new(),
            authenticated_at: self.clock.now(),
            methods: methods.iter().map(|&method| method.to_owned()).collect(),
            acr: Some(if has_both { "2" } else { "1" }.to_owned()),
            nonce: None,
            claims: None,
            audience: None,
            bound_to: None,
            authentication_type: AuthenticationType::Password,
        };
        self.check_can_issue(asking.issuer, &approval)?;
        let ended = || OAuthError::invalid_grant(ErrorReason::LoginPrevented, "The login ended meanwhile.");
        let subject = self.subject_of(&approval, ended).await?;
        let refresh_token = match asking.application.settings.login_api.generates_refresh_tokens {
            true => {
                let family = self.family_of(asking, &approval, named.map(device_name));
                self.store.insert_refresh_token(&family.stored).await?;
                Some(family.new)
            }
            false => None,
        };
        let grant_id = approval.grant_id.to_string();
        let grant_type = GrantType::Password;
        let subject = Holder::User(subject);
        let grant = UserGrant { grant_type, approval, subject, refresh_token, at_most_for: None };
        let tokens = self.issue(asking.issuer, &Proof::User(Box::new(grant)), None)?;
        Event::TokenIssued.tell_of(&grant_id, &asking.application.client_id);
        Ok(tokens)
    }
}

/// What a caller without a key may say about a login.
#[derive(Clone, Debug)]
pub struct LoginDetails {
    pub peer: Option<IpAddr>,
    pub device_name: Option<String>,
    pub wants_tokens: bool,
}
