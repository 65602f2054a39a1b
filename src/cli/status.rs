//! `faregate status`: what a running gateway says of itself.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::{ConfigurationFile, FAILED, Failure, Format, Outcome};
use crate::config;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  faregate status\n  faregate status --admin 127.0.0.1:9090 --format json")]
pub struct Arguments {
    #[command(flatten)]
    file: ConfigurationFile,
    /// The admin listener; without it the one of the configuration
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(arguments: &Arguments) -> Outcome {
    let admin = admin_address(&arguments.file, arguments.admin.as_deref())?;
    let status = super::block_on(ask(&admin))?
        .map_err(|error| anyhow::anyhow!("no gateway answers at http://{admin}/status: {error}"))?;
    match arguments.format {
        Format::Json => println!("{status}"),
        Format::Text => print!("{}", text(&status, &arguments.file.config)),
    }
    Ok(())
}

/// Where the admin listener is: as said, else as configured.
pub(super) fn admin_address(file: &ConfigurationFile, said: Option<&str>) -> Result<String, Failure> {
    if let Some(admin) = said {
        return Ok(admin.to_owned());
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

fn text(status: &Value, file: &Path) -> String {
    let show = |pointer: &str| match status.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "?".to_owned(),
    };
    let running = show("/configuration/hash");
    // UX 12: the running configuration and the one on disk are two things.
    let on_disk = match config::load(file, &config::Environment::process()) {
        Ok(config) if config.hash == running => "the same",
        Ok(_) => "different: apply it with `faregate reload`",
        Err(_) => "not readable or not valid",
    };
    format!(
        "version      {}\nuptime       {} s\nrunning      {} ({})\non disk      {on_disk} ({})\n{}routes       {}\nstore        {}\nconnections  {}\ntoken cache  {} tokens, {} hits, {} misses\n",
        show("/version"),
        show("/uptime_seconds"),
        show("/configuration/source"),
        running.get(..12).unwrap_or(&running),
        file.display(),
        last_reload(&status["last_reload"]),
        show("/configuration/routes"),
        show("/store"),
        show("/connections"),
        show("/token_cache/tokens"),
        show("/token_cache/hits"),
        show("/token_cache/misses"),
    )
}

/// A line, or the line and everything that was wrong; nothing before the first reload.
fn last_reload(reload: &Value) -> String {
    let said = |name: &str| reload[name].as_str().unwrap_or_default();
    match said("result") {
        "" => String::new(),
        "applied" => format!("last reload  {}, {}\n", said("at"), said("summary")),
        result => {
            let problem: String = said("problem").lines().map(|line| format!("  {line}\n")).collect();
            format!("last reload  {result} {}; the configuration from before stays:\n{problem}", said("at"))
        }
    }
}
