//! What `faregate check` finds out about a file, layer by layer.
//!
//! Owns the order of the questions and how the answers are printed. It asks nothing over a network: what was found out there
//! is handed in.

use std::path::Path;

use serde::Serialize;

use super::environment::Environment;
use super::problem::{Layer, Problem, Severity, render_all};
use super::{Config, Inspection};

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
    /// `None` if that was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub online: Option<Vec<Probe>>,
}

impl Report {
    /// The report as printed.
    pub fn render(&self, colour: bool) -> String {
        let mut text = String::new();
        for layer in &self.layers {
            let sign = layer.outcome.sign(colour);
            text.push_str(&format!("{sign} {:<13}  {}\n", layer.name.to_string(), layer.summary));
        }
        for probe in self.online.iter().flatten() {
            // A sign may not be seen or not be known; the word says the same.
            let word = match probe.outcome {
                Outcome::Ok => "",
                Outcome::Failed => "failed: ",
                Outcome::Warned => "warning: ",
                Outcome::Skipped => "skipped: ",
            };
            let sign = probe.outcome.sign(colour);
            text.push_str(&format!("  {sign} {} {}  {word}{}\n", probe.subject, probe.name, probe.summary));
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

/// One question that was asked of something outside of the file, and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// What kind of thing it is: `issuer`, `upstream`, `port`, ...
    pub subject: &'static str,
    /// Which one.
    pub name: String,
    pub outcome: Outcome,
    /// In words.
    pub summary: String,
}

impl Probe {
    /// Whatever a server answered, it is shown on one line and does nothing to a terminal.
    pub fn new(subject: &'static str, name: impl Into<String>, outcome: Outcome, summary: impl Into<String>) -> Self {
        let shown = |text: String| text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        Self { subject, name: shown(name.into()), outcome, summary: shown(summary.into()) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Ok,
    Failed,
    /// Warnings that do not fail the check.
    Warned,
    /// An earlier layer failed, or there is nothing to ask.
    Skipped,
}

impl Outcome {
    fn sign(self, colour: bool) -> String {
        let (sign, code) = match self {
            Self::Ok => ("✓", "32"),
            Self::Failed => ("✗", "31"),
            Self::Warned => ("!", "33"),
            Self::Skipped => ("-", "2"),
        };
        if colour { format!("\x1b[{code}m{sign}\x1b[0m") } else { sign.to_owned() }
    }
}

/// Asks every question that can be asked about the file at `path`; with `strict` a warning is a failure.
pub fn report(path: &Path, strict: bool, environment: &Environment) -> Report {
    examine(path, strict, environment).0
}

/// The same, and the configuration if it can be used.
pub fn examine(path: &Path, strict: bool, environment: &Environment) -> (Report, Option<Config>) {
    let Inspection { config, problems } = super::inspect_file(path, environment);
    let tests = config.as_ref().map_or(0, |config| config.tests.len());
    let layers = layers(&problems, tests, strict);
    let asked = |layer| layers.iter().any(|report| report.name == layer && report.outcome != Outcome::Skipped);
    let problems = problems.into_iter().filter(|problem| asked(problem.layer)).collect();
    let ok = layers.iter().all(|layer| matches!(layer.outcome, Outcome::Ok | Outcome::Warned));
    let config = config.filter(|_| ok);
    let hash = config.as_ref().map(|config| config.hash.clone());
    (Report { file: path.display().to_string(), ok, hash, layers, problems, online: None }, config)
}

impl Report {
    /// With one layer more. `None`: it was not asked, because an earlier one failed.
    #[must_use]
    pub fn with_online(mut self, probes: Option<Vec<Probe>>, strict: bool) -> Self {
        let of = |outcome| probes.iter().flatten().filter(|probe| probe.outcome == outcome).count();
        let (failures, warnings) = (of(Outcome::Failed), of(Outcome::Warned));
        let asked = probes.as_ref().map_or(0, Vec::len) - of(Outcome::Skipped);
        let (outcome, summary) = match (&probes, failures, warnings) {
            (None, _, _) => (Outcome::Skipped, "skipped".to_owned()),
            (Some(_), 0, 0) => (Outcome::Ok, format!("ok, {} asked", counted(asked, "question"))),
            (Some(_), 0, _) => (if strict { Outcome::Failed } else { Outcome::Warned }, counted(warnings, "warning")),
            (Some(_), _, _) => (Outcome::Failed, format!("{failures} of {} failed", counted(asked, "question"))),
        };
        self.ok &= outcome != Outcome::Failed;
        self.hash = self.hash.filter(|_| self.ok);
        self.layers.push(LayerReport { name: Layer::Online, outcome, summary });
        self.online = probes;
        self
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
        LayerReport { name: layer, outcome, summary }
    };
    Layer::OFFLINE.into_iter().map(answer).collect()
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
