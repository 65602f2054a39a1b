//! What every request goes through before anybody forwards it, or tells another gateway to.
//!
//! Owns the order: limits that need no token, the check, limits that need one, and what the permit carries on. Whether there
//! is a route, and what becomes of a refusal, is `proxy`'s business.

use std::time::Instant;

use super::forwarded::{self, Carried};
use super::login::{Outcome, Visit};
use super::rate_limits::{Asker, Counting};
use super::respond::Problem;
use super::trace::Trace;
use super::{Gateway, Route};
use crate::enforce::Refusal;

/// One request's check: what it is made with, and what it leaves behind.
pub(super) struct Check<'a> {
    pub gateway: &'a Gateway,
    pub route: &'a Route,
    pub started: Instant,
    pub counting: &'a mut Counting,
    pub trace: &'a mut Option<Trace>,
    pub carried: &'a mut Option<Carried>,
    pub refusal: &'a mut Option<Refusal>,
}

impl Check<'_> {
    /// What the check says of a request. With a `visit`, people without a token are led to a login where the route has one.
    ///
    /// # Errors
    /// The answer to a request that is one too many, or whose permit cannot be passed on.
    pub async fn outcome(&mut self, asker: &Asker<'_>, visit: Option<Visit<'_>>) -> Result<Outcome, Problem> {
        let (gateway, route) = (self.gateway, self.route);
        self.counting.before(route, asker, self.started)?;
        let began = self.trace.as_ref().map(|_| Instant::now());
        let outcome = match (&route.login, visit) {
            (Some(entrance), Some(visit)) => Box::pin(gateway.receive(route, entrance, visit)).await,
            (Some(_) | None, _) => gateway.enforcer.check(&route.guard, asker.request).await.into(),
        };
        if let (Some(trace), Some(began), Some(verdict)) = (&mut *self.trace, began, outcome.verdict()) {
            trace.checked(began, verdict);
        }
        if let Outcome::Permit(permit) | Outcome::PermitSession(permit) = &outcome {
            self.counting.after(route, asker, (permit, self.started))?;
            *self.carried = forwarded::of_request(&gateway.minter, route, permit, self.refusal)?;
        }
        Ok(outcome)
    }
}
