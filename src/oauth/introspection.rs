//! Introspection (RFC 7662): is this token good, and what does it say?
//!
//! Owns who is told what. An answer that says no says nothing else (I2).

use serde_json::{Map, Value, json};

use super::access_tokens::Believed;
use super::client::Client;
use super::client_authentication::{Authenticated, Credentials};
use super::error::{ErrorReason, OAuthError};
use super::keys::LocalIssuer;
use super::parameters::Parameters;
use super::{AuthorizationServer, TokenRequest, api_key, possession};
use crate::model::{ClientSecret, RefreshToken};
use crate::profile::Dialect;
use crate::revocations::Bearings;

/// What an API key is allowed or not.
const PATH: &str = "/oauth2/introspect";

/// The answer: the members of RFC 7662 section 2.2 in alphabetical order.
#[derive(Debug, PartialEq)]
pub struct Introspection(pub Map<String, Value>);

impl Introspection {
    /// F-137: exactly this.
    fn inactive() -> Self {
        Self(Map::from_iter([("active".to_owned(), false.into())]))
    }

    fn active(mut members: Map<String, Value>) -> Self {
        members.insert("active".to_owned(), true.into());
        members.sort_keys();
        Self(members)
    }
}

/// Who asks.
enum Asker {
    /// A client that proved who it is.
    Client(Client),
    /// Anybody, where the tenant allows it or with an API key (D5), and the client that they say it is about.
    Anybody(Option<String>),
}

impl AuthorizationServer {
    /// # Errors
    /// `invalid_client` without authentication or an API key, `invalid_request` without a token; in FusionAuth's dialect
    /// `invalid_client` also for the token of another client (F-139).
    pub async fn introspect(
        &self,
        request: &TokenRequest<'_>,
        api_key: Option<&str>,
    ) -> Result<Introspection, OAuthError> {
        let form = Parameters::parse(request.body)?;
        let api_key = self.find_api_key(api_key, PATH).await?;
        let credentials = Credentials::find(request, &form)?;
        let client_id = credentials.as_ref().map(|credentials| &*credentials.client_id);
        let from_token = || form.find("token").and_then(|token| self.issuer_of_token(token));
        let issuer = match (client_id, from_token()) {
            // The client that names nobody is answered by the tenant of the token (D5).
            (None, Some(issuer)) if request.tenant_path.is_none() => issuer,
            (_, _) => self.resolve_tenant(request, &form, client_id).await?,
        };
        let answer = match api_key.filter(|key| api_key::is_for(key, &issuer)) {
            Some(_) => self.introspect_for(&issuer, &Asker::Anybody(client_id.map(str::to_owned)), &form).await,
            None => match self.asker(&issuer, credentials.as_ref(), request).await {
                Ok(asker) => self.introspect_for(&issuer, &asker, &form).await,
                Err(error) => Err(error),
            },
        };
        answer.map_err(|error| error.said_in(issuer.dialect()))
    }

    async fn introspect_for(
        &self,
        issuer: &LocalIssuer,
        asker: &Asker,
        form: &Parameters<'_>,
    ) -> Result<Introspection, OAuthError> {
        let token = form
            .find("token")
            .ok_or_else(|| OAuthError::invalid_request(ErrorReason::MissingToken, "The request has no token."))?;
        // The hint is not needed: what has two dots is an access token (RFC 7662 2.1).
        if token.contains('.') {
            let Ok(believed) = self.verify_access_token(issuer, token) else {
                return Ok(Introspection::inactive());
            };
            if !asker.may_know(&believed) {
                return self.refuse_foreign(issuer);
            }
            return Ok(describe(believed));
        }
        match self.find_live_refresh_token(issuer, token).await? {
            Some((stored, client_id)) if asker.is_called(&client_id) => {
                // C10: nobody can take this for the answer about an access token.
                let members = json!({ "exp": stored.expires_at.min(stored.idle_expires_at) });
                Ok(Introspection::active(members.as_object().cloned().unwrap_or_default()))
            }
            Some(_) => self.refuse_foreign(issuer),
            None => Ok(Introspection::inactive()),
        }
    }

