//! Everything that an OAuth client can be told is wrong, and the status that goes with it.
//!
//! Owns the words and the statuses; `web` writes them down.

use crate::directory::DirectoryError;
use crate::jose::SignError;
use crate::model::Profile;
use crate::profile::{Dialect, Statuses};
use crate::secret::Secret;
use crate::store::StoreError;

/// An answer to the client (RFC 6749 section 5.2). `description` is a constant: detail goes to the log with `source`.
#[derive(Debug)]
pub struct OAuthError {
    pub code: ErrorCode,
    pub reason: Option<ErrorReason>,
    pub description: &'static str,
    /// Seconds after which trying again may help.
    pub retry_after: Option<i64>,
    /// With `two_factor_required`: what to send back beside the code (F-113).
    pub two_factor_id: Option<Secret<String>>,
    /// With `change_password_required`: what opens the choice of a new password (F-055).
    pub change_password_id: Option<Box<Secret<String>>>,
    /// What was presented a second time, if that is why (B6, C5).
    pub reused: Option<Reused>,
    /// For the client's next proof (RFC 9449 8).
    pub dpop_nonce: Option<Box<str>>,
    /// Whether the access token that it is about was presented with a proof, or needs one (RFC 9449 7.1).
    pub is_dpop: bool,
    /// How it is said: as the RFCs do, while nobody knows which tenant's client is to be told.
    pub dialect: &'static Dialect,
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What can be used once, and was presented again by somebody who could have it only by theft or by mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reused {
    AuthorizationCode,
    RefreshToken,
}

impl Reused {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
        }
    }
}

/// The `error` values of the IANA registry that our endpoints answer, and two of FusionAuth's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    AccessDenied,
    AuthorizationPending,
    /// FusionAuth's (F-055).
    ChangePasswordRequired,
    ConsentRequired,
    ExpiredToken,
    /// RFC 6750 3.1
    InsufficientScope,
    InteractionRequired,
    InvalidClient,
    /// RFC 7591 3.2.2
    InvalidClientMetadata,
    /// RFC 9449 5
    InvalidDpopProof,
    InvalidGrant,
    /// RFC 7591 3.2.2
    InvalidRedirectUri,
    InvalidRequest,
    /// RFC 9101 7, RFC 9126
    InvalidRequestUri,
    InvalidScope,
    /// RFC 8707 2
    InvalidTarget,
    InvalidToken,
    LoginRequired,
    RequestNotSupported,
    RequestUriNotSupported,
    RegistrationNotSupported,
    ServerError,
    SlowDown,
    TemporarilyUnavailable,
    /// Too many wrong guesses: written `temporarily_unavailable`, because the registry has no word for it.
    Throttled,
    /// FusionAuth's (F-113).
    TwoFactorRequired,
    UnauthorizedClient,
    /// OpenID Connect Core Error Code unmet_authentication_requirements 1.0
    UnmetAuthenticationRequirements,
    UnsupportedGrantType,
    UnsupportedResponseType,
    UnsupportedTokenType,
    /// RFC 9449 8
    UseDpopNonce,
}

/// FusionAuth's `error_reason` (CONTRACT section 6): the same story in finer words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorReason {
    AccessTokenExpired,
    AccessTokenInvalid,
    AccessTokenMalformed,
    AccessTokenRequired,
    CodeNotFound,
    AuthenticationRequired,
    ChangePasswordAdministrative,
    ChangePasswordBreached,
    ChangePasswordExpired,
    ChangePasswordValidation,
    ClientAuthenticationMissing,
    ClientIdMismatch,
    ConsentCanceled,
    ConsentRequired,
    EmailVerificationRequired,
    GrantTypeDisabled,
    IdTokenInvalid,
    InvalidClientAuthentication,
    InvalidClientAuthenticationScheme,
    InvalidClientId,
    InvalidDeviceCode,
    InvalidEntityPermissionScope,
    InvalidExpiresIn,
    InvalidGrantType,
    InvalidIdTokenHint,
    InvalidOrigin,
    InvalidOriginOpaque,
    InvalidPkceCodeChallenge,
    InvalidPkceCodeChallengeMethod,
    InvalidPkceCodeVerifier,
    InvalidPostLogoutRedirectUri,
    InvalidPrompt,
    InvalidRedirectUri,
    InvalidResponseMode,
    InvalidResponseType,
    InvalidTargetEntityScope,
    InvalidTenantId,
    InvalidUserCode,
    InvalidUserCredentials,
    LoginPrevented,
    MissingClientId,
    MissingCode,
    MissingCodeChallenge,
    MissingCodeVerifier,
    MissingDeviceCode,
    MissingGrantType,
    MissingRedirectUri,
    MissingRefreshToken,
    MissingRequiredScope,
    MissingResponseType,
    MissingTenantId,
    MissingToken,
    MissingUserCode,
    MissingVerificationUri,
    MultiFactorChallengeRequired,
    RefreshTokenNotFound,
    RegistrationMissingRequirement,
    RegistrationRequired,
    Unknown,
    UnknownScope,
    UnsupportedTokenType,
    UserCodeExpired,
    UserExpired,
    UserLocked,
    UserNotFound,
}

