//! The device grant's endpoints: `/oauth2/device_authorize` (RFC 8628 section 3.1) and what belongs to it for programs,
//! `/oauth2/device` (section 3.3) for people. It knows neither codes nor HTML.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::browser::Browser;
use super::respond;
use super::sent::Sent;
use crate::oauth::{AuthorizationServer, Step};

type Server = State<Arc<AuthorizationServer>>;

/// `POST /oauth2/device_authorize`
pub(super) async fn authorize(State(server): Server, tenant: Option<Path<String>>, request: Request<Body>) -> Response {
    match Sent::form(tenant, request).await {
        Ok(sent) => {
            let authorization = sent.authorization();
            let request = sent.request(&authorization);
            let result = server.said_at(request.tenant_path, server.device_authorization(&request).await);
            respond::json("device_authorize", result)
        }
        Err(answer) => answer,
    }
}

/// `GET /oauth2/device/validate`
pub(super) async fn check(State(server): Server, tenant: Option<Path<String>>, request: Request<Body>) -> Response {
    let sent = Sent::query(tenant, request);
    let authorization = sent.authorization();
    let request = sent.request(&authorization);
    let result = server.said_at(request.tenant_path, server.check_user_code(&request).await);
    respond::empty("device_validate", result)
}

/// `POST /oauth2/device/user-code`
pub(super) async fn describe(State(server): Server, tenant: Option<Path<String>>, request: Request<Body>) -> Response {
    match Sent::form(tenant, request).await {
        Ok(sent) => {
            let authorization = sent.authorization_beside_keys();
            let request = sent.request(&authorization);
            let result = server.said_at(request.tenant_path, server.describe_user_code(&request, sent.api_key()).await);
            respond::json("device_user_code", result)
        }
        Err(answer) => answer,
    }
}

/// `POST /oauth2/device/approve`
pub(super) async fn approve(State(server): Server, tenant: Option<Path<String>>, request: Request<Body>) -> Response {
    match Sent::form(tenant, request).await {
        Ok(sent) => {
            let authorization = sent.authorization_beside_keys();
            let request = sent.request(&authorization);
            let result = server.said_at(request.tenant_path, server.approve_device_by_token(&request).await);
            respond::json("device_approve", result)
        }
        Err(answer) => answer,
    }
}

/// `GET /oauth2/device/picture`: a QR code for a device that cannot draw one.
pub(super) async fn picture(State(server): Server, tenant: Option<Path<String>>, request: Request<Body>) -> Response {
    let sent = Sent::query(tenant, request);
    respond::svg("device_picture", server.device_picture(&sent.request(&sent.authorization())).await)
}

/// `GET` and `POST /oauth2/device`
pub(super) async fn page(State(server): Server, tenant: Option<Path<String>>, request: Request<Body>) -> Response {
    match Browser::read(&server, tenant, request, Step::Start).await {
        Ok(browser) => browser.respond("device", server.device_page(&browser.request()).await),
        Err(answer) => answer,
    }
}
