//! One line of the log, for a person: what happened when, in columns.
//!
//! Owns the columns and the colours. Values are foreign text: nothing in them moves the cursor or begins a line.

use std::fmt::Write as _;
use std::time::SystemTime;

use chrono::{DateTime, FixedOffset, Local};
use serde_json::Value;

use crate::cli::output::escaped;

/// Columns grow with what they hold, up to here.
const MOST_WIDTH: usize = 48;

pub(super) struct Printer {
    colour: bool,
    /// `None` is the machine's own, or what `TZ` says.
    zone: Option<FixedOffset>,
    /// Of the request, and of the decision.
    widths: [usize; 2],
}

pub(super) fn is_decision(line: &Value) -> bool {
    line["event"] == "decision"
}

/// When it was written, if it says so.
pub(super) fn time_of(line: &Value) -> Option<SystemTime> {
    let text = line.get("time").or_else(|| line.get("timestamp"))?.as_str()?;
    humantime::parse_rfc3339(text).ok()
}

impl Printer {
    pub(super) fn new(colour: bool) -> Self {
        Self { colour, zone: None, widths: [24, 24] }
    }

    /// Without the end of the line.
    pub(super) fn print(&mut self, line: &Value, text: &mut String) {
        text.push_str(&self.clock(line));
        if is_decision(line) {
            self.decision(line, text);
        } else {
            self.other(line, text);
        }
    }

    fn clock(&self, line: &Value) -> String {
        let Some(at) = time_of(line) else { return "--:--:--".to_owned() };
        let local = match &self.zone {
            Some(zone) => DateTime::<FixedOffset>::from(DateTime::<Local>::from(at)).with_timezone(zone),
            None => DateTime::<Local>::from(at).fixed_offset(),
        };
        local.format("%H:%M:%S").to_string()
    }

    fn decision(&mut self, line: &Value, text: &mut String) {
        let status = line["status"].as_u64().unwrap_or_default();
        let status_colour = match status {
            200..=299 => "32",
            300..=399 => "36",
            400..=499 => "33",
            _ => "31",
        };
        let decision = shown(&line["decision"]);
        let decision_colour = match &*decision {
            "deny" => "31",
            "observe" => "33",
            _ => "32",
        };
        let request = self.column(0, &format!("{:<7} {}", shown(&line["method"]), shown(&line["route"])));
        let why = self.column(1, format!("{decision} {}", shown(&line["reason"])).trim_end());
        let latency = line["latency_us"].as_f64().unwrap_or_default() / 1000.0;
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "  {}  {request}  {}  {latency:>9.1} ms  {}",
            self.painted(status_colour, &format!("{status:>3}")),
            self.painted(decision_colour, &why),
            self.painted("2", &shown(&line["request_id"])),
        );
    }

    /// Time, level and message; then whatever else it says.
    fn other(&self, line: &Value, text: &mut String) {
        let level = shown(&line["level"]);
        let level_colour = match &*level {
            "ERROR" => "31",
            "WARN" => "33",
            _ => "2",
        };
        let message = line.get("message").or_else(|| line.get("event")).map(shown).unwrap_or_default();
        let _ = write!(text, "  {}  {message}", self.painted(level_colour, &format!("{level:<5}")));
        let has_message = line.get("message").is_some();
        for (name, value) in line.as_object().into_iter().flatten() {
            let is_said = match name.as_str() {
                "time" | "timestamp" | "level" | "message" | "target" => true,
                "event" => !has_message,
                _ => false,
            };
            if !is_said {
                let _ = write!(text, "  {}", self.painted("2", &format!("{}={}", escaped(name), shown(value))));
            }
        }
    }

    fn column(&mut self, column: usize, text: &str) -> String {
        let length = text.chars().count();
        let width = &mut self.widths[column];
        *width = length.clamp(*width, MOST_WIDTH.max(*width));
        format!("{text:<width$}", width = *width)
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A value as text on one line.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => escaped(text),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn printed(colour: bool, lines: &[Value]) -> Vec<String> {
        let mut printer = Printer { colour, zone: FixedOffset::east_opt(0), widths: [24, 24] };
        let print = |line: &Value| {
            let mut text = String::new();
            printer.print(line, &mut text);
            text
        };
        lines.iter().map(print).collect()
    }

    // UX 25
    #[test]
    fn requests_are_aligned() {
        let line = |route: &str, reason: &str| {
            json!({ "time": "2026-11-21T20:05:45.123Z", "event": "decision", "request_id": "ab12", "method": "GET",
                    "route": route, "decision": "deny", "reason": reason, "status": 403, "latency_us": 87 })
        };
        let lines = printed(false, &[line("/api/**", "missing_scope"), line("/x", "expired")]);
        assert_eq!(
            lines,
            [
                "20:05:45  403  GET     /api/**           deny missing_scope              0.1 ms  ab12",
                "20:05:45  403  GET     /x                deny expired                    0.1 ms  ab12",
            ]
        );
        let colours = printed(true, &[line("/api/**", "missing_scope")]);
        assert!(colours[0].contains("\x1b[33m403\x1b[0m") && colours[0].contains("\x1b[31mdeny "), "{colours:?}");
    }

    #[test]
    fn other_lines_have_level_and_message_and_move_no_cursor() {
        let lines = printed(
            false,
            &[
                json!({ "timestamp": "2026-11-21T20:05:45.123456Z", "level": "WARN", "message": "a\n\x1b[2Jb\u{202e}",
                        "error": "c", "target": "faregate::x" }),
                json!({ "event": "log.dropped", "dropped": 3 }),
            ],
        );
        assert_eq!(
            lines,
            ["20:05:45  WARN   a\\n\\u{1b}[2Jb\\u{202e}  error=c", "--:--:--         log.dropped  dropped=3"]
        );
    }
}
