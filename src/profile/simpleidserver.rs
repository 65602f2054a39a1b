//! `simpleidserver`: realms, and paths without a folder (CONTRACT 2.P).

use super::endpoint::at;
use super::{Dialect, Endpoint, TenantDefaults, standard};

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
    tenant: TenantDefaults {
        access_token_for: 1800,
        access_token_algorithm: "RS256",
        id_token_algorithm: "ES256",
        device_code_for: 600,
        ..standard::DIALECT.tenant
    },
    ..standard::DIALECT
};
