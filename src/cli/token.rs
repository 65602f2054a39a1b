//! `faregate token`: get a token as a service, a person or a device would, and look into one. One file per grant.
//!
//! Secrets and tokens come from the environment or standard input, never from the command line, which others can read.

mod ask;
mod code;
mod device;
mod password;
mod qr;

use std::io::{IsTerminal as _, Read as _};
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Subcommand;
use serde_json::{Value, json};

use super::{FAILED, Failure, Format, Outcome, WRONG, output, say};
use crate::clock::Clock;

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
    /// Show what the token on standard input says; nothing is verified
    #[command(
        after_help = "Examples:\n  faregate token inspect < token.txt\n  faregate token inspect --format json < token.txt"
    )]
    Inspect {
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
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
        Action::Inspect { format } => inspect(*format),
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

fn inspect(format: Format) -> Outcome {
    let token = read_token()?;
    let parts: Vec<&str> = token.split('.').collect();
    let (Some(header), Some(claims)) =
        (parts.first().and_then(|part| decoded(part)), parts.get(1).and_then(|part| decoded(part)))
    else {
        return Err(Failure::Failed(
            FAILED,
            anyhow::anyhow!("this is no JWT: its first two parts are not JSON in base64url"),
        ));
    };
    match format {
        Format::Json => output::print_line(&json!({ "header": header, "claims": claims })),
        Format::Text => {
            let said = expiry(&claims, Clock::system().now());
            let said = said.map(|said| format!("\nIt {said}.\n")).unwrap_or_default();
            let hidden = "•".repeat(8);
            output::print(&format!("header     {header:#}\nclaims     {claims:#}\nsignature  {hidden}\n{said}"))
        }
    }
}

/// The token on standard input, without the white space around it.
pub(super) fn read_token() -> Result<String, Failure> {
    let mut input = std::io::stdin();
    if input.is_terminal() {
        say(format_args!("Paste the token, then Ctrl-D:\n"));
    }
    let mut token = String::new();
    input.read_to_string(&mut token)?;
    Ok(token.trim().to_owned())
}

fn decoded(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// "expired 3m ago", "expires in 59m".
fn expiry(claims: &Value, now: i64) -> Option<String> {
    let expires_at = claims["exp"].as_i64()?;
    let distance = humantime::format_duration(Duration::from_secs(expires_at.abs_diff(now)));
    Some(if expires_at <= now { format!("expired {distance} ago") } else { format!("expires in {distance}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    // UX 11
    #[test]
    fn times_are_told_as_people_say_them() {
        let claims = json!({ "exp": 1_000 });
        assert_eq!(expiry(&claims, 820).as_deref(), Some("expires in 3m"));
        assert_eq!(expiry(&claims, 1_060).as_deref(), Some("expired 1m ago"));
        assert_eq!(expiry(&json!({}), 0), None);
    }
}
