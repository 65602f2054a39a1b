//! Wire dialects as data: where the compatible systems differ from the RFCs, and from each other.
//!
//! Owns the differences, one file for each profile; the protocol code asks a dialect and never which one it is.

mod auth0;
mod endpoint;
mod fusio;
mod fusionauth;
mod in_use;
mod simpleidserver;
mod standard;

pub use endpoint::{Endpoint, Path};
pub use in_use::{InUse, Spoken, is_spoken_somewhere, patterns};
use in_use::{begins_some_path, is_taken};

use uuid::Uuid;

use crate::jose::TokenType;
pub use crate::model::ExpiresIn;
use crate::model::{ApplicationSettings, Profile, ScopeHandling, Tenant};

/// How one profile speaks. `Dialect::of` is the only way to get one.
#[derive(Debug, PartialEq)]
pub struct Dialect {
    /// Endpoints that have a path of their own. The shared paths lead there too, as long as the tenant is known by them.
    pub own_paths: &'static [(Endpoint, Path)],
    /// Whether the name of a tenant may stand in front of a path, as its id may (F-290).
    pub has_realms: bool,
    /// What a parameter is called on the dialect's own paths, and what we call it.
    pub parameter_names: &'static [(&'static str, &'static str)],
    /// Whether a request on one of its own paths may be a JSON object, whose `null` is no value (F-250).
    pub reads_json: bool,
    /// Media types that mean a form there, besides the right one (F-275).
    pub form_types: &'static [&'static str],
    /// What separates scopes on its own paths, besides a space.
    pub scope_separator: ScopeSeparator,
    pub statuses: Statuses,
    /// Whether errors say `error_reason` (F-097).
    pub tells_reason: bool,
    /// The members of a successful answer of the token endpoint, in order; those without a value are left out.
    pub token_members: &'static [TokenMember],
    /// The same after a refresh.
    pub refreshed_members: &'static [TokenMember],
    /// How `token_type` is written (F-307).
    pub token_type: &'static str,
    pub expires_in: ExpiresIn,
    /// The members of an answer to a device, in order.
    pub device_members: &'static [DeviceMember],
    /// Seconds that are added to the interval of a device that polls too fast (RFC 8628 3.5, J6).
    pub poll_penalty: i64,
    /// Seconds by which a poll may be too early (F-242).
    pub poll_leeway: i64,
    /// Whether a device that polls too fast is told for how long to wait.
    pub tells_wait: bool,
    /// Whether clients that authenticate may use the device grant (D22).
    pub confidential_devices: bool,
    /// The fewest bits that a user code may have (J2).
    pub user_code_bits: f64,
    pub tenant: TenantDefaults,
    /// Whether the parameter `audience` names an API of the tenant (F-231).
    pub knows_apis: bool,
    /// Whether the parameter `resource` does (RFC 8707).
    pub knows_resources: bool,
    /// Whether metadata tells of pushed requests (F-292).
    pub lists_pushed_requests: bool,
    /// Whether its clients know no keys but RSA (D6).
    pub rsa_only: bool,
    /// Whether refresh tokens of clients that prove nothing are replaced at each use whatever the policy says (C3).
    pub rotates_for_public: bool,
    /// Whether those of pages are: Auth0's SDK for them forgets a token that is not replaced.
    pub rotates_for_pages: bool,
    /// How often one refresh token may be used from one network in a minute (F-251).
    pub refreshes_a_minute: Option<u32>,
    /// Whether scripts may read answers on its own paths only in pages of origins that a client lists (F-252).
    pub lists_origins: bool,
    /// What its log calls the outcomes of the device grant (F-253).
    pub log: Option<DeviceLog>,
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
    /// Whether an authorization response may come as a message between windows, to an origin that the client lists.
    pub knows_web_messages: bool,
    /// Whether authorization responses name the issuer (RFC 9207); FusionAuth has no such parameter in what it documents.
    pub names_issuer: bool,
    /// Whether authorization responses say `userState` and `locale` (F-056, F-057), instead of `session_state`.
    pub tells_user_state: bool,
    /// Whether those of OpenID Connect say `session_state` (Session Management 1.0).
    pub tells_session_state: bool,
    /// How claims are told whatever the application says (D-02); `None`: as it says.
    pub scope_handling: Option<ScopeHandling>,
    /// Whether `offline_access` needs the parameter `device` (F-049, D11).
    pub needs_device: bool,
    /// Whether a login form may be posted without our proof of where it comes from (F-047).
    pub accepts_bare_login: bool,
    /// Whether a logout that nobody vouches for is confirmed by the person (K10, F-128).
    pub confirms_logout: bool,
    /// How codes and refresh tokens are written.
    pub secret_shape: SecretShape,
    /// Whether scopes that a client cannot have are left out without a word, as long as one remains (F-306).
    pub narrows_scopes: bool,
    /// Whether a refresh token comes without `offline_access` (F-277).
    pub refreshes_always: bool,
    /// Whether a refresh token is replaced at each use, whatever the policy says (F-312).
    pub rotates_always: bool,
    /// Whether a client that proved who it is may redeem a code without repeating its redirect URI (F-313).
    pub redirect_uri_implied: bool,
    /// Tokens for applications that act for nobody but themselves; only entities do otherwise (F-180, D27).
    pub own_tokens: Option<OwnTokens>,
    /// Logins that name no client.
    pub consumer: Option<Consumer>,
    /// Whether access tokens say `name` (F-311).
    pub tells_name: bool,
    /// Whether access tokens say `aud` (F-279, D21).
    pub tells_audience: bool,
    /// Whether tokens say `nbf` (F-279, F-280).
    pub tells_not_before: bool,
    /// Whether `scope` in access tokens is a list (F-279).
    pub scope_is_list: bool,
    /// Whether ID tokens tell what scopes ask for although UserInfo does, too (Core 5.4).
    pub id_token_tells_scopes: bool,
    /// Whether ID tokens are for the issuer too (F-280).
    pub id_token_for_issuer: bool,
    /// What `acr` says of a login with a password alone (F-280).
    pub password_acr: &'static str,
    /// The members of authorization responses, in order; others are not sent. Empty: all, alphabetically (F-071).
    pub authorization_members: &'static [&'static str],
    pub session_state: SessionState,
    /// Whether people are asked for consent to applications of the operator's own, too (F-273).
    pub asks_for_everyone: bool,
    /// Whether a device may say its client's name alone; it proves itself when it polls (F-286).
    pub bare_device_requests: bool,
    /// Wrong user codes of a tenant in a minute, from whomever, after which nobody is let try, where codes are short (J3).
    pub wrong_user_codes_a_minute: Option<u32>,
}

