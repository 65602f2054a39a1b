//! The command line: one file per command.
//!
//! Owns what is typed and what is printed: results on standard output, talk on standard error. Commands do nothing that
//! the library could not do for others.

// Both panic when nobody takes what is written: `output` writes results, `say` everything else.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod api_key;
mod application;
mod apply;
pub mod check;
mod dev;
mod directory;
mod errors;
mod examples;
pub mod explain;
mod hash_password;
mod import;
mod init;
mod key;
mod logs;
mod notify;
mod output;
mod reference;
mod reload;
mod serve;
mod status;
mod tenant_deletion;
mod token;
mod typed;
mod user;

use std::io::{self, IsTerminal, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

/// An API gateway that checks tokens at the gate, with its own authorization server.
#[derive(Debug, Parser)]
#[command(name = "faregate", version, about, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Start with `faregate dev`. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 store, key or port unusable, 4 nothing known of it (explain REQUEST-ID).";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a whole world without any file: gateway, authorization server, two entities, an echo upstream
    Dev(dev::Arguments),
    /// Write a first configuration
    Init(init::Arguments),
    /// Run the gateway of a configuration
    Serve(serve::Arguments),
    /// Let a running gateway read its configuration again
    Reload(reload::Arguments),
    /// Check a configuration and run its policy tests
    Check(check::Arguments),
    /// Show what the gateway would decide, and why
    Explain(explain::Arguments),
    /// Look up a code of an answer or a log line: what it means, who can mend it, and how
    Errors(errors::Arguments),
    /// Show what a running gateway runs
    Status(status::Arguments),
    /// Read the log: a line per request, filtered and aligned
    Logs(logs::Arguments),
    /// Get a token as a service, a person or a device, or look into one
    Token(token::Arguments),
    /// List and rotate signing keys
    Key(key::Arguments),
    /// Make the store look as files say: tenants, applications, users, entities, grants
    Apply(apply::ApplyArguments),
    /// Show what `apply` would do, and do nothing
    Diff(apply::DiffArguments),
    /// Import users of another system
    Import(import::Arguments),
    /// Show what stands for a password in configuration files and imports
    HashPassword(hash_password::Arguments),
    /// Make and delete keys of the management API
    ApiKey(api_key::Arguments),
    /// Manage tenants
    Tenant(directory::TenantArguments),
    /// Manage entity types and their permissions
    EntityType(directory::EntityTypeArguments),
    /// Manage entities: the services that call and are called
    Entity(directory::EntityArguments),
    /// Manage applications: the clients that people log in to
    Application(application::Arguments),
    /// Manage users, their passwords, second factors and roles
    User(user::Arguments),
    /// Manage grants: which entity may do what to which
    Grant(directory::GrantArguments),
    /// Print what a shell needs to complete commands and options
    Completions(reference::CompletionsArguments),
    /// Print or write manual pages
    Man(reference::ManArguments),
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[default]
    Text,
    Json,
}

/// Where the configuration is.
#[derive(Clone, Debug, clap::Args)]
pub struct ConfigurationFile {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", default_value = "faregate.yaml", env = "FAREGATE_CONFIG", global = true)]
    pub config: PathBuf,
}

/// A gateway that runs.
#[derive(Clone, Debug, clap::Args)]
pub struct RunningGateway {
    #[command(flatten)]
    pub file: ConfigurationFile,
    /// The admin listener; without it the one of the configuration
    #[arg(long, value_name = "ADDRESS")]
    pub admin: Option<String>,
}

/// Why a command ends without success, and with which exit code.
#[derive(Debug)]
pub enum Failure {
    /// It was said already, in its own form.
    Said(u8),
    /// One line for the operator.
    Failed(u8, anyhow::Error),
}

/// Done what was asked and found it failing: exit code 1.
pub const FAILED: u8 = 1;
/// Wrong usage or configuration.
pub const WRONG: u8 = 2;
/// A store, key or port that cannot be used.
pub const UNUSABLE: u8 = 3;
/// A request that a running gateway does not remember.
pub const UNKNOWN: u8 = 4;

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(FAILED, error.into())
    }
}

type Outcome = Result<(), Failure>;

/// Whether colours may be written to `stream`: it is a terminal that can show them, and nobody asked for none.
fn colour(stream: &impl IsTerminal) -> bool {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    can_move(stream) && !plain
}

