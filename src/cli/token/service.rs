//! `faregate token get` and `faregate token exchange`: what services ask for, in their own name or for a person.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use super::ask;
use crate::cli::{FAILED, Failure, Format, Outcome, WRONG, output, unanswered};

/// Who asks, and where.
#[derive(Debug, clap::Args)]
struct Service {
    /// The gateway
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080", value_parser = ask::gateway_url)]
    url: String,
    #[arg(long, value_name = "ID")]
    client_id: String,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Get {
    #[command(flatten)]
    service: Service,
    /// For example target-entity:orders:read; may be repeated
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Exchange {
    #[command(flatten)]
    service: Service,
    /// The service that is to be called, by name or id
    #[arg(long, value_name = "TARGET")]
    audience: String,
    /// What is to be done there, of what was granted; everything unless named; may be repeated
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Vec<String>,
}

pub(super) async fn get(arguments: &Get) -> Outcome {
    let scope = arguments.scope.join(" ");
    let mut form = vec![("grant_type", "client_credentials")];
    if !scope.is_empty() {
        form.push(("scope", &scope));
    }
    arguments.service.ask(&form).await
}

/// RFC 8693 2.1
pub(super) async fn exchange(arguments: &Exchange) -> Outcome {
    let token = tokio::task::spawn_blocking(super::read_token).await??;
    let scope = arguments.permissions.join(" ");
    let mut form = vec![
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", token.trim()),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("audience", &arguments.audience),
    ];
    if !scope.is_empty() {
        form.push(("scope", &scope));
    }
    arguments.service.ask(&form).await
}

impl Service {
    /// Asks for a token and prints it.
    async fn ask(&self, form: &[(&str, &str)]) -> Outcome {
        let missing = || Failure::Failed(WRONG, anyhow::anyhow!("set FAREGATE_CLIENT_SECRET to the client's secret"));
        let secret = std::env::var("FAREGATE_CLIENT_SECRET").map_err(|_| missing())?;
        let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?;
        let url = format!("{}/oauth2/token", self.url.trim_end_matches('/'));
        let answer = client
            .post(&url)
            .basic_auth(&self.client_id, Some(secret))
            .form(form)
            .send()
            .await
            .map_err(|error| anyhow::anyhow!("cannot ask {url}: {}", unanswered(&error)))?;
        let status = answer.status();
        let body: Value =
            answer.json().await.with_context(|| format!("{url} did not answer JSON (status {status})"))?;
        let Some(token) = body["access_token"].as_str() else {
            let said = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
            let (code, description) = (said("error"), said("error_description"));
            let error = anyhow::anyhow!("no token: {code} ({}) {description}", status.as_u16());
            return Err(Failure::Failed(FAILED, error));
        };
        match self.format {
            Format::Text => output::print_line(&token),
            Format::Json => output::print_line(&body),
        }
    }
}
