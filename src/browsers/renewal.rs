//! New tokens for old ones, behind the requests of a session (RFC 6749 6): once, however many requests and nodes want them.
//!
//! Owns the single flight. A refresh token that rotates is burnt by being used twice, so that within a node one task asks,
//! which nobody's leaving ends, and between nodes one statement of the store says whose turn it is.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::watch;

use super::session::{Found, Kept, Live};
use super::sign_out::give_back;
use super::{Browsers, Login, TokenRefusal, Tokens};
use crate::model::BrowserSession;
use crate::secret::Secret;
use crate::store::Lease;

/// How long an issuer is waited for.
const PATIENCE: Duration = Duration::from_secs(15);
/// Seconds after which somebody else may try: the one whose turn it was is gone.
const LEASE_FOR: i64 = 30;
/// Between two looks whether another node is done.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// Seconds for which an issuer that did not answer is left alone, per session.
const REST_FOR: i64 = 2;
/// Seconds that a token is taken to live that does not say.
const UNKNOWN_LIFE: i64 = 300;
/// How long it is tried to store new tokens, because the old ones may be worthless by then. With the issuer's it is less than
/// the lease.
const STORING_FOR: Duration = Duration::from_secs(12);
/// Between two attempts to store them, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A question that is under way.
pub(super) type UnderWay = watch::Receiver<Option<Renewal>>;

/// What came of it.
#[derive(Clone)]
pub(super) enum Renewal {
    /// With the newest tokens that can be had. If the issuer refused they are the old ones, and there are no others.
    Renewed(Arc<Live>),
    /// The session ended meanwhile.
    Over,
    Unanswered,
}

/// A question that is over when this is gone, however it ended.
struct Asking {
    browsers: Arc<Browsers>,
    hash: Box<str>,
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.browsers.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.hash);
    }
}

impl Browsers {
    /// The session with a token that is good again, after asking for one.
    pub async fn renewed(self: &Arc<Self>, login: &Arc<Login>, live: &Arc<Live>) -> Found {
        let now = self.clock.now();
        if live.kept.refresh_token.is_none() {
            self.end(live).await;
            return Found::Nobody;
        }
        if now < live.rests_until.load(Ordering::Relaxed) {
            return Found::Unavailable;
        }
        let mut under_way = self.renewal(login, live);
        let renewal = match under_way.wait_for(Option::is_some).await {
            Ok(renewal) => renewal.clone(),
            Err(_) => None,
        };
        match renewal {
            Some(Renewal::Renewed(newer)) if newer.is_good(self.clock.now()) => Found::Session(newer),
            // Somebody else has heard nothing.
            Some(Renewal::Renewed(newer)) if newer.kept.refresh_token.is_some() => Found::Unavailable,
            Some(Renewal::Renewed(newer)) => {
                self.end(&newer).await;
                Found::Nobody
            }
            Some(Renewal::Over) => Found::Nobody,
            Some(Renewal::Unanswered) | None => Found::Unavailable,
        }
    }

    /// Asks, unless somebody is asking already or has the answer. It does not end with the request that began it.
    pub(super) fn renewal(self: &Arc<Self>, login: &Arc<Login>, live: &Arc<Live>) -> UnderWay {
        let (sender, receiver) = watch::channel(None);
        {
            let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(asked) = under_way.get(&live.hash) {
                return asked.clone();
            }
            if let Some(newer) = self.live.get(&*live.hash).filter(|newer| newer.version > live.version) {
                sender.send_replace(Some(Renewal::Renewed(newer)));
                return receiver;
            }
            under_way.insert(live.hash.clone(), receiver.clone());
        }
        let asking = Asking { browsers: Arc::clone(self), hash: live.hash.clone() };
        let (login, live) = (Arc::clone(login), Arc::clone(live));
        tokio::spawn(async move {
            let renewal = asking.browsers.renew(&login, &live).await;
            drop(asking);
            sender.send_replace(Some(renewal));
        });
        receiver
    }

    async fn renew(&self, login: &Arc<Login>, live: &Live) -> Renewal {
        match self.await_turn(login, live).await {
            Turn::Ours => {}
            Turn::Done(renewal) => return renewal,
        }
        let Some(refresh_token) = &live.kept.refresh_token else { return Renewal::Over };
        let form = vec![
            ("grant_type", Secret::new("refresh_token".to_owned())),
            ("refresh_token", Secret::new(refresh_token.clone())),
        ];
        let asked = tokio::time::timeout(PATIENCE, login.issuer.tokens(&login.client, form)).await;
        let (kept, result) = match asked.unwrap_or(Err(TokenRefusal::Unanswered)) {
            Ok(tokens) => match self.renewed_by(login, &live.kept, tokens).await {
                Some(kept) => (kept, "renewed"),
                None => {
                    self.count_renewal(login, "other_person");
                    self.end_hash(&live.hash).await;
                    return Renewal::Over;
                }
            },
            Err(TokenRefusal::Refused) => (Kept { refresh_token: None, ..live.kept.clone() }, "refused"),
            Err(TokenRefusal::Unanswered) => (live.kept.clone(), "unanswered"),
        };
        self.count_renewal(login, result);
        let newest = (result == "renewed").then(|| kept.refresh_token.clone()).flatten();
        let renewal = self.keep(login, live, kept).await;
        match (result, renewal) {
            // Whoever left meanwhile has given back the one before.
            ("renewed", Renewal::Over) => {
                give_back(login, newest);
                Renewal::Over
            }
            ("unanswered", Renewal::Renewed(same)) => {
                let until = self.clock.now().saturating_add(REST_FOR);
                same.rests_until.store(until, Ordering::Relaxed);
                live.rests_until.store(until, Ordering::Relaxed);
                Renewal::Unanswered
            }
            (_, renewal) => renewal,
        }
    }

