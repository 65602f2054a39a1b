//! `/oauth2/check_session` (OpenID Connect Session Management 1.0 section 3.3): the page that clients load in a frame to be
//! told when the session changes.
//!
//! Owns its one script, which compares two hashes and sends one word.

use std::sync::{Arc, LazyLock};

use aws_lc_rs::digest;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::cookies::Cookie;
use crate::oauth::AuthorizationServer;

/// What a client sends is its id, a space and the `session_state` that it was given. Scripts have SHA-256 in secure
/// contexts only; elsewhere the answer is `error`, and clients ask the server then.
fn script(is_https: bool) -> String {
    let cookie = Cookie::State.name(is_https);
    format!(
        r#"addEventListener("message", async (event) => {{
  const answer = (word) => event.source.postMessage(word, event.origin);
  const [client, state, ...rest] = String(event.data).split(" ");
  const salt = (state || "").split(".")[1];
  if (!salt || rest.length || !crypto.subtle) return answer("error");
  const kept = document.cookie.split("; ").find((pair) => pair.startsWith("{cookie}="));
  const text = [client, event.origin, (kept || "").slice({length}), salt].join(" ");
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  const hex = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  answer(hex + "." + salt === state ? "unchanged" : "changed");
}});"#,
        length = cookie.len() + 1
    )
}

/// Script and policy, made once per scheme.
struct Document {
    html: String,
    policy: HeaderValue,
}

impl Document {
    fn new(is_https: bool) -> Self {
        let script = script(is_https);
        let hash = STANDARD.encode(digest::digest(&digest::SHA256, script.as_bytes()));
        // Any client's page may show it: it shows nothing and does nothing but answer.
        let policy = format!("default-src 'none'; script-src 'sha256-{hash}'; base-uri 'none'; frame-ancestors *");
        Self {
            html: format!("<!doctype html><meta charset=\"utf-8\"><title>-</title><script>{script}</script>"),
            policy: HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'")),
        }
    }
}

static SECURE: LazyLock<Document> = LazyLock::new(|| Document::new(true));
static PLAIN: LazyLock<Document> = LazyLock::new(|| Document::new(false));

pub(super) async fn get(State(server): State<Arc<AuthorizationServer>>) -> Response {
    let is_https = server.keys().settings().public_url.starts_with("https://");
    let document = if is_https { &SECURE } else { &PLAIN };
    let fields: [(HeaderName, HeaderValue); 5] = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, document.policy.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    let mut response = Response::new(Body::from(document.html.clone()));
    *response.headers_mut() = HeaderMap::from_iter(fields);
    response
}
