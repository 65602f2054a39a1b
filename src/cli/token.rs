//! `faregate token`: get a token as a service, a person or a device would, and look into one. One file per grant.
//!
//! Secrets and tokens come from the environment or standard input, never from the command line, which others can read.

mod ask;
mod code;
mod device;
mod inspect;
mod password;
mod qr;

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::Value;

use super::{FAILED, Failure, Format, Outcome, WRONG, output, say, typed};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Get an access token by client credentials; the secret is read from FAREGATE_CLIENT_SECRET
    Get(Get),
    /// Sign in with a browser on this machine, by the authorization code grant with PKCE
    Code(code::Arguments),
    /// Sign in with a browser elsewhere, by the device grant
    Device(device::Arguments),
    /// Exchange a password for a token; only clients that may use the password grant can
    Password(password::Password),
    /// Exchange a refresh token, from standard input or the file kept, for a new token
    Refresh(password::Refresh),
    /// Show what the token on standard input says, and what each issuer of the configuration says of it
    #[command(
        after_help = "Exit code 1: it cannot be read, or every issuer refuses it.\nNobody is asked over the network without --online. What a route wants beside a good token, `faregate explain` shows.\nExamples:\n  faregate token inspect < token.txt\n  faregate token inspect - --online --format json < token.txt"
    )]
    Inspect(inspect::Arguments),
}

#[derive(Debug, clap::Args)]
struct Get {
    /// The gateway
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    #[arg(long, value_name = "ID")]
    client_id: String,
    /// For example target-entity:orders:read; may be repeated
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(arguments: &Arguments) -> Outcome {
    match &arguments.action {
        Action::Get(get) => super::block_on(request(get))?,
        Action::Code(arguments) => super::block_on(code::run(arguments))?,
        Action::Device(arguments) => super::block_on(device::run(arguments))?,
        Action::Password(arguments) => super::block_on(password::password(arguments))?,
        Action::Refresh(arguments) => super::block_on(password::refresh(arguments))?,
        Action::Inspect(arguments) => inspect::run(arguments),
    }
}

async fn request(get: &Get) -> Outcome {
    let missing = || Failure::Failed(WRONG, anyhow::anyhow!("set FAREGATE_CLIENT_SECRET to the client's secret"));
    let secret = std::env::var("FAREGATE_CLIENT_SECRET").map_err(|_| missing())?;
    let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?;
    let scope = get.scope.join(" ");
    let mut form = vec![("grant_type", "client_credentials")];
    if !scope.is_empty() {
        form.push(("scope", &scope));
    }
    let url = format!("{}/oauth2/token", get.url.trim_end_matches('/'));
    let answer = client
        .post(&url)
        .basic_auth(&get.client_id, Some(secret))
        .form(&form)
        .send()
        .await
        .with_context(|| format!("cannot ask {url}"))?;
    let status = answer.status();
    let body: Value = answer.json().await.with_context(|| format!("{url} did not answer JSON (status {status})"))?;
    let Some(token) = body["access_token"].as_str() else {
        let said = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let error = anyhow::anyhow!("no token: {} ({}) {}", said("error"), status.as_u16(), said("error_description"));
        return Err(Failure::Failed(FAILED, error));
    };
    match get.format {
        Format::Text => output::print_line(&token),
        Format::Json => output::print_line(&body),
    }
}

/// The token on standard input, without the white space around it.
pub(super) fn read_token() -> Result<String, Failure> {
    pasted("token")
}

/// The claims on standard input: what a token would say.
pub(super) fn read_claims() -> Result<String, Failure> {
    pasted("claims")
}

fn pasted(what: &str) -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        say(format_args!("Paste the {what}, then Ctrl-D:\n"));
    }
    Ok(typed::whole(what, typed::LONGEST_TOKEN)?.expose().clone())
}
