//! Revocation (RFC 7009): a client gives back what it no longer needs.
//!
//! Owns what ends with what. A token that is unknown, over or somebody else's is answered like one that was revoked (I7).

use super::client_authentication::{Authenticated, Credentials};
use super::error::{ErrorReason, OAuthError};
use super::keys::LocalIssuer;
use super::parameters::Parameters;
use super::{AuthorizationServer, TokenRequest};
use crate::events::Event;
use crate::model::Revoked;

impl AuthorizationServer {
    /// # Errors
    /// `invalid_client`, `invalid_request` without a token, `temporarily_unavailable` if the store does not answer: the
    /// token is still good then (I9).
    pub async fn revoke_token(&self, request: &TokenRequest<'_>) -> Result<(), OAuthError> {
        let form = Parameters::parse(request.body)?;
        let credentials = Credentials::parse(request, &form)?;
        let issuer = self.resolve_tenant(request, &form, Some(&credentials.client_id)).await?;
        let answer = self.revoke_token_of(&issuer, &credentials, (request, &form)).await;
        answer.map_err(|error| error.said_in(issuer.dialect()))
    }

    async fn revoke_token_of(
        &self,
        issuer: &LocalIssuer,
        credentials: &Credentials<'_>,
        (request, form): (&TokenRequest<'_>, &Parameters<'_>),
    ) -> Result<(), OAuthError> {
        let Authenticated { client, .. } =
            self.identify_client(issuer, credentials, request).await?.require_unless_public()?;
        let token = form
            .find("token")
            .ok_or_else(|| OAuthError::invalid_request(ErrorReason::MissingToken, "The request has no token."))?;
        if token.contains('.') {
            let Ok(believed) = self.verify_access_token(issuer, token) else { return Ok(()) };
            let own = believed.text("client_id") == Some(client.client_id());
            if let Some(id) = believed.text("jti").filter(|_| own) {
                self.revoke(Revoked::Token(id.to_owned()), believed.expires_at - self.clock.now()).await?;
                Event::TokenRevoked.tell_of(id, client.client_id());
            }
            return Ok(());
        }
        let found = self.find_refresh_token(issuer, token).await?;
        if let Some((stored, _)) = found.filter(|(_, client_id)| client_id == client.client_id()) {
            // RFC 7009 2.1, I8: the grant, and so its access tokens.
            let application = self.directory.application(stored.approval.application_id).await?;
            if let Some(application) = application.filter(|_| stored.revoked_at.is_none()) {
                self.revoke_grant(issuer, &application, stored.approval.grant_id).await?;
                Event::TokenRevoked.tell_of(&stored.approval.grant_id.to_string(), client.client_id());
            }
        }
        Ok(())
    }
}
