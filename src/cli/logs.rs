//! `faregate logs`: the lines that `serve` writes, for people.
//!
//! Owns which lines are shown and how they are read. It understands what is in them as far as it prints it.

mod follow;
mod line;

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::{Format, Outcome, output, say};
use crate::codes;
use crate::config::nearest;
use follow::Following;
use line::Printer;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "What is no JSON is printed as it is, unless there is a filter.\nExamples:\n  faregate logs /var/log/faregate.log --deny --since 10m\n  faregate logs --route '/api/*' --status 5xx < faregate.log"
)]
pub struct Arguments {
    /// The log; without it, standard input
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Read on as the file grows, and when another takes its place
    #[arg(short, long)]
    follow: bool,
    /// Only requests that were refused
    #[arg(long)]
    deny: bool,
    /// Only requests to this route; `*` stands for any characters
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// Only requests that were, or would have been, refused for this reason
    #[arg(long, value_name = "CODE", value_parser = reason)]
    reason: Option<String>,
    /// Only answers with this status, for example 403 or 5xx
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<Statuses>,
    /// Only requests of this client
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// Only lines that are not older, for example 10m
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    since: Option<Duration>,
    /// `json` passes lines on as they are
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// From the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Statuses(u64, u64);

fn status(text: &str) -> Result<Statuses, String> {
    let class = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX"));
    let parsed = match class {
        Some(class) => class.parse().ok().filter(|class| (1..=5).contains(class)).map(|c: u64| (c * 100, c * 100 + 99)),
        None => text.parse().ok().filter(|status| (100..=599).contains(status)).map(|status| (status, status)),
    };
    parsed.map(|(first, last)| Statuses(first, last)).ok_or_else(|| "a status like 403, or a class like 5xx".to_owned())
}

/// A code that there is, or one that is like none: the log may be a newer program's.
fn reason(text: &str) -> Result<String, String> {
    let codes = codes::entries().unwrap_or_default();
    if codes.iter().any(|entry| entry.code == text) {
        return Ok(text.to_owned());
    }
    match nearest(text, codes.iter().map(|entry| entry.code.as_str())).first() {
        Some(near) => Err(format!("there is no such code — did you mean {near}?")),
        None => Ok(text.to_owned()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "a duration like 10m, 2h or 1day".to_owned())
}

/// Bytes that are read at one time.
const PIECE: usize = 64 * 1024;

/// What is longer is no line of ours, and is printed in pieces.
const MOST_LINE: usize = 1024 * 1024;

/// How long a file that has ended is left alone before it is looked at again.
const PAUSE: Duration = Duration::from_millis(200);

pub fn run(arguments: &Arguments) -> Outcome {
    let mut reading = match (&arguments.file, arguments.follow) {
        (Some(path), true) => Reading::Following(Following::open(path)?),
        (Some(path), false) => Reading::Once(Box::new(
            File::open(path).map_err(|error| anyhow::anyhow!("cannot read {}: {error}", path.display()))?,
        )),
        (None, _) => {
            if io::stdin().is_terminal() {
                say(format_args!("faregate: reading the log from standard input; or name a file\n"));
            }
            Reading::Once(Box::new(io::stdin()))
        }
    };
    let mut printing = Printing {
        filter: arguments,
        since: arguments.since.and_then(|since| SystemTime::now().checked_sub(since)),
        printer: Printer::new(super::colour(&io::stdout())),
        rest: Vec::new(),
    };
    let mut piece = vec![0; PIECE];
    loop {
        let read = reading.read(&mut piece)?;
        if let Reading::Following(file) = &mut reading
            && file.has_begun_anew()
            && !output::print_some(&printing.last())?
        {
            return Ok(());
        }
        let (text, is_end) = match read {
            0 if matches!(reading, Reading::Following(_)) => {
                std::thread::sleep(PAUSE);
                continue;
            }
            0 => (printing.last(), true),
            length => (printing.more(piece.get(..length).unwrap_or_default()), false),
        };
        if !output::print_some(&text)? || is_end {
            return Ok(());
        }
    }
}

enum Reading {
    Once(Box<dyn Read>),
    Following(Following),
}

impl Reading {
    /// 0: nothing more, for now or at all.
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match self {
                Self::Once(file) => file.read(piece),
                Self::Following(file) => file.read(piece),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

/// Bytes in, lines out.
struct Printing<'a> {
    filter: &'a Arguments,
    since: Option<SystemTime>,
    printer: Printer,
    /// The beginning of a line whose end has not come yet.
    rest: Vec<u8>,
}

impl Printing<'_> {
    fn more(&mut self, piece: &[u8]) -> String {
        let mut text = String::new();
        let mut rest = std::mem::take(&mut self.rest);
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            rest.extend_from_slice(part);
            if part.ends_with(b"\n") || rest.len() >= MOST_LINE {
                self.line(&rest, &mut text);
                rest.clear();
            }
        }
        self.rest = rest;
        text
    }

    /// The end of a file needs no end of line.
    fn last(&mut self) -> String {
        let (mut text, rest) = (String::new(), std::mem::take(&mut self.rest));
        if !rest.is_empty() {
            self.line(&rest, &mut text);
        }
        text
    }

    fn line(&mut self, bytes: &[u8], text: &mut String) {
        let written = String::from_utf8_lossy(bytes);
        let written = written.trim_end_matches(['\n', '\r']);
        let parsed = serde_json::from_str::<Value>(written).ok().filter(Value::is_object);
        let is_shown = match &parsed {
            Some(line) => self.filter.shows(line, self.since),
            None => !self.filter.asks_for_some(),
        };
        if !is_shown {
            return;
        }
        match parsed.filter(|_| self.filter.format == Format::Text) {
            Some(line) => self.printer.print(&line, text),
            None if self.filter.format == Format::Json => text.push_str(written),
            None => text.push_str(&output::escaped(written)),
        }
        text.push('\n');
    }
}

impl Arguments {
    /// Whether only some requests are wanted.
    fn asks_for_requests(&self) -> bool {
        self.deny || self.route.is_some() || self.reason.is_some() || self.status.is_some() || self.client.is_some()
    }

