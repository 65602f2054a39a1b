//! `fusionauth` and, for clients of its first versions, `fusionauth-legacy` (CONTRACT 2.A to 2.N). Their paths are the shared
//! ones.

use super::{Dialect, TokenMember, standard};
use crate::jose::TokenType;
use crate::model::ScopeHandling;

pub(super) const DIALECT: Dialect = Dialect {
    access_token_type: TokenType::Jwt,
    repeated_credentials: true,
    redirect_uri_always: true,
    rfc_device_errors: false,
    poll_penalty: 0,
    refuses_foreign_introspection: true,
    publishes_any_issuer: true,
    device_page_names_client: true,
    knows_hybrid: false,
    names_issuer: false,
    tells_user_state: true,
    confirms_logout: false,
    knows_resources: false,
    // D-02: what it calls `Strict` goes by scopes for them as for UserInfo.
    id_token_tells_scopes: true,
    ..standard::DIALECT
};

pub(super) const LEGACY: Dialect = Dialect {
    needs_device: true,
    accepts_bare_login: true,
    short_metadata: true,
    // F-052: `code` and `state`.
    tells_user_state: false,
    tells_session_state: false,
    // F-136, F-148: it knew no other way.
    scope_handling: Some(ScopeHandling::Compatibility),
    id_token_tells_scopes: false,
    // F-116: its clients keep the refresh token that they have.
    rotates_for_public: false,
    rotates_for_pages: false,
    token_members: LEGACY_MEMBERS,
    refreshed_members: LEGACY_MEMBERS,
    ..DIALECT
};

/// F-087, as the first version had them.
const LEGACY_MEMBERS: &[TokenMember] = &[
    TokenMember::AccessToken,
    TokenMember::ExpiresIn,
    TokenMember::IdToken,
    TokenMember::RefreshToken,
    TokenMember::TokenType,
    TokenMember::UserId,
];
