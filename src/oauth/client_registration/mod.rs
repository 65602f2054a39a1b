//! Dynamic client registration (RFC 7591, OpenID Connect Dynamic Client Registration 1.0) and what the client may do with its
//! registration afterwards (RFC 7592).
//!
//! Owns who may register, and that a client sees and changes itself only. What a client may be is in `wish`.

mod document;
mod wish;

use std::sync::Arc;

use serde_json::{Map, Value};
use uuid::Uuid;

use self::document::{ClientMetadata, wrong};
pub(super) use self::wish::grants;
use self::wish::{Credential, Terms};
use super::error::{ErrorCode, ErrorReason, OAuthError};
use super::keys::LocalIssuer;
use super::parameters::Parameters;
use super::tenant::bearer;
use super::{AuthorizationServer, TokenRequest, api_key};
use crate::directory::{ApplicationWithSecret, DirectoryError, FieldError, NewApplication, NewSecret};
use crate::model::{
    Application, ApplicationSettings, ClientRegistration, ClientSecret, RegistrationMode, SelfRegistered,
};
use crate::peer::network;
use crate::profile::Endpoint;
use crate::secret::{Secret, equal};

/// Random bytes of a registration access token.
const TOKEN_BYTES: usize = 32;

/// What an API key is allowed or not.
const PATH: &str = Endpoint::ClientRegistration.shared().alone;

/// What a client is told of itself (RFC 7591 3.2.1, RFC 7592 3).
#[derive(Debug)]
pub struct RegisteredClient(pub Map<String, Value>);

impl AuthorizationServer {
    /// RFC 7591 section 3.
    ///
    /// # Errors
    /// `invalid_client_metadata` or `invalid_redirect_uri` for what the client cannot be; `invalid_token` without the initial
    /// access token that the tenant wants; `access_denied` if it wants nobody; 429 for one that asks too often, and while too
    /// many clients wait for their first login.
    pub async fn register_client(&self, request: &TokenRequest<'_>) -> Result<RegisteredClient, OAuthError> {
        let issuer = self.registering(request).await?;
        let answer = self.register(&issuer, request).await;
        answer.map_err(|error| error.said_in(issuer.dialect()))
    }

    async fn register(&self, issuer: &LocalIssuer, request: &TokenRequest<'_>) -> Result<RegisteredClient, OAuthError> {
        let offered = self.admit(issuer, request).await?;
        let metadata = ClientMetadata::parse(request.body)?;
        let (now, id) = (self.clock.now(), self.directory.new_id());
        let token = Secret::new(self.entropy.token(TOKEN_BYTES));
        let wish = wish::check(metadata, Terms { offered, settings: self.keys.settings() })?;
        let own = SelfRegistered {
            token: ClientSecret::hash(token.expose()),
            client_name: wish.client_name,
            authentication_method: wish.method.as_str().to_owned(),
            scopes: wish.scopes,
            unused_until: Some(now + offered.unused_for),
        };
        let new = NewApplication {
            id: Some(id),
            tenant_id: issuer.tenant.id,
            name: name(own.client_name.as_deref(), id),
            client_id: None,
            client_secret: match wish.credential {
                Credential::Secret => NewSecret::Generated,
                Credential::Keys | Credential::None => NewSecret::None,
            },
            roles: Vec::new(),
            settings: ApplicationSettings { self_registered: Some(own), ..wish.settings },
        };
        let registered = self.directory.register_client(new).await.map_err(refusal)?;
        let ApplicationWithSecret { application, client_secret } = registered.ok_or_else(|| {
            let description = "Too many clients are waiting for their first login. Try again later.";
            OAuthError { description, ..OAuthError::throttled(60) }
        })?;
        let mut told = self.describe_client(issuer, &application, token.expose());
        if let Some(secret) = client_secret {
            told.0.insert("client_secret".to_owned(), secret.expose().as_str().into());
            told.0.insert("client_secret_expires_at".to_owned(), 0.into()); // never
        }
        told.0.sort_keys();
        Ok(told)
    }

    /// RFC 7592 section 2.1.
    ///
    /// # Errors
    /// `invalid_token` unless the client brings its registration access token.
    pub async fn registered_client(
        &self,
        request: &TokenRequest<'_>,
        client_id: &str,
    ) -> Result<RegisteredClient, OAuthError> {
        let (issuer, application, token) = self.itself(request, client_id).await?;
        Ok(self.describe_client(&issuer, &application, token))
    }

