//! Token exchange (RFC 8693): a service that was sent a person's token gets another one, with which it calls the next service
//! for that person.
//!
//! Owns whose tokens can be exchanged, and by whom. What the new token is good for is what the service itself was granted on
//! its targets, as with its client credentials.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::client_credentials;
use crate::model::Entity;
use crate::oauth::access_tokens::Believed;
use crate::oauth::audience::AUDIENCE;
use crate::oauth::client::{Client, check_obstacle};
use crate::oauth::error::{ErrorCode, ErrorReason, OAuthError};
use crate::oauth::grant::GrantType;
use crate::oauth::issue::{Delegation, Entitlement};
use crate::oauth::keys::LocalIssuer;
use crate::oauth::parameters::Parameters;
use crate::oauth::{AuthorizationServer, scopes};

/// The type of what is issued (RFC 8693 3).
pub(in crate::oauth) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// Services that act for a person one after the other. Each makes the token larger.
const LONGEST_CHAIN: usize = 8;

pub(super) struct Request<'a> {
    subject_token: &'a str,
    /// In the grammar of `client_credentials`.
    scope: Cow<'a, str>,
}

impl<'a> Request<'a> {
    pub(super) fn parse(form: &'a Parameters<'a>) -> Result<Self, OAuthError> {
        let subject_token = form.find("subject_token").ok_or_else(|| {
            OAuthError::invalid_request(ErrorReason::MissingToken, "The request has no subject_token.")
        })?;
        // Ours are both.
        let is_known = |name: &str| name == ACCESS_TOKEN || name == JWT;
        if !form.find("subject_token_type").is_some_and(is_known) {
            let description =
                "The subject_token_type must be urn:ietf:params:oauth:token-type:access_token, or jwt there.";
            return Err(wrong(description));
        }
        if !form.find("requested_token_type").is_none_or(is_known) {
            let description =
                "The requested_token_type can only be urn:ietf:params:oauth:token-type:access_token, or jwt there.";
            return Err(wrong(description));
        }
        // What is not looked at must not seem to count.
        if form.find("actor_token").is_some() || form.find("actor_token_type").is_some() {
            return Err(wrong("There can be no actor_token: the client itself is who acts."));
        }
        Ok(Self { subject_token, scope: scope(form.find(AUDIENCE), form.find("scope"))? })
    }
}

/// What is asked for, as a scope of `client_credentials`: as it stands or, with an audience, its permissions.
fn scope<'a>(audience: Option<&str>, scope: Option<&'a str>) -> Result<Cow<'a, str>, OAuthError> {
    let Some(target) = audience else {
        let asked = scope.filter(|scope| scopes::words(scope).next().is_some());
        return asked.map(Cow::from).ok_or_else(|| {
            let description =
                "The request says neither which audience the token is for nor target entities in its scope.";
            OAuthError::without_reason(ErrorCode::InvalidTarget, description)
        });
    };
    // Of those characters the scope is made.
    if target.contains([':', ' ']) {
        return Err(client_credentials::unknown_target());
    }
    let permissions: Vec<_> = scopes::words(scope.unwrap_or_default()).collect();
    let prefix = client_credentials::PREFIX;
    Ok(match permissions.is_empty() {
        true => format!("{prefix}{target}"),
        false => format!("{prefix}{target}:{}", permissions.join(",")),
    }
    .into())
}

impl AuthorizationServer {
    /// # Errors
    /// `invalid_request` if the token is not good, not a person's, or not one that this service may exchange (RFC 8693 2.2.2);
    /// `invalid_scope` as for client credentials.
    pub(super) async fn redeem_token_exchange(
        &self,
        issuer: &LocalIssuer,
        actor: &Entity,
        request: &Request<'_>,
    ) -> Result<Entitlement, OAuthError> {
        let believed = self.verify_access_token(issuer, request.subject_token).map_err(|error| {
            OAuthError::invalid_request(error.reason.unwrap_or(ErrorReason::AccessTokenInvalid), error.description)
        })?;
        let delegation = self.delegation(issuer, actor, &believed).await?;
        let targets = client_credentials::Request::of_scope(Some(&request.scope))?;
        let entitlement = self.redeem_client_credentials(actor, targets).await?;
        Ok(Entitlement {
            grant_type: GrantType::TokenExchange,
            subject: delegation.user_id.to_string(),
            delegation: Some(Box::new(delegation)),
            ..entitlement
        })
    }

