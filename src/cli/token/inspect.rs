//! `faregate token inspect`: what a token says, and what each issuer of the configuration says of it.
//!
//! Owns the wording. A token is verified by the code that verifies it in production.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::read_token;
use crate::cli::serve::load;
use crate::cli::{ConfigurationFile, FAILED, Failure, Format, MISPLACED_SECRET, Outcome, WRONG, block_on, output};
use crate::clock::Clock;
use crate::config::{self, Config, Environment};
use crate::serve::{Verdict, verdicts};

/// Where a configuration is looked for that nobody named.
const USUAL_FILE: &str = "faregate.yaml";

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// `-`, or nothing: the token is read from standard input
    #[arg(value_name = "-")]
    source: Option<String>,
    /// Take the token from the command line, where other users and the shell's history see it
    #[arg(long, value_name = "TOKEN", conflicts_with = "source")]
    i_know: Option<String>,
    /// The configuration whose issuers verify the token; by default faregate.yaml, if it is there
    #[arg(short, long, value_name = "FILE", env = "FAREGATE_CONFIG")]
    config: Option<PathBuf>,
    /// Fetch the keys of other issuers, and ask those that introspect tokens
    #[arg(long)]
    online: bool,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What can be read without any key.
struct Readable {
    header: Value,
    claims: Value,
}

/// What came of asking the issuers.
enum Verification {
    Done(Vec<(String, Verdict)>),
    /// Nobody was asked, and why.
    Not(String),
}

pub fn run(arguments: &Arguments) -> Outcome {
    let token = match (&arguments.i_know, arguments.source.as_deref()) {
        (Some(token), _) => token.trim().to_owned(),
        (None, None | Some("-")) => read_token()?,
        (None, Some(_)) => return Err(Failure::Failed(WRONG, anyhow::anyhow!(MISPLACED_SECRET))),
    };
    let readable = read(&token);
    // An opaque token can still be asked about.
    if let Err(why) = readable
        && !(arguments.online && why == OPAQUE)
    {
        return Err(Failure::Failed(FAILED, anyhow::anyhow!(why)));
    }
    let readable = readable.ok();
    let verification = match configuration(arguments.config.as_deref())? {
        Ok(config) => Verification::Done(block_on(verdicts(&config, &token, arguments.online))?),
        Err(why) => Verification::Not(why),
    };
    match arguments.format {
        Format::Json => output::print_line(&as_json(readable.as_ref(), &verification))?,
        Format::Text => output::print(&output::escaped_lines(&as_text(readable.as_ref(), &verification)))?,
    }
    if verification.is_refusal() { Err(Failure::Said(FAILED)) } else { Ok(()) }
}

impl Verification {
    /// Whether every issuer was asked, and refuses the token.
    fn is_refusal(&self) -> bool {
        match self {
            Self::Done(verdicts) => {
                !verdicts.is_empty() && verdicts.iter().all(|(_, verdict)| matches!(verdict, Verdict::Refused(_)))
            }
            Self::Not(_) => false,
        }
    }
}

/// The configuration, or why there is none to verify with. One that was named has to be there and to be right.
fn configuration(named: Option<&Path>) -> Result<Result<Config, String>, Failure> {
    if let Some(path) = named {
        return load(&ConfigurationFile { config: path.to_owned() }).map(Ok);
    }
    let path = Path::new(USUAL_FILE);
    if !path.exists() {
        return Ok(Err(format!("there is no {USUAL_FILE} here, and --config names no other")));
    }
    let loaded = config::load(path, &Environment::process());
    Ok(loaded.map_err(|_| format!("{USUAL_FILE} cannot be used; `faregate check` says why")))
}

const ENCRYPTED: &str =
    "this token is encrypted (a JWE, in five parts): only whom it is for can read it, and no route accepts it";
const OPAQUE: &str = "this token is opaque: only its issuer knows what it stands for; --online asks those that are configured with \
                      `introspection`";
const UNREADABLE: &str = "this is no JWT: its first two parts are not JSON in base64url";

/// Header and claims, or why they cannot be read.
fn read(token: &str) -> Result<Readable, &'static str> {
    let parts: Vec<&str> = token.split('.').collect();
    match parts[..] {
        [header, claims, _] => {
            let (header, claims) = decoded(header).zip(decoded(claims)).ok_or(UNREADABLE)?;
            Ok(Readable { header, claims })
        }
        [header, _, _, _, _] if decoded(header).is_some() => Err(ENCRYPTED),
        _ => Err(OPAQUE),
    }
}