    /// RFC 7592 section 2.2: what is not said again is gone.
    ///
    /// # Errors
    /// As [`AuthorizationServer::register_client`] and [`AuthorizationServer::registered_client`].
    pub async fn change_client(
        &self,
        request: &TokenRequest<'_>,
        client_id: &str,
    ) -> Result<RegisteredClient, OAuthError> {
        let (issuer, application, token) = self.itself(request, client_id).await?;
        let answer = self.change(&issuer, &application, (request, token)).await;
        answer.map_err(|error| error.said_in(issuer.dialect()))
    }

    async fn change(
        &self,
        issuer: &LocalIssuer,
        before: &Application,
        (request, token): (&TokenRequest<'_>, &str),
    ) -> Result<RegisteredClient, OAuthError> {
        let Some(own) = before.settings.self_registered.clone() else { return Err(not_itself()) };
        let offered = offered_by(issuer)?;
        let metadata = ClientMetadata::parse(request.body)?;
        let is_other = |said: &Option<String>| said.as_ref().is_some_and(|said| *said != before.client_id);
        let is_wrong = |said: &String| !before.accepts_secret(said, self.clock.now());
        if is_other(&metadata.client_id) || metadata.client_secret.as_ref().is_some_and(is_wrong) {
            return Err(OAuthError::invalid_request(
                ErrorReason::Unknown,
                "The client_id or the client_secret is not the client's.",
            ));
        }
        let wish = wish::check(metadata, Terms { offered, settings: self.keys.settings() })?;
        if (wish.credential == Credential::Secret) == before.client_secrets.is_empty() {
            return Err(wrong("A client that has a secret keeps it, and one that has none registers anew for one."));
        }
        let own = SelfRegistered {
            client_name: wish.client_name,
            authentication_method: wish.method.as_str().to_owned(),
            scopes: wish.scopes,
            ..own
        };
        let name = name(own.client_name.as_deref(), before.id);
        // What administrators decided about it stays.
        let settings = ApplicationSettings {
            is_active: before.settings.is_active,
            consent: before.settings.consent,
            relationship: before.settings.relationship,
            requires_registration: before.settings.requires_registration,
            scopes: before.settings.scopes.clone(),
            access_token_for: before.settings.access_token_for,
            refresh_tokens: before.settings.refresh_tokens.clone(),
            owner: before.settings.owner.clone(),
            self_registered: Some(own),
            ..wish.settings
        };
        let after = Application { name, settings, ..before.clone() };
        let after = self.directory.change_registered_client(before, after).await.map_err(refusal)?;
        Ok(self.describe_client(issuer, &after, token))
    }

    /// RFC 7592 section 2.3.
    ///
    /// # Errors
    /// As [`AuthorizationServer::registered_client`].
    pub async fn forget_client(&self, request: &TokenRequest<'_>, client_id: &str) -> Result<(), OAuthError> {
        let (issuer, application, _) = self.itself(request, client_id).await?;
        let forgotten = self.directory.forget_registered_client(application.id).await;
        forgotten.map_err(|error| match error {
            DirectoryError::NotFound(_) => not_itself(),
            error => OAuthError::from(error).said_in(issuer.dialect()),
        })
    }

    async fn registering(&self, request: &TokenRequest<'_>) -> Result<Arc<LocalIssuer>, OAuthError> {
        self.resolve_tenant(request, &Parameters::parse(b"")?, None).await
    }

    /// May whoever this is register a client?
    async fn admit<'i>(
        &self,
        issuer: &'i LocalIssuer,
        request: &TokenRequest<'_>,
    ) -> Result<&'i ClientRegistration, OAuthError> {
        let offered = offered_by(issuer)?;
        match offered.mode {
            RegistrationMode::Open => {
                let (source, now) = (request.peer.map(network), self.clock.now());
                self.device_limits.register(source, now).map_err(too_often)?;
            }
            RegistrationMode::Protected => {
                let key = self.find_api_key(bearer(request), PATH).await?;
                if !key.is_some_and(|key| api_key::is_for(&key, issuer)) {
                    let description = "The request has no initial access token that is good here.";
                    return Err(OAuthError::invalid_token(ErrorReason::AccessTokenRequired, description));
                }
            }
        }
        Ok(offered)
    }

    /// The client whose registration access token the request brings.
    async fn itself<'a>(
        &self,
        request: &TokenRequest<'a>,
        client_id: &str,
    ) -> Result<(Arc<LocalIssuer>, Application, &'a str), OAuthError> {
        let issuer = self.registering(request).await?;
        let (Ok(id), Some(token)) = (Uuid::try_parse(client_id), bearer(request)) else { return Err(not_itself()) };
        // As it is stored now: what it says is compared with what is written.
        let found = self.directory.read_application(id).await?;
        let found = found.filter(|found| found.tenant_id == issuer.tenant.id && found.settings.is_active);
        let is_its_own = |found: &Application| {
            let own = found.settings.self_registered.as_ref();
            own.is_some_and(|own| equal(own.token.as_bytes(), ClientSecret::hash(token).as_bytes()))
        };
        let application = found.filter(is_its_own).ok_or_else(not_itself)?;
        Ok((issuer, application, token))
    }

    /// With what its tenant has to say today.
    fn describe_client(&self, issuer: &LocalIssuer, application: &Application, token: &str) -> RegisteredClient {
        let offered = self.as_offered(Arc::new(application.clone()));
        let mut told = wish::describe(&offered, issuer);
        let address = format!("{}{PATH}/{}", issuer.base_url, application.client_id);
        told.insert("registration_access_token".to_owned(), token.into());
        told.insert("registration_client_uri".to_owned(), address.into());
        told.sort_keys();
        RegisteredClient(told)
    }

    /// A client that registered itself may ask for what its tenant offers such clients now, and be answered where it lets them.
    pub(super) fn as_offered(&self, application: Arc<Application>) -> Arc<Application> {
        let Some(own) = &application.settings.self_registered else { return application };
        let issuer = self.keys.issuer(Some(application.tenant_id));
        let offered = issuer.as_ref().and_then(|issuer| issuer.tenant.settings.client_registration.as_ref());
        let settings = wish::narrowed(&application.settings, own, offered);
        Arc::new(Application { settings, ..(*application).clone() })
    }

    /// Somebody logs in to the client, which therefore stays. `false` if it is gone.
    pub(super) async fn keep_client(&self, application: &Application) -> Result<bool, OAuthError> {
        Ok(self.directory.keep_registered_client(application).await?)
    }
}

