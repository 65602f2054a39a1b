//! `faregate init`: a first configuration, which can be used as it is and says what to change.
//!
//! Owns the two texts in `init/`. What it writes has been checked; without arguments it passes `faregate check --strict`.

use std::fs::OpenOptions;
use std::io::{self, Write as _};

use serde_json::json;

use super::serve::refused;
use super::{ConfigurationFile, FAILED, Failure, Format, Outcome, UNUSABLE, WRONG, output, say};
use crate::config::{self, Environment, Problem};

const OWN: &str = include_str!("init/own.yaml");
const FOREIGN: &str = include_str!("init/foreign.yaml");

#[derive(Debug, clap::Args)]
#[command(
    after_help = "A file that is there stays as it is.\nExamples:\n  faregate init\n  faregate init --upstream http://127.0.0.1:3000 --issuer https://idp.example.com --audience api"
)]
pub struct Arguments {
    #[command(flatten)]
    file: ConfigurationFile,
    /// The service behind
    #[arg(long, value_name = "URL", default_value = "builtin:echo")]
    upstream: String,
    /// Who issues the tokens; without it the authorization server inside does
    #[arg(long, value_name = "URL", requires = "audience")]
    issuer: Option<String>,
    /// What the `aud` of its tokens says of the service
    #[arg(long, value_name = "AUDIENCE", requires = "issuer")]
    audience: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(arguments: &Arguments) -> Outcome {
    let path = &arguments.file.config;
    let shown = path.display().to_string();
    let text = text(arguments);
    let checked =
        config::parse(&shown, &text, &Environment::process()).map_err(|problems| misused(arguments, &problems))?;
    // Whole or not at all, and never over another.
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::Failed(
            FAILED,
            anyhow::anyhow!("{shown} is there already and stays as it is; name another file with --config"),
        ),
        _ => Failure::Failed(UNUSABLE, anyhow::anyhow!("cannot make {shown}: {error}")),
    })?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| {
        let _ = std::fs::remove_file(path);
        Failure::Failed(UNUSABLE, anyhow::anyhow!("cannot write {shown}: {error}"))
    })?;
    say(format_args!("{}", config::render_all(&checked.warnings, super::colour(&io::stderr()))));
    match arguments.format {
        Format::Json => output::print_line(&json!({ "file": shown })),
        Format::Text => {
            output::print_line(&shown)?;
            say(format_args!("Check it with `faregate check --strict`, run it with `faregate serve`.\n"));
            Ok(())
        }
    }
}

/// A value that stands in the file for an option.
struct Slot<'a> {
    name: &'static str,
    option: &'static str,
    value: Option<&'a str>,
    /// What is right.
    fix: &'static str,
}

impl Arguments {
    fn slots(&self) -> [Slot<'_>; 3] {
        [
            Slot {
                name: "UPSTREAM",
                option: "--upstream",
                value: Some(&self.upstream),
                fix: "write http://HOST:PORT, https://HOST:PORT or builtin:echo",
            },
            Slot {
                name: "ISSUER",
                option: "--issuer",
                value: self.issuer.as_deref(),
                fix: "write https://HOST, or what else the `iss` of its tokens is",
            },
            Slot {
                name: "AUDIENCE",
                option: "--audience",
                value: self.audience.as_deref(),
                fix: "write what the `aud` of its tokens says of the service",
            },
        ]
    }

    fn template(&self) -> &'static str {
        if self.issuer.is_some() { FOREIGN } else { OWN }
    }
}

/// Says what is wrong by the name of the option: of the file, whose lines the problems name, there is nothing to be seen.
fn misused(arguments: &Arguments, problems: &[Problem]) -> Failure {
    let slots = arguments.slots();
    let option = |problem: &Problem| {
        let line = usize::try_from(problem.line).ok()?.checked_sub(1)?;
        let (_, name) = arguments.template().lines().nth(line)?.rsplit_once(": ")?;
        slots.iter().find(|slot| slot.name == name)
    };
    let said: Vec<String> = problems
        .iter()
        .filter_map(|problem| {
            let Slot { option, fix, .. } = option(problem)?;
            let help = problem.help.as_ref().map(|help| format!(": {help}")).unwrap_or_default();
            Some(format!("{option}: {}{help}; {fix}", problem.message))
        })
        .collect();
    if said.is_empty() {
        return refused(problems);
    }
    Failure::Failed(WRONG, anyhow::anyhow!(said.join("\nfaregate: ")))
}

/// What is written. Values are quoted as JSON, which YAML reads, so that nothing in them is more than a value; a dollar sign
/// would begin a variable.
fn text(arguments: &Arguments) -> String {
    let quoted = |value: &str| json!(value.replace("${", "$${")).to_string();
    let slots = arguments.slots();
    let line = |line: &str| {
        let (key, name) = line.rsplit_once(": ")?;
        let slot = slots.iter().find(|slot| slot.name == name)?;
        Some(format!("{key}: {}\n", quoted(slot.value?)))
    };
    arguments.template().lines().map(|text| line(text).unwrap_or_else(|| format!("{text}\n"))).collect()
}
