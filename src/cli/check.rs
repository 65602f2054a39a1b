//! `faregate check`: is this configuration right, before it is used?

use std::io;
use std::path::PathBuf;

use super::{ConfigurationFile, Failure, Format, Outcome, WRONG, output};
use crate::config::{self, Environment};
use crate::serve;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 0: it can be used, 2: it cannot.\nExamples:\n  faregate check\n  faregate check /etc/faregate/faregate.yaml --online --strict"
)]
pub struct Arguments {
    /// The configuration file, in place of --config
    #[arg(value_name = "FILE")]
    path: Option<PathBuf>,
    #[command(flatten)]
    file: ConfigurationFile,
    /// Ask too whether what it names answers: issuers, upstreams, the store, ports, files; nothing is written
    #[arg(long)]
    online: bool,
    /// Warnings fail the check too
    #[arg(long)]
    strict: bool,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(arguments: &Arguments) -> Outcome {
    let path = arguments.path.as_ref().unwrap_or(&arguments.file.config);
    let (mut report, config) = config::examine(path, arguments.strict, &Environment::process());
    if arguments.online {
        let probes = config.as_ref().map(|config| super::block_on(serve::probe(config))).transpose()?;
        report = report.with_online(probes, arguments.strict);
    }
    match arguments.format {
        Format::Text => output::print(&report.render(super::colour(&io::stdout())))?,
        Format::Json => output::print_line(&serde_json::to_string(&report)?)?,
    }
    if report.ok { Ok(()) } else { Err(Failure::Said(WRONG)) }
}