    fn asks_for_some(&self) -> bool {
        self.asks_for_requests() || self.since.is_some()
    }

    fn shows(&self, line: &Value, since: Option<SystemTime>) -> bool {
        if since.is_some_and(|since| line::time_of(line).is_none_or(|at| at < since)) {
            return false;
        }
        if !self.asks_for_requests() {
            return true;
        }
        let text = |name: &str| line[name].as_str().unwrap_or_default();
        let is = |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|wanted| text(name) == wanted);
        line::is_decision(line)
            && (!self.deny || text("decision") == "deny")
            && self.route.as_deref().is_none_or(|wanted| matches(wanted, text("route")))
            && is(&self.reason, "reason")
            && is(&self.client, "client_id")
            && self.status.is_none_or(|Statuses(first, last)| {
                line["status"].as_u64().is_some_and(|status| (first..=last).contains(&status))
            })
    }
}

/// Whether `text` is what `pattern` says, in which `*` stands for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    // Without an asterisk, nothing may follow.
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    // UX 25
    #[test]
    fn routes_are_named_whole_or_with_asterisks() {
        for (pattern, text, expected) in [
            ("/api/**", "/api/**", true),
            ("/api/*", "/api/**", true),
            ("/api", "/api/**", false),
            ("*orders*", "/v1/orders/{id}", true),
            ("*orders", "/v1/orders/{id}", false),
            ("/a*b*c", "/a1b2c", true),
            ("/a*b*c", "/a1c2b", false),
            ("*a*a", "a", false),
            ("*", "-", true),
            ("", "/x", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_status_is_a_number_or_a_class() {
        assert_eq!(status("403"), Ok(Statuses(403, 403)));
        assert_eq!((status("5xx"), status("1XX")), (Ok(Statuses(500, 599)), Ok(Statuses(100, 199))));
        for wrong in ["", "xx", "6xx", "0xx", "99", "600", "four", "-1"] {
            assert!(status(wrong).is_err(), "{wrong}");
        }
    }
}
