//! What is known of one request while it passes through the phases.
//!
//! Owns the state between phases. It decides nothing.

use std::sync::Arc;
use std::time::Instant;

use http::{HeaderName, HeaderValue};
use pingora::http::RequestHeader;

use super::body_pace::BodyPace;
use super::forwarded::Carried;
use super::rate_limits::Counting;
use super::request_id::RequestId;
use super::trace::Trace;
use super::tunnel::Frames;
use super::upgrade::Hold;
use super::upstream::Visit;
use super::{ClientCertificate, Gateway, Route};
use crate::enforce::{Permit, Refusal};

/// The state of one request.
pub struct Context {
    /// What the request began with; it keeps it when the configuration changes.
    pub gateway: Arc<Gateway>,
    pub request_id: RequestId,
    pub started: Instant,
    /// The route that matched; `None` before matching, for our own paths, and where nothing matched.
    pub route: Option<Arc<Route>>,
    /// The path that was decided on, where it differs from the one received.
    pub canonical_path: Option<Box<str>>,
    /// The proof that the request may be forwarded.
    pub permit: Option<Permit>,
    /// What the check said against it.
    pub refusal: Option<Refusal>,
    /// Why it was refused, for the metric and the decision line.
    pub refused: Option<&'static str>,
    /// Bytes of request body forwarded so far.
    pub body_received: u64,
    /// How fast the body comes.
    pub pace: BodyPace,
    /// When the request went to the upstream, the last time.
    pub forwarded: Option<Instant>,
    /// Its place at the upstream.
    pub visit: Option<Visit>,
    /// When its answer must be over.
    pub deadline: Option<Instant>,
    /// Something of an answer was seen.
    pub is_answered: bool,
    /// The upstream's side of a tunnel that is asked for.
    pub upgrade: Option<Hold>,
    /// What passes through a tunnel to a client that may have to be told of its end.
    pub frames: Option<Frames>,
    /// It is an event stream, which ends with its token.
    pub ends_with_token: bool,
    /// The pattern of our own path, where that was found before the phases began: it holds for the whole request, whatever
    /// becomes of the tenants meanwhile.
    pub own_pattern: Option<&'static str>,
    /// The pattern of our own path, if the request is for one.
    pub embedded: Option<&'static str>,
    /// The token of our own that tells the upstream who calls.
    pub carried: Option<Carried>,
    /// The client's certificate, for our own paths.
    pub certificate: Option<ClientCertificate>,
    /// The method of the request that another gateway asks about.
    pub asked_for: Option<http::Method>,
    /// It is the question of a browser whether a script may ask.
    pub preflight: bool,
    /// It was refused because of what the process is short of: the connection waits before its next request.
    pub pauses: bool,
    /// What the route's rate limits said.
    pub counting: Counting,
    /// Where requests are traced.
    pub trace: Option<Trace>,
    /// Its token came out of a browser's session.
    pub by_session: bool,
}

impl Context {
    pub fn new(gateway: Arc<Gateway>) -> Self {
        let started = Instant::now();
        Self {
            gateway,
            request_id: RequestId::next(),
            started,
            route: None,
            canonical_path: None,
            permit: None,
            refusal: None,
            refused: None,
            body_received: 0,
            pace: BodyPace::new(started),
            forwarded: None,
            visit: None,
            deadline: None,
            is_answered: false,
            upgrade: None,
            frames: None,
            ends_with_token: false,
            own_pattern: None,
            embedded: None,
            carried: None,
            certificate: None,
            asked_for: None,
            preflight: false,
            pauses: false,
            counting: Counting::default(),
            trace: None,
            by_session: false,
        }
    }

    /// Fields that every answer to the request has, whoever answers.
    pub fn fields(&self, request: &RequestHeader) -> Vec<(HeaderName, HeaderValue)> {
        let Some(route) = &self.route else { return Vec::new() };
        let mut fields = route.cors.as_ref().map(|cors| cors.fields(&request.headers)).unwrap_or_default();
        fields.extend(self.quota_fields().into_iter().flatten());
        fields
    }

    /// What answers tell of the route's rate limits.
    pub fn quota_fields(&self) -> Option<[(HeaderName, HeaderValue); 2]> {
        let limits = self.route.as_ref().and_then(|route| route.limits.as_ref())?;
        self.counting.quota.map(|quota| limits.fields(quota))
    }
}
