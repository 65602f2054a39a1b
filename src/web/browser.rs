//! Requests of browsers: what every page needs of them, and the way back.
//!
//! Owns reading cookies, form and origin, and writing a [`Reply`]; what it says was decided in `oauth`.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;

use super::cookies::{self, Cookie, Place};
use super::forgery::{self, Proof, Tie};
use super::respond::{self, Issued, Outcome};
use super::rounds::{self, Rounds};
use super::translate::Prefix;
use super::{MAX_BODY_BYTES, PeerAddress, RequestId, pages, show};
use crate::oauth::{
    AuthorizationServer, BrowserRequest, Context, ErrorCode, ErrorReason, FormOrigin, Keep, Next, OAuthError, Page,
    Reply, Step,
};
use crate::secret::Secret;

/// Seconds for which what became of a form is shown.
const OUTCOME_FOR: i64 = 600;

/// What a browser sent.
pub(super) struct Browser {
    server: Arc<AuthorizationServer>,
    method: Method,
    pub(super) headers: HeaderMap,
    query: String,
    body: Option<Bytes>,
    tenant_path: Option<String>,
    prefix: Option<String>,
    peer: Option<IpAddr>,
    request_id: Option<String>,
    step: Step,
    pub(super) is_https: bool,
    /// Whose cookies these are.
    place: Place,
    session: Option<String>,
    login: Option<String>,
    browser: Option<String>,
    outcome: Option<String>,
    form_origin: FormOrigin,
    origin: Option<String>,
}

