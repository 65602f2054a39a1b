//! `faregate status`: what a running gateway says of itself.
//!
//! Owns asking it, once or again and again, and the comparison with the file on disk. How it is printed is in `text`.

mod screen;
mod text;

use std::io;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use self::screen::Screen;
use super::{ConfigurationFile, FAILED, Failure, Format, Outcome, RunningGateway, output};
use crate::config;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  faregate status --watch\n  faregate status --admin 127.0.0.1:9090 --format json")]
pub struct Arguments {
    #[command(flatten)]
    gateway: RunningGateway,
    /// Again and again, every two seconds if nothing is said, until Ctrl-C
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    watch: Option<u64>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(arguments: &Arguments) -> Outcome {
    let admin = admin_address(&arguments.gateway.file, arguments.gateway.admin.as_deref())?;
    match arguments.watch {
        None => {
            let status = super::block_on(ask(&admin))?.map_err(|error| unasked(&admin, &error))?;
            output::print(&arguments.printed(status))
        }
        Some(seconds) => super::block_on(watch(arguments, &admin, Duration::from_secs(seconds)))?,
    }
}

fn unasked(admin: &str, error: &reqwest::Error) -> anyhow::Error {
    super::no_gateway(admin, "status", error)
}

/// Until it is interrupted, or nobody reads any more. A gateway that does not answer the first time is an error; one that answers no
/// more is what a watcher wants to see.
async fn watch(arguments: &Arguments, admin: &str, pause: Duration) -> Outcome {
    let (mut interrupted, mut terminated) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut first = Some(ask(admin).await.map_err(|error| unasked(admin, &error))?);
    let screen = Screen::open(arguments.format == Format::Text && super::can_move(&io::stdout()))?;
    loop {
        let status = match first.take() {
            Some(status) => Ok(status),
            None => tokio::select! {
                status = ask(admin) => status,
                _ = interrupted.recv() => return Ok(()),
                _ = terminated.recv() => return Ok(()),
            },
        };
        let document = match status {
            Ok(status) => arguments.printed(status),
            Err(error) => match arguments.format {
                Format::Json => format!("{}\n", json!({ "error": unasked(admin, &error).to_string() })),
                Format::Text => format!("{}\n", unasked(admin, &error)),
            },
        };
        if !screen.show(&document, arguments.format)? {
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = interrupted.recv() => return Ok(()),
            _ = terminated.recv() => return Ok(()),
        }
    }
}

impl Arguments {
    /// With what is on disk now.
    fn printed(&self, mut status: Value) -> String {
        let file = &self.gateway.file.config;
        let on_disk = OnDisk::of(file, &status);
        match self.format {
            Format::Json => {
                status["on_disk"] = json!({ "source": file.display().to_string(), "state": on_disk.as_str() });
                format!("{status}\n")
            }
            Format::Text => text::text(&status, file, &on_disk),
        }
    }
}

/// Where the admin listener is: as said, else as configured.
pub(super) fn admin_address(file: &ConfigurationFile, said: Option<&str>) -> Result<String, Failure> {
    if let Some(admin) = said {
        // As it is printed elsewhere.
        let address = admin.strip_prefix("http://").unwrap_or(admin);
        return Ok(address.trim_end_matches('/').to_owned());
    }
    let none = || Failure::Failed(FAILED, anyhow::anyhow!("the configuration has no admin listener (admin: false)"));
    // A gateway may run while its file is broken.
    let admin = config::admin_listener(&file.config, &config::Environment::process());
    Ok(admin.map_err(|problem| super::serve::refused(&[problem]))?.ok_or_else(none)?.to_string())
}

async fn ask(admin: &str) -> Result<Value, reqwest::Error> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).no_proxy().build()?;
    client.get(format!("http://{admin}/status")).send().await?.error_for_status()?.json().await
}

/// UX 12: the running configuration and the one on disk are two things.
enum OnDisk {
    Same,
    Different,
    Unusable,
}

impl OnDisk {
    fn of(file: &Path, status: &Value) -> Self {
        match config::load(file, &config::Environment::process()) {
            Ok(config) if status["configuration"]["hash"] == config.hash.as_str() => Self::Same,
            Ok(_) => Self::Different,
            Err(_) => Self::Unusable,
        }
    }

    fn as_str(&self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Different => "different",
            Self::Unusable => "unusable",
        }
    }

    fn in_words(&self) -> &'static str {
        match self {
            Self::Same => "the same",
            Self::Different => "different: apply it with `faregate reload`",
            Self::Unusable => "not readable or not valid",
        }
    }
}
