//! What an enforcer is made from: the lines of a builder, or a checked configuration.
//!
//! Owns the translation of both into one shape. What is legal is `config`'s and `policy`'s business.

use std::sync::Arc;

use super::Enforcer;
use super::guard::{Guard, Routed};
use super::proofs::OwnProofs;
use crate::clock::Clock;
use crate::config::{self, Config, Forward, IssuerKind, KeyLocation};
use crate::enforce::{self, Possession, Pseudonyms, TokenCache};
use crate::entropy::Entropy;
use crate::issuers::{Fetcher, FetcherError, ForeignIssuer, Outbound};
use crate::jose::KeySet;
use crate::jose::dpop::{HttpUri, Nonces};
use crate::metrics::Metrics;
use crate::policy::{RuleError, RuleSet, parse_rule};
use crate::route::{Host, Pattern};

/// Bytes, as in configurations that do not say.
const TOKEN_CACHE: u64 = 64 * 1024 * 1024;

/// Why there is no enforcer or no guard: one line for each problem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BuildError(String);

/// Collects issuers and routes, made by [`Enforcer::builder`].
#[derive(Clone, Debug, Default)]
pub struct EnforcerBuilder {
    issuers: Vec<Issuer>,
    /// Pattern, method or `*`, rule.
    routes: Vec<(String, String, String)>,
    token_cache: Option<u64>,
    public_url: Option<String>,
}

/// Somebody whose tokens are believed, for a [`EnforcerBuilder`]. Configurations can say more of one.
#[derive(Clone, Debug)]
pub struct Issuer {
    url: String,
    /// A JWK set.
    keys: Option<String>,
    audience: Vec<String>,
    any_audience: bool,
    insecure: bool,
}

impl Issuer {
    /// The issuer whose tokens have this `iss`, exactly. Its keys are found through its metadata (OpenID Connect Discovery
    /// or RFC 8414) and fetched by [`Enforcer::follow`].
    pub fn at(url: &str) -> Self {
        Self { url: url.to_owned(), keys: None, audience: Vec::new(), any_audience: false, insecure: false }
    }

    /// The issuer whose tokens have this `iss`, with the keys in this JWK set (RFC 7517) and no others. Nothing is fetched.
    pub fn with_keys(url: &str, jwks: &str) -> Self {
        Self { keys: Some(jwks.to_owned()), ..Self::at(url) }
    }

    /// Accepts tokens that have this in `aud`; may be called for several.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> Self {
        self.audience.push(audience.to_owned());
        self
    }

    /// Accepts tokens for anybody. Only for issuers whose tokens have no audience: one that was issued for another service
    /// works here then.
    #[must_use]
    pub fn any_audience(self) -> Self {
        Self { any_audience: true, ..self }
    }

    /// Fetches keys over plain HTTP from another machine. Whoever is on the way can make tokens that are believed.
    #[must_use]
    pub fn insecure(self) -> Self {
        Self { insecure: true, ..self }
    }

    fn checked(&self) -> Result<Named, BuildError> {
        let Self { url, audience, any_audience, .. } = self;
        if audience.is_empty() != *any_audience {
            let help = "one of audience(..) and any_audience() must be called";
            return Err(BuildError(format!("issuer {url:?}: {help}")));
        }
        let keys = match &self.keys {
            None => KeyLocation::Metadata(None),
            Some(text) => match KeySet::parse(text) {
                Ok(keys) if !keys.is_empty() => KeyLocation::Known(Arc::new(keys)),
                Ok(_) => return Err(BuildError(format!("issuer {url:?}: its key set has no key that verifies"))),
                Err(error) => return Err(BuildError(format!("issuer {url:?}: its key set cannot be used: {error}"))),
            },
        };
        let settings = config::ForeignIssuer::usual(url, keys, self.insecure);
        let settings = settings.map_err(|problem| BuildError(format!("issuer {problem}")))?;
        Ok(Named { name: url.clone(), audience: boxed(audience), settings })
    }
}

