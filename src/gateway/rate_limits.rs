//! The rate limits of a route: whose request it is, and what answers say of what is left.
//!
//! Owns the keys, the fields of draft-ietf-httpapi-ratelimit-headers-10 and the 429 (RFC 6585 4). Counting is `quotas`'.
//! What is known only from a token is counted after the check, addresses before it.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderName, HeaderValue};
use prometheus::IntCounter;

use super::Route;
use super::fault::Fault;
use super::quotas::{Quotas, Rate};
use super::respond::Problem;
use crate::config::{self, CountedBy};
use crate::enforce::{Permit, Presented, Request, bearer};
use crate::peer::network;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The limits of one route.
pub struct RateLimits {
    limits: Box<[Limit]>,
    /// `RateLimit-Policy`
    policies: HeaderValue,
    quotas: Arc<Quotas>,
}

struct Limit {
    /// As it is called in the fields and in metrics.
    name: Box<str>,
    by: CountedBy,
    rate: Rate,
    /// Tells its keys from those of other limits, the same after a reload.
    seed: u64,
    exceeded: IntCounter,
}

/// What is left of the limit that is nearest to its end.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    limit: usize,
    remaining: u32,
    full_in: Duration,
}

/// Whose request it is.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    pub address: Option<IpAddr>,
    pub request: Request<'a>,
}

/// What the limits said of one request.
#[derive(Default)]
pub struct Counting {
    /// What is left.
    pub quota: Option<Quota>,
    /// Why it would have been refused, on a route that only observes.
    pub observed: Option<&'static str>,
    /// What the request had when it was one too many.
    pub permit: Option<Permit>,
}

impl Counting {
    /// Counts a request before anything of its token is looked at.
    ///
    /// # Errors
    /// The 429 for a request too many.
    pub fn before(&mut self, route: &Route, asker: &Asker<'_>, now: Instant) -> Result<(), Problem> {
        match &route.limits {
            Some(limits) => self.take_up(limits.before(asker, now), route.guard.observes),
            None => Ok(()),
        }
    }

    /// Counts a request that has its permit.
    ///
    /// # Errors
    /// The 429 for a request too many.
    pub fn after(
        &mut self,
        route: &Route,
        asker: &Asker<'_>,
        (permit, now): (&Permit, Instant),
    ) -> Result<(), Problem> {
        match &route.limits {
            Some(limits) => {
                let outcome = self.take_up(limits.after(asker, permit, (self.quota, now)), route.guard.observes);
                if outcome.is_err() {
                    self.permit = Some(permit.clone());
                }
                outcome
            }
            None => Ok(()),
        }
    }

    fn take_up(&mut self, outcome: Result<Option<Quota>, Exceeded>, observes: bool) -> Result<(), Problem> {
        match outcome {
            Ok(quota) => self.quota = quota,
            Err(exceeded) => {
                self.quota = Some(exceeded.quota);
                if !observes {
                    return Err(exceeded.problem());
                }
                self.observed = Some(Fault::RateLimited.as_str());
            }
        }
        Ok(())
    }
}

/// A request too many.
#[derive(Clone, Copy, Debug)]
pub struct Exceeded {
    quota: Quota,
    wait_for: Duration,
}

impl RateLimits {
    /// The limits of the route that `place` stands for; `exceeded` counts refusals by the name of the limit. `None` if
    /// there are none.
    pub fn new(
        limits: &[config::RateLimit],
        place: &str,
        quotas: &Arc<Quotas>,
        exceeded: impl Fn(&str) -> IntCounter,
    ) -> Option<Self> {
        let mut named: Vec<Limit> = Vec::new();
        for limit in limits {
            let same = named.iter().filter(|other| other.by == limit.by).count();
            let name = match same {
                0 => limit.by.as_str().to_owned(),
                same => format!("{}-{}", limit.by.as_str(), same + 1),
            };
            named.push(Limit {
                by: limit.by.clone(),
                rate: Rate::new(limit.count, limit.period_for, limit.burst),
                seed: quotas.key((place, name.as_str(), limit.count, limit.period_for, limit.burst)),
                exceeded: exceeded(&name),
                name: name.into(),
            });
        }
        let policies: Vec<String> = named.iter().map(Limit::policy).collect();
        let policies = HeaderValue::try_from(policies.join(", ")).ok()?;
        (!named.is_empty()).then(|| Self { limits: named.into(), policies, quotas: quotas.clone() })
    }

