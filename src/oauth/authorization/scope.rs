//! Which scopes may be asked for here (RFC 6749 section 3.3, CONTRACT D-02). What the words are is in `oauth::scopes`.

use super::Party;
use super::response::ResponseType;
use crate::model::Api;
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
    let mut scopes = scopes::check(&party.application.settings, api, parameters.find("scope"))?;
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
