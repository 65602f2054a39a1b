//! `faregate check`: is this configuration right, before it is used?

use std::env;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

use super::{ConfigurationFile, Failure, Format, Outcome, WRONG};
use crate::config::{self, Environment};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  faregate check\n  faregate check --strict --config /etc/faregate/faregate.yaml")]
pub struct Arguments {
    /// The configuration file, in place of --config
    #[arg(value_name = "FILE")]
    path: Option<PathBuf>,
    #[command(flatten)]
    file: ConfigurationFile,
    /// Warnings of the security lint fail the check too
    #[arg(long)]
    strict: bool,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(arguments: &Arguments) -> Outcome {
    let path = arguments.path.as_ref().unwrap_or(&arguments.file.config);
    let report = config::report(path, arguments.strict, &Environment::process());
    match arguments.format {
        Format::Text => print!("{}", report.render(colour_on_stdout())),
        Format::Json => println!("{}", serde_json::to_string(&report)?),
    }
    if report.ok { Ok(()) } else { Err(Failure::Said(WRONG)) }
}

fn colour_on_stdout() -> bool {
    let asked_not_to = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !asked_not_to && env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}
