//! `faregate status`: what a running gateway says of itself.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::{ConfigurationFile, FAILED, Failure, Format, Outcome, RunningGateway, output};
use crate::config;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  faregate status\n  faregate status --admin 127.0.0.1:9090 --format json")]
pub struct Arguments {
    #[command(flatten)]
    gateway: RunningGateway,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(arguments: &Arguments) -> Outcome {
    let admin = admin_address(&arguments.gateway.file, arguments.gateway.admin.as_deref())?;
    let mut status = super::block_on(ask(&admin))?
        .map_err(|error| anyhow::anyhow!("no gateway answers at http://{admin}/status: {error}"))?;
    let file = &arguments.gateway.file.config;
    let on_disk = OnDisk::of(file, &status);
    match arguments.format {
        Format::Json => {
            status["on_disk"] = json!({ "source": file.display().to_string(), "state": on_disk.as_str() });
            output::print_line(&status)
        }
        Format::Text => output::print(&text(&status, file, &on_disk)),
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

fn text(status: &Value, file: &Path, on_disk: &OnDisk) -> String {
    let show = |pointer: &str| match status.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "?".to_owned(),
    };
    let running = show("/configuration/hash");
    let on_disk = on_disk.in_words();
    format!(
        "version      {}\nuptime       {} s\nrunning      {} ({})\non disk      {on_disk} ({})\n{}routes       {}\nstore        {}\nconnections  {}\ntoken cache  {} tokens, {} hits, {} misses\n{}",
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
        key_sets(&status["key_sets"]),
    )
}

/// A line for each issuer that is somebody else; nothing without any.
fn key_sets(key_sets: &Value) -> String {
    let lines = key_sets.as_array().into_iter().flatten().enumerate().map(|(at, key_set)| {
        let title = if at == 0 { "keys of" } else { "" };
        format!("{title:13}{}\n", key_set_line(key_set))
    });
    lines.collect()
}

fn key_set_line(key_set: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").escape_debug().to_string();
    let seconds = |name: &str| key_set[name].as_u64();
    let kids: Vec<String> = key_set["kids"].as_array().into_iter().flatten().map(text).collect();
    let mut line = format!("{}: {}", text(&key_set["issuer"]), text(&key_set["state"]));
    if !kids.is_empty() {
        line.push_str(&format!(" ({})", kids.join(", ")));
    }
    if let Some(ago) = seconds("fetched_seconds_ago") {
        line.push_str(&format!(", fetched {ago} s ago"));
    }
    if let Some(wait) = seconds("next_fetch_in_seconds") {
        line.push_str(&format!(", again in {wait} s"));
    }
    if let Some(ago) = key_set["last_error"]["seconds_ago"].as_u64() {
        line.push_str(&format!("; {ago} s ago: {}", text(&key_set["last_error"]["problem"])));
    }
    line
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
