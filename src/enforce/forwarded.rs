//! Tokens of our own for upstreams, in place of those that clients send: a client's token may be opaque or somebody else's,
//! what the upstream gets is always a short-lived JWT with the same meaning.
//!
//! Owns what such a token says and how long it is used. It is made once for each verified token and destination, and kept
//! beside the token, so that a request costs one look and one shared value. Which key signs is behind [`Signer`].

use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use arc_swap::ArcSwapOption;
use http::HeaderValue;
use http::header::{AUTHORIZATION, HeaderName};
use serde_json::{Map, Value, json};

use super::token::VerifiedToken;
use super::{Denial, Obstacle, Permit};
use crate::clock::{Clock, UnixSeconds};
use crate::entropy::Entropy;

/// Signs with the key of the moment.
pub trait Signer: Send + Sync {
    /// The claims as a signed JWT; `None` while there is no key.
    fn sign(&self, claims: &Map<String, Value>) -> Option<String>;
}

/// For whom tokens are made, and how they travel.
#[derive(Debug, PartialEq, Eq)]
pub struct Destination {
    pub header: HeaderName,
    pub audience: Box<str>,
    /// Seconds, at most.
    pub lives_for: i64,
}

/// Makes tokens. One per process.
pub struct Minter {
    /// `iss`: none of our tenants' names, so that nobody takes these for access tokens.
    pub issuer: Box<str>,
    pub signer: Arc<dyn Signer>,
    pub clock: Clock,
    pub entropy: Entropy,
}

/// What was made for one verified token.
#[derive(Debug, Default)]
pub(super) struct Minted {
    /// Few: a token is used at few destinations.
    made: ArcSwapOption<Vec<One>>,
    making: Mutex<()>,
}

#[derive(Clone, Debug)]
struct One {
    /// The very destination: after a change of the configuration nothing is taken for what it was before.
    destination: Arc<Destination>,
    value: HeaderValue,
    /// From here on another one is made, while this one is still good.
    renew_at: UnixSeconds,
    expires_at: UnixSeconds,
}

impl Minted {
    fn find(&self, destination: &Arc<Destination>) -> Option<One> {
        let made = self.made.load();
        made.as_ref()?.iter().find(|one| Arc::ptr_eq(&one.destination, destination)).cloned()
    }

    fn put(&self, one: One, now: UnixSeconds) {
        let before = self.made.load();
        let others = before.iter().flat_map(|made| made.iter());
        let is_other = |other: &&One| !Arc::ptr_eq(&other.destination, &one.destination) && now < other.expires_at;
        let others = others.filter(is_other);
        let mut made: Vec<One> = others.cloned().collect();
        made.push(one);
        self.made.store(Some(Arc::new(made)));
    }
}

impl Permit {
    /// The value of the destination's field; `None` where nobody is vouched for.
    ///
    /// # Errors
    /// `Undecidable` while there is no key to sign with.
    pub fn forwarded(&self, minter: &Minter, destination: &Arc<Destination>) -> Result<Option<HeaderValue>, Denial> {
        self.token().map(|token| minter.value_for(token, destination)).transpose()
    }
}

impl Minter {
    fn value_for(&self, token: &VerifiedToken, destination: &Arc<Destination>) -> Result<HeaderValue, Denial> {
        let now = self.clock.now();
        let found = token.minted.find(destination);
        let good = match found {
            Some(one) if now < one.renew_at => return Ok(one.value),
            found => found.filter(|one| now < one.expires_at),
        };
        // One at a time: whoever finds another one at work takes what is still good, or waits for what is being made.
        let _making = match (token.minted.making.try_lock(), good) {
            (Ok(making), _) => making,
            (Err(TryLockError::WouldBlock), Some(one)) => return Ok(one.value),
            (Err(TryLockError::WouldBlock), None) => token.minted.making.lock().unwrap_or_else(PoisonError::into_inner),
            (Err(TryLockError::Poisoned(poisoned)), _) => poisoned.into_inner(),
        };
        if let Some(one) = token.minted.find(destination).filter(|one| now < one.renew_at) {
            return Ok(one.value);
        }
        let one = self.make(token, destination, now).ok_or(Denial::Undecidable(Obstacle::Keys))?;
        let value = one.value.clone();
        token.minted.put(one, now);
        Ok(value)
    }

    fn make(&self, token: &VerifiedToken, destination: &Arc<Destination>, now: UnixSeconds) -> Option<One> {
        let full_life = now.saturating_add(destination.lives_for);
        let expires_at = full_life.min(token.expires_at);
        // One that ends with the client's token has no successor.
        let renew_at = if expires_at < full_life { expires_at } else { now + destination.lives_for * 3 / 4 };
        let signed = self.signer.sign(&self.claims(token, destination, (now, expires_at)))?;
        let text = if destination.header == AUTHORIZATION { format!("Bearer {signed}") } else { signed };
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some(One { destination: destination.clone(), value, renew_at, expires_at })
    }

    fn claims(
        &self,
        token: &VerifiedToken,
        destination: &Destination,
        (now, expires_at): (UnixSeconds, UnixSeconds),
    ) -> Map<String, Value> {
        let facts = &token.facts;
        let permissions: Map<String, Value> = facts
            .permissions
            .iter()
            .map(|target| (target.id.to_string(), target.permissions.iter().collect::<Vec<_>>().into()))
            .collect();
        let claims = [
            ("acr", facts.acr.as_deref().map(Value::from)),
            ("aud", Some((*destination.audience).into())),
            ("auth_time", facts.authenticated_at.map(Value::from)),
            ("client_id", facts.client_id.as_deref().map(Value::from)),
            ("exp", Some(expires_at.into())),
            ("iat", Some(now.into())),
            ("iss", Some((*self.issuer).into())),
            ("jti", Some(self.entropy.uuid().to_string().into())),
            ("permissions", Some(permissions).filter(|targets| !targets.is_empty()).map(Value::Object)),
            ("roles", Some(facts.roles.iter().collect::<Vec<_>>()).filter(|roles| !roles.is_empty()).map(Value::from)),
            ("scope", Some(facts.scopes.to_string()).filter(|scope| !scope.is_empty()).map(Value::from)),
            ("sub", Some((*facts.subject).into())),
            // RFC 9493 3.2.3: a subject is somebody only together with who says so.
            ("sub_id", Some(json!({ "format": "iss_sub", "iss": facts.issuer, "sub": facts.subject }))),
            ("tid", facts.tenant_id.as_deref().map(Value::from)),
        ];
        claims.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

#[cfg(test)]
mod tests;