impl ErrorCode {
    pub const ALL: [Self; 32] = [
        Self::AccessDenied,
        Self::AuthorizationPending,
        Self::ChangePasswordRequired,
        Self::ConsentRequired,
        Self::ExpiredToken,
        Self::InsufficientScope,
        Self::InteractionRequired,
        Self::InvalidClient,
        Self::InvalidClientMetadata,
        Self::InvalidDpopProof,
        Self::InvalidGrant,
        Self::InvalidRedirectUri,
        Self::InvalidRequest,
        Self::InvalidRequestUri,
        Self::InvalidScope,
        Self::InvalidTarget,
        Self::InvalidToken,
        Self::LoginRequired,
        Self::RequestNotSupported,
        Self::RequestUriNotSupported,
        Self::RegistrationNotSupported,
        Self::ServerError,
        Self::SlowDown,
        Self::TemporarilyUnavailable,
        Self::Throttled,
        Self::TwoFactorRequired,
        Self::UnauthorizedClient,
        Self::UnmetAuthenticationRequirements,
        Self::UnsupportedGrantType,
        Self::UnsupportedResponseType,
        Self::UnsupportedTokenType,
        Self::UseDpopNonce,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::AuthorizationPending => "authorization_pending",
            Self::ChangePasswordRequired => "change_password_required",
            Self::ConsentRequired => "consent_required",
            Self::ExpiredToken => "expired_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::InteractionRequired => "interaction_required",
            Self::InvalidClient => "invalid_client",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidRequestUri => "invalid_request_uri",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidToken => "invalid_token",
            Self::LoginRequired => "login_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::ServerError => "server_error",
            Self::SlowDown => "slow_down",
            Self::TemporarilyUnavailable | Self::Throttled => "temporarily_unavailable",
            Self::TwoFactorRequired => "two_factor_required",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::UseDpopNonce => "use_dpop_nonce",
        }
    }

    /// The HTTP status, but for UserInfo, where a token is used, and for the dialect whose errors have no codes (`web::respond`).
    pub fn status(self, statuses: &Statuses) -> u16 {
        match self {
            Self::AccessDenied => statuses.access_denied,
            Self::AuthorizationPending => statuses.authorization_pending,
            Self::ExpiredToken => statuses.expired_token,
            Self::SlowDown => statuses.slow_down,
            Self::UnauthorizedClient => statuses.unauthorized_client,
            Self::InvalidClient | Self::InvalidToken => 401,
            Self::InsufficientScope => 403,
            Self::ServerError => 500,
            Self::TemporarilyUnavailable => 503,
            Self::Throttled => 429,
            Self::ChangePasswordRequired
            | Self::ConsentRequired
            | Self::InteractionRequired
            | Self::InvalidClientMetadata
            | Self::InvalidDpopProof
            | Self::InvalidGrant
            | Self::InvalidRedirectUri
            | Self::InvalidRequest
            | Self::InvalidRequestUri
            | Self::InvalidScope
            | Self::InvalidTarget
            | Self::LoginRequired
            | Self::RequestNotSupported
            | Self::RequestUriNotSupported
            | Self::RegistrationNotSupported
            | Self::TwoFactorRequired
            | Self::UnmetAuthenticationRequirements
            | Self::UnsupportedGrantType
            | Self::UnsupportedResponseType
            | Self::UnsupportedTokenType
            | Self::UseDpopNonce => 400,
        }
    }
}

