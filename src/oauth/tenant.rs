//! Which tenant is a request for (D1)? Path, header and parameter name it; else the client does.
//!
//! Owns the order of the hints; it does not know what the tenant then allows.

use std::sync::Arc;

use uuid::Uuid;

use super::error::{ErrorReason, OAuthError};
use super::interaction::{BrowserRequest, Step};
use super::keys::LocalIssuer;
use super::login::Endpoint;
use super::parameters::Parameters;
use super::{AuthorizationServer, TokenRequest};

impl AuthorizationServer {
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
        };
        self.resolve_tenant(&named, parameters, parameters.find("client_id")).await
    }

    /// Whose page a browser asks for, as the page itself will find out. `None` when the answer is an error.
    pub async fn tenant_of_page(&self, request: &BrowserRequest<'_>, is_device_page: bool) -> Option<Uuid> {
        let parameters = request.parameters().ok()?;
        let is_step_of_device = request.step != Step::Start && Endpoint::of(&parameters) == Endpoint::Device;
        let issuer = match is_device_page || is_step_of_device {
            true => self.issuer_of_device_page(request, &parameters).await,
            false => self.resolve_issuer(request, &parameters).await,
        };
        issuer.ok().map(|issuer| issuer.tenant.id)
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

fn no_tenant() -> OAuthError {
    OAuthError::unavailable("no tenant exists")
}

fn unknown_tenant() -> OAuthError {
    OAuthError::invalid_request(ErrorReason::InvalidTenantId, "There is no such tenant.")
}
