//! What Prometheus is told.
//!
//! Owns names and labels; every label is bounded by the configuration or by an enum (rule O7). Nobody's name, token or
//! path is ever a label.

mod reading;
mod upstreams;

use std::sync::OnceLock;
use std::time::SystemTime;

use prometheus::core::Collector;
use prometheus::{
    Encoder as _, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};

pub use reading::{Distribution, Estimate, Reading};
pub use upstreams::UpstreamMetrics;

/// Seconds; a proxied request takes milliseconds, a stuck one the timeout of its route.
const BUCKETS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// All metrics of a process. Cheap handles are taken out once, at start.
pub struct Metrics {
    registry: Registry,
    decisions: IntCounterVec,
    request_duration: HistogramVec,
    upstream_duration: HistogramVec,
    pub panics: IntCounter,
    pub refused_headers: IntCounterVec,
    pub upstream_errors: IntCounterVec,
    pub token_cache_hits: IntCounter,
    pub token_cache_misses: IntCounter,
    pub token_cache_evictions: IntCounter,
    pub token_cache_entries: IntGauge,
    pub tokens_issued: IntCounterVec,
    pub oauth_errors: IntCounterVec,
    pub token_reuse: IntCounterVec,
    pub jwks_fetches: IntCounterVec,
    pub jwks_age: IntGaugeVec,
    pub introspections: IntCounterVec,
    pub introspection_duration: HistogramVec,
    pub introspections_coalesced: IntCounterVec,
    pub logout_tokens: IntCounterVec,
    pub revocation_lag: Histogram,
    pub rate_limited: IntCounterVec,
    pub rate_limit_evictions: IntCounter,
    pub shed: IntCounterVec,
    pub scheduling_delay: Gauge,
    pub logins: IntCounterVec,
    pub browser_logins: IntCounterVec,
    pub session_renewals: IntCounterVec,
    pub open_connections: IntGauge,
    pub healthy_servers: IntGaugeVec,
    pub healthy_server: IntGaugeVec,
    pub upstream_requests: IntGaugeVec,
    pub upstream_waiting: IntGaugeVec,
    pub ejected_server: IntGaugeVec,
    pub server_requests: IntGaugeVec,
    pub introspection_circuit_open: IntGaugeVec,
    pub password_hashes: IntGaugeVec,
    pub change_feed_age: Gauge,
    pub signing_key_age: IntGaugeVec,
    pub signing_key_successors: IntGaugeVec,
    pub certificate_expiry: IntGaugeVec,
    ejections: IntCounterVec,
    retries: IntCounterVec,
    pub insecure_upstreams: IntGauge,
    pub store_up: IntGauge,
    pub spans: IntCounterVec,
    pub config_reloads: IntCounterVec,
    pub config_last_reload_successful: IntGauge,
    config_last_success: IntGauge,
    config_info: IntGaugeVec,
}

/// The handles of one route.
pub struct RouteMetrics {
    label: Box<str>,
    decisions: IntCounterVec,
    permits: IntCounter,
    durations: Durations,
}

impl RouteMetrics {
    pub fn permitted(&self) {
        self.permits.inc();
    }

    /// Counts a refusal; `reason` comes from one of our enums.
    pub fn denied(&self, reason: &'static str) {
        self.decisions.with_label_values(&[&*self.label, "deny", reason]).inc();
    }

    /// Counts a request that passed only because its route observes.
    pub fn observed(&self, reason: &'static str) {
        self.decisions.with_label_values(&[&*self.label, "observe", reason]).inc();
    }

    pub fn durations(&self) -> &Durations {
        &self.durations
    }
}

/// How long the answers under one label took.
pub struct Durations {
    label: Box<str>,
    all: HistogramVec,
    /// Answers with status 200, by far the most frequent.
    ok: OnceLock<Histogram>,
}

impl Durations {
    /// Observes an answer: `seconds` from the first byte of the request to the last of the answer.
    pub fn answered(&self, status: u16, seconds: f64) {
        if status == 200 {
            self.ok.get_or_init(|| self.all.with_label_values(&[&*self.label, "200"])).observe(seconds);
        } else {
            self.all.with_label_values(&[&*self.label, code(status)]).observe(seconds);
        }
    }
}

