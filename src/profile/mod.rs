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
    /// Whether the metadata is the short document of the first version (F-152).
    pub short_metadata: bool,
    /// Whether our page for user codes has to be told the client and the tenant (F-162).
    pub device_page_names_client: bool,
    /// Whether codes and tokens may come in one authorization response (F-061).
    pub knows_hybrid: bool,
    /// Whether authorization responses name the issuer (RFC 9207); FusionAuth has no such parameter in what it documents.
    pub names_issuer: bool,
    /// Whether authorization responses say `userState` and `locale` (F-056, F-057), instead of `session_state`.
    pub tells_user_state: bool,
    /// Whether `offline_access` needs the parameter `device` (F-049, D11).
    pub needs_device: bool,
    /// Whether a login form may be posted without our proof of where it comes from (F-047).
    pub accepts_bare_login: bool,
    /// Whether a logout that nobody vouches for is confirmed by the person (K10, F-128).
    pub confirms_logout: bool,
}

const STANDARD: Dialect = Dialect {
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
    needs_device: false,
    accepts_bare_login: false,
    confirms_logout: true,
};

const FUSIONAUTH: Dialect = Dialect {
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
    ..STANDARD
};

const FUSIONAUTH_LEGACY: Dialect =
    Dialect { needs_device: true, accepts_bare_login: true, short_metadata: true, ..FUSIONAUTH };

impl Dialect {
    pub fn of(profile: Profile) -> &'static Self {
        match profile {
            Profile::FusionAuth => &FUSIONAUTH,
            Profile::FusionAuthLegacy => &FUSIONAUTH_LEGACY,
            Profile::Standard | Profile::Auth0 | Profile::SimpleIdServer | Profile::Fusio => &STANDARD,
        }
    }
}
