//! `/oauth2/passkeys`: where people add and remove their passkeys (rule L12).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::browser::Browser;
use crate::oauth::{AuthorizationServer, Step};

/// `GET` and `POST`
pub(super) async fn page(
    State(server): State<Arc<AuthorizationServer>>,
    tenant: Option<Path<String>>,
    request: Request<Body>,
) -> Response {
    match Browser::read(&server, tenant, request, Step::Start).await {
        Ok(browser) => browser.respond("passkeys", server.passkeys_page(&browser.request()).await),
        Err(answer) => answer,
    }
}
