//! The authorization server: who asks for a token, may they have it, and what it says.
//!
//! Owns the protocol. It never sees HTTP: `web` hands it what was sent and writes down what it answers.
//!
//! | Rule | File |
//! |---|---|
//! | RFC 6749 2.3.1 client authentication | `client_authentication` |
//! | RFC 7523 3 signed client assertions | `client_assertion` |
//! | RFC 6749 3.1 the authorization endpoint, OpenID Connect Core 3 | `authorization`, `login`, `session`, `consent` |
//! | OpenID Connect logout: RP-initiated, front-channel, back-channel | `logout` |
//! | RFC 6749 3.2 parameters | `parameters` |
//! | logins and tokens through the management API | `login_api`, `waiting_login`, `token_api`, `public_keys` |
//! | one's own account through the management API | `own_account` |
//! | the same on a page of ours | `account` |
//! | RFC 6749 4.1.3 authorization codes | `grant/authorization_code` |
//! | RFC 6749 4.3 passwords | `grant/password` |
//! | a new password that is due at the token endpoint (F-055) | `change_password` |
//! | RFC 6749 4.4 client credentials between entities | `grant/client_credentials` |
//! | the same of an application for itself, where a dialect has that | `grant/own_credentials` |
//! | RFC 6749 5.2 errors | `error` |
//! | RFC 6749 6 refresh tokens | `grant/refresh_token`, `refresh_tokens` |
//! | RFC 7009 revocation | `revocation` |
//! | RFC 7591 and RFC 7592 clients that register themselves | `client_registration` |
//! | RFC 7636 4.6 proof key | `grant/pkce` |
//! | RFC 7662 introspection | `introspection` |
//! | RFC 8414, OpenID Connect Discovery | `metadata` |
//! | RFC 8628 device grant | `device` |
//! | RFC 8628 3.4 polling | `grant/device_code` |
//! | RFC 9068 access tokens | `issue` |
//! | RFC 9126 pushed authorization requests | `pushed` |
//! | RFC 9449 proofs of a key, RFC 8705 certificates | `possession` |
//! | RFC 9700 2.1.1 constant nonces and challenges | `repetitions` |
//! | OpenID Connect Core 2 ID tokens | `id_token` |
//! | OpenID Connect Core 5.3 UserInfo | `userinfo` |
//! | WebAuthn Level 3, 7 passkeys | `passkeys` |

mod access_tokens;
mod account;
mod api_key;
mod audience;
mod authorization;
mod change_password;
mod client;
mod client_assertion;
mod client_authentication;
mod client_registration;
mod consent;
mod consumer;
mod device;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod grant;
mod guesses;
mod hint;
mod id_token;
mod interaction;
mod introspection;
mod issue;
mod keys;
mod login;
mod login_api;
mod login_state;
mod logout;
mod metadata;
mod own_account;
mod own_page;
mod parameters;
mod passkeys;
mod plain_name;
mod possession;
mod public_keys;
mod pushed;
mod refresh_tokens;
mod repetitions;
mod revocation;
mod scopes;
mod secret_shape;
mod session;
mod setup;
mod tenant;
mod token_api;
mod user_claims;
mod userinfo;
mod waiting_login;

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::hmac;
use tokio::sync::Notify;
use uuid::Uuid;

pub use crate::jose::dpop::algorithms as dpop_algorithms;
pub use client::Client;
pub use client_registration::RegisteredClient;
pub use consumer::{ConsumerTokens, WhoAmI};
pub use device::{DeviceApproved, DeviceAuthorization, UserCodeDetails};
pub use error::{ErrorCode, ErrorReason, OAuthError, Reused};
pub use grant::{GrantType, Granted, granted_now};
pub use interaction::{
    AccountLinks, BrowserRequest, ConsentScope, Context, Form, FormOrigin, Keep, Kept, ListedApplication,
    ListedPasskey, ListedSession, Message, Next, Notice, Page, PasskeyOwner,
};
pub use interaction::{Reply, Step};
pub use introspection::Introspection;
pub use issue::{TokenResponse, Vending, VendingRefusal};
pub use keys::{KeyRing, KeyRingError, KnownKey, LocalIssuer, NewKey, Rotation, Signing};
pub use login_api::{ApiLogin, LoggedIn, LoginDetails, LoginRefusal, LoginStep};
pub use logout::LogoutToTell;
pub use own_account::{OwnAccount, PasswordRefusal};
pub use possession::Sender;
pub use pushed::PushedAuthorization;
pub use tenant::Speaker;
pub use token_api::{ApiRefresh, TokenRefusal, Voucher};
pub use userinfo::UserInfo;

