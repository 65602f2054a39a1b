//! The resource-server role: who is asking, and may they? Token to facts, facts to [`Permit`] or [`Refusal`].
//!
//! Owns the order of the checks. It does not know HTTP beyond header fields, nor where keys and names come from: they
//! arrive through [`Issuer`].

pub mod bearer;
mod binding;
mod cache;
mod certificate;
mod denial;
mod forwarded;
mod identity;
mod inspect;
mod key_report;
mod known;
mod live;
mod permit;
mod pseudonym;
mod recent;
mod refusal;
mod scope;
mod token;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderMap, Method};
use serde_json::Value;
use uuid::Uuid;

pub use bearer::{Ambiguity, Presented};
pub use binding::{Binding, Demand, Possession, ProofMemory, Scheme, Sender, proof_algorithms};
pub use cache::TokenCache;
pub use certificate::Certificate;
pub use denial::{Denial, Hints, Obstacle, TokenFault};
use forwarded::Minted;
pub use forwarded::{Destination, Minter, Signer};
pub use identity::Identity;
pub use inspect::Inspected;
pub use key_report::{KeyFetching, KeyReport};
pub use known::{CircuitReport, Introspected, Introspection, TokensAsked};
use known::{INACTIVE, Known};
use live::Live;
pub use permit::Permit;
pub use pseudonym::Pseudonyms;
pub use refusal::Refusal;
pub use scope::scopes_of;
use token::Cleared;
pub use token::VerifiedToken;

use crate::clock::{Clock, UnixSeconds};
use crate::jose::{self, Expectations, KeySet};
use crate::policy::{ClaimNames, Decision, Facts, Parameters, Permissions, Policy, RuleId, TokenFacts};
use crate::revocations::Revocations;

/// An issuer whose tokens are verified here, without asking anybody.
#[async_trait]
pub trait Issuer: Send + Sync {
    /// Whether `iss` is its name.
    fn is_called(&self, iss: &str) -> bool;

    /// What its tokens must be now; `None` while it has no keys. Audiences are a route's business and stay empty here.
    fn trusted(&self) -> Option<Trusted>;

    /// The tenant of ours that it is: several may have one name (F-204).
    fn tenant_id(&self) -> Option<Uuid> {
        None
    }

    /// Whether it is somebody else, whose sessions and users are none of ours.
    fn is_foreign(&self) -> bool {
        false
    }

    /// Names of the entities that a token speaks of, so that rules may use names beside ids: pairs of id and name for
    /// those `ids` that have one.
    ///
    /// # Errors
    /// [`Unknown`] when the directory cannot be asked now.
    async fn names_of(&self, ids: &[&str]) -> Result<Vec<(Box<str>, Box<str>)>, Unknown>;

    /// Changes whenever something in its directory does, who is granted what included; `None` if it has none here.
    fn generation_of_grants(&self) -> Option<u64> {
        None
    }

    /// What the holder of a token is granted now of all that the token was asked for with; `None` if its tokens of this
    /// kind speak of no permissions.
    ///
    /// # Errors
    /// [`Unknown`] when the directory cannot be asked now.
    async fn granted_now(&self, facts: &TokenFacts) -> Result<Option<Permissions>, Unknown> {
        let _ = facts;
        Ok(None)
    }

    /// Asks for other keys than the ones that the caller has `seen`, because a token names one that is not among them, or
    /// because there are none; `None` if there are no others.
    ///
    /// # Errors
    /// [`Unknown`] when that cannot be said now.
    async fn newer(&self, seen: Option<&Arc<KeySet>>) -> Result<Option<Trusted>, Unknown> {
        let _ = seen;
        Ok(None)
    }

    /// How it can be asked whether a token is active, if it can.
    fn introspection(&self) -> Option<&dyn Introspection> {
        None
    }

    /// In which claims of its tokens there is what rules speak of.
    fn claim_names(&self) -> &ClaimNames {
        ClaimNames::own()
    }

    /// What metrics call it and how old its keys are, if they are fetched from somewhere.
    fn age_of_keys(&self) -> Option<(&str, Duration)> {
        None
    }

    /// What operators are told of its keys; `None` if they are ours.
    fn key_report(&self) -> Option<KeyReport> {
        None
    }
}

/// What makes a token believable.
pub struct Trusted {
    pub expectations: Expectations,
    pub keys: Arc<KeySet>,
}

