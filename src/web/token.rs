//! `POST /oauth2/token` (RFC 6749 section 3.2). It reads a form and knows nothing of what is in it.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use super::{ClientCertificate, MAX_BODY_BYTES, PeerAddress, VouchedCertificate, respond};
use crate::oauth::{AuthorizationServer, ErrorCode, ErrorReason, OAuthError, Sender, TokenRequest};

pub(super) async fn post(
    State(server): State<Arc<AuthorizationServer>>,
    tenant: Option<Path<String>>,
    request: Request<Body>,
) -> Response {
    let (head, body) = request.into_parts();
    if !is_form(&head.headers) {
        let description = "The Content-Type is not application/x-www-form-urlencoded.";
        let error = OAuthError::invalid_request(ErrorReason::Unknown, description);
        return respond::token(server.said_at(tenant.as_ref().map(|Path(tenant)| tenant.as_str()), Err(error)));
    }
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        let description = "The body is longer than 64 KiB or ended early.";
        return respond::plain(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::InvalidRequest, description);
    };
    let authorization: Vec<_> = head.headers.get_all(header::AUTHORIZATION).iter().map(AsRef::as_ref).collect();
    let proofs: Vec<_> = head.headers.get_all("dpop").iter().map(AsRef::as_ref).collect();
    let request = TokenRequest {
        authorization: &authorization,
        tenant_header: head.headers.get("x-fusionauth-tenantid").map(AsRef::as_ref),
        tenant_path: tenant.as_ref().map(|Path(tenant)| tenant.as_str()),
        body: &body,
        peer: head.extensions.get::<PeerAddress>().map(|peer| peer.0),
        sender: Sender {
            proofs: &proofs,
            certificate: ClientCertificate::of(&head.extensions),
            vouched: VouchedCertificate::of(&head.extensions),
            ..Sender::default()
        },
    };
    respond::token(server.said_at(request.tenant_path, server.token(&request).await))
}

/// Parameters of the media type, such as a charset, do not matter (F-081).
fn is_form(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}
