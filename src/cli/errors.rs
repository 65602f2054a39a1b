//! `faregate errors`: what a code means that was answered or logged, who can mend it, and how. Without a server.
//!
//! Owns how that is shown. What is said of each code stands in the files of the folder `errors`; which codes there are is decided by
//! the enums that those files name, and tests compare the two.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::{FAILED, Failure, Format, Outcome, output};
use crate::config::nearest;

/// What may be said of codes, in the order in which they are listed.
const FILES: [&str; 3] =
    [include_str!("errors/gateway.yaml"), include_str!("errors/oauth.yaml"), include_str!("errors/lints.yaml")];

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

/// Who can do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Who {
    /// Of the client.
    Developer,
    Operator,
    /// Who signs in.
    Person,
}

impl Who {
    fn as_text(self) -> &'static str {
        match self {
            Self::Developer => "the client's developer",
            Self::Operator => "the operator of the gateway",
            Self::Person => "the person who signs in",
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Statuses {
    One(u16),
    Several(Vec<u16>),
}

/// Codes that have something in common, as written: what is said here holds for each that does not say it itself.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    group: String,
    status: Option<Statuses>,
    #[serde(default)]
    who: Vec<Who>,
    /// Added to what each says.
    #[serde(default)]
    check: Vec<String>,
    spec: Option<String>,
    codes: Vec<Written>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    code: String,
    status: Option<Statuses>,
    says: String,
    #[serde(default)]
    who: Vec<Who>,
    causes: Vec<String>,
    #[serde(default)]
    check: Vec<String>,
    fix: String,
    spec: Option<String>,
}

/// All that is known of one code.
#[derive(Debug, Serialize)]
struct Entry {
    code: String,
    group: String,
    /// Of the answer; a lint has none.
    statuses: Vec<u16>,
    meaning: String,
    who: Vec<Who>,
    causes: Vec<String>,
    checks: Vec<String>,
    fix: String,
    specification: Option<String>,
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
        Format::Text => output::print(&entry.text()),
        Format::Json => output::print_line(&serde_json::to_string(entry)?),
    }
}

fn entries() -> Result<Vec<Entry>, serde_yaml::Error> {
    let mut entries = Vec::new();
    for file in FILES {
        for group in serde_yaml::from_str::<Vec<Group>>(file)? {
            let Group { group, status, who, check, spec, codes } = group;
            entries.extend(codes.into_iter().map(|own| {
                let statuses = match own.status.or_else(|| status.clone()) {
                    None => Vec::new(),
                    Some(Statuses::One(status)) => vec![status],
                    Some(Statuses::Several(statuses)) => statuses,
                };
                let checks = own.check.iter().chain(&check);
                Entry {
                    group: group.clone(),
                    statuses,
                    meaning: own.says,
                    who: if own.who.is_empty() { who.clone() } else { own.who },
                    causes: own.causes,
                    checks: checks.map(|check| check.replace("CODE", &own.code)).collect(),
                    fix: own.fix,
                    specification: own.spec.or_else(|| spec.clone()),
                    code: own.code,
                }
            }));
        }
    }
    Ok(entries)
}

fn unknown(word: &str, entries: &[Entry]) -> String {
    if word.len() > LONGEST_CODE {
        return "this is no code; `faregate errors` lists them".to_owned();
    }
    let near = nearest(word, entries.iter().map(|entry| entry.code.as_str()));
    let near = near.get(..MOST_SUGGESTED).unwrap_or(&near);
    match near {
        [] => format!("there is no code {word:?}; `faregate errors` lists them"),
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

impl Entry {
    fn status(&self) -> String {
        let statuses: Vec<String> = self.statuses.iter().map(u16::to_string).collect();
        if statuses.is_empty() { "-".to_owned() } else { statuses.join("/") }
    }

    fn text(&self) -> String {
        let list = |items: &[String]| items.iter().map(|item| format!("  - {item}\n")).collect::<String>();
        let who: Vec<&str> = self.who.iter().map(|who| who.as_text()).collect();
        let status = if self.statuses.is_empty() { String::new() } else { format!("{}  ", self.status()) };
        let specification = self.specification.as_deref().map(|spec| format!("\nSee {spec}.\n")).unwrap_or_default();
        format!(
            "{}  {status}{}\n\n{}\n\nWho can mend it: {}\n\nLikely causes\n{}\nWhat to check\n{}\nWhat to do\n  {}\n{specification}",
            self.code,
            self.group,
            self.meaning,
            who.join(", or "),
            list(&self.causes),
            list(&self.checks),
            self.fix,
        )
    }
}
