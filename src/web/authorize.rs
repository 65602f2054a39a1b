//! `/oauth2/authorize` (RFC 6749 section 3.1) and the pages of its later steps: second factor, new password, consent.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::browser::Browser;
use crate::oauth::{AuthorizationServer, Step};

type Server = State<Arc<AuthorizationServer>>;

/// `GET` and `POST /oauth2/authorize`
pub(super) async fn start(State(server): Server, tenant: Option<Path<String>>, request: Request<Body>) -> Response {
    answer(&server, tenant, request, Step::Start).await
}

/// `/oauth2/two-factor` (F-054)
pub(super) async fn second_factor(
    State(server): Server,
    tenant: Option<Path<String>>,
    request: Request<Body>,
) -> Response {
    answer(&server, tenant, request, Step::SecondFactor).await
}

/// `/password/change` (F-055)
pub(super) async fn change_password(
    State(server): Server,
    tenant: Option<Path<String>>,
    request: Request<Body>,
) -> Response {
    answer(&server, tenant, request, Step::ChangePassword).await
}

/// `/oauth2/consent`
pub(super) async fn consent(State(server): Server, tenant: Option<Path<String>>, request: Request<Body>) -> Response {
    answer(&server, tenant, request, Step::Consent).await
}

async fn answer(
    server: &Arc<AuthorizationServer>,
    tenant: Option<Path<String>>,
    request: Request<Body>,
    step: Step,
) -> Response {
    match Browser::read(server, tenant, request, step).await {
        Ok(browser) => match browser.circle() {
            Some(answer) => answer,
            None => browser.respond("authorize", server.interact(&browser.request()).await),
        },
        Err(answer) => answer,
    }
}
