//! `/oauth2/account`: where people look after their own account (UX 23).

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
        Ok(browser) => browser.respond("account", server.account_page(&browser.request()).await),
        Err(answer) => answer,
    }
}
