//! `/oauth2/logout` (CONTRACT 2.H, OpenID Connect RP-Initiated Logout 1.0).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::browser::Browser;
use crate::oauth::{AuthorizationServer, Step};

/// `GET` and `POST`
pub(super) async fn answer(
    State(server): State<Arc<AuthorizationServer>>,
    tenant: Option<Path<String>>,
    request: Request<Body>,
) -> Response {
    match Browser::read(&server, tenant, request, Step::Start).await {
        Ok(browser) => browser.respond("logout", server.log_out(&browser.request()).await),
        Err(answer) => answer,
    }
}
