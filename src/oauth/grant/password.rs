//! Passwords at the token endpoint (RFC 6749 section 4.3), for clients that an administrator gave this grant (A9).
//!
//! Owns the steps after the password: a second factor, a new password that is due. Whether it is right is `directory`'s.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::{Asking, GrantType};
use crate::directory::LoginError;
use crate::events::Event;
use crate::model::{Approval, AuthenticationType, PasswordChange, User};
use crate::oauth::client::check_obstacle;
use crate::oauth::error::{ErrorCode, ErrorReason, OAuthError};
use crate::oauth::issue::{Holder, UserGrant};
use crate::oauth::parameters::Parameters;
use crate::oauth::{AuthorizationServer, scopes};
use crate::profile::Dialect;
use crate::secret::Secret;

/// What a device may call itself, in characters.
const MAX_DEVICE_NAME: usize = 100;

pub(in crate::oauth) struct Request<'a> {
    proof: Proof<'a>,
    /// Sent with the password, or with the id of a login that waits for it.
    two_factor_code: Option<&'a str>,
    scope: Option<&'a str>,
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
            device_name: device.map(|name| name.chars().filter(|c| !c.is_control()).take(MAX_DEVICE_NAME).collect()),
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
        let mut scopes = scopes::check(settings, asked.as_deref())?;
        // F-049, F-107
        if Dialect::of(asking.issuer.tenant.profile).needs_device && request.device_name.is_none() {
            scopes.retain(|scope| scope != scopes::OFFLINE_ACCESS);
        }
        let (user, methods) = self.log_in(asking, request).await?;
        self.check_password_is_kept(&user)?;
        Event::LoginSucceeded.tell(&user.id.to_string());
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
            authenticated_at: self.clock.now(),
            methods: methods.iter().map(|&method| method.to_owned()).collect(),
            acr: Some(if has_second_factor { "2" } else { "1" }.to_owned()),
            nonce: None,
            claims: None,
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
            return Err(OAuthError { two_factor_id: Some(Secret::new(self.two_factor_id(asking, &user))), ..error });
        };
        self.directory.check_second_factor(&user, code, asking.peer).await.map_err(refusal)?;
        Ok((user, &["pwd", "otp", "mfa"]))
    }

    /// What stands for a right password until the code of the second factor comes: user, end and our code over both. It is
    /// good for one client, for minutes, and until the password changes.
    fn two_factor_id(&self, asking: &Asking<'_>, user: &User) -> String {
        let expires_at = self.clock.now() + asking.issuer.tenant.settings.interaction_for;
        let mut bytes = user.id.as_bytes().to_vec();
        bytes.extend(expires_at.to_be_bytes());
        bytes.extend(hmac::sign(&self.two_factor_key(), &signed_text(asking, user, expires_at)).as_ref());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    async fn waiting_for_second_factor(&self, asking: &Asking<'_>, id: &str) -> Result<User, OAuthError> {
        let wrong = || refusal(LoginError::WrongCredentials);
        let bytes = URL_SAFE_NO_PAD.decode(id).map_err(|_| wrong())?;
        let (user_id, rest) = bytes.split_first_chunk::<16>().ok_or_else(wrong)?;
        let (expires_at, code) = rest.split_first_chunk::<8>().ok_or_else(wrong)?;
        let expires_at = i64::from_be_bytes(*expires_at);
        let user = self.store.find_user(Uuid::from_bytes(*user_id)).await?.ok_or_else(wrong)?;
        let signed = signed_text(asking, &user, expires_at);
        let now = self.clock.now();
        if hmac::verify(&self.two_factor_key(), &signed, code).is_err() || now >= expires_at {
            return Err(wrong());
        }
        check_obstacle(&user, now)?;
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
        Err(OAuthError { change_password_id: Some(Secret::new(self.change_password_id(user))), ..error })
    }

    fn two_factor_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.keys.derived_key(b"faregate second factor at the token endpoint"))
    }
}

fn signed_text(asking: &Asking<'_>, user: &User, expires_at: i64) -> Vec<u8> {
    format!("{}:{}:{}:{expires_at}", asking.application.id, user.id, user.password_changed_at).into_bytes()
}

/// F-110, F-114
fn refusal(error: LoginError) -> OAuthError {
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
