//! Pushed authorization requests (RFC 9126): a client tells us directly what it will ask a person for, and sends the
//! person with a reference to it, which works once.
//!
//! Owns references: how they are made, whose they are, and when they are over. What a request may ask for is up to
//! `authorization`, when it is pushed and again when somebody brings the reference.

use std::sync::Arc;

use serde::Serialize;

use super::authorization::{PARAMETERS, Party};
use super::client::Client;
use super::client_authentication::Credentials;
use super::error::{ErrorCode, ErrorReason, OAuthError};
use super::interaction::{BrowserRequest, FormOrigin};
use super::keys::LocalIssuer;
use super::parameters::Parameters;
use super::possession::{self, Demands};
use super::{AuthorizationServer, TokenRequest};
use crate::events::Event;
use crate::model::{Application, ClientSecret, PushedRequest};
use crate::peer::network;
use crate::percent;
use crate::profile::Endpoint;

/// RFC 9126 2.2
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// What names a request; a browser brings it.
pub(super) const REQUEST_URI: &str = "request_uri";

/// Random bytes of a reference (B9).
const BYTES: usize = 32;

/// Seconds that somebody who began in time has for the rest: a second factor, a new password, consent.
const FINISHED_FOR: i64 = 600;

/// RFC 9126 section 2.2.
#[derive(Debug, Serialize)]
pub struct PushedAuthorization {
    /// Seconds for which a login may begin with it.
    pub expires_in: i64,
    pub request_uri: String,
    /// For the client's next proof, where it needs one (RFC 9449 8.2).
    #[serde(skip)]
    pub dpop_nonce: Option<String>,
}

impl AuthorizationServer {
    /// RFC 9126 section 2.1.
    ///
    /// # Errors
    /// The [`OAuthError`] that the client is to be told (RFC 9126 2.3): what is wrong with its authentication, or with the
    /// request that it would send a browser with; 429 for a client that proves nothing and asks too often.
    pub async fn push_authorization(&self, request: &TokenRequest<'_>) -> Result<PushedAuthorization, OAuthError> {
        let form = Parameters::parse(request.body)?;
        let credentials = Credentials::parse(request, &form)?;
        let issuer = self.resolve_tenant(request, &form, Some(&credentials.client_id)).await?;
        let answer = self.push(&issuer, &credentials, (request, &form)).await;
        answer.map_err(|error| error.said_in(issuer.dialect()))
    }

    async fn push(
        &self,
        issuer: &Arc<LocalIssuer>,
        credentials: &Credentials<'_>,
        (request, form): (&TokenRequest<'_>, &Parameters<'_>),
    ) -> Result<PushedAuthorization, OAuthError> {
        let application = self.pushing_application(issuer, credentials, request).await?; //  RFC 9126 2.1, D7
        if form.find(REQUEST_URI).is_some() {
            let description = "A pushed request has no request_uri.";
            return Err(OAuthError::invalid_request(ErrorReason::Unknown, description)); //   RFC 9126 2.1
        }
        let demands = Demands::of_application(&application);
        let key = self.shown_key(issuer, Endpoint::PushedRequest, (&request.sender, demands)).await?; // RFC 9449 10.1
        let text = percent::form(&said(form, &application, key)?);
        let parameters = Parameters::parse(text.as_bytes())?;
        let party = Party::of(Arc::clone(issuer), application, &parameters)?; //             RFC 6749 3.1.2, A1
        self.check_request(request.peer, &parameters, &party).await?; //                     RFC 9126 2.1
        let (now, lives_for) = (self.clock.now(), issuer.tenant.settings.pushed_request_for);
        let reference = self.entropy.token(BYTES);
        let pushed = PushedRequest {
            hash: ClientSecret::hash(&reference),
            application_id: party.application.id,
            parameters: text,
            created_at: now,
            expires_at: now + lives_for,
            spent_at: None,
        };
        self.store.insert_pushed_request(&pushed).await?;
        Event::RequestPushed.tell_of(&party.application.id.to_string(), &party.application.client_id);
        Ok(PushedAuthorization {
            expires_in: lives_for,
            request_uri: format!("{PREFIX}{reference}"),
            dpop_nonce: demands.nonce.then(|| self.dpop_nonce()),
        })
    }

