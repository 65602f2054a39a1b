//! Families of refresh tokens: how one begins, what its policy is, what follows a token, and how it ends (HARDENING C).
//!
//! Owns their text. Whether somebody may have one, and what using one means, is for the grants to say.

use aws_lc_rs::hmac;
use uuid::Uuid;

use super::error::OAuthError;
use super::grant::Asking;
use super::issue::NewRefreshToken;
use super::keys::LocalIssuer;
use super::plain_name::plain_name;
use super::secret_shape::{draw, write};
use super::{AuthorizationServer, scopes};
use crate::model::{
    Application, ApplicationGrant, Approval, ClientSecret, RefreshToken, RefreshTokenPolicy, Revocation, Revoked,
};
use crate::profile::SecretShape;

/// Random bytes of a token: 54 characters (F-094, B9).
const BYTES: usize = 40;

/// Seconds for which a mark is kept at least, should the life of access tokens have been shortened meanwhile.
const MARKED_FOR: i64 = 86_400;

/// What a device may call itself, in characters.
const MAX_DEVICE_NAME: usize = 100;

/// The first token of a family: for the client, and for the store.
pub(super) struct Family {
    pub new: NewRefreshToken,
    pub stored: RefreshToken,
}

impl Family {
    /// The same, but over after at most so many seconds, however often it is used.
    pub(super) fn ending_within(mut self, most: Option<i64>) -> Self {
        if let Some(most) = most {
            let stored = &mut self.stored;
            stored.expires_at = stored.expires_at.min(stored.created_at + most);
            stored.idle_expires_at = stored.idle_expires_at.min(stored.expires_at);
        }
        self
    }
}

impl AuthorizationServer {
    /// The first refresh token of a grant, if the client asked for one and gets them (F-011, F-012, F-092).
    pub(super) fn begin_family(
        &self,
        asking: &Asking<'_>,
        approval: &Approval,
        device_name: Option<String>,
    ) -> Option<Family> {
        let application = asking.application;
        // F-277: some give them to whoever may have them.
        let wanted = (asking.issuer.dialect().refreshes_always || approval.has_scope(scopes::OFFLINE_ACCESS))
            && application.settings.generates_refresh_tokens
            && application.allows(ApplicationGrant::RefreshToken);
        wanted.then(|| self.family_of(asking, approval, device_name))
    }

    /// The first refresh token of a grant that brings one whatever its scopes are.
    pub(super) fn family_of(&self, asking: &Asking<'_>, approval: &Approval, device_name: Option<String>) -> Family {
        let now = self.clock.now();
        let policy = self.refresh_token_policy(asking.issuer, asking.application);
        let expires_at = now + policy.absolute_for;
        let shape = asking.issuer.dialect().secret_shape;
        let new = NewRefreshToken { id: self.entropy.uuid(), text: draw(shape, &self.entropy, BYTES) };
        let stored = RefreshToken {
            id: new.id,
            hash: ClientSecret::hash(&new.text),
            approval: Approval { bound_to: asking.binds(), ..approval.clone() },
            created_at: now,
            last_used_at: now,
            expires_at,
            idle_expires_at: policy.idle_for.map_or(expires_at, |idle_for| now + idle_for),
            rotated_at: None,
            revoked_at: None,
            device_name,
        };
        Family { new, stored }
    }

    pub(super) fn refresh_token_policy<'a>(
        &self,
        issuer: &'a LocalIssuer,
        application: &'a Application,
    ) -> &'a RefreshTokenPolicy {
        application.settings.refresh_tokens.as_ref().unwrap_or(&issuer.tenant.settings.refresh_tokens)
    }

    /// What follows a token is a function of it, so that every node gives the same successor to everybody who presents
    /// it (C6), and nothing has to be stored in clear for that. Without our key nobody can compute it.
    pub(super) fn successor_of(&self, presented: &str, shape: SecretShape) -> String {
        let code = hmac::sign(&self.succession, presented.as_bytes());
        write(shape, code.as_ref(), BYTES)
    }

    /// Ends a grant: its refresh tokens, and at once its access tokens on every node.
    ///
    /// # Errors
    /// `temporarily_unavailable` if the store does not answer; nothing is revoked then.
    pub(super) async fn revoke_grant(
        &self,
        issuer: &LocalIssuer,
        application: &Application,
        grant_id: Uuid,
    ) -> Result<(), OAuthError> {
        let lives_for = application.settings.access_token_for.unwrap_or(issuer.tenant.access_token_for);
        self.revoke(Revoked::Grant(grant_id), lives_for.max(MARKED_FOR)).await
    }

    /// Marks something as revoked for `marked_for` seconds.
    ///
    /// # Errors
    /// As [`AuthorizationServer::revoke_grant`].
    pub(super) async fn revoke(&self, revoked: Revoked, marked_for: i64) -> Result<(), OAuthError> {
        let now = self.clock.now();
        let revocation = Revocation { revoked, revoked_at: now, expires_at: now + marked_for };
        self.store.revoke(&revocation).await?;
        self.revocations.add(&revocation);
        Ok(())
    }
}

/// What a device calls itself, without what could do anything in a terminal or on a page.
pub(super) fn device_name(text: &str) -> String {
    plain_name(text, MAX_DEVICE_NAME)
}
