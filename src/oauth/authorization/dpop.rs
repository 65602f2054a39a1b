//! Codes that are bound to a key (RFC 9449 section 10, rule H5). The proof of the key comes to the token endpoint.

use super::response::ResponseType;
use crate::model::{Application, Confirmation};
use crate::oauth::error::{ErrorCode, ErrorReason, OAuthError};
use crate::oauth::parameters::Parameters;

/// The key that the code shall be bound to, if the client names one.
pub(super) fn check(
    parameters: &Parameters<'_>,
    asked: ResponseType,
    application: &Application,
) -> Result<Option<Confirmation>, OAuthError> {
    let settings = &application.settings;
    if asked.token && (settings.dpop_bound_access_tokens || settings.certificate_bound_access_tokens) {
        let description = "The client's access tokens are bound to it: they come from the token endpoint only.";
        return Err(OAuthError::new(ErrorCode::UnauthorizedClient, ErrorReason::GrantTypeDisabled, description));
    }
    let Some(thumbprint) = parameters.find("dpop_jkt") else { return Ok(None) };
    // SHA-256 in base64url (RFC 7638 3).
    let is_digest = thumbprint.len() == 43
        && thumbprint.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    match is_digest {
        true => Ok(Some(Confirmation { key: Some(thumbprint.to_owned()), certificate: None })),
        false => {
            let description = "The dpop_jkt is not a SHA-256 thumbprint in base64url.";
            Err(OAuthError::invalid_request(ErrorReason::Unknown, description))
        }
    }
}
