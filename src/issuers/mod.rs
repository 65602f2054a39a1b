//! Somebody else's authorization servers, as far as their tokens are believed here.
//!
//! Owns what has to be asked of them: metadata, keys, and whether a token is active. What makes a token good is `jose`'s and
//! what it may do `policy`'s business; who may be believed at all, the configuration says.

mod breaker;
mod client;
mod discovery;
mod endpoints;
mod fetch;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod introspection;
mod key_source;
mod logout;
mod sign_in;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use endpoints::{LOGOUT, LogoutEndpoint, OperatorEndpoint, pattern_of};
pub use fetch::{FetchError, Fetcher, FetcherError};
use introspection::Introspector;
use key_source::KeySource;
use logout::LogoutRules;
pub use logout::Revoker;
pub use sign_in::SignIn;

use crate::clock::Clock;
use crate::config;
use crate::enforce::{Introspection, Issuer, KeyReport, Trusted, Unknown};
use crate::entropy::Entropy;
use crate::jose::{Expectations, KeySet};
use crate::metrics::Metrics;
use crate::policy::ClaimNames;

/// What everybody who asks an issuer needs.
#[derive(Clone)]
pub struct Outbound {
    pub fetcher: Fetcher,
    pub metrics: Arc<Metrics>,
    pub clock: Clock,
    pub entropy: Entropy,
}

impl Outbound {
    /// The same for an issuer whose certificates are signed by authorities of its own, if they are.
    ///
    /// # Errors
    /// When its file cannot be read any more.
    pub fn to(&self, issuer: &config::ForeignIssuer) -> Result<Self, FetcherError> {
        match &issuer.ca_file {
            Some(path) => Ok(Self { fetcher: Fetcher::believing(Some(path))?, ..self.clone() }),
            None => Ok(self.clone()),
        }
    }
}

/// Somebody else's issuer, as `enforce` sees it.
pub struct ForeignIssuer {
    expectations: Expectations,
    claims: ClaimNames,
    keys: KeySource,
    introspection: Option<Introspector>,
    logout: Option<LogoutRules>,
}

impl ForeignIssuer {
    /// `name` is the configuration's, for logs and labels. Nothing is asked before [`ForeignIssuer::follow`].
    pub fn new(name: &str, settings: &config::ForeignIssuer, outbound: &Outbound) -> Self {
        let expectations = Expectations {
            types: settings.types.clone(),
            algorithms: settings.algorithms,
            leeway_for: i64::try_from(settings.leeway_for.as_secs()).unwrap_or_default(),
            required_claims: settings.required_claims.iter().map(|name| name.as_str().into()).collect(),
            ..Expectations::new(&settings.issuer)
        };
        let logout = settings.logout.as_ref().map(|own| LogoutRules::new(&expectations, own));
        Self {
            expectations,
            logout,
            claims: settings.claims.clone(),
            keys: KeySource::new(name, settings, outbound.clone()),
            introspection: settings.introspection.as_ref().map(|own| Introspector::new(name, settings, own, outbound)),
        }
    }

    /// Keeps its keys as new as they should be, as long as it is polled. `forget` is called when one of them is gone, so
    /// that nothing it verified is believed any longer (rule F17).
    pub async fn follow(&self, forget: impl Fn() + Send) {
        self.keys.follow(forget).await;
    }

    /// How many keys it publishes, asked as [`ForeignIssuer::follow`] asks, but once; `None` if there is nobody to ask.
    pub async fn count_keys_now(&self) -> Option<Result<usize, FetchError>> {
        self.keys.count_now().await
    }

    /// Whether its introspection endpoint answers, whatever it answers: it is sent no token and no credential. `None` if its tokens
    /// are not introspected.
    pub async fn reach_introspection(&self) -> Option<Result<(), FetchError>> {
        match &self.introspection {
            Some(introspection) => Some(introspection.reach().await),
            None => None,
        }
    }

    fn trusted_with(&self, keys: Arc<KeySet>) -> Trusted {
        Trusted { expectations: self.expectations.clone(), keys }
    }
}

#[async_trait]
impl Issuer for ForeignIssuer {
    fn is_called(&self, iss: &str) -> bool {
        *self.expectations.issuer == *iss
    }

    fn trusted(&self) -> Option<Trusted> {
        self.keys.current().map(|keys| self.trusted_with(keys))
    }

    async fn newer(&self, seen: Option<&Arc<KeySet>>) -> Result<Option<Trusted>, Unknown> {
        let keys = self.keys.newer(seen).await?;
        Ok(keys.map(|keys| self.trusted_with(keys)))
    }

    fn is_foreign(&self) -> bool {
        true
    }

    /// Entities are ours; somebody else's tokens speak of them by id.
    async fn names_of(&self, _ids: &[&str]) -> Result<Vec<(Box<str>, Box<str>)>, Unknown> {
        Ok(Vec::new())
    }

    fn claim_names(&self) -> &ClaimNames {
        &self.claims
    }

    fn introspection(&self) -> Option<&dyn Introspection> {
        self.introspection.as_ref().map(|introspection| introspection as &dyn Introspection)
    }

    fn age_of_keys(&self) -> Option<(&str, Duration)> {
        self.keys.age()
    }

    fn key_report(&self) -> Option<KeyReport> {
        self.keys.report()
    }
}