/// The label of a status. An upstream may answer any number, so unusual ones share a label.
fn code(status: u16) -> &'static str {
    match status {
        101 => "101",
        200 => "200",
        201 => "201",
        202 => "202",
        204 => "204",
        206 => "206",
        301 => "301",
        302 => "302",
        303 => "303",
        304 => "304",
        307 => "307",
        308 => "308",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        405 => "405",
        408 => "408",
        409 => "409",
        410 => "410",
        413 => "413",
        414 => "414",
        415 => "415",
        421 => "421",
        422 => "422",
        429 => "429",
        431 => "431",
        500 => "500",
        501 => "501",
        502 => "502",
        503 => "503",
        504 => "504",
        0 => "none",
        other => match other / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        },
    }
}

impl Metrics {
    /// # Panics
    /// Never: every name below is valid and registered once.
    #[expect(clippy::expect_used, reason = "names are constants, and a test makes them all")]
    pub fn new() -> Self {
        let registry = Registry::new_custom(Some("faregate".into()), None).expect("a valid prefix");
        let register = Registering(&registry);
        Self {
            decisions: register.counters(
                "decisions_total",
                "Decisions on requests to routes.",
                &["route", "decision", "reason"],
            ),
            request_duration: register.histograms(
                "request_duration_seconds",
                "From request to answered.",
                &["route", "code"],
            ),
            upstream_duration: register.histograms(
                "upstream_duration_seconds",
                "From forwarded to the answer's header.",
                &["upstream"],
            ),
            panics: register.counter("panics_total", "Requests that a bug of the gateway refused."),
            refused_headers: register.counters(
                "refused_headers_total",
                "Header blocks refused before they were requests.",
                &["reason"],
            ),
            upstream_errors: register.counters(
                "upstream_errors_total",
                "Requests that an upstream failed.",
                &["upstream", "reason"],
            ),
            token_cache_hits: register
                .counter("token_cache_hits_total", "Tokens found in the cache of verified tokens."),
            token_cache_misses: register.counter("token_cache_misses_total", "Tokens that had to be verified."),
            token_cache_evictions: register.counter("token_cache_evictions_total", "Tokens dropped for lack of room."),
            token_cache_entries: register.gauge("token_cache_entries", "Tokens in the cache."),
            tokens_issued: register.counters(
                "tokens_issued_total",
                "Access tokens issued.",
                &["grant_type", "profile"],
            ),
            oauth_errors: register.counters(
                "oauth_errors_total",
                "Errors answered by OAuth endpoints.",
                &["endpoint", "error"],
            ),
            token_reuse: register.counters(
                "token_reuse_total",
                "Refresh tokens and codes presented again after they were used up.",
                &["kind"],
            ),
            jwks_fetches: register.counters(
                "jwks_fetch_total",
                "Attempts to fetch the key set of a foreign issuer.",
                &["issuer", "result"],
            ),
            jwks_age: register.gauges(
                "jwks_age_seconds",
                "Since the keys of a foreign issuer were fetched.",
                &["issuer"],
            ),
            introspections: register.counters(
                "introspection_requests_total",
                "Questions to foreign issuers whether a token is active.",
                &["issuer", "result"],
            ),
            introspection_duration: register.histograms(
                "introspection_duration_seconds",
                "From such a question to its answer.",
                &["issuer"],
            ),
            introspections_coalesced: register.counters(
                "introspection_coalesced_total",
                "Requests that waited for a question that was under way.",
                &["issuer"],
            ),
            logout_tokens: register.counters(
                "logout_tokens_total",
                "Logout tokens that foreign issuers sent.",
                &["issuer", "result"],
            ),
            revocation_lag: register
                .histogram("revocation_lag_seconds", "From a revocation elsewhere to its being known here."),
            rate_limited: register.counters(
                "rate_limited_total",
                "Requests beyond a rate limit of a route.",
                &["route", "limit"],
            ),
            rate_limit_evictions: register
                .counter("rate_limit_evictions_total", "Counters of rate limits dropped for lack of room."),
            shed: register.counters(
                "shed_total",
                "Requests and connections refused because the process is short of something.",
                &["what", "reason"],
            ),
            scheduling_delay: register
                .register(Gauge::new("scheduling_delay_seconds", "How long what could go on waits for a processor.")),
            logins: register.counters(
                "login_total",
                "Attempts of people to prove who they are here, by how they ended.",
                &["result"],
            ),
            browser_logins: register.counters(
                "browser_logins_total",
                "Logins of people at routes, as far as they came.",
                &["login", "result"],
            ),
            session_renewals: register.counters(
                "session_renewals_total",
                "Attempts to renew the tokens of a browser's session.",
                &["login", "result"],
            ),
            open_connections: register.gauge("open_connections", "Client connections open now."),
            healthy_servers: register.gauges(
                "upstream_healthy_servers",
                "Servers of an upstream that requests may go to.",
                &["upstream"],
            ),
            healthy_server: register.gauges(
                "upstream_healthy",
                "1 for a server that requests may go to.",
                &["upstream", "server"],
            ),
            upstream_requests: register.gauges(
                "upstream_in_flight",
                "Requests that an upstream has now.",
                &["upstream"],
            ),
            upstream_waiting: register.gauges(
                "upstream_waiting",
                "Requests that wait for a place at an upstream.",
                &["upstream"],
            ),
            ejected_server: register.gauges(
                "upstream_ejected",
                "1 for a server that is ejected for the requests that it failed.",
                &["upstream", "server"],
            ),
            server_requests: register.gauges(
                "upstream_server_in_flight",
                "Requests that a server has now.",
                &["upstream", "server"],
            ),
            introspection_circuit_open: register.gauges(
                "introspection_circuit_open",
                "1 while a foreign issuer is spared questions because it does not answer them.",
                &["issuer"],
            ),
            password_hashes: register.gauges(
                "password_hashes",
                "Passwords that are being hashed, and those that wait for it.",
                &["state"],
            ),
            change_feed_age: register.register(Gauge::new(
                "change_feed_age_seconds",
                "Since the store last answered what other nodes have changed; -1 before the first answer.",
            )),
            signing_key_age: register.gauges(
                "signing_key_age_seconds",
                "How long the oldest key that signs has signed.",
                &["purpose"],
            ),
            signing_key_successors: register.gauges(
                "signing_key_successors",
                "Keys that are published and will take the place of one that signs.",
                &["purpose"],
            ),
            certificate_expiry: register.gauges(
                "certificate_expiry_timestamp_seconds",
                "When the certificate of a listener ends.",
                &["listener"],
            ),
            ejections: register.counters(
                "upstream_ejections_total",
                "Servers that failed too many requests in a row and got none for a while.",
                &["upstream", "server"],
            ),
            retries: register.counters("upstream_retries_total", "Requests that were sent once more.", &["upstream"]),
            insecure_upstreams: register.gauge("insecure_upstreams", "Upstreams whose certificates are not checked."),
            spans: register.counters("spans_total", "Spans of traced requests, by what became of them.", &["result"]),
            store_up: register.gauge("store_up", "1 when the store answered the last time it was asked."),
            config_reloads: register.counters(
                "config_reloads_total",
                "Attempts to change the running configuration.",
                &["result"],
            ),
            config_last_reload_successful: register
                .gauge("config_last_reload_successful", "0 when the last new configuration was refused."),
            config_last_success: register
                .gauge("config_last_reload_success_timestamp_seconds", "When the running configuration was applied."),
            config_info: register.gauges("config_info", "1 for the running configuration.", &["hash"]),
            registry,
        }
    }

