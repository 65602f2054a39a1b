//! From what a person typed to the device code that waits for it, and what `/oauth2/device/validate` and
//! `/oauth2/device/user-code` say about it.
//!
//! Owns finding and counting; it changes no code.

use std::net::IpAddr;

use serde::Serialize;
use uuid::Uuid;

use super::authorize::missing_user_code;
use super::{check_enabled, user_code};
use crate::events::Event;
use crate::model::{DeviceCode, DeviceState};
use crate::oauth::error::{ErrorCode, ErrorReason, OAuthError};
use crate::oauth::parameters::Parameters;
use crate::oauth::{AuthorizationServer, TokenRequest, api_key};
use crate::peer::network;
use crate::store::Lease;

/// A user code as it was typed, and by whom: wrong ones are counted per address and per session (J3).
#[derive(Clone, Copy, Debug)]
pub(in crate::oauth) struct Typed<'a> {
    pub user_code: &'a str,
    pub peer: Option<IpAddr>,
    pub session_id: Option<Uuid>,
}

/// CONTRACT D-06.
#[derive(Debug, Serialize)]
pub struct UserCodeDetails {
    pub client_id: String,
    #[serde(rename = "deviceInfo")]
    pub device: DeviceInfo,
    /// Seconds.
    pub expires_in: i64,
    /// Without the scopes that say nothing to a person.
    pub scope: String,
    #[serde(rename = "tenantId")]
    pub tenant_id: Uuid,
    pub user_code: String,
}

/// What the device said about itself.
#[derive(Debug, Serialize)]
pub struct DeviceInfo {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What an API key is allowed or not.
const PATH: &str = "/oauth2/device/user-code";

/// Scopes that are about tokens, not about what a device may do (D-06).
const NOT_SHOWN: [&str; 2] = ["openid", "offline_access"];

impl AuthorizationServer {
    /// `GET /oauth2/device/validate` (F-164): whether a person may go on with this code.
    ///
    /// # Errors
    /// `invalid_request` with `invalid_user_code` or `user_code_expired`; 429 after too many wrong codes.
    pub async fn check_user_code(&self, request: &TokenRequest<'_>) -> Result<(), OAuthError> {
        let form = Parameters::parse(request.body)?;
        let (issuer, application) = self.find_application(request, &form).await?;
        check_enabled(&application)?;
        let typed = Typed {
            user_code: form.find("user_code").ok_or_else(missing_user_code)?,
            peer: request.peer,
            session_id: None,
        };
        self.find_by_user_code(issuer.tenant.id, Some(application.id), typed).await.map(drop)
    }

    /// `POST /oauth2/device/user-code` (D-06): what a client's own page shows of a code, to the client or with an API key.
    ///
    /// # Errors
    /// As [`AuthorizationServer::check_user_code`], and `invalid_client`.
    pub async fn describe_user_code(
        &self,
        request: &TokenRequest<'_>,
        api_key: Option<&str>,
    ) -> Result<UserCodeDetails, OAuthError> {
        let form = Parameters::parse(request.body)?;
        let (issuer, application) = match self.find_api_key(api_key, PATH).await? {
            Some(key) => {
                let (issuer, application) = self.find_application(request, &form).await?;
                match api_key::is_for(&key, &issuer) {
                    true => (issuer, application),
                    false => self.authenticate_application(request, &form).await?,
                }
            }
            None => self.authenticate_application(request, &form).await?,
        };
        check_enabled(&application)?;
        let typed = Typed {
            user_code: form.find("user_code").ok_or_else(missing_user_code)?,
            peer: request.peer,
            session_id: None,
        };
        let code = self.find_by_user_code(issuer.tenant.id, Some(application.id), typed).await?;
        let normal = user_code::normal(typed.user_code).unwrap_or_default();
        Ok(UserCodeDetails {
            client_id: application.client_id.clone(),
            expires_in: code.expires_at - self.clock.now(),
            scope: shown_scopes(&code.scopes).collect::<Vec<_>>().join(" "),
            tenant_id: code.tenant_id,
            user_code: user_code::shown(&normal, &issuer.tenant.settings.user_code),
            device: DeviceInfo { name: code.device_name },
        })
    }

