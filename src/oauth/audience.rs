//! Which API access tokens are to be for (F-231): what the parameter `audience` names, where the dialect knows APIs.
//!
//! Owns finding it, at the request and again at each refresh. What is in a token is up to `issue`.

use super::error::{ErrorCode, ErrorReason, OAuthError};
use super::keys::LocalIssuer;
use super::parameters::Parameters;
use crate::model::{Api, Approval};

/// The API that a request names; `None` without one, and where the parameter means nothing.
///
/// # Errors
/// `access_denied` if the tenant has no such API.
pub(super) fn find<'i>(issuer: &'i LocalIssuer, parameters: &Parameters<'_>) -> Result<Option<&'i Api>, OAuthError> {
    let Some(asked) = parameters.find("audience").filter(|_| issuer.dialect().knows_apis) else { return Ok(None) };
    let api = issuer.tenant.settings.api(asked).ok_or_else(|| {
        let description = "There is no API with this audience.";
        OAuthError::new(ErrorCode::AccessDenied, ErrorReason::Unknown, description)
    })?;
    Ok(Some(api))
}

/// The API of an approval as it is now.
///
/// # Errors
/// `gone` if there is none of that name any more, or it allows no refresh tokens.
pub(super) fn of_approval<'i>(
    issuer: &'i LocalIssuer,
    approval: &Approval,
    gone: impl FnOnce() -> OAuthError,
) -> Result<Option<&'i Api>, OAuthError> {
    let Some(audience) = &approval.audience else { return Ok(None) };
    let api = issuer.tenant.settings.api(audience).filter(|api| api.allows_offline_access);
    api.map(Some).ok_or_else(gone)
}