impl ErrorReason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessTokenExpired => "access_token_expired",
            Self::AccessTokenInvalid => "access_token_invalid",
            Self::AccessTokenMalformed => "access_token_malformed",
            Self::AccessTokenRequired => "access_token_required",
            Self::CodeNotFound => "auth_code_not_found",
            Self::AuthenticationRequired => "authentication_required",
            Self::ChangePasswordAdministrative => "change_password_administrative",
            Self::ChangePasswordBreached => "change_password_breached",
            Self::ChangePasswordExpired => "change_password_expired",
            Self::ChangePasswordValidation => "change_password_validation",
            Self::ClientAuthenticationMissing => "client_authentication_missing",
            Self::ClientIdMismatch => "client_id_mismatch",
            Self::ConsentCanceled => "consent_canceled",
            Self::ConsentRequired => "consent_required",
            Self::EmailVerificationRequired => "email_verification_required",
            Self::GrantTypeDisabled => "grant_type_disabled",
            Self::IdTokenInvalid => "id_token_invalid",
            Self::InvalidClientAuthentication => "invalid_client_authentication",
            Self::InvalidClientAuthenticationScheme => "invalid_client_authentication_scheme",
            Self::InvalidClientId => "invalid_client_id",
            Self::InvalidDeviceCode => "invalid_device_code",
            Self::InvalidEntityPermissionScope => "invalid_entity_permission_scope",
            Self::InvalidExpiresIn => "invalid_expires_in",
            Self::InvalidGrantType => "invalid_grant_type",
            Self::InvalidIdTokenHint => "invalid_id_token_hint",
            Self::InvalidOrigin => "invalid_origin",
            Self::InvalidOriginOpaque => "invalid_origin_opaque",
            Self::InvalidPkceCodeChallenge => "invalid_pkce_code_challenge",
            Self::InvalidPkceCodeChallengeMethod => "invalid_pkce_code_challenge_method",
            Self::InvalidPkceCodeVerifier => "invalid_pkce_code_verifier",
            Self::InvalidPostLogoutRedirectUri => "invalid_post_logout_redirect_uri",
            Self::InvalidPrompt => "invalid_prompt",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidResponseMode => "invalid_response_mode",
            Self::InvalidResponseType => "invalid_response_type",
            Self::InvalidTargetEntityScope => "invalid_target_entity_scope",
            Self::InvalidTenantId => "invalid_tenant_id",
            Self::InvalidUserCode => "invalid_user_code",
            Self::InvalidUserCredentials => "invalid_user_credentials",
            Self::LoginPrevented => "login_prevented",
            Self::MissingClientId => "missing_client_id",
            Self::MissingCode => "missing_code",
            Self::MissingCodeChallenge => "missing_code_challenge",
            Self::MissingCodeVerifier => "missing_code_verifier",
            Self::MissingDeviceCode => "missing_device_code",
            Self::MissingGrantType => "missing_grant_type",
            Self::MissingRedirectUri => "missing_redirect_uri",
            Self::MissingRefreshToken => "missing_refresh_token",
            Self::MissingRequiredScope => "missing_required_scope",
            Self::MissingResponseType => "missing_response_type",
            Self::MissingTenantId => "missing_tenant_id",
            Self::MissingToken => "missing_token",
            Self::MissingUserCode => "missing_user_code",
            Self::MissingVerificationUri => "missing_verification_uri",
            Self::MultiFactorChallengeRequired => "multi_factor_challenge_required",
            Self::RefreshTokenNotFound => "refresh_token_not_found",
            Self::RegistrationMissingRequirement => "registration_missing_requirement",
            Self::RegistrationRequired => "registration_required",
            Self::Unknown => "unknown",
            Self::UnknownScope => "unknown_scope",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::UserCodeExpired => "user_code_expired",
            Self::UserExpired => "user_expired",
            Self::UserLocked => "user_locked",
            Self::UserNotFound => "user_not_found",
        }
    }
}

