//! `faregate token device`: the device grant (RFC 8628) from a terminal. The person goes on in a browser elsewhere.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use super::ask::{Answer, Client, Scopes};
use super::qr;
use crate::cli::{FAILED, Failure, Outcome, colour, say};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    client: Client,
    #[command(flatten)]
    scopes: Scopes,
    /// Show the address as a QR code
    #[arg(long, value_enum, default_value_t)]
    qr: When,
}

/// When a QR code is shown.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum When {
    /// If the terminal has colours
    #[default]
    Auto,
    Always,
    Never,
}

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// RFC 8628 3.5: added to the interval by every `slow_down`.
const SLOWER_BY: Duration = Duration::from_secs(5);

pub(super) async fn run(arguments: &Arguments) -> Outcome {
    let client = &arguments.client;
    let scope = arguments.scopes.joined();
    let form: Vec<_> = scope.iter().map(|scope| ("scope", scope.as_str())).collect();
    let answer = client.post("/oauth2/device_authorize", &form).await?;
    let (Some(device_code), Some(user_code), Some(uri)) =
        (text(&answer, "device_code"), text(&answer, "user_code"), text(&answer, "verification_uri"))
    else {
        return Err(answer.failure("no device code"));
    };
    let complete = text(&answer, "verification_uri_complete").unwrap_or(uri);
    tell(arguments.qr, uri, user_code, complete);
    let seconds = |name: &str, default: u64| Duration::from_secs(answer.body[name].as_u64().unwrap_or(default));
    let until = Instant::now() + seconds("expires_in", 300);
    // RFC 8628 3.2: five seconds if the server says nothing.
    let token = poll(client, device_code, seconds("interval", 5), until).await?;
    client.print(&token)
}

fn tell(when: When, uri: &str, user_code: &str, complete: &str) {
    let picture = match when {
        When::Auto => colour(&std::io::stderr()),
        When::Always => true,
        When::Never => false,
    };
    say(format_args!("Open   {uri}\nEnter  {user_code}\n"));
    if let Some(picture) = picture.then(|| qr::text(complete)).flatten() {
        say(format_args!("\nor scan this, and compare the code:\n\n{picture}\n"));
    } else if complete != uri {
        say(format_args!("\nor open {complete} and compare the code.\n"));
    }
    if std::io::stderr().is_terminal() {
        say(format_args!("Waiting for you ...\n"));
    }
}

/// Asks until the person has decided (RFC 8628 section 3.4 and 3.5).
async fn poll(client: &Client, device_code: &str, mut interval: Duration, until: Instant) -> Result<Answer, Failure> {
    loop {
        tokio::time::sleep(interval).await;
        if Instant::now() >= until {
            return Err(Failure::Failed(FAILED, anyhow::anyhow!("nobody entered the code in time")));
        }
        let form = [("grant_type", GRANT_TYPE), ("device_code", device_code)];
        let answer = match client.post("/oauth2/token", &form).await {
            Ok(answer) => answer,
            // RFC 8628 3.5: a connection that fails is no answer; ask less often.
            Err(error) => {
                say(format_args!("faregate: {error:#}; trying again\n"));
                interval *= 2;
                continue;
            }
        };
        match answer.error() {
            None => return Ok(answer),
            Some("authorization_pending") => {}
            Some("slow_down") => interval += SLOWER_BY,
            Some("access_denied") => return Err(answer.failure("refused by the person who was asked")),
            Some(_) => return Err(answer.failure("no token")),
        }
    }
}

fn text<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.body[name].as_str()
}