    async fn asker(
        &self,
        issuer: &LocalIssuer,
        credentials: Option<&Credentials<'_>>,
        request: &TokenRequest<'_>,
    ) -> Result<Asker, OAuthError> {
        let is_open = issuer.tenant.settings.open_introspection;
        let Some(credentials) = credentials else {
            let missing = || {
                let description = "The client must authenticate.";
                OAuthError::invalid_client(ErrorReason::ClientAuthenticationMissing, description)
            };
            return if is_open { Ok(Asker::Anybody(None)) } else { Err(missing()) };
        };
        if is_open && credentials.is_bare() {
            return Ok(Asker::Anybody(Some(credentials.client_id.to_string())));
        }
        // I1: a name is not enough, whatever the client's policy at the token endpoint.
        let Authenticated { client, .. } = self.identify_client(issuer, credentials, request).await?.require_proof()?;
        Ok(Asker::Client(client))
    }

    /// A refresh token of the tenant that would be honoured now, and the name of its client.
    pub(super) async fn find_live_refresh_token(
        &self,
        issuer: &LocalIssuer,
        token: &str,
    ) -> Result<Option<(RefreshToken, String)>, OAuthError> {
        let now = self.clock.now();
        let Some(stored) = self.find_refresh_token(issuer, token).await? else { return Ok(None) };
        let bearings = Bearings {
            grant_id: Some(stored.0.approval.grant_id),
            session_id: stored.0.approval.session_id,
            issued_at: i64::MAX,
            ..Bearings::default()
        };
        let is_live = stored.0.is_live(now) && stored.0.rotated_at.is_none() && !self.revocations.concern(&bearings);
        Ok(Some(stored).filter(|_| is_live))
    }

    /// A refresh token of the tenant, good or not, and the name of its client.
    pub(super) async fn find_refresh_token(
        &self,
        issuer: &LocalIssuer,
        token: &str,
    ) -> Result<Option<(RefreshToken, String)>, OAuthError> {
        let stored = self.store.find_refresh_token(&ClientSecret::hash(token)).await?;
        let Some(stored) = stored.filter(|stored| stored.approval.tenant_id == issuer.tenant.id) else {
            return Ok(None);
        };
        let application = self.directory.application(stored.approval.application_id).await?;
        Ok(application.map(|application| (stored, application.client_id.clone())))
    }

    /// I3, D9: what is not the asker's business.
    fn refuse_foreign(&self, issuer: &LocalIssuer) -> Result<Introspection, OAuthError> {
        if Dialect::of(issuer.tenant.profile).refuses_foreign_introspection {
            let description = "The token was not issued for this client.";
            return Err(OAuthError::invalid_token(ErrorReason::ClientIdMismatch, description));
        }
        Ok(Introspection::inactive())
    }
}

impl Asker {
    /// Whether the token was issued to the asker, or is meant for it.
    fn may_know(&self, believed: &Believed) -> bool {
        let is_own = |client_id: &str| believed.text("client_id") == Some(client_id) || believed.is_for(client_id);
        match self {
            Self::Client(client @ Client::Application(_)) => is_own(client.client_id()),
            // The audience of an entity's token is an id (F-181).
            Self::Client(Client::Entity(entity)) => {
                is_own(&entity.client_id) || believed.is_for(&entity.id.to_string())
            }
            Self::Anybody(client_id) => client_id.as_deref().is_none_or(is_own),
        }
    }

    fn is_called(&self, client_id: &str) -> bool {
        match self {
            Self::Client(client) => client.client_id() == client_id,
            Self::Anybody(claimed) => claimed.as_deref().is_none_or(|claimed| claimed == client_id),
        }
    }
}

/// F-136, F-143: what the token says, without what it says to us alone.
fn describe(believed: Believed) -> Introspection {
    // RFC 7662 2.2: a string, whatever the token has.
    let scope = Some(believed.scope().into_owned()).filter(|scope| !scope.is_empty());
    let is_dpop = believed.bound_to().is_some_and(|bound_to| bound_to.key.is_some());
    let mut members = believed.claims;
    if let (Some(said), Some(scope)) = (members.get_mut("scope"), scope) {
        *said = scope.into();
    }
    members.shift_remove("userinfo");
    // RFC 9449 6.2
    let token_type = if is_dpop { possession::DPOP } else { "Bearer" };
    members.insert("token_type".to_owned(), token_type.into());
    Introspection::active(members)
}
