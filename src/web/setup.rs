//! `/oauth2/setup`: where the first person introduces themselves (rule L14).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;

use super::browser::Browser;
use crate::oauth::{AuthorizationServer, Step};

/// `GET` and `POST`
pub(super) async fn answer(State(server): State<Arc<AuthorizationServer>>, request: Request<Body>) -> Response {
    match Browser::read(&server, None, request, Step::Start).await {
        Ok(browser) => browser.respond("setup", server.set_up(&browser.request()).await),
        Err(answer) => answer,
    }
}
