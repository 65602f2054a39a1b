//! What access tokens are to be for (RFC 8707, F-231): an API of the tenant, named by `resource`, or by `audience` where the
//! dialect says so.
//!
//! Owns finding it, at the request and again at each use of what was approved. What is in a token is up to `issue`. No token
//! is for everybody: one for which nobody named an API is for its client.

use super::error::{ErrorCode, ErrorReason, OAuthError};
use super::keys::LocalIssuer;
use super::parameters::Parameters;
use crate::model::{Api, Approval};

pub(super) const RESOURCE: &str = "resource";

/// The API that a request names; `None` without one, and where the parameters mean nothing. A grant is for one API: of
/// several, a client asks for several grants.
///
/// # Errors
/// `access_denied` if the tenant has no API of that `audience`, `invalid_target` if it has none of that `resource`.
pub(super) fn find<'i>(issuer: &'i LocalIssuer, parameters: &Parameters<'_>) -> Result<Option<&'i Api>, OAuthError> {
    let by_audience = match parameters.find("audience").filter(|_| issuer.dialect().knows_apis) {
        Some(asked) => Some(issuer.tenant.settings.api(asked).ok_or_else(|| {
            let description = "There is no API with this audience.";
            OAuthError::new(ErrorCode::AccessDenied, ErrorReason::Unknown, description)
        })?),
        None => None,
    };
    let by_resource = find_resource(issuer, parameters.find(RESOURCE))?;
    match (by_audience, by_resource) {
        (Some(one), Some(other)) if one.identifier != other.identifier => Err(invalid_target()),
        (one, other) => Ok(one.or(other)),
    }
}

/// The API with this URI (RFC 8707 2).
///
/// # Errors
/// `invalid_target` if the tenant has none.
pub(super) fn find_resource<'i>(
    issuer: &'i LocalIssuer,
    resource: Option<&str>,
) -> Result<Option<&'i Api>, OAuthError> {
    let Some(uri) = resource.filter(|_| issuer.dialect().knows_resources) else { return Ok(None) };
    // RFC 3986 4.3: absolute, and without a fragment.
    let is_absolute = uri.split_once(':').is_some_and(|(scheme, rest)| {
        let is_of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(is_of_scheme)
            && !rest.is_empty()
    });
    let found = issuer.tenant.settings.api(uri).filter(|_| is_absolute && !uri.contains('#'));
    found.map(Some).ok_or_else(invalid_target)
}

/// RFC 8707 2.2: a token request may name again what was approved, and nothing else.
///
/// # Errors
/// `invalid_target` for anything else.
pub(super) fn check_approved(
    issuer: &LocalIssuer,
    approval: &Approval,
    resource: Option<&str>,
) -> Result<(), OAuthError> {
    match resource.filter(|_| issuer.dialect().knows_resources) {
        Some(named) if approval.audience.as_deref() != Some(named) => Err(invalid_target()),
        Some(_) | None => Ok(()),
    }
}

pub(super) fn invalid_target() -> OAuthError {
    let description = "The resource is unknown, or not what was approved.";
    OAuthError::without_reason(ErrorCode::InvalidTarget, description)
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
