//! Request objects and registration in the request (OpenID Connect Core 6 and 7.2.1): refused with the errors that the
//! specification names for it, which clients know how to read.

use crate::oauth::error::{ErrorCode, ErrorReason, OAuthError};
use crate::oauth::parameters::Parameters;

pub(super) fn check(parameters: &Parameters<'_>) -> Result<(), OAuthError> {
    let refused = [
        ("request", ErrorCode::RequestNotSupported, "The request parameter is not supported."),
        ("request_uri", ErrorCode::RequestUriNotSupported, "The request_uri parameter is not supported."),
        ("registration", ErrorCode::RegistrationNotSupported, "The registration parameter is not supported."),
    ];
    match refused.into_iter().find(|(name, _, _)| parameters.find(name).is_some()) {
        Some((_, code, description)) => Err(OAuthError::new(code, ErrorReason::Unknown, description)),
        None => Ok(()),
    }
}