/// The directory or an issuer could not be asked.
#[derive(Clone, Copy, Debug)]
pub struct Unknown;

/// What one route accepts.
pub struct Guard {
    pub policy: Policy,
    pub accepts: Box<[Accepted]>,
    /// Whether what would be refused is only noted, while a policy is tried out.
    pub observes: bool,
    /// Whether tokens must be bound to whoever sends them.
    pub demand: Demand,
    /// Whether proofs must bring a nonce of ours.
    pub dpop_nonce: bool,
    /// Whether permissions count as they are granted now, and not as the token has them.
    pub live_permissions: bool,
}

/// An issuer that a route accepts, by its place among the enforcer's issuers.
pub struct Accepted {
    pub issuer: usize,
    /// One of these must be in `aud`; with none of them any token of the issuer is accepted.
    pub audience: Box<[Box<str>]>,
}

/// The parts of a request that a decision may look at.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub method: &'a Method,
    pub headers: &'a HeaderMap,
    pub query: Option<&'a str>,
    pub parameters: &'a (dyn Parameters + Sync),
    pub sender: Sender<'a>,
}

impl Guard {
    fn accepts(&self, issuer: usize) -> bool {
        self.accepts.iter().any(|accepted| accepted.issuer == issuer)
    }
}

/// Checks requests. One per process, shared by every listener.
pub struct Enforcer {
    issuers: Box<[Arc<dyn Issuer>]>,
    cache: TokenCache,
    clock: Clock,
    pseudonyms: Pseudonyms,
    revocations: Arc<Revocations>,
    possession: Option<Possession>,
    hits: AtomicU64,
    misses: AtomicU64,
    /// By the caches of enforcers before this one.
    evicted_before: u64,
}

impl Enforcer {
    /// An enforcer that knows of no revocations, and cannot say whose bound tokens are.
    pub fn new(issuers: Vec<Arc<dyn Issuer>>, cache: TokenCache, clock: Clock, pseudonyms: Pseudonyms) -> Self {
        Self {
            issuers: issuers.into(),
            cache,
            clock,
            pseudonyms,
            revocations: Arc::default(),
            possession: None,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            evicted_before: 0,
        }
    }

    /// Counts on from an enforcer whose place it takes.
    pub fn counting_from(self, before: CacheCounts) -> Self {
        Self { hits: before.hits.into(), misses: before.misses.into(), evicted_before: before.evictions, ..self }
    }

    /// Refuses what these marks concern, from the next request on.
    pub fn with_revocations(self, revocations: Arc<Revocations>) -> Self {
        Self { revocations, ..self }
    }

    /// Checks that bound tokens come from whom they were issued to.
    pub fn with_possession(self, possession: Possession) -> Self {
        Self { possession: Some(possession), ..self }
    }

    /// Decides on one request. It waits only when a token is seen for the first time and
    /// somebody has to be asked about it: the directory or its issuer.
    ///
    /// # Errors
    /// The [`Refusal`] with what to answer; `Undecidable` when the directory is needed and does not answer.
    pub async fn check(&self, guard: &Guard, request: Request<'_>) -> Result<Permit, Refusal> {
        match self.judge(guard, request).await {
            Ok(permit) => Ok(permit),
            Err(refusal) if guard.observes => Ok(Permit::observed(refusal)),
            Err(refusal) => {
                let scheme = Scheme::of_refusal(guard.demand, request.headers, &refusal.denial);
                let refusal = refusal.told_in(scheme).of_request(guard, &request);
                match self.possession.as_ref().filter(|_| guard.dpop_nonce) {
                    Some(possession) => Err(refusal.with_nonce(possession.nonce(self.clock.now()))),
                    None => Err(refusal),
                }
            }
        }
    }

