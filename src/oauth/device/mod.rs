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

pub use approve::DeviceApproved;
pub use authorize::DeviceAuthorization;
pub(super) use limits::DeviceLimits;
pub(super) use lookup::Typed;
pub use lookup::UserCodeDetails;

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
        let (issuer, application) = self.authenticate_application(request, form).await?;
        check_enabled(&application)?;
        Ok((issuer, application))
    }

    /// The application that the request names, whoever sent it.
    async fn named_client(
        &self,
        request: &TokenRequest<'_>,
        form: &Parameters<'_>,
    ) -> Result<(Arc<LocalIssuer>, Arc<Application>), OAuthError> {
        let (issuer, application) = self.find_application(request, form).await?;
        check_enabled(&application)?;
        Ok((issuer, application))
    }
}

/// The grant is off unless somebody turned it on for this client (J1, F-029).
fn check_enabled(application: &Application) -> Result<(), OAuthError> {
    if application.allows(ApplicationGrant::DeviceCode) {
        return Ok(());
    }
    let description = "This client may not use the device grant.";
    Err(OAuthError::new(ErrorCode::UnauthorizedClient, ErrorReason::GrantTypeDisabled, description))
}
