//! `POST /oauth2/revoke` (RFC 7009 section 2). It does not know what ends with a token.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::respond;
use super::sent::Sent;
use crate::oauth::AuthorizationServer;

pub(super) async fn post(
    State(server): State<Arc<AuthorizationServer>>,
    tenant: Option<Path<String>>,
    request: Request<Body>,
) -> Response {
    let sent = match Sent::form(tenant, request).await {
        Ok(sent) => sent,
        Err(refusal) => return refusal,
    };
    let authorization = sent.authorization();
    let request = sent.request(&authorization);
    respond::empty("revoke", server.said_at(request.tenant_path, server.revoke_token(&request).await))
}