    async fn judge(&self, guard: &Guard, request: Request<'_>) -> Result<Permit, Refusal> {
        if guard.policy.is_public(request.method) {
            return Ok(Permit::public());
        }
        // 1. Find the bearer.
        let (scheme, token) = match bearer::find(request.headers, request.query).map_err(Denial::BadRequest)? {
            Presented::Bearer(token) => (Scheme::Bearer, token),
            Presented::Dpop(token) => (Scheme::Dpop, token),
            Presented::Nothing => return Err(Denial::NoToken.into()),
        };
        if token.len() > jose::MAX_TOKEN_BYTES {
            return Err(Denial::InvalidToken(TokenFault::Door(jose::Reason::TooLarge)).into());
        }
        // 2. Verify, or remember having verified. 3. Facts are made in the same step, once per token.
        let now = self.clock.now();
        let (verified, cache_hit) = match self.cache.find(token) {
            Some(verified) if verified.is_current(guard, now) => (verified, true),
            found => {
                let token = bearer::check_characters(token).map_err(Denial::BadRequest)?;
                let newer = found.and_then(|_| self.cache.find_newer(token.as_bytes()));
                match newer.filter(|newer| newer.is_current(guard, now)) {
                    Some(verified) => (verified, true),
                    None => (self.learn(guard, token).await?, false),
                }
            }
        };
        self.count(cache_hit);
        // 4. Still good? Asked at every use, cached or not (rules F17, I8).
        let now = if cache_hit { now } else { self.clock.now() };
        if now >= verified.expires_at {
            // It stays in the cache until there is no room: to find out again that it is over costs more.
            let denial = Denial::InvalidToken(TokenFault::Door(jose::Reason::Expired));
            return Err(Refusal::of_token(denial, verified, cache_hit));
        }
        if verified.is_revoked(&self.revocations) {
            return Err(Refusal::of_token(Denial::InvalidToken(TokenFault::Revoked), verified, cache_hit));
        }
        // 5. In the hands of whom it is for?
        let is_bare = verified.binding.is_none() && scheme == Scheme::Bearer && guard.demand == Demand::Nothing;
        if !is_bare {
            // In a box of its own, for few requests need the room.
            let check = Box::pin(self.check_possession(guard, &request, (scheme, token), &verified));
            if let Err(denial) = check.await {
                return Err(Refusal::of_token(denial, verified, cache_hit));
            }
        }
        // 6. Decide, on what is granted now where the route goes by that.
        let verified = match guard.live_permissions {
            true => self.as_granted_now(verified).await?,
            false => verified,
        };
        match decide(guard, &request, (&verified, now)) {
            Ok(rule) => Ok(Permit::of_token(verified, cache_hit, rule)),
            Err((denial, rule)) => Err(Refusal::of_token(denial, verified, cache_hit).by(rule)),
        }
    }

    async fn check_possession(
        &self,
        guard: &Guard,
        request: &Request<'_>,
        presented: (Scheme, &[u8]),
        token: &VerifiedToken,
    ) -> Result<(), Denial> {
        let possession = self.possession.as_ref().ok_or(Denial::Undecidable(Obstacle::Binding))?;
        possession.check(guard, (request, self.clock.now()), presented, token).await
    }

    /// Finds out about a token that was not seen before, or not lately. What kind of token it is shows in its form, and is
    /// never guessed after a failure (rule F18).
    async fn learn(&self, guard: &Guard, token: &str) -> Result<Arc<VerifiedToken>, Denial> {
        if !jose::is_jwt(token) {
            return self.introspect(guard, token).await;
        }
        let index = self.issuer_of(token)?;
        // Nobody is asked about a token that would not be accepted anyway.
        if self.issuers[index].introspection().is_some() && !guard.accepts(index) {
            return Err(Denial::InvalidToken(TokenFault::IssuerNotAccepted));
        }
        self.verify_as(index, token).await
    }

    /// Verifies a JWT against the issuer that it claims, without asking what it is for.
    ///
    /// # Errors
    /// [`Denial::InvalidToken`], or `Undecidable` when keys or names cannot be had now, or its issuer does not say whether
    /// it is active.
    pub async fn verify(&self, token: &str) -> Result<Arc<VerifiedToken>, Denial> {
        self.verify_as(self.issuer_of(token)?, token).await
    }

