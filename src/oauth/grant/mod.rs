//! The token endpoint. The steps that every grant shares are here, so that no grant can forget one.
//!
//! Owns their order; what is special about a grant is in its file.

mod authorization_code;
mod client_credentials;
mod device_code;
mod own_credentials;
pub(super) mod password;
mod pkce;
pub(super) mod refresh_token;
pub(super) mod token_exchange;

#[cfg(any(test, feature = "fuzzing"))]
pub(super) use client_credentials::written_anew;

use std::net::IpAddr;
use std::sync::Arc;

use super::audience::{self, RESOURCE};
use super::client::Client;
use super::client_authentication::{Authenticated, Credentials};
use super::device::tell_refusal;
use super::error::{ErrorCode, ErrorReason, OAuthError};
use super::issue::{Entitlement, Proof, TokenResponse};
use super::keys::LocalIssuer;
use super::parameters::Parameters;
use super::{AuthorizationServer, TokenRequest, consumer, possession};
use crate::events::{self, Event};
use crate::model::{Application, ApplicationGrant, Confirmation, Entity};
use crate::profile::{Dialect, Endpoint};

pub use client_credentials::{Granted, granted_now};

/// The grant types that exist. Metadata lists those that somebody may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GrantType {
    AuthorizationCode,
    ClientCredentials,
    DeviceCode,
    Password,
    RefreshToken,
    TokenExchange,
}

impl GrantType {
    pub const ALL: [Self; 6] = [
        Self::AuthorizationCode,
        Self::ClientCredentials,
        Self::DeviceCode,
        Self::Password,
        Self::RefreshToken,
        Self::TokenExchange,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::ClientCredentials => "client_credentials",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            Self::Password => "password",
            Self::RefreshToken => "refresh_token",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
        }
    }

    /// What an application must have been given. `None`: entities only (F-180), if the dialect does not say otherwise.
    pub(super) fn of_application(self) -> Option<ApplicationGrant> {
        match self {
            Self::AuthorizationCode => Some(ApplicationGrant::AuthorizationCode),
            Self::ClientCredentials | Self::TokenExchange => None,
            Self::DeviceCode => Some(ApplicationGrant::DeviceCode),
            Self::Password => Some(ApplicationGrant::Password),
            Self::RefreshToken => Some(ApplicationGrant::RefreshToken),
        }
    }

    fn find(form: &Parameters<'_>) -> Result<Self, OAuthError> {
        let name = form.find("grant_type").ok_or_else(|| {
            OAuthError::invalid_request(ErrorReason::MissingGrantType, "The request has no grant_type.")
        })?;
        Self::ALL.into_iter().find(|grant_type| grant_type.as_str() == name).ok_or_else(|| {
            let description = "This grant_type is not supported.";
            OAuthError::new(ErrorCode::UnsupportedGrantType, ErrorReason::InvalidGrantType, description)
        })
    }
}

/// An application that may use the grant that it asks for.
pub(super) struct Asking<'a> {
    pub issuer: &'a LocalIssuer,
    pub application: &'a Arc<Application>,
    /// Whether the client authenticated.
    pub is_proven: bool,
    pub peer: Option<IpAddr>,
    /// What the token shall be for, as the client says (RFC 8707 2.2).
    pub resource: Option<&'a str>,
    /// What it proved that it has, beside what it authenticates with.
    pub confirmation: Option<&'a Confirmation>,
}

impl Asking<'_> {
    /// What the refresh tokens of this grant are bound to: those of clients that authenticate are bound to that already
    /// (RFC 9449 5, rule H6).
    pub(super) fn binds(&self) -> Option<Confirmation> {
        self.confirmation.filter(|_| !self.is_proven).cloned()
    }

    /// # Errors
    /// `invalid_grant` unless the client proved that it has what the grant is bound to (rules H5, H6).
    pub(super) fn check_holds(&self, bound_to: Option<&Confirmation>) -> Result<(), OAuthError> {
        let holds = match (bound_to, self.confirmation) {
            (None, _) => true,
            (Some(bound_to), Some(shown)) => shown.covers(bound_to),
            (Some(_), None) => false,
        };
        if holds { Ok(()) } else { Err(possession::other_key()) }
    }
}