impl EnforcerBuilder {
    /// Believes this issuer too.
    #[must_use]
    pub fn issuer(mut self, issuer: Issuer) -> Self {
        self.issuers.push(issuer);
        self
    }

    /// Holds requests for paths of this pattern (`/orders/**`, `/files/{id}`) to this rule, whatever their method.
    #[must_use]
    pub fn route(self, pattern: &str, rule: &str) -> Self {
        self.route_for("*", pattern, rule)
    }

    /// Holds requests with this method only to this rule; `*` is every other method. A method without a rule is refused.
    #[must_use]
    pub fn route_for(mut self, method: &str, pattern: &str, rule: &str) -> Self {
        self.routes.push((pattern.to_owned(), method.to_owned(), rule.to_owned()));
        self
    }

    /// Says under which URL clients know this service: `https://orders.example.com`. Tokens that are bound to a key (RFC
    /// 9449) are good for a URL, and without this or [`Request::with_url`](super::Request::with_url) nobody can tell whether
    /// it is the right one: they are answered 503.
    #[must_use]
    pub fn public_url(self, url: &str) -> Self {
        Self { public_url: Some(url.to_owned()), ..self }
    }

    /// Bytes of verified tokens that are remembered; 64 MiB unless it is called.
    #[must_use]
    pub fn token_cache(self, bytes: u64) -> Self {
        Self { token_cache: Some(bytes), ..self }
    }

    /// # Errors
    /// [`BuildError`] with the first thing that is wrong.
    pub fn build(self) -> Result<Enforcer, BuildError> {
        let issuers = self.issuers.iter().map(Issuer::checked).collect::<Result<Vec<_>, _>>()?;
        if let Some(twice) =
            issuers.iter().enumerate().find(|(at, own)| issuers[..*at].iter().any(|it| it.name == own.name))
        {
            return Err(BuildError(format!("issuer {:?} is there twice", twice.1.name)));
        }
        let audiences: Vec<_> = issuers.iter().map(|issuer| issuer.audience.clone()).collect();
        let mut rules: Vec<(&str, RuleSet)> = Vec::new();
        for (pattern, method, rule) in &self.routes {
            let at = match rules.iter().position(|(known, _)| known == pattern) {
                Some(at) => at,
                None => {
                    rules.push((pattern, RuleSet::new()));
                    rules.len() - 1
                }
            };
            let of_route = |error: RuleError| BuildError::of_rule(&format!("route {pattern:?}: "), &error);
            let rule = parse_rule(rule).map_err(of_route)?;
            rules[at].1.insert(method, rule).map_err(of_route)?;
        }
        let mut routes = Vec::new();
        for (pattern, rules) in rules {
            let of_route = |error: String| BuildError(format!("route {pattern:?}: {error}"));
            let parsed = Pattern::parse(pattern).map_err(|error| of_route(error.to_string()))?;
            let guard = Guard::new(&rules, &audiences).map_err(|error| of_route(error.to_string()))?.inner;
            if let Some(name) = guard.policy.parameters().find(|name| !parsed.parameters().any(|known| known == *name))
            {
                return Err(of_route(format!("the path has no parameter {name:?}")));
            }
            let routed = Routed { guard, forwards_authorization: false, names_hosts: false };
            routes.push((None, parsed, Arc::new(routed)));
        }
        if let Some(url) = self.public_url.as_deref().filter(|url| HttpUri::parse(url).is_none()) {
            return Err(BuildError(format!("{url:?} is no http or https URL")));
        }
        let token_cache = self.token_cache.unwrap_or(TOKEN_CACHE);
        let (forward, public_url) = (Forward::default(), self.public_url);
        Enforcer::of(Parts { issuers, routes, token_cache, forward, public_url })
    }
}

/// An issuer with everything that is to be known of it.
pub(super) struct Named {
    pub name: String,
    pub audience: Box<[Box<str>]>,
    pub settings: config::ForeignIssuer,
}

