//! What operators read: log lines, one JSON line per decision, and traces.
//!
//! Owns where lines go (standard error, never standard output) and their encoding; traces are in the files below. What is worth a line is decided where
//! it happens; no line ever holds a token, code, secret, cookie or body (rule O2).

mod lines;
mod otlp;
mod spans;
mod trace_context;

use std::cell::RefCell;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, SystemTime};

use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use lines::Lines;
pub use otlp::{Exporting, start as start_traces};
pub use spans::{Attribute, Kind, Span, Tracer};
pub use trace_context::{Parent, SpanId, TraceId};

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line (rule O5).
    Json,
    /// For a person at a terminal.
    Pretty,
}

/// Where log lines go once logging has started.
static LINES: OnceLock<Lines> = OnceLock::new();

/// How long lines may take at the end of a process whose standard error is read slowly.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Waits until everything that was logged is written, but not for long.
pub fn finish() {
    if let Some(lines) = LINES.get() {
        lines.finish(LAST_LINES);
    }
}

/// Starts logging at `level`; `RUST_LOG` overrides it. Only the first call in a process counts.
///
/// # Errors
/// When the system gives no thread.
pub fn start(format: Format, level: Level) -> std::io::Result<()> {
    if LINES.get().is_some() {
        return Ok(());
    }
    let lines = Lines::start()?;
    // Pingora reports every broken client connection as an error; they are the Internet's normal weather.
    let default = format!("{level},pingora_core=error,pingora_proxy=off,sqlx=warn");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let layer = tracing_subscriber::fmt::layer().with_writer(lines.clone()).with_ansi(shows_colours());
    let registry = tracing_subscriber::registry().with(filter).with(filter_fn(may_be_written));
    // A second start (tests make several gateways in one process) keeps the first one's subscriber.
    let started = match format {
        Format::Json => registry.with(layer.json().flatten_event(true)).try_init(),
        Format::Pretty => registry.with(layer.compact().with_target(false)).try_init(),
    };
    if started.is_ok() {
        let _ = LINES.set(lines);
    }
    Ok(())
}

/// A terminal that can show them, and nobody asked for none.
fn shows_colours() -> bool {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal() && !plain && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whatever `RUST_LOG` says: below a warning, other people's crates write whole requests, statements and frames, and with
/// them tokens and secrets (rule O2). Pingora's proxy writes the query even in its errors.
fn may_be_written(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    if target == "faregate" || target.starts_with("faregate::") {
        return true;
    }
    !target.starts_with("pingora_proxy") && *metadata.level() <= Level::WARN
}

/// How long a decision line may wait in memory before it is written.
const FLUSH_INTERVAL: Duration = Duration::from_millis(200);

/// Bytes that make a flush happen at once. Larger, and the lines push the gateway's own data out of the processor's cache.
const FLUSH_SIZE: usize = 64 * 1024;

/// Bytes of lines waiting for a slow reader after which new ones are dropped: serving goes on (fault T65).
const MOST_WAITING: usize = 8 * 1024 * 1024;

/// Of the decision lines that are kept for `faregate explain`; there are two such halves.
const MOST_KEPT: usize = 512 * 1024;

/// The version of the decision lines: a member that is renamed, removed or means something else makes a new one.
const LINE_VERSION: u64 = 1;

/// How every decision line begins.
const TIME: &str = "{\"time\":\"";

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Permit,
    Deny,
    /// It passed because its route refuses nobody.
    Observe,
}

impl Verdict {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Deny => "deny",
            Self::Observe => "observe",
        }
    }
}

/// One decision, as it is written.
#[derive(Clone, Copy, Debug)]
pub struct DecisionLine<'a> {
    pub request_id: &'a str,
    /// Where requests are traced.
    pub trace_id: Option<&'a str>,
    pub method: &'a str,
    /// The route's pattern, never the path; `-` when no route matched.
    pub route: &'a str,
    /// The text of the rule that decided, if it came to rules.
    pub rule: Option<&'a str>,
    /// The line of the configuration that the rule stands in; of the route, if it did not come to rules.
    pub line: u32,
    pub verdict: Verdict,
    /// Why it was refused or would have been; empty for a permit.
    pub reason: &'a str,
    pub issuer: Option<&'a str>,
    pub client_id: Option<&'a str>,
    /// A pseudonym.
    pub subject: Option<&'a str>,
    pub cache_hit: bool,
    pub status: u16,
    /// From request to answered.
    pub latency: Duration,
}

