//! `faregate import kickstart`: the requests of a FusionAuth Kickstart file, played on the store of a configuration.
//!
//! Owns the order, what is left out, and what is said about it. The file's form is `document`'s, the rules are those of
//! the management API.

mod document;
mod play;
mod present;
mod report;
mod text;

use std::path::PathBuf;

use serde_json::Value;
use uuid::Uuid;

use self::document::{Kickstart, Request, Source};
use self::report::Report;
use self::text::{FUSIONAUTH_APPLICATION_ID, Texts};
use super::super::apply::open_to_plan;
use super::super::{ConfigurationFile, FAILED, Failure, Format, Outcome, UNUSABLE, WRONG, output, say};
use crate::config::Config;
use crate::directory::{Directory, NewTenant};
use crate::serve::{ManagementCalls, Opened};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Variables (#{name}, #{UUID()}, #{ENV.NAME}) and included files (@{text}, &{json}) work as in FusionAuth, where such a\nfile fills a new installation. Here it may be run again: what is there already, and as the file says, is left alone.\nPasswords and secrets are not compared. Requests that name no tenant are for the default one. Exit code 1: a request\nwas refused; 2: the file is wrong, or asks for what is not served.\n\nExamples:\n  faregate import kickstart kickstart.json --dry-run\n  faregate import kickstart kickstart.json --skip-unknown"
)]
pub(super) struct Arguments {
    #[command(flatten)]
    configuration: ConfigurationFile,
    file: PathBuf,
    /// Show the requests with their variables filled in, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Leave out the requests to endpoints that are not served
    #[arg(long)]
    skip_unknown: bool,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let config = super::super::serve::load(&arguments.configuration)?;
    let texts = |opened: &Opened| Texts::new(opened.entropy.clone(), |name| std::env::var(name).ok());
    let report = super::super::block_on(async {
        let opened = match arguments.dry_run {
            true => open_to_plan(&config).await?,
            false => Opened::open_to_apply(&config).await.map_err(|error| Failure::Failed(UNUSABLE, error.into()))?,
        };
        let report = match Source::read(&arguments.file, texts(&opened)) {
            Ok(source) => import(&config, &opened, source, arguments).await,
            Err(why) => Err(Failure::Failed(WRONG, anyhow::anyhow!(why))),
        };
        opened.store.close().await;
        report
    })??;
    let Some(report) = report else { return Ok(()) };
    match arguments.format {
        Format::Json => output::print_line(&report.json())?,
        Format::Text => output::print(&report.text())?,
    }
    if report.is_good() { Ok(()) } else { Err(Failure::Said(FAILED)) }
}

/// `None` after a dry run, which printed its plan.
async fn import(
    config: &Config,
    opened: &Opened,
    mut source: Source,
    arguments: &Arguments,
) -> Result<Option<Report>, Failure> {
    let directory = &opened.directory;
    let in_file = |why: &String| anyhow::anyhow!("{}: {why}", arguments.file.display());
    let wanted = source.default_tenant().map_err(|why| Failure::Failed(WRONG, in_file(&why)))?;
    let default = DefaultTenant::find(directory, wanted).await?;
    let default_id = default.id(opened);
    let mut kickstart = source.finish(default_id).map_err(|problems| {
        for problem in &problems {
            say(format_args!("faregate: {:#}\n", in_file(problem)));
        }
        Failure::Said(WRONG)
    })?;
    let calls = ManagementCalls::open(config, opened).await.map_err(|error| Failure::Failed(UNUSABLE, error.into()))?;
    let skipped = divide(&mut kickstart, &calls).await;
    if arguments.dry_run {
        match arguments.format {
            Format::Json => output::print_line(&report::plan(&kickstart, &skipped))?,
            Format::Text => output::print(&report::plan_text(&kickstart, &skipped))?,
        }
        return Ok(None);
    }
    if !skipped.is_empty() && !arguments.skip_unknown {
        say(format_args!("{}", report::unknown(&skipped)));
        say(format_args!("faregate: nothing was done; leave these requests out with --skip-unknown\n"));
        return Err(Failure::Said(WRONG));
    }
    default.make(directory, default_id).await?;
    Ok(Some(play::play(directory, &calls, &kickstart, skipped).await?))
}

/// The tenant that a new installation has.
enum DefaultTenant {
    There(Uuid),
    /// With the id that the file wants.
    New(Option<Uuid>),
    /// There are tenants, and none is called so.
    None,
}

impl DefaultTenant {
    async fn find(directory: &Directory, wanted: Option<Uuid>) -> Result<Self, Failure> {
        let tenants = directory.tenants().await?;
        let only = (tenants.len() == 1).then(|| tenants.first()).flatten();
        let default = tenants.iter().find(|tenant| tenant.name == Directory::DEFAULT_TENANT).or(only);
        match (default, wanted) {
            (Some(tenant), Some(wanted)) if tenant.id != wanted => Err(anyhow::anyhow!(
                "variables.defaultTenantId: the default tenant {:?} is there already, and its id is {}; import into a new store, or leave the variable out",
                tenant.name,
                tenant.id
            )
            .into()),
            (Some(tenant), _) => Ok(Self::There(tenant.id)),
            (None, _) if tenants.is_empty() => Ok(Self::New(wanted)),
            (None, _) => Ok(Self::None),
        }
    }

    fn id(&self, opened: &Opened) -> Uuid {
        match self {
            Self::There(id) | Self::New(Some(id)) => *id,
            Self::New(None) => opened.entropy.uuid(),
            Self::None => Uuid::nil(),
        }
    }

    async fn make(self, directory: &Directory, id: Uuid) -> Result<(), Failure> {
        if let Self::New(_) = self {
            let name = Directory::DEFAULT_TENANT.to_owned();
            directory.create_tenant(NewTenant { id: Some(id), name, ..NewTenant::default() }).await?;
        }
        Ok(())
    }
}

/// Takes the requests that are not served out of the list.
async fn divide(kickstart: &mut Kickstart, calls: &ManagementCalls) -> Vec<Request> {
    let mut skipped = Vec::new();
    for mut request in std::mem::take(&mut kickstart.requests) {
        if let Some(note) = without_fusionauth(&mut request) {
            kickstart.notes.push(note);
        }
        if is_of_fusionauth(&request) || !calls.serves(&request.method, &request.uri).await {
            skipped.push(request);
        } else {
            kickstart.requests.push(request);
        }
    }
    skipped
}

/// About FusionAuth's own application, which is where its administrators log in.
fn is_of_fusionauth(request: &Request) -> bool {
    let application = request.body.as_ref().and_then(|body| body.pointer("/registration/applicationId"));
    request.uri.path().split('/').any(|segment| segment == FUSIONAUTH_APPLICATION_ID)
        || application.and_then(Value::as_str) == Some(FUSIONAUTH_APPLICATION_ID)
}

/// A user who is registered for FusionAuth's own application is made without that; answers a note about it.
fn without_fusionauth(request: &mut Request) -> Option<String> {
    let has_user = request.body.as_ref().is_some_and(|body| body.get("user").is_some());
    if !is_of_fusionauth(request) || !has_user {
        return None;
    }
    // The id of the user may follow, and nothing else.
    let rest = request.uri.path().strip_prefix("/api/user/registration")?;
    request.uri = match rest.matches('/').count() {
        0 | 1 => format!("/api/user{rest}").parse().ok()?,
        _ => return None,
    };
    if let Some(Value::Object(body)) = &mut request.body {
        body.remove("registration");
    }
    Some(format!(
        "request {}: the user is not registered for FusionAuth's own application, which we do not have; make an API key for administrators",
        request.number
    ))
}
