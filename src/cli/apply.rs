//! `faregate apply` and `faregate diff`: the store as files say it shall be.
//!
//! Owns what is printed and with which exit code it ends. What differs is found out by `directory`.

mod show;

use std::io;
use std::path::PathBuf;

use serde_json::json;

use super::directory::Access;
use super::{ConfigurationFile, FAILED, Failure, Format, Outcome, UNUSABLE, WRONG, colour, output, say};
use crate::config::{self, Config, Declared, Environment};
use crate::directory::DirectoryError;
use crate::directory::declare::{Owner, Plan, Stopped, Terms};
use crate::serve::{self, Opened, StartError};

/// What `diff` ends with when there is something to do.
const DIFFERENT: u8 = 2;

/// Which files, and on which terms.
#[derive(Debug, clap::Args)]
struct Files {
    #[command(flatten)]
    configuration: ConfigurationFile,
    /// A file with what `directory:` may hold, or a folder of such files; may be repeated
    #[arg(short, long = "file", value_name = "FILE|DIR", required = true)]
    files: Vec<PathBuf>,
    /// Delete what was applied before and is in no file any more
    #[arg(long)]
    prune: bool,
    /// Prune even if the files declare nothing: everything that was applied goes
    #[arg(long, requires = "prune")]
    allow_empty: bool,
    /// Take over objects of the same names that others made, instead of refusing
    #[arg(long)]
    adopt: bool,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The plan is printed first. Generated secrets are shown once, at the end.\nWhat others made is never touched. Run it again after an interruption; a second run changes nothing.\n\nExamples:\n  faregate apply -f directory.yaml\n  faregate apply -f declarations/ --prune"
)]
pub struct ApplyArguments {
    #[command(flatten)]
    files: Files,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 0: no difference, 2: differences, 1: an error.\n\nExamples:\n  faregate diff -f directory.yaml\n  faregate diff -f declarations/ --prune --format json"
)]
pub struct DiffArguments {
    #[command(flatten)]
    files: Files,
}

pub fn apply(arguments: &ApplyArguments) -> Outcome {
    let files = &arguments.files;
    on_plan(files, Access::Create, async |config, opened, plan| {
        let shown = show::plan(&plan);
        if files.format == Format::Text {
            output::print(&show::plan_text(&plan, colour(&io::stdout())))?;
        }
        let keys = serve::key_ring(config, opened, &config.public_url).await.map_err(unusable)?;
        let (applied, stopped) = opened.directory.carry_out(plan, &keys).await;
        let printed = match files.format {
            Format::Json => format!("{}\n", json!({ "plan": shown, "done": show::done(&applied, stopped.as_ref()) })),
            Format::Text => show::done_text(&applied),
        };
        let printed = match show::lost_secrets(&applied) {
            Some(lost) => output::print_once(&printed, &lost),
            None => output::print(&printed),
        };
        match stopped {
            None => printed,
            Some(stopped) => Err(interrupted(stopped)),
        }
    })
}

pub fn diff(arguments: &DiffArguments) -> Outcome {
    let files = &arguments.files;
    let outcome = on_plan(files, Access::Read, async |_, _, plan| {
        match files.format {
            Format::Json => output::print_line(&show::plan(&plan))?,
            Format::Text => output::print(&show::plan_text(&plan, colour(&io::stdout())))?,
        }
        Ok(plan.steps.is_empty())
    });
    match outcome {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::Said(DIFFERENT)),
        // Whatever else went wrong must not look like a difference.
        Err(Failure::Said(_)) => Err(Failure::Said(FAILED)),
        Err(Failure::Failed(_, error)) => Err(Failure::Failed(FAILED, error)),
    }
}

/// Reads the files, compares them with the store of the configuration and hands over what has to be written.
fn on_plan<T>(
    files: &Files,
    access: Access,
    work: impl AsyncFnOnce(&Config, &Opened, Plan) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let config = super::serve::load(&files.configuration)?;
    let said =
        |problems: &[config::Problem]| say(format_args!("{}", config::render_all(problems, colour(&io::stderr()))));
    let Declared { mut declaration, warnings } =
        config::declared(&files.files, &Environment::process()).map_err(|problems| {
            said(&problems);
            Failure::Said(WRONG)
        })?;
    said(&warnings);
    declaration.adopt |= files.adopt;
    if files.prune && declaration.is_empty() && !files.allow_empty {
        let why = anyhow::anyhow!(
            "the files declare nothing, and --prune would delete all that was applied; add --allow-empty if that is meant"
        );
        return Err(Failure::Failed(WRONG, why));
    }
    let terms = Terms { owner: Owner::Files, prune: files.prune };
    super::block_on(async {
        let opened = match access {
            Access::Read => open_to_plan(&config).await?,
            Access::Create | Access::Change => Opened::open_to_apply(&config).await.map_err(unusable)?,
        };
        let result = match opened.directory.plan(&declaration, terms).await {
            Ok(plan) => work(&config, &opened, plan).await,
            Err(error) => Err(refused(error)),
        };
        opened.close().await;
        result
    })?
}

/// For a plan that nobody carries out. If there is no store, says so: it is the plan for a new one then.
pub(super) async fn open_to_plan(config: &Config) -> Result<Opened, Failure> {
    let (opened, missing) = Opened::open_to_plan(config).await.map_err(unusable)?;
    if let Some(missing) = missing {
        say(format_args!("faregate: {missing}; this is what a new one would get\n"));
    }
    Ok(opened)
}

fn unusable(error: StartError) -> Failure {
    Failure::Failed(UNUSABLE, error.into())
}

/// Every mistake on a line of its own.
fn refused(error: DirectoryError) -> Failure {
    match error {
        DirectoryError::Invalid(errors) => {
            for error in &errors {
                say(format_args!("faregate: {error}\n"));
            }
            Failure::Said(FAILED)
        }
        DirectoryError::NotFound(_)
        | DirectoryError::Changed(_)
        | DirectoryError::Password(_)
        | DirectoryError::Sealing(_)
        | DirectoryError::Store(_) => error.into(),
    }
}

fn interrupted(Stopped { what, error }: Stopped) -> Failure {
    anyhow::anyhow!("{what}: {error}; what is listed as done is done, run it again for the rest").into()
}
