//! What callers are told, in FusionAuth's shapes (D-10): envelopes, `fieldErrors`, empty bodies.
//!
//! Owns statuses and error documents. No message here holds a secret.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::directory::{DirectoryError, FieldCode, FieldError, LoginError};
use crate::oauth::{ErrorCode, KeyRingError, OAuthError};
use crate::store::StoreError;

/// An answer, or why there is none.
pub(super) type Reply = Result<Response, Refusal>;

/// Why a request had no effect.
#[derive(Debug)]
pub(super) enum Refusal {
    /// 401 without a body: no key, a wrong one, or one that may not do this (D-10).
    Unauthorized,
    /// 404 without a body.
    NotFound,
    /// 410 without a body: the user has expired.
    Expired,
    /// 421 without a body: the code of the second factor is wrong, or there is no second factor.
    WrongCode,
    /// 423 without a body: the user is locked.
    Locked,
    /// 429 without a body, after too many wrong guesses: seconds to wait.
    Throttled(i64),
    /// 400: wrong members, by their paths.
    Fields(Vec<FieldError>),
    /// 400: something that is no member's fault: code and message.
    General(&'static str, String),
    /// 409: somebody else was faster; the request may be repeated.
    Changed(String),
    TooLarge,
    /// 415 with the media types that would do.
    MediaType(&'static str),
    /// 503
    Unavailable,
}

impl Refusal {
    pub(super) fn field(field: &'static str, code: FieldCode, message: impl Into<String>) -> Self {
        Self::Fields(vec![FieldError::new(field, code, message)])
    }

    /// The same refusal, where a part of an object has an endpoint of its own and so a path of its own.
    pub(super) fn about(self, whole: &str, part: &'static str) -> Self {
        let Self::Fields(mut errors) = self else { return self };
        for error in &mut errors {
            if error.field == whole {
                error.field = part.into();
            }
        }
        Self::Fields(errors)
    }
}

impl From<DirectoryError> for Refusal {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Invalid(errors) => Self::Fields(errors),
            DirectoryError::NotFound(_) => Self::NotFound,
            DirectoryError::Changed(_) => Self::Changed(error.to_string()),
            DirectoryError::Password(_) | DirectoryError::Sealing(_) | DirectoryError::Store(_) => {
                tracing::warn!(error = %error, "a management request could not be served");
                Self::Unavailable
            }
        }
    }
}

impl From<KeyRingError> for Refusal {
    fn from(error: KeyRingError) -> Self {
        match error {
            KeyRingError::Refused(why) => why.into(),
            KeyRingError::Changed => Self::Changed(error.to_string()),
            KeyRingError::NoTenant(_)
            | KeyRingError::NoneYet
            | KeyRingError::NoTenantsKey
            | KeyRingError::NotForwarded => Self::NotFound,
            KeyRingError::Store(_)
            | KeyRingError::Sealed(_)
            | KeyRingError::Key(_)
            | KeyRingError::UnknownAlgorithm(_)
            | KeyRingError::Interrupted => {
                tracing::warn!(error = %error, "a management request about keys could not be served");
                Self::Unavailable
            }
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        DirectoryError::from(error).into()
    }
}

impl From<LoginError> for Refusal {
    /// What to answer to wrong credentials depends on what they were for; a wrong path unless somebody says otherwise.
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::WrongCredentials => Self::NotFound,
            LoginError::Throttled { retry_after } => Self::Throttled(retry_after),
            LoginError::Locked => Self::Locked,
            LoginError::Expired => Self::Expired,
            LoginError::Busy => Self::Unavailable,
            LoginError::Store(error) => error.into(),
        }
    }
}

impl From<OAuthError> for Refusal {
    /// What an OAuth client would be told that it did wrong is here a token that is not there.
    fn from(error: OAuthError) -> Self {
        if let Some(source) = &error.source {
            tracing::error!(error.code = error.code.as_str(), error.source = %source, "A request failed.");
        }
        match error.retry_after.filter(|_| error.code == ErrorCode::Throttled) {
            Some(seconds) => Self::Throttled(seconds),
            None if error.is_ours() => Self::Unavailable,
            None => Self::NotFound,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Unauthorized => empty(StatusCode::UNAUTHORIZED),
            Self::NotFound => empty(StatusCode::NOT_FOUND),
            Self::Expired => empty(StatusCode::GONE),
            Self::WrongCode => empty(StatusCode::MISDIRECTED_REQUEST),
            Self::Locked => empty(StatusCode::LOCKED),
            Self::Throttled(seconds) => {
                let mut response = empty(StatusCode::TOO_MANY_REQUESTS);
                response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(seconds));
                response
            }
            Self::Fields(errors) => {
                let mut fields = Map::new();
                for error in errors {
                    let problem = json!({ "code": error.code(), "message": error.message });
                    match fields.entry(error.field.as_ref()).or_insert_with(|| json!([])) {
                        Value::Array(problems) => problems.push(problem),
                        other => *other = json!([problem]),
                    }
                }
                with_status(StatusCode::BAD_REQUEST, &json!({ "fieldErrors": fields, "generalErrors": [] }))
            }
            Self::General(code, message) => general(StatusCode::BAD_REQUEST, code, &message),
            Self::Changed(message) => general(StatusCode::CONFLICT, "[changed]", &message),
            Self::TooLarge => {
                general(StatusCode::PAYLOAD_TOO_LARGE, "[tooLarge]", "The body is larger than it may be.")
            }
            Self::MediaType(accepted) => {
                let message = format!("The Content-Type must be {accepted}.");
                general(StatusCode::UNSUPPORTED_MEDIA_TYPE, "[invalidContentType]", &message)
            }
            Self::Unavailable => {
                general(StatusCode::SERVICE_UNAVAILABLE, "[unavailable]", "This cannot be answered now; try again.")
            }
        }
    }
}

fn general(status: StatusCode, code: &str, message: &str) -> Response {
    with_status(status, &json!({ "generalErrors": [{ "code": code, "message": message }] }))
}

fn with_status(status: StatusCode, document: &Value) -> Response {
    let mut response = Response::new(Body::from(document.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    hardened(response)
}

/// 200 with a document.
pub(super) fn json_answer(document: &Value) -> Reply {
    Ok(with_status(StatusCode::OK, document))
}

/// A document with a status that means something to FusionAuth's clients.
pub(super) fn json_answer_with(status: StatusCode, document: &Value) -> Reply {
    Ok(with_status(status, document))
}

/// An object without those of its members that are null: FusionAuth leaves out what is not there.
pub(super) fn present(mut object: Value) -> Value {
    if let Value::Object(members) = &mut object {
        members.retain(|_, value| !value.is_null());
    }
    object
}

/// 200 without a body, and so without a media type.
pub(super) fn nothing() -> Reply {
    Ok(empty(StatusCode::OK))
}

/// 202 without a body: it will be done.
pub(super) fn accepted() -> Reply {
    Ok(empty(StatusCode::ACCEPTED))
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    hardened(response)
}

/// What is managed is nobody's business but the caller's.
fn hardened(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, header::HeaderValue::from_static("nosniff"));
    response
}

/// There is no endpoint, or none for the method: an extension of the answer that says so, whatever its status.
#[derive(Clone, Copy, Debug)]
pub struct NotServed;

fn not_served(status: StatusCode) -> Response {
    let mut response = empty(status);
    response.extensions_mut().insert(NotServed);
    response
}

pub(super) async fn no_endpoint() -> Response {
    not_served(StatusCode::NOT_FOUND)
}

pub(super) async fn no_method() -> Response {
    not_served(StatusCode::METHOD_NOT_ALLOWED)
}
