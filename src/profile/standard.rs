//! `standard`: what the RFCs say, on FusionAuth's paths, with members that nobody minds. The others are told as what differs
//! from it.

use super::{DeviceMember, Dialect, ExpiresIn, ScopeSeparator, Statuses, TenantDefaults, TokenMember};
use crate::jose::TokenType;
use crate::model::{Tenant, UserCodeShape};

pub(super) const DIALECT: Dialect = Dialect {
    own_paths: &[],
    has_realms: false,
    parameter_names: &[],
    reads_json: false,
    form_types: &[],
    scope_separator: ScopeSeparator::Space,
    statuses: Statuses::RFC,
    tells_reason: true,
    token_members: TOKEN_MEMBERS,
    refreshed_members: TOKEN_MEMBERS,
    token_type: "Bearer",
    expires_in: ExpiresIn::Relative,
    device_members: &[
        DeviceMember::DeviceCode,
        DeviceMember::ExpiresIn,
        DeviceMember::Interval,
        DeviceMember::UserCode,
        DeviceMember::VerificationUri,
        DeviceMember::VerificationUriComplete,
    ],
    poll_penalty: 5,
    poll_leeway: 0,
    tells_wait: false,
    confidential_devices: true,
    user_code_bits: 19.9,
    tenant: TenantDefaults {
        access_token_for: Tenant::ACCESS_TOKEN_FOR,
        access_token_algorithm: Tenant::ACCESS_TOKEN_ALGORITHM,
        id_token_algorithm: Tenant::ID_TOKEN_ALGORITHM,
        device_code_for: 300,
        user_code_alphabet: UserCodeShape::CONSONANTS,
        user_code_mask: "****-****",
    },
    knows_apis: false,
    rsa_only: false,
    rotates_for_public: true,
    refreshes_a_minute: None,
    lists_origins: false,
    log: None,
    access_token_type: TokenType::AccessToken,
    repeated_credentials: false,
    redirect_uri_always: false,
    rfc_device_errors: true,
    refuses_foreign_introspection: false,
    publishes_any_issuer: false,
    short_metadata: false,
    device_page_names_client: false,
    knows_hybrid: true,
    names_issuer: true,
    tells_user_state: false,
    tells_session_state: true,
    scope_handling: None,
    needs_device: false,
    accepts_bare_login: false,
    confirms_logout: true,
};

/// In alphabetical order (F-087).
const TOKEN_MEMBERS: &[TokenMember] = &[
    TokenMember::AccessToken,
    TokenMember::ExpiresIn,
    TokenMember::IdToken,
    TokenMember::RefreshToken,
    TokenMember::RefreshTokenId,
    TokenMember::Scope,
    TokenMember::TokenType,
    TokenMember::UserId,
];
