//! Requests of clients: a form or a query, and the fields that say who sends it. It does not know what they mean.

use std::net::IpAddr;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use uuid::Uuid;

use super::{ClientCertificate, MAX_BODY_BYTES, PeerAddress, VouchedCertificate, respond};
use crate::oauth::{ErrorCode, ErrorReason, OAuthError, Sender, TokenRequest};

const TENANT_HEADER: &str = "x-fusionauth-tenantid";

/// What was sent.
pub(super) struct Sent {
    method: Method,
    headers: HeaderMap,
    tenant_path: Option<String>,
    parameters: Bytes,
    peer: Option<IpAddr>,
    certificate: Option<ClientCertificate>,
    vouched: Option<VouchedCertificate>,
}

impl Sent {
    /// The parameters of a POST.
    ///
    /// # Errors
    /// The answer to what is no form, or too long for one.
    pub(super) async fn form(tenant: Option<Path<String>>, request: Request<Body>) -> Result<Self, Response> {
        if !is_form(request.headers()) {
            let description = "The Content-Type is not application/x-www-form-urlencoded.";
            let error = OAuthError::invalid_request(ErrorReason::Unknown, description);
            return Err(respond::empty("form", Err(error)));
        }
        Self::read(tenant, request).await
    }

    /// A JSON document, in the place of the parameters.
    ///
    /// # Errors
    /// The answer to what is no JSON, or too long for it.
    pub(super) async fn json(tenant: Option<Path<String>>, request: Request<Body>) -> Result<Self, Response> {
        if !media_type(request.headers()).eq_ignore_ascii_case("application/json") {
            let description = "The Content-Type is not application/json.";
            let error = OAuthError::invalid_request(ErrorReason::Unknown, description);
            return Err(respond::empty("json", Err(error)));
        }
        Self::read(tenant, request).await
    }

    async fn read(tenant: Option<Path<String>>, request: Request<Body>) -> Result<Self, Response> {
        let (head, body) = request.into_parts();
        let Ok(parameters) = to_bytes(body, MAX_BODY_BYTES).await else {
            let description = "The body is longer than 64 KiB or ended early.";
            return Err(respond::plain(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::InvalidRequest, description));
        };
        let peer = head.extensions.get::<PeerAddress>().map(|peer| peer.0);
        let tenant_path = tenant.map(|Path(tenant)| tenant);
        let (certificate, vouched) = (head.extensions.get().cloned(), head.extensions.get().cloned());
        Ok(Self { method: head.method, headers: head.headers, tenant_path, parameters, peer, certificate, vouched })
    }

    /// The parameters of a GET.
    pub(super) fn query(tenant: Option<Path<String>>, request: Request<Body>) -> Self {
        let (head, _) = request.into_parts();
        let query = head.uri.query().unwrap_or_default();
        Self {
            parameters: Bytes::copy_from_slice(query.as_bytes()),
            tenant_path: tenant.map(|Path(tenant)| tenant),
            peer: head.extensions.get::<PeerAddress>().map(|peer| peer.0),
            certificate: head.extensions.get().cloned(),
            vouched: head.extensions.get().cloned(),
            method: head.method,
            headers: head.headers,
        }
    }

    /// Whether the body is a form.
    pub(super) fn is_form(request: &Request<Body>) -> bool {
        is_form(request.headers())
    }

    /// The header fields alone.
    pub(super) fn fields(tenant: Option<Path<String>>, request: Request<Body>) -> Self {
        Self { parameters: Bytes::new(), ..Self::query(tenant, request) }
    }

    /// Every `Authorization` field.
    pub(super) fn authorization(&self) -> Vec<&[u8]> {
        self.headers.get_all(header::AUTHORIZATION).iter().map(AsRef::as_ref).collect()
    }

    /// Those with a scheme. FusionAuth's clients send an API key along, without one, to what programs do for a device; the
    /// client proves itself as everywhere.
    pub(super) fn authorization_beside_keys(&self) -> Vec<&[u8]> {
        let mut fields = self.authorization();
        fields.retain(|field| field.contains(&b' '));
        fields
    }

    /// The one without: an API key, if it is anything.
    pub(super) fn api_key(&self) -> Option<&str> {
        let mut keys = self.headers.get_all(header::AUTHORIZATION).iter().filter_map(|field| field.to_str().ok());
        keys.find(|field| !field.is_empty() && !field.contains(' '))
    }

    /// Every proof of a key.
    pub(super) fn proofs(&self) -> Vec<&[u8]> {
        self.headers.get_all("dpop").iter().map(AsRef::as_ref).collect()
    }

    pub(super) fn request<'a>(&'a self, authorization: &'a [&'a [u8]]) -> TokenRequest<'a> {
        TokenRequest {
            authorization,
            tenant_header: self.headers.get(TENANT_HEADER).map(AsRef::as_ref),
            tenant_path: self.tenant_path.as_deref(),
            body: &self.parameters,
            peer: self.peer,
            sender: Sender {
                method: self.method.as_str(),
                proofs: &[],
                certificate: self.certificate.as_ref().map(|certificate| certificate.0.as_str()),
                vouched: self.vouched.as_ref().map(|certificate| &*certificate.0),
            },
        }
    }
}

/// Whose document is asked for: that of the tenant in the path, else of the one that the header or the parameter names, as for
/// every other request (D1).
pub(super) struct Named {
    pub tenant_id: Result<Option<Uuid>, NoTenant>,
    /// Whether a cache has to look at the header.
    varies: bool,
}

/// What is named is no tenant.
#[derive(Debug)]
pub(super) struct NoTenant;

impl Named {
    pub(super) fn by(tenant: Option<Path<String>>, request: &Request<Body>) -> Self {
        let id = |name: &str| Uuid::try_parse(name).map(Some).map_err(|_| NoTenant);
        if let Some(Path(tenant)) = tenant {
            return Self { tenant_id: id(&tenant), varies: false };
        }
        let header = request.headers().get(TENANT_HEADER).filter(|value| !value.is_empty());
        let header = header.map(|value| value.to_str().unwrap_or_default());
        let pairs = request.uri().query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        let parameter = pairs.filter(|(name, value)| *name == "tenantId" && !value.is_empty()).map(|(_, value)| value);
        let mut hints = header.into_iter().chain(parameter);
        let tenant_id = match hints.next() {
            None => Ok(None),
            Some(hint) if hints.any(|other| !other.eq_ignore_ascii_case(hint)) => Err(NoTenant),
            Some(hint) => id(hint),
        };
        Self { tenant_id, varies: true }
    }

    pub(super) fn vary(&self, mut response: Response) -> Response {
        if self.varies {
            response.headers_mut().append(header::VARY, HeaderValue::from_static(TENANT_HEADER));
        }
        response
    }
}

/// Parameters of the media type, such as a charset, do not matter (F-081).
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    media_type(headers).eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

pub(super) fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}
