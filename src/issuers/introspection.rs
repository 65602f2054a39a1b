//! Asks an issuer about tokens that only it can read (RFC 7662): once, however many requests carry one.
//!
//! Owns the remembering of answers, in memory and not for long, under a digest of the token (rule I4). It does not decide
//! which tokens are asked about, nor what an active one may do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_lc_rs::digest;
use moka::sync::Cache;
use serde_json::{Map, Value};
use tokio::sync::{OnceCell, Semaphore, watch};

use super::Outbound;
use super::breaker::Breaker;
use super::client::Proof;
use super::discovery::Place;
use super::fetch::FetchError;
use crate::clock::UnixSeconds;
use crate::config;
use crate::enforce::{CircuitReport, Introspected, Introspection, TokensAsked, Unknown};
use crate::secret::Secret;

/// Answers that a token is active, in bytes of their text.
const MOST_ACTIVE_BYTES: u64 = 32 * 1024 * 1024;
/// What an answer costs beside its text.
const ENTRY_OVERHEAD: usize = 512;
/// Answers that a token is not: anybody can make up tokens (rule I6).
const MOST_INACTIVE: u64 = 10_000;
/// Requests to one issuer at the same time.
const MOST_CALLS: usize = 64;
/// Instants beyond this are no instants: the end of the year 9999.
const LAST_INSTANT: f64 = 253_402_300_799.0;

/// SHA-256 of a token.
type Key = [u8; digest::SHA256_OUTPUT_LEN];
/// `None` for a token that is not active.
type Outcome = Result<Option<Arc<Answer>>, Unknown>;

/// The introspection endpoint of one issuer.
pub(super) struct Introspector(Arc<Asking>);

struct Asking {
    name: Box<str>,
    issuer: Box<str>,
    tokens: TokensAsked,
    place: Place,
    endpoint: OnceCell<Endpoint>,
    proof: Proof,
    cache_for: UnixSeconds,
    negative_cache_for: UnixSeconds,
    stale_for: UnixSeconds,
    leeway_for: UnixSeconds,
    timeout_for: Duration,
    outbound: Outbound,
    active: Cache<Key, Arc<Answer>>,
    inactive: Cache<Key, UnixSeconds>,
    under_way: Mutex<HashMap<Key, watch::Receiver<Option<Outcome>>>>,
    calls: Semaphore,
    breaker: Breaker,
    /// Of the questions in a row that it did not answer.
    last_failure: Mutex<Option<String>>,
}

/// Where to ask, and how.
struct Endpoint {
    url: String,
    /// It says that it takes no secret in the header, but in the form.
    takes_post_only: bool,
}

/// The answer that a token is active.
#[derive(Debug)]
struct Answer {
    claims: Map<String, Value>,
    expires_at: Option<UnixSeconds>,
    fresh_until: UnixSeconds,
    weight: u32,
}

impl Introspector {
    /// `foreign` is the issuer and `settings` what it has under `introspection`.
    pub(super) fn new(
        name: &str,
        foreign: &config::ForeignIssuer,
        settings: &config::Introspection,
        outbound: &Outbound,
    ) -> Self {
        let seconds = |duration: Duration| UnixSeconds::try_from(duration.as_secs()).unwrap_or(UnixSeconds::MAX);
        let tokens = match (&foreign.keys, settings.always) {
            (config::KeyLocation::Nowhere, _) => TokensAsked::All,
            (_, true) => TokensAsked::Verified,
            (_, false) => TokensAsked::Opaque,
        };
        let active = Cache::<Key, Arc<Answer>>::builder()
            .weigher(|_, answer| answer.weight)
            .max_capacity(MOST_ACTIVE_BYTES)
            .time_to_live(settings.cache_for + settings.stale_for + Duration::from_secs(1))
            .build();
        let inactive = Cache::builder()
            .max_capacity(MOST_INACTIVE)
            .time_to_live(settings.negative_cache_for + Duration::from_secs(1))
            .build();
        Self(Arc::new(Asking {
            name: name.into(),
            issuer: foreign.issuer.as_str().into(),
            tokens,
            place: Place::of(foreign, settings.timeout_for),
            endpoint: OnceCell::new_with(settings.endpoint.clone().map(|url| Endpoint { url, takes_post_only: false })),
            proof: Proof::new(&settings.client_id, &settings.authentication),
            cache_for: seconds(settings.cache_for),
            negative_cache_for: seconds(settings.negative_cache_for),
            stale_for: seconds(settings.stale_for),
            leeway_for: seconds(foreign.leeway_for),
            timeout_for: settings.timeout_for,
            outbound: outbound.clone(),
            active,
            inactive,
            under_way: Mutex::default(),
            calls: Semaphore::new(MOST_CALLS),
            breaker: Breaker::default(),
            last_failure: Mutex::default(),
        }))
    }

