//! What clients of a dialect call that log people in without a client, and what they call with the token then (F-300 to
//! F-302): JSON in, JSON out. For tenants that do not speak so there is nothing here.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;

use super::respond::Issued;
use super::sent::Sent;
use super::{MAX_BODY_BYTES, PeerAddress, cross_origin, respond};
use crate::oauth::{AuthorizationServer, Sender, TokenRequest};
use crate::profile::Endpoint;

type Server = State<Arc<AuthorizationServer>>;

/// The body of a login.
#[derive(Deserialize)]
struct Login {
    username: Option<String>,
    password: Option<String>,
    refresh_token: Option<String>,
    scopes: Option<Vec<String>>,
}

/// `POST /consumer/login`, and `PUT` for new tokens (F-300).
pub(super) async fn login(State(server): Server, tenant: Option<Path<String>>, request: Request<Body>) -> Response {
    const ENDPOINT: &str = "consumer_login";
    let peer = request.extensions().get::<PeerAddress>().map(|peer| -> IpAddr { peer.0 });
    let method = request.method().clone();
    let (head, body) = request.into_parts();
    let headers = head.headers.clone();
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        return respond::message(
            ENDPOINT,
            StatusCode::PAYLOAD_TOO_LARGE,
            "The body is longer than 64 KiB or ended early.",
        );
    };
    let sent = Sent::fields(tenant, Request::from_parts(head, Body::empty()));
    let issuer = match server.speaker_at(sent.request(&[]).tenant_path, Endpoint::ConsumerLogin).await {
        Ok(Some(issuer)) => issuer,
        Ok(None) => return respond::not_found().await,
        Err(error) => return respond::told(ENDPOINT, &error),
    };
    if method == Method::OPTIONS {
        return cross_origin::preflight_of("POST, PUT", &headers);
    }
    if method != Method::POST && method != Method::PUT {
        return respond::method_not_allowed().await;
    }
    let Ok(said) = serde_json::from_slice::<Login>(&body) else {
        return respond::message(ENDPOINT, StatusCode::BAD_REQUEST, "The body is not a JSON object of a login.");
    };
    let result = match (&said.username, &said.password, &said.refresh_token) {
        (_, _, Some(refresh_token)) if method == Method::PUT => {
            server.consumer_refresh(&issuer, refresh_token, peer).await
        }
        (Some(username), Some(password), _) if method == Method::POST => {
            let scopes = said.scopes.as_ref().filter(|scopes| !scopes.is_empty()).map(|scopes| scopes.join(" "));
            server.consumer_login(&issuer, (username, password), scopes.as_deref(), peer).await
        }
        (_, _, _) => return respond::message(ENDPOINT, StatusCode::BAD_REQUEST, "The login is not complete."),
    };
    match result {
        Ok(tokens) => {
            let issued = Issued { grant_type: tokens.grant_type.as_str(), profile: issuer.tenant.profile.as_str() };
            respond::issued(ENDPOINT, issued, tokens)
        }
        Err(error) => respond::told(ENDPOINT, &error),
    }
}

/// `POST /authorization/revoke` (F-302).
pub(super) async fn revoke(State(server): Server, tenant: Option<Path<String>>, request: Request<Body>) -> Response {
    const ENDPOINT: &str = "revoke_own";
    let (method, headers) = (request.method().clone(), request.headers().clone());
    let sent = Sent::fields(tenant, request);
    let (authorization, proofs) = (sent.authorization(), sent.proofs());
    let request = sent.request(&authorization);
    let request = TokenRequest { sender: Sender { proofs: &proofs, ..request.sender }, ..request };
    let issuer = match server.speaker_at(request.tenant_path, Endpoint::RevokeOwn).await {
        Ok(Some(issuer)) => issuer,
        Ok(None) => return respond::not_found().await,
        Err(error) => return respond::told(ENDPOINT, &error),
    };
    if method == Method::OPTIONS {
        return cross_origin::preflight_of("POST", &headers);
    }
    if method != Method::POST {
        return respond::method_not_allowed().await;
    }
    match server.revoke_own(&issuer, &request).await {
        Ok(()) => respond::json(ENDPOINT, Ok(json!({ "success": true }))),
        Err(error) => respond::told(ENDPOINT, &error),
    }
}

/// `GET /authorization/whoami`.
pub(super) async fn who_am_i(State(server): Server, tenant: Option<Path<String>>, request: Request<Body>) -> Response {
    const ENDPOINT: &str = "whoami";
    let (method, headers) = (request.method().clone(), request.headers().clone());
    let sent = Sent::fields(tenant, request);
    let (authorization, proofs) = (sent.authorization(), sent.proofs());
    let request = sent.request(&authorization);
    let request = TokenRequest { sender: Sender { proofs: &proofs, ..request.sender }, ..request };
    let issuer = match server.speaker_at(request.tenant_path, Endpoint::WhoAmI).await {
        Ok(Some(issuer)) => issuer,
        Ok(None) => return respond::not_found().await,
        Err(error) => return respond::told(ENDPOINT, &error),
    };
    if method == Method::OPTIONS {
        return cross_origin::preflight_of("GET", &headers);
    }
    if method != Method::GET && method != Method::HEAD {
        return respond::method_not_allowed().await;
    }
    match server.who_am_i(&issuer, &request).await {
        Ok(person) => respond::json(ENDPOINT, Ok(person)),
        Err(error) => respond::told(ENDPOINT, &error),
    }
}
