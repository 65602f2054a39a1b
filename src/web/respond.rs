//! Answers: results and errors of the protocol as HTTP, and the fields that every answer carries.
//!
//! Owns header fields and JSON; the status of a protocol error is chosen by its code.

use axum::Json;
use axum::body::Body;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;

use crate::oauth::{
    self, ErrorCode, ErrorReason, OAuthError, PushedAuthorization, RegisteredClient, Reused, TokenResponse, UserInfo,
};
use crate::secret::Secret;

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// How a request to the authorization server ended, as an extension of the response, for those who count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub endpoint: &'static str,
    /// The `error` that was answered, or none.
    pub error: Option<&'static str>,
    /// The token that was issued, if one was.
    pub issued: Option<Issued>,
}

/// What is counted of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Issued {
    pub grant_type: &'static str,
    pub profile: &'static str,
}

/// Beside the [`Outcome`] of a request that presented something a second time: what it was (C5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reuse(pub Reused);

/// A text for a person to keep. It is named as its content is, so that nothing but saving can be done with it.
pub(super) fn file(name: &'static str, content: &Secret<String>) -> Response {
    let mut response = Response::new(Body::from(content.expose().clone()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if let Ok(disposition) = HeaderValue::try_from(format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    super::pages::harden(response, super::pages::FormAction::Nowhere)
}

/// The members in the order that clients of FusionAuth have seen (F-097).
#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_reason: Option<&'static str>,
    error_description: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    change_password_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    two_factor_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    two_factor_methods: Option<[TwoFactorMethod; 1]>,
}

/// FusionAuth's name for what a second factor is checked with (F-113).
#[derive(Serialize)]
struct TwoFactorMethod {
    method: &'static str,
}

/// An answer of the token endpoint, which nobody may keep (RFC 6749 section 5.1).
pub(super) fn token(result: Result<TokenResponse, OAuthError>) -> Response {
    const ENDPOINT: &str = "token";
    let token = match result {
        Ok(token) => token,
        Err(error) => return refuse(ENDPOINT, &error),
    };
    let issued = Issued { grant_type: token.grant_type.as_str(), profile: token.profile.as_str() };
    let nonce = token.dpop_nonce.clone();
    let mut response = Json(token).into_response();
    forbid_storing(response.headers_mut());
    set_nonce(response.headers_mut(), nonce.as_deref());
    response.extensions_mut().insert(Outcome { endpoint: ENDPOINT, error: None, issued: Some(issued) });
    response
}

/// An answer of the endpoint for pushed requests (RFC 9126 2.2).
pub(super) fn pushed(result: Result<PushedAuthorization, OAuthError>) -> Response {
    const ENDPOINT: &str = "par";
    let pushed = match result {
        Ok(pushed) => pushed,
        Err(error) => return refuse(ENDPOINT, &error),
    };
    let nonce = pushed.dpop_nonce.clone();
    let mut response = unkept(ENDPOINT, (StatusCode::CREATED, Json(pushed)).into_response());
    set_nonce(response.headers_mut(), nonce.as_deref());
    response
}

/// What a client that registered itself is told (RFC 7591 3.2, RFC 7592 3). It authenticates with a token.
pub(super) fn registered(
    endpoint: &'static str,
    status: StatusCode,
    result: Result<RegisteredClient, OAuthError>,
) -> Response {
    match result {
        Ok(RegisteredClient(told)) => unkept(endpoint, (status, Json(told)).into_response()),
        Err(error) => refuse_registration(endpoint, &error),
    }
}

/// It is no client any more (RFC 7592 2.3).
pub(super) fn forgotten(endpoint: &'static str, result: Result<(), OAuthError>) -> Response {
    match result {
        Ok(()) => unkept(endpoint, StatusCode::NO_CONTENT.into_response()),
        Err(error) => refuse_registration(endpoint, &error),
    }
}

fn refuse_registration(endpoint: &'static str, error: &OAuthError) -> Response {
    let mut response = refuse(endpoint, error);
    if error.code == ErrorCode::AccessDenied {
        *response.status_mut() = StatusCode::FORBIDDEN;
    }
    if response.status() == StatusCode::UNAUTHORIZED {
        // RFC 6750 3
        let challenge = HeaderValue::from_static(r#"Bearer realm="register", error="invalid_token""#);
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// A JSON answer that nobody may keep.
pub(super) fn json(endpoint: &'static str, result: Result<impl Serialize, OAuthError>) -> Response {
    match result {
        Ok(body) => unkept(endpoint, Json(body).into_response()),
        Err(error) => refuse(endpoint, &error),
    }
}

/// The same with a token in it.
pub(super) fn issued(endpoint: &'static str, issued: Issued, body: impl Serialize) -> Response {
    let mut response = unkept(endpoint, Json(body).into_response());
    response.extensions_mut().insert(Outcome { endpoint, error: None, issued: Some(issued) });
    response
}

/// An answer without a body: everything is as it was asked (F-164).
pub(super) fn empty(endpoint: &'static str, result: Result<(), OAuthError>) -> Response {
    match result {
        Ok(()) => unkept(endpoint, Response::new(Body::empty())),
        Err(error) => refuse(endpoint, &error),
    }
}

/// A picture that nobody may keep.
pub(super) fn svg(endpoint: &'static str, result: Result<String, OAuthError>) -> Response {
    let picture = match result {
        Ok(picture) => picture,
        Err(error) => return refuse(endpoint, &error),
    };
    let mut response = Response::new(Body::from(picture));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml"));
    unkept(endpoint, response)
}

/// Claims about a user, or why there are none (RFC 6750 section 3).
pub(super) fn userinfo(result: Result<UserInfo, OAuthError>) -> Response {
    const ENDPOINT: &str = "userinfo";
    let error = match result {
        Ok(UserInfo::Plain(claims)) => return unkept(ENDPOINT, Json(claims).into_response()),
        Ok(UserInfo::Signed(claims)) => {
            let mut response = Response::new(Body::from(claims));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jwt"));
            return unkept(ENDPOINT, response);
        }
        Err(error) => error,
    };
    let mut response = refuse(ENDPOINT, &error);
    // Where a token is used a bad proof is a bad credential (RFC 9449 7.1).
    if error.code == ErrorCode::InvalidDpopProof {
        *response.status_mut() = StatusCode::UNAUTHORIZED;
    }
    if let Some(challenge) = challenge(&error) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

/// RFC 6750 3, RFC 9449 7.1: in the scheme that the token has or needs; without an error code where the request brought nothing
/// to be wrong about.
fn challenge(error: &OAuthError) -> Option<HeaderValue> {
    let is_dpop = error.is_dpop || error.code == ErrorCode::InvalidDpopProof;
    let realm = if is_dpop { r#"DPoP realm="userinfo""# } else { r#"Bearer realm="userinfo""# };
    let mut challenge = match (error.code, error.reason) {
        (ErrorCode::InvalidToken, Some(ErrorReason::AccessTokenRequired)) => realm.to_owned(),
        (ErrorCode::InvalidToken | ErrorCode::InvalidRequest | ErrorCode::InvalidDpopProof, _) => {
            format!(r#"{realm}, error="{}", error_description="{}""#, error.code.as_str(), error.description)
        }
        (ErrorCode::InsufficientScope, _) => format!(r#"{realm}, error="insufficient_scope", scope="openid""#),
        (_, _) => return None,
    };
    if is_dpop {
        let algorithms = oauth::dpop_algorithms().collect::<Vec<_>>().join(" ");
        challenge += &format!(r#", algs="{algorithms}""#);
    }
    HeaderValue::try_from(challenge).ok()
}

fn unkept(endpoint: &'static str, mut response: Response) -> Response {
    forbid_storing(response.headers_mut());
    response.extensions_mut().insert(Outcome { endpoint, error: None, issued: None });
    response
}

/// A public document, the same for everybody.
pub(super) fn publish(endpoint: &'static str, cache_for: i64, document: Result<Option<Bytes>, OAuthError>) -> Response {
    let document = match document {
        Ok(Some(document)) => document,
        Ok(None) => {
            return plain(StatusCode::NOT_FOUND, ErrorCode::InvalidRequest, "There is no such issuer.");
        }
        Err(error) => return refuse(endpoint, &error),
    };
    let mut response = Response::new(Body::from(document));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, JSON);
    // Scripts of any origin may read what is public anyway.
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if let Ok(value) = HeaderValue::try_from(format!("public, max-age={cache_for}")) {
        headers.insert(header::CACHE_CONTROL, value);
    }
    response.extensions_mut().insert(Outcome { endpoint, error: None, issued: None });
    response
}

pub(super) fn refuse(endpoint: &'static str, error: &OAuthError) -> Response {
    if let Some(source) = &error.source {
        tracing::error!(error.code = error.code.as_str(), error.source = %source, "A request failed.");
    }
    let body = ErrorBody {
        error: error.code.as_str(),
        error_reason: error.reason.filter(|_| error.dialect.tells_reason).map(|reason| reason.as_str()),
        error_description: error.description,
        change_password_id: error.change_password_id.as_ref().map(|id| &**id.expose()),
        two_factor_id: error.two_factor_id.as_ref().map(|id| &**id.expose()),
        two_factor_methods: error.two_factor_id.as_ref().map(|_| [TwoFactorMethod { method: "authenticator" }]),
    };
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(body)).into_response();
    let headers = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        // RFC 9110 15.5.2 wants a challenge on every 401, RFC 6749 5.2 this one.
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(r#"Basic realm="token", charset="UTF-8""#));
    }
    if let Some(seconds) = error.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    forbid_storing(headers);
    set_nonce(headers, error.dpop_nonce.as_deref());
    let outcome = Outcome { endpoint, error: Some(error.code.as_str()), issued: None };
    response.extensions_mut().insert(outcome);
    if let Some(reused) = error.reused {
        response.extensions_mut().insert(Reuse(reused));
    }
    response
}

/// A refusal in the words of a dialect that has a message and no code (F-301).
pub(super) fn told(endpoint: &'static str, error: &OAuthError) -> Response {
    let refused = refuse(endpoint, error);
    // A client that is not the caller's fault is nothing to authenticate as.
    let status = match (error.code, error.reason) {
        (ErrorCode::InvalidClient, _) => StatusCode::BAD_REQUEST,
        (_, _) => refused.status(),
    };
    let text = match error.reason {
        Some(ErrorReason::InvalidUserCredentials) if status == StatusCode::BAD_REQUEST => "Invalid name or password",
        Some(_) | None => error.description,
    };
    let mut response = message(endpoint, status, text);
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = refused.headers().get(header::RETRY_AFTER) {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.clone());
    }
    response.extensions_mut().extend(refused.extensions().clone());
    response
}

/// The same without an error of the protocol.
pub(super) fn message(endpoint: &'static str, status: StatusCode, text: &'static str) -> Response {
    let body = serde_json::json!({ "success": false, "message": text });
    let mut response = (status, Json(body)).into_response();
    forbid_storing(response.headers_mut());
    let error = Some(ErrorCode::InvalidRequest.as_str());
    response.extensions_mut().insert(Outcome { endpoint, error, issued: None });
    response
}

/// What HTTP itself refuses, before the protocol is asked.
pub(super) fn plain(status: StatusCode, error: ErrorCode, error_description: &'static str) -> Response {
    let body = ErrorBody {
        error: error.as_str(),
        error_reason: None,
        error_description,
        change_password_id: None,
        two_factor_id: None,
        two_factor_methods: None,
    };
    let mut response = (status, Json(body)).into_response();
    forbid_storing(response.headers_mut());
    response
}

pub(super) async fn not_found() -> Response {
    plain(StatusCode::NOT_FOUND, ErrorCode::InvalidRequest, "There is nothing here.")
}

pub(super) async fn method_not_allowed() -> Response {
    plain(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::InvalidRequest, "This method is not allowed here.")
}

/// The fields of every answer that is not a page, which has its own: it is data, to be shown nowhere and guessed at by
/// nobody.
pub(super) async fn harden(mut response: Response) -> Response {
    if response.headers().contains_key(header::CONTENT_SECURITY_POLICY) {
        return response;
    }
    const FIELDS: [(HeaderName, HeaderValue); 3] = [
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    ];
    response.headers_mut().extend(FIELDS);
    response
}

/// RFC 9449 8.1
fn set_nonce(headers: &mut HeaderMap, nonce: Option<&str>) {
    if let Some(nonce) = nonce.and_then(|nonce| HeaderValue::from_str(nonce).ok()) {
        headers.insert(HeaderName::from_static("dpop-nonce"), nonce);
    }
}

fn forbid_storing(headers: &mut HeaderMap) {
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers.insert(header::PRAGMA, NO_CACHE);
}
