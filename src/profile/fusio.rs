//! `fusio`: scopes with commas, `bearer`, and an `expires_in` that is an instant (CONTRACT 2.Q).

use super::endpoint::at;
use super::{Dialect, Endpoint, ExpiresIn, ScopeSeparator, TenantDefaults, TokenMember, standard};

pub(super) const DIALECT: Dialect = Dialect {
    own_paths: &[
        (Endpoint::Authorize, at!("/authorization/authorize")),
        (Endpoint::Token, at!("/authorization/token")),
    ],
    // F-313
    parameter_names: &[("scopes", "scope")],
    scope_separator: ScopeSeparator::Comma,
    tells_reason: false,
    token_members: TOKEN_MEMBERS,
    refreshed_members: TOKEN_MEMBERS,
    token_type: "bearer",
    expires_in: ExpiresIn::Absolute,
    tenant: TenantDefaults { access_token_for: 172_800, ..standard::DIALECT.tenant },
    ..standard::DIALECT
};

/// F-310
const TOKEN_MEMBERS: &[TokenMember] = &[
    TokenMember::AccessToken,
    TokenMember::TokenType,
    TokenMember::ExpiresIn,
    TokenMember::RefreshToken,
    TokenMember::Scope,
];
