//! Passwords and tokens from standard input. Never from the command line, which others can read.
//!
//! Owns how much is read: whoever pipes in the wrong file, or one without an end, is told so. A password is asked for unseen and
//! twice at a terminal, else it is the first line.

use std::io::{BufRead, IsTerminal as _, Read as _, Write as _};
use std::process::{Command, Stdio};

use super::{Failure, WRONG};
use crate::directory::Passwords;
use crate::secret::Secret;

/// Longest token, and most claims, in bytes: more than the header block of any request has room for.
pub(super) const LONGEST_TOKEN: usize = 1024 * 1024;

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
    let line = line("password", Passwords::LONGEST)?;
    Ok((!line.expose().is_empty()).then_some(line))
}

/// The first line of standard input without its end: a `what`, of at most so many bytes.
pub(super) fn line(what: &str, longest: usize) -> Result<Secret<String>, Failure> {
    let mut line = Vec::new();
    // With room for the end of a line, after which nothing is read.
    let most = u64::try_from(longest).unwrap_or(u64::MAX).saturating_add(2);
    std::io::stdin().lock().take(most).read_until(b'\n', &mut line)?;
    while line.pop_if(|last| matches!(*last, b'\r' | b'\n')).is_some() {}
    text(line, what, longest)
}

/// All of standard input, without the white space around it: a `what`, of at most so many bytes.
pub(super) fn whole(what: &str, longest: usize) -> Result<Secret<String>, Failure> {
    let mut input = std::io::stdin().lock();
    let mut read = Vec::new();
    // The same and no more: what is left may have no end.
    let most = u64::try_from(longest).unwrap_or(u64::MAX).saturating_add(1);
    input.by_ref().take(most).read_to_end(&mut read)?;
    let read = text(read, what, longest)?;
    Ok(Secret::new(read.expose().trim().to_owned()))
}

fn text(read: Vec<u8>, what: &str, longest: usize) -> Result<Secret<String>, Failure> {
    let wrong = |why: String| Failure::Failed(WRONG, anyhow::anyhow!("{what} on standard input: {why}"));
    if read.len() > longest {
        return Err(wrong(format!("more than {longest} bytes are not read")));
    }
    String::from_utf8(read).map(Secret::new).map_err(|_| wrong("this is not UTF-8".to_owned()))
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
