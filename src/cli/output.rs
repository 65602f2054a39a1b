//! Standard output, and the only place that writes to it.
//!
//! Owns what happens when it takes nothing: its reader has left (`| head`), or its disk is full. `println!` panics then.

use std::io::{self, Write as _};

use serde_json::Value;

use super::{FAILED, Failure, Format, Outcome};

/// Writes a result. A reader that has left has what it wanted.
pub(super) fn print(text: &str) -> Outcome {
    match write(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| untaken(&error, "")),
    }
}

/// The same for a value, on a line of its own.
pub(super) fn print_line(value: &impl std::fmt::Display) -> Outcome {
    print(&format!("{value}\n"))
}

/// Writes a part of a result that has no end of its own. Says whether anybody reads on.
pub(super) fn print_some(text: &str) -> Result<bool, Failure> {
    match write(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true).map_err(|error| untaken(&error, "")),
    }
}

/// Writes a result in the form that was asked for. If it cannot be written and has something that is shown once, says so.
pub(super) fn show(result: &Value, format: Format, text: impl FnOnce(&Value) -> String) -> Outcome {
    let printed = match format {
        Format::Json => format!("{result}\n"),
        Format::Text => text(result),
    };
    match shown_once(result) {
        Some(lost) => print_once(&printed, &lost),
        None => print(&printed),
    }
}

/// Writes what nobody can see again; `lost` says what is gone, and how to get another.
pub(super) fn print_once(text: &str, lost: &str) -> Outcome {
    write(text).map_err(|error| untaken(&error, lost))
}

/// Writes what the command does not depend on: a gateway runs on.
pub(super) fn announce(text: &str) {
    let _ = write(text);
}

fn write(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()
}

fn untaken(error: &io::Error, lost: &str) -> Failure {
    let lost = if lost.is_empty() { String::new() } else { format!("; {lost}") };
    Failure::Failed(FAILED, anyhow::anyhow!("standard output takes nothing: {error}{lost}"))
}

/// Members of results that are shown once, and where another one comes from.
const SHOWN_ONCE: [(&str, &str); 4] = [
    ("client_secret", "get a new one with `regenerate-secret`"),
    ("key", "delete the key and create another"),
    ("temporary_password", "set another with `set-password`"),
    ("recovery_codes", "run the command again, which makes others"),
];

fn shown_once(result: &Value) -> Option<String> {
    let (member, again) = SHOWN_ONCE.into_iter().find(|(member, _)| result.get(member).is_some())?;
    let text = |member: &str| result.get(member).and_then(Value::as_str);
    let name = ["name", "user", "email", "username", "id"].into_iter().find_map(text).unwrap_or("it");
    let id = text("id").map(|id| format!(" ({id})")).unwrap_or_default();
    Some(format!("{name:?}{id} was written, but its {} could not be shown: {again}", member.replace('_', " ")))
}

/// Foreign text on one line, in which nothing moves the cursor or looks as if it stood elsewhere.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || is_bidirectional(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// The same on the lines that it has.
pub(super) fn escaped_lines(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| match line.strip_suffix('\n') {
            Some(line) => escaped(line) + "\n",
            None => escaped(line),
        })
        .collect()
}

/// Marks that make what follows look as if it stood elsewhere.
fn is_bidirectional(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
