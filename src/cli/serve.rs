//! `faregate serve`: the gateway of a configuration, until a signal.

use std::{io, process};

use super::{ConfigurationFile, Failure, Format, Outcome, UNUSABLE, WRONG};
use crate::config::{self, Config, Environment, LogFormat};
use crate::serve::{self, Running};
use crate::telemetry;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  faregate serve\n  faregate serve --config /etc/faregate/faregate.yaml")]
pub struct Arguments {
    #[command(flatten)]
    file: ConfigurationFile,
    /// How the line that says "ready" is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(arguments: &Arguments) -> Outcome {
    let config = load(&arguments.file)?;
    let format = arguments.format;
    until_signal(config, move |running| match format {
        Format::Text => banner(running),
        Format::Json => println!("{}", running.description()),
    })
}

/// Loads a configuration and its policy tests, or says everything that is wrong with it.
pub(super) fn load(file: &ConfigurationFile) -> Result<Config, Failure> {
    let config = config::load(&file.config, &Environment::process()).map_err(|problems| {
        eprint!("{}", config::render_all(&problems, super::colour(&io::stderr())));
        Failure::Said(WRONG)
    })?;
    for warning in &config.warnings {
        eprint!("{}", config::render_all(std::slice::from_ref(warning), super::colour(&io::stderr())));
    }
    Ok(config)
}

/// Runs the gateway of `config` on a runtime of its own; `ready` is called once requests are answered.
pub(super) fn until_signal(config: Config, ready: impl FnOnce(&Running)) -> Outcome {
    let format = match config.log.format {
        LogFormat::Json => telemetry::Format::Json,
        LogFormat::Pretty => telemetry::Format::Pretty,
    };
    telemetry::start(format, config.log.level);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.threads)
        .thread_name("faregate")
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let running = serve::start(config).await.map_err(|error| Failure::Failed(error.exit_code(), error.into()))?;
        ready(&running);
        wait_for_signal().await?;
        running.stop().await;
        Ok(())
    })
}

/// SIGTERM and SIGINT end the process after a drain; a second one ends it at once.
async fn wait_for_signal() -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        process::exit(i32::from(UNUSABLE));
    });
    Ok(())
}

/// At most twelve lines for a person (UX 3).
fn banner(running: &Running) {
    eprintln!("faregate {} is ready", env!("CARGO_PKG_VERSION"));
    for (address, tls) in &running.listeners {
        eprintln!("  listening  {}://{address}", if *tls { "https" } else { "http" });
    }
    if let Some(admin) = running.admin {
        eprintln!("  admin      http://{admin}");
    }
    eprintln!("  issuer     {}", running.issuers.join(", "));
    eprintln!("  config     {} ({})", running.source, running.hash.get(..12).unwrap_or(&running.hash));
    eprintln!("  store      {}", running.store);
}
