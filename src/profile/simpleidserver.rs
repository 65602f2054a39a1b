//! `simpleidserver`: realms, paths without a folder, and secrets that look like UUIDs (CONTRACT 2.P).

use super::endpoint::at;
use super::{
    DeviceMember, Dialect, Endpoint, OwnTokens, SecretShape, SessionState, TenantDefaults, TokenMember, standard,
};
use crate::jose::TokenType;

pub(super) const DIALECT: Dialect = Dialect {
    own_paths: &[
        (Endpoint::Authorize, at!("/authorization")),
        (Endpoint::Device, at!("/Device")),
        (Endpoint::DeviceAuthorization, at!("/device_authorization")),
        (Endpoint::Introspect, at!("/token_info")),
        (Endpoint::KeySet, at!("/jwks")),
        (Endpoint::Logout, at!("/end_session")),
        (Endpoint::Revoke, at!("/token/revoke")),
        (Endpoint::SessionCheck, at!("/check_session")),
        (Endpoint::Token, at!("/token")),
        (Endpoint::UserInfo, at!("/userinfo")),
    ],
    has_realms: true,
    parameter_names: &[("userCode", "user_code")],
    // F-275
    form_types: &["x-www-form-urlencoded"],
    tells_reason: false,
    token_members: TOKEN_MEMBERS,
    refreshed_members: TOKEN_MEMBERS,
    // F-286
    device_members: &[
        DeviceMember::DeviceCode,
        DeviceMember::UserCode,
        DeviceMember::VerificationUri,
        DeviceMember::VerificationUriComplete,
        DeviceMember::ExpiresIn,
        DeviceMember::Interval,
    ],
    bare_device_requests: true,
    // Four digits, and what keeps them from being found by trying.
    user_code_bits: 13.2,
    wrong_user_codes_a_minute: Some(20),
    tenant: TenantDefaults {
        access_token_for: 1800,
        access_token_algorithm: "RS256",
        id_token_algorithm: "ES256",
        device_code_for: 600,
        user_code_alphabet: "0123456789",
        user_code_mask: "****",
    },
    // F-279
    access_token_type: TokenType::Jwt,
    scope_is_list: true,
    tells_audience: false,
    tells_not_before: true,
    // F-280
    id_token_for_issuer: true,
    password_acr: "sid-load-01",
    // F-271, F-278
    names_issuer: false,
    authorization_members: &[
        "state",
        "code",
        "access_token",
        "id_token",
        "token_type",
        "session_state",
        "error",
        "error_description",
    ],
    session_state: SessionState::Base64Url,
    // F-292
    lists_pushed_requests: false,
    asks_for_everyone: true,
    secret_shape: SecretShape::Guid,
    refreshes_always: true,
    // F-281
    own_tokens: Some(OwnTokens { needs_scope: true, refreshes: false }),
    ..standard::DIALECT
};

/// F-289
const TOKEN_MEMBERS: &[TokenMember] = &[
    TokenMember::ExpiresIn,
    TokenMember::Scope,
    TokenMember::AccessToken,
    TokenMember::IdToken,
    TokenMember::RefreshToken,
    TokenMember::TokenType,
];
