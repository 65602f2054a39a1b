//! Tokens that are good in the hands of their owners only: bound to a key (DPoP, RFC 9449) or to a client certificate
//! (RFC 8705).
//!
//! Owns what a request must show for such a token, and what routes may demand. What a proof must say is `jose::dpop`'s
//! business; where the certificate of a connection comes from, `gateway`'s.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderMap;
use moka::sync::Cache;
use serde_json::{Map, Value};

use super::certificate::Certificate;
use super::{Denial, Guard, Obstacle, Presented, Request, TokenFault, Unknown, VerifiedToken};
use crate::clock::UnixSeconds;
use crate::jose::dpop::{self, BoundToken, Expected, HttpUri, Nonces, Origin, Proof, ProofFault};
use crate::secret::equal;

/// The field that carries a proof.
const DPOP: &str = "dpop";

/// Proofs that were used on this node and are remembered here, beside the memory that all nodes share.
const REMEMBERED: u64 = 100_000;

/// What a token is bound to: its `cnf` (RFC 7800 3.1), compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binding {
    /// `jkt`: the thumbprint of a key.
    pub key: Option<Box<str>>,
    /// `x5t#S256`: the SHA-256 of a certificate, in base64url.
    pub certificate: Option<Box<str>>,
}

/// What a route demands of every token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Demand {
    /// Nothing: tokens that are bound to nothing are as good as others.
    #[default]
    Nothing,
    /// That it is bound to something.
    Anything,
    /// That it is bound to a key.
    Key,
    /// That it is bound to a certificate.
    Certificate,
}

/// Who sends a request, and what it is for, as far as a token can be bound to that.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sender<'a> {
    /// The host, where the route names its hosts; the public URL's counts elsewhere (rule H4).
    pub host: Option<&'a str>,
    /// The canonical path; empty where nobody knows it.
    pub path: &'a str,
    /// The whole URL, from somebody who knows it better than host and path say.
    pub url: Option<&'a str>,
    pub certificate: Certificate<'a>,
}

/// Remembers proofs for all nodes.
#[async_trait]
pub trait ProofMemory: Send + Sync {
    /// Whether this is the first proof with this id before `expires_at`; of any number of calls one hears so.
    ///
    /// # Errors
    /// [`Unknown`] when that cannot be said now.
    async fn is_first(&self, id: &str, now: UnixSeconds, expires_at: UnixSeconds) -> Result<bool, Unknown>;
}

/// What proofs are checked with.
pub struct Possession {
    /// Scheme, host and port under which clients know us; `None` if nobody said them.
    public: Option<Origin>,
    memory: Arc<dyn ProofMemory>,
    /// Of those routes that want some.
    nonces: Nonces,
    /// Proofs that were used here need not be asked for anywhere else.
    used: Cache<String, ()>,
}

/// The words with which credentials are presented (RFC 6750 2.1, RFC 9449 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Bearer,
    Dpop,
}

impl Binding {
    /// `None` for a token that is bound to nothing.
    pub(crate) fn of_claims(claims: &Map<String, Value>) -> Option<Box<Self>> {
        let confirmation = claims.get("cnf").filter(|confirmation| !confirmation.is_null())?;
        let text = |name: &str| confirmation.get(name).and_then(Value::as_str).map(Box::from);
        Some(Box::new(Self { key: text("jkt"), certificate: text("x5t#S256") }))
    }
}

impl Demand {
    /// Why no request with a token that is bound like this passes, whatever it brings along.
    pub fn refuses(self, binding: Option<&Binding>) -> Option<TokenFault> {
        match binding {
            Some(Binding { key: None, certificate: None }) => Some(TokenFault::StrangeBinding),
            Some(_) | None => (!self.is_met_by(binding)).then_some(TokenFault::NotBound),
        }
    }

    fn is_met_by(self, binding: Option<&Binding>) -> bool {
        match self {
            Self::Nothing => true,
            Self::Anything => binding.is_some(),
            Self::Key => binding.is_some_and(|binding| binding.key.is_some()),
            Self::Certificate => binding.is_some_and(|binding| binding.certificate.is_some()),
        }
    }
}

impl Scheme {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }

    /// In which words a refused request is told what is wanted.
    pub(super) fn of_refusal(demand: Demand, headers: &HeaderMap, denial: &Denial) -> Self {
        let was_dpop = || matches!(super::bearer::find(headers, None), Ok(Presented::Dpop(_)));
        let is_about_proof = match denial {
            Denial::InvalidProof(_) | Denial::InvalidToken(TokenFault::BoundToKey) => true,
            Denial::BadRequest(_)
            | Denial::NoToken
            | Denial::InvalidToken(_)
            | Denial::InsufficientScope { .. }
            | Denial::InsufficientAuthentication { .. }
            | Denial::Undecidable(_) => false,
        };
        if is_about_proof || demand == Demand::Key || was_dpop() { Self::Dpop } else { Self::Bearer }
    }
}

impl Possession {
    /// What the same key gives as nonces, every node takes. Without a `public_url`, a request has to say its own.
    pub fn new(public_url: Option<&str>, memory: Arc<dyn ProofMemory>, nonces: Nonces) -> Self {
        let kept_for = Duration::from_secs(2 * dpop::LIVES_FOR.unsigned_abs());
        let used = Cache::builder().max_capacity(REMEMBERED).time_to_live(kept_for).build();
        Self { public: public_url.and_then(HttpUri::parse).map(|url| url.origin), memory, nonces, used }
    }

