//! `GET /.well-known/jwks.json` (RFC 7517 section 5): the public keys. It does not know when they change.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use uuid::Uuid;

use super::respond;
use crate::oauth::AuthorizationServer;

pub(super) async fn get(State(server): State<Arc<AuthorizationServer>>, tenant: Option<Path<String>>) -> Response {
    let document = match tenant.map(|Path(tenant)| Uuid::try_parse(&tenant)) {
        None => server.key_set(None).await,
        Some(Ok(tenant)) => server.key_set(Some(tenant)).await,
        Some(Err(_)) => Ok(None),
    };
    respond::publish("jwks", server.cache_for(), document)
}
