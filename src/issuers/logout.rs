//! What other issuers say of logouts (OpenID Connect Back-Channel Logout 1.0), and what operators say of their tokens.
//!
//! Owns turning both into marks that every node learns of through the store. How they come in is in `endpoints`.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::ForeignIssuer;
use crate::clock::{Clock, UnixSeconds};
use crate::config;
use crate::enforce::Unknown;
use crate::events::Event;
use crate::jose::{Expectations, Reason, TypeSet, Verified};
use crate::model::{ForeignMark, Revocation, Revoked};
use crate::revocations::Revocations;
use crate::store::{Lease, Store, StoreError};

/// Section 2.4.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// A logout token is not remembered longer, whatever it says.
const MOST_REMEMBERED: UnixSeconds = 30 * 86_400;

/// What an issuer's logout tokens must be, and how long their marks are kept.
pub(super) struct LogoutRules {
    expectations: Expectations,
    keep_for: UnixSeconds,
}

/// Why a logout token did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogoutRefusal {
    /// It is not one, or not for us.
    Invalid(&'static str),
    /// It was taken before.
    Replayed,
    /// Keys or store cannot be asked now.
    Unavailable,
}

/// Marks tokens of others as revoked.
pub struct Revoker {
    pub store: Arc<dyn Store>,
    pub revocations: Arc<Revocations>,
    pub clock: Clock,
}

impl LogoutRules {
    /// `usual` is what the issuer's other tokens must be.
    pub(super) fn new(usual: &Expectations, settings: &config::Logout) -> Self {
        let expectations = Expectations {
            audiences: settings.audience.iter().map(|audience| audience.as_str().into()).collect(),
            // Section 2.4 recommends a type; many issuers write none.
            types: TypeSet::new(["logout+jwt", "JWT"]).or_none(),
            required_claims: ["iat", "jti", "events"].map(Into::into).into(),
            ..usual.clone()
        };
        Self { expectations, keep_for: UnixSeconds::try_from(settings.keep_for.as_secs()).unwrap_or(UnixSeconds::MAX) }
    }
}

impl Revoker {
    /// Takes a logout token of `issuer` at its word, once (section 2.6).
    pub(super) async fn log_out(
        &self,
        issuer: &ForeignIssuer,
        rules: &LogoutRules,
        token: &str,
    ) -> Result<(), LogoutRefusal> {
        let now = self.clock.now();
        let verified = issuer.verify(token, &rules.expectations, now).await?;
        let notice = Notice::of(&verified)?;
        let unavailable = |error: StoreError| {
            tracing::warn!(store.error = %error, "a logout token cannot be taken now");
            LogoutRefusal::Unavailable
        };
        // Dated by the token, so that it does nothing the second time; what was issued since is another login's.
        let revoked =
            Revoked::Foreign { mark: notice.mark, key: notice.mark.key(&rules.expectations.issuer, notice.id) };
        let revoked_at = verified.issued_at.unwrap_or(now).min(now);
        let expires_at = now.saturating_add(rules.keep_for);
        self.mark(Revocation { revoked, revoked_at, expires_at }).await.map_err(unavailable)?;
        let key = ForeignMark::Token.key(&rules.expectations.issuer, notice.token_id);
        let lease = Lease { now, expires_at: verified.expires_at.min(now.saturating_add(MOST_REMEMBERED)) };
        match self.store.remember_once("logout_token", &key, lease).await.map_err(unavailable)? {
            true => Ok(()),
            false => Err(LogoutRefusal::Replayed),
        }
    }

    /// Writes a mark down for every node, and counts it here at once.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn mark(&self, revocation: Revocation) -> Result<(), StoreError> {
        self.store.revoke(&revocation).await?;
        self.revocations.add(&revocation);
        let (kind, key) = revocation.revoked.parts();
        Event::TokenRevoked.tell(&format!("{kind}:{key}"));
        Ok(())
    }
}

impl ForeignIssuer {
    /// A token of its own that is no access token.
    pub(super) async fn verify(
        &self,
        token: &str,
        expectations: &Expectations,
        now: UnixSeconds,
    ) -> Result<Verified, LogoutRefusal> {
        let unavailable = |Unknown| LogoutRefusal::Unavailable;
        let keys = match self.keys.current() {
            Some(keys) => keys,
            None => self.keys.newer(None).await.and_then(|newer| newer.ok_or(Unknown)).map_err(unavailable)?,
        };
        let mut outcome = crate::jose::verify(token, expectations, &keys, now);
        if let Err(Reason::UnknownKey) = outcome
            && let Some(newer) = self.keys.newer(Some(&keys)).await.map_err(unavailable)?
        {
            outcome = crate::jose::verify(token, expectations, &newer, now);
        }
        outcome.map_err(|reason| LogoutRefusal::Invalid(reason.as_str()))
    }
}

/// What a logout token says.
struct Notice<'t> {
    token_id: &'t str,
    mark: ForeignMark,
    id: &'t str,
}

impl<'t> Notice<'t> {
    /// Section 2.6, steps 4 to 6. One that names a session is about that session; otherwise about all of the subject's.
    fn of(token: &'t Verified) -> Result<Self, LogoutRefusal> {
        let claims = &token.claims;
        let has_event = claims.get("events").and_then(Value::as_object).is_some_and(is_logout);
        if !has_event {
            return Err(LogoutRefusal::Invalid("no_logout_event"));
        }
        // An ID token has one: it must not pass for this.
        if claims.contains_key("nonce") {
            return Err(LogoutRefusal::Invalid("nonce"));
        }
        let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let token_id = text("jti").ok_or(LogoutRefusal::Invalid("missing_claim"))?;
        let (mark, id) = match (text("sid"), text("sub")) {
            (Some(session), _) => (ForeignMark::Session, session),
            (None, Some(subject)) => (ForeignMark::Subject, subject),
            (None, None) => return Err(LogoutRefusal::Invalid("nobody")),
        };
        Ok(Self { token_id, mark, id })
    }
}

fn is_logout(events: &Map<String, Value>) -> bool {
    events.get(EVENT).is_some_and(Value::is_object)
}