/// Whether `stream` is a terminal that does more than to show one character after another.
fn can_move(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Runs a command that waits, on a runtime that ends with it.
fn block_on<T>(work: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(work);
    // A running gateway makes the slow keys that are missing; nobody waits for one here.
    runtime.shutdown_background();
    Ok(done)
}

/// Every command, with its examples.
fn definition() -> clap::Command {
    examples::attached(Cli::command())
}

/// Parses the command line, runs the command and says what went wrong.
pub fn run() -> ExitCode {
    // One provider for all of TLS and JOSE; a second installation in one process keeps the first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let parsed = definition().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return misused(&error),
    };
    let outcome = match parsed.command {
        Command::Dev(arguments) => dev::run(arguments),
        Command::Init(arguments) => init::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Reload(arguments) => reload::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Errors(arguments) => errors::run(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Logs(arguments) => logs::run(&arguments),
        Command::Token(arguments) => token::run(&arguments),
        Command::Key(arguments) => key::run(&arguments),
        Command::Apply(arguments) => apply::apply(&arguments),
        Command::Diff(arguments) => apply::diff(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::HashPassword(arguments) => hash_password::run(&arguments),
        Command::ApiKey(arguments) => api_key::api_key(&arguments),
        Command::Tenant(arguments) => directory::tenant(&arguments),
        Command::EntityType(arguments) => directory::entity_type(&arguments),
        Command::Entity(arguments) => directory::entity(&arguments),
        Command::Application(arguments) => application::run(&arguments),
        Command::User(arguments) => user::run(&arguments),
        Command::Grant(arguments) => directory::grant(&arguments),
        Command::Completions(arguments) => reference::completions(&arguments, definition()),
        Command::Man(arguments) => reference::man(&arguments, definition()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Said(code)) => ExitCode::from(code),
        Err(Failure::Failed(code, error)) => {
            say(format_args!("faregate: {}\n", causes(&error)));
            ExitCode::from(code)
        }
    }
}

/// Commands of people who may think that a password or a token is an argument.
const SECRETIVE: [&str; 3] = ["token", "user", "hash-password"];

/// What is said of an argument that may be a secret.
const MISPLACED_SECRET: &str =
    "unexpected argument; passwords and tokens are read from standard input, never from the command line";

/// What is longer is no slip in a verb.
const LONGEST_VERB: usize = 20;

/// Says what is wrong with the command line. What may be a secret is not repeated: standard error may be a log.
fn misused(error: &clap::Error) -> ExitCode {
    let is_secretive =
        std::env::args_os().nth(1).is_some_and(|command| SECRETIVE.iter().any(|secretive| command == *secretive));
    let is_named = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.starts_with("--"),
        Some(_) | None => false,
    };
    let is_shown = match error.kind() {
        ErrorKind::UnknownArgument => is_named(ContextKind::InvalidArg),
        ErrorKind::TooManyValues => false,
        ErrorKind::InvalidSubcommand => match error.get(ContextKind::InvalidSubcommand) {
            Some(ContextValue::String(word)) => word.len() <= LONGEST_VERB,
            Some(_) | None => true,
        },
        _ => true,
    };
    if is_secretive && !is_shown {
        say(format_args!("faregate: {MISPLACED_SECRET}\n"));
        return ExitCode::from(WRONG);
    }
    // A reader who has left needs no help.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(WRONG))
}

/// An error and what it came from, each once: some name their cause themselves.
fn causes(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string).filter(|cause| !cause.is_empty()) {
        if !text.ends_with(&cause) {
            text.push_str(&format!(": {cause}"));
        }
    }
    text
}

/// Why nobody answered, without the address: whoever asked says it.
fn unanswered(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    if let Some(status) = error.status() {
        return format!("status {}", status.as_u16());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// No gateway has answered at this address of an admin listener.
fn no_gateway(admin: &str, path: &str, error: &reqwest::Error) -> anyhow::Error {
    anyhow::anyhow!(
        "no gateway answers at http://{admin}/{path}: {}; start it with `faregate serve`, or name its admin listener with --admin",
        unanswered(error)
    )
}

/// Writes to standard error, if that takes it: a gateway starts and runs where the disk of its log is full. `eprint!` panics.
fn say(text: std::fmt::Arguments<'_>) {
    let _ = io::stderr().write_fmt(text);
}
