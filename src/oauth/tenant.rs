//! Which tenant is a request for (D1)? Path, header and parameter name it; else the client does.
//!
//! Owns the order of the hints; it does not know what the tenant then allows.

use std::sync::Arc;

use uuid::Uuid;

use super::client_authentication::Credentials;
use super::error::{ErrorReason, OAuthError};
use super::interaction::{BrowserRequest, Step};
use super::keys::LocalIssuer;
use super::login::Endpoint;
use super::parameters::Parameters;
use super::possession::DPOP;
use super::{AuthorizationServer, Sender, TokenRequest};
use crate::directory::redirect_uri::is_configured_origin;
use crate::profile::{Dialect, Endpoint as Called, Spoken};

/// Whose request came to a path of a dialect's own.
#[derive(Debug)]
pub struct Speaker {
    pub tenant_id: Uuid,
    pub dialect: &'static Dialect,
    /// What stands in front of our paths when a browser is led to another one.
    pub prefix: Option<String>,
    /// The client that the request names.
    pub client_id: Option<String>,
}

impl AuthorizationServer {
    /// Who is meant at a path of a dialect's own: the tenant in front of it, else the one that header, parameter or token
    /// name, else the only one that speaks so and knows the client, else the default one, else the only one. `None` if
    /// what stands in front is none that speaks so.
    ///
    /// # Errors
    /// `invalid_request` if the hints are no such tenant, or do not tell several apart.
    pub async fn speaker(
        &self,
        spoken: &Spoken<'_>,
        request: &TokenRequest<'_>,
    ) -> Result<Option<Speaker>, OAuthError> {
        let speakers = self.keys.speaking(|dialect| spoken.is_of(dialect));
        let issuer = match spoken.tenant {
            Some(name) => {
                let id = Uuid::try_parse(name).ok();
                let is_called = |issuer: &&Arc<LocalIssuer>| {
                    let tenant = &issuer.tenant;
                    id == Some(tenant.id) || (tenant.name == name && issuer.dialect().realm_of(tenant).is_some())
                };
                match speakers.iter().find(is_called) {
                    Some(issuer) => issuer,
                    None => return Ok(None),
                }
            }
            None => self.speaker_by_hints(&speakers, request).await?,
        };
        let is_default = self.keys.issuer(None).is_some_and(|default| default.tenant.id == issuer.tenant.id);
        let prefix = match spoken.tenant {
            Some(name) => Some(name.to_owned()),
            None => (!is_default).then(|| issuer.tenant.id.to_string()),
        };
        let parameters = Parameters::parse(request.body).ok();
        let credentials = parameters.as_ref().and_then(|form| Credentials::find(request, form).ok().flatten());
        let client_id = credentials.map(|credentials| credentials.client_id.into_owned());
        Ok(Some(Speaker { tenant_id: issuer.tenant.id, dialect: issuer.dialect(), prefix, client_id }))
    }