/// Keeps the last decision lines for those who ask, and writes all of them if that is wanted: from memory, so that a
/// request never waits for a disk or a pipe.
pub struct DecisionLog {
    writer: Option<Writer>,
    recent: Mutex<Recent>,
}

struct Writer {
    waiting: Arc<Mutex<Waiting>>,
    thread: Thread,
}

/// The last lines, in two halves: when the newer one is full, the older one is forgotten.
#[derive(Default)]
struct Recent {
    newer: Vec<u8>,
    older: Vec<u8>,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    dropped: u64,
}

impl DecisionLog {
    /// With `writes` all lines go to standard error, written by a thread of their own that ends with this value. Without,
    /// those of permits are not even made.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(writes: bool) -> std::io::Result<Self> {
        let writer = writes.then(Writer::start).transpose()?;
        Ok(Self { writer, recent: Mutex::default() })
    }

    /// Whether anybody will see the line of such a decision.
    pub fn wants(&self, verdict: Verdict) -> bool {
        self.writer.is_some() || verdict != Verdict::Permit
    }

    pub fn write(&self, line: &DecisionLine<'_>) {
        thread_local! {
            static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        LINE.with_borrow_mut(|buffer| {
            buffer.clear();
            encode(line, SystemTime::now(), buffer);
            self.recent.lock().unwrap_or_else(PoisonError::into_inner).keep(buffer);
            if let Some(writer) = &self.writer {
                writer.write(buffer);
            }
        });
    }

    /// The line of the request with this id, if it is among the last ones.
    pub fn find(&self, request_id: &str) -> Option<String> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).find(request_id)
    }

    /// The last `most` lines of requests that were refused, or would have been if their routes did not only observe; the newest
    /// first.
    pub fn refusals(&self, most: usize) -> Vec<String> {
        // Copied first: requests that write a line do not wait until these are looked through.
        let (newer, older) = {
            let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            (recent.newer.clone(), recent.older.clone())
        };
        let permit = format!("\"decision\":\"{}\",", Verdict::Permit.as_str());
        // A quote within a value is escaped, so a value cannot look like a member.
        let is_refusal = |line: &&str| !line.is_empty() && !line.contains(&permit);
        let of = |half: &[u8]| -> Vec<String> {
            String::from_utf8_lossy(half).lines().rev().filter(is_refusal).take(most).map(str::to_owned).collect()
        };
        let mut lines = of(&newer);
        lines.extend(of(&older).into_iter().take(most - lines.len()));
        lines
    }

    /// How far back the lines go, for somebody who asked for one that is not among them.
    pub fn kept(&self) -> Kept {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner).kept()
    }
}

/// The lines that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    pub lines: usize,
    /// When the oldest was written; `None` where there is none.
    pub oldest_at: Option<SystemTime>,
}

impl Writer {
    fn start() -> std::io::Result<Self> {
        let waiting = Arc::new(Mutex::new(Waiting::default()));
        let theirs = Arc::downgrade(&waiting);
        let writer = thread::Builder::new().name("decision-log".into()).spawn(move || write_while_alive(&theirs))?;
        Ok(Self { waiting, thread: writer.thread().clone() })
    }

    fn write(&self, line: &[u8]) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let before = waiting.lines.len();
        if before + line.len() > MOST_WAITING {
            waiting.dropped += 1;
        } else {
            waiting.lines.extend_from_slice(line);
        }
        let fills = before < FLUSH_SIZE && waiting.lines.len() >= FLUSH_SIZE;
        drop(waiting);
        if fills {
            self.thread.unpark();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        flush(&self.waiting, &mut Vec::new());
    }
}

impl Recent {
    fn keep(&mut self, line: &[u8]) {
        if self.newer.len() + line.len() > MOST_KEPT {
            std::mem::swap(&mut self.newer, &mut self.older);
            self.newer.clear();
        }
        self.newer.extend_from_slice(line);
    }

    fn find(&self, request_id: &str) -> Option<String> {
        // An id of ours needs no escape; whatever else is asked for is found nowhere.
        let sought = format!("\"request_id\":\"{request_id}\",");
        let lines =
            |half: &[u8]| String::from_utf8_lossy(half).lines().find(|line| line.contains(&sought)).map(str::to_owned);
        lines(&self.newer).or_else(|| lines(&self.older))
    }

