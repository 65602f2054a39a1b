//! `GET /.well-known/jwks.json` (RFC 7517 section 5): the public keys. It does not know when they change.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::respond;
use super::sent::{Named, NoTenant};
use crate::oauth::AuthorizationServer;

pub(super) async fn get(
    State(server): State<Arc<AuthorizationServer>>,
    tenant: Option<Path<String>>,
    request: Request<Body>,
) -> Response {
    let named = Named::by(tenant, &request);
    let document = match named.tenant_id {
        Ok(tenant) => server.key_set(tenant).await,
        Err(NoTenant) => Ok(None),
    };
    named.vary(respond::publish("jwks", server.cache_for(), document))
}