    /// Whether the endpoint answers at all, asked for nothing.
    pub(super) async fn reach(&self) -> Result<(), FetchError> {
        let asking = &self.0;
        let reached = async { asking.outbound.fetcher.reach(&asking.endpoint().await?.url).await };
        tokio::time::timeout(asking.timeout_for, reached).await.unwrap_or(Err(FetchError::Timeout))
    }

    /// What an answer says that a token is active, as if it had been asked for.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn answer(&self, text: &str) -> Option<Introspected> {
        let answer = self.0.read(text).ok().flatten()?;
        Some(answer.introspected(answer.fresh_until))
    }
}

#[async_trait]
impl Introspection for Introspector {
    fn tokens(&self) -> TokensAsked {
        self.0.tokens
    }

    fn circuit(&self) -> CircuitReport {
        let (is_open, failures) = self.0.breaker.state();
        let last_failure = self.0.last_failure().clone();
        CircuitReport { issuer: self.0.name.to_string(), is_open, failures, last_failure }
    }

    async fn introspect(&self, token: &str) -> Result<Option<Introspected>, Unknown> {
        let key = key_of(token);
        let outcome = match self.0.known(&key) {
            Some(known) => Ok(known),
            None => match self.0.clone().asked(key, token) {
                Asked::Known(known) => Ok(known),
                Asked::UnderWay(mut outcome) => match outcome.wait_for(Option::is_some).await {
                    Ok(outcome) => outcome.clone().unwrap_or(Err(Unknown)),
                    Err(_) => Err(Unknown),
                },
            },
        };
        match outcome {
            Ok(answer) => Ok(answer.map(|answer| answer.introspected(answer.fresh_until))),
            // Bounded use of an old answer, where the operator asked for it.
            Err(Unknown) => self.0.stale(&key).map(Some).ok_or(Unknown),
        }
    }
}

impl Answer {
    fn introspected(&self, fresh_until: UnixSeconds) -> Introspected {
        Introspected { claims: self.claims.clone(), expires_at: self.expires_at, fresh_until }
    }
}

/// What became of a question.
enum Asked {
    Known(Option<Arc<Answer>>),
    UnderWay(watch::Receiver<Option<Outcome>>),
}