impl AuthorizationServer {
    /// RFC 6749 section 3.2.
    ///
    /// # Errors
    /// The [`OAuthError`] that the client is to be told.
    pub async fn token(&self, request: &TokenRequest<'_>) -> Result<TokenResponse, OAuthError> {
        let form = Parameters::parse(request.body)?;
        // 1. Who is asking?
        let credentials = Credentials::parse(request, &form)?;
        let issuer = self.resolve_tenant(request, &form, Some(&credentials.client_id)).await?;
        let answer = self.token_of(&issuer, &credentials, (request, &form)).await;
        answer.map_err(|error| error.said_in(issuer.dialect()))
    }

    async fn token_of(
        &self,
        issuer: &LocalIssuer,
        credentials: &Credentials<'_>,
        (request, form): (&TokenRequest<'_>, &Parameters<'_>),
    ) -> Result<TokenResponse, OAuthError> {
        if let Some(response) = self.person_as_client(issuer, credentials, (request, form)).await? {
            return Ok(response);
        }
        let identified = self.identify_client(issuer, credentials, request).await?;
        // 2. What for, and is who they are certain enough for that?
        let grant_type = GrantType::find(form)?;
        let uses_pkce = grant_type == GrantType::AuthorizationCode && form.find("code_verifier").is_some();
        let client = identified.require(uses_pkce)?;
        // 3. May this client use the grant?
        check_allowed(&client, grant_type, issuer.dialect())?;
        // 4. What does it have?
        let demands = possession::Demands::of(&client.client);
        if let Client::Application(application) = &client.client
            && !client.is_proven()
        {
            self.check_proofs_of(application, request)?;
        }
        let confirmation = self.confirm(issuer, Endpoint::Token, (&request.sender, demands)).await?;
        // 5. What does the grant entitle to?
        let proof = match &client.client {
            Client::Entity(entity) => {
                // The scope of an entity says what its token is for.
                let (resource, audience) = audience::named(form);
                let audience = audience.filter(|_| grant_type == GrantType::ClientCredentials);
                if self.meant(issuer, (resource, audience))?.audience.is_some() {
                    return Err(audience::invalid_target());
                }
                Proof::Entity(self.redeem_of_entity(issuer, entity, (grant_type, form)).await?)
            }
            Client::Application(application) => {
                let asking = Asking {
                    issuer,
                    application,
                    is_proven: client.is_proven(),
                    peer: request.peer,
                    resource: form.find(RESOURCE),
                    confirmation: confirmation.as_ref(),
                };
                let outcome = self.redeem(grant_type, &asking, form).await;
                let outcome = outcome.inspect_err(|error| tell_lost_device(&asking, grant_type, error));
                outcome.inspect_err(|error| tell_debugger(application, grant_type, error))?
            }
        };
        // 6. The tokens.
        let response = self.issue(issuer, &proof, confirmation.as_ref())?;
        tell(&proof, client.client.client_id(), issuer.dialect());
        Ok(TokenResponse { dpop_nonce: demands.nonce.then(|| self.dpop_nonce()), ..response })
    }

