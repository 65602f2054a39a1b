//! Refresh tokens (RFC 6749 section 6): kept, or rotated with a successor that can be had again for a moment.
//!
//! Owns the checks and the choice between the two; families begin in `refresh_tokens`.

use std::sync::Arc;

use super::{Asking, GrantType};
use crate::events::Event;
use crate::model::{AuthenticationType, ClientSecret, RefreshToken, RefreshTokenUsage, UnknownScopes};
use crate::oauth::error::{ErrorReason, OAuthError, Reused};
use crate::oauth::issue::{Holder, NewRefreshToken, UserGrant};
use crate::oauth::parameters::Parameters;
use crate::oauth::{AuthorizationServer, audience, scopes};
use crate::peer::network;

/// A use of a reusable token is noted this often at most, so that most uses write nothing.
const TOUCH_INTERVAL: i64 = 60;

pub(in crate::oauth) struct Request<'a> {
    refresh_token: &'a str,
    /// Fewer scopes than were approved, for this access token only (RFC 6749 6).
    scope: Option<&'a str>,
    /// A shorter life for this access token, in seconds (F-119).
    at_most_for: Option<i64>,
    user_code: Option<&'a str>,
}

impl<'a> Request<'a> {
    pub(in crate::oauth) fn parse(form: &'a Parameters<'a>) -> Result<Self, OAuthError> {
        let refresh_token = form.find("refresh_token").ok_or_else(|| {
            OAuthError::invalid_request(ErrorReason::MissingRefreshToken, "The request has no refresh_token.")
        })?;
        let at_most_for = form.find("expires_in").map(|text| match text.parse::<i64>() {
            Ok(seconds) if seconds > 0 => Ok(seconds),
            Ok(_) | Err(_) => {
                let description = "The expires_in is not a positive number of seconds.";
                Err(OAuthError::invalid_request(ErrorReason::InvalidExpiresIn, description))
            }
        });
        Ok(Self {
            refresh_token,
            scope: form.find("scope"),
            at_most_for: at_most_for.transpose()?,
            user_code: form.find("user_code"),
        })
    }
}

impl AuthorizationServer {
    /// # Errors
    /// `invalid_grant` if the token is unknown, over, revoked, of another client, or was rotated too long ago;
    /// `invalid_scope` if more is asked for than was approved.
    pub(in crate::oauth) async fn redeem_refresh_token(
        &self,
        asking: &Asking<'_>,
        request: &Request<'_>,
    ) -> Result<UserGrant, OAuthError> {
        let now = self.clock.now();
        let hash = ClientSecret::hash(request.refresh_token);
        let stored = self.store.find_refresh_token(&hash).await?.ok_or_else(not_found)?;
        if stored.approval.application_id != asking.application.id {
            // C1
            Event::RefreshTokenMisused.tell_of(&stored.approval.grant_id.to_string(), &asking.application.client_id);
            let description = "The refresh token was issued to another client.";
            return Err(OAuthError::invalid_grant(ErrorReason::ClientIdMismatch, description));
        }
        // One that was rotated is looked at however long ago that was: presenting it again says something (C5).
        let counts = if stored.rotated_at.is_some() { is_family_live(&stored, now) } else { stored.is_live(now) };
        if !counts {
            return Err(not_found());
        }
        asking.check_holds(stored.approval.bound_to.as_ref())?;
        audience::check_approved(asking.issuer, &stored.approval, asking.resource)?;
        if let Some(most) = asking.issuer.dialect().refreshes_a_minute {
            let source = (stored.approval.grant_id, asking.peer.map(network));
            self.device_limits.refresh(source, most, now).map_err(OAuthError::throttled)?;
        }
        self.check_still_known(asking, &stored).await?;
        let subject = match stored.approval.is_own() {
            // D27: nobody else is asked.
            true => {
                self.check_not_revoked(&stored.approval, not_found)?;
                Holder::Application(Arc::clone(asking.application))
            }
            false => Holder::User(self.subject_of(&stored.approval, not_found).await?),
        };
        let approved = narrowed(&stored.approval.scopes, request.scope)?;
        self.check_can_issue(asking.issuer, &stored.approval)?;
        let device = match request.user_code {
            Some(user_code) => Some(self.find_waiting_device(asking, user_code).await?),
            None => None,
        };
        // C3: whoever is not proven to be the client gets another token each time.
        let policy = self.refresh_token_policy(asking.issuer, asking.application);
        let rotates = match policy.usage {
            RefreshTokenUsage::OneTimeUse => true,
            RefreshTokenUsage::Reusable => {
                let dialect = asking.issuer.dialect();
                let is_page = asking.application.lives_in_a_page();
                let for_public = dialect.rotates_for_public || (dialect.rotates_for_pages && is_page);
                dialect.rotates_always || (for_public && !asking.is_proven)
            }
        };
        let mut approval = stored.approval.clone();
        let refresh_token = if rotates || stored.rotated_at.is_some() {
            Some(self.succeed(asking, stored, request.refresh_token).await?)
        } else {
            self.note_use(asking, &stored).await?;
            None
        };
        if let Some(device) = device {
            self.approve_device(&device, &approval).await?;
        }
        approval.scopes = approved;
        approval.authentication_type = AuthenticationType::RefreshToken;
        Ok(UserGrant {
            grant_type: GrantType::RefreshToken,
            approval,
            subject,
            refresh_token,
            at_most_for: request.at_most_for,
        })
    }

