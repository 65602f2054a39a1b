//! A collector that keeps what it is sent, and takes it or not as a test asks.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;

#[derive(Clone)]
pub struct Collector {
    pub address: SocketAddr,
    state: Arc<Mutex<Received>>,
}

#[derive(Default)]
struct Received {
    /// Statuses of the next answers; 200 from then on.
    statuses: Vec<u16>,
    /// Header fields and body of every batch, taken or not.
    batches: Vec<(HeaderMap, String)>,
    spans: Vec<Span>,
}

/// One span as it came.
#[derive(Clone, Debug)]
pub struct Span {
    pub trace_id: String,
    pub id: String,
    pub parent: Option<String>,
    pub name: String,
    pub kind: u64,
    pub nanoseconds: (u128, u128),
    pub failed: bool,
    pub attributes: HashMap<String, String>,
}

impl Collector {
    pub async fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let collector = Self { address: socket.local_addr().unwrap(), state: Arc::default() };
        let router = Router::new().route("/v1/traces", post(take)).with_state(collector.state.clone());
        tokio::spawn(async move { axum::serve(socket, router).await });
        collector
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers the next batches with these statuses.
    pub fn answer(&self, statuses: &[u16]) {
        self.state.lock().unwrap().statuses = statuses.to_vec();
    }

    pub fn batches(&self) -> Vec<(HeaderMap, String)> {
        self.state.lock().unwrap().batches.clone()
    }

    pub fn spans(&self) -> Vec<Span> {
        self.state.lock().unwrap().spans.clone()
    }

    /// The spans of one trace, waited for until there are so many.
    pub async fn trace(&self, id: &str, number: usize) -> Vec<Span> {
        let began = Instant::now();
        loop {
            let spans: Vec<Span> = self.spans().into_iter().filter(|span| span.trace_id == id).collect();
            if spans.len() >= number {
                return spans;
            }
            assert!(
                began.elapsed() < Duration::from_secs(15),
                "{} of {number} spans: {:#?}",
                spans.len(),
                self.spans()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn take(State(state): State<Arc<Mutex<Received>>>, fields: HeaderMap, body: String) -> StatusCode {
    let mut state = state.lock().unwrap();
    state.batches.push((fields, body.clone()));
    let status = if state.statuses.is_empty() { 200 } else { state.statuses.remove(0) };
    if status == 200 {
        let batch: Value = serde_json::from_str(&body).unwrap();
        for resource in batch["resourceSpans"].as_array().unwrap() {
            for scope in resource["scopeSpans"].as_array().unwrap() {
                state.spans.extend(scope["spans"].as_array().unwrap().iter().map(Span::of));
            }
        }
    }
    StatusCode::from_u16(status).unwrap()
}

impl Span {
    fn of(span: &Value) -> Self {
        let text = |name: &str| span[name].as_str().unwrap_or_default().to_owned();
        let attribute = |attribute: &Value| {
            let value = &attribute["value"];
            let value = value["stringValue"].as_str().or(value["intValue"].as_str()).unwrap();
            (attribute["key"].as_str().unwrap().to_owned(), value.to_owned())
        };
        Self {
            trace_id: text("traceId"),
            id: text("spanId"),
            parent: span["parentSpanId"].as_str().map(str::to_owned),
            name: text("name"),
            kind: span["kind"].as_u64().unwrap(),
            nanoseconds: (text("startTimeUnixNano").parse().unwrap(), text("endTimeUnixNano").parse().unwrap()),
            failed: span["status"]["code"] == 2,
            attributes: span["attributes"].as_array().unwrap().iter().map(attribute).collect(),
        }
    }

    pub fn says(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}