use crate::clock::Clock;
use crate::directory::Directory;
use crate::entropy::Entropy;
use crate::jose::dpop::Nonces;
use crate::revocations::Revocations;
use crate::store::Store;

/// The embedded authorization server: its dependencies. Share it in an `Arc`.
pub struct AuthorizationServer {
    directory: Arc<Directory>,
    store: Arc<dyn Store>,
    keys: Arc<KeyRing>,
    revocations: Arc<Revocations>,
    clock: Clock,
    entropy: Entropy,
    guesses: guesses::Guesses,
    repetitions: repetitions::Repetitions,
    /// Which grants the metadata lists.
    enabled: metadata::Enabled,
    /// For proofs that need them.
    dpop_nonces: Nonces,
    /// Makes refresh tokens follow one another.
    succession: hmac::Key,
    device_limits: device::DeviceLimits,
    /// Told when this node leaves logouts for whoever tells clients of them.
    untold: Notify,
}

/// What an [`AuthorizationServer`] stands on.
pub struct Dependencies {
    pub directory: Arc<Directory>,
    pub store: Arc<dyn Store>,
    pub keys: Arc<KeyRing>,
    pub revocations: Arc<Revocations>,
    pub clock: Clock,
    pub entropy: Entropy,
}

/// What an operator decides about the authorization server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What clients see of this gateway, without a trailing slash: every issuer and every document derives from it.
    pub public_url: String,
    /// The tenant whose issuer is `public_url` itself; the oldest one if nobody says.
    pub default_tenant: Option<Uuid>,
    /// Seconds between the publication of a new key and its first use (P2). Key sets are cached for half as long.
    pub publish_for: i64,
    /// Seconds for which an old key stays published after its last use; never less than its last token lives.
    pub keep_for: i64,
    /// Scheme and host of what else this gateway protects, without a trailing slash: its routes may name hosts.
    pub origins: Vec<String>,
    /// Whether somebody tells of clients' certificates, so that tokens can be bound to them (RFC 8705).
    pub knows_certificates: bool,
    /// Whether some of those certificates were signed by authorities that the operator listed.
    pub knows_vouched_certificates: bool,
    /// Where clients are asked for certificates, if not at `public_url` (RFC 8705 5); without a trailing slash.
    pub mtls_url: Option<String>,
}

impl Settings {
    pub fn new(public_url: &str) -> Self {
        Self {
            public_url: public_url.trim_end_matches('/').to_owned(),
            default_tenant: None,
            publish_for: 600,
            keep_for: 0,
            origins: Vec::new(),
            knows_certificates: false,
            knows_vouched_certificates: false,
            mtls_url: None,
        }
    }

    /// The same address where clients are asked for certificates; `None` if there is no such place, or it is not one of ours.
    pub(crate) fn with_certificate(&self, address: &str) -> Option<String> {
        let path = address.strip_prefix(&self.public_url)?;
        self.mtls_url.as_ref().map(|base| format!("{base}{path}"))
    }

    /// Seconds for which others may cache a key set or a metadata document.
    pub fn cache_for(&self) -> i64 {
        self.publish_for / 2
    }
}

/// A request to the token endpoint, or to another one where clients say who they are, as it was sent.
#[derive(Clone, Copy, Debug)]
pub struct TokenRequest<'a> {
    /// Every `Authorization` field.
    pub authorization: &'a [&'a [u8]],
    /// `X-FusionAuth-TenantId`.
    pub tenant_header: Option<&'a [u8]>,
    /// The tenant in the path of the endpoint.
    pub tenant_path: Option<&'a str>,
    /// The form.
    pub body: &'a [u8],
    /// Who is connected, for counting wrong guesses.
    pub peer: Option<IpAddr>,
    pub sender: Sender<'a>,
}

impl AuthorizationServer {
    pub fn new(on: Dependencies) -> Self {
        Self {
            directory: on.directory,
            store: on.store,
            dpop_nonces: Nonces::new(&on.keys.derived_key(b"faregate dpop nonces")),
            succession: hmac::Key::new(hmac::HMAC_SHA512, &on.keys.derived_key(b"faregate refresh tokens")),
            keys: on.keys,
            revocations: on.revocations,
            clock: on.clock,
            entropy: on.entropy,
            guesses: guesses::Guesses::default(),
            repetitions: repetitions::Repetitions::default(),
            enabled: metadata::Enabled::default(),
            device_limits: device::DeviceLimits::default(),
            untold: Notify::new(),
        }
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub fn entropy(&self) -> &Entropy {
        &self.entropy
    }

    pub fn keys(&self) -> &Arc<KeyRing> {
        &self.keys
    }
}
