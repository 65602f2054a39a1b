//! Wire dialects as data: where the compatible systems differ from the RFCs, and from each other.
//!
//! Owns the differences; the protocol code asks a dialect and never which one it is.

use crate::jose::TokenType;
use crate::model::Profile;

/// How one profile speaks. `Dialect::of` is the only way to get one.
#[derive(Debug, PartialEq, Eq)]
pub struct Dialect {
    /// `typ` of access tokens: RFC 9068 has `at+jwt`, FusionAuth `JWT` (F-198).
    pub access_token_type: TokenType,
    /// Whether the same client secret may come in the header and in the body at once (F-084).
    pub repeated_credentials: bool,
    /// Whether our page for user codes has to be told the client and the tenant (F-162).
    pub device_page_names_client: bool,
}

const STANDARD: Dialect = Dialect { access_token_type: TokenType::AccessToken, repeated_credentials: false, device_page_names_client: false };
const FUSIONAUTH: Dialect = Dialect { access_token_type: TokenType::Jwt, repeated_credentials: true, device_page_names_client: true };

impl Dialect {
    pub fn of(profile: Profile) -> &'static Self {
        match profile {
            Profile::FusionAuth | Profile::FusionAuthLegacy => &FUSIONAUTH,
            Profile::Standard | Profile::Auth0 | Profile::SimpleIdServer | Profile::Fusio => &STANDARD,
        }
    }
}
