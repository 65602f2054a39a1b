//! `faregate token`: get a token as a service, a person or a device would, and look into one. One file per grant.
//!
//! Secrets and tokens come from the environment or standard input, never from the command line, which others can read.

mod ask;
mod code;
mod device;
mod inspect;
mod password;
mod qr;
mod service;

use std::io::IsTerminal as _;

use clap::Subcommand;

use super::{Failure, Outcome, WRONG, say, typed};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Get an access token by client credentials; the secret is read from FAREGATE_CLIENT_SECRET
    Get(service::Get),
    /// Sign in with a browser on this machine, by the authorization code grant with PKCE
    Code(code::Arguments),
    /// Sign in with a browser elsewhere, by the device grant
    Device(device::Arguments),
    /// Exchange a password for a token; only clients that may use the password grant can
    Password(password::Password),
    /// Exchange a refresh token, from standard input or the file kept, for a new token
    Refresh(password::Refresh),
    /// Exchange a person's token, from standard input, for one to call another service with for them; the secret is read from
    /// FAREGATE_CLIENT_SECRET
    Exchange(service::Exchange),
    /// Show what the token on standard input says, and what each issuer of the configuration says of it
    #[command(
        after_help = "Exit code 1: it cannot be read, or every issuer refuses it.\nNobody is asked over the network without --online. What a route wants beside a good token, `faregate explain` shows.\nExamples:\n  faregate token inspect < token.txt\n  faregate token inspect - --online --format json < token.txt"
    )]
    Inspect(inspect::Arguments),
}

pub fn run(arguments: &Arguments) -> Outcome {
    match &arguments.action {
        Action::Get(arguments) => super::block_on(service::get(arguments))?,
        Action::Code(arguments) => super::block_on(code::run(arguments))?,
        Action::Device(arguments) => super::block_on(device::run(arguments))?,
        Action::Password(arguments) => super::block_on(password::password(arguments))?,
        Action::Refresh(arguments) => super::block_on(password::refresh(arguments))?,
        Action::Exchange(arguments) => super::block_on(service::exchange(arguments))?,
        Action::Inspect(arguments) => inspect::run(arguments),
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
    let text = typed::whole(what, typed::LONGEST_TOKEN)?.expose().clone();
    if text.is_empty() {
        return Err(Failure::Failed(
            WRONG,
            anyhow::anyhow!("there is nothing on standard input; the {what} is read from there"),
        ));
    }
    Ok(text)
}