    /// The client, authenticated as at the token endpoint. One that proves nothing is not believed without end: what it
    /// pushes is kept for a while (N7).
    async fn pushing_application(
        &self,
        issuer: &LocalIssuer,
        credentials: &Credentials<'_>,
        request: &TokenRequest<'_>,
    ) -> Result<Arc<Application>, OAuthError> {
        let client = self.identify_client(issuer, credentials, request).await?.require_unless_public()?;
        let is_proven = client.is_proven();
        let Client::Application(application) = client.client else {
            let description = "Nobody logs in to an entity.";
            return Err(OAuthError::new(ErrorCode::UnauthorizedClient, ErrorReason::GrantTypeDisabled, description));
        };
        if !is_proven {
            let source = ("pushed", application.id, request.peer.map(network));
            self.device_limits.request(source, self.clock.now()).map_err(too_often)?;
        }
        Ok(application)
    }

    /// The pushed request that a browser refers to; `None` if it brings one itself.
    ///
    /// # Errors
    /// `invalid_request_uri` if the reference is unknown, another client's, over or spent.
    pub(super) async fn find_pushed(
        &self,
        request: &BrowserRequest<'_>,
        brought: &Parameters<'_>,
        (issuer, application): (&LocalIssuer, &Application),
    ) -> Result<Option<PushedRequest>, OAuthError> {
        let reference = brought.find(REQUEST_URI).and_then(|uri| uri.strip_prefix(PREFIX));
        let Some(reference) = reference else { return Ok(None) };
        let pushed = self.store.find_pushed_request(&ClientSecret::hash(reference)).await?;
        // Loading the page spends nothing, so a browser that looks ahead, or loads it again, takes nothing away.
        let is_under_way =
            || request.form_origin == FormOrigin::Own || self.kept_login(&issuer.tenant, request).is_some();
        let now = self.clock.now();
        let is_good = |pushed: &PushedRequest| {
            pushed.application_id == application.id
                && pushed.spent_at.is_none()
                && (now < pushed.expires_at || (now < pushed.expires_at + FINISHED_FOR && is_under_way()))
        };
        pushed.filter(is_good).map(Some).ok_or_else(gone)
    }

    /// Spends a pushed request, now that it is granted: of any number of browsers that bring it one gets something (A14).
    ///
    /// # Errors
    /// `invalid_request_uri` if somebody was faster.
    pub(super) async fn spend_pushed(&self, pushed: Option<&PushedRequest>) -> Result<(), OAuthError> {
        let Some(pushed) = pushed else { return Ok(()) };
        match self.store.spend_pushed_request(&pushed.hash, self.clock.now()).await? {
            true => Ok(()),
            false => Err(gone()),
        }
    }
}

/// RFC 9126 6
///
/// # Errors
/// `invalid_request` if the client has to push its requests, and sent a browser with one.
pub(super) fn check_pushed(application: &Application, pushed: Option<&PushedRequest>) -> Result<(), OAuthError> {
    if pushed.is_some() || !application.settings.requires_pushed_requests {
        return Ok(());
    }
    let description = "This client pushes its authorization requests.";
    Err(OAuthError::invalid_request(ErrorReason::Unknown, description))
}

/// The parameters of the request, without those that the client authenticates with. The key of its proof is what the code
/// will be bound to.
///
/// # Errors
/// `invalid_dpop_proof` if `dpop_jkt` names another key (H5).
fn said(
    form: &Parameters<'_>,
    application: &Application,
    key: Option<String>,
) -> Result<Vec<(String, String)>, OAuthError> {
    let named = form.find("dpop_jkt");
    if named.is_some_and(|named| key.as_deref().is_some_and(|key| key != named)) {
        return Err(possession::other_key_than_named());
    }
    let mut said = form.pick(&PARAMETERS);
    said.retain(|(name, _)| name != "client_id" && (name != "dpop_jkt" || key.is_none()));
    said.push(("client_id".to_owned(), application.client_id.clone()));
    said.extend(key.map(|key| ("dpop_jkt".to_owned(), key)));
    Ok(said)
}

fn gone() -> OAuthError {
    let description = "The request_uri is unknown, has expired or was used before.";
    OAuthError::without_reason(ErrorCode::InvalidRequestUri, description)
}

fn too_often(retry_after: i64) -> OAuthError {
    let description = "Too many requests. Try again later.";
    let error = OAuthError::new(ErrorCode::Throttled, ErrorReason::Unknown, description);
    OAuthError { retry_after: Some(retry_after), ..error }
}
