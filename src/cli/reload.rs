//! `faregate reload`: a running gateway reads its configuration again.
//!
//! Owns what is printed of the outcome. What the configuration is worth, the gateway decides.

use std::time::Duration;

use serde_json::Value;

use super::{Failure, Format, Outcome, RunningGateway, WRONG, output, say, status};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 0: it runs now, 2: it was refused and the one from before stays.\nExamples:\n  faregate reload\n  faregate reload --admin 127.0.0.1:9090 --format json"
)]
pub struct Arguments {
    #[command(flatten)]
    gateway: RunningGateway,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Policy tests and a slow store may take their time.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn run(arguments: &Arguments) -> Outcome {
    let admin = status::admin_address(&arguments.gateway.file, arguments.gateway.admin.as_deref())?;
    let outcome = super::block_on(ask(&admin))?
        .map_err(|error| anyhow::anyhow!("no gateway answers at http://{admin}/reload: {error}"))?;
    let was_applied = outcome["result"] == "applied";
    let said = |name: &str| outcome[name].as_str().unwrap_or_default().to_owned();
    match arguments.format {
        Format::Json => output::print_line(&outcome)?,
        Format::Text if was_applied => output::print_line(&said("summary"))?,
        Format::Text => say(format_args!("{}\n", said("problem"))),
    }
    if was_applied { Ok(()) } else { Err(Failure::Said(WRONG)) }
}

async fn ask(admin: &str) -> Result<Value, reqwest::Error> {
    let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build()?;
    client.post(format!("http://{admin}/reload")).send().await?.json().await
}