/// How a secret of ours is written. Each has at least 128 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretShape {
    /// base64url
    Opaque,
    /// 128 bits in hexadecimal digits, with dashes where a UUID has them; unlike in a UUID, every bit is random (F-271, F-277).
    Guid,
    /// 312 bits in hexadecimal digits: 20, 48 and 10 (F-309).
    Dashed,
}

/// What an application may have for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnTokens {
    /// Whether it has to say which scopes (F-281); all of its own otherwise.
    pub needs_scope: bool,
    /// Whether there is a refresh token (F-309, D27).
    pub refreshes: bool,
}

/// The application behind logins that name none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// Its client id; an administrator makes it, and gives it the password grant.
    pub client_id: &'static str,
    /// Seconds for which access tokens live at most (F-300).
    pub access_token_for: i64,
}

/// How `session_state` is computed; the page for it computes the same (F-272).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// Words with spaces between them, in hexadecimal digits, as Session Management 1.0 section 3.2 has it.
    Hex,
    /// The same without spaces, in base64url, with a salt that looks like a UUID.
    Base64Url,
}

/// What separates the values of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeSeparator {
    /// RFC 6749 3.3
    Space,
    /// F-305: where there is a comma, it separates; answers have one.
    Comma,
}

/// HTTP statuses of errors, where somebody departs from RFC 6749 5.2 (D10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statuses {
    pub access_denied: u16,
    pub authorization_pending: u16,
    pub expired_token: u16,
    pub slow_down: u16,
    pub unauthorized_client: u16,
}

