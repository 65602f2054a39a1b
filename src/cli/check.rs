//! `faregate check` - is this configuration right, before it is used?
//!
//! Owns the order of the questions and how the answers are printed. It asks nothing over a network.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::{ConfigurationFile, Failure, Format};
use crate::config::{self, Config, Environment, Layer, Problem, Severity, render_all};

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit code 0: it can be used, 2: it cannot.\nExamples:\n  faregate check\n  faregate check --config /etc/faregate/faregate.yaml --strict")]
pub struct Arguments {
    #[command(flatten)]
    file: ConfigurationFile,
    /// Warnings fail the check too
    #[arg(long)]
    strict: bool,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(arguments: &Arguments) -> super::Outcome {
    let colour = super::colour(&io::stdout());
    let options = Options { format: arguments.format, strict: arguments.strict, colour };
    let code = check(&arguments.file.config, options, &Environment::process(), &mut io::stdout().lock())?;
    if code == GOOD { Ok(()) } else { Err(Failure::Said(code)) }
}

/// What the command was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    pub format: Format,
    /// Warnings fail the check too.
    pub strict: bool,
    pub colour: bool,
}

/// The configuration can be used.
pub const GOOD: u8 = 0;
/// It cannot, or it has warnings and the check is strict.
pub const BAD: u8 = 2;

/// Everything there is to say about one file.
#[derive(Debug, Serialize)]
pub struct Report {
    pub file: String,
    /// Whether the file can be used.
    pub ok: bool,
    /// SHA-256 in hexadecimal; `None` if the file cannot be used.
    pub hash: Option<String>,
    pub layers: Vec<LayerReport>,
    pub problems: Vec<Problem>,
}

/// One question and its answer.
#[derive(Debug, Serialize)]
pub struct LayerReport {
    pub name: Layer,
    pub outcome: Outcome,
    /// In words.
    pub summary: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Ok,
    Failed,
    /// Warnings that do not fail the check.
    Warned,
    /// An earlier layer failed.
    Skipped,
}

/// Checks the file at `path`, prints the report to `out` and returns the exit code.
pub fn check(path: &Path, options: Options, environment: &Environment, out: &mut dyn Write) -> io::Result<u8> {
    let report = report(path, options.strict, environment);
    match options.format {
        Format::Text => write!(out, "{}", render(&report, options.colour))?,
        Format::Json => writeln!(out, "{}", serde_json::to_string(&report)?)?,
    }
    Ok(if report.ok { GOOD } else { BAD })
}

/// Asks every question that can be asked.
pub fn report(path: &Path, strict: bool, environment: &Environment) -> Report {
    let loaded = config::load(path, environment);
    let mut tests = 0;
    let (hash, problems) = match loaded {
        Err(problems) => (None, problems),
        Ok(config) => {
            let outcomes = config::policy_tests(&config);
            tests = outcomes.len();
            let Config { hash, mut warnings, .. } = config;
            warnings.extend(outcomes.into_iter().filter_map(|outcome| outcome.problem));
            (Some(hash), warnings)
        }
    };
    let layers: Vec<LayerReport> = layers(&problems, tests, strict);
    let ok = layers
        .iter()
        .all(|layer| matches!(layer.outcome, Outcome::Ok | Outcome::Warned));
    Report {
        file: path.display().to_string(),
        ok,
        hash: hash.filter(|_| ok),
        layers,
        problems,
    }
}

fn layers(problems: &[Problem], tests: usize, strict: bool) -> Vec<LayerReport> {
    let mut stopped = false;
    let answer = |layer: Layer| {
        let of = |severity| {
            let same = |problem: &&Problem| problem.layer == layer && problem.severity == severity;
            problems.iter().filter(same).count()
        };
        let (errors, warnings, notes) = (of(Severity::Error), of(Severity::Warning), of(Severity::Note));
        let outcome = match (stopped, errors, warnings) {
            (true, _, _) => Outcome::Skipped,
            (false, 0, 0) => Outcome::Ok,
            (false, 0, _) if !strict => Outcome::Warned,
            (false, _, _) => Outcome::Failed,
        };
        // Warnings say nothing about whether the tests can be run.
        stopped |= errors > 0;
        let summary = match (outcome, layer) {
            (Outcome::Skipped, _) => "skipped".to_owned(),
            (Outcome::Ok, Layer::PolicyTests) => format!("{} passed", counted(tests, "test")),
            (Outcome::Ok, _) if notes > 0 => format!("ok, {}", counted(notes, "note")),
            (Outcome::Ok, _) => "ok".to_owned(),
            (Outcome::Failed, Layer::PolicyTests) => format!("{errors} of {} failed", counted(tests, "test")),
            (Outcome::Failed | Outcome::Warned, _) if errors == 0 => counted(warnings, "warning"),
            (Outcome::Failed | Outcome::Warned, _) => counted(errors, "problem"),
        };
        LayerReport {
            name: layer,
            outcome,
            summary,
        }
    };
    Layer::ALL.into_iter().map(answer).collect()
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn render(report: &Report, colour: bool) -> String {
    let mut text = String::new();
    for layer in &report.layers {
        let (sign, code) = match layer.outcome {
            Outcome::Ok => ("✓", "32"),
            Outcome::Failed => ("✗", "31"),
            Outcome::Warned => ("!", "33"),
            Outcome::Skipped => ("-", "2"),
        };
        let sign = if colour {
            format!("\x1b[{code}m{sign}\x1b[0m")
        } else {
            sign.to_owned()
        };
        text.push_str(&format!("{sign} {:<13}  {}\n", layer.name.to_string(), layer.summary));
    }
    if !report.problems.is_empty() {
        text.push('\n');
        text.push_str(&render_all(&report.problems, colour));
    }
    if let Some(hash) = &report.hash {
        text.push_str(&format!(
            "\n{} can be used; its hash is {}\n",
            report.file,
            hash.get(..12).unwrap_or(hash)
        ));
    }
    text
}
