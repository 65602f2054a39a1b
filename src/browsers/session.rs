//! Sessions: what stands behind the cookie of somebody who logged in.
//!
//! Owns finding one, and when it is over. The tokens are in the store, sealed; the cookie is only the key to them, so that
//! it stays small, and so that a session that ended is over for whoever copied it. Renewing the tokens is in `renewal`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Browsers, Demands, Login, Tokens, cookies};
use crate::clock::UnixSeconds;
use crate::model::{BrowserSession, ClientSecret};
use crate::revocations::Bearings;
use crate::secret::Secret;
use crate::store::StoreError;

/// Seconds for which the store is not asked again whether a session ended elsewhere.
const KNOWN_FOR: i64 = 2;
/// Seconds that a token is taken to live that does not say.
const UNKNOWN_LIFE: i64 = 300;
/// Seconds before the end of a token at which another one is asked for; a tenth of its life if that is less.
const AHEAD: i64 = 60;
/// Seconds between two notes that a session is used; a twentieth of its idle time if that is less.
const TOUCH_INTERVAL: i64 = 60;
/// Characters of what a browser presents: 32 random bytes.
const PRESENTED: usize = 43;
/// What an entry in memory weighs beside its tokens.
const ENTRY_OVERHEAD: usize = 512;
/// What is kept of an ID token: by these, marks against it are found.
const BEARINGS: [&str; 4] = ["sub", "sid", "jti", "iat"];

/// A session that was found.
pub enum Found {
    /// Nobody logged in with this browser, or it is over.
    Nobody,
    Session(Arc<Live>),
    /// Neither could be found out now.
    Unavailable,
}

/// A session and the tokens in it.
pub struct Live {
    pub(super) hash: Box<str>,
    login: Box<str>,
    pub(super) version: i64,
    created_at: UnixSeconds,
    expires_at: UnixSeconds,
    idle_expires_at: AtomicI64,
    pub(super) kept: Kept,
    /// `Bearer` and the access token.
    bearer: HeaderValue,
    /// When the store was asked last.
    seen_at: AtomicI64,
    touched_at: AtomicI64,
    /// Which generation of the revocations did not concern it.
    cleared: AtomicU64,
    /// The issuer did not answer: it is not asked before this instant.
    pub(super) rests_until: AtomicI64,
}

/// What is sealed.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    pub issuer: String,
    pub client_id: String,
    pub access_token: String,
    pub obtained_at: UnixSeconds,
    pub expires_at: UnixSeconds,
    pub refresh_token: Option<String>,
    pub id_token: String,
    /// Of the first ID token: what was revoked since then concerns this session.
    pub bearings: Map<String, Value>,
    /// What the login was asked to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demands: Option<Demands>,
}

impl Live {
    /// What the request would carry if it were a client's.
    pub fn bearer(&self) -> &HeaderValue {
        &self.bearer
    }

    /// Whether the login was asked to be this. Whether it was, its token says.
    pub fn was_asked_for(&self, demands: &Demands) -> bool {
        self.kept.demands.as_ref() == Some(demands)
    }

    /// Seconds since the login.
    pub fn age(&self, now: UnixSeconds) -> i64 {
        now.saturating_sub(self.created_at)
    }

    pub(super) fn weight(&self) -> u32 {
        let refresh_token = self.kept.refresh_token.as_ref().map_or(0, String::len);
        let text = 2 * self.kept.access_token.len() + refresh_token + self.kept.id_token.len();
        u32::try_from(text + ENTRY_OVERHEAD).unwrap_or(u32::MAX)
    }

    pub(super) fn is_good(&self, now: UnixSeconds) -> bool {
        now < self.kept.expires_at
    }

    fn is_live(&self, now: UnixSeconds) -> bool {
        now < self.expires_at && now < self.idle_expires_at.load(Ordering::Relaxed)
    }

    /// Whether its token should be renewed before anybody has to wait for it.
    fn is_due(&self, now: UnixSeconds) -> bool {
        let life = self.kept.expires_at.saturating_sub(self.kept.obtained_at);
        self.kept.refresh_token.is_some()
            && now >= self.kept.expires_at.saturating_sub(AHEAD.min(life / 10))
            && now >= self.rests_until.load(Ordering::Relaxed)
    }