    /// What the next proof for a route that wants one has to bring (RFC 9449 9).
    pub(super) fn nonce(&self, now: UnixSeconds) -> String {
        self.nonces.current(now)
    }

    /// Whether the request comes from whom the token is bound to, and the route is content with that.
    ///
    /// # Errors
    /// [`Denial::InvalidToken`] or [`Denial::InvalidProof`]; `Undecidable` when nobody can say whether a proof is new, or
    /// which URL it should be for.
    pub(super) async fn check(
        &self,
        guard: &Guard,
        (request, now): (&Request<'_>, UnixSeconds),
        (scheme, text): (Scheme, &[u8]),
        token: &VerifiedToken,
    ) -> Result<(), Denial> {
        let binding = token.binding.as_deref();
        check_presented(binding, scheme)?;
        if !guard.demand.is_met_by(binding) {
            return Err(Denial::InvalidToken(TokenFault::NotBound));
        }
        let Some(binding) = binding else { return Ok(()) };
        if let Some(certificate) = &binding.certificate {
            check_certificate(certificate, &request.sender.certificate)?;
        }
        match &binding.key {
            Some(thumbprint) => {
                let target = self.target(&request.sender).ok_or(Denial::Undecidable(Obstacle::Binding))?;
                let proof = self.verify((guard, request), &target, BoundToken { text, thumbprint }, now);
                self.spend(&proof.map_err(Denial::InvalidProof)?, now).await
            }
            None => Ok(()),
        }
    }

    /// What a proof of this sender has to be for; `None` when nobody knows.
    fn target<'s>(&self, sender: &Sender<'s>) -> Option<Target<'s>> {
        if let Some(url) = sender.url.and_then(HttpUri::parse) {
            return Some(Target { origin: url.origin, path: crate::route::canonical(url.path).ok()? });
        }
        let public = self.public.as_ref().filter(|_| !sender.path.is_empty())?;
        let origin = sender.host.map_or_else(|| public.clone(), |host| public.at_host(host));
        Some(Target { origin, path: Cow::Borrowed(sender.path) })
    }

    fn verify(
        &self,
        (guard, request): (&Guard, &Request<'_>),
        target: &Target<'_>,
        token: BoundToken<'_>,
        now: UnixSeconds,
    ) -> Result<Proof, ProofFault> {
        let proof = dpop::only(request.headers.get_all(DPOP).iter().map(AsRef::as_ref))?;
        let is_target = |named: &HttpUri<'_>| {
            named.origin == target.origin && crate::route::canonical(named.path).is_ok_and(|path| path == target.path)
        };
        let nonces = guard.dpop_nonce.then_some(&self.nonces);
        let (method, token) = (request.method.as_str(), Some(token));
        dpop::verify(proof, &Expected { method, is_target: &is_target, token, nonces, now })
    }

    /// A proof is used once, on whichever node (rule H3).
    async fn spend(&self, proof: &Proof, now: UnixSeconds) -> Result<(), Denial> {
        const REPLAYED: Denial = Denial::InvalidProof(ProofFault::Replayed);
        if self.used.contains_key(&proof.id) {
            return Err(REPLAYED);
        }
        // Only the memory of all nodes decides: of several requests that come at once, one passes.
        let is_first = self.memory.is_first(&proof.id, now, proof.expires_at).await;
        let is_first = is_first.map_err(|Unknown| Denial::Undecidable(Obstacle::ReplayMemory))?;
        self.used.insert(proof.id.clone(), ());
        if is_first { Ok(()) } else { Err(REPLAYED) }
    }
}

/// The URL of a request, with its path in its one spelling.
struct Target<'a> {
    origin: Origin,
    path: Cow<'a, str>,
}

/// The algorithms that a proof may be signed with, for documents (RFC 9728 2).
pub fn proof_algorithms() -> impl Iterator<Item = &'static str> {
    dpop::algorithms()
}

/// RFC 9449 7.1, 7.2: tokens that are bound to a key come as `DPoP`, all others do not. What a token is bound to beyond
/// our knowledge cannot be checked, so that it is nobody's here.
fn check_presented(binding: Option<&Binding>, scheme: Scheme) -> Result<(), Denial> {
    let fault = match (binding, scheme) {
        (Some(Binding { key: None, certificate: None }), _) => TokenFault::StrangeBinding,
        (Some(Binding { key: Some(_), .. }), Scheme::Bearer) => TokenFault::BoundToKey,
        (None | Some(Binding { key: None, .. }), Scheme::Dpop) => TokenFault::NotBound,
        (None | Some(Binding { key: None, .. }), Scheme::Bearer)
        | (Some(Binding { key: Some(_), .. }), Scheme::Dpop) => {
            return Ok(());
        }
    };
    Err(Denial::InvalidToken(fault))
}

/// RFC 8705 3
fn check_certificate(bound_to: &str, presented: &Certificate<'_>) -> Result<(), Denial> {
    let is_same = presented.thumbprint().is_some_and(|thumbprint| equal(thumbprint.as_bytes(), bound_to.as_bytes()));
    if is_same { Ok(()) } else { Err(Denial::InvalidToken(TokenFault::WrongCertificate)) }
}

#[cfg(test)]
mod tests;