    /// Counts a request before anything of its token is looked at.
    ///
    /// # Errors
    /// `Exceeded` for a request too many.
    pub fn before(&self, asker: &Asker<'_>, now: Instant) -> Result<Option<Quota>, Exceeded> {
        self.take(now, None, |limit| match limit.by {
            CountedBy::Address => Some(self.key(limit, asker.address.map(network))),
            CountedBy::Client | CountedBy::Subject | CountedBy::Token | CountedBy::Parameter(_) => None,
        })
    }

    /// Counts a request that may pass; `quota` is what [`RateLimits::before`] said.
    ///
    /// # Errors
    /// `Exceeded` for a request too many.
    pub fn after(
        &self,
        asker: &Asker<'_>,
        permit: &Permit,
        (quota, now): (Option<Quota>, Instant),
    ) -> Result<Option<Quota>, Exceeded> {
        self.take(now, quota, |limit| self.key_of(limit, asker, permit))
    }

    fn key_of(&self, limit: &Limit, asker: &Asker<'_>, permit: &Permit) -> Option<u64> {
        let facts = permit.token().map(|token| &token.facts);
        // Who is not known by what is asked for is counted by something narrower, never not at all.
        let of_address = || self.key(limit, ("address", asker.address.map(network)));
        Some(match (&limit.by, facts) {
            (CountedBy::Address, _) => return None,
            (CountedBy::Parameter(name), _) => match asker.request.parameters.parameter(name) {
                Some(value) => self.key(limit, ("parameter", value)),
                None => of_address(),
            },
            (CountedBy::Client | CountedBy::Subject | CountedBy::Token, None) => of_address(),
            (CountedBy::Client, Some(facts)) => match &facts.client_id {
                Some(client) => self.key(limit, ("client", &facts.issuer, client)),
                None => self.key(limit, ("subject", &facts.issuer, &facts.subject)),
            },
            (CountedBy::Subject, Some(facts)) => self.key(limit, ("subject", &facts.issuer, &facts.subject)),
            (CountedBy::Token, Some(facts)) => match bearer::find(asker.request.headers, asker.request.query) {
                Ok(Presented::Bearer(token) | Presented::Dpop(token)) => self.key(limit, ("token", token)),
                // A browser's session has one for it.
                Ok(Presented::Nothing) | Err(_) => self.key(limit, ("subject", &facts.issuer, &facts.subject)),
            },
        })
    }

    fn key(&self, limit: &Limit, whose: impl std::hash::Hash) -> u64 {
        self.quotas.key((limit.seed, whose))
    }

    fn take(
        &self,
        now: Instant,
        quota: Option<Quota>,
        key: impl Fn(&Limit) -> Option<u64>,
    ) -> Result<Option<Quota>, Exceeded> {
        let mut tightest = quota;
        for (index, limit) in self.limits.iter().enumerate() {
            let Some(key) = key(limit) else { continue };
            match self.quotas.take(key, &limit.rate, now) {
                Ok(left) => {
                    let quota = Quota { limit: index, remaining: left.remaining, full_in: left.full_in };
                    if tightest.is_none_or(|other| quota.remaining < other.remaining) {
                        tightest = Some(quota);
                    }
                }
                Err(used_up) => {
                    limit.exceeded.inc();
                    let quota = Quota { limit: index, remaining: 0, full_in: used_up.full_in };
                    return Err(Exceeded { quota, wait_for: used_up.wait_for });
                }
            }
        }
        Ok(tightest)
    }

