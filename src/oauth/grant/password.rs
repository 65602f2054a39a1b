//! Passwords at the token endpoint (RFC 6749 section 4.3), for clients that an administrator gave this grant (A9).
//!
//! Owns the steps after the password: a second factor, a new password that is due. Whether it is right is `directory`'s.

use super::{Asking, GrantType};
use crate::directory::LoginError;
use crate::model::{Approval, AuthenticationType, PasswordChange, User};
use crate::oauth::audience::AUDIENCE;
use crate::oauth::client::check_obstacle;
use crate::oauth::error::{ErrorCode, ErrorReason, OAuthError};
use crate::oauth::issue::{Holder, UserGrant};
use crate::oauth::parameters::Parameters;
use crate::oauth::refresh_tokens::device_name;
use crate::oauth::waiting_login::Begun;
use crate::oauth::{AuthorizationServer, scopes};
use crate::profile::Dialect;
use crate::secret::Secret;

pub(in crate::oauth) struct Request<'a> {
    proof: Proof<'a>,
    /// Sent with the password, or with the id of a login that waits for it.
    two_factor_code: Option<&'a str>,
    scope: Option<&'a str>,
    /// The API that the token shall be for, where the dialect knows that (F-231).
    audience: Option<&'a str>,
    device_name: Option<String>,
    user_code: Option<&'a str>,
}

enum Proof<'a> {
    Password {
        login_id: &'a str,
        password: Secret<String>,
    },
    /// The password was right a moment ago (F-113).
    TwoFactorId(&'a str),
}

impl<'a> Request<'a> {
    pub(super) fn parse(form: &'a Parameters<'a>) -> Result<Self, OAuthError> {
        // F-105, F-106, D12
        let login_id = form.find("username").or_else(|| form.find("loginId"));
        let proof = match (login_id, form.find("password"), form.find("two_factor_id")) {
            (Some(login_id), Some(password), None) => {
                Proof::Password { login_id, password: Secret::new(password.to_owned()) }
            }
            (None, None, Some(id)) => Proof::TwoFactorId(id),
            (_, _, _) => {
                let description = "The request has no username and password.";
                return Err(OAuthError::invalid_request(ErrorReason::InvalidUserCredentials, description));
            }
        };
        let device = form.find("metaData.device.name").or_else(|| form.find("device"));
        Ok(Self {
            proof,
            two_factor_code: form.find("two_factor_code"),
            scope: form.find("scope"),
            audience: form.find(AUDIENCE),
            device_name: device.map(device_name),
            user_code: form.find("user_code"),
        })
    }
}

impl<'a> Request<'a> {
    /// The password alone, from somewhere else than a form.
    pub(in crate::oauth) fn of_password(login_id: &'a str, password: &str, scope: Option<&'a str>) -> Self {
        Self {
            proof: Proof::Password { login_id, password: Secret::new(password.to_owned()) },
            two_factor_code: None,
            scope,
            audience: None,
            device_name: None,
            user_code: None,
        }
    }
}

impl AuthorizationServer {
    /// # Errors
    /// `invalid_grant` for wrong credentials and users who may not log in, `two_factor_required`,
    /// `change_password_required`, and 429 after too many wrong ones.
    pub(in crate::oauth) async fn redeem_password(
        &self,
        asking: &Asking<'_>,
        request: &Request<'_>,
    ) -> Result<UserGrant, OAuthError> {
        let settings = &asking.application.settings;
        let asked = scopes::narrowed(asking.issuer.dialect(), settings, request.scope)?;
        let meant = self.meant(asking.issuer, (asking.resource, request.audience))?;
        let mut scopes = scopes::check(settings, meant.api, asked.as_deref())?;
        // F-049, F-107
        if Dialect::of(asking.issuer.tenant.profile).needs_device && request.device_name.is_none() {
            scopes.retain(|scope| scope != scopes::OFFLINE_ACCESS);
        }
        let (user, methods) = self.log_in(asking, request).await?;
        self.check_password_is_kept(&user)?;
        self.directory.login_succeeded(&user);
        let device = match request.user_code {
            Some(user_code) => Some(self.find_waiting_device(asking, user_code).await?),
            None => None,
        };
        let has_second_factor = methods.len() > 1;
        let approval = Approval {
            grant_id: self.entropy.uuid(),
            tenant_id: asking.issuer.tenant.id,
            application_id: asking.application.id,
            user_id: user.id,
            session_id: None,
            scopes,
            audience: meant.audience,
            authenticated_at: self.clock.now(),
            methods: methods.iter().map(|&method| method.to_owned()).collect(),
            acr: Some(if has_second_factor { "2" } else { "1" }.to_owned()),
            nonce: None,
            claims: None,
            bound_to: None,
            authentication_type: AuthenticationType::Password,
        };
        let ended = || OAuthError::invalid_grant(ErrorReason::LoginPrevented, "The login ended meanwhile.");
        self.check_can_issue(asking.issuer, &approval)?;
        let subject = self.subject_of(&approval, ended).await?;
        if let Some(device) = device {
            self.approve_device(&device, &approval).await?;
        }
        let family = self.begin_family(asking, &approval, request.device_name.clone());
        if let Some(family) = &family {
            self.store.insert_refresh_token(&family.stored).await?;
        }
        Ok(UserGrant {
            grant_type: GrantType::Password,
            approval,
            subject: Holder::User(subject),
            refresh_token: family.map(|family| family.new),
            at_most_for: None,
        })
    }

