//! Faregate inside other programs: the check, without the gateway and the authorization server around it.
//!
//! Owns the small API at the root of the crate. It decides nothing: `config` says what is legal, `issuers` fetches keys and
//! `enforce` judges, as they do for the gateway.

mod builder;
mod guard;
mod proofs;
mod request;
mod verdict;

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

pub use builder::{BuildError, EnforcerBuilder, Issuer};
pub use guard::Guard;
pub(crate) use guard::demand;
pub use request::Request;
pub use verdict::{Identity, Permit, Refusal};

use builder::Parts;
use guard::Routed;

use crate::config::{self, Environment, Forward};
use crate::enforce;
use crate::issuers::ForeignIssuer;
use crate::route::{self, RouteTable};

/// Checks requests: who is asking, and may they?
///
/// It believes the tokens of the issuers it was built with, and of nobody else. One per process is enough; share it in an
/// [`Arc`]. A token that was verified once costs a lookup from then on, until it expires.
///
/// Keys of issuers that are named by URL are fetched in the background, and somebody has to poll that work: see
/// [`Enforcer::follow`].
pub struct Enforcer {
    inner: Arc<enforce::Enforcer>,
    foreign: Vec<Arc<ForeignIssuer>>,
    /// What each issuer's tokens have in `aud`, by its place among the issuers.
    audiences: Vec<Box<[Box<str>]>>,
    routes: RouteTable<Arc<Routed>>,
    forward: Forward,
}

impl Enforcer {
    /// Builds one in code.
    pub fn builder() -> EnforcerBuilder {
        EnforcerBuilder::default()
    }

    /// Builds one from the text of a configuration: its `issuers:` (other than `self`), its `routes:`, `forward:`,
    /// `public_url:` and `token_cache:`; its `tests:` are run. Everything else may be there and means nothing here. `${NAME}` and
    /// `${file:...}` are looked up as the gateway does.
    ///
    /// # Errors
    /// [`BuildError`] with every problem and its place in the text.
    pub fn from_config(text: &str) -> Result<Self, BuildError> {
        let config = config::parse("faregate.yaml", text, &Environment::process());
        Self::of(Parts::of_config(config.map_err(|problems| BuildError::of_problems(&problems))?)?)
    }

    /// The same with the file at `path`, from whose folder relative paths start.
    ///
    /// # Errors
    /// [`BuildError`] with every problem and its place in the file.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, BuildError> {
        let config = config::load(path.as_ref(), &Environment::process());
        Self::of(Parts::of_config(config.map_err(|problems| BuildError::of_problems(&problems))?)?)
    }

    fn of(parts: Parts) -> Result<Self, BuildError> {
        let (inner, foreign) = parts.enforcer()?;
        let entries = parts.routes.into_iter();
        let routes = RouteTable::compile(entries).map_err(|conflict| BuildError::new(conflict.to_string()))?;
        let audiences = parts.issuers.into_iter().map(|issuer| issuer.audience).collect();
        Ok(Self { inner, foreign, audiences, routes, forward: parts.forward })
    }

    /// What a request must carry, from the text of a rule: `scope orders:read`, `role admin`, `authenticated`,
    /// `any: [role admin, scope orders:write]`, `public`. It accepts every issuer that the enforcer believes.
    ///
    /// # Errors
    /// [`BuildError`] with what is wrong with the text.
    pub fn guard(&self, rule: &str) -> Result<Guard, BuildError> {
        Guard::new(&builder::rules_of(rule)?, &self.audiences)
    }

    /// Decides on one request. It waits only for a token that is seen for the first time and whose issuer has to be asked
    /// for keys or about the token itself.
    ///
    /// # Errors
    /// The [`Refusal`] with what to answer. What cannot be decided, because an issuer does not answer, is a refusal with
    /// status 503: never a permit.
    pub async fn check(&self, guard: &Guard, request: Request<'_>) -> Result<Permit, Refusal> {
        self.judge(&guard.inner, request, None).await
    }

    /// Decides by the routes that the enforcer was built with: finds the one for `path` on `host` (as it stands in the
    /// request) and checks its rule. Send on [`Permit::path`] and no other spelling of it: that is what was decided on.
    ///
    /// # Errors
    /// The [`Refusal`]: 404 without a route, 400 for a path that means different things to different servers, and whatever
    /// [`Enforcer::check`] refuses.
    pub async fn check_route(&self, host: Option<&str>, path: &str, request: Request<'_>) -> Result<Permit, Refusal> {
        let canonical = route::canonical(path).map_err(Refusal::of_path)?;
        let found = self.routes.find(host, &canonical).ok_or_else(Refusal::no_route)?;
        let captured: Vec<(&str, &str)> =
            found.parameters.as_slice().iter().map(|(name, value)| (*name, &**value)).collect();
        let named = host.map(without_port).filter(|_| found.value.names_hosts);
        let request = request.with_parameters(&captured).at(&canonical);
        let permit = self.judge(&found.value.guard, request, named).await?;
        Ok(permit.to(&canonical, found.value.forwards_authorization))
    }

    async fn judge(&self, guard: &enforce::Guard, request: Request<'_>, host: Option<&str>) -> Result<Permit, Refusal> {
        let outcome = self.inner.check(guard, request.to_enforcer(&request.parameters, host)).await;
        outcome.map(Permit::new).map_err(|refusal| Refusal::of(&refusal))
    }

    /// Keeps the keys of the issuers as new as they should be, for as long as it is polled: spawn it once, on a runtime
    /// that lives as long as the enforcer is used.
    ///
    /// Nothing waits for it. Until an issuer's keys have been fetched for the first time, its tokens are answered 503;
    /// without this work that is for ever. It ends at once when every issuer's keys were given in the configuration.
    pub fn follow(&self) -> impl Future<Output = ()> + Send + use<> {
        let (foreign, inner) = (self.foreign.clone(), self.inner.clone());
        async move {
            let mut following = tokio::task::JoinSet::new();
            for issuer in foreign {
                let inner = inner.clone();
                following.spawn(async move { issuer.follow(move || inner.forget()).await });
            }
            while following.join_next().await.is_some() {}
        }
    }

    /// The fields that carry an identity to an upstream.
    pub(crate) fn forward(&self) -> &Forward {
        &self.forward
    }
}

/// An IPv6 address keeps its brackets.
fn without_port(host: &str) -> &str {
    let bracket = host.rfind(']').unwrap_or(0);
    host[bracket..].find(':').map_or(host, |colon| &host[..bracket + colon])
}

#[cfg(test)]
mod tests;
