//! `POST /oauth2/register` (RFC 7591 section 3), and what is at the address of a client that did (RFC 7592 section 2). It does
//! not know what a client may be.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;

use super::sent::Sent;
use super::{cross_origin, respond};
use crate::oauth::AuthorizationServer;

const ENDPOINT: &str = "register";

pub(super) async fn register(
    State(server): State<Arc<AuthorizationServer>>,
    tenant: Option<Path<String>>,
    request: Request<Body>,
) -> Response {
    let sent = match Sent::json(tenant, request).await {
        Ok(sent) => sent,
        Err(refusal) => return refusal,
    };
    let authorization = sent.authorization();
    let request = sent.request(&authorization);
    let answer = server.said_at(request.tenant_path, server.register_client(&request).await);
    respond::registered(ENDPOINT, StatusCode::CREATED, answer)
}

/// The client's own address: GET, PUT and DELETE.
pub(super) async fn manage(
    State(server): State<Arc<AuthorizationServer>>,
    Path(place): Path<Vec<String>>,
    request: Request<Body>,
) -> Response {
    let (tenant, client_id) = match <[String; 2]>::try_from(place) {
        Ok([tenant, client_id]) => (Some(Path(tenant)), client_id),
        Err(mut alone) => (None, alone.pop().unwrap_or_default()),
    };
    let method = request.method().clone();
    let sent = match method {
        Method::PUT => Sent::json(tenant, request).await,
        _ => Ok(Sent::fields(tenant, request)),
    };
    let sent = match sent {
        Ok(sent) => sent,
        Err(refusal) => return refusal,
    };
    let authorization = sent.authorization();
    let request = sent.request(&authorization);
    let answer = match method {
        Method::PUT => server.change_client(&request, &client_id).await,
        Method::DELETE => {
            let forgotten = server.said_at(request.tenant_path, server.forget_client(&request, &client_id).await);
            return respond::forgotten(ENDPOINT, forgotten);
        }
        _ => server.registered_client(&request, &client_id).await,
    };
    respond::registered(ENDPOINT, StatusCode::OK, server.said_at(request.tenant_path, answer))
}

pub(super) async fn preflight(headers: HeaderMap) -> Response {
    cross_origin::preflight_of("GET, PUT, DELETE", &headers)
}