    /// The pending code of the tenant, and of the application if one is said, that a person means.
    ///
    /// # Errors
    /// As [`AuthorizationServer::check_user_code`].
    pub(in crate::oauth) async fn find_by_user_code(
        &self,
        tenant_id: Uuid,
        application_id: Option<Uuid>,
        typed: Typed<'_>,
    ) -> Result<DeviceCode, OAuthError> {
        let now = self.clock.now();
        let by_peer = (tenant_id, typed.peer.map(network));
        let by_session = typed.session_id.map(|session_id| (tenant_id, session_id));
        let most_wrong =
            self.keys.issuer(Some(tenant_id)).and_then(|issuer| issuer.dialect().wrong_user_codes_a_minute);
        if let Some(most) = most_wrong {
            self.device_limits.check_wrong(tenant_id, most, now).map_err(too_many_guesses)?;
        }
        self.device_limits.guess(by_peer, now).map_err(too_many_guesses)?;
        if let Some(by_session) = by_session {
            self.device_limits.guess(by_session, now).map_err(too_many_guesses)?;
        }
        let outcome = self.look_up(tenant_id, application_id, typed.user_code, now).await;
        // Neither an outage nor a code that was right and took too long is a guess.
        let is_guess = |error: &OAuthError| error.reason == Some(ErrorReason::InvalidUserCode);
        if outcome.as_ref().err().is_some_and(is_guess) {
            if most_wrong.is_some() {
                self.device_limits.note_wrong(tenant_id, now);
            }
            let log = self.keys.issuer(Some(tenant_id)).and_then(|issuer| issuer.dialect().log);
            let said = log.map(|log| (log.user_code_wrong, log.protocol));
            Event::UserCodeWrong.tell_as(&tenant_id.to_string(), None, said);
        } else {
            self.device_limits.forgive(by_peer, now);
            if let Some(by_session) = by_session {
                self.device_limits.forgive(by_session, now);
            }
        }
        outcome
    }

    async fn look_up(
        &self,
        tenant_id: Uuid,
        application_id: Option<Uuid>,
        typed: &str,
        now: i64,
    ) -> Result<DeviceCode, OAuthError> {
        let hash = user_code::normal(typed).map(|normal| user_code::hash(&normal)).ok_or_else(invalid_user_code)?;
        let found = self.store.find_device_code_by_user_code(tenant_id, &hash).await?;
        let is_meant = |code: &DeviceCode| {
            application_id.is_none_or(|id| id == code.application_id) && matches!(code.state, DeviceState::Pending)
        };
        let code = found.filter(is_meant).ok_or_else(invalid_user_code)?;
        if code.expires_at <= now {
            let description = "The user_code has expired.";
            return Err(OAuthError::invalid_request(ErrorReason::UserCodeExpired, description));
        }
        Ok(code)
    }

    /// Tells the auditor when a code is looked at from more than one session: somebody may have been sent it (J10).
    pub(super) async fn note_session(&self, code: &DeviceCode, session_id: Uuid) -> Result<(), OAuthError> {
        let lease = Lease { now: self.clock.now(), expires_at: code.expires_at };
        let first = self.store.remember_once("device_code_seen", &user_code::hash(&code.id.to_string()), lease).await?;
        let pair = user_code::hash(&format!("{}/{session_id}", code.id));
        let new = self.store.remember_once("device_code_seen_by", &pair, lease).await?;
        if new && !first {
            Event::UserCodeShared.tell(&code.id.to_string());
        }
        Ok(())
    }
}

/// What a person is told that the device may do.
pub(super) fn shown_scopes(scopes: &[String]) -> impl Iterator<Item = &str> {
    scopes.iter().map(String::as_str).filter(|scope| !NOT_SHOWN.contains(scope))
}

/// One answer for unknown, foreign and decided, so that nobody learns which codes there are.
pub(super) fn invalid_user_code() -> OAuthError {
    OAuthError::invalid_request(ErrorReason::InvalidUserCode, "The user_code is not one that waits for anybody.")
}

fn too_many_guesses(retry_after: i64) -> OAuthError {
    let description = "Too many wrong user codes. Try again later.";
    let error = OAuthError::new(ErrorCode::Throttled, ErrorReason::InvalidUserCode, description);
    OAuthError { retry_after: Some(retry_after), ..error }
}
