//! Everything that an OAuth client can be told is wrong, and the status that goes with it.
//!
//! Owns the words and the statuses; `web` writes them down.

use crate::jose::SignError;
use crate::store::StoreError;

/// An answer to the client (RFC 6749 section 5.2). `description` is a constant: detail goes to the log with `source`.
#[derive(Debug)]
pub struct OAuthError {
    pub code: ErrorCode,
    pub reason: Option<ErrorReason>,
    pub description: &'static str,
    /// Seconds after which trying again may help.
    pub retry_after: Option<i64>,
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The `error` values of the IANA registry that our endpoints answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    InvalidClient,
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    ServerError,
    TemporarilyUnavailable,
    /// Too many wrong guesses: written `temporarily_unavailable`, because the registry has no word for it.
    Throttled,
    UnauthorizedClient,
    UnsupportedGrantType,
}

/// FusionAuth's `error_reason` (CONTRACT section 6): the same story in finer words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorReason {
    ClientAuthenticationMissing,
    ClientIdMismatch,
    InvalidClientAuthentication,
    InvalidClientAuthenticationScheme,
    InvalidEntityPermissionScope,
    InvalidGrantType,
    InvalidTargetEntityScope,
    InvalidTenantId,
    MissingClientId,
    MissingGrantType,
    MissingTenantId,
    Unknown,
    UnknownScope,
}

impl ErrorCode {
    pub const ALL: [Self; 9] = [
        Self::InvalidClient,
        Self::InvalidGrant,
        Self::InvalidRequest,
        Self::InvalidScope,
        Self::ServerError,
        Self::TemporarilyUnavailable,
        Self::Throttled,
        Self::UnauthorizedClient,
        Self::UnsupportedGrantType,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidScope => "invalid_scope",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable | Self::Throttled => "temporarily_unavailable",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
        }
    }

    /// The HTTP status: nobody else chooses one.
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidClient => 401,
            Self::ServerError => 500,
            Self::TemporarilyUnavailable => 503,
            Self::Throttled => 429,
            Self::InvalidGrant
            | Self::InvalidRequest
            | Self::InvalidScope
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType => 400,
        }
    }
}

impl ErrorReason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientAuthenticationMissing => "client_authentication_missing",
            Self::ClientIdMismatch => "client_id_mismatch",
            Self::InvalidClientAuthentication => "invalid_client_authentication",
            Self::InvalidClientAuthenticationScheme => "invalid_client_authentication_scheme",
            Self::InvalidEntityPermissionScope => "invalid_entity_permission_scope",
            Self::InvalidGrantType => "invalid_grant_type",
            Self::InvalidTargetEntityScope => "invalid_target_entity_scope",
            Self::InvalidTenantId => "invalid_tenant_id",
            Self::MissingClientId => "missing_client_id",
            Self::MissingGrantType => "missing_grant_type",
            Self::MissingTenantId => "missing_tenant_id",
            Self::Unknown => "unknown",
            Self::UnknownScope => "unknown_scope",
        }
    }
}

impl OAuthError {
    pub fn new(code: ErrorCode, reason: ErrorReason, description: &'static str) -> Self {
        Self { code, reason: Some(reason), description, retry_after: None, source: None }
    }

    pub(super) fn invalid_client(reason: ErrorReason, description: &'static str) -> Self {
        Self::new(ErrorCode::InvalidClient, reason, description)
    }

    pub fn invalid_request(reason: ErrorReason, description: &'static str) -> Self {
        Self::new(ErrorCode::InvalidRequest, reason, description)
    }

    pub(super) fn invalid_scope(reason: ErrorReason, description: &'static str) -> Self {
        Self::new(ErrorCode::InvalidScope, reason, description)
    }

    pub(super) fn throttled(retry_after: i64) -> Self {
        let description = "Too many failed authentications of this client. Try again later.";
        Self { retry_after: Some(retry_after), ..Self::new(ErrorCode::Throttled, ErrorReason::Unknown, description) }
    }

    pub(super) fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let description = "The server cannot answer at the moment. Try again later.";
        let error = Self::new(ErrorCode::TemporarilyUnavailable, ErrorReason::Unknown, description);
        Self { retry_after: Some(5), source: Some(source.into()), ..error }
    }

    fn server_error(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let error = Self::new(ErrorCode::ServerError, ErrorReason::Unknown, "The server failed.");
        Self { source: Some(source.into()), ..error }
    }
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::ReadOnly | StoreError::Full => Self::unavailable(error),
            StoreError::Conflict(_) | StoreError::Missing(_) | StoreError::InUse(_) | StoreError::Corrupt(_) => {
                Self::server_error(error)
            }
        }
    }
}

impl From<SignError> for OAuthError {
    fn from(error: SignError) -> Self {
        Self::server_error(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 6749 5.2, RFC 6585 4
    #[test]
    fn the_code_decides_the_status() {
        let exceptions = [
            (ErrorCode::InvalidClient, 401),
            (ErrorCode::ServerError, 500),
            (ErrorCode::TemporarilyUnavailable, 503),
            (ErrorCode::Throttled, 429),
        ];
        for code in ErrorCode::ALL {
            let expected = exceptions.iter().find(|row| row.0 == code).map_or(400, |row| row.1);
            assert_eq!(code.status(), expected, "{code:?}");
        }
    }

    // O6: what the store says stays in the log.
    #[test]
    fn a_store_that_does_not_answer_is_503_and_a_broken_one_500() {
        let down = OAuthError::from(StoreError::Unavailable("connection refused at 10.0.0.7".into()));
        assert_eq!((down.code.status(), down.retry_after), (503, Some(5)));
        assert!(!down.description.contains("10.0.0.7"));
        assert_eq!(OAuthError::from(StoreError::Full).code.status(), 503);
        assert_eq!(OAuthError::from(StoreError::Corrupt(String::new())).code.status(), 500);
    }
}
