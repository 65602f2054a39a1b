//! The dashboard: what the admin listener collects becomes the pages that `web` shows (UX 24).
//!
//! Owns which number stands where. Every number with a metric is that metric's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::response::Response;
use http::StatusCode;
use http_body_util::BodyExt as _;
use serde_json::Value;

use crate::codes;
use crate::gateway::Answer;
use crate::gateway::admin::{self, Asked, Overview, Remembered};
use crate::metrics::Reading;
use crate::web::pages::{
    self, Dashboard, Decision, DecisionPage, Decisions, Explained, Figure, IssuerHealth, KeyOrCertificate, LastReload,
    Memory, ReasonPage, Refusal, ServerHealth, TokenCacheUse, Traffic, UpstreamHealth,
};

/// Rows of a table that the number of routes, tenants or upstreams would make longer than anybody reads.
const MOST_ROWS: usize = 50;

/// Of many tenants only the first keys are shown.
const MOST_KEYS: usize = 20;

/// What the admin listener answers people with.
pub(super) fn pages() -> admin::Pages {
    Arc::new(|asked| -> Answer {
        Box::pin(async move {
            let (parts, body) = page(asked).await.into_parts();
            // Bodies of ours are in memory already: collecting them cannot fail.
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            http::Response::from_parts(parts, body)
        })
    })
}

async fn page(asked: Asked) -> Response {
    match asked {
        Asked::Overview(overview) => pages::show(StatusCode::OK, &dashboard(&overview)),
        Asked::Decision(remembered) => {
            let page = decision(remembered);
            let status = if page.decision.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
            pages::show(status, &page)
        }
        Asked::Reason(code) => {
            let page = ReasonPage { explained: explained(&code) };
            let status = if page.explained.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
            pages::show(status, &page)
        }
        Asked::Asset(name) => pages::board_asset(&name).await,
    }
}

/// A member as text; empty where there is none.
fn text(document: &Value, pointer: &str) -> String {
    match document.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

fn number(document: &Value, pointer: &str) -> u64 {
    document.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}

fn list<'a>(document: &'a Value, pointer: &str) -> &'a [Value] {
    document.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A number of seconds in larger units.
fn lasting(seconds: i64) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()))
}

/// Counters count in whole numbers, whatever they are told in.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was an unsigned number")]
fn whole(value: f64) -> u64 {
    value.max(0.0) as u64
}

/// The sum of all samples of a metric.
fn total(metrics: &Reading, name: &str) -> Figure {
    Figure::new(whole(metrics.total(name).unwrap_or_default()), &format!("faregate_{name}"), &[])
}

fn dashboard(overview: &Overview) -> Dashboard {
    let Overview { at, status, is_ready, metrics, refusals, memory } = overview;
    let (traffic, more_routes) = traffic(metrics);
    let (upstreams, more_upstreams) = upstreams(status, metrics);
    let (issuers, more_issuers) = issuers(status);
    let (keys, more_keys) = keys(status);
    let reload = status.pointer("/last_reload").filter(|reload| !reload.is_null());
    Dashboard {
        at: humantime::format_rfc3339_seconds(*at).to_string(),
        version: env!("CARGO_PKG_VERSION"),
        uptime: number(status, "/uptime_seconds"),
        is_ready: *is_ready,
        is_store_up: status.pointer("/store").and_then(Value::as_str) == Some("up"),
        source: text(status, "/configuration/source"),
        hash: text(status, "/configuration/hash"),
        routes: number(status, "/configuration/routes"),
        listener: text(status, "/configuration/listeners/0"),
        last_reload: reload.map(|reload| {
            let said = [text(reload, "/summary"), text(reload, "/problem")].concat();
            let is_applied = reload.get("result").and_then(Value::as_str) == Some("applied");
            LastReload { is_applied, at: text(reload, "/at"), said }
        }),
        connections: total(metrics, "open_connections"),
        traffic,
        more_routes,
        decisions: decisions(metrics),
        refusals: refusals.iter().map(refusal).collect(),
        memory: remembers(memory, *at),
        upstreams,
        more_upstreams,
        issuers,
        more_issuers,
        cache: TokenCacheUse {
            tokens: total(metrics, "token_cache_entries"),
            hits: total(metrics, "token_cache_hits_total"),
            misses: total(metrics, "token_cache_misses_total"),
            evictions: total(metrics, "token_cache_evictions_total"),
        },
        keys,
        more_keys,
    }
}

