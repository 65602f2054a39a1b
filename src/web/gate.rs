//! `/_faregate/callback` and `/_faregate/logout`: people come back from an issuer, and sign out.
//!
//! Owns the pages and header fields of both. Whether a login counts was decided in `browsers`.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::get;

use super::pages::{self, Chrome, ErrorKind, FormAction, Language};
use super::{MAX_BODY_BYTES, RequestId, respond};
use crate::browsers::{self, Browsers, Failure, Next, Reply, SignOutRequest};
use crate::model::Theme;

/// Seconds after which what could not be done may be tried again.
const RETRY_AFTER: &str = "5";

struct Gate {
    browsers: Arc<Browsers>,
    /// What people know this gateway by.
    name: String,
}

/// The endpoints of logins. `name` is the host of the public URL.
pub fn gate(browsers: Arc<Browsers>, name: &str) -> Router {
    Router::new()
        .route(browsers::CALLBACK, get(callback))
        .route(browsers::NAMED_CALLBACK, get(callback))
        .route(browsers::LOGOUT, get(sign_out).post(sign_out))
        .fallback(respond::not_found)
        .method_not_allowed_fallback(respond::method_not_allowed)
        .layer(map_response(respond::harden))
        .with_state(Arc::new(Gate { browsers, name: name.to_owned() }))
}

async fn callback(State(gate): State<Arc<Gate>>, name: Option<Path<String>>, request: Request<Body>) -> Response {
    let (head, _) = request.into_parts();
    // Whoever only looks does not use up what can be used once.
    if head.method == Method::HEAD {
        return respond::method_not_allowed().await;
    }
    let query = head.uri.query().unwrap_or_default();
    let reply = gate.browsers.callback(name.as_deref().map(String::as_str), query, &head.headers).await;
    gate.answer(reply, &head.headers, head.extensions.get())
}

async fn sign_out(State(gate): State<Arc<Gate>>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else { return respond::not_found().await };
    // HTTP/2 has it beside the fields.
    let field = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let authority = field.or(head.uri.authority().map(Authority::as_str)).unwrap_or_default();
    let is_post = head.method == Method::POST;
    let asked = SignOutRequest { is_post, authority, headers: &head.headers, body: &body };
    let reply = gate.browsers.sign_out(&asked).await;
    gate.answer(reply, &head.headers, head.extensions.get())
}

impl Gate {
    fn answer(&self, reply: Reply, asked: &HeaderMap, request_id: Option<&RequestId>) -> Response {
        let mut response = match &reply.next {
            Next::Redirect(to) => redirect(to),
            Next::Failed(failure) => self.explain(failure, asked, request_id),
            Next::ConfirmSignOut { forgery, leads_to } => {
                let form = pages::Form { action: browsers::LOGOUT, fields: &[], forgery };
                self.page(StatusCode::OK, &pages::ConfirmLogout { form }, asked, FormAction::HereAndAll(leads_to))
            }
            Next::SignedOut => {
                let page = pages::SignedOut { frames: &[], next: None };
                self.page(StatusCode::OK, &page, asked, FormAction::Nowhere)
            }
        };
        for cookie in reply.cookies {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }

    fn explain(&self, failure: &Failure, asked: &HeaderMap, request_id: Option<&RequestId>) -> Response {
        let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let is_ours = status == StatusCode::SERVICE_UNAVAILABLE;
        let page = pages::ErrorPage {
            kind: if is_ours { ErrorKind::Unavailable } else { ErrorKind::Login },
            error: failure.code,
            description: failure.description,
            detail: None,
            request_id: request_id.map(|id| id.0.as_str()),
            again: failure.again.as_deref(),
        };
        let mut response = self.page(status, &page, asked, FormAction::Nowhere);
        if is_ours {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        response
    }

    fn page(&self, status: StatusCode, page: &dyn pages::Page, asked: &HeaderMap, form: FormAction<'_>) -> Response {
        let accepted = asked.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let theme = Theme::default();
        let chrome = Chrome {
            language: Language::choose(None, accepted),
            theme: &theme,
            tenant_name: &self.name,
            here: None,
            is_https: self.browsers.is_https(),
        };
        pages::respond(status, page, &chrome, form)
    }
}

/// A5: whatever was sent, the browser goes on with GET.
fn redirect(to: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(to) = HeaderValue::try_from(to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    pages::harden(response, FormAction::Nowhere)
}
