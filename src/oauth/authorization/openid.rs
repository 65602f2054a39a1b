//! The parameters of OpenID Connect (Core 3.1.2.1, 3.2.2.1, 5.5): nonce, claims, and whom the client expects.

use serde_json::Value;
use uuid::Uuid;

use super::Party;
use super::response::ResponseType;
use crate::model::User;
use crate::oauth::AuthorizationServer;
use crate::oauth::error::{ErrorReason, OAuthError};
use crate::oauth::parameters::Parameters;
use crate::oauth::session::SignedIn;
use crate::store;

/// Rule N6; FAPI wants long states, nobody long nonces.
const MOST_STATE: usize = 4096;
const MOST_NONCE: usize = 512;
const MOST_CLAIMS: usize = 4096;

pub(super) fn check_sizes(parameters: &Parameters<'_>) -> Result<(), OAuthError> {
    let limits = [
        ("state", MOST_STATE, "The state is too long."),
        ("nonce", MOST_NONCE, "The nonce is too long."),
        ("claims", MOST_CLAIMS, "The claims parameter is too long."),
    ];
    let is_long = |name: &str, most: usize| parameters.find(name).is_some_and(|value| value.len() > most);
    match limits.into_iter().find(|(name, most, _)| is_long(name, *most)) {
        Some((_, _, description)) => Err(OAuthError::invalid_request(ErrorReason::Unknown, description)),
        None => Ok(()),
    }
}

/// What every answer says again. One that is refused for its length is not sent around either.
pub(super) fn state_of(parameters: &Parameters<'_>) -> Option<String> {
    parameters.find("state").filter(|state| state.len() <= MOST_STATE).map(str::to_owned)
}

/// Whoever gets an ID token through the browser must be able to see that it was for this request (Core 3.2.2.1, 3.3.2.11).
pub(super) fn check_nonce(parameters: &Parameters<'_>, asked: ResponseType) -> Result<Option<String>, OAuthError> {
    let nonce = parameters.find("nonce");
    if nonce.is_none() && asked.id_token {
        let description = "The request has no nonce, which this response_type needs.";
        return Err(OAuthError::invalid_request(ErrorReason::Unknown, description));
    }
    Ok(nonce.map(str::to_owned))
}

/// A JSON object, or nothing.
pub(super) fn check_claims(parameters: &Parameters<'_>) -> Result<Option<Value>, OAuthError> {
    let Some(text) = parameters.find("claims") else { return Ok(None) };
    let claims: Option<Value> = serde_json::from_str(text).ok();
    let is_request = |claims: &Value| {
        let places = ["id_token", "userinfo"].map(|place| claims.get(place));
        claims.is_object() && places.into_iter().flatten().all(|place| place.is_object() || place.is_null())
    };
    match claims.filter(is_request) {
        Some(claims) => Ok(Some(claims)),
        None => Err(OAuthError::invalid_request(ErrorReason::Unknown, "The claims parameter is not a claims request.")),
    }
}

/// The one user that the client will have: from the hint, or by `sub` in the claims request (Core 5.5.1).
pub(super) fn expected_user(hint: Option<Uuid>, claims: Option<&Value>) -> Result<Option<Uuid>, OAuthError> {
    let sub = |place: &str| claims?.get(place)?.get("sub")?.get("value")?.as_str().map(Uuid::try_parse);
    let mut expected = hint;
    for asked in ["id_token", "userinfo"].into_iter().filter_map(sub) {
        // What is no id of ours is nobody.
        let asked = asked.unwrap_or_default();
        if expected.is_some_and(|expected| expected != asked) {
            return Err(super::login_required());
        }
        expected = Some(asked);
    }
    Ok(expected)
}

pub(super) fn check_user(expected: Option<Uuid>, person: &SignedIn) -> Result<(), OAuthError> {
    match expected.is_none_or(|expected| expected == person.user.id) {
        true => Ok(()),
        false => Err(super::login_required()),
    }
}

impl AuthorizationServer {
    /// The user of an ID token that we gave to this client, however old (Core 3.1.2.1).
    pub(super) fn check_id_token_hint(
        &self,
        parameters: &Parameters<'_>,
        party: &Party,
    ) -> Result<Option<Uuid>, OAuthError> {
        let Some(hint) = parameters.find("id_token_hint") else { return Ok(None) };
        let hinted = party.issuer.read_hint(hint).ok().filter(|hinted| hinted.is_for(&party.application.client_id));
        match hinted {
            Some(hinted) => Ok(Some(hinted.user_id)),
            None => Err(OAuthError::invalid_request(
                ErrorReason::InvalidIdTokenHint,
                "The id_token_hint is not an ID token of this issuer for this client.",
            )),
        }
    }

    /// What the expected user would type, to save them the typing.
    pub(super) async fn login_of(&self, user_id: Option<Uuid>) -> store::Result<Option<String>> {
        let Some(user_id) = user_id else { return Ok(None) };
        let user: Option<User> = self.store.find_user(user_id).await?;
        Ok(user.and_then(|user| user.email.or(user.username)))
    }
}