    /// The same for a token that came without a form: nothing but the token is asked for.
    ///
    /// # Errors
    /// As [`Self::redeem_refresh_token`].
    pub(in crate::oauth) async fn redeem_bare_refresh_token(
        &self,
        asking: &Asking<'_>,
        refresh_token: &str,
        at_most_for: Option<i64>,
    ) -> Result<UserGrant, OAuthError> {
        let request = Request { refresh_token, scope: None, at_most_for, user_code: None };
        self.redeem_refresh_token(asking, &request).await
    }

    /// The successor of a token: a new one, or for a while the one that an earlier request was given (C4, C6). The client
    /// may not have heard the answer, and several of its requests may have come at once.
    async fn succeed(
        &self,
        asking: &Asking<'_>,
        stored: RefreshToken,
        presented: &str,
    ) -> Result<NewRefreshToken, OAuthError> {
        let now = self.clock.now();
        let text = self.successor_of(presented, asking.issuer.dialect().secret_shape);
        let hash = ClientSecret::hash(&text);
        let policy = self.refresh_token_policy(asking.issuer, asking.application);
        let mut stored = stored;
        if stored.rotated_at.is_none() {
            let successor = RefreshToken {
                id: self.entropy.uuid(),
                hash: hash.clone(),
                created_at: now,
                last_used_at: now,
                idle_expires_at: policy.idle_for.map_or(stored.expires_at, |idle_for| now + idle_for),
                ..stored.clone()
            };
            if self.store.rotate_refresh_token(stored.id, now, &successor).await? {
                return Ok(NewRefreshToken { id: successor.id, text });
            }
            // Somebody was faster.
            stored = self.store.find_refresh_token_by_id(stored.id).await?.ok_or_else(not_found)?;
        }
        let rotated_at = stored.rotated_at.filter(|_| is_family_live(&stored, now)).ok_or_else(not_found)?;
        if now > rotated_at + policy.retry_for {
            // C5: two parties have the family now.
            Event::RefreshTokenReused.tell_of(&stored.approval.grant_id.to_string(), &asking.application.client_id);
            self.revoke_grant(asking.issuer, asking.application, stored.approval.grant_id).await?;
            return Err(OAuthError { reused: Some(Reused::RefreshToken), ..not_found() });
        }
        let successor = self.store.find_refresh_token(&hash).await?.filter(|successor| successor.is_live(now));
        successor.map(|successor| NewRefreshToken { id: successor.id, text }).ok_or_else(not_found)
    }

    /// Moves the idle limit of a reusable token (C7).
    async fn note_use(&self, asking: &Asking<'_>, stored: &RefreshToken) -> Result<(), OAuthError> {
        let now = self.clock.now();
        let idle_for = self.refresh_token_policy(asking.issuer, asking.application).idle_for;
        let interval = idle_for.map_or(TOUCH_INTERVAL, |idle_for| TOUCH_INTERVAL.min(idle_for / 4));
        if now - stored.last_used_at < interval {
            return Ok(());
        }
        let idle_expires_at = idle_for.map_or(stored.expires_at, |idle_for| now + idle_for);
        let is_live = self.store.touch_refresh_token(stored.id, now, idle_expires_at).await?;
        if is_live { Ok(()) } else { Err(not_found()) }
    }

    /// D-02: where unknown scopes are rejected, a token with a scope that exists no longer ends.
    async fn check_still_known(&self, asking: &Asking<'_>, stored: &RefreshToken) -> Result<(), OAuthError> {
        let settings = &asking.application.settings;
        let api = self.api_of(asking.issuer, &stored.approval, not_found)?;
        let rejects = match settings.unknown_scopes {
            UnknownScopes::Reject => true,
            UnknownScopes::Allow | UnknownScopes::Remove => false,
        };
        if rejects && !stored.approval.scopes.iter().all(|scope| scopes::is_known(settings, api, scope)) {
            self.revoke_grant(asking.issuer, asking.application, stored.approval.grant_id).await?;
            let description = "The refresh token has a scope that the client may no longer have.";
            return Err(OAuthError::invalid_grant(ErrorReason::UnknownScope, description));
        }
        Ok(())
    }
}

/// RFC 6749 6, C2: not more than was approved.
fn narrowed(approved: &[String], asked: Option<&str>) -> Result<Vec<String>, OAuthError> {
    let Some(asked) = asked else { return Ok(approved.to_vec()) };
    if !scopes::words(asked).all(|scope| approved.iter().any(|approved| approved == scope)) {
        let description = "The scope has a value that was not approved.";
        return Err(OAuthError::invalid_scope(ErrorReason::UnknownScope, description));
    }
    Ok(approved.iter().filter(|approved| scopes::words(asked).any(|scope| scope == *approved)).cloned().collect())
}

/// Whether the family goes on, be this token of it ever so old.
fn is_family_live(stored: &RefreshToken, now: i64) -> bool {
    stored.revoked_at.is_none() && now < stored.expires_at
}

/// One answer for tokens that never were, are over, revoked or used up.
pub(in crate::oauth) fn not_found() -> OAuthError {
    OAuthError::invalid_grant(ErrorReason::RefreshTokenNotFound, "The refresh token is unknown, over or revoked.")
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 6749 6, F-119, C2
    #[test]
    fn scopes_can_be_narrowed_and_not_widened() {
        let approved = ["openid", "email", "offline_access"].map(str::to_owned);
        assert_eq!(narrowed(&approved, None).unwrap(), approved);
        assert_eq!(narrowed(&approved, Some("email  openid")).unwrap(), ["openid", "email"]);
        assert!(narrowed(&approved, Some("openid profile")).is_err());
    }
}
