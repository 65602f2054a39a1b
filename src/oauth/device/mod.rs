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
mod picture;
mod user_code;

pub use approve::DeviceApproved;
pub use authorize::DeviceAuthorization;
pub(super) use authorize::tell_refusal;
pub(super) use limits::DeviceLimits;
pub(super) use lookup::Typed;
pub use lookup::UserCodeDetails;
pub(super) use page::{CONFIRMED, confirmation};
pub(super) use picture::svg;

use super::error::{ErrorCode, ErrorReason, OAuthError};
use crate::model::{Application, ApplicationGrant, ApplicationSettings, UnknownScopes};

/// F-245, D22: where devices cannot keep secrets, a client that has one is none.
pub(super) fn confidential() -> OAuthError {
    let description = "Clients that authenticate may not use the device grant.";
    OAuthError::new(ErrorCode::UnauthorizedClient, ErrorReason::GrantTypeDisabled, description)
}

/// The scopes that a device may ask for (J9). What it asks for beyond them goes the way of unknown ones.
///
/// # Errors
/// `invalid_scope` unless those are removed.
fn check_limits(settings: &ApplicationSettings, scopes: Vec<String>) -> Result<Vec<String>, OAuthError> {
    let limits = &settings.device_grant;
    let removes = match settings.unknown_scopes {
        UnknownScopes::Remove => true,
        UnknownScopes::Allow | UnknownScopes::Reject => false,
    };
    if !removes && !scopes.iter().all(|scope| limits.allow(scope)) {
        let description = "The scope has a value that devices of the client may not ask for.";
        return Err(OAuthError::invalid_scope(ErrorReason::UnknownScope, description));
    }
    Ok(scopes.into_iter().filter(|scope| limits.allow(scope)).collect())
}

/// The grant is off unless somebody turned it on for this client (J1, F-029).
fn check_enabled(application: &Application) -> Result<(), OAuthError> {
    if application.allows(ApplicationGrant::DeviceCode) {
        return Ok(());
    }
    let description = "This client may not use the device grant.";
    Err(OAuthError::new(ErrorCode::UnauthorizedClient, ErrorReason::GrantTypeDisabled, description))
}
