//! Passwords from standard input: unseen and twice at a terminal, else its first line. Never from the command line, which
//! others can read.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::{Command, Stdio};

use super::Failure;
use crate::secret::Secret;

/// The first line of standard input, if something is there: on a terminal nobody is asked.
pub(super) fn piped_password() -> Result<Option<Secret<String>>, Failure> {
    if std::io::stdin().is_terminal() { Ok(None) } else { first_line() }
}

/// From a terminal, twice and unseen; else the first line of standard input.
pub(super) fn read_password() -> Result<Secret<String>, Failure> {
    if !std::io::stdin().is_terminal() {
        return read_line();
    }
    let _echo = Echo::off();
    let first = asked("Password: ")?;
    let second = asked("Once more: ")?;
    if first.expose() != second.expose() {
        return Err(anyhow::anyhow!("the passwords differ; nothing was done").into());
    }
    Ok(first)
}

fn asked(prompt: &str) -> Result<Secret<String>, Failure> {
    let mut stderr = std::io::stderr();
    write!(stderr, "{prompt}")?;
    stderr.flush()?;
    let line = read_line();
    writeln!(stderr)?;
    line
}

fn read_line() -> Result<Secret<String>, Failure> {
    let missing = || anyhow::anyhow!("no password on standard input; pipe it in: printf %s PASSWORD | faregate ...");
    Ok(first_line()?.ok_or_else(missing)?)
}

fn first_line() -> Result<Option<Secret<String>>, Failure> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let line = Secret::new(line);
    let text = line.expose().trim_end_matches(['\r', '\n']);
    Ok((!text.is_empty()).then(|| Secret::new(text.to_owned())))
}

/// The exit code of what Ctrl-C ends.
const INTERRUPTED: i32 = 130;

/// A terminal that does not show what is typed, for as long as this lives.
struct Echo;

impl Echo {
    fn off() -> Self {
        // Whoever gives up in the middle sees again what they type.
        std::thread::spawn(|| {
            if super::block_on(tokio::signal::ctrl_c()).is_ok_and(|signal| signal.is_ok()) {
                stty("echo");
                std::process::exit(INTERRUPTED);
            }
        });
        stty("-echo");
        Self
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        stty("echo");
    }
}

/// Where there is no `stty`, what is typed is seen.
fn stty(mode: &str) {
    drop(Command::new("stty").arg(mode).stdin(Stdio::inherit()).stderr(Stdio::null()).status());
}