impl Browser {
    /// Reads a request, the body of a POST included.
    ///
    /// # Errors
    /// The answer to a body that is no form or too long for one.
    pub(super) async fn read(
        server: &Arc<AuthorizationServer>,
        tenant: Option<Path<String>>,
        request: Request<Body>,
        step: Step,
    ) -> Result<Self, Response> {
        let (head, body) = request.into_parts();
        let is_https = server.keys().settings().public_url.starts_with("https://");
        let place = Place { is_https, tenant_id: None };
        let tenant_path = tenant.map(|Path(tenant)| tenant);
        let mut read = Self {
            server: Arc::clone(server),
            query: head.uri.query().unwrap_or_default().to_owned(),
            body: None,
            prefix: match head.extensions.get() {
                Some(Prefix(prefix)) => prefix.clone(),
                None => tenant_path.clone(),
            },
            tenant_path,
            peer: head.extensions.get::<PeerAddress>().map(|peer| peer.0),
            request_id: head.extensions.get::<RequestId>().map(|id| id.0.clone()),
            step,
            is_https,
            place,
            session: None,
            login: None,
            browser: Cookie::Browser.find(&head.headers, place),
            outcome: Cookie::Outcome.find(&head.headers, place),
            form_origin: FormOrigin::Foreign,
            origin: None,
            method: head.method,
            headers: head.headers,
        };
        let own = read.own_origins();
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        let is_cross_site = forgery::is_cross_site(&read.headers, &own);
        read.origin = read.foreign_origin(&own);
        if read.method == Method::POST {
            if !super::sent::is_form(&read.headers) {
                return Err(read.refuse("The Content-Type is not application/x-www-form-urlencoded."));
            }
            let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
                return Err(with_status(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    read.refuse("The body is longer than 64 KiB or ended early."),
                ));
            };
            read.body = Some(body);
        }
        read.find_tenant(head.uri.path()).await;
        if let Some(body) = read.body.as_ref().filter(|_| !is_cross_site) {
            read.form_origin = read.proof().origin(body, read.tie(), server.clock().now());
        }
        // Our pages send no referrer, and browsers that say nothing better say `null` of their forms.
        if read.form_origin != FormOrigin::Foreign && read.origin.as_deref() == Some("null") {
            read.origin = None;
        }
        Ok(read)
    }

    /// Which tenant's cookies count. When nobody knows whose page it is, an error follows, and none matters.
    async fn find_tenant(&mut self, path: &str) {
        let default = self.server.keys().issuer(None).map(|issuer| issuer.tenant.id);
        let tenant_id = self.server.tenant_of_page(&self.request(), path).await;
        self.place.tenant_id = tenant_id.filter(|id| Some(*id) != default);
        self.session = Cookie::Session.find(&self.headers, self.place);
        self.login = Cookie::Login.find(&self.headers, self.place);
    }

    /// The same for the protocol.
    pub(super) fn request(&self) -> BrowserRequest<'_> {
        BrowserRequest {
            step: self.step,
            query: self.query.as_bytes(),
            form: self.body.as_deref(),
            form_origin: self.form_origin,
            prefix: self.prefix.as_deref(),
            tenant_path: self.tenant_path.as_deref(),
            tenant_header: self.headers.get("x-fusionauth-tenantid").map(AsRef::as_ref),
            session: self.session.as_deref(),
            interaction: self.login.as_deref(),
            outcome: self.outcome.as_deref(),
            origin: self.origin.as_deref(),
            peer: self.peer,
            user_agent: self.text(header::USER_AGENT.as_str()),
            wants_page: self.text(header::ACCEPT.as_str()).is_some_and(|accept| accept.contains("text/html")),
        }
    }

    /// The page that ends a circle, if the browser is in one.
    pub(super) fn circle(&self) -> Option<Response> {
        if !self.rounds()?.is_circle() {
            return None;
        }
        let mut response = show::circle(self);
        // Whoever loads it again may go on.
        Cookie::Rounds.remove(response.headers_mut(), self.place);
        Some(response)
    }

    fn rounds(&self) -> Option<Rounds> {
        if self.method != Method::GET || !rounds::is_automatic(&self.headers) {
            return None;
        }
        let cookie = Cookie::Rounds.find(&self.headers, self.place);
        Some(Rounds::read(cookie.as_deref(), &rounds::client(&self.query), self.server.clock().now()))
    }

    /// Writes what the protocol answered. `endpoint` is for those who count.
    pub(super) fn respond(&self, endpoint: &'static str, reply: Reply) -> Response {
        let round = match self.form_origin {
            FormOrigin::NoCookies => forgery::round(self.body.as_deref().unwrap_or_default()) + 1,
            FormOrigin::Own | FormOrigin::Stale | FormOrigin::Foreign => 0,
        };
        let mut response = match reply.next {
            _ if round >= forgery::MOST_ROUNDS => show::no_cookies(self),
            Next::Redirect(to) => {
                let mut response = self.redirect(&to);
                if let Some(rounds) = self.rounds().filter(|_| !to.starts_with('/')) {
                    let rounds = Secret::new(rounds.next());
                    Cookie::Rounds.set(response.headers_mut(), self.place, &rounds, Some(60));
                }
                response
            }
            Next::FormPost { action, fields, context } => show::form_post(self, &action, &fields, &context),
            Next::Message { origin, fields, context } => show::message(self, &origin, &fields, &context),
            Next::File { name, content } => respond::file(name, &content),
            Next::Page(page, context) => {
                // A form that is shown after a login belongs to the new session.
                let session = match &reply.kept.session {
                    Keep::AsItIs => self.session.as_deref(),
                    Keep::Set(session, _) => Some(session.expose().as_str()),
                    Keep::Remove => None,
                };
                let made =
                    (self.browser.is_none() && page.has_form()).then(|| Secret::new(self.server.entropy().token(16)));
                let browser = self.browser.as_deref().or(made.as_ref().map(|made| made.expose().as_str()));
                let forgery = self.proof().make(Tie { browser, session }, self.server.clock().now(), round);
                let mut response = show::page(self, endpoint, (&page, &context), &forgery);
                if let Some(made) = made {
                    Cookie::Browser.set(response.headers_mut(), self.place, &made, None);
                }
                response
            }
        };
        if reply.keeps_opener {
            pages::keep_opener(response.headers_mut());
        }
        if let Some(profile) = reply.issues {
            let issued = Some(Issued { grant_type: "implicit", profile: profile.as_str() });
            response.extensions_mut().insert(Outcome { endpoint, error: None, issued });
        }
        cookies::write(response.headers_mut(), self.place, &reply.kept);
        if let Some(outcome) = reply.outcome {
            Cookie::Outcome.set(response.headers_mut(), self.place, &Secret::new(outcome), Some(OUTCOME_FOR));
        }
        response
    }

    pub(super) fn server(&self) -> &AuthorizationServer {
        &self.server
    }

    pub(super) fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    pub(super) fn accept_language(&self) -> Option<&str> {
        self.text(header::ACCEPT_LANGUAGE.as_str())
    }

    /// D19: whether a program asks.
    pub(super) fn prefers_json(&self) -> bool {
        let accept = self.text(header::ACCEPT.as_str()).unwrap_or_default();
        accept.contains("application/json") && !accept.contains("text/html")
    }

    /// A5: after a POST the browser goes on with GET, and sends nobody our form.
    fn redirect(&self, to: &str) -> Response {
        let status = if self.method == Method::POST { StatusCode::SEE_OTHER } else { StatusCode::FOUND };
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        match HeaderValue::try_from(to) {
            Ok(to) => {
                response.headers_mut().insert(header::LOCATION, to);
                pages::harden(response, pages::FormAction::Nowhere)
            }
            Err(_) => self.refuse("The address to go on to is not one."),
        }
    }

    /// Why the request cannot be answered: a page, or JSON where a program asks.
    pub(super) fn explain(&self, endpoint: &'static str, error: OAuthError) -> Response {
        show::page(self, endpoint, (&Page::Error(error), &Context::default()), "")
    }

    fn refuse(&self, description: &'static str) -> Response {
        let error = OAuthError::new(ErrorCode::InvalidRequest, ErrorReason::Unknown, description);
        self.explain("page", error)
    }

    fn proof(&self) -> Proof {
        Proof::new(&self.server.keys().derived_key(b"faregate forms"))
    }

    fn tie(&self) -> Tie<'_> {
        Tie { browser: self.browser.as_deref(), session: self.session.as_deref() }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Ours are the public URL, and what the browser itself says it is talking to.
    fn own_origins(&self) -> Vec<String> {
        let public = self.server.keys().settings().public_url.clone();
        let host = self.text(header::HOST.as_str()).map(str::to_ascii_lowercase);
        let host = host.into_iter().flat_map(|host| [format!("https://{host}"), format!("http://{host}")]);
        std::iter::once(public).chain(host).collect()
    }

    /// The origin from which another site's page sent the browser: `Origin`, else that of `Referer` (F-023).
    fn foreign_origin(&self, own: &[&str]) -> Option<String> {
        if self.text("sec-fetch-site") == Some("same-origin") {
            return None;
        }
        let said = self.text(header::ORIGIN.as_str()).map(str::to_owned);
        let origin = said.or_else(|| self.text(header::REFERER.as_str()).and_then(origin_of));
        origin.filter(|origin| !own.contains(&origin.as_str()))
    }
}

fn origin_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next().filter(|authority| !authority.is_empty())?;
    Some(format!("{scheme}://{authority}"))
}

fn with_status(status: StatusCode, mut response: Response) -> Response {
    *response.status_mut() = status;
    response
}
