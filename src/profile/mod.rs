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
    /// Whether a code is redeemed with a `redirect_uri` even if none was sent when it was asked for (F-100).
    pub redirect_uri_always: bool,
    /// Whether devices hear `slow_down`, and `invalid_grant` of a code that is no good, as RFC 8628 3.5 and RFC 6749 5.2
    /// say (F-169, F-170).
    pub rfc_device_errors: bool,
    /// Whether a client that introspects another one's token is refused instead of told that it is not active (D9).
    pub refuses_foreign_introspection: bool,
    /// Whether an issuer that is no URL is published all the same (D2).
    pub publishes_any_issuer: bool,
    /// Whether `offline_access` counts only for a client that names its device (F-049).
    pub offline_needs_device: bool,
    /// Whether the metadata is the short document of the first version (F-152).
    pub short_metadata: bool,
    /// Whether our page for user codes has to be told the client and the tenant (F-162).
    pub device_page_names_client: bool,
}

const STANDARD: Dialect = Dialect {
    access_token_type: TokenType::AccessToken,
    repeated_credentials: false,
    redirect_uri_always: false,
    rfc_device_errors: true,
    refuses_foreign_introspection: false,
    publishes_any_issuer: false,
    offline_needs_device: false,
    short_metadata: false,
    device_page_names_client: false,
};
const FUSIONAUTH: Dialect = Dialect {
    access_token_type: TokenType::Jwt,
    repeated_credentials: true,
    redirect_uri_always: true,
    rfc_device_errors: false,
    refuses_foreign_introspection: true,
    publishes_any_issuer: true,
    offline_needs_device: false,
    short_metadata: false,
    device_page_names_client: true,
};

const FUSIONAUTH_LEGACY: Dialect = Dialect { offline_needs_device: true, short_metadata: true, ..FUSIONAUTH };

impl Dialect {
    pub fn of(profile: Profile) -> &'static Self {
        match profile {
            Profile::FusionAuth => &FUSIONAUTH,
            Profile::FusionAuthLegacy => &FUSIONAUTH_LEGACY,
            Profile::Standard | Profile::Auth0 | Profile::SimpleIdServer | Profile::Fusio => &STANDARD,
        }
    }
}
