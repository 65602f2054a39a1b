//! A tenant: one issuer with its own clients, keys and wire dialect. It does not know how the dialect looks.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::application::RefreshTokenPolicy;
use super::client_registration::ClientRegistration;
use super::entity::Data;

/// One issuer and everything that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    pub id: Uuid,
    /// Unique in the store.
    pub name: String,
    /// The `iss` of its tokens, free text (F-204). `None`: derived from the public URL.
    pub issuer: Option<String>,
    pub profile: Profile,
    /// Life of an access token, in seconds.
    pub access_token_for: i64,
    /// JOSE name of the algorithm that signs access tokens.
    pub access_token_algorithm: String,
    /// JOSE name of the algorithm that signs ID tokens.
    pub id_token_algorithm: String,
    pub settings: TenantSettings,
    /// Who declares this object (`config`), or `None` when administrators manage it.
    pub managed_by: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

impl Tenant {
    /// FusionAuth's `timeToLiveInSeconds` (F-200).
    pub const ACCESS_TOKEN_FOR: i64 = 3600;
    pub const ACCESS_TOKEN_ALGORITHM: &'static str = "ES256";
    /// OpenID Connect Core 15.1 requires RS256 of everyone.
    pub const ID_TOKEN_ALGORITHM: &'static str = "RS256";

    /// A tenant with the default settings.
    pub fn new(id: Uuid, name: &str, now: i64) -> Self {
        Self {
            id,
            name: name.to_owned(),
            issuer: None,
            profile: Profile::Standard,
            access_token_for: Self::ACCESS_TOKEN_FOR,
            access_token_algorithm: Self::ACCESS_TOKEN_ALGORITHM.to_owned(),
            id_token_algorithm: Self::ID_TOKEN_ALGORITHM.to_owned(),
            settings: TenantSettings::default(),
            managed_by: None,
            created_at: now,
            updated_at: now,
        }
    }
}

/// What a tenant decides about logins and grants (CONTRACT D-11, HARDENING B, C, J, K, L). Stored as one JSON value;
/// what is not there has its default. Lengths of time are in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TenantSettings {
    pub authorization_code_for: i64,
    /// How long a login may begin with a pushed request (RFC 9126 2.2).
    pub pushed_request_for: i64,
    pub id_token_for: i64,
    pub device_code_for: i64,
    /// Between two polls of a device.
    pub device_interval: i64,
    pub user_code: UserCodeShape,
    pub refresh_tokens: RefreshTokenPolicy,
    pub session_idle_for: i64,
    pub session_for: i64,
    /// Between the password and the second factor, and for the page that asks for a new password.
    pub interaction_for: i64,
    pub remember_consent_for: i64,
    /// Wrong passwords in a row after which an address has to wait.
    pub login_attempts: u32,
    /// The shortest password, in characters (L1).
    pub password_min_length: u32,
    /// Where a browser lands after a logout that says nothing else (F-121).
    pub logout_uri: Option<String>,
    /// Whether tokens may be introspected without authenticating (D5).
    pub open_introspection: bool,
    /// Whether a session begins without the person ticking "keep me signed in" (D-18).
    pub always_remember: bool,
    /// Whether people may sign in with passkeys, where the address of the pages allows it (L12).
    pub passkeys: bool,
    pub theme: Theme,
    /// What access tokens can be for besides the client, where the dialect knows APIs (F-231).
    pub apis: Vec<Api>,
    /// What `expires_in` says; as in the profile if nothing is said (D3).
    pub expires_in: Option<ExpiresIn>,
    /// Whether clients may register themselves (RFC 7591); `None`: no.
    pub client_registration: Option<ClientRegistration>,
    pub data: Data,
}

super::application::named! {
    /// What `expires_in` in the answer of the token endpoint says (D3).
    ExpiresIn {
        /// Seconds from now (RFC 6749 5.1).
        Relative = "relative",
        /// The `exp` of the token (F-308).
        Absolute = "absolute",
    }
}

/// An API that clients ask for by its identifier, which is then the audience of the access token. Entities are the other
/// kind of target: clients ask for those by scope, and get what was granted to them, not what a person approves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Api {
    /// Unique in the tenant; a URL by custom.
    pub identifier: String,
    /// The scopes that clients may ask for with it, besides those of OpenID Connect and their own.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Whether `offline_access` is honoured with it (F-244).
    #[serde(default)]
    pub allows_offline_access: bool,
}

impl TenantSettings {
    pub fn api(&self, identifier: &str) -> Option<&Api> {
        self.apis.iter().find(|api| api.identifier == identifier)
    }
}

impl Default for TenantSettings {
    fn default() -> Self {
        Self {
            authorization_code_for: 30,
            pushed_request_for: 60,
            id_token_for: 3600,
            device_code_for: 300,
            device_interval: 5,
            user_code: UserCodeShape::default(),
            refresh_tokens: RefreshTokenPolicy::default(),
            session_idle_for: 3600,
            session_for: 86_400,
            interaction_for: 300,
            remember_consent_for: 30 * 86_400,
            login_attempts: 5,
            password_min_length: 8,
            logout_uri: None,
            open_introspection: false,
            always_remember: true,
            passkeys: true,
            theme: Theme::default(),
            apis: Vec::new(),
            expires_in: None,
            client_registration: None,
            data: Data::new(),
        }
    }
}

/// How user codes look (F-160, J2). Compared without regard to case, dashes and spaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserCodeShape {
    /// The characters that are drawn from.
    pub alphabet: String,
    /// `*` is a character of the alphabet, everything else stands for itself: `****-****`.
    pub mask: String,
}

impl UserCodeShape {
    /// RFC 8628 6.1: no vowels, so no words; nothing that looks like something else.
    pub const CONSONANTS: &'static str = "BCDFGHJKLMNPQRSTVWXZ";
}

impl Default for UserCodeShape {
    fn default() -> Self {
        Self { alphabet: Self::CONSONANTS.to_owned(), mask: "****-****".to_owned() }
    }
}

/// How a tenant's pages look. Colours are CSS hexadecimal colours; texts are shown as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Theme {
    /// Shown instead of the tenant's name.
    pub name: Option<String>,
    /// A `data:` URL of a PNG or SVG image; never a link elsewhere (K11).
    pub logo: Option<String>,
    /// Of buttons and links, on light and on dark.
    pub accent: Option<String>,
    pub accent_dark: Option<String>,
    /// A sentence below the heading of the sign-in page, by language; `""` for every other language.
    pub welcome: std::collections::BTreeMap<String, String>,
}

/// The wire dialect that a tenant speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    #[default]
    Standard,
    FusionAuth,
    FusionAuthLegacy,
    Auth0,
    SimpleIdServer,
    Fusio,
}

impl Profile {
    pub const ALL: [Self; 6] =
        [Self::Standard, Self::FusionAuth, Self::FusionAuthLegacy, Self::Auth0, Self::SimpleIdServer, Self::Fusio];

    /// The name in configuration and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::FusionAuth => "fusionauth",
            Self::FusionAuthLegacy => "fusionauth-legacy",
            Self::Auth0 => "auth0",
            Self::SimpleIdServer => "simpleidserver",
            Self::Fusio => "fusio",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_parses_its_own_name() {
        for profile in Profile::ALL {
            assert_eq!(Profile::parse(profile.as_str()), Some(profile));
        }
        assert_eq!(Profile::parse("Standard"), None);
    }
}
