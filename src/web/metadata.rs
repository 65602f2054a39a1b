//! `GET /.well-known/openid-configuration` and RFC 8414's name for the same document.
//! It does not know what is in it.

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
        Ok(tenant) => server.metadata(tenant).await,
        Err(NoTenant) => Ok(None),
    };
    named.vary(respond::publish("metadata", server.cache_for(), document))
}
