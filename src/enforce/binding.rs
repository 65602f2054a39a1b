//! Tokens that are good in the hands of their owners only: bound to a key (DPoP, RFC 9449) or to a client certificate
//! (RFC 8705).
//!
//! Owns what a request must show for such a token, and what routes may demand. What a proof must say is `jose::dpop`'s
//! business; where the certificate of a connection comes from, `gateway`'s.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderMap;
use moka::sync::Cache;
use serde_json::{Map, Value};

use super::certificate::Certificate;
use super::{Denial, Presented, Request, TokenFault, Unknown, VerifiedToken};
use crate::clock::UnixSeconds;
use crate::jose::dpop::{self, BoundToken, Expected, HttpUri, Origin, Proof, ProofFault};
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
    /// The canonical path.
    pub path: &'a str,
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
    /// Scheme, host and port under which clients know us.
    public: Origin,
    memory: Arc<dyn ProofMemory>,
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
    pub(super) fn of_claims(claims: &Map<String, Value>) -> Option<Box<Self>> {
        let confirmation = claims.get("cnf").filter(|confirmation| !confirmation.is_null())?;
        let text = |name: &str| confirmation.get(name).and_then(Value::as_str).map(Box::from);
        Some(Box::new(Self { key: text("jkt"), certificate: text("x5t#S256") }))
    }
}

impl Demand {
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
    /// `None` if `public_url` is no URL.
    pub fn new(public_url: &str, memory: Arc<dyn ProofMemory>) -> Option<Self> {
        let kept_for = Duration::from_secs(2 * dpop::LIVES_FOR.unsigned_abs());
        let used = Cache::builder().max_capacity(REMEMBERED).time_to_live(kept_for).build();
        Some(Self { public: HttpUri::parse(public_url)?.origin, memory, used })
    }

    /// Whether the request comes from whom the token is bound to, and the route is content with that.
    ///
    /// # Errors
    /// [`Denial::InvalidToken`] or [`Denial::InvalidProof`]; `Undecidable` when nobody can say whether a proof is new.
    pub(super) async fn check(
        &self,
        demand: Demand,
        (request, now): (&Request<'_>, UnixSeconds),
        (scheme, text): (Scheme, &[u8]),
        token: &VerifiedToken,
    ) -> Result<(), Denial> {
        let binding = token.binding.as_deref();
        check_presented(binding, scheme)?;
        if !demand.is_met_by(binding) {
            return Err(Denial::InvalidToken(TokenFault::NotBound));
        }
        let Some(binding) = binding else { return Ok(()) };
        if let Some(certificate) = &binding.certificate {
            check_certificate(certificate, &request.sender.certificate)?;
        }
        match &binding.key {
            Some(thumbprint) => {
                let proof = self.verify(request, BoundToken { text, thumbprint }, now);
                self.spend(&proof.map_err(Denial::InvalidProof)?, now).await
            }
            None => Ok(()),
        }
    }

    fn verify(&self, request: &Request<'_>, token: BoundToken<'_>, now: UnixSeconds) -> Result<Proof, ProofFault> {
        let proof = dpop::only(request.headers.get_all(DPOP).iter().map(AsRef::as_ref))?;
        let sender = &request.sender;
        let is_here = |origin: &Origin| match sender.host {
            Some(host) => *origin == self.public.at_host(host),
            None => *origin == self.public,
        };
        let is_target = |named: &HttpUri<'_>| {
            is_here(&named.origin) && crate::route::canonical(named.path).is_ok_and(|path| path == sender.path)
        };
        let (method, token) = (request.method.as_str(), Some(token));
        dpop::verify(proof, &Expected { method, is_target: &is_target, token, nonces: None, now })
    }

    /// A proof is used once, on whichever node (rule H3).
    async fn spend(&self, proof: &Proof, now: UnixSeconds) -> Result<(), Denial> {
        const REPLAYED: Denial = Denial::InvalidProof(ProofFault::Replayed);
        if self.used.contains_key(&proof.id) {
            return Err(REPLAYED);
        }
        // Only the memory of all nodes decides: of several requests that come at once, one passes.
        let is_first = self.memory.is_first(&proof.id, now, proof.expires_at).await;
        let is_first = is_first.map_err(|Unknown| Denial::Undecidable("replay_memory_unavailable"))?;
        self.used.insert(proof.id.clone(), ());
        if is_first { Ok(()) } else { Err(REPLAYED) }
    }
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
