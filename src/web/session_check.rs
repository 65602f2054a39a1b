//! `/oauth2/check_session` (OpenID Connect Session Management 1.0 section 3.3): the page that clients load in a frame to be
//! told when the session changes.
//!
//! Owns its one script, which compares two hashes and sends one word.

use std::sync::Arc;

use aws_lc_rs::digest;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use super::cookies::{Cookie, Place};
use crate::oauth::AuthorizationServer;
use crate::profile::SessionState;

/// What a client sends is its id, a space and the `session_state` that it was given. Scripts have SHA-256 in secure
/// contexts only; elsewhere the answer is `error`, and clients ask the server then.
fn script(cookie: &str, shape: SessionState) -> String {
    let (separator, digits) = match shape {
        SessionState::Hex => (" ", "Array.from(hash, (byte) => byte.toString(16).padStart(2, \"0\")).join(\"\")"),
        SessionState::Base64Url => (
            "",
            "btoa(String.fromCharCode(...hash)).replace(/[+/=]/g, (c) => ({ \"+\": \"-\", \"/\": \"_\" })[c] ?? \"\")",
        ),
    };
    format!(
        r#"addEventListener("message", async (event) => {{
  const answer = (word) => event.source.postMessage(word, event.origin);
  const [client, state, ...rest] = String(event.data).split(" ");
  const salt = (state || "").split(".")[1];
  if (!salt || rest.length || !crypto.subtle) return answer("error");
  const kept = document.cookie.split("; ").find((pair) => pair.startsWith("{cookie}="));
  const text = [client, event.origin, (kept || "").slice({length}), salt].join("{separator}");
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  const hex = {digits};
  answer(hex + "." + salt === state ? "unchanged" : "changed");
}});"#,
        length = cookie.len() + 1
    )
}

/// The page of the tenant in the path, or of the default one.
pub(super) async fn get(State(server): State<Arc<AuthorizationServer>>, tenant: Option<Path<Uuid>>) -> Response {
    let keys = server.keys();
    let default = keys.issuer(None).map(|issuer| issuer.tenant.id);
    let tenant_id = tenant.map(|Path(id)| id).filter(|id| Some(*id) != default);
    let is_https = keys.settings().public_url.starts_with("https://");
    let shape = keys.issuer(tenant_id).map_or(SessionState::Hex, |issuer| issuer.dialect().session_state);
    let script = script(&Cookie::State.name(Place { is_https, tenant_id }), shape);
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, script.as_bytes()));
    // Any client's page may show it: it shows nothing and does nothing but answer.
    let policy = format!("default-src 'none'; script-src 'sha256-{hash}'; base-uri 'none'; frame-ancestors *");
    let policy = HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    let fields: [(HeaderName, HeaderValue); 5] = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    let html = format!("<!doctype html><meta charset=\"utf-8\"><title>-</title><script>{script}</script>");
    let mut response = Response::new(Body::from(html));
    *response.headers_mut() = HeaderMap::from_iter(fields);
    response
}
