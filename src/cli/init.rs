//! `faregate init`: a first configuration, which can be used as it is and says what to change.
//!
//! Owns the two texts in `init/`. What it writes has been checked; without arguments it passes `faregate check --strict`.

use std::fs::OpenOptions;
use std::io::{self, Write as _};

use serde_json::json;

use super::serve::refused;
use super::{ConfigurationFile, FAILED, Failure, Format, Outcome, UNUSABLE, output, say};
use crate::config::{self, Environment};

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
    let checked = config::parse(&shown, &text, &Environment::process()).map_err(|problems| refused(&problems))?;
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

/// What is written. Values are quoted as JSON, which YAML reads, so that nothing in them is more than a value; a dollar sign
/// would begin a variable.
fn text(arguments: &Arguments) -> String {
    let quoted = |value: &str| json!(value.replace("${", "$${")).to_string();
    let named = [
        ("UPSTREAM", Some(arguments.upstream.as_str())),
        ("ISSUER", arguments.issuer.as_deref()),
        ("AUDIENCE", arguments.audience.as_deref()),
    ];
    let template = if arguments.issuer.is_some() { FOREIGN } else { OWN };
    let line = |line: &str| {
        let (key, name) = line.rsplit_once(": ")?;
        let (_, value) = named.into_iter().find(|(of, _)| *of == name)?;
        Some(format!("{key}: {}\n", quoted(value?)))
    };
    template.lines().map(|text| line(text).unwrap_or_else(|| format!("{text}\n"))).collect()
}
