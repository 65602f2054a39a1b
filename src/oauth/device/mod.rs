//! The device grant (RFC 8628): a device asks, a person elsewhere decides, the device polls.
//!
//! Owns codes, their limits and the person's decision. It does not issue tokens: polling is a grant of the token
//! endpoint, and what a page looks like is up to `web`.
//!
//! Why it is safe enough, and what it is not (RFC 8628 section 5, rule J1): nobody can use it before an administrator
//! gives a client the grant. A code lives for minutes, works once, and is of one client. A guesser has five tries, then
//! ever longer waits. What remains is that somebody starts on their own device and talks a person into entering the
//! code; so the page always shows who asks, from where and for what, asks to compare the code, and denies by default.

mod approve;
mod authorize;
mod limits;
mod lookup;
mod page;
mod qr;
mod user_code;

use std::sync::Arc;

pub use authorize::DeviceAuthorization;
pub(super) use limits::DeviceLimits;
pub(super) use lookup::Typed;
pub use lookup::UserCodeDetails;

use super::client::Client;
use super::client_authentication::Credentials;
use super::error::{ErrorCode, ErrorReason, OAuthError};
use super::keys::LocalIssuer;
use super::parameters::Parameters;
use super::{AuthorizationServer, TokenRequest};
use crate::model::{Application, ApplicationGrant};

impl AuthorizationServer {
    /// The application that proves to be the client of the request.
    async fn device_client(
        &self,
        request: &TokenRequest<'_>,
        form: &Parameters<'_>,
    ) -> Result<(Arc<LocalIssuer>, Arc<Application>), OAuthError> {
        let credentials = Credentials::parse(request, form)?;
        let issuer = self.resolve_tenant(request, form, Some(&credentials.client_id)).await?;
        let client = self.identify_client(&issuer, &credentials, request).await?.require_unless_public()?;
        enabled(client.client).map(|application| (issuer, application))
    }

    /// The application that the request names, whoever sent it.
    async fn named_client(
        &self,
        request: &TokenRequest<'_>,
        form: &Parameters<'_>,
    ) -> Result<(Arc<LocalIssuer>, Arc<Application>), OAuthError> {
        let credentials = Credentials::parse(request, form)?;
        let issuer = self.resolve_tenant(request, form, Some(&credentials.client_id)).await?;
        let client = self.find_client(issuer.tenant.id, &credentials.client_id).await?.ok_or_else(|| {
            OAuthError::invalid_request(ErrorReason::InvalidClientId, "There is no such client.")
        })?;
        enabled(client).map(|application| (issuer, application))
    }
}

/// The grant is off unless somebody turned it on for this client, and entities have no users (J1, F-029).
fn enabled(client: Client) -> Result<Arc<Application>, OAuthError> {
    match client {
        Client::Application(application) if application.allows(ApplicationGrant::DeviceCode) => Ok(application),
        Client::Application(_) | Client::Entity(_) => {
            let description = "This client may not use the device grant.";
            Err(OAuthError::new(ErrorCode::UnauthorizedClient, ErrorReason::GrantTypeDisabled, description))
        }
    }
}
