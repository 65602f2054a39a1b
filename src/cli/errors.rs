//! `faregate errors`: what a code means that was answered or logged, who can mend it, and how. Without a server.
//!
//! Owns how that is shown. What is said of each code is in `codes`; a test here, where all of them are known, compares it with
//! the enums that own them.

#[cfg(test)]
mod tests;

use super::{FAILED, Failure, Format, Outcome, output};
use crate::codes::{Entry, entries};
use crate::config::nearest;

/// How the `type` of a problem document begins.
const PROBLEM_TYPE: &str = "urn:faregate:problem:";

/// What is longer is no slip in a code, and perhaps a token: it is not repeated.
const LONGEST_CODE: usize = 64;

/// Suggestions for a word that is no code.
const MOST_SUGGESTED: usize = 5;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 0: here it is, 1: there is no such code.\nExamples:\n  faregate errors\n  faregate errors missing_scope\n  faregate errors invalid_grant --format json"
)]
pub struct Arguments {
    /// The `code` of a problem document, the `reason` of a log line, the `error` of an OAuth answer, or the name of a lint;
    /// without it all are listed
    #[arg(value_name = "CODE")]
    code: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(arguments: &Arguments) -> Outcome {
    let entries = entries()?;
    let Some(word) = &arguments.code else {
        return match arguments.format {
            Format::Text => output::print(&table(&entries)),
            Format::Json => output::print_line(&serde_json::to_string(&entries)?),
        };
    };
    let sought = word.trim().trim_start_matches(PROBLEM_TYPE).to_lowercase();
    let Some(entry) = entries.iter().find(|entry| entry.code == sought) else {
        return Err(Failure::Failed(FAILED, anyhow::anyhow!(unknown(&sought, &entries))));
    };
    match arguments.format {
        Format::Text => output::print(&text(entry)),
        Format::Json => output::print_line(&serde_json::to_string(entry)?),
    }
}

fn unknown(word: &str, entries: &[Entry]) -> String {
    if word.len() > LONGEST_CODE {
        return "this is no code; `faregate errors` lists them".to_owned();
    }
    let near = nearest(word, entries.iter().map(|entry| entry.code.as_str()));
    let near = near.get(..MOST_SUGGESTED).unwrap_or(&near);
    match near {
        [] => format!(
            "there is no code {word:?}; `faregate errors` lists them. An `error_reason` only narrows down the `error` beside it, \
             which is the code"
        ),
        near => format!("there is no code {word:?} — did you mean {}?", near.join(", ")),
    }
}

fn table(entries: &[Entry]) -> String {
    let width = entries.iter().map(|entry| entry.code.len()).max().unwrap_or_default();
    let mut text = String::new();
    let mut group = "";
    for entry in entries {
        if entry.group != group {
            let distance = if group.is_empty() { "" } else { "\n" };
            group = &entry.group;
            text.push_str(&format!("{distance}{group}\n"));
        }
        text.push_str(&format!("  {:<width$}  {:<7}  {}\n", entry.code, entry.status(), entry.meaning));
    }
    text.push_str("\n`faregate errors CODE` says more about each.\n");
    text
}

fn text(entry: &Entry) -> String {
    let list = |items: &[String]| items.iter().map(|item| format!("  - {item}\n")).collect::<String>();
    let who: Vec<&str> = entry.who.iter().map(|who| who.as_text()).collect();
    let status = if entry.statuses.is_empty() { String::new() } else { format!("{}  ", entry.status()) };
    let specification = entry.specification.as_deref().map(|spec| format!("\nSee {spec}.\n")).unwrap_or_default();
    format!(
        "{}  {status}{}\n\n{}\n\nWho can mend it: {}\n\nLikely causes\n{}\nWhat to check\n{}\nWhat to do\n  {}\n{specification}",
        entry.code,
        entry.group,
        entry.meaning,
        who.join(", or "),
        list(&entry.causes),
        list(&entry.checks),
        entry.fix,
    )
}
