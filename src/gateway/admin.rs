//! The admin listener: metrics, health and status, never on a public address by default (rules K12, O8).
//!
//! Owns these few paths and passes the management API on. It shows no secret.

mod dashboard;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use bytes::BytesMut;
use http::{Method, Request, Response, StatusCode, header};
use pingora::apps::http_app::{HttpServer, ServeHttp};
use pingora::protocols::http::ServerSession;
use serde_json::{Value, json};
use tokio::runtime::Handle;

pub use dashboard::{Asked, Memory, Overview, Pages, Remembered};
use dashboard::{DASHBOARD, wants_html};

use super::upstream::ServerStatus;
use super::{Census, Current, Endpoints, Upstream};
use crate::enforce::{CircuitReport, KeyReport};
use crate::metrics::Metrics;

/// What the admin listener tells of.
pub struct Admin {
    pub current: Arc<Current>,
    pub census: Arc<Census>,
    /// Whether the store answered the last time it was asked.
    pub store_up: Arc<AtomicBool>,
    pub started: Instant,
    /// Where endpoints run: the store's connections belong to it. The listener has a runtime of its own.
    pub runtime: Handle,
    /// How the last reload ended.
    pub last_reload: Box<dyn Fn() -> Value + Send + Sync>,
    /// Asked for `/reload`.
    pub reload: Endpoints,
    /// Held by whoever is told of metrics.
    pub scraping: Mutex<()>,
    /// How it goes with what the gateway does not know.
    pub vitals: Box<dyn Fn() -> Vitals + Send + Sync>,
    /// Asked for `/dashboard` and what is below it.
    pub pages: Pages,
}

/// How it goes with the parts behind the gateway.
pub struct Vitals {
    pub passwords_running: usize,
    pub passwords_waiting: usize,
    /// How many there may be of both.
    pub password_places: usize,
    /// Since the store last answered what others have changed; `None`: not yet.
    pub changes_read_ago: Option<Duration>,
    pub keys: Vec<KeyInUse>,
}

/// A key that signs.
pub struct KeyInUse {
    pub tenant: String,
    pub purpose: &'static str,
    pub kid: String,
    /// Since when, in seconds.
    pub signs_for: i64,
    /// What signs after it and in how many seconds, if a rotation is under way.
    pub next: Option<(String, i64)>,
}

/// The part of a gateway that only this listener shows.
pub struct Administered {
    pub configuration: Configuration,
    /// Of the listeners that speak TLS, by their URLs: when theirs ends, in Unix seconds.
    pub certificates: Vec<(String, i64)>,
    pub upstreams: Vec<Arc<Upstream>>,
    /// Asked for everything below `/api/`.
    pub management: Endpoints,
    /// Asked for `/revocations`.
    pub revocations: Endpoints,
}

/// Largest body of a request to the management API, in bytes.
const MOST_BODY: usize = 1024 * 1024;

/// The running configuration, for people who wonder which one it is.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// The file, or what stands in for one.
    pub source: String,
    pub hash: String,
    pub listeners: Vec<String>,
    pub issuers: Vec<String>,
    pub routes: usize,
}

impl Admin {
    /// The application that a listener serves.
    pub fn app(self) -> HttpServer<Self> {
        HttpServer::new_app(self)
    }

    pub(super) fn metrics(&self) -> Arc<Metrics> {
        self.current.load().metrics.clone()
    }

    /// One at a time: gauges are emptied and filled for each.
    fn scrape(&self) -> Vec<u8> {
        let _one = self.scraping.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh();
        self.metrics().render()
    }

