//! What access tokens are to be for (RFC 8707, F-231): an API of the tenant or something that this gateway protects, named by
//! `resource`; or an API named by `audience`, where the dialect says so.
//!
//! Owns finding it, at the request and again at each use of what was approved. What is in a token is up to `issue`. No token
//! is for everybody: one for which nobody named anything is for its client.

use super::error::{ErrorCode, ErrorReason, OAuthError};
use super::keys::LocalIssuer;
use super::parameters::Parameters;
use super::{AuthorizationServer, Settings};
use crate::model::{Api, Approval};

pub(super) const RESOURCE: &str = "resource";
pub(super) const AUDIENCE: &str = "audience";

/// What the tokens of a grant are to be for.
#[derive(Default)]
pub(super) struct Meant<'i> {
    /// `aud`, unless it is the client.
    pub audience: Option<String>,
    /// What is known of it: nothing, if this gateway protects it, for then its route says what it needs.
    pub api: Option<&'i Api>,
}

impl<'i> From<&'i Api> for Meant<'i> {
    fn from(api: &'i Api) -> Self {
        Self { audience: Some(api.identifier.clone()), api: Some(api) }
    }
}

/// What a request names: the `resource`, and the `audience`.
pub(super) fn named<'p>(parameters: &'p Parameters<'_>) -> (Option<&'p str>, Option<&'p str>) {
    (parameters.find(RESOURCE), parameters.find(AUDIENCE))
}

impl AuthorizationServer {
    /// What a request names. A grant is for one API: of several, a client asks for several grants.
    ///
    /// # Errors
    /// `access_denied` if the tenant has no API of that `audience`, `invalid_target` if nobody knows that `resource`.
    pub(super) fn meant<'i>(
        &self,
        issuer: &'i LocalIssuer,
        (resource, audience): (Option<&str>, Option<&str>),
    ) -> Result<Meant<'i>, OAuthError> {
        let by_resource = self.meant_resource(issuer, resource)?;
        let Some(asked) = audience.filter(|_| issuer.dialect().knows_apis) else {
            return Ok(by_resource);
        };
        let api = issuer.tenant.settings.api(asked).ok_or_else(|| {
            let description = "There is no API with this audience.";
            OAuthError::new(ErrorCode::AccessDenied, ErrorReason::Unknown, description)
        })?;
        match by_resource.audience {
            Some(other) if other != api.identifier => Err(invalid_target()),
            Some(_) | None => Ok(api.into()),
        }
    }

    /// What has this URI (RFC 8707 2).
    ///
    /// # Errors
    /// `invalid_target` if nobody knows it.
    fn meant_resource<'i>(&self, issuer: &'i LocalIssuer, resource: Option<&str>) -> Result<Meant<'i>, OAuthError> {
        let Some(uri) = resource.filter(|_| issuer.dialect().knows_resources) else { return Ok(Meant::default()) };
        if !is_absolute(uri) {
            return Err(invalid_target());
        }
        if let Some(api) = issuer.tenant.settings.api(uri) {
            return Ok(api.into());
        }
        match is_protected(self.keys.settings(), uri) {
            true => Ok(Meant { audience: Some(uri.to_owned()), api: None }),
            false => Err(invalid_target()),
        }
    }
}

/// RFC 3986 4.3, and no control or space.
fn is_absolute(uri: &str) -> bool {
    let is_of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let begins_well = uri.split_once(':').is_some_and(|(scheme, rest)| {
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic());
        is_scheme && scheme.bytes().all(is_of_scheme) && !rest.is_empty()
    });
    begins_well && uri.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') && uri.len() <= MOST_URI
}

/// In bytes.
const MOST_URI: usize = 600;

/// Whether it is called as what this gateway protects is called (RFC 9728 1.2).
fn is_protected(settings: &Settings, uri: &str) -> bool {
    let origins = std::iter::once(&settings.public_url).chain(&settings.origins);
    let is_of = |rest: &str| rest.is_empty() || rest.starts_with(['/', '?']);
    origins.into_iter().any(|origin| uri.strip_prefix(origin.as_str()).is_some_and(is_of))
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

impl AuthorizationServer {
    /// The API of an approval as it is now, if it is for one.
    ///
    /// # Errors
    /// `gone` if there is none of that name any more, or it allows no refresh tokens.
    pub(super) fn api_of<'i>(
        &self,
        issuer: &'i LocalIssuer,
        approval: &Approval,
        gone: impl FnOnce() -> OAuthError,
    ) -> Result<Option<&'i Api>, OAuthError> {
        let Some(audience) = &approval.audience else { return Ok(None) };
        match issuer.tenant.settings.api(audience) {
            Some(api) if api.allows_offline_access => Ok(Some(api)),
            None if is_protected(self.keys.settings(), audience) => Ok(None),
            Some(_) | None => Err(gone()),
        }
    }
}
