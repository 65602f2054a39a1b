//! What happened while a request was served, as spans, and the queue in which they wait to be sent.
//!
//! Owns the shape and the bound. It sends nothing, and what is worth a span is decided where it happens.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use prometheus::IntCounter;
use tokio::sync::Notify;

use super::trace_context::{Sampling, SpanId, TraceId};
use crate::metrics::Metrics;

/// Spans that wait for the collector. More of them are dropped: serving goes on.
pub const MOST_WAITING: usize = 4096;

/// Spans that are sent together.
pub const BATCH: usize = 512;

/// How long a span may wait for others.
const INTERVAL: Duration = Duration::from_secs(1);

/// A piece of work.
#[derive(Clone, Debug)]
pub struct Span {
    pub trace_id: TraceId,
    pub id: SpanId,
    pub parent: Option<SpanId>,
    pub name: Box<str>,
    pub kind: Kind,
    pub started_at: SystemTime,
    pub ended_at: SystemTime,
    /// By the names of OpenTelemetry's semantic conventions, and of our own below `faregate.`
    pub attributes: Vec<(&'static str, Attribute)>,
    pub failed: bool,
}

/// Which side of a call it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Internal,
    Server,
    Client,
}

impl Kind {
    /// In OTLP.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Server => 2,
            Self::Client => 3,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    Text(Box<str>),
    Number(u64),
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<u16> for Attribute {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

/// Decides which traces are recorded, and takes their spans. Clones share the queue.
#[derive(Clone)]
pub struct Tracer {
    sampling: Sampling,
    pub(super) queue: Arc<Queue>,
}

impl Tracer {
    pub(super) fn new(sampling: Sampling, metrics: &Metrics) -> Self {
        let dropped = metrics.spans.with_label_values(&["dropped"]);
        let queue =
            Queue { waiting: Mutex::default(), arrived: Notify::new(), is_closed: AtomicBool::new(false), dropped };
        Self { sampling, queue: Arc::new(queue) }
    }

    /// Whether a trace that begins here is recorded.
    pub fn includes(&self, trace_id: &TraceId) -> bool {
        self.sampling.includes(trace_id)
    }

    /// Leaves spans to be sent. It waits for nobody.
    pub fn record(&self, spans: impl IntoIterator<Item = Span>) {
        self.queue.add(spans);
    }
}

/// Spans on their way out.
pub(super) struct Queue {
    waiting: Mutex<Vec<Span>>,
    arrived: Notify,
    is_closed: AtomicBool,
    dropped: IntCounter,
}

impl Queue {
    fn add(&self, spans: impl IntoIterator<Item = Span>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for span in spans {
            if waiting.len() < MOST_WAITING {
                waiting.push(span);
            } else {
                self.dropped.inc();
            }
        }
        let is_enough = waiting.len() >= BATCH;
        drop(waiting);
        if is_enough {
            self.arrived.notify_one();
        }
    }

    /// The oldest of those that wait, a batch at most.
    pub(super) fn take(&self) -> Vec<Span> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let most = waiting.len().min(BATCH);
        let rest = waiting.split_off(most);
        std::mem::replace(&mut *waiting, rest)
    }

    /// Until there may be something to send.
    pub(super) async fn wait(&self) {
        if self.is_closed() {
            return;
        }
        tokio::select! {
            () = self.arrived.notified() => {}
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }

    /// What waits is sent once more, and then nothing.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        self.arrived.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }
}
