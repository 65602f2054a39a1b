//! People with a browser and without a token: led to an issuer, known again by a cookie, signed out.
//!
//! Owns logins, the sessions that they begin, and the tokens behind them. It shows no page and makes no decision about a
//! request: the session's access token is checked like any other one.
//!
//! | What | File |
//! |---|---|
//! | RFC 6749 4.1.1, RFC 7636, RFC 9207: the way to the issuer and back | `attempt`, `callback` |
//! | OpenID Connect Core 3.1.3.7 and 12: what the tokens must say | `callback`, `renewal` |
//! | what a browser keeps | `cookies` |
//! | what browsers say of where a request comes from | `request` |
//! | sessions, and the tokens in them | `session`, `renewal` |
//! | RFC 9470: logins that have to be made again | `step_up` |
//! | OpenID Connect RP-Initiated Logout 1.0, RFC 7009 | `sign_out` |

mod attempt;
mod callback;
mod cookies;
mod issuer;
mod login;
mod query;
mod renewal;
mod request;
mod session;
mod sign_out;
mod step_up;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::hmac;
use http::HeaderValue;
use moka::sync::Cache;

pub use attempt::{Arrival, Begun};
pub use cookies::is_own as is_own_cookie;
pub use issuer::{Endpoints, Form, Issuer, TokenRefusal, Tokens, Unanswered};
pub use login::{Client, Entrance, Login, Origins};
pub use request::{is_navigation, is_same_origin};
pub use session::{Found, Live};
pub use sign_out::SignOutRequest;
pub use step_up::Demands;

use crate::clock::Clock;
use crate::entropy::Entropy;
use crate::jose::Sealing;
use crate::metrics::Metrics;
use crate::revocations::Revocations;
use crate::store::Store;
use renewal::UnderWay;

/// Where issuers send people back. Where there are several logins, the name of one follows, so that no issuer's answer can
/// pass for another's (RFC 9700 4.4.2).
pub const CALLBACK: &str = "/_faregate/callback";
pub const NAMED_CALLBACK: &str = "/_faregate/callback/{login}";
/// Where people sign out.
pub const LOGOUT: &str = "/_faregate/logout";

/// The patterns of the paths that belong to logins.
pub const PATTERNS: [&str; 3] = [CALLBACK, NAMED_CALLBACK, LOGOUT];

/// Bytes of sessions that are kept in memory.
const MOST_BYTES: u64 = 32 * 1024 * 1024;
/// A session that nobody uses leaves the memory.
const REMEMBERED_FOR: Duration = Duration::from_secs(600);

/// The pattern of a canonical path of ours.
pub fn pattern_of(path: &str) -> Option<&'static str> {
    match path {
        CALLBACK => Some(CALLBACK),
        LOGOUT => Some(LOGOUT),
        _ => path.strip_prefix(CALLBACK)?.strip_prefix('/').filter(|name| !name.is_empty()).map(|_| NAMED_CALLBACK),
    }
}

/// Every login of a configuration and every session that began with one.
pub struct Browsers {
    logins: Box<[Arc<Login>]>,
    origins: Origins,
    store: Arc<dyn Store>,
    sealing: Sealing,
    /// Ties a form that signs out to its session.
    forms: hmac::Key,
    revocations: Arc<Revocations>,
    metrics: Arc<Metrics>,
    clock: Clock,
    entropy: Entropy,
    /// By hash of what the browser presents.
    live: Cache<Box<str>, Arc<Live>>,
    under_way: Mutex<HashMap<Box<str>, UnderWay>>,
}

/// What [`Browsers`] stand on.
pub struct Dependencies {
    pub store: Arc<dyn Store>,
    pub sealing: Sealing,
    /// 32 bytes that nobody else has, the same on every node.
    pub form_key: [u8; 32],
    pub revocations: Arc<Revocations>,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
    pub entropy: Entropy,
}

/// The answer to a request for one of our paths.
#[derive(Debug)]
pub struct Reply {
    pub next: Next,
    /// Values of `Set-Cookie`.
    pub cookies: Vec<HeaderValue>,
}

/// Where the browser is after it.
#[derive(Debug)]
pub enum Next {
    /// To an address, ours or the issuer's.
    Redirect(String),
    /// A login that did not work.
    Failed(Failure),
    /// Somebody may not have meant to sign out: asks, with this value in the form.
    ConfirmSignOut {
        forgery: String,
        /// Where the form's answer may lead the browser.
        leads_to: Vec<String>,
    },
    SignedOut,
}

/// Why a login did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub status: u16,
    /// Stable, snake_case.
    pub code: &'static str,
    /// One sentence for developers.
    pub description: &'static str,
    /// Where the person may begin again, on this host.
    pub again: Option<String>,
}

impl Browsers {
    pub fn new(logins: Vec<Arc<Login>>, origins: Origins, on: Dependencies) -> Arc<Self> {
        Arc::new(Self {
            logins: logins.into(),
            origins,
            store: on.store,
            sealing: on.sealing,
            forms: hmac::Key::new(hmac::HMAC_SHA256, &on.form_key),
            revocations: on.revocations,
            metrics: on.metrics,
            clock: on.clock,
            entropy: on.entropy,
            live: Cache::builder()
                .weigher(|_, live: &Arc<Live>| live.weight())
                .max_capacity(MOST_BYTES)
                .time_to_idle(REMEMBERED_FOR)
                .build(),
            under_way: Mutex::default(),
        })
    }

    /// Whether there is any login.
    pub fn knows_people(&self) -> bool {
        !self.logins.is_empty()
    }

    /// Where people log in at this login's issuer come back to.
    fn redirect_uri(&self, origin: &str, login: &Login) -> String {
        match &*self.logins {
            [_only] => format!("{origin}{CALLBACK}"),
            _ => format!("{origin}{CALLBACK}/{}", login.name),
        }
    }

    fn count_login(&self, login: &Login, result: &str) {
        self.metrics.browser_logins.with_label_values(&[&*login.name, result]).inc();
    }
}

impl Reply {
    fn to(address: String) -> Self {
        Self { next: Next::Redirect(address), cookies: Vec::new() }
    }

    fn failed(failure: Failure) -> Self {
        Self { next: Next::Failed(failure), cookies: Vec::new() }
    }
}