    /// For whom the service acts.
    async fn delegation(
        &self,
        issuer: &LocalIssuer,
        actor: &Entity,
        believed: &Believed,
    ) -> Result<Delegation, OAuthError> {
        // A service's token says which application the person used.
        let application = believed.text("first_client").or_else(|| believed.text("client_id")).unwrap_or_default();
        let application = match self.find_client(issuer.tenant.id, application).await? {
            Some(Client::Application(application)) => application,
            Some(Client::Entity(_)) | None => return Err(not_of_a_person()),
        };
        if !application.settings.is_active || !application.settings.token_exchange_clients.contains(&actor.client_id) {
            let description = "The application that the subject_token is from does not list this client in its \
                               token_exchange_clients.";
            return Err(wrong(description));
        }
        // The next one exchanges only what was meant for it.
        let previous = believed.claims.get("act");
        if previous.is_some() && !believed.is_for(&actor.id.to_string()) {
            return Err(wrong("The subject_token is for another service."));
        }
        let (Some(user_id), Some(grant_id)) = (believed.user_id(), believed.id("gid")) else {
            return Err(not_of_a_person());
        };
        let user = self.directory.user(user_id).await?.filter(|user| user.tenant_id == issuer.tenant.id);
        check_obstacle(&*user.ok_or_else(not_of_a_person)?, self.clock.now())?;
        Ok(Delegation {
            user_id,
            grant_id,
            session_id: believed.id("sid"),
            first_client: application.client_id.clone(),
            actors: acting(actor, previous)?,
            acr: believed.text("acr").map(str::to_owned),
            methods: believed.claims.get("amr").cloned(),
            authenticated_at: believed.claims.get("auth_time").and_then(Value::as_i64),
            expires_at: believed.expires_at,
        })
    }
}

/// `act`: who acts now, and in it who did before (RFC 8693 4.1).
fn acting(actor: &Entity, previous: Option<&Value>) -> Result<Value, OAuthError> {
    let depth = std::iter::successors(previous, |act| act.get("act")).count();
    if depth >= LONGEST_CHAIN {
        return Err(wrong("Too many services act for each other in the subject_token."));
    }
    let mut acting = json!({ "sub": actor.id });
    if let Some(previous) = previous {
        acting["act"] = previous.clone();
    }
    Ok(acting)
}

fn not_of_a_person() -> OAuthError {
    wrong("The subject_token is not about a person who used an application of this tenant.")
}

fn wrong(description: &'static str) -> OAuthError {
    OAuthError::invalid_request(ErrorReason::Unknown, description)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(audience: Option<&str>, words: Option<&str>) -> Result<String, ErrorCode> {
        scope(audience, words).map(Cow::into_owned).map_err(|error| error.code)
    }

    // RFC 8693 2.1: an audience, a scope, or both
    #[test]
    fn an_audience_and_permissions_are_a_scope() {
        assert_eq!(asked(None, Some("target-entity:a:read")), Ok("target-entity:a:read".to_owned()));
        assert_eq!(asked(Some("a"), None), Ok("target-entity:a".to_owned()));
        assert_eq!(
            asked(Some("a"), Some(" read  scim:user:read")),
            Ok("target-entity:a:read,scim:user:read".to_owned())
        );
        for nothing in [None, Some(""), Some("  ")] {
            assert_eq!(asked(None, nothing), Err(ErrorCode::InvalidTarget));
        }
        // Nothing that is sent as the one can become the other.
        for smuggled in ["a:write", "a target-entity:b", ":"] {
            assert_eq!(asked(Some(smuggled), Some("read")), Err(ErrorCode::InvalidScope), "{smuggled}");
        }
    }
}