    /// Waits until it is this node's turn, or another one is done.
    async fn await_turn(&self, login: &Login, live: &Live) -> Turn {
        let began = Instant::now();
        loop {
            let now = self.clock.now();
            let lease = Lease { now, expires_at: now.saturating_add(LEASE_FOR) };
            match self.store.lease_browser_session(&live.hash, live.version, lease).await {
                Ok(true) => return Turn::Ours,
                Ok(false) => {}
                Err(error) => return Turn::Done(silent(&error)),
            }
            match self.stored(login, live).await {
                Some(renewal) => return Turn::Done(renewal),
                None if began.elapsed() > PATIENCE => return Turn::Done(Renewal::Unanswered),
                None => tokio::time::sleep(LOOK_INTERVAL).await,
            }
        }
    }

    /// What the store has by now; `None` if it is as it was.
    async fn stored(&self, login: &Login, live: &Live) -> Option<Renewal> {
        let is_newer = |stored: &BrowserSession| stored.version > live.version;
        match self.store.find_browser_session(&live.hash).await {
            Ok(Some(stored)) if !stored.is_live(self.clock.now()) => Some(Renewal::Over),
            Ok(Some(stored)) if is_newer(&stored) => Some(match self.open(login, &stored) {
                Some(newer) => {
                    self.live.insert(newer.hash.clone(), newer.clone());
                    Renewal::Renewed(newer)
                }
                None => Renewal::Over,
            }),
            Ok(Some(_)) => None,
            Ok(None) => Some(Renewal::Over),
            Err(error) => Some(silent(&error)),
        }
    }

    /// What is kept after a renewal. `None` if the ID token is somebody else's (OpenID Connect Core 12.2).
    async fn renewed_by(&self, login: &Login, before: &Kept, tokens: Tokens) -> Option<Kept> {
        let now = self.clock.now();
        let mut id_token = before.id_token.clone();
        if let Some(newer) = &tokens.id_token
            && let Ok(claims) = login.issuer.read_id_token(&login.client, newer.expose()).await
        {
            let is_same = |name: &str| claims.get(name) == before.bearings.get(name);
            let issuer = claims.get("iss").and_then(Value::as_str);
            if !is_same("sub") || issuer != Some(before.issuer.as_str()) {
                return None;
            }
            id_token.clone_from(newer.expose());
        }
        Some(Kept {
            access_token: tokens.access_token.expose().clone(),
            obtained_at: now,
            expires_at: tokens.expires_at.unwrap_or(now + UNKNOWN_LIFE),
            refresh_token: tokens.refresh_token.map(|token| token.expose().clone()).or(before.refresh_token.clone()),
            id_token,
            ..before.clone()
        })
    }

    /// Stores what is kept from now on, which ends the lease.
    async fn keep(&self, login: &Login, live: &Live, kept: Kept) -> Renewal {
        let sealed = match self.seal(&login.name, &live.hash, &kept) {
            Ok(sealed) => sealed,
            Err(error) => return silent(&error),
        };
        let began = Instant::now();
        let mut pause = LOOK_INTERVAL;
        loop {
            match self.store.renew_browser_session(&live.hash, live.version, &sealed).await {
                Ok(true) => {
                    let Some(newer) = live.with(live.version + 1, kept, self.clock.now()) else {
                        self.end_hash(&live.hash).await;
                        return Renewal::Over;
                    };
                    let newer = Arc::new(newer);
                    self.live.insert(newer.hash.clone(), newer.clone());
                    return Renewal::Renewed(newer);
                }
                Ok(false) => return self.stored(login, live).await.unwrap_or(Renewal::Over),
                Err(error) if began.elapsed() > STORING_FOR => return silent(&error),
                Err(_) => tokio::time::sleep(pause).await,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn count_renewal(&self, login: &Login, result: &str) {
        self.metrics.session_renewals.with_label_values(&[&*login.name, result]).inc();
    }
}

enum Turn {
    Ours,
    Done(Renewal),
}

fn silent(error: &crate::store::StoreError) -> Renewal {
    tracing::warn!(store.error = %error, "the tokens of a session cannot be renewed now");
    Renewal::Unanswered
}