    async fn speaker_by_hints<'a>(
        &self,
        speakers: &'a [Arc<LocalIssuer>],
        request: &TokenRequest<'_>,
    ) -> Result<&'a Arc<LocalIssuer>, OAuthError> {
        // What is wrong with the parameters is told by the endpoint.
        let parameters = Parameters::parse(request.body).ok();
        let find = |name: &str| parameters.as_ref().and_then(|parameters| parameters.find(name));
        let of_id = |id: Uuid| speakers.iter().find(|issuer| issuer.tenant.id == id);
        let header = request.tenant_header.and_then(|value| std::str::from_utf8(value).ok());
        if let Some(hint) = header.filter(|value| !value.is_empty()).or_else(|| find("tenantId")) {
            return Uuid::try_parse(hint).ok().and_then(of_id).ok_or_else(unknown_tenant);
        }
        if let [only] = speakers {
            return Ok(only);
        }
        if let Some(of_token) = bearer(request).and_then(|token| self.issuer_of_token(token)).map(|own| own.tenant.id) {
            return of_id(of_token).ok_or_else(unknown_tenant);
        }
        let credentials = parameters.as_ref().and_then(|form| Credentials::find(request, form).ok().flatten());
        if let Some(credentials) = credentials {
            let mut knowing = Vec::new();
            for speaker in speakers {
                if self.find_client(speaker.tenant.id, &credentials.client_id).await?.is_some() {
                    knowing.push(speaker);
                }
            }
            if let [only] = knowing[..] {
                return Ok(only);
            }
        }
        let default = self.keys.issuer(None).and_then(|default| of_id(default.tenant.id));
        default.ok_or_else(|| {
            let description =
                "Several tenants answer at this path: say which one with tenantId, or put its id in front of the path.";
            OAuthError::invalid_request(ErrorReason::MissingTenantId, description)
        })
    }

    /// What is answered at a path of a tenant, said as its clients expect it: something may have been wrong before anybody asked
    /// whose they are.
    ///
    /// # Errors
    /// The same.
    pub fn said_at<T>(&self, tenant_path: Option<&str>, answer: Result<T, OAuthError>) -> Result<T, OAuthError> {
        let issuer = tenant_path.and_then(|path| self.keys.issuer(Some(Uuid::try_parse(path).ok()?)));
        answer.map_err(|error| match issuer {
            Some(issuer) => error.said_in(issuer.dialect()),
            None => error,
        })
    }

    /// Whether a client of the tenant lists this origin of scripts; any, if nobody says which (F-252).
    ///
    /// # Errors
    /// `temporarily_unavailable` if the store does not answer.
    pub async fn lists_origin(
        &self,
        tenant_id: Uuid,
        client_id: Option<&str>,
        origin: &str,
    ) -> Result<bool, OAuthError> {
        if let Some(client_id) = client_id {
            let application = self.directory.find_application(tenant_id, client_id).await?;
            return Ok(application.is_some_and(|known| is_configured_origin(&known.settings, origin)));
        }
        let applications = self.directory.applications(Some(tenant_id)).await?;
        Ok(applications.iter().any(|known| is_configured_origin(&known.settings, origin)))
    }

    /// Whether the dialect's path of an endpoint alone, without anything that names a tenant, means this one.
    pub(super) fn is_meant_alone(&self, issuer: &LocalIssuer, endpoint: Called) -> bool {
        let is_this = |other: &Arc<LocalIssuer>| other.tenant.id == issuer.tenant.id;
        if self.keys.issuer(None).as_ref().is_some_and(is_this) {
            return true;
        }
        let Some(path) = issuer.dialect().own_path(endpoint) else { return false };
        self.keys.speaking(|dialect| dialect.own_path(endpoint) == Some(path)).iter().all(is_this)
    }

    /// Without hint and client the default tenant is meant.
    ///
    /// # Errors
    /// `invalid_request` if the hints are no tenant, contradict each other, or do not tell several tenants apart.
    pub(super) async fn resolve_tenant(
        &self,
        request: &TokenRequest<'_>,
        form: &Parameters<'_>,
        client_id: Option<&str>,
    ) -> Result<Arc<LocalIssuer>, OAuthError> {
        let header = request.tenant_header.map(|value| std::str::from_utf8(value).unwrap_or_default());
        let header = header.filter(|value| !value.is_empty());
        let mut hints = [request.tenant_path, header, form.find("tenantId")].into_iter().flatten();
        let Some(hint) = hints.next() else {
            return match client_id {
                Some(client_id) => self.tenant_of_client(client_id).await,
                None => self.keys.issuer(None).ok_or_else(no_tenant),
            };
        };
        if hints.any(|other| !other.eq_ignore_ascii_case(hint)) {
            return Err(unknown_tenant());
        }
        let id = Uuid::try_parse(hint).map_err(|_| unknown_tenant())?;
        self.find_issuer_of(id).await?.ok_or_else(unknown_tenant)
    }

    /// The same for the request of a browser, which may name no client.
    ///
    /// # Errors
    /// As [`AuthorizationServer::resolve_tenant`].
    pub(super) async fn resolve_issuer(
        &self,
        request: &BrowserRequest<'_>,
        parameters: &Parameters<'_>,
    ) -> Result<Arc<LocalIssuer>, OAuthError> {
        let named = TokenRequest {
            authorization: &[],
            tenant_header: request.tenant_header,
            tenant_path: request.tenant_path,
            body: &[],
            peer: request.peer,
            sender: Sender::default(),
        };
        self.resolve_tenant(&named, parameters, parameters.find("client_id")).await
    }

    /// Whose page a browser asks for, as the page at this path will find out itself. `None` when the answer is an error.
    pub async fn tenant_of_page(&self, request: &BrowserRequest<'_>, path: &str) -> Option<Uuid> {
        let parameters = request.parameters().ok()?;
        // The later steps of a login are at addresses of their own, which say what for.
        let page = if request.step == Step::Start { Endpoint::at(path) } else { Endpoint::of(&parameters) };
        let issuer = match page {
            Endpoint::Device => self.issuer_of_device_page(request, &parameters).await,
            Endpoint::Passkeys | Endpoint::Account => self.issuer_of_own_page(request, &parameters).await,
            Endpoint::Authorize => self.resolve_issuer(request, &parameters).await,
        };
        issuer.ok().map(|issuer| issuer.tenant.id)
    }

    /// The issuer of a page that no client leads to: the tenant is in the path, the header or a parameter; else it is the
    /// default one.
    ///
    /// # Errors
    /// `invalid_request` if the tenant is unknown or two are named.
    pub(super) async fn issuer_of_own_page(
        &self,
        request: &BrowserRequest<'_>,
        parameters: &Parameters<'_>,
    ) -> Result<Arc<LocalIssuer>, OAuthError> {
        let header = request.tenant_header.map(|value| std::str::from_utf8(value).unwrap_or_default());
        let mut hints = [request.tenant_path, header, parameters.find("tenantId")].into_iter().flatten();
        let unknown = || OAuthError::invalid_request(ErrorReason::InvalidTenantId, "There is no such tenant.");
        match hints.next() {
            Some(hint) if hints.any(|other| !other.eq_ignore_ascii_case(hint)) => Err(unknown()),
            Some(hint) => {
                let id = Uuid::try_parse(hint).map_err(|_| unknown())?;
                self.find_issuer_of(id).await?.ok_or_else(unknown)
            }
            None => self.keys.issuer(None).ok_or_else(|| OAuthError::unavailable("no tenant exists")),
        }
    }

    /// The issuer of a tenant that may be so new that its keys are not here yet.
    pub(super) async fn find_issuer_of(&self, tenant_id: Uuid) -> Result<Option<Arc<LocalIssuer>>, OAuthError> {
        if let Some(issuer) = self.keys.issuer(Some(tenant_id)) {
            return Ok(Some(issuer));
        }
        if self.directory.tenant(tenant_id).await?.is_none() {
            return Ok(None);
        }
        self.keys.reload().await.map_err(OAuthError::unavailable)?;
        Ok(self.keys.issuer(Some(tenant_id)))
    }

    /// The only tenant, or the only one that knows the client. An unknown client is the default tenant's to refuse.
    async fn tenant_of_client(&self, client_id: &str) -> Result<Arc<LocalIssuer>, OAuthError> {
        let issuers = self.keys.issuers();
        let mut found = Vec::new();
        if issuers.len() > 1 {
            for issuer in &issuers {
                if self.find_client(issuer.tenant.id, client_id).await?.is_some() {
                    found.push(issuer);
                }
            }
        }
        match found.as_slice() {
            [] => issuers.first().cloned().ok_or_else(no_tenant),
            [issuer] => Ok(Arc::clone(issuer)),
            [_, _, ..] => {
                let description = "Several tenants have this client: say which one with tenantId.";
                Err(OAuthError::invalid_request(ErrorReason::MissingTenantId, description))
            }
        }
    }
}

/// The token in the header, if there is one.
pub(super) fn bearer<'a>(request: &TokenRequest<'a>) -> Option<&'a str> {
    presented(request).map(|(token, _)| token)
}

/// The same, and whether it comes with a proof (RFC 9449 7.1).
pub(super) fn presented<'a>(request: &TokenRequest<'a>) -> Option<(&'a str, bool)> {
    let [header] = request.authorization else { return None };
    let (scheme, token) = std::str::from_utf8(header).ok()?.split_once(' ')?;
    let is_dpop = scheme.eq_ignore_ascii_case(DPOP);
    (is_dpop || scheme.eq_ignore_ascii_case("Bearer")).then_some((token, is_dpop))
}

fn no_tenant() -> OAuthError {
    OAuthError::unavailable("no tenant exists")
}

fn unknown_tenant() -> OAuthError {
    OAuthError::invalid_request(ErrorReason::InvalidTenantId, "There is no such tenant.")
}