    async fn verify_as(&self, index: usize, token: &str) -> Result<Arc<VerifiedToken>, Denial> {
        let generation = self.cache.generation();
        let issuer = &*self.issuers[index];
        let known = match issuer.introspection().map(Introspection::tokens) {
            Some(TokensAsked::All) => {
                if !jose::peek_issuer(token).is_some_and(|claimed| issuer.is_called(&claimed)) {
                    return Err(Denial::InvalidToken(TokenFault::IssuerNotAccepted));
                }
                let known = self.introspect_as(index, token).await?.ok_or(INACTIVE)?;
                // It says whose it is.
                Known { is_opaque: false, ..known }
            }
            Some(TokensAsked::Verified) => {
                let known = Known::of_jwt(index, self.pass_door(issuer, token).await?);
                let introspected = self.introspect_as(index, token).await?.ok_or(INACTIVE)?;
                Known { fresh_until: introspected.fresh_until, ..known }
            }
            Some(TokensAsked::Opaque) | None => Known::of_jwt(index, self.pass_door(issuer, token).await?),
        };
        self.compile(token, known, generation).await
    }

    /// Asks the issuers that the route accepts, in the order in which it names them, until one knows the token.
    async fn introspect(&self, guard: &Guard, token: &str) -> Result<Arc<VerifiedToken>, Denial> {
        let generation = self.cache.generation();
        // Where nobody can be asked, it is not even a token.
        let mut verdict = Denial::InvalidToken(TokenFault::Door(jose::Reason::Malformed));
        for accepted in &guard.accepts {
            if self.issuers[accepted.issuer].introspection().is_none() {
                continue;
            }
            match self.introspect_as(accepted.issuer, token).await {
                Ok(Some(known)) => return self.compile(token, known, generation).await,
                // Somebody who did not answer may know it.
                Ok(None) if matches!(verdict, Denial::Undecidable(_)) => {}
                Ok(None) => verdict = INACTIVE,
                Err(unknown) => verdict = unknown,
            }
        }
        Err(verdict)
    }

    async fn introspect_as(&self, index: usize, token: &str) -> Result<Option<Known>, Denial> {
        let Some(introspection) = self.issuers[index].introspection() else { return Ok(None) };
        let introspected = introspection.introspect(token).await;
        let introspected = introspected.map_err(|Unknown| Denial::Undecidable(Obstacle::Introspection))?;
        Ok(introspected.map(|introspected| Known::of_answer(index, introspected)))
    }

    /// Facts and values for every request that will carry this token.
    async fn compile(&self, token: &str, known: Known, generation: u64) -> Result<Arc<VerifiedToken>, Denial> {
        let issuer = &self.issuers[known.issuer];
        let token_id = known.claims.get("jti").and_then(Value::as_str).map(Box::from);
        let binding = Binding::of_claims(&known.claims);
        let mut facts = TokenFacts::of_named_claims(known.claims, issuer.claim_names());
        if !facts.permissions.is_empty() {
            let ids: Vec<&str> = facts.permissions.iter().map(|target| &*target.id).collect();
            let names = issuer.names_of(&ids).await.map_err(|Unknown| Denial::Undecidable(Obstacle::Directory))?;
            facts.permissions = facts.permissions.with_names(&names);
        }
        let (identity, text) = Identity::beside(&facts, token);
        let pseudonym = self.pseudonyms.of(&facts.issuer, &facts.subject);
        let compiled = Arc::new(VerifiedToken {
            place: self.cache.place(text, generation),
            issuer: known.issuer,
            facts,
            identity,
            expires_at: known.expires_at,
            fresh_until: known.fresh_until,
            is_opaque: known.is_opaque,
            is_foreign: issuer.is_foreign(),
            token_id,
            key_id: known.key_id,
            pseudonym,
            binding,
            cleared: Cleared::default(),
            minted: Minted::default(),
            live: Live::default(),
        });
        self.cache.insert(compiled.clone());
        Ok(compiled)
    }

    /// The door, with the keys that are here; and once more if the issuer has others by now.
    async fn pass_door(&self, issuer: &dyn Issuer, token: &str) -> Result<jose::Verified, Denial> {
        let unavailable = |Unknown| Denial::Undecidable(Obstacle::Keys);
        let verify = |trusted: &Trusted| jose::verify(token, &trusted.expectations, &trusted.keys, self.clock.now());
        let trusted = match issuer.trusted() {
            Some(trusted) => trusted,
            None => issuer.newer(None).await.and_then(|newer| newer.ok_or(Unknown)).map_err(unavailable)?,
        };
        let mut outcome = verify(&trusted);
        if let Err(jose::Reason::UnknownKey) = outcome
            && let Some(newer) = issuer.newer(Some(&trusted.keys)).await.map_err(unavailable)?
        {
            outcome = verify(&newer);
        }
        outcome.map_err(|reason| Denial::InvalidToken(TokenFault::Door(reason)))
    }