    async fn redeem_of_entity(
        &self,
        issuer: &LocalIssuer,
        entity: &Entity,
        (grant_type, form): (GrantType, &Parameters<'_>),
    ) -> Result<Entitlement, OAuthError> {
        match grant_type {
            GrantType::ClientCredentials => {
                let request = client_credentials::Request::parse(form)?;
                self.redeem_client_credentials(entity, request).await
            }
            GrantType::TokenExchange => {
                let request = token_exchange::Request::parse(form)?;
                self.redeem_token_exchange(issuer, entity, &request).await
            }
            GrantType::AuthorizationCode | GrantType::DeviceCode | GrantType::Password | GrantType::RefreshToken => {
                Err(disabled())
            }
        }
    }

    async fn redeem(
        &self,
        grant_type: GrantType,
        asking: &Asking<'_>,
        form: &Parameters<'_>,
    ) -> Result<Proof, OAuthError> {
        let grant = match grant_type {
            GrantType::AuthorizationCode => {
                let request = authorization_code::Request::parse(asking, form)?;
                self.redeem_authorization_code(asking, &request).await?
            }
            GrantType::DeviceCode => {
                let request = device_code::Request::parse(form)?;
                self.redeem_device_code(asking, &request).await?
            }
            GrantType::RefreshToken => {
                let request = refresh_token::Request::parse(form)?;
                self.redeem_refresh_token(asking, &request).await?
            }
            GrantType::Password => {
                let request = password::Request::parse(form)?;
                self.redeem_password(asking, &request).await?
            }
            // An entity's goes another way; this was checked before.
            GrantType::ClientCredentials => {
                let request = own_credentials::Request::parse(form);
                self.redeem_own_credentials(asking, &request).await?
            }
            GrantType::TokenExchange => return Err(disabled()),
        };
        Ok(Proof::User(Box::new(consumer::limited(asking.issuer, &asking.application.client_id, grant))))
    }
}

/// F-030, F-180, D10
fn check_allowed(client: &Authenticated, grant_type: GrantType, dialect: &Dialect) -> Result<(), OAuthError> {
    let allowed = match (&client.client, grant_type.of_application()) {
        (Client::Entity(_), _) => matches!(grant_type, GrantType::ClientCredentials | GrantType::TokenExchange),
        (Client::Application(application), Some(grant)) => application.allows(grant),
        // Only entities are granted anything on others.
        (Client::Application(_), None) if grant_type == GrantType::TokenExchange => false,
        // D27: a name that anybody could say is not enough.
        (Client::Application(_), None) => dialect.own_tokens.is_some() && client.is_proven(),
    };
    if allowed { Ok(()) } else { Err(disabled()) }
}

fn disabled() -> OAuthError {
    let description = "The client may not use this grant_type.";
    OAuthError::new(ErrorCode::UnauthorizedClient, ErrorReason::GrantTypeDisabled, description)
}

pub(super) fn tell(proof: &Proof, client_id: &str, dialect: &Dialect) {
    match proof {
        Proof::Entity(entitlement) => match &entitlement.delegation {
            Some(delegation) => Event::TokenExchanged.tell_of(&delegation.grant_id.to_string(), client_id),
            None => Event::TokenIssued.tell_of(&entitlement.subject, client_id),
        },
        Proof::User(grant) => {
            let event = match grant.grant_type {
                GrantType::RefreshToken => Event::TokenRefreshed,
                GrantType::AuthorizationCode
                | GrantType::ClientCredentials
                | GrantType::DeviceCode
                | GrantType::Password
                | GrantType::TokenExchange => Event::TokenIssued,
            };
            let log = dialect.log.filter(|_| grant.grant_type == GrantType::DeviceCode);
            let said = log.map(|log| (log.exchanged, log.protocol));
            event.tell_as(&grant.approval.grant_id.to_string(), Some(client_id), said);
        }
    }
}

/// F-253: a device that waits has lost nothing.
fn tell_lost_device(asking: &Asking<'_>, grant_type: GrantType, error: &OAuthError) {
    let waits = matches!(error.code, ErrorCode::AuthorizationPending | ErrorCode::SlowDown) || error.is_ours();
    if let Some(log) = asking.issuer.dialect().log.filter(|_| grant_type == GrantType::DeviceCode && !waits) {
        let about = (asking.issuer.tenant.id, asking.application.client_id.as_str());
        tell_refusal(Event::DeviceExchangeRefused, about, (log.exchange_refused, log.protocol));
    }
}

/// F-013: what a developer has to know, where an operator looks for it. Reasons only; nothing that was sent.
fn tell_debugger(application: &Application, grant_type: GrantType, error: &OAuthError) {
    if application.settings.debug {
        let reason = error.reason.map(super::ErrorReason::as_str);
        tracing::info!(
            client.id = application.client_id,
            grant_type = grant_type.as_str(),
            error.code = error.code.as_str(),
            error.reason = reason,
            "A token request was refused: {}",
            error.description
        );
        events::tell_developer(|| {
            let (client_id, grant_type) = (&application.client_id, grant_type.as_str());
            let (code, reason, why) = (error.code.as_str(), reason.unwrap_or("-"), error.description);
            format!("token.refused client {client_id}, {grant_type}: {code} ({reason}): {why}")
        });
    }
}
