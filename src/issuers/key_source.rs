//! The keys of one issuer: fetched ahead of time, kept while it is silent, asked for again when a token names a new one.
//!
//! Owns when to ask. One task per issuer asks, so there is never more than one request under way, and nobody who reads the
//! keys waits for a lock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, Semaphore, watch};

use super::Outbound;
use super::discovery::Place;
use super::fetch::FetchError;
use crate::config::{self, KeyLocation};
use crate::enforce::{KeyFetching, KeyReport, Unknown};
use crate::jose::KeySet;

/// How long a request waits for keys that are being fetched.
const PATIENCE: Duration = Duration::from_secs(2);
/// Requests of one issuer that wait at the same time. More of them are answered 503 at once.
const MOST_WAITING: usize = 64;
/// However short an issuer says that its keys are good for, they are not asked for more often.
const LEAST_REFRESH: Duration = Duration::from_secs(60);
/// Between attempts that failed, as long as there are no keys at all: the first and the longest wait.
const RETRIES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(8));
/// The longest wait while there are keys to go on with.
const MOST_RETRY_WAIT: Duration = Duration::from_secs(60);

/// Keys, and how they are come by.
pub(super) struct KeySource {
    name: Box<str>,
    location: Location,
    refresh_for: Duration,
    stale_for: Duration,
    cooldown_for: Duration,
    timeout_for: Duration,
    outbound: Outbound,
    fetched: ArcSwapOption<Fetched>,
    failed: ArcSwapOption<Failed>,
    progress: watch::Sender<Progress>,
    wanted: Notify,
    waiting: Semaphore,
}

enum Location {
    Metadata(Place),
    Url(String),
    /// There is nothing to ask for.
    Settled,
    /// There are no keys at all.
    Nowhere,
}

struct Fetched {
    keys: Arc<KeySet>,
    at: Instant,
}

/// The last time that there was no answer.
struct Failed {
    problem: String,
    at: Instant,
}

/// How far the asking has come.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// That have ended.
    attempts: u64,
    is_under_way: bool,
    ended_at: Option<Instant>,
    /// When the next one is due.
    next_at: Option<Instant>,
    succeeded: bool,
}

impl KeySource {
    pub(super) fn new(name: &str, settings: &config::ForeignIssuer, outbound: Outbound) -> Self {
        let known = match &settings.keys {
            KeyLocation::Known(keys) => Some(Arc::clone(keys)),
            KeyLocation::Metadata(_) | KeyLocation::Url(_) | KeyLocation::Nowhere => None,
        };
        let location = match &settings.keys {
            KeyLocation::Metadata(_) => Location::Metadata(Place::of(settings, settings.timeout_for)),
            KeyLocation::Url(url) => Location::Url(url.clone()),
            KeyLocation::Known(_) => Location::Settled,
            KeyLocation::Nowhere => Location::Nowhere,
        };
        Self {
            name: name.into(),
            location,
            refresh_for: settings.refresh_for,
            stale_for: settings.stale_for,
            cooldown_for: settings.cooldown_for,
            timeout_for: settings.timeout_for,
            outbound,
            fetched: ArcSwapOption::new(known.map(|keys| Arc::new(Fetched { keys, at: Instant::now() }))),
            failed: ArcSwapOption::empty(),
            progress: watch::Sender::default(),
            wanted: Notify::new(),
            waiting: Semaphore::new(MOST_WAITING),
        }
    }

    pub(super) fn current(&self) -> Option<Arc<KeySet>> {
        self.fetched.load().as_ref().map(|fetched| Arc::clone(&fetched.keys))
    }

    /// The issuer's name in metrics, and since when its keys are known; `None` if they are not fetched at all.
    pub(super) fn age(&self) -> Option<(&str, Duration)> {
        if !self.is_asked() {
            return None;
        }
        self.fetched.load().as_ref().map(|fetched| (&*self.name, fetched.at.elapsed()))
    }

    /// Whether there is anybody to ask.
    fn is_asked(&self) -> bool {
        match self.location {
            Location::Metadata(_) | Location::Url(_) => true,
            Location::Settled | Location::Nowhere => false,
        }
    }

