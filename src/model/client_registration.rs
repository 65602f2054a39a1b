//! Clients that register themselves (RFC 7591): who may, and what is kept of those that did.

use serde::{Deserialize, Serialize};

use super::application::{CustomScope, named};

named! {
    /// Who may register clients (RFC 7591 1.2).
    RegistrationMode {
        /// Anybody.
        Open = "open",
        /// Who has an initial access token: an API key of the tenant.
        Protected = "protected",
    }
}

/// What a tenant decides about clients that register themselves. It counts for those that did, too, at each use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientRegistration {
    pub mode: RegistrationMode,
    /// What such clients may ask for besides the scopes of OpenID Connect and those of the tenant's APIs.
    #[serde(default)]
    pub scopes: Vec<CustomScope>,
    /// The hosts that their `https` redirect URIs lead to; any, if none is named.
    #[serde(default)]
    pub redirect_hosts: Vec<String>,
    /// Seconds after which a client is forgotten to which nobody logged in.
    #[serde(default = "ClientRegistration::unused_for")]
    pub unused_for: i64,
}

impl ClientRegistration {
    const UNUSED_FOR: i64 = 7 * 86_400;

    pub fn new(mode: RegistrationMode) -> Self {
        Self { mode, scopes: Vec::new(), redirect_hosts: Vec::new(), unused_for: Self::UNUSED_FOR }
    }

    fn unused_for() -> i64 {
        Self::UNUSED_FOR
    }
}

/// What is kept of a client's own word, beside what became a setting of the application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelfRegistered {
    /// SHA-256 of the registration access token (RFC 7592 1.2), 64 lower case hexadecimal digits.
    pub token: String,
    /// What the client calls itself. Nobody checked it, and several may say the same.
    #[serde(default)]
    pub client_name: Option<String>,
    /// `token_endpoint_auth_method`
    pub authentication_method: String,
    /// The scopes that it said it would ask for; `None`: whatever the tenant offers.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// The first instant at which it is forgotten; `None` once somebody logged in to it.
    #[serde(default)]
    pub unused_until: Option<i64>,
}