    fn refresh(&self) {
        let gateway = self.current.load();
        let counts = gateway.enforcer.cache_counts();
        let metrics = &gateway.metrics;
        catch_up(&metrics.token_cache_hits, counts.hits);
        catch_up(&metrics.token_cache_misses, counts.misses);
        catch_up(&metrics.token_cache_evictions, counts.evictions);
        metrics.token_cache_entries.set(i64::try_from(counts.tokens).unwrap_or(i64::MAX));
        metrics.open_connections.set(i64::try_from(self.census.open()).unwrap_or(i64::MAX));
        catch_up(&metrics.rate_limit_evictions, gateway.quotas.evictions());
        metrics.store_up.set(i64::from(self.store_is_up()));
        for (issuer, age) in gateway.enforcer.ages_of_keys() {
            metrics.jwks_age.with_label_values(&[issuer]).set(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        }
        // Servers of an earlier configuration disappear.
        for gauges in [
            &metrics.healthy_server,
            &metrics.upstream_requests,
            &metrics.upstream_waiting,
            &metrics.ejected_server,
            &metrics.server_requests,
            &metrics.introspection_circuit_open,
            &metrics.certificate_expiry,
        ] {
            gauges.reset();
        }
        for circuit in gateway.enforcer.introspection_circuits() {
            let gauge = metrics.introspection_circuit_open.with_label_values(&[&circuit.issuer]);
            gauge.set(i64::from(circuit.is_open));
        }
        for (listener, ends_at) in &gateway.administered.certificates {
            metrics.certificate_expiry.with_label_values(&[listener]).set(*ends_at);
        }
        (self.vitals)().show(metrics);
        for upstream in &gateway.administered.upstreams {
            let name = upstream.name();
            let healthy = i64::try_from(upstream.healthy()).unwrap_or(i64::MAX);
            metrics.healthy_servers.with_label_values(&[name]).set(healthy);
            metrics.upstream_requests.with_label_values(&[name]).set(i64::from(upstream.in_flight()));
            metrics.upstream_waiting.with_label_values(&[name]).set(i64::from(upstream.waiting()));
            for server in upstream.status() {
                let gauge = metrics.healthy_server.with_label_values(&[name, server.server]);
                gauge.set(i64::from(server.is_healthy && !server.is_ejected));
                let labels = [name, server.server];
                metrics.ejected_server.with_label_values(&labels).set(i64::from(server.is_ejected));
                metrics.server_requests.with_label_values(&labels).set(i64::from(server.in_flight));
            }
        }
    }

    async fn pass_on(&self, endpoints: &Endpoints, session: &mut ServerSession) -> Response<Vec<u8>> {
        let mut body = BytesMut::new();
        loop {
            match session.read_request_body().await {
                Ok(Some(piece)) if body.len() + piece.len() <= MOST_BODY => body.extend_from_slice(&piece),
                Ok(None) => break,
                Ok(Some(_)) => {
                    session.set_keepalive(None);
                    return answer(
                        StatusCode::PAYLOAD_TOO_LARGE,
                        "text/plain",
                        b"the body is larger than 1 MiB\n".to_vec(),
                    );
                }
                Err(_) => {
                    session.set_keepalive(None);
                    return answer(StatusCode::BAD_REQUEST, "text/plain", b"the body ended early\n".to_vec());
                }
            }
        }
        let head = session.req_header();
        let mut request = Request::new(body.freeze());
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = head.uri.clone();
        *request.headers_mut() = head.headers.clone();
        let Ok(answered) = self.runtime.spawn(endpoints(request)).await else {
            return answer(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", b"the request failed\n".to_vec());
        };
        let (mut parts, body) = answered.into_parts();
        parts.headers.insert(header::CONTENT_LENGTH, body.len().into());
        Response::from_parts(parts, body.to_vec())
    }

    fn decision(&self, request_id: &str) -> Response<Vec<u8>> {
        match self.current.load().decisions.find(request_id) {
            Some(line) => answer(StatusCode::OK, "application/json", line.into_bytes()),
            None => {
                let kept = self.current.load().decisions.kept();
                let age = kept.oldest_at.map(|oldest_at| oldest_at.elapsed().unwrap_or_default().as_secs());
                let problem = "not among the last decisions";
                let document = json!({ "problem": problem, "kept": kept.lines, "oldest_seconds_ago": age });
                json_answer(StatusCode::NOT_FOUND, &document)
            }
        }
    }

    fn store_is_up(&self) -> bool {
        self.store_up.load(Ordering::Relaxed)
    }

    /// A node that cannot reach its store still serves guarded routes, but it issues no tokens and misses changes.
    fn readiness(&self) -> (StatusCode, Value) {
        if self.store_is_up() {
            (StatusCode::OK, json!({ "status": "ready" }))
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, json!({ "status": "degraded", "degraded": ["store"] }))
        }
    }

    fn status(&self) -> Value {
        let gateway = self.current.load();
        let Administered { configuration, upstreams, certificates, .. } = &gateway.administered;
        let vitals = (self.vitals)();
        let counts = gateway.enforcer.cache_counts();
        let upstreams: Vec<Value> = upstreams
            .iter()
            .map(|upstream| {
                let servers: Vec<Value> = upstream.status().map(|server| described(&server)).collect();
                json!({
                    "name": upstream.name(),
                    "servers": servers,
                    "healthy": upstream.healthy(),
                    "in_flight": upstream.in_flight(),
                    "waiting": upstream.waiting(),
                })
            })
            .collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "uptime_seconds": self.started.elapsed().as_secs(),
            "configuration": {
                "source": configuration.source,
                "hash": configuration.hash,
                "listeners": configuration.listeners,
                "issuers": configuration.issuers,
                "routes": configuration.routes,
            },
            "last_reload": (self.last_reload)(),
            "store": if self.store_is_up() { "up" } else { "down" },
            "connections": self.census.open(),
            "token_cache": { "hits": counts.hits, "misses": counts.misses, "evictions": counts.evictions, "tokens": counts.tokens },
            "key_sets": gateway.enforcer.key_reports().map(key_set).collect::<Vec<_>>(),
            "upstreams": upstreams,
            "introspection": gateway.enforcer.introspection_circuits().map(circuit).collect::<Vec<_>>(),
            "password_hashing": {
                "running": vitals.passwords_running,
                "waiting": vitals.passwords_waiting,
                "places": vitals.password_places,
            },
            "change_feed": { "read_seconds_ago": vitals.changes_read_ago.map(|ago| ago.as_secs_f64()) },
            "signing_keys": vitals.keys.iter().map(KeyInUse::describe).collect::<Vec<_>>(),
            "certificates": certificates.iter().map(certificate).collect::<Vec<_>>(),
        })
    }
}

