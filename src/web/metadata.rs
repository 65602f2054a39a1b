//! `GET /.well-known/openid-configuration` and RFC 8414's name for the same document.
//! It does not know what is in it.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use uuid::Uuid;

use super::respond;
use crate::oauth::AuthorizationServer;

pub(super) async fn get(State(server): State<Arc<AuthorizationServer>>, tenant: Option<Path<String>>) -> Response {
    let document = match tenant.map(|Path(tenant)| Uuid::try_parse(&tenant)) {
        None => server.metadata(None).await,
        Some(Ok(tenant)) => server.metadata(Some(tenant)).await,
        Some(Err(_)) => Ok(None),
    };
    respond::publish("metadata", server.cache_for(), document)
}
