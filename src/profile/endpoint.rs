//! The endpoints, and where each of them is: on the paths that all dialects share, or on a dialect's own.
//!
//! Owns the names of the shared paths. It does not know what is answered there.

/// Where an endpoint is: alone, and behind the segment that names a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    pub alone: &'static str,
    pub of_tenant: &'static str,
}

/// A [`Path`] from a literal.
macro_rules! at {
    ($alone:literal) => {
        $crate::profile::Path { alone: $alone, of_tenant: concat!("/{tenant}", $alone) }
    };
}
pub(super) use at;

/// What can be called at a path of the authorization server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Where people look after their own account.
    Account,
    Authorize,
    ChangePassword,
    /// Where clients register themselves (RFC 7591).
    ClientRegistration,
    Consent,
    /// A login that names no client (F-300).
    ConsumerLogin,
    /// Where people enter user codes.
    Device,
    DeviceAuthorization,
    Introspect,
    KeySet,
    Logout,
    OpenIdConfiguration,
    /// Where people add and remove passkeys.
    Passkeys,
    /// Where clients push authorization requests (RFC 9126).
    PushedRequest,
    Revoke,
    /// Ends the token that calls it (F-302).
    RevokeOwn,
    SecondFactor,
    SessionCheck,
    Token,
    UserInfo,
    /// What a token is about, in few words.
    WhoAmI,
}

impl Endpoint {
    pub const ALL: [Self; 21] = [
        Self::Account,
        Self::Authorize,
        Self::ChangePassword,
        Self::ClientRegistration,
        Self::Consent,
        Self::ConsumerLogin,
        Self::Device,
        Self::DeviceAuthorization,
        Self::Introspect,
        Self::KeySet,
        Self::Logout,
        Self::OpenIdConfiguration,
        Self::Passkeys,
        Self::PushedRequest,
        Self::Revoke,
        Self::RevokeOwn,
        Self::SecondFactor,
        Self::SessionCheck,
        Self::Token,
        Self::UserInfo,
        Self::WhoAmI,
    ];

    /// Whether people call it with a browser.
    pub const fn is_page(self) -> bool {
        match self {
            Self::Account
            | Self::Authorize
            | Self::ChangePassword
            | Self::Consent
            | Self::Device
            | Self::Logout
            | Self::Passkeys
            | Self::SecondFactor
            | Self::SessionCheck => true,
            Self::ClientRegistration
            | Self::ConsumerLogin
            | Self::DeviceAuthorization
            | Self::Introspect
            | Self::KeySet
            | Self::OpenIdConfiguration
            | Self::PushedRequest
            | Self::Revoke
            | Self::RevokeOwn
            | Self::Token
            | Self::UserInfo
            | Self::WhoAmI => false,
        }
    }

    /// Where every tenant answers, whatever it speaks. What only a dialect has is found there by the translation alone.
    pub const fn shared(self) -> Path {
        match self {
            Self::Account => at!("/oauth2/account"),
            Self::Authorize => at!("/oauth2/authorize"),
            Self::ChangePassword => at!("/password/change"),
            Self::ClientRegistration => at!("/oauth2/register"),
            Self::Consent => at!("/oauth2/consent"),
            Self::ConsumerLogin => at!("/oauth2/consumer_login"),
            Self::Device => at!("/oauth2/device"),
            Self::DeviceAuthorization => at!("/oauth2/device_authorize"),
            Self::Introspect => at!("/oauth2/introspect"),
            Self::KeySet => at!("/.well-known/jwks.json"),
            Self::Logout => at!("/oauth2/logout"),
            Self::OpenIdConfiguration => at!("/.well-known/openid-configuration"),
            Self::Passkeys => at!("/oauth2/passkeys"),
            Self::PushedRequest => at!("/oauth2/par"),
            Self::Revoke => at!("/oauth2/revoke"),
            Self::RevokeOwn => at!("/oauth2/revoke_own"),
            Self::SecondFactor => at!("/oauth2/two-factor"),
            Self::SessionCheck => at!("/oauth2/check_session"),
            Self::Token => at!("/oauth2/token"),
            Self::UserInfo => at!("/oauth2/userinfo"),
            Self::WhoAmI => at!("/oauth2/whoami"),
        }
    }
}
