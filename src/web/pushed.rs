//! `POST /oauth2/par` (RFC 9126 section 2). It does not know what is pushed.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::respond;
use super::sent::Sent;
use crate::oauth::{AuthorizationServer, Sender, TokenRequest};

pub(super) async fn post(
    State(server): State<Arc<AuthorizationServer>>,
    tenant: Option<Path<String>>,
    request: Request<Body>,
) -> Response {
    let sent = match Sent::form(tenant, request).await {
        Ok(sent) => sent,
        Err(refusal) => return refusal,
    };
    let (authorization, proofs) = (sent.authorization(), sent.proofs());
    let request = sent.request(&authorization);
    let request = TokenRequest { sender: Sender { proofs: &proofs, ..request.sender }, ..request };
    respond::pushed(server.said_at(request.tenant_path, server.push_authorization(&request).await))
}