/// A question that is over when this is gone, however it ended.
struct UnderWay {
    asking: Arc<Asking>,
    key: Key,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.asking.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl Asking {
    /// What was answered before and still counts.
    fn known(&self, key: &Key) -> Option<Option<Arc<Answer>>> {
        let now = self.outbound.clock.now();
        if let Some(answer) = self.active.get(key).filter(|answer| now < answer.fresh_until) {
            return Some(Some(answer));
        }
        self.inactive.get(key).filter(|until| now < *until).map(|_| None)
    }

    fn stale(&self, key: &Key) -> Option<Introspected> {
        let now = self.outbound.clock.now();
        let answer = self.active.get(key)?;
        let counts_until = answer.fresh_until.saturating_add(self.stale_for);
        let counts_until = answer.expires_at.map_or(counts_until, |expires_at| expires_at.min(counts_until));
        // For a moment only: the issuer may be back.
        (now < counts_until).then(|| answer.introspected(counts_until.min(now.saturating_add(1))))
    }

    /// Asks, unless somebody has asked the same and waits. The question does not end with the request that began it.
    fn asked(self: Arc<Self>, key: Key, token: &str) -> Asked {
        let (sender, outcome) = watch::channel(None);
        {
            let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(outcome) = under_way.get(&key) {
                self.outbound.metrics.introspections_coalesced.with_label_values(&[&*self.name]).inc();
                return Asked::UnderWay(outcome.clone());
            }
            // Whoever asked may have been answered since we looked.
            if let Some(known) = self.known(&key) {
                return Asked::Known(known);
            }
            under_way.insert(key, outcome.clone());
        }
        let token = Secret::new(token.to_owned());
        tokio::spawn(async move {
            let under_way = UnderWay { asking: self, key };
            let outcome = under_way.asking.learn(&key, &token).await;
            drop(under_way);
            sender.send_replace(Some(outcome));
        });
        Asked::UnderWay(outcome)
    }

    async fn learn(&self, key: &Key, token: &Secret<String>) -> Outcome {
        // Waiting for a place says nothing of the issuer.
        let Ok(Ok(_place)) = tokio::time::timeout(self.timeout_for, self.calls.acquire()).await else {
            self.count("queue_full");
            return Err(Unknown);
        };
        if !self.breaker.admits() {
            self.count("circuit_open");
            return Err(Unknown);
        }
        let began = Instant::now();
        let answered = tokio::time::timeout(self.timeout_for, self.call(token)).await;
        let answered = answered.unwrap_or(Err(FetchError::Timeout));
        self.outbound
            .metrics
            .introspection_duration
            .with_label_values(&[&*self.name])
            .observe(began.elapsed().as_secs_f64());
        match answered {
            Ok(answer) => {
                self.count(if answer.is_some() { "active" } else { "inactive" });
                *self.last_failure() = None;
                if self.breaker.succeeded() {
                    tracing::info!(issuer.name = &*self.name, "this issuer answers introspection again");
                }
                Ok(self.remember(*key, answer))
            }
            Err(error) => {
                self.failed(&error);
                Err(Unknown)
            }
        }
    }

    fn remember(&self, key: Key, answer: Option<Answer>) -> Option<Arc<Answer>> {
        match answer.map(Arc::new) {
            Some(answer) => {
                self.active.insert(key, Arc::clone(&answer));
                Some(answer)
            }
            None => {
                self.active.invalidate(&key);
                self.inactive.insert(key, self.outbound.clock.now().saturating_add(self.negative_cache_for));
                None
            }
        }
    }

    async fn endpoint(&self) -> Result<&Endpoint, FetchError> {
        let endpoint = self.endpoint.get_or_try_init(|| async {
            let metadata = self.place.ask(&self.outbound.fetcher).await?;
            let url = metadata.url("introspection_endpoint")?.to_owned();
            Ok::<_, FetchError>(Endpoint { url, takes_post_only: metadata.takes_post_only("introspection_endpoint") })
        });
        endpoint.await
    }

    async fn call(&self, token: &Secret<String>) -> Result<Option<Answer>, FetchError> {
        let Endpoint { url, takes_post_only } = self.endpoint().await?;
        let shown = self.proof.shown((&self.issuer, *takes_post_only), &self.outbound)?;
        let mut form = vec![("token", token.expose().as_str()), ("token_type_hint", "access_token")];
        form.extend(shown.fields.iter().map(|(name, value)| (*name, value.expose().as_str())));
        let document = self.outbound.fetcher.posted(url, &form, shown.credentials).await?;
        self.read(&document.text)
    }

    /// RFC 7662 2.2. What is not clearly an answer is none (rule I5).
    fn read(&self, text: &str) -> Result<Option<Answer>, FetchError> {
        let malformed = |what: &str| FetchError::Malformed(what.to_owned());
        let mut claims: Map<String, Value> =
            serde_json::from_str(text).map_err(|_| malformed("it is no JSON object"))?;
        match claims.remove("active") {
            Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) => return Ok(None),
            Some(_) | None => return Err(malformed("it does not say whether the token is active")),
        }
        let instant = |name: &str| match claims.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_f64() {
                Some(seconds) if seconds.abs() <= LAST_INSTANT => Ok(Some(seconds.floor() as UnixSeconds)),
                Some(_) | None => Err(malformed("a time in it is no number")),
            },
        };
        let now = self.outbound.clock.now();
        let (expires_at, not_before) = (instant("exp")?, instant("nbf")?);
        let is_over = expires_at.is_some_and(|expires_at| expires_at <= now);
        let is_early = not_before.is_some_and(|not_before| not_before > now.saturating_add(self.leeway_for));
        if is_over || is_early || !is_access_token(&claims) || !self.is_own(&claims) {
            return Ok(None);
        }
        claims.insert("iss".to_owned(), Value::String(self.issuer.to_string()));
        let fresh_until = now.saturating_add(self.cache_for);
        let fresh_until = expires_at.map_or(fresh_until, |expires_at| expires_at.min(fresh_until));
        let weight = u32::try_from(text.len() * 3 + ENTRY_OVERHEAD).unwrap_or(u32::MAX);
        Ok(Some(Answer { claims, expires_at, fresh_until, weight }))
    }

    /// A server may know tokens of several issuers; those of others are not meant.
    fn is_own(&self, claims: &Map<String, Value>) -> bool {
        match claims.get("iss") {
            None | Some(Value::Null) => true,
            Some(issuer) => issuer.as_str() == Some(&*self.issuer),
        }
    }

    fn failed(&self, error: &FetchError) {
        self.count(error.as_str());
        let is_theirs = match error {
            // What a client sent may have made the server refuse; that says nothing of the next token.
            FetchError::Status(status) => *status >= 500 || matches!(status, 401 | 403 | 404 | 429),
            FetchError::Unreachable(_)
            | FetchError::Timeout
            | FetchError::Redirect
            | FetchError::TooLarge
            | FetchError::Malformed(_)
            | FetchError::WrongIssuer(_)
            | FetchError::Insecure => true,
        };
        let cause = match error {
            FetchError::Status(401 | 403) => format!("{error}: it does not take this gateway's credentials"),
            other => other.to_string(),
        };
        tracing::debug!(issuer.name = &*self.name, error = cause, "a token could not be introspected");
        if !is_theirs {
            return;
        }
        let is_first = self.last_failure().replace(cause.clone()).is_none();
        if self.breaker.failed() {
            tracing::error!(
                issuer.name = &*self.name,
                error = cause,
                "tokens of this issuer cannot be introspected and are answered 503; it is asked once a second until it answers"
            );
        } else if is_first {
            tracing::warn!(
                issuer.name = &*self.name,
                error = cause,
                "a token of this issuer could not be introspected and is answered 503"
            );
        }
    }

    fn last_failure(&self) -> MutexGuard<'_, Option<String>> {
        self.last_failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, result: &str) {
        self.outbound.metrics.introspections.with_label_values(&[&*self.name, result]).inc();
    }
}

fn key_of(token: &str) -> Key {
    let digest = digest::digest(&digest::SHA256, token.as_bytes());
    digest.as_ref().try_into().unwrap_or_default()
}

/// Servers introspect refresh and ID tokens too, and say so in their own ways.
fn is_access_token(claims: &Map<String, Value>) -> bool {
    const OTHERS: [&str; 6] = ["refresh_token", "refresh", "offline", "id_token", "id", "logout"];
    ["token_type", "token_use", "typ"].iter().all(|name| {
        let kind = claims.get(*name).and_then(Value::as_str).unwrap_or_default();
        OTHERS.iter().all(|other| !kind.eq_ignore_ascii_case(other))
    })
}

#[cfg(test)]
mod tests;
