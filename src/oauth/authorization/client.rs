//! Which client asks, and may the answer go where it says? (RFC 6749 3.1.2, rules A1, A2, F-022 to F-025)
//!
//! Owns the checks whose failure no client is told of. How URLs are compared is `directory`'s.

use std::sync::Arc;

use crate::directory::redirect_uri;
use crate::model::Application;
use crate::oauth::AuthorizationServer;
use crate::oauth::client::Client;
use crate::oauth::error::{ErrorCode, ErrorReason, OAuthError};
use crate::oauth::interaction::BrowserRequest;
use crate::oauth::keys::LocalIssuer;
use crate::oauth::parameters::Parameters;

impl AuthorizationServer {
    /// The application that `client_id` names.
    pub(super) async fn known_client(
        &self,
        issuer: &LocalIssuer,
        parameters: &Parameters<'_>,
    ) -> Result<Arc<Application>, OAuthError> {
        let client_id = parameters.find("client_id").ok_or_else(|| {
            OAuthError::invalid_request(ErrorReason::MissingClientId, "The request has no client_id.")
        })?;
        match self.find_client(issuer.tenant.id, client_id).await? {
            Some(Client::Application(application)) => Ok(application),
            // Nobody logs in to an entity (F-180).
            Some(Client::Entity(_)) | None => {
                Err(OAuthError::invalid_request(ErrorReason::InvalidClientId, "There is no such client."))
            }
        }
    }
}

/// The redirect URI as it was sent. It must be there, and registered.
pub(super) fn check_redirect_uri(application: &Application, parameters: &Parameters<'_>) -> Result<String, OAuthError> {
    let uri = parameters.find("redirect_uri").ok_or_else(|| {
        OAuthError::invalid_request(ErrorReason::MissingRedirectUri, "The request has no redirect_uri.")
    })?;
    if redirect_uri::matches(&application.settings, uri) {
        return Ok(uri.to_owned());
    }
    // For the operator: the person cannot help it, and nobody else may know what is registered (UX 21).
    tracing::warn!(
        client.id = application.client_id,
        redirect_uri.received = uri.chars().take(200).collect::<String>(),
        redirect_uri.registered = ?application.settings.redirect_uris,
        "An authorization request names a redirect URI that is not registered."
    );
    Err(OAuthError::invalid_request(
        ErrorReason::InvalidRedirectUri,
        "The redirect_uri is not one that is registered for this client.",
    ))
}

/// The origin that may show the pages in a frame, if the request comes from one that was configured.
pub(super) fn check_origin(
    application: &Application,
    request: &BrowserRequest<'_>,
) -> Result<Option<String>, OAuthError> {
    let settings = &application.settings;
    let Some(origin) = request.origin else { return Ok(None) };
    if !redirect_uri::origin_allowed(settings, origin) {
        let reason = if origin == "null" { ErrorReason::InvalidOriginOpaque } else { ErrorReason::InvalidOrigin };
        let description = "The request comes from an origin that this client does not allow.";
        return Err(OAuthError::new(ErrorCode::InvalidRequest, reason, description));
    }
    Ok(redirect_uri::is_configured_origin(settings, origin).then(|| origin.to_owned()))
}