    /// What every answer tells of the limits.
    pub fn fields(&self, quota: Quota) -> [(HeaderName, HeaderValue); 2] {
        let mut left = String::with_capacity(40);
        // Writing to a string cannot fail.
        let name = self.limits.get(quota.limit).map_or("", |limit| &limit.name);
        let _ = write!(left, "\"{name}\";r={};t={}", quota.remaining, whole_seconds(quota.full_in));
        let left = HeaderValue::try_from(left).unwrap_or(HeaderValue::from_static(""));
        [(RATE_LIMIT, left), (RATE_LIMIT_POLICY, self.policies.clone())]
    }
}

impl Limit {
    /// Its item in `RateLimit-Policy`: as much as may come at once, and how long it takes until that is there again.
    fn policy(&self) -> String {
        format!("\"{}\";q={};w={}", self.name, self.rate.burst(), whole_seconds(self.rate.window()))
    }
}

impl Exceeded {
    fn problem(&self) -> Problem {
        Problem { retry_after: Some(whole_seconds(self.wait_for)), ..Fault::RateLimited.into() }
    }
}

/// Seconds, the last one begun counted.
fn whole_seconds(duration: Duration) -> u32 {
    duration.as_nanos().div_ceil(1_000_000_000).try_into().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enforce::Sender;
    use crate::policy::NoParameters;

    fn limits(by: &[CountedBy]) -> RateLimits {
        let limit = |by: &CountedBy| config::RateLimit::new((3, Duration::from_secs(60)), 3, by.clone());
        let limits: Vec<_> = by.iter().map(limit).collect();
        let counter = |_: &str| IntCounter::new("a", "b").unwrap();
        RateLimits::new(&limits, "/a", &Arc::default(), counter).unwrap()
    }

    fn asker<'a>(headers: &'a http::HeaderMap, address: &str) -> Asker<'a> {
        let request = Request {
            method: &http::Method::GET,
            headers,
            query: None,
            parameters: &NoParameters,
            sender: Sender::default(),
        };
        Asker { address: Some(address.parse().unwrap()), request }
    }

    // M12, draft-ietf-httpapi-ratelimit-headers-10 3 and 4
    #[test]
    fn addresses_are_counted_by_network() {
        let (limits, headers, now) = (limits(&[CountedBy::Address]), http::HeaderMap::new(), Instant::now());
        for address in ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:1"] {
            assert!(limits.before(&asker(&headers, address), now).is_ok());
        }
        let exceeded = limits.before(&asker(&headers, "2001:db8::3"), now).unwrap_err();
        assert_eq!(exceeded.problem().retry_after, Some(20));
        let [(_, left), (_, policies)] = limits.fields(exceeded.quota);
        assert_eq!(
            (left, policies.as_bytes()),
            ("\"address\";r=0;t=60".parse().unwrap(), &b"\"address\";q=3;w=60"[..])
        );
        assert!(limits.before(&asker(&headers, "2001:db8:0:1::1"), now).is_ok());
        assert!(limits.before(&asker(&headers, "192.0.2.1"), now).is_ok());
        assert!(
            limits.before(&asker(&headers, "::ffff:192.0.2.1"), now).is_ok_and(|quota| quota.unwrap().remaining == 1)
        );
    }

    #[test]
    fn who_is_unknown_is_counted_by_address() {
        let limits = limits(&[CountedBy::Client, CountedBy::Client, CountedBy::Parameter("a".into())]);
        let (headers, now, permit) = (http::HeaderMap::new(), Instant::now(), Permit::in_test());
        let asker = asker(&headers, "192.0.2.1");
        assert!(limits.before(&asker, now).unwrap().is_none(), "nothing is known yet");
        for _ in 0..3 {
            assert!(limits.after(&asker, &permit, (None, now)).is_ok());
        }
        assert!(limits.after(&asker, &permit, (None, now)).is_err());
        let policies = limits.policies.to_str().unwrap();
        assert_eq!(policies, "\"client\";q=3;w=60, \"client-2\";q=3;w=60, \"a\";q=3;w=60");
    }
}
