//! Which scopes may be asked for here (RFC 6749 section 3.3, CONTRACT D-02). What the words are is in `oauth::scopes`.

use super::Party;
use super::response::ResponseType;
use crate::model::{Api, ApplicationGrant, ApplicationSettings};
use crate::oauth::error::{ErrorReason, OAuthError};
use crate::oauth::parameters::Parameters;
use crate::oauth::scopes;
use crate::profile::Dialect;

/// The scopes in the order asked for.
///
/// # Errors
/// `invalid_scope`; or `invalid_request` if an ID token is asked for without `openid`.
pub(super) fn check(
    parameters: &Parameters<'_>,
    asked: ResponseType,
    party: &Party,
    api: Option<&Api>,
) -> Result<Vec<String>, OAuthError> {
    let settings = &party.application.settings;
    let asked_for = scopes::narrowed(party.issuer.dialect(), settings, parameters.find("scope"))?;
    let mut scopes = scopes::check(settings, api, asked_for.as_deref())?;
    if refreshes_unasked(settings, api, &scopes) {
        scopes.push(scopes::OFFLINE_ACCESS.to_owned());
    }
    // Core 11: without a code there is nothing to refresh with. F-049: the old dialect wants to know the device.
    let needs_device = Dialect::of(party.issuer.tenant.profile).needs_device;
    if !asked.code || (needs_device && parameters.find("device").is_none()) {
        scopes.retain(|scope| scope != scopes::OFFLINE_ACCESS);
    }
    // Core 3.1.2.1: only `openid` makes it a request for an ID token.
    if asked.id_token && !scopes.iter().any(|scope| scope == scopes::OPENID) {
        let description = "The response_type id_token needs the scope openid.";
        return Err(OAuthError::invalid_scope(ErrorReason::MissingRequiredScope, description));
    }
    Ok(scopes)
}

/// A client of plain OAuth 2.0 that registered itself knows no scope for refresh tokens: it named the grant (RFC 7591 2). The
/// person is told of it as if it had asked.
fn refreshes_unasked(settings: &ApplicationSettings, api: Option<&Api>, scopes: &[String]) -> bool {
    settings.self_registered.is_some()
        && settings.grants.contains(&ApplicationGrant::RefreshToken)
        && api.is_none_or(|api| api.allows_offline_access)
        && !scopes.iter().any(|scope| [scopes::OPENID, scopes::OFFLINE_ACCESS].contains(&scope.as_str()))
}
