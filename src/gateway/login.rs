//! Requests to routes that lead people to a login: with a session, without one, and with a credential of their own.
//!
//! Owns which of these a request is. Sessions are `browsers`' business, and whether a token suffices is decided by the same
//! enforcer as ever.

use std::sync::Arc;

use http::header::{AUTHORIZATION, CACHE_CONTROL, LOCATION, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderValue};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::authority::without_port;
use super::fault::Fault;
use super::respond::{Problem, REQUEST_ID};
use super::{Gateway, Route};
use crate::browsers::{Arrival, Begun, Demands, Entrance, Found, Live, is_navigation, is_own_cookie, is_same_origin};
use crate::enforce::{Denial, Obstacle, Permit, Refusal, Request, TokenFault};

/// Seconds after a login within which nobody is led to another one: it would end the same way.
const SETTLED_AFTER: i64 = 10;

const LOGGED_IN_AGAIN: &str = "You have logged in again, and this page still asks for a login that is stronger or more recent: \
                               whoever you logged in with does not confirm one. Ask those who run this site, or sign out \
                               and log in in another way";

/// What becomes of a request.
pub(super) enum Outcome {
    Permit(Permit),
    /// With what a session holds.
    PermitSession(Permit),
    /// To a login, for this reason.
    Lead(Begun, Refusal),
    Deny(Refusal),
    /// A login that was asked to be what the route wants, just now, and is not.
    DenyAgain(Refusal),
    Refuse(Problem),
}

impl From<Result<Permit, Refusal>> for Outcome {
    fn from(checked: Result<Permit, Refusal>) -> Self {
        match checked {
            Ok(permit) => Self::Permit(permit),
            Err(refusal) => Self::Deny(refusal),
        }
    }
}

impl Outcome {
    /// What the enforcer said; `None` where it was not asked.
    pub(super) fn verdict(&self) -> Option<Result<&Permit, &Refusal>> {
        match self {
            Self::Permit(permit) | Self::PermitSession(permit) => Some(Ok(permit)),
            Self::Deny(refusal) | Self::DenyAgain(refusal) => Some(Err(refusal)),
            Self::Lead(..) | Self::Refuse(_) => None,
        }
    }
}

/// A request to such a route.
#[derive(Clone, Copy)]
pub(super) struct Visit<'a> {
    pub request: Request<'a>,
    /// The host that it is for, with its port if it has one.
    pub authority: &'a str,
    /// Canonical.
    pub path: &'a str,
    /// The peer is a proxy that is trusted.
    pub is_through_proxy: bool,
}

impl Gateway {
    pub(super) async fn receive(&self, route: &Route, entrance: &Entrance, visit: Visit<'_>) -> Outcome {
        let Visit { request, .. } = visit;
        // A client's own credential always counts before a cookie.
        if request.headers.contains_key(AUTHORIZATION) || route.guard.policy.is_public(request.method) {
            return self.enforcer.check(&route.guard, request).await.into();
        }
        match self.browsers.find(&entrance.login, request.headers).await {
            Found::Session(live) => self.receive_session(route, entrance, (visit, &live)).await,
            Found::Nobody => match self.enforcer.check(&route.guard, request).await {
                Ok(permit) => Outcome::Permit(permit),
                Err(refusal) => self.lead(entrance, visit, (refusal, None)).await,
            },
            Found::Unavailable => undecidable(Obstacle::Session),
        }
    }

