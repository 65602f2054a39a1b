//! `faregate serve`: the gateway of a configuration, until a signal.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::{Duration, SystemTime};
use std::{io, process};

use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{ConfigurationFile, Failure, Format, Outcome, UNUSABLE, WRONG, notify, output, say};
use crate::config::{self, Config, Environment, LogFormat, Problem};
use crate::gateway::{Inherited, Predecessor};
use crate::secret::Secret;
use crate::serve::{self, Running};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "SIGHUP reads the configuration again, SIGUSR2 starts the program anew and lets it take over, SIGTERM ends it.\nExamples:\n  faregate serve\n  faregate serve --config /etc/faregate/faregate.yaml --watch"
)]
pub struct Arguments {
    #[command(flatten)]
    file: ConfigurationFile,
    /// Read the configuration again whenever one of its files changes
    #[arg(long)]
    watch: bool,
    /// How the line that says "ready" is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(arguments: &Arguments) -> Outcome {
    let (predecessor, sockets) = match Predecessor::meet()? {
        Some((predecessor, sockets)) => (Some(predecessor), sockets),
        None => (None, Inherited::from_service_manager()),
    };
    let config = load(&arguments.file)?;
    say(format_args!("{}", config::render_all(&config.warnings, super::colour(&io::stderr()))));
    let (format, log) = (arguments.format, config.log.format);
    let watches = arguments.watch || config.watch;
    until_signal(config, Some(sockets), move |running| {
        if watches {
            running.watch();
        }
        if let Some(Err(error)) = predecessor.map(Predecessor::relieve) {
            tracing::warn!(error = %error, "the process before this one is gone already");
        }
        notify::ready();
        say_ready(running, (format, log));
        if let Some(link) = &running.setup {
            invite(link, log);
        }
    })
}

fn say_ready(running: &Running, (format, log): (Format, LogFormat)) {
    match (format, log) {
        (Format::Json, _) => output::announce(&format!("{}\n", running.description())),
        (Format::Text, _) if io::stderr().is_terminal() => banner(running),
        // Among log lines one line, in their form (UX 3).
        (Format::Text, LogFormat::Json) => say(format_args!("{}\n", ready_event(running))),
        (Format::Text, LogFormat::Pretty) => {
            say(format_args!("faregate is ready: {}\n", facts(running).join(", ").replace("  ", "")));
        }
    }
}

/// Said to whoever started the first server of a new store, and nowhere else: it is no log line (L14).
fn invite(link: &Secret<String>, log: LogFormat) {
    let (message, url) = ("nobody can manage this yet; open this link within 15 minutes, it works once", link.expose());
    match log {
        LogFormat::Json if !io::stderr().is_terminal() => {
            say(format_args!("{}\n", json!({ "event": "setup", "timestamp": now(), "message": message, "url": url })));
        }
        LogFormat::Json | LogFormat::Pretty => say(format_args!("{message}:\n  {url}\n")),
    }
}

/// Loads a configuration and its policy tests, or says everything that is wrong with it.
pub(super) fn load(file: &ConfigurationFile) -> Result<Config, Failure> {
    config::load(&file.config, &Environment::process()).map_err(|problems| refused(&problems))
}

/// Says what is wrong with a configuration.
pub(super) fn refused(problems: &[Problem]) -> Failure {
    say(format_args!("{}", config::render_all(problems, super::colour(&io::stderr()))));
    Failure::Said(WRONG)
}