impl Vitals {
    fn show(&self, metrics: &Metrics) {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        metrics.password_hashes.with_label_values(&["running"]).set(count(self.passwords_running));
        metrics.password_hashes.with_label_values(&["waiting"]).set(count(self.passwords_waiting));
        metrics.change_feed_age.set(self.changes_read_ago.map_or(-1.0, |ago| ago.as_secs_f64()));
        // Tenants come and go, so they are no label.
        metrics.signing_key_age.reset();
        metrics.signing_key_successors.reset();
        for key in &self.keys {
            let age = metrics.signing_key_age.with_label_values(&[key.purpose]);
            age.set(age.get().max(key.signs_for));
            metrics.signing_key_successors.with_label_values(&[key.purpose]).add(i64::from(key.next.is_some()));
        }
    }
}

impl KeyInUse {
    fn describe(&self) -> Value {
        json!({
            "tenant": self.tenant,
            "purpose": self.purpose,
            "kid": self.kid,
            "signs_for_seconds": self.signs_for,
            "next": self.next.as_ref().map(|(kid, wait)| json!({ "kid": kid, "signs_in_seconds": wait })),
        })
    }
}

fn circuit(report: CircuitReport) -> Value {
    let state = if report.is_open { "open" } else { "closed" };
    json!({ "issuer": report.issuer, "circuit": state, "failures": report.failures, "last_failure": report.last_failure })
}