    async fn receive_session(
        &self,
        route: &Route,
        entrance: &Entrance,
        (visit, live): (Visit<'_>, &Arc<Live>),
    ) -> Outcome {
        let Visit { request, .. } = visit;
        if !is_same_origin(request.method, request.headers, (visit.authority, self.browsers.is_https())) {
            return Outcome::Refuse(Fault::CrossSiteRequest.into());
        }
        let refusal = match self.check_as(route, request, live.bearer()).await {
            Ok(permit) => return Outcome::PermitSession(permit),
            Err(refusal) => refusal,
        };
        // Somebody ended it, here or at the issuer.
        if matches!(refusal.denial, Denial::InvalidToken(TokenFault::Revoked | TokenFault::Inactive)) {
            self.browsers.end(live).await;
            return match self.browsers.age(live) < SETTLED_AFTER {
                true => Outcome::Deny(refusal),
                false => self.lead(entrance, visit, (refusal, None)).await,
            };
        }
        match refusal.denial.is_expired() {
            true => self.receive_late(route, entrance, (visit, live), refusal).await,
            false => self.step_up(entrance, (visit, live), refusal).await,
        }
    }

    /// A person whose login does not suffice is led to another one that is asked to (RFC 9470), and not a second time if it
    /// does not help. A program is told, as ever, what it needs.
    async fn step_up(&self, entrance: &Entrance, (visit, live): (Visit<'_>, &Arc<Live>), refusal: Refusal) -> Outcome {
        let Denial::InsufficientAuthentication { wanted, .. } = &refusal.denial else { return Outcome::Deny(refusal) };
        let demands = Demands::new(&wanted.acr_values, wanted.max_age);
        let is_person = is_navigation(visit.request.method, visit.request.headers);
        match demands.filter(|_| is_person) {
            None => Outcome::Deny(refusal),
            Some(demands) if live.was_asked_for(&demands) && self.browsers.age(live) < SETTLED_AFTER => {
                Outcome::DenyAgain(refusal)
            }
            Some(demands) => self.lead(entrance, visit, (refusal, Some(&demands))).await,
        }
    }

    /// The token ended before its issuer had said.
    async fn receive_late(
        &self,
        route: &Route,
        entrance: &Entrance,
        (visit, live): (Visit<'_>, &Arc<Live>),
        refusal: Refusal,
    ) -> Outcome {
        let request = visit.request;
        match self.browsers.renewed(&entrance.login, live).await {
            Found::Session(newer) => match self.check_as(route, request, newer.bearer()).await {
                Ok(permit) => Outcome::PermitSession(permit),
                Err(refusal) => self.step_up(entrance, (visit, &newer), refusal).await,
            },
            Found::Nobody => self.lead(entrance, visit, (refusal, None)).await,
            Found::Unavailable => undecidable(Obstacle::Session),
        }
    }

    /// The same decision as on a client's request that carries the session's token.
    async fn check_as(&self, route: &Route, request: Request<'_>, bearer: &HeaderValue) -> Result<Permit, Refusal> {
        let mut headers: HeaderMap = request.headers.clone();
        headers.insert(AUTHORIZATION, bearer.clone());
        self.enforcer.check(&route.guard, Request { headers: &headers, ..request }).await
    }

    /// A person is led to a login, which may have to be more than any; a program is told that it needs a token.
    async fn lead(
        &self,
        entrance: &Entrance,
        visit: Visit<'_>,
        (refusal, demands): (Refusal, Option<&Demands>),
    ) -> Outcome {
        let Visit { request, .. } = visit;
        if !is_navigation(request.method, request.headers) {
            return Outcome::Deny(refusal);
        }
        let query = request.query.map(|query| {
            let cleaned = crate::enforce::bearer::without_token(query);
            cleaned.unwrap_or_else(|| query.to_owned())
        });
        let arrival = Arrival {
            host: without_port(visit.authority),
            is_through_proxy: visit.is_through_proxy,
            path: visit.path,
            query: query.as_deref().filter(|query| !query.is_empty()),
            headers: request.headers,
            demands,
        };
        match self.browsers.begin(entrance, arrival).await {
            Ok(begun) => Outcome::Lead(begun, refusal),
            Err(_) => undecidable(Obstacle::Login),
        }
    }
}

fn undecidable(what: Obstacle) -> Outcome {
    Outcome::Deny(Denial::Undecidable(what).into())
}

/// The page for somebody who logged in again in vain.
pub(super) fn insufficient(refusal: &Refusal) -> Problem {
    Problem { detail: LOGGED_IN_AGAIN, ..Problem::refused(refusal, None) }
}

/// Sends the browser to a login.
///
/// # Errors
/// When the connection breaks on the way.
pub(super) async fn redirect(session: &mut Session, begun: &Begun, request_id: &str) -> pingora::Result<()> {
    let mut answer = ResponseHeader::build(302, Some(8))?;
    answer.insert_header(LOCATION, begun.to.as_str())?;
    for cookie in &begun.cookies {
        answer.append_header(SET_COOKIE, cookie.clone())?;
    }
    answer.insert_header(CACHE_CONTROL, "no-store")?;
    answer.insert_header(http::header::REFERRER_POLICY, "no-referrer")?;
    answer.insert_header(REQUEST_ID, request_id)?;
    answer.set_content_length(0)?;
    session.write_response_header(Box::new(answer), true).await
}

/// An upstream sets its own cookies, and none of those by which we know people: it could make somebody be somebody else, on
/// every route of the host.
pub(super) fn refuse_own_cookies(answer: &mut ResponseHeader) -> pingora::Result<()> {
    let is_own = |field: &HeaderValue| {
        // Browsers send a cookie without a name as its value, which is somebody's name and value then.
        let mut parts = field.as_bytes().split(|&byte| byte == b'=').map(<[u8]>::trim_ascii);
        parts.find(|part| !part.is_empty()).is_some_and(is_own_cookie)
    };
    if !answer.headers.get_all(SET_COOKIE).iter().any(is_own) {
        return Ok(());
    }
    let kept: Vec<HeaderValue> =
        answer.headers.get_all(SET_COOKIE).iter().filter(|field| !is_own(field)).cloned().collect();
    answer.remove_header(&SET_COOKIE);
    for field in kept {
        answer.append_header(SET_COOKIE, field)?;
    }
    Ok(())
}

/// What was answered to a session is for nobody else. With a token in `Authorization` caches know that (RFC 9111 3.5); what
/// a cookie means they have to be told.
pub(super) fn keep_private(answer: &mut ResponseHeader) -> pingora::Result<()> {
    answer.append_header(VARY, "Cookie")?;
    if !answer.headers.contains_key(CACHE_CONTROL) {
        answer.insert_header(CACHE_CONTROL, "private")?;
    }
    Ok(())
}
