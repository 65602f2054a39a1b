//! What the operator is told when a configuration cannot be used, or should not.
//!
//! Owns places in the file, and how a problem is printed. It does not find problems: the sections do.

use std::fmt;

use serde::Serialize;

use super::lint::Risk;
use super::source::{Source, masked};

/// Problems printed by [`render_all`]; the rest is counted.
pub const SHOWN: usize = 20;

/// A place in a configuration file. Lines and columns count from 1, columns and lengths in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    pub line: u32,
    pub column: u32,
    /// Characters on the first line; at least one is underlined.
    pub length: u32,
}

impl Span {
    /// The part of this span that starts `offset` characters in.
    #[must_use]
    pub fn part(self, offset: u32, length: u32) -> Self {
        Self { line: self.line, column: self.column + offset, length }
    }
}

/// Whether the configuration can be used in spite of the problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, unless the check is strict.
    Warning,
    /// It can.
    Note,
}

/// The question that found the problem, in the order they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// Is it YAML?
    Syntax,
    /// Does every key and value mean something?
    Meaning,
    /// Is it safe?
    Lint,
    /// Does it decide as its own tests say?
    PolicyTests,
    /// Does what it names answer? Asked only on demand.
    Online,
}

impl Layer {
    /// Those that the file alone answers.
    pub const OFFLINE: [Self; 4] = [Self::Syntax, Self::Meaning, Self::Lint, Self::PolicyTests];
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "syntax",
            Self::Meaning => "meaning",
            Self::Lint => "security lint",
            Self::PolicyTests => "policy tests",
            Self::Online => "online",
        })
    }
}

/// One problem at one place. Nothing in it comes from an interpolated value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub severity: Severity,
    pub layer: Layer,
    pub file: String,
    /// From 1; 0 when the problem is about the whole file.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    pub length: u32,
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// What the security lint found.
    #[serde(flatten)]
    pub risk: Option<Box<Risk>>,
    /// The line as written in the file, literal credentials masked.
    pub source: Option<String>,
}

impl Problem {
    /// A problem at `span` of `source`.
    pub fn new(layer: Layer, source: &Source, span: Span, message: impl Into<String>) -> Self {
        let severity = if layer == Layer::Lint { Severity::Warning } else { Severity::Error };
        let shown = source.line(span);
        let span = shown.as_ref().map_or(span, |(_, span)| *span);
        Self {
            severity,
            layer,
            file: source.name().to_string(),
            line: span.line,
            column: span.column,
            length: span.length,
            message: masked(&message.into()),
            help: None,
            risk: None,
            source: shown.map(|(line, _)| line),
        }
    }

    /// A problem of a file that has no lines to show: it could not be read.
    pub fn of_file(name: &str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            layer: Layer::Syntax,
            file: name.into(),
            line: 0,
            column: 0,
            length: 0,
            message: message.into(),
            help: None,
            risk: None,
            source: None,
        }
    }

    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(masked(&help.into()));
        self
    }

    pub fn span(&self) -> Span {
        Span { line: self.line, column: self.column, length: self.length }
    }

    /// The problem as printed: place and message, the line, a caret under the place, and the fix.
    pub fn render(&self, colour: bool) -> String {
        let paint = Paint(colour);
        let mut text = match self.line {
            0 => self.file.clone(),
            line => format!("{}:{line}:{}", self.file, self.column),
        };
        let name = self.risk.as_ref().map(|risk| format!("[{}]", risk.lint.as_str())).unwrap_or_default();
        let severity = match self.severity {
            Severity::Error => String::new(),
            Severity::Warning => format!("{} ", paint.yellow(&format!("warning{name}:"))),
            Severity::Note => format!("{} ", paint.bold(&format!("note{name}:"))),
        };
        text = format!("{} {severity}{}\n", paint.bold(&text), self.message);
        if let Some(source) = &self.source {
            let number = self.line.to_string();
            let margin = " ".repeat(number.len());
            let before: String = source.chars().take(self.column.saturating_sub(1) as usize).map(blank).collect();
            let carets = "^".repeat(self.length.max(1) as usize);
            text.push_str(&format!("  {number} | {source}\n  {margin} | {before}{}\n", paint.red(&carets)));
        }
        if let Some(reason) = self.risk.as_ref().and_then(|risk| risk.accepted_because.as_ref()) {
            text.push_str(&format!("  {} {reason}\n", paint.bold("accepted:")));
        } else if let Some(help) = &self.help {
            text.push_str(&format!("  {} {help}\n", paint.bold("help:")));
        }
        text
    }
}

/// A tab stays a tab, so that the caret stands where the terminal puts the text.
fn blank(character: char) -> char {
    if character == '\t' { '\t' } else { ' ' }
}

/// The first [`SHOWN`] problems, and how many more there are.
pub fn render_all(problems: &[Problem], colour: bool) -> String {
    let mut text: Vec<String> = problems.iter().take(SHOWN).map(|problem| problem.render(colour)).collect();
    if problems.len() > SHOWN {
        text.push(format!("and {} more problems\n", problems.len() - SHOWN));
    }
    text.join("\n")
}

struct Paint(bool);

impl Paint {
    fn bold(&self, text: &str) -> String {
        self.wrap("1", text)
    }

    fn red(&self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    fn yellow(&self, text: &str) -> String {
        self.wrap("1;33", text)
    }

    fn wrap(&self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
