//! Spans to a collector, by OTLP over HTTP with JSON.
//!
//! Owns the encoding (OpenTelemetry Protocol 1, "OTLP/HTTP" and its JSON mapping) and what happens while the collector does
//! not take them: nothing, but for a metric and one line. What is in a span is decided by those who make it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use prometheus::IntCounter;
use reqwest::{Client, StatusCode, redirect};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::spans::{Attribute, Span, Tracer};
use super::trace_context::Sampling;
use crate::config;
use crate::metrics::Metrics;

/// For one batch, from connecting to the last byte of the answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How often a batch is offered before it is given up, and how long it rests after the first time; twice as long after each
/// further one.
const TRIES: u32 = 3;
const REST: Duration = Duration::from_secs(1);

/// The work of sending. It ends when this is dropped, after what waits has been offered once.
pub struct Exporting {
    tracer: Tracer,
    task: Option<JoinHandle<()>>,
}

/// Begins to send what the tracer is given.
///
/// # Errors
/// When the system's certificates cannot be used.
pub fn start(settings: &config::Tracing, metrics: &Metrics) -> Result<(Tracer, Exporting), reqwest::Error> {
    let tracer = Tracer::new(Sampling::per_million(settings.per_million), metrics);
    let exporter = Exporter::new(settings, metrics, tracer.clone())?;
    let task = Some(tokio::spawn(exporter.follow()));
    Ok((tracer.clone(), Exporting { tracer, task }))
}

impl Exporting {
    /// Sends what waits, as far as `patience` allows.
    pub async fn finish(mut self, patience: Duration) {
        self.tracer.queue.close();
        if let Some(task) = self.task.take() {
            // Whatever is left then is lost, as it would be in a moment anyway.
            let _ = tokio::time::timeout(patience, task).await;
        }
    }
}

impl Drop for Exporting {
    fn drop(&mut self) {
        self.tracer.queue.close();
    }
}

struct Exporter {
    client: Client,
    url: String,
    fields: HeaderMap,
    resource: Value,
    tracer: Tracer,
    sent: IntCounter,
    failed: IntCounter,
}

/// What a collector said to a batch.
enum Outcome {
    Taken,
    /// It may take it later (OTLP/HTTP "Retryable Response Codes").
    NotNow(String),
    Refused(StatusCode),
}

