//! Polling and redeeming device codes (RFC 8628 sections 3.4 and 3.5).
//!
//! Owns what a device is told while a person thinks, and that it gets its tokens once. How codes are made and approved is
//! elsewhere.

use super::{Asking, GrantType};
use crate::model::{Approval, ClientSecret, DeviceCode, DeviceState};
use crate::oauth::device::{Typed, confidential};
use crate::oauth::error::{ErrorCode, ErrorReason, OAuthError};
use crate::oauth::issue::{Holder, UserGrant};
use crate::oauth::parameters::Parameters;
use crate::oauth::{AuthorizationServer, audience};
use crate::profile::Dialect;
use crate::store::Brought;

pub(super) struct Request<'a> {
    device_code: &'a str,
}

impl<'a> Request<'a> {
    pub(super) fn parse(form: &'a Parameters<'a>) -> Result<Self, OAuthError> {
        let device_code = form.find("device_code").ok_or_else(|| {
            OAuthError::invalid_request(ErrorReason::MissingDeviceCode, "The request has no device_code.")
        })?;
        Ok(Self { device_code })
    }
}

impl AuthorizationServer {
    /// # Errors
    /// What the device is to be told: `authorization_pending`, `slow_down`, `access_denied`, `expired_token`, or that its
    /// code is no good.
    pub(super) async fn redeem_device_code(
        &self,
        asking: &Asking<'_>,
        request: &Request<'_>,
    ) -> Result<UserGrant, OAuthError> {
        let now = self.clock.now();
        let dialect = Dialect::of(asking.issuer.tenant.profile);
        let invalid = || invalid(dialect);
        let known = self.store.find_device_code(&ClientSecret::hash(request.device_code)).await?;
        // F-174: the code of another client is nobody's.
        let known = known.filter(|code| code.application_id == asking.application.id).ok_or_else(invalid)?;
        if !dialect.confidential_devices && asking.is_proven {
            return Err(confidential());
        }
        let code = self.store.poll_device_code(known.id, now, dialect.poll_penalty).await?.ok_or_else(invalid)?;
        let approval = match &code.state {
            DeviceState::Redeemed { .. } => return Err(invalid()),
            DeviceState::Pending | DeviceState::Approved(_) | DeviceState::Denied if now >= code.expires_at => {
                return Err(expired());
            }
            DeviceState::Pending if dialect.rfc_device_errors && is_early(&code, now + dialect.poll_leeway) => {
                let retry_after = Some(code.interval).filter(|_| dialect.tells_wait);
                return Err(OAuthError { retry_after, ..too_fast(dialect) });
            }
            DeviceState::Pending => return Err(pending()),
            DeviceState::Denied => return Err(denied()),
            DeviceState::Approved(approval) => approval,
        };
        audience::check_approved(asking.issuer, approval, asking.resource)?;
        // Whoever let the device in may have approved more: a login of their own, or a token of theirs (J9).
        let limits = &asking.application.settings.device_grant;
        let scopes = approval.scopes.iter().filter(|scope| limits.allow(scope)).cloned().collect();
        let approval = Approval { scopes, ..(**approval).clone() };
        let subject = self.subject_of(&approval, invalid).await?;
        self.check_can_issue(asking.issuer, &approval)?;
        if !self.keep_client(asking.application).await? {
            return Err(invalid());
        }
        let family = self.begin_family(asking, &approval, code.device_name.clone());
        let family = family.map(|family| family.ending_within(limits.refresh_tokens_for));
        let brings = Brought {
            refresh_token: family.as_ref().map(|family| &family.stored),
            joins: approval.session_id.map(|session_id| (session_id, asking.application.id)),
        };
        if !self.store.redeem_device_code(code.id, now, brings).await? {
            return Err(invalid());
        }
        Ok(UserGrant {
            grant_type: GrantType::DeviceCode,
            approval,
            subject: Holder::User(subject),
            refresh_token: family.map(|family| family.new),
            at_most_for: None,
        })
    }
}

impl AuthorizationServer {
    /// The device that a user code in a token request means (F-112, F-165).
    ///
    /// # Errors
    /// `invalid_request` if none of the client's is waiting with this code.
    pub(super) async fn find_waiting_device(
        &self,
        asking: &Asking<'_>,
        user_code: &str,
    ) -> Result<DeviceCode, OAuthError> {
        let typed = Typed { user_code, peer: asking.peer, session_id: None };
        self.find_by_user_code(asking.issuer.tenant.id, Some(asking.application.id), typed).await
    }

    /// Lets the device have what it asked for: a grant that succeeds approves it at once (D17). Its tokens are a family
    /// of their own.
    ///
    /// # Errors
    /// `invalid_request` if somebody else decided meanwhile.
    pub(super) async fn approve_device(&self, device: &DeviceCode, by: &Approval) -> Result<(), OAuthError> {
        let approval = Approval {
            grant_id: self.entropy.uuid(),
            scopes: device.scopes.clone(),
            audience: device.audience.clone(),
            nonce: None,
            claims: None,
            bound_to: None,
            ..by.clone()
        };
        self.approve_device_code(device.id, &approval).await
    }
}

/// `code` is as it was before this poll.
fn is_early(code: &DeviceCode, now: i64) -> bool {
    code.last_polled_at.is_some_and(|last| now < last.saturating_add(code.interval))
}

/// F-167: without a reason, as FusionAuth shows it.
fn pending() -> OAuthError {
    OAuthError::without_reason(ErrorCode::AuthorizationPending, "The authorization request is still pending")
}

fn too_fast(dialect: &Dialect) -> OAuthError {
    let description = match dialect.poll_penalty {
        0 => "The device polls too often: wait as long as the interval says.",
        _ => "The device polls too often: wait five seconds longer from now on.",
    };
    OAuthError::without_reason(ErrorCode::SlowDown, description)
}

fn denied() -> OAuthError {
    OAuthError::new(ErrorCode::AccessDenied, ErrorReason::ConsentCanceled, "The request was denied.")
}

/// F-168
fn expired() -> OAuthError {
    let description = "The device_code has expired, and the device authorization session has concluded.";
    OAuthError::without_reason(ErrorCode::ExpiredToken, description)
}

/// F-169; RFC 6749 5.2 calls it an invalid grant.
fn invalid(dialect: &Dialect) -> OAuthError {
    let description = "The request has an invalid parameter: device_code";
    let code = if dialect.rfc_device_errors { ErrorCode::InvalidGrant } else { ErrorCode::InvalidRequest };
    OAuthError::new(code, ErrorReason::InvalidDeviceCode, description)
}