fn remembers(memory: &admin::Memory, now: SystemTime) -> Memory {
    let oldest_at = memory.kept.oldest_at;
    Memory {
        decisions: memory.kept.lines,
        oldest_ago: oldest_at.map(|oldest_at| now.duration_since(oldest_at).unwrap_or_default().as_secs()),
        has_permits: memory.has_permits,
    }
}

/// The busiest first, and how many are left out.
fn traffic(metrics: &Reading) -> (Vec<Traffic>, usize) {
    const METRIC: &str = "faregate_request_duration_seconds_count";
    /// As their columns stand, with how Prometheus selects them.
    const CLASSES: [(&str, &str); 5] =
        [("code=~", "2.."), ("code=~", "3.."), ("code=~", "4.."), ("code=~", "5.."), ("code!~", "[2-5]..")];
    let mut by_class: BTreeMap<&str, [u64; 5]> = BTreeMap::new();
    for ([route, code], durations) in metrics.distributions("request_duration_seconds", ["route", "code"]) {
        let class = ["2", "3", "4", "5"].iter().position(|class| code.starts_with(class)).unwrap_or(4);
        by_class.entry(route).or_default()[class] += durations.count;
    }
    let all = metrics.distributions("request_duration_seconds", ["route"]).into_iter();
    let mut rows: Vec<_> = all.filter(|(_, durations)| durations.count > 0).collect();
    rows.sort_by_key(|(_, durations)| std::cmp::Reverse(durations.count));
    let left_out = rows.len().saturating_sub(MOST_ROWS);
    let row = |([route], durations): ([&str; 1], _)| {
        let counts = by_class.get(route).copied().unwrap_or_default();
        let class = |at: usize| Figure::new(counts[at], METRIC, &[("route=", route), CLASSES[at]]);
        Traffic {
            route: route.to_owned(),
            answers: Figure::new(counts.iter().sum(), METRIC, &[("route=", route)]),
            classes: std::array::from_fn(class),
            durations,
        }
    };
    (rows.into_iter().take(MOST_ROWS).map(row).collect(), left_out)
}

/// The most frequent first.
fn decisions(metrics: &Reading) -> Vec<Decisions> {
    const NAME: &str = "decisions_total";
    let mut most: BTreeMap<[&str; 2], (f64, &str)> = BTreeMap::new();
    for ([decision, reason, route], count) in metrics.by(NAME, ["decision", "reason", "route"]) {
        let of_all = most.entry([decision, reason]).or_default();
        if count > of_all.0 {
            *of_all = (count, route);
        }
    }
    let sums = metrics.by(NAME, ["decision", "reason"]).into_iter();
    let mut rows: Vec<Decisions> = sums
        .filter(|(_, count)| *count > 0.0)
        .map(|(labels, count)| {
            let [decision, reason] = labels;
            let series = [("decision=", decision), ("reason=", reason)];
            let meaning = codes::find(reason).map(|entry| entry.meaning.clone());
            Decisions {
                decision: decision.to_owned(),
                reason: reason.to_owned(),
                meaning: meaning.unwrap_or_default(),
                requests: Figure::new(whole(count), &format!("faregate_{NAME}"), &series),
                most_at: most.get(&labels).map(|(_, route)| (*route).to_owned()).unwrap_or_default(),
            }
        })
        .collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.requests.value));
    rows
}

fn refusal(line: &Value) -> Refusal {
    Refusal {
        time: text(line, "/time"),
        request_id: text(line, "/request_id"),
        method: text(line, "/method"),
        route: text(line, "/route"),
        decision: text(line, "/decision"),
        reason: text(line, "/reason"),
        status: text(line, "/status"),
    }
}

