//! Logins that name no client (F-300 to F-302, F-304): the tenant's application for them is found by its well-known client id.
//!
//! Owns what such a login gets, and what the token can then be asked and told. Passwords are checked as for every grant.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use super::access_tokens::Believed;
use super::client::Client;
use super::client_authentication::Credentials;
use super::error::{ErrorReason, OAuthError};
use super::grant::password::{self, Request as PasswordRequest};
use super::grant::refresh_token::{self, Request as RefreshRequest};
use super::grant::{Asking, GrantType};
use super::issue::{Proof, TokenResponse, UserGrant};
use super::keys::LocalIssuer;
use super::parameters::Parameters;
use super::possession::Demands;
use super::{AuthorizationServer, TokenRequest, access_tokens, grant, scopes};
use crate::model::{Application, ApplicationGrant, Revoked};
use crate::percent;
use crate::profile::{Consumer, Endpoint, ScopeSeparator};
use crate::secret::Secret;

/// What a login without a client gets (F-300).
#[derive(Debug, Serialize)]
pub struct ConsumerTokens {
    token: String,
    expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// For those who count.
    #[serde(skip)]
    pub grant_type: GrantType,
}

/// What a token is about. The id is ours, a UUID.
#[derive(Debug, Serialize)]
pub struct WhoAmI {
    id: Uuid,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    scopes: Vec<String>,
}

impl AuthorizationServer {
    /// The tenant in the path of the endpoint, if its dialect has that endpoint.
    ///
    /// # Errors
    /// `temporarily_unavailable` if the store has to be asked and does not answer.
    pub async fn speaker_at(
        &self,
        tenant_path: Option<&str>,
        endpoint: Endpoint,
    ) -> Result<Option<Arc<LocalIssuer>>, OAuthError> {
        let Some(id) = tenant_path.and_then(|path| Uuid::try_parse(path).ok()) else { return Ok(None) };
        let issuer = self.find_issuer_of(id).await?;
        Ok(issuer.filter(|issuer| issuer.dialect().own_path(endpoint).is_some()))
    }

    /// F-300: a password for tokens; `scopes` are separated by spaces.
    ///
    /// # Errors
    /// `invalid_grant` for wrong credentials, `invalid_client` if the tenant has no application for this, 429 after too many
    /// wrong passwords.
    pub async fn consumer_login(
        &self,
        issuer: &LocalIssuer,
        (login_id, password): (&str, &str),
        scopes: Option<&str>,
        peer: Option<IpAddr>,
    ) -> Result<ConsumerTokens, OAuthError> {
        let (consumer, application) = self.consumer_of(issuer).await?;
        let asking =
            Asking { issuer, application: &application, is_proven: false, peer, resource: None, confirmation: None };
        let request = PasswordRequest::of_password(login_id, password, scopes);
        let grant = self.redeem_password(&asking, &request).await?;
        self.consumer_tokens(issuer, consumer, grant)
    }

    /// F-300: a refresh token for new tokens.
    ///
    /// # Errors
    /// `invalid_grant` for one that is not good, `invalid_client` if the tenant has no application for this.
    pub async fn consumer_refresh(
        &self,
        issuer: &LocalIssuer,
        refresh_token: &str,
        peer: Option<IpAddr>,
    ) -> Result<ConsumerTokens, OAuthError> {
        let (consumer, application) = self.consumer_of(issuer).await?;
        let asking =
            Asking { issuer, application: &application, is_proven: false, peer, resource: None, confirmation: None };
        let form = percent::form(&[("refresh_token", refresh_token)]);
        let form = Parameters::parse(form.as_bytes())?;
        let request = RefreshRequest::parse(&form)?;
        let grant = self.redeem_refresh_token(&asking, &request).await?;
        self.consumer_tokens(issuer, consumer, grant)
    }

