//! Authorization codes (RFC 6749 section 4.1.3): bound to client, redirect URI and challenge, used once.
//!
//! Owns the checks of a redemption; that it happens once is decided by one statement of the store.

use super::{Asking, GrantType, pkce};
use crate::events::Event;
use crate::model::{AuthorizationCode, ClientSecret};
use crate::oauth::error::{ErrorReason, OAuthError, Reused};
use crate::oauth::issue::{Holder, UserGrant};
use crate::oauth::parameters::Parameters;
use crate::oauth::{AuthorizationServer, audience};
use crate::profile::Dialect;
use crate::store::Brought;

pub(super) struct Request<'a> {
    code: &'a str,
    redirect_uri: Option<&'a str>,
    code_verifier: Option<&'a str>,
}

impl<'a> Request<'a> {
    pub(super) fn parse(asking: &Asking<'_>, form: &'a Parameters<'a>) -> Result<Self, OAuthError> {
        let code = form
            .find("code")
            .ok_or_else(|| OAuthError::invalid_request(ErrorReason::MissingCode, "The request has no code."))?;
        let redirect_uri = form.find("redirect_uri");
        // F-100
        if redirect_uri.is_none() && Dialect::of(asking.issuer.tenant.profile).redirect_uri_always {
            return Err(missing_redirect_uri());
        }
        Ok(Self { code, redirect_uri, code_verifier: form.find("code_verifier") })
    }
}

impl AuthorizationServer {
    /// # Errors
    /// `invalid_grant` unless everything is as it was when the code was issued, and nobody was faster.
    pub(super) async fn redeem_authorization_code(
        &self,
        asking: &Asking<'_>,
        request: &Request<'_>,
    ) -> Result<UserGrant, OAuthError> {
        let hash = ClientSecret::hash(request.code);
        let code = self.store.find_authorization_code(&hash).await?.ok_or_else(not_found)?;
        // Before anything else: a wrong client, URI or verifier spends and revokes nothing (B4, B7).
        if code.approval.application_id != asking.application.id {
            let description = "The code was issued to another client.";
            return Err(OAuthError::invalid_grant(ErrorReason::ClientIdMismatch, description));
        }
        let is_implied = asking.is_proven && asking.issuer.dialect().redirect_uri_implied;
        match request.redirect_uri {
            None if is_implied => {} // F-313
            presented => check_redirect_uri(&code, presented)?,
        }
        pkce::check(code.code_challenge.as_deref(), request.code_verifier)?;
        asking.check_holds(code.approval.bound_to.as_ref())?;
        audience::check_approved(asking.issuer, &code.approval, asking.resource)?;
        if code.redeemed_at.is_some() {
            return Err(self.refuse_replay(asking, &code).await?);
        }
        let now = self.clock.now();
        if now >= code.expires_at {
            return Err(not_found());
        }
        let subject = self.subject_of(&code.approval, not_found).await?;
        self.check_can_issue(asking.issuer, &code.approval)?;
        if !self.keep_client(asking.application).await? {
            return Err(not_found());
        }
        let family = self.begin_family(asking, &code.approval, None);
        let brings = Brought {
            refresh_token: family.as_ref().map(|family| &family.stored),
            joins: code.approval.session_id.map(|session_id| (session_id, asking.application.id)),
        };
        if !self.store.redeem_authorization_code(&hash, now, brings).await? {
            // Somebody was faster, or it ended just now.
            let code = self.store.find_authorization_code(&hash).await?;
            return match code.filter(|code| code.redeemed_at.is_some()) {
                Some(code) => Err(self.refuse_replay(asking, &code).await?),
                None => Err(not_found()),
            };
        }
        Ok(UserGrant {
            grant_type: GrantType::AuthorizationCode,
            approval: code.approval,
            subject: Holder::User(subject),
            refresh_token: family.map(|family| family.new),
            at_most_for: None,
        })
    }

    /// A code that is redeemed twice, correctly both times, was stolen from its client or by it: whatever it gave ends
    /// (RFC 6749 4.1.2, B6).
    async fn refuse_replay(&self, asking: &Asking<'_>, code: &AuthorizationCode) -> Result<OAuthError, OAuthError> {
        Event::CodeReused.tell_of(&code.approval.grant_id.to_string(), &asking.application.client_id);
        self.revoke_grant(asking.issuer, asking.application, code.approval.grant_id).await?;
        Ok(OAuthError { reused: Some(Reused::AuthorizationCode), ..not_found() })
    }
}

/// RFC 6749 4.1.3: the same if one was sent, byte for byte.
fn check_redirect_uri(code: &AuthorizationCode, presented: Option<&str>) -> Result<(), OAuthError> {
    match (code.redirect_uri.as_deref(), presented) {
        (Some(_), None) => Err(missing_redirect_uri()),
        (Some(sent), Some(presented)) if sent == presented => Ok(()),
        (None, None) => Ok(()),
        (Some(_) | None, Some(_)) => {
            let description = "The redirect_uri is not the one that the code was asked for with.";
            Err(OAuthError::invalid_grant(ErrorReason::InvalidRedirectUri, description))
        }
    }
}

fn missing_redirect_uri() -> OAuthError {
    OAuthError::invalid_request(ErrorReason::MissingRedirectUri, "The request has no redirect_uri.")
}

/// One answer for codes that never were, are over, or are spent.
fn not_found() -> OAuthError {
    OAuthError::invalid_grant(ErrorReason::CodeNotFound, "The code is unknown, has expired or was used before.")
}
