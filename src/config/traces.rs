//! `tracing:` - where spans of requests are sent, and how many.
//!
//! Owns the syntax and the defaults. It sends nothing.

use http::{HeaderName, HeaderValue};

use super::check::{Check, Fields};
use super::lint::Lint;
use super::node::{Node, Value};
use super::scalar::{self, Refusal};
use super::url;
use crate::secret::Secret;

/// Traces of requests, sent to a collector.
#[derive(Clone, Debug)]
pub struct Tracing {
    /// Where batches are posted, the signal's path included.
    pub endpoint: String,
    /// Traces that begin here and are recorded, of a million.
    pub per_million: u32,
    /// What the gateway is called in traces.
    pub service: String,
    /// Sent with every batch: what the collector knows us by.
    pub headers: Vec<(HeaderName, Secret<String>)>,
}

pub(super) const KEYS: &[&str] = &["otlp", "sample", "service", "headers"];

/// One in a hundred.
const USUAL_SHARE: u32 = 10_000;
const ALL: u32 = 1_000_000;

/// Where a collector takes traces (OTLP/HTTP "Request").
const PATH: &str = "/v1/traces";

/// Fields that the batch itself has.
const TAKEN: [&str; 5] = ["content-type", "content-length", "content-encoding", "host", "transfer-encoding"];

/// `None`: nothing is traced.
pub(super) fn check(node: Option<&Node>, check: &mut Check<'_>) -> Option<Tracing> {
    let fields = Fields::open(node?, KEYS, check)?;
    let help = "tracing: { otlp: http://127.0.0.1:4318 }";
    let named = fields.require("otlp", help, check);
    let address = named.and_then(|node| check.parsed(node, url::web));
    let endpoint = named.and_then(|node| check.text(node)).map(|text| endpoint(&text.text));
    let share = fields.find("sample").and_then(|node| check.parsed(node, share)).unwrap_or(USUAL_SHARE);
    let service = fields.text("service", check);
    if let Some(entry) = fields.entry("service").filter(|_| service.as_ref().is_some_and(String::is_empty)) {
        check.refuse(entry.value.span, "service must have a name");
    }
    let headers = fields.find("headers").map(|node| headers(node, check)).unwrap_or_default();
    let address = address?;
    if let Some(entry) =
        fields.entry("headers").filter(|_| !headers.is_empty() && !address.https && !address.is_loopback())
    {
        check.warn(
            entry.key_span,
            Lint::TracesWithoutTls,
            "these header fields go to the collector without TLS",
            "use https, or a collector on this machine",
        );
    }
    let service = service.unwrap_or_else(|| "faregate".to_owned());
    Some(Tracing { endpoint: endpoint?, per_million: share, service, headers })
}

/// The URL of a collector, with the path that takes traces unless it has one of its own already.
fn endpoint(url: &str) -> String {
    let url = url.trim_end_matches('/');
    if url.ends_with(PATH) || url.contains('?') { url.to_owned() } else { format!("{url}{PATH}") }
}

/// From 0 to 1, with six places at most.
fn share(text: &str) -> Result<u32, Refusal> {
    let refused = || Refusal { expected: "a share from 0 to 1 such as 0.01", help: None };
    let (whole, places) = text.split_once('.').unwrap_or((text, "0"));
    let whole = scalar::count(whole).map_err(|_| refused())?;
    let count = scalar::count(places).map_err(|_| refused())?;
    if places.len() > 6 || whole > 1 {
        return Err(refused());
    }
    let scale = 10_u64.pow(6 - u32::try_from(places.len()).unwrap_or(6));
    let millionths = whole * u64::from(ALL) + count * scale;
    u32::try_from(millionths).ok().filter(|share| *share <= ALL).ok_or_else(refused)
}

/// Their values are never shown: problems point at the names.
fn headers(node: &Node, check: &mut Check<'_>) -> Vec<(HeaderName, Secret<String>)> {
    let mut headers = Vec::new();
    for entry in check.entries(node) {
        let Ok(name) = scalar::header_name(&entry.key) else {
            check.refuse(entry.key_span, format!("{:?} is not the name of a header field", entry.key));
            continue;
        };
        if TAKEN.contains(&name.as_str()) {
            check.refuse(entry.key_span, format!("{:?} is what the batch says of itself", entry.key));
            continue;
        }
        let text = match &entry.value.value {
            Value::Scalar(scalar) => Some(&scalar.text).filter(|text| HeaderValue::from_str(text).is_ok()),
            Value::Unusable => continue,
            Value::Null | Value::List(_) | Value::Map(_) => None,
        };
        match text {
            Some(text) => headers.push((name, Secret::new(text.clone()))),
            None => check.refuse(entry.key_span, format!("the value of {:?} cannot stand in a header", entry.key)),
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_decimals_from_nothing_to_all() {
        for (text, millionths) in
            [("0", 0), ("0.0", 0), ("0.01", 10_000), ("0.000001", 1), ("0.5", 500_000), ("1", ALL), ("1.000000", ALL)]
        {
            assert_eq!(share(text), Ok(millionths), "{text}");
        }
        for text in ["", ".", "1.", ".5", "-0.1", "1.1", "2", "0.0000001", "1e-2", "1%", "0,5", "0.+1"] {
            assert!(share(text).is_err(), "{text}");
        }
    }

    // OTLP/HTTP: the base URL and the signal's path
    #[test]
    fn the_path_of_the_signal_is_added_once() {
        for (url, expected) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://collector.example/", "https://collector.example/v1/traces"),
            ("https://collector.example/otlp", "https://collector.example/otlp/v1/traces"),
            ("https://collector.example/otlp/v1/traces", "https://collector.example/otlp/v1/traces"),
        ] {
            assert_eq!(endpoint(url), expected);
        }
    }
}