    /// F-302: ends the token that the request comes with, and its whole grant.
    ///
    /// # Errors
    /// `invalid_token`, `temporarily_unavailable` if the store does not answer: the token is still good then.
    pub async fn revoke_own(&self, issuer: &LocalIssuer, request: &TokenRequest<'_>) -> Result<(), OAuthError> {
        let believed = self.believed_at(issuer, Endpoint::RevokeOwn, request).await?;
        if let Some(grant_id) = believed.text("gid").and_then(|id| Uuid::try_parse(id).ok()) {
            let client_id = believed.text("client_id").unwrap_or_default();
            if let Some(Client::Application(application)) = self.find_client(issuer.tenant.id, client_id).await? {
                return self.revoke_grant(issuer, &application, grant_id).await;
            }
        }
        let id = believed.text("jti").ok_or_else(access_tokens::invalid)?.to_owned();
        self.revoke(Revoked::Token(id), believed.expires_at - self.clock.now()).await
    }

    /// Whom the token that the request comes with is about.
    ///
    /// # Errors
    /// `invalid_token`, also if who it is about is gone.
    pub async fn who_am_i(&self, issuer: &LocalIssuer, request: &TokenRequest<'_>) -> Result<WhoAmI, OAuthError> {
        let believed = self.believed_at(issuer, Endpoint::WhoAmI, request).await?;
        let scopes = scopes::words(&believed.scope()).map(str::to_owned).collect();
        let client_id = believed.text("client_id").unwrap_or_default();
        let client = self.find_client(issuer.tenant.id, client_id).await?.ok_or_else(access_tokens::invalid)?;
        let subject = believed.text("sub").and_then(|sub| Uuid::try_parse(sub).ok());
        let subject = subject.ok_or_else(access_tokens::invalid)?;
        let (id, name) = match &client {
            Client::Application(application) => (application.id, &application.name),
            Client::Entity(entity) => (entity.id, &entity.name),
        };
        if id == subject {
            return Ok(WhoAmI { id, name: name.clone(), email: None, scopes });
        }
        let user = self.directory.user(subject).await?.filter(|user| user.tenant_id == issuer.tenant.id);
        let user = user.filter(|user| user.obstacle(self.clock.now()).is_none()).ok_or_else(access_tokens::invalid)?;
        let name = user.full_name().or_else(|| user.username.clone()).or_else(|| user.email.clone());
        Ok(WhoAmI { id: user.id, name: name.unwrap_or_default(), email: user.email.clone(), scopes })
    }

    /// F-304: a person who uses their own name and password as client credentials. `None` if that is not what was sent: a
    /// client of that name is always meant first.
    ///
    /// # Errors
    /// `invalid_client` for wrong credentials, and what [`AuthorizationServer::consumer_login`] says otherwise.
    pub(super) async fn person_as_client(
        &self,
        issuer: &LocalIssuer,
        credentials: &Credentials<'_>,
        (request, form): (&TokenRequest<'_>, &Parameters<'_>),
    ) -> Result<Option<TokenResponse>, OAuthError> {
        let own = [GrantType::ClientCredentials.as_str(), GrantType::RefreshToken.as_str()];
        let is_meant =
            issuer.dialect().consumer.is_some() && form.find("grant_type").is_some_and(|asked| own.contains(&asked));
        let Some(password) = credentials.basic_secret().filter(|_| is_meant) else { return Ok(None) };
        if self.find_client(issuer.tenant.id, &credentials.client_id).await?.is_some() {
            return Ok(None);
        }
        // Where nobody can log in so, there is only an unknown client.
        let Ok((_, application)) = self.consumer_of(issuer).await else { return Ok(None) };
        let demands = Demands::of_application(&application);
        self.check_proofs_of(&application, request)?;
        let confirmation = self.confirm(issuer, Endpoint::Token, (&request.sender, demands)).await?;
        let asking = Asking {
            issuer,
            application: &application,
            is_proven: false,
            peer: request.peer,
            resource: None,
            confirmation: confirmation.as_ref(),
        };
        let person = (&*credentials.client_id, password);
        let grant = match form.find("grant_type") == Some(GrantType::RefreshToken.as_str()) {
            true => self.refresh_of_person(&asking, person, form).await,
            false => self.grant_of_person(&asking, person, form).await,
        };
        let proof = Proof::User(Box::new(grant.map_err(|error| match error.reason {
            Some(ErrorReason::InvalidUserCredentials) => {
                let description = "The client is unknown or its authentication is wrong.";
                OAuthError::invalid_client(ErrorReason::InvalidClientAuthentication, description)
            }
            Some(_) | None => error,
        })?));
        let response = self.issue(issuer, &proof, confirmation.as_ref())?;
        grant::tell(&proof, &application.client_id, issuer.dialect());
        Ok(Some(TokenResponse { dpop_nonce: demands.nonce.then(|| self.dpop_nonce()), ..response }))
    }

