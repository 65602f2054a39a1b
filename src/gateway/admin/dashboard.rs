//! The pages of the admin listener: who may ask for them, and what they are made of (UX 24).
//!
//! Owns what is collected for them, which is what `/status`, `/metrics` and `/decisions/ID` say too: nothing is counted twice.
//! What they look like is made elsewhere.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use http::{HeaderMap, Response, StatusCode, header};
use serde_json::Value;

use super::{Admin, answer};
use crate::gateway::Answer;
use crate::metrics::Reading;
use crate::telemetry::{Kept, Verdict};

/// Where they begin.
pub(super) const DASHBOARD: &str = "/dashboard";

/// Refusals that are listed.
const MOST_REFUSALS: usize = 50;

/// Makes pages of what is told, and knows neither the gateway nor who asked.
pub type Pages = Arc<dyn Fn(Asked) -> Answer + Send + Sync>;

/// What somebody wants to see.
pub enum Asked {
    Overview(Box<Overview>),
    /// One request's decision.
    Decision(Remembered),
    /// What this code means.
    Reason(String),
    /// The stylesheet or the script of this name.
    Asset(String),
}

/// How the gateway does now.
pub struct Overview {
    pub at: SystemTime,
    /// As `/status` says it.
    pub status: Value,
    pub is_ready: bool,
    /// As `/metrics` says them.
    pub metrics: Reading,
    /// The last decision lines of requests that were refused, the newest first.
    pub refusals: Vec<Value>,
    pub memory: Memory,
}

/// A decision that somebody asks for.
pub struct Remembered {
    /// `None`: what was asked for is no id.
    pub request_id: Option<String>,
    /// Its line, if it is among those that are kept.
    pub line: Option<Value>,
    /// The file that the lines of routes and rules count in.
    pub source: String,
    pub memory: Memory,
}

/// How far back decisions are remembered.
pub struct Memory {
    pub kept: Kept,
    /// Whether permits are among them.
    pub has_permits: bool,
}

impl Admin {
    /// Answers what is below [`DASHBOARD`]; `rest` is the path after that.
    pub(super) async fn page(&self, rest: &str, headers: &HeaderMap) -> Response<Vec<u8>> {
        if !is_called_by_address(headers) {
            let refusal = b"pages are shown at an IP address or at localhost only\n".to_vec();
            return answer(StatusCode::MISDIRECTED_REQUEST, "text/plain", refusal);
        }
        let asked = match rest.trim_start_matches('/').split_once('/') {
            None if rest.len() <= 1 => Asked::Overview(Box::new(self.overview())),
            Some(("decisions", id)) => Asked::Decision(self.remembered(id)),
            Some(("reasons", code)) => Asked::Reason(code.to_owned()),
            Some(("assets", name)) => Asked::Asset(name.to_owned()),
            _ => return answer(StatusCode::NOT_FOUND, "text/plain", b"there is no such page\n".to_vec()),
        };
        let (mut parts, body) = (self.pages)(asked).await.into_parts();
        parts.headers.insert(header::CONTENT_LENGTH, body.len().into());
        Response::from_parts(parts, body.to_vec())
    }

    fn overview(&self) -> Overview {
        let metrics = {
            let _one = self.scraping.lock().unwrap_or_else(PoisonError::into_inner);
            self.refresh();
            self.metrics().read()
        };
        let lines = self.current.load().decisions.refusals(MOST_REFUSALS);
        Overview {
            at: SystemTime::now(),
            status: self.status(),
            is_ready: self.readiness().0.is_success(),
            metrics,
            refusals: lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect(),
            memory: self.memory(),
        }
    }

    fn remembered(&self, id: &str) -> Remembered {
        let id = id.to_ascii_lowercase();
        let request_id = Some(id).filter(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let gateway = self.current.load();
        let line = request_id.as_deref().and_then(|id| gateway.decisions.find(id));
        Remembered {
            line: line.and_then(|line| serde_json::from_str(&line).ok()),
            request_id,
            source: gateway.administered.configuration.source.clone(),
            memory: self.memory(),
        }
    }

    fn memory(&self) -> Memory {
        let decisions = self.current.load().decisions.clone();
        Memory { kept: decisions.kept(), has_permits: decisions.wants(Verdict::Permit) }
    }
}

/// Whether a person asked whose browser knows where it is. A page of a foreign site, whose name suddenly means this machine
/// (DNS rebinding), asks by that name; there is no name that is ours.
fn is_called_by_address(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) else { return false };
    let name = match host.strip_prefix('[') {
        Some(address) => address.split_once(']').map_or(address, |(address, _)| address),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost")
}

/// Whether it is a browser that asks, for somebody who reads.
pub(super) fn wants_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|range| range.trim_start().starts_with("text/html"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    // UX 24, K12: a name that somebody else can point here is no way in
    #[test]
    fn pages_are_asked_for_by_address() {
        for (host, expected) in [
            ("127.0.0.1:9090", true),
            ("127.0.0.1", true),
            ("[::1]:9090", true),
            ("10.1.2.3:80", true),
            ("localhost:9090", true),
            ("LOCALHOST", true),
            ("evil.example:9090", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example", false),
            ("evil.example@127.0.0.1", false),
            ("[evil.example]", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
            assert_eq!(is_called_by_address(&headers), expected, "{host}");
        }
        assert!(!is_called_by_address(&HeaderMap::new()));
    }

    #[test]
    fn browsers_say_that_they_read_html() {
        for (accept, expected) in [
            ("text/html,application/xhtml+xml,*/*;q=0.8", true),
            ("application/json, text/html;q=0.5", true),
            ("*/*", false),
            ("application/json", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(wants_html(&headers), expected, "{accept}");
        }
    }
}