    /// The handles of the route called `label`.
    pub fn route(&self, label: &str) -> RouteMetrics {
        RouteMetrics {
            label: label.into(),
            permits: self.decisions.with_label_values(&[label, "permit", ""]),
            decisions: self.decisions.clone(),
            durations: self.durations(label),
        }
    }

    /// The handles of paths that are not decided on, such as our own.
    pub fn durations(&self, label: &str) -> Durations {
        Durations { label: label.into(), all: self.request_duration.clone(), ok: OnceLock::new() }
    }

    pub fn upstream(&self, name: &str) -> Histogram {
        self.upstream_duration.with_label_values(&[name])
    }

    /// The handles of an upstream with these servers, for what is counted where it happens.
    pub fn servers<'a>(&self, upstream: &str, servers: impl Iterator<Item = &'a str>) -> UpstreamMetrics {
        let ejections: Vec<_> = servers.map(|server| self.ejections.with_label_values(&[upstream, server])).collect();
        let retries = (!ejections.is_empty()).then(|| self.retries.with_label_values(&[upstream]));
        UpstreamMetrics::new(ejections, retries)
    }

    /// Names the configuration that runs since `at`; an earlier one disappears.
    pub fn configuration_applied(&self, hash: &str, at: SystemTime) {
        self.config_info.reset();
        self.config_info.with_label_values(&[hash]).set(1);
        self.config_last_reload_successful.set(1);
        let seconds = at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.config_last_success.set(i64::try_from(seconds).unwrap_or(i64::MAX));
    }

    /// Everything at this moment, for somebody who shows it to people.
    pub fn read(&self) -> Reading {
        Reading::new(self.registry.gather())
    }

    /// Everything in the text format, process metrics included.
    pub fn render(&self) -> Vec<u8> {
        let mut families = self.registry.gather();
        families.extend(process_collector().collect());
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&families, &mut text) {
            tracing::error!(error = %error, "metrics cannot be rendered");
        }
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn process_collector() -> &'static prometheus::process_collector::ProcessCollector {
    static PROCESS: OnceLock<prometheus::process_collector::ProcessCollector> = OnceLock::new();
    PROCESS.get_or_init(prometheus::process_collector::ProcessCollector::for_self)
}