    /// The issuer that a token claims, chosen by `iss` and never by `kid` (rule F7). Unread when there is only one and it is
    /// ours: the door compares it anyway. Somebody else is not asked about tokens that are not theirs.
    fn issuer_of(&self, token: &str) -> Result<usize, Denial> {
        if let [only] = &*self.issuers
            && !only.is_foreign()
        {
            return Ok(0);
        }
        let claimed =
            jose::peek_issuer(token).ok_or(Denial::InvalidToken(TokenFault::Door(jose::Reason::Malformed)))?;
        let called = || self.issuers.iter().enumerate().filter(|(_, issuer)| issuer.is_called(&claimed));
        let (first, _) = called().next().ok_or(Denial::InvalidToken(TokenFault::IssuerNotAccepted))?;
        if called().nth(1).is_none() {
            return Ok(first);
        }
        // The token says which of them it is from, and only the keys of that one verify it.
        let tenant_id = jose::peek_tenant(token).and_then(|tid| Uuid::try_parse(&tid).ok());
        let meant = called().find(|(_, issuer)| tenant_id.is_some() && issuer.tenant_id() == tenant_id);
        Ok(meant.map_or(first, |(index, _)| index))
    }

    /// Whether the token of a permit is still good: neither over nor revoked. For what goes on after the request was decided.
    pub fn still_holds(&self, permit: &Permit) -> bool {
        permit.token().is_none_or(|token| self.clock.now() < token.expires_at && !token.is_revoked(&self.revocations))
    }

    fn count(&self, cache_hit: bool) {
        let counter = if cache_hit { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Drops every remembered token: keys or entity names of an issuer changed.
    pub fn forget(&self) {
        self.cache.clear();
    }

    /// What metrics call each issuer whose keys are fetched, and how old these are.
    pub fn ages_of_keys(&self) -> impl Iterator<Item = (&str, Duration)> {
        self.issuers.iter().filter_map(|issuer| issuer.age_of_keys())
    }

    /// What is known of the keys of others, in the order of the issuers.
    pub fn key_reports(&self) -> impl Iterator<Item = KeyReport> {
        self.issuers.iter().filter_map(|issuer| issuer.key_report())
    }

    /// How it goes with the introspection of others, in the order of the issuers.
    pub fn introspection_circuits(&self) -> impl Iterator<Item = CircuitReport> {
        self.issuers.iter().filter_map(|issuer| issuer.introspection()).map(Introspection::circuit)
    }

    /// The token cache in numbers, since the start.
    pub fn cache_counts(&self) -> CacheCounts {
        CacheCounts {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            evictions: self.evicted_before + self.cache.evictions(),
            tokens: self.cache.len(),
        }
    }
}

/// The token cache in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheCounts {
    pub hits: u64,
    pub misses: u64,
    pub evictions: u64,
    pub tokens: u64,
}

/// What this route says about a good token.
fn decide(
    guard: &Guard,
    request: &Request<'_>,
    (token, now): (&VerifiedToken, UnixSeconds),
) -> Result<RuleId, (Denial, Option<RuleId>)> {
    check_accepted(guard, token).map_err(|denial| (denial, None))?;
    let facts = Facts::of_token(&token.facts, request.parameters, now);
    match guard.policy.decide(request.method, &facts) {
        Decision::Permit { rule } => Ok(rule),
        Decision::Deny { rule, reason } => {
            let scope = scope::of_refused(&guard.policy, (rule, &reason), request.parameters);
            Err((Denial::of(&reason, scope), rule))
        }
    }
}

/// The cache is shared by all routes, so that a token is of an issuer and for an audience of *this* route is asked anew.
fn check_accepted(guard: &Guard, token: &VerifiedToken) -> Result<(), Denial> {
    let Some(accepted) = guard.accepts.iter().find(|accepted| accepted.issuer == token.issuer) else {
        return Err(Denial::InvalidToken(TokenFault::IssuerNotAccepted));
    };
    let meant = accepted.audience.is_empty() || accepted.audience.iter().any(|own| token.facts.audience.contains(own));
    if meant { Ok(()) } else { Err(Denial::InvalidToken(TokenFault::AudienceNotAccepted)) }
}

#[cfg(test)]
mod tests;