impl Statuses {
    /// RFC 6749 5.2, RFC 8628 3.5
    pub const RFC: Self = Self {
        access_denied: 400,
        authorization_pending: 400,
        expired_token: 400,
        slow_down: 400,
        unauthorized_client: 400,
    };
}

/// A member of a successful answer of the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenMember {
    AccessToken,
    ExpiresIn,
    IdToken,
    RefreshToken,
    /// What administrators call the refresh token; never a secret.
    RefreshTokenId,
    Scope,
    TokenType,
    /// F-090
    UserId,
}

/// A member of the answer to a device (RFC 8628 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceMember {
    DeviceCode,
    ExpiresIn,
    Interval,
    UserCode,
    VerificationUri,
    VerificationUriComplete,
}

/// What a new tenant has that nobody says otherwise about (CONTRACT section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantDefaults {
    /// Seconds.
    pub access_token_for: i64,
    pub access_token_algorithm: &'static str,
    pub id_token_algorithm: &'static str,
    /// Seconds.
    pub device_code_for: i64,
    pub user_code_alphabet: &'static str,
    pub user_code_mask: &'static str,
}

/// Codes in the log, beside our own names of events (F-253, F-254).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceLog {
    pub protocol: &'static str,
    pub request_refused: &'static str,
    pub user_code_wrong: &'static str,
    pub denied: &'static str,
    pub exchange_refused: &'static str,
    pub exchanged: &'static str,
}

impl Dialect {
    pub fn of(profile: Profile) -> &'static Self {
        match profile {
            Profile::Standard => &standard::DIALECT,
            Profile::FusionAuth => &fusionauth::DIALECT,
            Profile::FusionAuthLegacy => &fusionauth::LEGACY,
            Profile::Auth0 => &auth0::DIALECT,
            Profile::SimpleIdServer => &simpleidserver::DIALECT,
            Profile::Fusio => &fusio::DIALECT,
        }
    }

    /// How the claims of an application's users are told.
    pub fn scope_handling_of(&self, settings: &ApplicationSettings) -> ScopeHandling {
        self.scope_handling.unwrap_or(settings.scope_handling)
    }

    /// Where its clients look for the endpoint.
    pub fn path(&self, endpoint: Endpoint) -> &'static str {
        self.own_path(endpoint).unwrap_or(endpoint.shared()).alone
    }

    /// The path that the dialect has for itself, if it has one.
    pub fn own_path(&self, endpoint: Endpoint) -> Option<Path> {
        self.own_paths.iter().find(|(own, _)| *own == endpoint).map(|(_, path)| *path)
    }

    /// What the dialect calls a parameter of ours in its own addresses.
    pub fn name_of(&self, parameter: &'static str) -> &'static str {
        self.parameter_names.iter().find(|(_, ours)| *ours == parameter).map_or(parameter, |(theirs, _)| theirs)
    }

    /// What tokens say of how sure the login is; `1` is a password alone.
    pub fn acr<'a>(&self, acr: Option<&'a str>) -> Option<&'a str> {
        acr.map(|acr| if acr == "1" { self.password_acr } else { acr })
    }

    /// What stands in front of the tenant's paths instead of its id, where its name can (F-290).
    pub fn realm_of<'t>(&self, tenant: &'t Tenant) -> Option<&'t str> {
        let name = tenant.name.as_str();
        let is_segment = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        let is_plain = !name.starts_with('.') && !name.is_empty() && name.bytes().all(is_segment);
        // What would stand in front of a path is the beginning of none.
        let is_taken = || is_taken(name) || begins_some_path(name) || Uuid::try_parse(name).is_ok();
        (self.has_realms && is_plain && !is_taken()).then_some(name)
    }

    /// What is at one of its own paths.
    pub fn at(&self, path: &str) -> Option<(Endpoint, Path)> {
        self.own_paths.iter().find(|(_, own)| own.alone == path).copied()
    }
}