/// The slowest first, and how many are left out.
fn upstreams(status: &Value, metrics: &Reading) -> (Vec<UpstreamHealth>, usize) {
    let durations = metrics.distributions("upstream_duration_seconds", ["upstream"]);
    let sums = |name: &'static str| {
        let values = metrics.by(name, ["upstream"]);
        move |upstream: &str| {
            let value = values.get(&[upstream]).copied().unwrap_or_default();
            Figure::new(whole(value), &format!("faregate_{name}"), &[("upstream=", upstream)])
        }
    };
    let (failed, in_flight, waiting) =
        (sums("upstream_errors_total"), sums("upstream_in_flight"), sums("upstream_waiting"));
    let of_servers = metrics.by("upstream_server_in_flight", ["upstream", "server"]);
    let server = |upstream: &str, server: &Value| {
        let (address, state) = (text(server, "/server"), text(server, "/state"));
        let in_flight = of_servers.get(&[upstream, &*address]).copied().unwrap_or_default();
        let series = [("upstream=", upstream), ("server=", &*address)];
        let in_flight = Figure::new(whole(in_flight), "faregate_upstream_server_in_flight", &series);
        ServerHealth { is_healthy: state == "healthy", circuit: text(server, "/circuit"), address, state, in_flight }
    };
    let upstream = |upstream: &Value| {
        let name = text(upstream, "/name");
        let durations = durations.get(&[&*name]).cloned().unwrap_or_default();
        UpstreamHealth {
            requests: Figure::new(
                durations.count,
                "faregate_upstream_duration_seconds_count",
                &[("upstream=", &*name)],
            ),
            durations,
            failed: failed(&name),
            in_flight: in_flight(&name),
            waiting: waiting(&name),
            servers: list(upstream, "/servers").iter().map(|one| server(&name, one)).collect(),
            name,
        }
    };
    let mut rows: Vec<_> = list(status, "/upstreams").iter().map(upstream).collect();
    let mean = |row: &UpstreamHealth| row.durations.mean().unwrap_or_default();
    rows.sort_by(|one, other| mean(other).total_cmp(&mean(one)));
    let left_out = rows.len().saturating_sub(MOST_ROWS);
    rows.truncate(MOST_ROWS);
    (rows, left_out)
}

