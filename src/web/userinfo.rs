//! `GET` and `POST /oauth2/userinfo` (OpenID Connect Core 5.3.1). It does not know what is known of a user.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::respond;
use super::sent::Sent;
use crate::oauth::{AuthorizationServer, Sender, TokenRequest};

/// Nothing is taken from the query (F12).
pub(super) async fn get(
    State(server): State<Arc<AuthorizationServer>>,
    tenant: Option<Path<String>>,
    request: Request<Body>,
) -> Response {
    answer(&server, &Sent::fields(tenant, request)).await
}

/// The token may be in the form (RFC 6750 section 2.2); without a form it is in the header.
pub(super) async fn post(
    State(server): State<Arc<AuthorizationServer>>,
    tenant: Option<Path<String>>,
    request: Request<Body>,
) -> Response {
    if !Sent::is_form(&request) {
        return answer(&server, &Sent::fields(tenant, request)).await;
    }
    match Sent::form(tenant, request).await {
        Ok(sent) => answer(&server, &sent).await,
        Err(refusal) => refusal,
    }
}

async fn answer(server: &AuthorizationServer, sent: &Sent) -> Response {
    let authorization = sent.authorization();
    let proofs = sent.proofs();
    let request = sent.request(&authorization);
    let sender = Sender { proofs: &proofs, ..request.sender };
    let answer = server.userinfo(&TokenRequest { sender, ..request }).await;
    respond::userinfo(server.said_at(request.tenant_path, answer))
}