impl Exporter {
    fn new(settings: &config::Tracing, metrics: &Metrics, tracer: Tracer) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(TIMEOUT)
            .user_agent(concat!("faregate/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .build()?;
        let mut fields = HeaderMap::new();
        for (name, value) in &settings.headers {
            // What cannot be a value was refused with the configuration.
            if let Ok(mut value) = HeaderValue::from_str(value.expose()) {
                value.set_sensitive(true);
                fields.insert(name.clone(), value);
            }
        }
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let resource = json!({ "attributes": [
            attribute("service.name", &Attribute::from(&*settings.service)),
            attribute("service.version", &Attribute::from(env!("CARGO_PKG_VERSION"))),
            attribute("telemetry.sdk.name", &Attribute::from("faregate")),
            attribute("telemetry.sdk.language", &Attribute::from("rust")),
            attribute("telemetry.sdk.version", &Attribute::from(env!("CARGO_PKG_VERSION"))),
        ] });
        let count = |result: &str| metrics.spans.with_label_values(&[result]);
        let (sent, failed) = (count("sent"), count("failed"));
        Ok(Self { client, url: settings.endpoint.clone(), fields, resource, tracer, sent, failed })
    }

    async fn follow(self) {
        let mut is_down = false;
        loop {
            self.tracer.queue.wait().await;
            // Asked first, so that what arrives before the end is sent.
            let is_last = self.tracer.queue.is_closed();
            loop {
                let batch = self.tracer.queue.take();
                if batch.is_empty() {
                    break;
                }
                self.send(&batch, &mut is_down).await;
            }
            if is_last {
                return;
            }
        }
    }

    async fn send(&self, batch: &[Span], is_down: &mut bool) {
        let number = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let body = encode(&self.resource, batch).to_string();
        let mut rest = REST;
        for attempt in 1..=TRIES {
            let reason = match self.offer(body.clone()).await {
                Outcome::Taken => {
                    self.sent.inc_by(number);
                    if std::mem::take(is_down) {
                        tracing::info!("the collector takes spans again");
                    }
                    return;
                }
                Outcome::Refused(status) => {
                    self.told_off(is_down, &format!("it answered with status {}", status.as_u16()));
                    break;
                }
                Outcome::NotNow(reason) => reason,
            };
            self.told_off(is_down, &reason);
            if attempt < TRIES && !self.tracer.queue.is_closed() {
                tokio::time::sleep(rest).await;
                rest *= 2;
            }
        }
        self.failed.inc_by(number);
    }

    async fn offer(&self, body: String) -> Outcome {
        let answer = self.client.post(&self.url).headers(self.fields.clone()).body(body).send().await;
        match answer.map(|answer| answer.status()) {
            Ok(status) if status.is_success() => Outcome::Taken,
            Ok(status) if matches!(status.as_u16(), 429 | 502..=504) => {
                Outcome::NotNow(format!("it answered with status {}", status.as_u16()))
            }
            Ok(status) => Outcome::Refused(status),
            Err(error) if error.is_timeout() => Outcome::NotNow("it did not answer in time".to_owned()),
            Err(error) => Outcome::NotNow(innermost(&error)),
        }
    }

    /// One line when it begins.
    fn told_off(&self, is_down: &mut bool, reason: &str) {
        if !std::mem::replace(is_down, true) {
            tracing::warn!(reason, "the collector does not take spans; requests are served without");
        }
    }
}

/// The outer reasons repeat the URL.
fn innermost(error: &reqwest::Error) -> String {
    let mut reason: &dyn std::error::Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason.to_string()
}

/// An `ExportTraceServiceRequest`.
fn encode(resource: &Value, batch: &[Span]) -> Value {
    let spans: Vec<Value> = batch.iter().map(span).collect();
    let scope = json!({ "name": "faregate", "version": env!("CARGO_PKG_VERSION") });
    json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": [{ "scope": scope, "spans": spans }] }] })
}

fn span(span: &Span) -> Value {
    let attributes = span.attributes.iter().map(|(name, value)| attribute(name, value));
    let mut encoded = json!({
        "traceId": span.trace_id.as_str(),
        "spanId": span.id.as_str(),
        "name": span.name,
        "kind": span.kind.number(),
        "startTimeUnixNano": nanoseconds(span.started_at),
        "endTimeUnixNano": nanoseconds(span.ended_at),
        "attributes": attributes.collect::<Vec<_>>(),
        // The parent is somebody else's span or ours; only the sampled bit is said.
        "flags": 1,
    });
    if let Some(parent) = &span.parent {
        encoded["parentSpanId"] = parent.as_str().into();
    }
    if span.failed {
        encoded["status"] = json!({ "code": 2 });
    }
    encoded
}

/// 64-bit integers are decimal strings in JSON (Protocol Buffers, "JSON Mapping").
fn attribute(name: &str, value: &Attribute) -> Value {
    let value = match value {
        Attribute::Text(text) => json!({ "stringValue": text }),
        Attribute::Number(number) => json!({ "intValue": number.to_string() }),
    };
    json!({ "key": name, "value": value })
}

fn nanoseconds(at: SystemTime) -> String {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::spans::{Kind, MOST_WAITING};
    use crate::telemetry::trace_context::{SpanId, TraceId};

    fn sample() -> Span {
        Span {
            trace_id: TraceId::new(*b"4bf92f3577b34da6a3ce929d0e0e4736"),
            id: SpanId::new(*b"00f067aa0ba902b7"),
            parent: None,
            name: "/api/**".into(),
            kind: Kind::Server,
            started_at: UNIX_EPOCH + Duration::from_millis(1_795_291_545_123),
            ended_at: UNIX_EPOCH + Duration::from_nanos(1_795_291_545_123_456_789),
            attributes: vec![("http.route", "/api/\"x\"".into()), ("http.response.status_code", 200.into())],
            failed: false,
        }
    }

    // OTLP 1, JSON: ids in hexadecimal, 64-bit numbers as text, enumerations as numbers
    #[test]
    fn spans_are_encoded_as_the_protocol_says() {
        let failed = Span { parent: Some(SpanId::new(*b"b7ad6b7169203331")), failed: true, ..sample() };
        let encoded = encode(&json!({}), &[sample(), failed]);
        let spans = &encoded["resourceSpans"][0]["scopeSpans"][0]["spans"];
        let expected = json!({
            "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
            "spanId": "00f067aa0ba902b7",
            "name": "/api/**",
            "kind": 2,
            "startTimeUnixNano": "1795291545123000000",
            "endTimeUnixNano": "1795291545123456789",
            "attributes": [
                { "key": "http.route", "value": { "stringValue": "/api/\"x\"" } },
                { "key": "http.response.status_code", "value": { "intValue": "200" } },
            ],
            "flags": 1,
        });
        assert_eq!(spans[0], expected);
        assert_eq!((&spans[1]["parentSpanId"], &spans[1]["status"]["code"]), (&json!("b7ad6b7169203331"), &json!(2)));
    }

    #[test]
    fn what_the_queue_cannot_hold_is_counted() {
        let metrics = Metrics::new();
        let tracer = Tracer::new(Sampling::per_million(0), &metrics);
        tracer.record((0..MOST_WAITING + 10).map(|_| sample()));
        assert_eq!(metrics.spans.with_label_values(&["dropped"]).get(), 10);
        let mut taken = 0;
        while let batch = tracer.queue.take()
            && !batch.is_empty()
        {
            taken += batch.len();
        }
        assert_eq!(taken, MOST_WAITING);
    }
}