/// Of our own issuers, one for each tenant, there is nothing to fetch: others come first. And how many are left out.
fn issuers(status: &Value) -> (Vec<IssuerHealth>, usize) {
    let of = |pointer: &str, issuer: &str| {
        list(status, pointer).iter().find(|report| text(report, "/issuer") == issuer).cloned()
    };
    let circuits = list(status, "/introspection").iter().map(|report| text(report, "/issuer"));
    let own = list(status, "/configuration/issuers").iter().map(|name| text(name, ""));
    let mut names: Vec<String> = list(status, "/key_sets").iter().map(|report| text(report, "/issuer")).collect();
    let more: Vec<String> = circuits.chain(own).collect();
    for name in more {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let issuer = |issuer: String| {
        let (keys, circuit) = (of("/key_sets", &issuer), of("/introspection", &issuer));
        let problem = keys.as_ref().map(|keys| text(keys, "/last_error/problem")).unwrap_or_default();
        let ago = keys.as_ref().and_then(|keys| keys.pointer("/last_error/seconds_ago")?.as_u64());
        let known = keys.as_ref().map(|keys| {
            let kids = list(keys, "/kids").len();
            format!("{}, {kids} {}", text(keys, "/state"), if kids == 1 { "key" } else { "keys" })
        });
        let asked = circuit.map(|circuit| {
            format!("circuit {}, {} failures in a row", text(&circuit, "/circuit"), number(&circuit, "/failures"))
        });
        let own = if asked.is_some() { "none: tokens are introspected" } else { "this gateway's own" };
        IssuerHealth {
            keys: known.unwrap_or_else(|| own.to_owned()),
            age: keys.as_ref().and_then(|keys| keys.get("fetched_seconds_ago")?.as_u64()),
            circuit: asked.unwrap_or_else(|| "–".to_owned()),
            problem: ago.map(|ago| format!("{ago} s ago: {problem}")).unwrap_or_else(|| "–".to_owned()),
            issuer,
        }
    };
    let left_out = names.len().saturating_sub(MOST_ROWS);
    (names.into_iter().take(MOST_ROWS).map(issuer).collect(), left_out)
}

/// Certificates by their end, then keys that will be followed soon, then those that have signed for longest.
/// And how many keys are left out.
fn keys(status: &Value) -> (Vec<KeyOrCertificate>, usize) {
    let mut certificates: Vec<_> = list(status, "/certificates")
        .iter()
        .map(|certificate| (text(certificate, "/ends_at"), text(certificate, "/listener")))
        .collect();
    certificates.sort();
    let certificates = certificates.into_iter().map(|(ends_at, of)| KeyOrCertificate {
        what: "Certificate".to_owned(),
        of,
        state: format!("ends {ends_at}"),
    });
    let mut keys: Vec<&Value> = list(status, "/signing_keys").iter().collect();
    let next = |key: &Value| key.pointer("/next/signs_in_seconds").and_then(Value::as_i64);
    let signs_for = |key: &Value| key.get("signs_for_seconds").and_then(Value::as_i64).unwrap_or_default();
    keys.sort_by_key(|key| (next(key).unwrap_or(i64::MAX), std::cmp::Reverse(signs_for(key))));
    let left_out = keys.len().saturating_sub(MOST_KEYS);
    let keys = keys.into_iter().take(MOST_KEYS).map(|key| {
        let successor = next(key).map(|wait| format!("; {} signs in {}", text(key, "/next/kid"), lasting(wait)));
        KeyOrCertificate {
            what: format!("Key for {}", text(key, "/purpose")),
            of: text(key, "/tenant"),
            state: format!(
                "{} signs for {}{}",
                text(key, "/kid"),
                lasting(signs_for(key)),
                successor.unwrap_or_default()
            ),
        }
    });
    (certificates.chain(keys).collect(), left_out)
}

fn decision(remembered: Remembered) -> DecisionPage {
    let Remembered { request_id, line, source, memory } = remembered;
    let decision = line.map(|line| {
        let reason = text(&line, "/reason");
        let at = number(&line, "/line");
        Decision {
            request_id: text(&line, "/request_id"),
            trace_id: text(&line, "/trace_id"),
            time: text(&line, "/time"),
            method: text(&line, "/method"),
            route: text(&line, "/route"),
            place: if at > 0 { format!("{source}, line {at}") } else { String::new() },
            rule: text(&line, "/rule"),
            verdict: text(&line, "/decision"),
            explained: explained(&reason),
            reason,
            status: text(&line, "/status"),
            latency: line.get("latency_us").and_then(Value::as_f64).unwrap_or_default() / 1e6,
            issuer: text(&line, "/issuer"),
            client_id: text(&line, "/client_id"),
            subject: text(&line, "/subject"),
            is_cached: line.get("cache_hit").and_then(Value::as_bool).unwrap_or_default(),
        }
    });
    DecisionPage { request_id, decision, memory: remembers(&memory, SystemTime::now()) }
}

fn explained(code: &str) -> Option<Explained> {
    let entry = codes::find(code)?;
    let who: Vec<&str> = entry.who.iter().map(|who| who.as_text()).collect();
    Some(Explained {
        code: entry.code.clone(),
        group: entry.group.clone(),
        meaning: entry.meaning.clone(),
        who: who.join(", or "),
        causes: entry.causes.clone(),
        checks: entry.checks.clone(),
        fix: entry.fix.clone(),
        specification: entry.specification.clone(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // UX 24: a tenant has an issuer of its own; whoever has thousands still reads of those that keys are fetched from
    #[test]
    fn long_lists_are_cut_and_say_so() {
        let many: Vec<String> = (0..60).map(|number| format!("https://{number}.example")).collect();
        let keys: Vec<_> = many.iter().map(|tenant| json!({ "tenant": tenant, "kid": "k", "purpose": "id" })).collect();
        let last = &many[59];
        let status = json!({
            "configuration": { "issuers": many },
            "key_sets": [{ "issuer": last, "state": "fresh", "kids": ["a", "b"] }],
            "upstreams": many.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>(),
            "signing_keys": keys,
        });
        let (issuers, left_out) = issuers(&status);
        assert_eq!((issuers.len(), left_out, &issuers[0].issuer), (MOST_ROWS, 10, last));
        assert_eq!((&*issuers[0].keys, &*issuers[1].keys), ("fresh, 2 keys", "this gateway's own"));
        let (keys, left_out) = super::keys(&status);
        assert_eq!((keys.len(), left_out), (MOST_KEYS, 40));
        let (upstreams, left_out) = upstreams(&status, &crate::metrics::Metrics::new().read());
        assert_eq!((upstreams.len(), left_out), (MOST_ROWS, 10));
    }
}