    /// The user and how they proved it (`amr`, RFC 8176).
    async fn log_in(
        &self,
        asking: &Asking<'_>,
        request: &Request<'_>,
    ) -> Result<(User, &'static [&'static str]), OAuthError> {
        let user = match &request.proof {
            Proof::Password { login_id, password } => {
                let tenant = &asking.issuer.tenant;
                self.directory.check_credentials(tenant, login_id, password, asking.peer).await.map_err(refusal)?.user
            }
            Proof::TwoFactorId(id) => self.waiting_for_second_factor(asking, id).await?,
        };
        if !user.has_second_factor() {
            return Ok((user, &["pwd"]));
        }
        let Some(code) = request.two_factor_code else {
            let description = "The user has a second factor: send two_factor_code.";
            let reason = ErrorReason::MultiFactorChallengeRequired;
            let error = OAuthError::new(ErrorCode::TwoFactorRequired, reason, description);
            let id =
                self.waiting_login_id(&asking.issuer.tenant, &user, Some(asking.application.id), Begun::TokenEndpoint);
            return Err(OAuthError { two_factor_id: Some(id), ..error });
        };
        self.directory.check_second_factor(&user, code, asking.peer).await.map_err(refusal)?;
        Ok((user, &["pwd", "otp", "mfa"]))
    }

    async fn waiting_for_second_factor(&self, asking: &Asking<'_>, id: &str) -> Result<User, OAuthError> {
        let waiting = self.find_waiting_login(id).await?.filter(|waiting| {
            waiting.begun == Begun::TokenEndpoint && waiting.application_id == Some(asking.application.id)
        });
        let user = waiting.ok_or_else(|| refusal(LoginError::WrongCredentials))?.user;
        check_obstacle(&user, self.clock.now())?;
        Ok(user)
    }

    /// F-055: an application cannot show our page for it, so it is told why nothing goes on, and given what it can show a
    /// page of its own with.
    fn check_password_is_kept(&self, user: &User) -> Result<(), OAuthError> {
        let reason = match user.password_change {
            None => return Ok(()),
            Some(PasswordChange::Administrative) => ErrorReason::ChangePasswordAdministrative,
            Some(PasswordChange::Breached) => ErrorReason::ChangePasswordBreached,
            Some(PasswordChange::Expired) => ErrorReason::ChangePasswordExpired,
            Some(PasswordChange::Validation) => ErrorReason::ChangePasswordValidation,
        };
        let description = "The user is required to change their password.";
        let error = OAuthError::new(ErrorCode::ChangePasswordRequired, reason, description);
        Err(OAuthError { change_password_id: Some(Box::new(Secret::new(self.change_password_id(user)))), ..error })
    }
}

/// F-110, F-114
pub(in crate::oauth) fn refusal(error: LoginError) -> OAuthError {
    match error {
        LoginError::WrongCredentials => {
            OAuthError::invalid_grant(ErrorReason::InvalidUserCredentials, "The user's credentials are wrong.")
        }
        LoginError::Throttled { retry_after } => OAuthError::throttled(retry_after),
        LoginError::Locked => OAuthError::invalid_grant(ErrorReason::UserLocked, "The user is locked."),
        LoginError::Expired => OAuthError::invalid_grant(ErrorReason::UserExpired, "The user has expired."),
        LoginError::Busy => OAuthError::unavailable("too many passwords are being checked"),
        LoginError::Store(error) => error.into(),
    }
}