    fn kept(&self) -> Kept {
        let count = |half: &[u8]| half.iter().filter(|byte| **byte == b'\n').count();
        let oldest = if self.older.is_empty() { &self.newer } else { &self.older };
        let time = oldest.strip_prefix(TIME.as_bytes()).and_then(|rest| rest.split(|byte| *byte == b'"').next());
        let time = time.and_then(|time| std::str::from_utf8(time).ok());
        Kept {
            lines: count(&self.newer) + count(&self.older),
            oldest_at: time.and_then(|time| humantime::parse_rfc3339(time).ok()),
        }
    }
}

fn write_while_alive(waiting: &Weak<Mutex<Waiting>>) {
    let mut lines = Vec::new();
    while let Some(waiting) = waiting.upgrade() {
        flush(&waiting, &mut lines);
        drop(waiting);
        thread::park_timeout(FLUSH_INTERVAL);
    }
}

fn flush(waiting: &Mutex<Waiting>, lines: &mut Vec<u8>) {
    let dropped = {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(lines, &mut waiting.lines);
        std::mem::take(&mut waiting.dropped)
    };
    if !lines.is_empty() {
        // Standard error that cannot be written to leaves nowhere to say so.
        let _ = std::io::stderr().lock().write_all(lines);
        lines.clear();
    }
    if dropped > 0 {
        tracing::warn!(dropped, "decision lines were dropped: standard error is read too slowly");
    }
}

fn encode(line: &DecisionLine<'_>, now: SystemTime, buffer: &mut Vec<u8>) {
    buffer.extend_from_slice(TIME.as_bytes());
    time(now, buffer);
    buffer.extend_from_slice(b"\",\"event\":\"decision\"");
    number("version", LINE_VERSION, buffer);
    member("request_id", line.request_id, buffer);
    if let Some(trace_id) = line.trace_id {
        member("trace_id", trace_id, buffer);
    }
    member("method", line.method, buffer);
    member("route", line.route, buffer);
    if let Some(rule) = line.rule {
        member("rule", rule, buffer);
    }
    number("line", u64::from(line.line), buffer);
    member("decision", line.verdict.as_str(), buffer);
    if line.verdict != Verdict::Permit {
        member("reason", line.reason, buffer);
    }
    for (name, value) in [("issuer", line.issuer), ("client_id", line.client_id), ("subject", line.subject)] {
        if let Some(value) = value {
            member(name, value, buffer);
        }
    }
    buffer.extend_from_slice(if line.cache_hit { b",\"cache_hit\":true" } else { b",\"cache_hit\":false" });
    number("status", u64::from(line.status), buffer);
    number("latency_us", u64::try_from(line.latency.as_micros()).unwrap_or(u64::MAX), buffer);
    buffer.extend_from_slice(b"}\n");
}

fn member(name: &str, value: &str, buffer: &mut Vec<u8>) {
    buffer.extend_from_slice(b",\"");
    buffer.extend_from_slice(name.as_bytes());
    buffer.extend_from_slice(b"\":");
    text(value, buffer);
}

fn number(name: &str, value: u64, buffer: &mut Vec<u8>) {
    buffer.extend_from_slice(b",\"");
    buffer.extend_from_slice(name.as_bytes());
    buffer.extend_from_slice(b"\":");
    digits(value, buffer);
}