struct Registering<'a>(&'a Registry);

#[expect(clippy::expect_used, reason = "names are constants, and a test makes them all")]
impl Registering<'_> {
    fn register<C: Collector + Clone + 'static>(&self, metric: prometheus::Result<C>) -> C {
        let metric = metric.expect("a valid name and help");
        self.0.register(Box::new(metric.clone())).expect("a name of its own");
        metric
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::new(name, help))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.register(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::new(name, help))
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    fn histogram(&self, name: &str, help: &str) -> Histogram {
        let metric = Histogram::with_opts(HistogramOpts::new(name, help).buckets(BUCKETS.into()));
        self.register(metric)
    }

    fn histograms(&self, name: &str, help: &str, labels: &[&str]) -> HistogramVec {
        self.register(HistogramVec::new(HistogramOpts::new(name, help).buckets(BUCKETS.into()), labels))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    // O7
    #[test]
    fn metrics_have_our_prefix_and_bounded_labels() {
        let metrics = Metrics::new();
        let route = metrics.route("/api/**");
        route.permitted();
        route.denied("missing_scope");
        route.durations().answered(200, 0.001);
        route.durations().answered(999, 0.001);
        metrics.configuration_applied("abc", SystemTime::UNIX_EPOCH);
        metrics.configuration_applied("def", SystemTime::UNIX_EPOCH + Duration::from_secs(7));
        let text = String::from_utf8(metrics.render()).unwrap();
        for line in [
            r#"faregate_decisions_total{decision="permit",reason="",route="/api/**"} 1"#,
            r#"faregate_decisions_total{decision="deny",reason="missing_scope",route="/api/**"} 1"#,
            r#"faregate_request_duration_seconds_count{code="5xx",route="/api/**"} 1"#,
            r#"faregate_config_info{hash="def"} 1"#,
            "faregate_config_last_reload_success_timestamp_seconds 7",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains(r#"hash="abc""#));
        assert!(text.contains("process_resident_memory_bytes"));
    }
}