    /// `None` for an issuer without keys.
    pub(super) fn report(&self) -> Option<KeyReport> {
        if matches!(self.location, Location::Nowhere) {
            return None;
        }
        let fetched = self.fetched.load_full();
        // A shared secret has a name too, and that is a digest of it.
        let public = |keys: &KeySet| -> Vec<String> {
            keys.keys().filter(|key| key.public_jwk().is_some()).map(|key| key.kid().to_string()).collect()
        };
        let mut kids = fetched.as_ref().map(|fetched| public(&fetched.keys)).unwrap_or_default();
        kids.sort_unstable();
        let progress = *self.progress.borrow();
        let fetching = self.is_asked().then(|| KeyFetching {
            fetched: fetched.map(|fetched| fetched.at.elapsed()),
            next: progress
                .next_at
                .filter(|_| !progress.is_under_way)
                .map(|at| at.saturating_duration_since(Instant::now())),
            is_failing: progress.attempts > 0 && !progress.succeeded,
            last_error: self.failed.load().as_ref().map(|failed| (failed.at.elapsed(), failed.problem.clone())),
        });
        Some(KeyReport { issuer: self.name.to_string(), kids, fetching })
    }

    /// Keys other than those that the caller has `seen`, after asking for them if that may be done now; `None` if there are
    /// no others.
    ///
    /// # Errors
    /// [`Unknown`] when it cannot be said what keys there are: the issuer was asked and did not answer.
    pub(super) async fn newer(&self, seen: Option<&Arc<KeySet>>) -> Result<Option<Arc<KeySet>>, Unknown> {
        let is_known = match self.location {
            Location::Settled | Location::Nowhere => true,
            Location::Metadata(_) | Location::Url(_) => self.asked(seen.is_none()).await,
        };
        match (self.current(), seen) {
            (Some(keys), Some(seen)) if !Arc::ptr_eq(&keys, seen) => Ok(Some(keys)),
            (Some(keys), None) => Ok(Some(keys)),
            (Some(_), Some(_)) if is_known => Ok(None),
            (Some(_) | None, _) => Err(Unknown),
        }
    }

    /// Whether the issuer answered the last time it was asked, which may be now.
    async fn asked(&self, has_none: bool) -> bool {
        let mut progress = self.progress.subscribe();
        let seen = *progress.borrow_and_update();
        let rests = seen.ended_at.is_some_and(|at| at.elapsed() < self.cooldown_for);
        // Without any keys the issuer is asked again and again anyway; only its first answer is waited for.
        let is_early = seen.attempts == 0;
        if (has_none && !is_early) || (!seen.is_under_way && rests) {
            return seen.succeeded;
        }
        let Ok(_place) = self.waiting.try_acquire() else { return false };
        if !seen.is_under_way {
            self.wanted.notify_one();
        }
        let ended = progress.wait_for(|progress| progress.attempts > seen.attempts);
        match tokio::time::timeout(PATIENCE, ended).await {
            Ok(Ok(progress)) => progress.succeeded,
            Ok(Err(_)) | Err(_) => false,
        }
    }

    /// How many keys there are when it is asked now; `None` if there is nobody to ask. Nothing is kept and nothing is counted.
    pub(super) async fn count_now(&self) -> Option<Result<usize, FetchError>> {
        if !self.is_asked() {
            return None;
        }
        Some(self.fetch().await.map(|(keys, _)| keys.keys().count()))
    }

    /// Asks, waits, asks again, as long as it is polled.
    pub(super) async fn follow(&self, forget: impl Fn() + Send) {
        if !self.is_asked() {
            return;
        }
        let mut failures = 0;
        loop {
            self.progress.send_modify(|progress| progress.is_under_way = true);
            let outcome = self.fetch().await;
            let succeeded = outcome.is_ok();
            let wait = match outcome {
                Ok((keys, wait)) => {
                    failures = 0;
                    self.replace(keys, &forget);
                    wait
                }
                Err(error) => {
                    failures += 1;
                    self.failed(&error, &forget);
                    self.wait_after(failures)
                }
            };
            self.progress.send_modify(|progress| {
                *progress = Progress {
                    attempts: progress.attempts + 1,
                    is_under_way: false,
                    ended_at: Some(Instant::now()),
                    next_at: Instant::now().checked_add(wait),
                    succeeded,
                };
            });
            self.sleep(wait).await;
        }
    }

