//! `faregate reload`: a running gateway reads its configuration again.
//!
//! Owns what is printed of the outcome. What the configuration is worth, the gateway decides.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::AUTHORIZATION;
use serde_json::Value;

use super::{Failure, Format, Outcome, RunningGateway, WRONG, output, say, status};
use crate::secret::Secret;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 0: it runs now, 2: it was refused and the one from before stays.\nA gateway whose admin listener other machines reach wants an API key that may: --key-file, or FAREGATE_API_KEY.\nExamples:\n  faregate reload\n  faregate reload --admin 127.0.0.1:9090 --format json"
)]
pub struct Arguments {
    #[command(flatten)]
    gateway: RunningGateway,
    /// A file with an API key, instead of FAREGATE_API_KEY
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Policy tests and a slow store may take their time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longest key, in bytes, with the end of its line.
const LONGEST_KEY: u64 = 4096;

pub fn run(arguments: &Arguments) -> Outcome {
    let admin = status::admin_address(&arguments.gateway.file, arguments.gateway.admin.as_deref())?;
    let key = arguments.key()?;
    let answered = super::block_on(ask(&admin, key.as_ref()))?;
    let (status, outcome) = answered.map_err(|error| super::no_gateway(&admin, "reload", &error))?;
    let said = |name: &str| outcome[name].as_str().unwrap_or_default().to_owned();
    if status == StatusCode::UNAUTHORIZED {
        let how = "name a file with it by --key-file, or set FAREGATE_API_KEY";
        let had = if key.is_some() { "refuses this API key" } else { "wants an API key" };
        return Err(anyhow::anyhow!("the gateway at http://{admin} {had}: {}; {how}", said("problem")).into());
    }
    if ![StatusCode::OK, StatusCode::UNPROCESSABLE_ENTITY].contains(&status) {
        return Err(anyhow::anyhow!(
            "the gateway at http://{admin} did not try, with status {status}: {}",
            said("problem")
        )
        .into());
    }
    let was_applied = outcome["result"] == "applied";
    match arguments.format {
        Format::Json => output::print_line(&outcome)?,
        Format::Text if was_applied => output::print_line(&said("summary"))?,
        Format::Text => say(format_args!("{}\n", said("problem"))),
    }
    if was_applied { Ok(()) } else { Err(Failure::Said(WRONG)) }
}

impl Arguments {
    /// Never from the command line, which others can read.
    fn key(&self) -> Result<Option<Secret<String>>, Failure> {
        let Some(path) = &self.key_file else {
            return Ok(std::env::var("FAREGATE_API_KEY").ok().filter(|key| !key.is_empty()).map(Secret::new));
        };
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(LONGEST_KEY + 1).read_to_string(&mut text));
        let text = Secret::new(text);
        let wrong = |why: String| Failure::Failed(WRONG, anyhow::anyhow!("--key-file {}: {why}", path.display()));
        read.map_err(|error| wrong(error.to_string()))?;
        match text.expose().trim() {
            "" => Err(wrong("there is no key in it".to_owned())),
            key if text.expose().len() as u64 > LONGEST_KEY || !key.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err(wrong("there is more in it than a key".to_owned()))
            }
            key => Ok(Some(Secret::new(key.to_owned()))),
        }
    }
}

async fn ask(admin: &str, key: Option<&Secret<String>>) -> Result<(StatusCode, Value), reqwest::Error> {
    let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build()?;
    let mut request = client.post(format!("http://{admin}/reload"));
    if let Some(key) = key {
        request = request.header(AUTHORIZATION, key.expose());
    }
    let answer = request.send().await?;
    Ok((answer.status(), answer.json().await?))
}
