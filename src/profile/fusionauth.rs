//! `fusionauth` and, for clients of its first versions, `fusionauth-legacy` (CONTRACT 2.A to 2.N). Their paths are the shared
//! ones.

use super::{Dialect, standard};
use crate::jose::TokenType;

pub(super) const DIALECT: Dialect = Dialect {
    access_token_type: TokenType::Jwt,
    repeated_credentials: true,
    redirect_uri_always: true,
    rfc_device_errors: false,
    refuses_foreign_introspection: true,
    publishes_any_issuer: true,
    device_page_names_client: true,
    knows_hybrid: false,
    names_issuer: false,
    tells_user_state: true,
    confirms_logout: false,
    ..standard::DIALECT
};

pub(super) const LEGACY: Dialect =
    Dialect { needs_device: true, accepts_bare_login: true, short_metadata: true, ..DIALECT };