    /// Until it is time, or until somebody has asked for news and nobody had in the time before (rule G4).
    async fn sleep(&self, wait: Duration) {
        let began = Instant::now();
        let over = tokio::time::sleep(wait);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return,
                () = self.wanted.notified() => {
                    if began.elapsed() >= self.cooldown_for {
                        return;
                    }
                }
            }
        }
    }

    fn wait_after(&self, failures: u32) -> Duration {
        let (first, most) = RETRIES;
        let most = match self.fetched.load().as_ref() {
            // Once they are too old, somebody has to notice.
            Some(fetched) => MOST_RETRY_WAIT.min(self.stale_for.saturating_sub(fetched.at.elapsed()) + first),
            None => most,
        };
        first.saturating_mul(1 << failures.clamp(1, 10).saturating_sub(1)).min(most)
    }

    /// The keys, and how long to wait before the next look: a fifth earlier than they have to be looked at.
    async fn fetch(&self) -> Result<(KeySet, Duration), FetchError> {
        let url = match &self.location {
            Location::Metadata(place) => place.ask(&self.outbound.fetcher).await?.url("jwks_uri")?.to_owned(),
            Location::Url(url) => url.clone(),
            Location::Settled | Location::Nowhere => return Err(FetchError::Malformed("it has no keys".to_owned())),
        };
        let document = self.outbound.fetcher.document(&url, self.timeout_for).await?;
        let keys = KeySet::parse(&document.text).map_err(|error| FetchError::Malformed(error.to_string()))?;
        if keys.is_empty() {
            return Err(FetchError::Malformed("its key set has no key that verifies signatures".to_owned()));
        }
        let fresh_for = document.fresh_for.unwrap_or(self.refresh_for);
        let fresh_for = fresh_for.clamp(LEAST_REFRESH.min(self.refresh_for), self.refresh_for);
        Ok((keys, fresh_for.mul_f64(0.8)))
    }

    fn replace(&self, keys: KeySet, forget: &impl Fn()) {
        self.count("ok");
        let older = self.current();
        let is_same = older.as_ref().is_some_and(|older| older.holds_all_of(&keys) && keys.holds_all_of(older));
        let lost = older.as_ref().is_some_and(|older| !keys.holds_all_of(older));
        // The same keys stay the same value, so that whoever saw them knows that there are no others.
        let keys = older.filter(|_| is_same).unwrap_or_else(|| Arc::new(keys));
        if !is_same {
            tracing::info!(issuer.name = &*self.name, keys = keys.keys().count(), "the keys of this issuer are known");
        }
        self.fetched.store(Some(Arc::new(Fetched { keys, at: Instant::now() })));
        if lost {
            forget();
        }
    }

    fn failed(&self, error: &FetchError, forget: &impl Fn()) {
        self.count(error.as_str());
        self.failed.store(Some(Arc::new(Failed { problem: error.to_string(), at: Instant::now() })));
        let age = self.fetched.load().as_ref().map(|fetched| fetched.at.elapsed());
        match age {
            Some(age) if age > self.stale_for => {
                self.fetched.store(None);
                forget();
                tracing::error!(
                    issuer.name = &*self.name, error = %error,
                    "the keys of this issuer are too old to be used any longer; its tokens are answered 503"
                );
            }
            Some(age) => tracing::warn!(
                issuer.name = &*self.name, error = %error, age_seconds = age.as_secs(),
                "the keys of this issuer cannot be asked for; those from before stay in use"
            ),
            None => tracing::warn!(
                issuer.name = &*self.name, error = %error,
                "the keys of this issuer cannot be asked for; its tokens are answered 503"
            ),
        }
    }

    fn count(&self, result: &str) {
        self.outbound.metrics.jwks_fetches.with_label_values(&[&*self.name, result]).inc();
    }
}
