//! `faregate token password` and `faregate token refresh`: the two grants that need nobody in between.

use std::io::IsTerminal as _;
use std::process::Command;

use anyhow::Context as _;

use super::ask::{Client, Scopes};
use crate::cli::typed::{LONGEST_TOKEN, line};
use crate::cli::{Failure, Outcome, WRONG, say};
use crate::directory::Passwords;

#[derive(Debug, clap::Args)]
pub(super) struct Password {
    #[command(flatten)]
    client: Client,
    #[command(flatten)]
    scopes: Scopes,
    /// Email or username; the password is read from FAREGATE_PASSWORD or standard input
    #[arg(long, value_name = "NAME")]
    login_id: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct Refresh {
    #[command(flatten)]
    client: Client,
    #[command(flatten)]
    scopes: Scopes,
}

pub(super) async fn password(arguments: &Password) -> Outcome {
    let password = match std::env::var("FAREGATE_PASSWORD").ok().filter(|password| !password.is_empty()) {
        Some(password) => password,
        None => typed("Password", Passwords::LONGEST).await?,
    };
    let scope = arguments.scopes.joined();
    let mut form = vec![("grant_type", "password"), ("username", &arguments.login_id), ("password", &password)];
    form.extend(scope.iter().map(|scope| ("scope", scope.as_str())));
    arguments.client.print(&arguments.client.post("/oauth2/token", &form).await?)
}

pub(super) async fn refresh(arguments: &Refresh) -> Outcome {
    let kept = match &arguments.client.keep {
        Some(path) if path.exists() => {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?
        }
        Some(_) | None => typed("Refresh token", LONGEST_TOKEN).await?,
    };
    let refresh_token = kept.trim();
    if refresh_token.is_empty() {
        return Err(Failure::Failed(WRONG, anyhow::anyhow!("there is no refresh token to present")));
    }
    let scope = arguments.scopes.joined();
    let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
    form.extend(scope.iter().map(|scope| ("scope", scope.as_str())));
    arguments.client.print(&arguments.client.post("/oauth2/token", &form).await?)
}

/// A line from standard input. In a terminal it is not shown while it is typed.
async fn typed(what: &'static str, longest: usize) -> Result<String, Failure> {
    let hidden = std::io::stdin().is_terminal().then(|| {
        say(format_args!("{what}: "));
        Hidden::new()
    });
    let line = tokio::task::spawn_blocking(move || line(&what.to_lowercase(), longest));
    let line = tokio::select! {
        line = line => line??,
        // Whoever gives up gets their terminal back as it was.
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            drop(hidden);
            return Err(Failure::Said(130));
        }
    };
    drop(hidden);
    Ok(line.expose().clone())
}

/// While it lives, the terminal shows nothing that is typed.
struct Hidden;

impl Hidden {
    fn new() -> Self {
        stty("-echo");
        Self
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        stty("echo");
        say(format_args!("\n"));
    }
}

/// A terminal that cannot be asked shows what is typed; that is no reason to refuse.
fn stty(argument: &str) {
    let _ = Command::new("stty").arg(argument).status();
}
