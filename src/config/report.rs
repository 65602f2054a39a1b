//! What `faregate check` finds out about a file, layer by layer.
//!
//! Owns the order of the questions and how the answers are printed. It asks nothing over a network.

use std::path::Path;

use serde::Serialize;

use super::Inspection;
use super::environment::Environment;
use super::problem::{Layer, Problem, Severity, render_all};

/// Everything there is to say about one file.
#[derive(Debug, Serialize)]
pub struct Report {
    pub file: String,
    /// Whether the file can be used.
    pub ok: bool,
    /// [`Config::hash`](super::Config::hash); `None` if the file cannot be used.
    pub hash: Option<String>,
    pub layers: Vec<LayerReport>,
    pub problems: Vec<Problem>,
}

impl Report {
    /// The report as printed.
    pub fn render(&self, colour: bool) -> String {
        let mut text = String::new();
        for layer in &self.layers {
            let (sign, code) = match layer.outcome {
                Outcome::Ok => ("✓", "32"),
                Outcome::Failed => ("✗", "31"),
                Outcome::Warned => ("!", "33"),
                Outcome::Skipped => ("-", "2"),
            };
            let sign = if colour { format!("\x1b[{code}m{sign}\x1b[0m") } else { sign.to_owned() };
            text.push_str(&format!("{sign} {:<13}  {}\n", layer.name.to_string(), layer.summary));
        }
        if !self.problems.is_empty() {
            text.push('\n');
            text.push_str(&render_all(&self.problems, colour));
        }
        if let Some(hash) = &self.hash {
            text.push_str(&format!("\n{} can be used; its hash is {}\n", self.file, hash.get(..12).unwrap_or(hash)));
        }
        text
    }
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

/// Asks every question that can be asked about the file at `path`; with `strict` a warning is a failure.
pub fn report(path: &Path, strict: bool, environment: &Environment) -> Report {
    let Inspection { config, problems } = super::inspect_file(path, environment);
    let tests = config.as_ref().map_or(0, |config| config.tests.len());
    let layers = layers(&problems, tests, strict);
    let asked = |layer| layers.iter().any(|report| report.name == layer && report.outcome != Outcome::Skipped);
    let problems = problems.into_iter().filter(|problem| asked(problem.layer)).collect();
    let ok = layers.iter().all(|layer| matches!(layer.outcome, Outcome::Ok | Outcome::Warned));
    let hash = config.map(|config| config.hash).filter(|_| ok);
    Report { file: path.display().to_string(), ok, hash, layers, problems }
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
        LayerReport { name: layer, outcome, summary }
    };
    Layer::ALL.into_iter().map(answer).collect()
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