/// A number in decimal. What `write!` does costs as much as the rest of a line.
fn digits(mut value: u64, buffer: &mut Vec<u8>) {
    let mut reversed = [0; 20];
    let mut count = 0;
    loop {
        reversed[count] = b"0123456789"[(value % 10) as usize];
        count += 1;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    buffer.extend(reversed[..count].iter().rev());
}

/// An instant as RFC 3339 has it, to the millisecond. All but the milliseconds is the same for the rest of a second.
fn time(now: SystemTime, buffer: &mut Vec<u8>) {
    /// A second since 1970, and its beginning up to the point before the milliseconds.
    struct Second(u64, Vec<u8>);
    thread_local! {
        static SECOND: RefCell<Second> = const { RefCell::new(Second(u64::MAX, Vec::new())) };
    }
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SECOND.with_borrow_mut(|Second(second, text)| {
        if *second != since.as_secs() {
            *second = since.as_secs();
            text.clear();
            let whole = SystemTime::UNIX_EPOCH + Duration::from_secs(*second);
            // Writing to memory cannot fail.
            let _ = write!(text, "{}", humantime::format_rfc3339_seconds(whole));
            text.pop();
            text.push(b'.');
        }
        buffer.extend_from_slice(text);
    });
    let milliseconds = since.subsec_millis();
    buffer.extend([100, 10, 1].map(|unit| b"0123456789"[(milliseconds / unit % 10) as usize]));
    buffer.push(b'Z');
}

/// A JSON string; most values need no escape and are copied whole.
fn text(value: &str, buffer: &mut Vec<u8>) {
    if value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
        buffer.push(b'"');
        buffer.extend_from_slice(value.as_bytes());
        buffer.push(b'"');
    } else {
        // Writing to memory cannot fail.
        let _ = serde_json::to_writer(buffer, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: DecisionLine<'_> = DecisionLine {
        request_id: "r1",
        trace_id: None,
        method: "GET",
        route: "/api/**",
        rule: Some("scope orders:read"),
        line: 12,
        verdict: Verdict::Deny,
        reason: "missing_scope",
        issuer: Some("https://gate.example"),
        client_id: Some("a\"\r\n{\"event\":\"forged\"}"),
        subject: None,
        cache_hit: true,
        status: 403,
        latency: Duration::from_micros(87),
    };

    // O3, O5
    #[test]
    fn a_decision_is_one_line_of_json_whatever_its_values() {
        let mut buffer = Vec::new();
        encode(&LINE, SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_291_545_123), &mut buffer);
        let text = String::from_utf8(buffer).unwrap();
        assert_eq!(text.matches('\n').count(), 1);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["time"], "2026-11-21T20:05:45.123Z");
        assert_eq!(line["decision"], "deny");
        assert_eq!(line["rule"], "scope orders:read");
        assert_eq!(line["client_id"], LINE.client_id.unwrap());
        assert_eq!(line["latency_us"], 87);
        assert!(line.get("subject").is_none());
    }

    #[test]
    fn times_and_numbers_are_written_as_others_write_them() {
        for milliseconds in [0, 1, 999, 1_000, 1_059, 1_795_291_545_123, 1_795_291_545_124, 1_795_291_546_000] {
            let now = SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds);
            let mut buffer = Vec::new();
            time(now, &mut buffer);
            assert_eq!(String::from_utf8(buffer).unwrap(), humantime::format_rfc3339_millis(now).to_string());
        }
        for value in [0, 7, 10, 99, 100, 1_234_567_890, u64::MAX] {
            let mut buffer = Vec::new();
            digits(value, &mut buffer);
            assert_eq!(String::from_utf8(buffer).unwrap(), value.to_string());
        }
    }

    #[test]
    fn the_last_lines_are_kept_and_the_oldest_forgotten() {
        let log = DecisionLog::start(false).unwrap();
        assert!(!log.wants(Verdict::Permit) && log.wants(Verdict::Deny) && log.wants(Verdict::Observe));
        assert_eq!(log.kept(), Kept { lines: 0, oldest_at: None });
        let ids: Vec<String> = (0..5000).map(|number| format!("{number:032x}")).collect();
        let began_at = SystemTime::now();
        for (number, id) in ids.iter().enumerate() {
            log.write(&DecisionLine { request_id: id, ..LINE });
            if number == 2 {
                assert_eq!(log.kept().lines, 3);
            }
        }
        // UX 9: as many as can be found, and the first of them is the oldest.
        let kept = log.kept();
        let oldest = ids.len() - kept.lines;
        assert!(log.find(&ids[oldest]).is_some() && log.find(&ids[oldest - 1]).is_none(), "{kept:?}");
        let oldest_at = kept.oldest_at.unwrap() + Duration::from_millis(1);
        assert!(oldest_at >= began_at && oldest_at <= SystemTime::now() + Duration::from_millis(1));
        for kept in &ids[ids.len() - 1000..] {
            assert!(log.find(kept).is_some_and(|line| line.contains(kept) && line.contains("missing_scope")), "{kept}");
        }
        assert_eq!(log.find(&ids[0]), None, "memory is bounded");
        assert_eq!(log.find("r1\",\"method"), None);
        // UX 24: the last ones, whichever half they are in, and no permit, whatever its client is called.
        let last = log.refusals(ids.len());
        assert!(
            last.len() == kept.lines && last[0].contains(&ids[ids.len() - 1]) && last[1].contains(&ids[ids.len() - 2])
        );
        assert!(last[kept.lines - 1].contains(&ids[oldest]));
        let client_id = Some("a\",\"decision\":\"deny\",");
        log.write(&DecisionLine { request_id: "r2", verdict: Verdict::Permit, client_id, ..LINE });
        assert_eq!(log.refusals(2), last[..2]);
        let kept = log.recent.lock().unwrap();
        assert!(kept.newer.capacity() + kept.older.capacity() <= 4 * MOST_KEPT);
    }
}