/// # Errors
/// `access_denied` if nobody can register there.
fn offered_by(issuer: &LocalIssuer) -> Result<&ClientRegistration, OAuthError> {
    issuer.tenant.settings.client_registration.as_ref().ok_or_else(|| {
        let description = "Clients cannot register themselves here.";
        OAuthError::without_reason(ErrorCode::AccessDenied, description)
    })
}

/// One answer for clients that never were, and for tokens of others.
fn not_itself() -> OAuthError {
    let description = "The request has no registration access token of this client.";
    OAuthError::invalid_token(ErrorReason::AccessTokenInvalid, description)
}

fn too_often(retry_after: i64) -> OAuthError {
    let description = "Too many clients register. Try again later.";
    OAuthError { description, ..OAuthError::throttled(retry_after) }
}

/// Names are unique in a tenant, and everybody's clients are called alike.
fn name(client_name: Option<&str>, id: Uuid) -> String {
    let mark = id.simple().to_string().split_off(24);
    format!("{} ({mark})", client_name.unwrap_or("client"))
}

/// What the rules for all applications have against it.
fn refusal(error: DirectoryError) -> OAuthError {
    let DirectoryError::Invalid(errors) = error else { return error.into() };
    let is_about = |errors: &[FieldError], part: &str| errors.iter().any(|error| error.field.contains(part));
    for (part, description) in [
        ("application.name", "The client_name is too long, or has characters that cannot be shown."),
        ("jwks", "The member jwks is no set of public keys that we can use."),
        ("tlsClientAuth", "The name of the certificate is not as RFC 8705 2.1.2 wants it."),
        ("logoutURL", "The frontchannel_logout_uri must be https without wildcards."),
        ("data", "There is more about the client than can be kept."),
    ] {
        if is_about(&errors, part) {
            return wrong(description);
        }
    }
    match is_about(&errors, "authorizedRedirectURLs") {
        true => wish::wrong_redirect_uri(),
        false => OAuthError::server_error(DirectoryError::Invalid(errors)),
    }
}