impl OAuthError {
    pub fn new(code: ErrorCode, reason: ErrorReason, description: &'static str) -> Self {
        Self {
            code,
            reason: Some(reason),
            description,
            retry_after: None,
            two_factor_id: None,
            change_password_id: None,
            reused: None,
            dpop_nonce: None,
            is_dpop: false,
            dialect: Dialect::of(Profile::Standard),
            source: None,
        }
    }

    /// The same to a client of a tenant that speaks `dialect`.
    pub fn said_in(self, dialect: &'static Dialect) -> Self {
        Self { dialect, ..self }
    }

    pub fn status(&self) -> u16 {
        self.code.status(&self.dialect.statuses)
    }

    /// Where FusionAuth has no word for it (F-097).
    pub(super) fn without_reason(code: ErrorCode, description: &'static str) -> Self {
        Self { reason: None, ..Self::new(code, ErrorReason::Unknown, description) }
    }

    pub(super) fn invalid_client(reason: ErrorReason, description: &'static str) -> Self {
        Self::new(ErrorCode::InvalidClient, reason, description)
    }

    pub fn invalid_grant(reason: ErrorReason, description: &'static str) -> Self {
        Self::new(ErrorCode::InvalidGrant, reason, description)
    }

    pub fn invalid_request(reason: ErrorReason, description: &'static str) -> Self {
        Self::new(ErrorCode::InvalidRequest, reason, description)
    }

    pub(super) fn invalid_scope(reason: ErrorReason, description: &'static str) -> Self {
        Self::new(ErrorCode::InvalidScope, reason, description)
    }

    pub(super) fn invalid_token(reason: ErrorReason, description: &'static str) -> Self {
        Self::new(ErrorCode::InvalidToken, reason, description)
    }

    pub(super) fn throttled(retry_after: i64) -> Self {
        let description = "Too many failed attempts. Try again later.";
        Self { retry_after: Some(retry_after), ..Self::new(ErrorCode::Throttled, ErrorReason::Unknown, description) }
    }

    pub(super) fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let description = "The server cannot answer at the moment. Try again later.";
        let error = Self::new(ErrorCode::TemporarilyUnavailable, ErrorReason::Unknown, description);
        Self { retry_after: Some(5), source: Some(source.into()), ..error }
    }

    pub(super) fn server_error(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        let error = Self::new(ErrorCode::ServerError, ErrorReason::Unknown, "The server failed.");
        Self { source: Some(source.into()), ..error }
    }
}

impl OAuthError {
    /// Whether the request may be right and we are the ones who cannot answer.
    pub fn is_ours(&self) -> bool {
        matches!(self.code, ErrorCode::ServerError | ErrorCode::TemporarilyUnavailable)
    }
}

impl From<DirectoryError> for OAuthError {
    fn from(error: DirectoryError) -> Self {
        match error {
            DirectoryError::Store(error) => error.into(),
            DirectoryError::Changed(_) | DirectoryError::Password(_) => Self::unavailable(error),
            DirectoryError::Invalid(_) | DirectoryError::NotFound(_) | DirectoryError::Sealing(_) => {
                Self::server_error(error)
            }
        }
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
            (ErrorCode::InvalidToken, 401),
            (ErrorCode::InsufficientScope, 403),
            (ErrorCode::ServerError, 500),
            (ErrorCode::TemporarilyUnavailable, 503),
            (ErrorCode::Throttled, 429),
        ];
        for code in ErrorCode::ALL {
            let expected = exceptions.iter().find(|row| row.0 == code).map_or(400, |row| row.1);
            assert_eq!(code.status(&Statuses::RFC), expected, "{code:?}");
        }
    }

    // O6: what the store says stays in the log.
    #[test]
    fn a_store_that_does_not_answer_is_503_and_a_broken_one_500() {
        let down = OAuthError::from(StoreError::Unavailable("connection refused at 10.0.0.7".into()));
        assert_eq!((down.status(), down.retry_after), (503, Some(5)));
        assert!(!down.description.contains("10.0.0.7"));
        assert_eq!(OAuthError::from(StoreError::Full).status(), 503);
        assert_eq!(OAuthError::from(StoreError::Corrupt(String::new())).status(), 500);
    }
}
