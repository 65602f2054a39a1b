//! `auth0`: the Device Authorization Flow of its documentation, and what its SDKs call (CONTRACT 2.O).

use super::endpoint::at;
use super::{DeviceLog, DeviceMember, Dialect, Endpoint, Statuses, TenantDefaults, TokenMember, standard};

pub(super) const DIALECT: Dialect = Dialect {
    own_paths: &[
        (Endpoint::Authorize, at!("/authorize")),
        (Endpoint::Device, at!("/activate")),
        (Endpoint::DeviceAuthorization, at!("/oauth/device/code")),
        (Endpoint::Logout, at!("/v2/logout")),
        (Endpoint::Revoke, at!("/oauth/revoke")),
        (Endpoint::Token, at!("/oauth/token")),
        (Endpoint::UserInfo, at!("/userinfo")),
    ],
    parameter_names: &[("returnTo", "post_logout_redirect_uri")],
    // F-250
    reads_json: true,
    // F-238 to F-241, F-245
    statuses: Statuses {
        access_denied: 403,
        authorization_pending: 403,
        expired_token: 403,
        slow_down: 429,
        unauthorized_client: 403,
    },
    tells_reason: false,
    // F-243
    token_members: &[
        TokenMember::AccessToken,
        TokenMember::RefreshToken,
        TokenMember::IdToken,
        TokenMember::TokenType,
        TokenMember::ExpiresIn,
    ],
    // F-248
    refreshed_members: &[
        TokenMember::AccessToken,
        TokenMember::RefreshToken,
        TokenMember::ExpiresIn,
        TokenMember::Scope,
        TokenMember::IdToken,
        TokenMember::TokenType,
    ],
    // F-233
    device_members: &[
        DeviceMember::DeviceCode,
        DeviceMember::UserCode,
        DeviceMember::VerificationUri,
        DeviceMember::VerificationUriComplete,
        DeviceMember::ExpiresIn,
        DeviceMember::Interval,
    ],
    // F-242
    poll_penalty: 0,
    poll_leeway: 1,
    tells_wait: true,
    // F-245, F-246
    confidential_devices: false,
    tenant: TenantDefaults {
        access_token_for: 86_400,
        access_token_algorithm: "RS256",
        device_code_for: 900,
        ..standard::DIALECT.tenant
    },
    knows_apis: true,
    // D6: its SDKs read RSA keys only.
    rsa_only: true,
    // F-248
    rotates_for_public: false,
    refreshes_a_minute: Some(60),
    // Its SDKs read the user from there.
    id_token_tells_scopes: true,
    lists_origins: true,
    // What its SDK for pages asks with in a hidden frame and in a popup window.
    knows_web_messages: true,
    log: Some(DeviceLog {
        protocol: "oauth2-device-code",
        request_refused: "fdeaz",
        user_code_wrong: "fdeac",
        denied: "fdecc",
        exchange_refused: "fede",
        exchanged: "sede",
    }),
    confirms_logout: false,
    ..standard::DIALECT
};
