//! What every way to a token shares: who asks whom, one request, and how the answer is printed.
//!
//! Secrets come from the environment, standard input or a file of one's own, never from the command line.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use crate::cli::{FAILED, Failure, Format, Outcome, UNUSABLE, output, say, unanswered};

/// The client and its authorization server.
#[derive(Debug, clap::Args)]
pub(super) struct Client {
    /// The gateway; a tenant's own address if it is not the default one
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080", value_parser = gateway_url)]
    url: String,
    /// FAREGATE_CLIENT_SECRET is its secret, if it has one
    #[arg(long, value_name = "ID")]
    pub client_id: String,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Keep the refresh token in this file, which only you can read
    #[arg(long, value_name = "FILE")]
    pub keep: Option<PathBuf>,
}

/// The URL of a gateway as it was typed.
pub(super) fn gateway_url(text: &str) -> Result<String, String> {
    let url = reqwest::Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    url.map(|_| text.to_owned()).ok_or_else(|| "write it like http://127.0.0.1:8080".to_owned())
}

/// What people agree to.
#[derive(Debug, clap::Args)]
pub(super) struct Scopes {
    /// For example openid or offline_access; may be repeated
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
}

impl Scopes {
    /// `None` if nothing was asked for.
    pub(super) fn joined(&self) -> Option<String> {
        Some(self.scopes.join(" ")).filter(|scope| !scope.is_empty())
    }
}

impl Client {
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url.trim_end_matches('/'))
    }

    /// Posts a form as this client.
    ///
    /// # Errors
    /// If nobody answers JSON. What the answer says is the caller's to read.
    pub(super) async fn post(&self, path: &str, form: &[(&str, &str)]) -> anyhow::Result<Answer> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?;
        let url = self.url(path);
        let request = http.post(&url);
        let secret = std::env::var("FAREGATE_CLIENT_SECRET").ok().filter(|secret| !secret.is_empty());
        let request = match secret {
            Some(secret) => request.basic_auth(&self.client_id, Some(secret)).form(form),
            None => {
                let named = [&[("client_id", self.client_id.as_str())], form].concat();
                request.form(&named)
            }
        };
        let answer =
            request.send().await.map_err(|error| anyhow::anyhow!("cannot ask {url}: {}", unanswered(&error)))?;
        let status = answer.status().as_u16();
        let body = answer.json().await.with_context(|| format!("{url} did not answer JSON (status {status})"))?;
        Ok(Answer { status, body })
    }

    /// Prints the token, and keeps the refresh token where that was asked for.
    pub(super) fn print(&self, answer: &Answer) -> Outcome {
        let Some(token) = answer.body["access_token"].as_str() else {
            return Err(answer.failure("no token"));
        };
        let refresh_token = answer.body["refresh_token"].as_str();
        if let (Some(path), Some(refresh_token)) = (&self.keep, refresh_token) {
            keep(path, refresh_token)
                .with_context(|| format!("cannot write {}", path.display()))
                .map_err(|error| Failure::Failed(UNUSABLE, error))?;
        }
        match self.format {
            Format::Text => {
                output::print_line(&token)?;
                if refresh_token.is_some() && self.keep.is_none() && std::io::stderr().is_terminal() {
                    say(format_args!("There is a refresh token too: --format json shows it, --keep FILE keeps it.\n"));
                }
            }
            Format::Json => output::print_line(&answer.body)?,
        }
        Ok(())
    }
}

/// What an endpoint said.
pub(super) struct Answer {
    status: u16,
    pub body: Value,
}

impl Answer {
    /// The `error`, if it is one.
    pub(super) fn error(&self) -> Option<&str> {
        self.body["error"].as_str()
    }

    /// One line for the person at the terminal.
    pub(super) fn failure(&self, what: &str) -> Failure {
        let said = |name: &str| self.body[name].as_str().unwrap_or_default();
        let error = anyhow::anyhow!("{what}: {} ({}) {}", said("error"), self.status, said("error_description"));
        Failure::Failed(FAILED, error)
    }
}

/// Replaces the file as a whole: whoever is interrupted has the old token or the new one.
fn keep(path: &Path, refresh_token: &str) -> std::io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(&new)?;
    writeln!(file, "{refresh_token}")?;
    file.sync_all()?;
    std::fs::rename(new, path)
}