    async fn grant_of_person(
        &self,
        asking: &Asking<'_>,
        (login_id, password): (&str, &str),
        form: &Parameters<'_>,
    ) -> Result<UserGrant, OAuthError> {
        let request = PasswordRequest::of_password(login_id, password, form.find("scope"));
        let grant = self.redeem_password(asking, &request).await?;
        Ok(UserGrant { grant_type: GrantType::ClientCredentials, ..grant })
    }

    /// What such a person was given is good for nobody else: the SDK sends both again.
    async fn refresh_of_person(
        &self,
        asking: &Asking<'_>,
        (login_id, password): (&str, &str),
        form: &Parameters<'_>,
    ) -> Result<UserGrant, OAuthError> {
        let request = RefreshRequest::parse(form)?;
        let password = Secret::new(password.to_owned());
        let tenant = &asking.issuer.tenant;
        let login = self.directory.check_credentials(tenant, login_id, &password, asking.peer).await;
        let user = login.map_err(password::refusal)?.user;
        let stored = self.find_refresh_token(asking.issuer, form.find("refresh_token").unwrap_or_default()).await?;
        if stored.is_some_and(|(stored, _)| stored.approval.user_id != user.id) {
            return Err(refresh_token::not_found());
        }
        self.redeem_refresh_token(asking, &request).await
    }

    async fn consumer_of(&self, issuer: &LocalIssuer) -> Result<(Consumer, Arc<Application>), OAuthError> {
        let none = || {
            let description =
                "The tenant has no application for logins without a client, or it lacks the password grant.";
            OAuthError::invalid_client(ErrorReason::InvalidClientId, description)
        };
        let consumer = issuer.dialect().consumer.ok_or_else(none)?;
        match self.find_client(issuer.tenant.id, consumer.client_id).await? {
            // A9
            Some(Client::Application(application)) if application.allows(ApplicationGrant::Password) => {
                Ok((consumer, application))
            }
            Some(Client::Application(_) | Client::Entity(_)) | None => Err(none()),
        }
    }

    fn consumer_tokens(
        &self,
        issuer: &LocalIssuer,
        consumer: Consumer,
        grant: UserGrant,
    ) -> Result<ConsumerTokens, OAuthError> {
        let proof = Proof::User(Box::new(limited(issuer, consumer.client_id, grant)));
        let issued = self.issue(issuer, &proof, None)?;
        grant::tell(&proof, consumer.client_id, issuer.dialect());
        Ok(ConsumerTokens {
            grant_type: issued.grant_type,
            expires_in: issued.expiry(),
            token: issued.access_token,
            refresh_token: issued.refresh_token,
            scope: issued.scope.map(|scope| match issuer.dialect().scope_separator {
                ScopeSeparator::Space => scope,
                ScopeSeparator::Comma => scope.replace(' ', ","),
            }),
        })
    }

    /// The token that the request comes with, from whom it is bound to (RFC 9449 7.1).
    async fn believed_at(
        &self,
        issuer: &LocalIssuer,
        endpoint: Endpoint,
        request: &TokenRequest<'_>,
    ) -> Result<Believed, OAuthError> {
        let (token, is_dpop) = super::tenant::presented(request).ok_or_else(|| {
            OAuthError::invalid_token(ErrorReason::AccessTokenRequired, "The request has no access token.")
        })?;
        let believed = self.verify_access_token(issuer, token)?;
        self.check_holder(issuer, endpoint, &request.sender, (&believed, token, is_dpop)).await?;
        Ok(believed)
    }
}

/// Tokens of logins without a client are short, wherever they are asked for (F-300).
pub(super) fn limited(issuer: &LocalIssuer, client_id: &str, grant: UserGrant) -> UserGrant {
    let consumer = issuer.dialect().consumer.filter(|consumer| consumer.client_id == client_id);
    let at_most_for = grant.at_most_for.into_iter().chain(consumer.map(|consumer| consumer.access_token_for)).min();
    UserGrant { at_most_for, ..grant }
}