    /// Whether the caller is the one who looks in the store.
    fn takes_look(&self, now: UnixSeconds) -> bool {
        let seen_at = self.seen_at.load(Ordering::Relaxed);
        let is_due = now.saturating_sub(seen_at) >= KNOWN_FOR || now < seen_at;
        is_due && self.seen_at.compare_exchange(seen_at, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// The same session with other tokens.
    pub(super) fn with(&self, version: i64, kept: Kept, now: UnixSeconds) -> Option<Self> {
        Some(Self {
            hash: self.hash.clone(),
            login: self.login.clone(),
            version,
            created_at: self.created_at,
            expires_at: self.expires_at,
            idle_expires_at: AtomicI64::new(self.idle_expires_at.load(Ordering::Relaxed)),
            bearer: bearer(&kept.access_token)?,
            kept,
            seen_at: AtomicI64::new(now),
            touched_at: AtomicI64::new(self.touched_at.load(Ordering::Relaxed)),
            cleared: AtomicU64::new(u64::MAX),
            rests_until: AtomicI64::new(0),
        })
    }
}

impl Browsers {
    /// The session of a request at a login, with a token that is good as far as can be told here.
    pub async fn find(self: &Arc<Self>, login: &Arc<Login>, headers: &HeaderMap) -> Found {
        let Some(hash) = self.presented(login, headers) else { return Found::Nobody };
        let live = match self.known(login, &hash).await {
            Ok(Some(live)) => live,
            Ok(None) => return Found::Nobody,
            Err(error) => {
                tracing::warn!(store.error = %error, "a session cannot be looked up now");
                return Found::Unavailable;
            }
        };
        let now = self.clock.now();
        if !live.is_live(now) || self.is_revoked(login, &live) {
            self.end(&live).await;
            return Found::Nobody;
        }
        self.touch(login, &live, now);
        if !live.is_good(now) {
            return self.renewed(login, &live).await;
        }
        if live.is_due(now) {
            // Behind the request: its own token is still good.
            drop(self.renewal(login, &live));
        }
        Found::Session(live)
    }

    /// Ends a session on this node at once, on others within two seconds.
    pub async fn end(&self, live: &Live) {
        self.end_hash(&live.hash).await;
    }

    /// How long ago people logged in whose session this is, in seconds.
    pub fn age(&self, live: &Live) -> i64 {
        live.age(self.clock.now())
    }

    pub fn is_https(&self) -> bool {
        self.origins.is_https()
    }

    /// Ends the session that a browser presents.
    pub(super) async fn end_presented(&self, login: &Login, headers: &HeaderMap) {
        if let Some(hash) = self.presented(login, headers) {
            self.end_hash(&hash).await;
        }
    }

    pub(super) async fn end_hash(&self, hash: &str) {
        // It is refused for another reason, too.
        let _ = self.try_end(hash).await;
    }

    /// # Errors
    /// The store's: then the session goes on wherever its cookie is.
    pub(super) async fn try_end(&self, hash: &str) -> Result<(), StoreError> {
        self.live.invalidate(hash);
        let ended = self.store.end_browser_session(hash).await;
        ended.map(drop).inspect_err(|error| tracing::warn!(store.error = %error, "a session cannot be ended now"))
    }

    /// The hash of what a browser presents for a login.
    pub(super) fn presented(&self, login: &Login, headers: &HeaderMap) -> Option<String> {
        let name = cookies::of_session(&login.name, self.origins.is_https());
        let presented = cookies::find(headers, &name).filter(|presented| presented.len() == PRESENTED)?;
        Some(ClientSecret::hash(presented))
    }

    /// Begins a session; the answer is what the browser will present.
    pub(super) async fn start(
        &self,
        login: &Login,
        tokens: Tokens,
        claims: &Map<String, Value>,
        demands: Option<Demands>,
    ) -> Result<Secret<String>, StoreError> {
        let now = self.clock.now();
        let presented = Secret::new(self.entropy.token(32));
        let hash = ClientSecret::hash(presented.expose());
        let bearings = BEARINGS.iter().filter_map(|name| Some(((*name).to_owned(), claims.get(*name)?.clone())));
        let kept = Kept {
            issuer: claims.get("iss").and_then(Value::as_str).unwrap_or_default().to_owned(),
            client_id: login.client.id.clone(),
            obtained_at: now,
            expires_at: tokens.expires_at.unwrap_or(now + UNKNOWN_LIFE),
            access_token: tokens.access_token.expose().clone(),
            refresh_token: tokens.refresh_token.map(|token| token.expose().clone()),
            id_token: tokens.id_token.map(|token| token.expose().clone()).unwrap_or_default(),
            bearings: bearings.collect(),
            demands,
        };
        let session = BrowserSession {
            sealed: self.seal(&login.name, &hash, &kept)?,
            hash,
            login: login.name.clone(),
            version: 0,
            created_at: now,
            idle_expires_at: now.saturating_add(login.idle_for),
            expires_at: now.saturating_add(login.life_for),
        };
        self.store.insert_browser_session(&session).await?;
        Ok(presented)
    }

    pub(super) fn seal(&self, login: &str, hash: &str, kept: &Kept) -> Result<String, StoreError> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| StoreError::Unavailable(error);
        let text = Secret::new(serde_json::to_string(kept).map_err(|error| failed(error.into()))?);
        self.sealing.seal(&place(login, hash), &text, &self.entropy).map_err(|error| failed(error.into()))
    }

    /// The session as the store has it; `None` also for one that this login cannot use.
    pub(super) fn open(&self, login: &Login, session: &BrowserSession) -> Option<Arc<Live>> {
        let opened = self.sealing.open(&place(&session.login, &session.hash), &session.sealed)?;
        let kept: Kept = serde_json::from_str(opened.expose()).ok()?;
        // A cookie under another name, or a login that was given to another client since.
        if session.login != login.name || kept.client_id != login.client.id {
            return None;
        }
        let now = self.clock.now();
        Some(Arc::new(Live {
            hash: session.hash.as_str().into(),
            login: session.login.as_str().into(),
            version: session.version,
            created_at: session.created_at,
            expires_at: session.expires_at,
            idle_expires_at: AtomicI64::new(session.idle_expires_at),
            bearer: bearer(&kept.access_token)?,
            kept,
            seen_at: AtomicI64::new(now),
            touched_at: AtomicI64::new(session.idle_expires_at.saturating_sub(login.idle_for)),
            cleared: AtomicU64::new(u64::MAX),
            rests_until: AtomicI64::new(0),
        }))
    }

    /// From memory, if the store was asked lately or does not answer.
    pub(super) async fn known(&self, login: &Login, hash: &str) -> Result<Option<Arc<Live>>, StoreError> {
        let known = self.live.get(hash);
        if let Some(live) = &known
            && !live.takes_look(self.clock.now())
        {
            return Ok(known.filter(|live| *live.login == *login.name));
        }
        let stored = match (self.store.find_browser_session(hash).await, known.is_some()) {
            (Ok(stored), _) => stored,
            // Guarded routes go on from memory.
            (Err(_), true) => return Ok(known.filter(|live| *live.login == *login.name)),
            (Err(error), false) => return Err(error),
        };
        let Some(stored) = stored else {
            self.live.invalidate(hash);
            return Ok(None);
        };
        if let Some(live) = known.filter(|live| live.version >= stored.version && *live.login == *login.name) {
            live.idle_expires_at.fetch_max(stored.idle_expires_at, Ordering::Relaxed);
            return Ok(Some(live));
        }
        let opened = self.open(login, &stored);
        if let Some(live) = &opened {
            self.live.insert(hash.into(), live.clone());
        }
        Ok(opened)
    }

    /// Whether the issuer ended it, or somebody revoked it. Asked at every use, so nothing is looked up unless there is a
    /// new mark.
    pub(super) fn is_revoked(&self, login: &Login, live: &Live) -> bool {
        // Read first: a mark that comes meanwhile is asked for the next time.
        let generation = self.revocations.generation();
        if live.cleared.load(Ordering::Relaxed) == generation {
            return false;
        }
        let kept = &live.kept;
        let bearings = match login.issuer.is_foreign() {
            true => Bearings::of_foreign_claims(&kept.issuer, Some(&kept.client_id), &kept.bearings),
            false => Bearings::of_claims(&kept.bearings),
        };
        if self.revocations.concern(&bearings) {
            return true;
        }
        live.cleared.store(generation, Ordering::Relaxed);
        false
    }

    /// Notes that a session is used, now and then, behind the request.
    fn touch(self: &Arc<Self>, login: &Login, live: &Arc<Live>, now: UnixSeconds) {
        let touched_at = live.touched_at.load(Ordering::Relaxed);
        if now.saturating_sub(touched_at) < TOUCH_INTERVAL.min(login.idle_for / 20) {
            return;
        }
        if live.touched_at.compare_exchange(touched_at, now, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        let idle_expires_at = now.saturating_add(login.idle_for);
        live.idle_expires_at.fetch_max(idle_expires_at, Ordering::Relaxed);
        let (browsers, live) = (Arc::clone(self), Arc::clone(live));
        tokio::spawn(async move {
            let touched = browsers.store.touch_browser_session(&live.hash, now, idle_expires_at).await;
            if let Err(error) = touched {
                tracing::debug!(store.error = %error, "the use of a session cannot be noted now");
            }
        });
    }
}

/// What was sealed for one session opens for no other.
fn place(login: &str, hash: &str) -> String {
    format!("browser session {login} {hash}")
}

/// `None` for a token that no field can carry.
fn bearer(access_token: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {access_token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests;
