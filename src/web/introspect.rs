//! `POST /oauth2/introspect` (RFC 7662 section 2). It does not know what makes a token good.

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
    let authorization = sent.authorization_beside_keys();
    let request = sent.request(&authorization);
    let answer = server.said_at(request.tenant_path, server.introspect(&request, sent.api_key()).await);
    respond::json("introspect", answer.map(|introspection| introspection.0))
}