/// How long what is being written may take after the end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs the gateway of `config` on a runtime of its own; `ready` is called once requests are answered. Without `sockets` it is
/// no service: it ends with its terminal.
pub(super) fn until_signal(config: Config, sockets: Option<Inherited>, ready: impl FnOnce(&mut Running)) -> Outcome {
    serve::start_logging(&config.log)?;
    // Every connection is a descriptor, and the usual soft limit of 1,024 is far below our own bound (rule N4).
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(error = %error, "the limit of open files cannot be raised");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.threads)
        .thread_name("faregate")
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let is_service = sockets.is_some();
        let started = serve::start_on(config, &sockets.unwrap_or_default()).await;
        let mut running = started.map_err(|error| Failure::Failed(error.exit_code(), error.into()))?;
        // Whoever reads that it is ready may end it at once, and that too is an orderly end.
        let mut signals = Signals::listen()?;
        ready(&mut running);
        loop {
            match signals.next().await {
                Asked::End => {
                    signals.end_at_once();
                    running.stop().await;
                    return Ok(());
                }
                Asked::Reload | Asked::Upgrade if !is_service => {
                    running.stop().await;
                    return Ok(());
                }
                Asked::Reload => {
                    let live = running.live().clone();
                    // The outcome is in the log, and nobody waits for it.
                    tokio::spawn(async move { drop(live.reload().await) });
                }
                Asked::Upgrade if running.is_ephemeral => {
                    tracing::error!("no other process can take over: the store is in the memory of this one");
                }
                Asked::Upgrade => match running.hand_over().await {
                    Ok(successor) => {
                        tracing::info!(successor, "another process has taken over; requests in flight end here");
                        let mut leaving = pin!(running.leave());
                        tokio::select! {
                            () = &mut leaving => {}
                            // It is on its way already, and the next one is in a hurry.
                            () = signals.until_end() => {
                                signals.end_at_once();
                                leaving.await;
                            }
                        }
                        return Ok(());
                    }
                    Err(error) => {
                        tracing::error!(error = %error, "no other process has taken over; this one goes on");
                    }
                },
            }
        }
    });
    // An RSA key may be in the making, which cannot be interrupted; the next start makes it.
    runtime.shutdown_timeout(LAST_WORDS);
    serve::finish_logging();
    outcome
}

/// SIGTERM and SIGINT end the process after a drain, a second one ends it at once. SIGHUP reads the configuration again,
/// SIGUSR2 lets another process take over.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    upgrade: Signal,
}

/// What a signal asks for.
enum Asked {
    End,
    Reload,
    Upgrade,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            upgrade: signal(SignalKind::user_defined2())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::End,
            _ = self.interrupt.recv() => Asked::End,
            _ = self.hang_up.recv() => Asked::Reload,
            _ = self.upgrade.recv() => Asked::Upgrade,
        }
    }

    async fn until_end(&mut self) {
        while !matches!(self.next().await, Asked::End) {}
    }

    /// The process is ending: who asks for that now is in a hurry.
    fn end_at_once(mut self) {
        tokio::spawn(async move {
            self.until_end().await;
            serve::finish_logging();
            process::exit(i32::from(UNUSABLE));
        });
    }
}

/// At most twelve lines for a person, unless there are many listeners (UX 3).
fn banner(running: &Running) {
    say(format_args!("faregate {} is ready\n", env!("CARGO_PKG_VERSION")));
    for fact in facts(running) {
        say(format_args!("  {fact}\n"));
    }
}

fn facts(running: &Running) -> Vec<String> {
    let listener = |(address, tls): &(SocketAddr, bool)| format!("{}://{address}", if *tls { "https" } else { "http" });
    let mut facts: Vec<_> = running.listeners.iter().map(|at| format!("listening  {}", listener(at))).collect();
    facts.extend(running.admin.map(|admin| format!("admin      http://{admin}/dashboard")));
    facts.push(format!("issuer     {}", running.issuers.join(", ")));
    facts.push(format!("config     {} ({})", running.source, running.hash.get(..12).unwrap_or(&running.hash)));
    facts.push(format!("store      {}", running.store));
    facts
}

/// As in the log lines around it.
fn now() -> String {
    humantime::format_rfc3339_micros(SystemTime::now()).to_string()
}

fn ready_event(running: &Running) -> Value {
    let mut event = json!({ "event": "ready", "timestamp": now(), "version": env!("CARGO_PKG_VERSION") });
    if let (Some(event), Value::Object(description)) = (event.as_object_mut(), running.description()) {
        event.extend(description);
    }
    event
}