/// What an enforcer is made from.
pub(super) struct Parts {
    pub issuers: Vec<Named>,
    pub routes: Vec<(Option<Host>, Pattern, Arc<Routed>)>,
    /// Bytes.
    pub token_cache: u64,
    pub forward: Forward,
    pub public_url: Option<String>,
}

impl Parts {
    pub(super) fn of_config(config: Config) -> Result<Self, BuildError> {
        for warning in &config.warnings {
            tracing::warn!(config.line = warning.line, "{}", warning.message);
        }
        let mut issuers = Vec::new();
        for issuer in config.issuers {
            let IssuerKind::Foreign(settings) = issuer.kind else {
                let name = issuer.name;
                return Err(BuildError(format!(
                    "issuer {name:?} is the authorization server of the gateway, which is not here: name others under `issuers:`"
                )));
            };
            issuers.push(Named { name: issuer.name, audience: boxed(&issuer.audience), settings: *settings });
        }
        let mut routes = Vec::new();
        for route in config.routes {
            let (hosts, pattern) = (route.hosts.clone(), route.pattern.clone());
            let routed = Arc::new(Routed::of(route));
            if hosts.is_empty() {
                routes.push((None, pattern, routed));
            } else {
                routes.extend(hosts.into_iter().map(|host| (Some(host), pattern.clone(), routed.clone())));
            }
        }
        let public_url = Some(config.public_url.as_str().to_owned());
        Ok(Self { issuers, routes, token_cache: config.token_cache.size, forward: config.forward, public_url })
    }

    pub(super) fn enforcer(&self) -> Result<(Arc<enforce::Enforcer>, Vec<Arc<ForeignIssuer>>), BuildError> {
        let clock = Clock::system();
        let unaskable = |error: FetcherError| BuildError(format!("issuers cannot be asked: {error}"));
        let fetcher = Fetcher::new().map_err(unaskable)?;
        let (metrics, entropy) = (Arc::new(Metrics::new()), Entropy::system());
        let outbound = Outbound { fetcher, metrics, clock: clock.clone(), entropy };
        let believed = |issuer: &Named| -> Result<_, BuildError> {
            let outbound = outbound.to(&issuer.settings).map_err(unaskable)?;
            Ok(Arc::new(ForeignIssuer::new(&issuer.name, &issuer.settings, &outbound)))
        };
        let foreign: Vec<_> = self.issuers.iter().map(believed).collect::<Result<_, _>>()?;
        let issuers = foreign.iter().map(|issuer| issuer.clone() as Arc<dyn enforce::Issuer>).collect();
        let mut key = [0; 32];
        Entropy::system().fill(&mut key);
        let cache = TokenCache::new(self.token_cache);
        let enforcer = enforce::Enforcer::new(issuers, cache, clock, Pseudonyms::new(&key));
        let (proofs, nonces) = (Arc::new(OwnProofs::default()), Nonces::new(&[key.as_slice(), b"nonces"].concat()));
        let enforcer = enforcer.with_possession(Possession::new(self.public_url.as_deref(), proofs, nonces));
        Ok((Arc::new(enforcer), foreign))
    }
}

/// One rule for every method.
pub(super) fn rules_of(rule: &str) -> Result<RuleSet, BuildError> {
    parse_rule(rule).map(RuleSet::every_method).map_err(|error| BuildError::of_rule("", &error))
}

impl BuildError {
    pub(super) fn new(message: String) -> Self {
        Self(message)
    }

    pub(super) fn of_problems(problems: &[config::Problem]) -> Self {
        Self(config::render_all(problems, false).trim_end().to_owned())
    }

    fn of_rule(place: &str, error: &RuleError) -> Self {
        match &error.suggestion {
            Some(suggestion) => Self(format!("{place}{} — did you mean {suggestion:?}?", error.message)),
            None => Self(format!("{place}{}", error.message)),
        }
    }
}

fn boxed(texts: &[String]) -> Box<[Box<str>]> {
    texts.iter().map(|text| text.as_str().into()).collect()
}