fn decoded(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn as_text(readable: Option<&Readable>, verification: &Verification) -> String {
    let mut text = String::new();
    if let Some(Readable { header, claims }) = readable {
        let hidden = "•".repeat(8);
        text = format!("header     {header:#}\nclaims     {claims:#}\nsignature  {hidden}\n\n");
        for (name, said) in times(claims, Clock::system().now()) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name:<9}  {said}");
        }
    }
    match verification {
        Verification::Not(why) => {
            let _ = writeln!(text, "\nNothing was verified: {why}.");
        }
        Verification::Done(verdicts) => {
            text.push('\n');
            for (issuer, verdict) in verdicts {
                let _ = match verdict {
                    Verdict::Good => writeln!(text, "✓ issuer {issuer}: good"),
                    Verdict::GoodByKeys => {
                        writeln!(text, "✓ issuer {issuer}: good by its keys; --online asks whether it is active")
                    }
                    Verdict::Refused(code) => writeln!(text, "✗ issuer {issuer}: {code}"),
                    Verdict::NotAsked(why) => writeln!(text, "- issuer {issuer}: not verified, {why}"),
                };
            }
            if verdicts.iter().any(|(_, verdict)| matches!(verdict, Verdict::Refused(_))) {
                text.push_str("\n`faregate errors CODE` says what such a code means.\n");
            }
        }
    }
    text.trim_start_matches('\n').to_owned()
}

fn as_json(readable: Option<&Readable>, verification: &Verification) -> Value {
    let verdict = |(issuer, verdict): &(String, Verdict)| {
        let (outcome, code, why) = match verdict {
            Verdict::Good => ("good", None, None),
            Verdict::GoodByKeys => ("good_by_keys", None, None),
            Verdict::Refused(code) => ("refused", Some(*code), None),
            Verdict::NotAsked(why) => ("not_verified", None, Some(why)),
        };
        json!({ "issuer": issuer, "outcome": outcome, "code": code, "why": why })
    };
    let (verdicts, why) = match verification {
        Verification::Done(verdicts) => (Some(verdicts.iter().map(verdict).collect::<Vec<_>>()), None),
        Verification::Not(why) => (None, Some(why)),
    };
    json!({
        "header": readable.map(|readable| &readable.header),
        "claims": readable.map(|readable| &readable.claims),
        "verification": verdicts,
        "not_verified_because": why,
    })
}

/// The times in the claims as people say them.
fn times(claims: &Value, now: i64) -> Vec<(&'static str, String)> {
    let said = |name: &'static str, past: fn(&str) -> String, future: fn(&str) -> String| {
        // A NumericDate may have a fraction (RFC 7519 2).
        let at = claims[name].as_i64().or_else(|| claims[name].as_f64().map(|at| at.floor() as i64))?;
        let distance = humantime::format_duration(Duration::from_secs(at.abs_diff(now))).to_string();
        Some((name, if at <= now { past(&distance) } else { future(&distance) }))
    };
    [
        said("exp", |ago| format!("expired {ago} ago"), |left| format!("expires in {left}")),
        said("nbf", |ago| format!("good since {ago} ago"), |left| format!("good only in {left}")),
        said("iat", |ago| format!("issued {ago} ago"), |left| format!("issued {left} from now: a clock is wrong")),
        said(
            "auth_time",
            |ago| format!("the person authenticated {ago} ago"),
            |left| format!("the person authenticated {left} from now: a clock is wrong"),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // UX 11
    #[test]
    fn times_are_told_as_people_say_them() {
        let claims = json!({ "exp": 1_000, "nbf": 880.5, "iat": 880, "auth_time": 400 });
        let told = |now| times(&claims, now).into_iter().map(|(_, said)| said).collect::<Vec<_>>();
        let before = [
            "expires in 3m",
            "good only in 1m",
            "issued 1m from now: a clock is wrong",
            "the person authenticated 7m ago",
        ];
        assert_eq!(told(820), before);
        let after = ["expired 1m ago", "good since 3m ago", "issued 3m ago", "the person authenticated 11m ago"];
        assert_eq!(told(1_060), after);
        assert!(times(&json!({ "exp": "soon" }), 0).is_empty());
    }

    // UX 11
    #[test]
    fn what_cannot_be_read_is_named() {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let (header, claims) = (part(json!({ "alg": "ES256" })), part(json!({ "sub": "ann" })));
        assert_eq!(read(&format!("{header}.{claims}.x")).ok().map(|read| read.claims), Some(json!({ "sub": "ann" })));
        assert_eq!(read(&format!("{header}.a.b.c.d")).err(), Some(ENCRYPTED));
        assert_eq!(read("2YotnFZFEjr1zCsicMWpAA").err(), Some(OPAQUE));
        assert_eq!(read("a.b.c.d.e").err(), Some(OPAQUE));
        assert_eq!(read("a.b.c").err(), Some(UNREADABLE));
    }
}
