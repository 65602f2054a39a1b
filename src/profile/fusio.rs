//! `fusio`: a login without a client, scopes with commas, `bearer`, and an `expires_in` that is an instant (CONTRACT 2.Q).

use super::endpoint::at;
use super::{
    Consumer, Dialect, Endpoint, ExpiresIn, OwnTokens, ScopeSeparator, SecretShape, TenantDefaults, TokenMember,
    standard,
};
use crate::jose::TokenType;

pub(super) const DIALECT: Dialect = Dialect {
    own_paths: &[
        (Endpoint::Authorize, at!("/authorization/authorize")),
        (Endpoint::ConsumerLogin, at!("/consumer/login")),
        (Endpoint::RevokeOwn, at!("/authorization/revoke")),
        (Endpoint::Token, at!("/authorization/token")),
        (Endpoint::WhoAmI, at!("/authorization/whoami")),
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
    // F-311
    access_token_type: TokenType::Jwt,
    tells_name: true,
    publishes_any_issuer: true,
    secret_shape: SecretShape::Dashed,
    narrows_scopes: true,
    refreshes_always: true,
    rotates_always: true,
    redirect_uri_implied: true,
    // D27
    own_tokens: Some(OwnTokens { needs_scope: false, refreshes: true }),
    consumer: Some(Consumer { client_id: "consumer", access_token_for: 3600 }),
    knows_resources: false,
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