fn certificate((listener, ends_at): &(String, i64)) -> Value {
    let since = Duration::from_secs(u64::try_from(*ends_at).unwrap_or_default());
    let at = SystemTime::UNIX_EPOCH.checked_add(since).map(humantime::format_rfc3339_seconds);
    json!({ "listener": listener, "ends_at": at.map(|at| at.to_string()) })
}

/// Of somebody else's issuer.
fn key_set(report: KeyReport) -> Value {
    let mut document = json!({ "issuer": report.issuer, "state": report.state(), "kids": report.kids });
    if let Some(fetching) = report.fetching {
        document["fetched_seconds_ago"] = fetching.fetched.map(|ago| ago.as_secs()).into();
        document["next_fetch_in_seconds"] = fetching.next.map(|wait| wait.as_secs()).into();
        document["last_error"] = fetching
            .last_error
            .map(|(ago, problem)| json!({ "seconds_ago": ago.as_secs(), "problem": problem }))
            .into();
    }
    document
}

fn described(server: &ServerStatus<'_>) -> Value {
    let state = match (server.is_healthy, server.is_ejected) {
        (true, false) => "healthy",
        (true, true) => "ejected",
        (false, _) if !server.is_resolved => "unresolved",
        (false, _) => "unhealthy",
    };
    json!({
        "server": server.server,
        "state": state,
        "circuit": server.circuit.as_str(),
        "in_flight": server.in_flight,
    })
}

/// The hot path counts in plain atomics; Prometheus learns of it when it asks.
fn catch_up(counter: &prometheus::IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        if session.req_header().uri.path().starts_with("/api/") {
            let management = self.current.load().administered.management.clone();
            return self.pass_on(&management, session).await;
        }
        if session.req_header().uri.path() == "/revocations" {
            let revocations = self.current.load().administered.revocations.clone();
            return self.pass_on(&revocations, session).await;
        }
        if session.req_header().uri.path() == "/reload" {
            return self.pass_on(&self.reload, session).await;
        }
        let header = session.req_header();
        if header.method != Method::GET && header.method != Method::HEAD {
            return answer(StatusCode::METHOD_NOT_ALLOWED, "text/plain", b"only GET here\n".to_vec());
        }
        if let Some(rest) =
            header.uri.path().strip_prefix(DASHBOARD).filter(|rest| rest.is_empty() || rest.starts_with('/'))
        {
            return self.page(rest, &header.headers).await;
        }
        match header.uri.path() {
            "/" if wants_html(&header.headers) => see_other(DASHBOARD),
            "/metrics" => answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", self.scrape()),
            "/healthz" => answer(StatusCode::OK, "text/plain", b"ok\n".to_vec()),
            "/readyz" => {
                let (status, document) = self.readiness();
                json_answer(status, &document)
            }
            "/status" => json_answer(StatusCode::OK, &self.status()),
            path => match path.strip_prefix("/decisions/") {
                Some(request_id) => self.decision(request_id),
                None => answer(
                    StatusCode::NOT_FOUND,
                    "text/plain",
                    b"here are /dashboard, /metrics, /healthz, /readyz, /status, /decisions/REQUEST-ID, /revocations and /reload\n"
                        .to_vec(),
                ),
            },
        }
    }
}

fn see_other(path: &'static str) -> Response<Vec<u8>> {
    let mut answer = answer(StatusCode::SEE_OTHER, "text/plain", Vec::new());
    answer.headers_mut().insert(header::LOCATION, http::HeaderValue::from_static(path));
    answer
}

fn json_answer(status: StatusCode, document: &Value) -> Response<Vec<u8>> {
    answer(status, "application/json", format!("{document:#}\n").into_bytes())
}

fn answer(status: StatusCode, media_type: &'static str, body: Vec<u8>) -> Response<Vec<u8>> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let length = answer.body().len();
    answer.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(media_type));
    answer.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    answer
}
