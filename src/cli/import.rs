//! `faregate import`: users of another system, as many as there are; Kickstart files in `kickstart`.
//!
//! Owns batches, progress and the report. What a user may be is `directory`'s rule; how a file is read is in `reader`.

mod kickstart;
mod reader;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use self::reader::{Entry, Form, Item};
use super::directory::tenant_called;
use super::{ConfigurationFile, FAILED, Failure, Format, Outcome, UNUSABLE, output, say};
use crate::directory::{Directory, Imported, Importer, Person};
use crate::serve::Opened;

/// Users that are written in one transaction.
const BATCH: usize = 500;
/// Entries that are read ahead.
const AHEAD: usize = 2 * BATCH;
/// Rejected ones that are listed; the rest is counted.
const LISTED: usize = 1_000;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Import users with the hashes of their passwords
    Users(UserArguments),
    /// Play the requests of a FusionAuth Kickstart file
    Kickstart(kickstart::Arguments),
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "FILE is FusionAuth's import JSON ({\"users\": [...]}), or has one such user per line.\nHashes: bcrypt, PBKDF2, salted SHA-256, Argon2id; each is made anew at the user's next login.\nUsers that are there already are left alone - known by id, or by email or username if the file has no id - so after an\ninterruption the same command does the rest. Exit code 1: some were rejected.\n\nExamples:\n  faregate import users export.json\n  faregate import users users.jsonl --tenant acme --format json"
)]
struct UserArguments {
    #[command(flatten)]
    configuration: ConfigurationFile,
    file: PathBuf,
    /// Where there are several tenants
    #[arg(long)]
    tenant: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(arguments: &Arguments) -> Outcome {
    match &arguments.what {
        What::Users(arguments) => import_users(arguments),
        What::Kickstart(arguments) => kickstart::run(arguments),
    }
}

fn import_users(arguments: &UserArguments) -> Outcome {
    let unreadable = |error: io::Error| anyhow::anyhow!("{} cannot be read: {error}", arguments.file.display());
    let form = reader::form(&arguments.file).map_err(unreadable)?;
    let config = super::serve::load(&arguments.configuration)?;
    let report = super::block_on(async {
        let opened = Opened::open_to_create(&config).await.map_err(|error| Failure::Failed(UNUSABLE, error.into()))?;
        let report = users(&opened.directory, arguments, form).await;
        opened.close().await;
        report
    })??;
    match arguments.format {
        Format::Json => output::print_line(&report.json())?,
        Format::Text => output::print(&report.text())?,
    }
    if report.is_good() { Ok(()) } else { Err(Failure::Said(FAILED)) }
}

async fn users(directory: &Directory, arguments: &UserArguments, form: Form) -> Result<Report, Failure> {
    let tenant = tenant_called(directory, arguments.tenant.as_deref()).await?;
    let importer = directory.importer(tenant).await?;
    let (sender, mut items) = tokio::sync::mpsc::channel(AHEAD);
    let (path, defaults) = (arguments.file.clone(), form.defaults());
    let reading = std::thread::Builder::new().name("import".to_owned());
    reading.spawn(move || reader::read(&path, &form, &sender))?;
    let mut report = Report::default();
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(item) = items.recv().await {
        match item {
            Item::Broken(why) => report.broken = Some(why),
            Item::Entry(Entry { place, user }) => {
                report.read += 1;
                match user.and_then(|user| importer.read(&user, &defaults)) {
                    Ok(person) => batch.push((place, person)),
                    Err(why) => report.reject(place, why),
                }
            }
        }
        if batch.len() == BATCH {
            write(&importer, &mut batch, &mut report).await?;
        }
    }
    write(&importer, &mut batch, &mut report).await?;
    report.clear_progress();
    Ok(report)
}

async fn write(importer: &Importer<'_>, batch: &mut Vec<(String, Person)>, report: &mut Report) -> Result<(), Failure> {
    let (places, people): (Vec<String>, Vec<Person>) = batch.drain(..).unzip();
    let had_second_factor: Vec<bool> = people.iter().map(|person| person.had_second_factor).collect();
    let outcomes = importer.write(people).await.inspect_err(|_| report.clear_progress())?;
    for ((place, outcome), had_second_factor) in places.into_iter().zip(outcomes).zip(had_second_factor) {
        match outcome {
            Imported::Created => {
                report.imported += 1;
                report.without_second_factor += usize::from(had_second_factor);
            }
            Imported::Present => report.present += 1,
            Imported::Refused(why) => report.reject(place, why),
        }
    }
    report.show_progress();
    Ok(())
}

/// Whether progress is of use: somebody is looking, and it does not get into a file.
fn is_watched() -> bool {
    io::stdout().is_terminal() && io::stderr().is_terminal()
}

/// What became of the file.
#[derive(Debug, Default)]
struct Report {
    read: usize,
    imported: usize,
    present: usize,
    rejected: usize,
    /// The first [`LISTED`] of them: where, and why.
    listed: Vec<(String, String)>,
    /// Imported users who have to set up their second factor again.
    without_second_factor: usize,
    /// Why the file was not read to its end.
    broken: Option<String>,
}

impl Report {
    fn reject(&mut self, place: String, why: String) {
        self.rejected += 1;
        if self.listed.len() < LISTED {
            self.listed.push((place, why));
        }
    }

    fn is_good(&self) -> bool {
        self.rejected == 0 && self.broken.is_none()
    }

    fn show_progress(&self) {
        if is_watched() {
            say(format_args!("\r{} users read, {} imported, {} rejected ", self.read, self.imported, self.rejected));
            // What is not shown now is shown next time.
            let _ = io::stderr().flush();
        }
    }

    fn clear_progress(&self) {
        if is_watched() {
            say(format_args!("\r\u{1b}[K"));
        }
    }

    fn json(&self) -> Value {
        let rejected = |(place, why): &(String, String)| json!({ "place": place, "reason": why });
        json!({
            "read": self.read,
            "imported": self.imported,
            "present": self.present,
            "rejected": self.rejected,
            "rejections": self.listed.iter().map(rejected).collect::<Vec<_>>(),
            "without_second_factor": self.without_second_factor,
            "broken": self.broken,
        })
    }

    fn text(&self) -> String {
        let mut text: String = self.listed.iter().map(|(place, why)| format!("{place}: {why}\n")).collect();
        if self.rejected > self.listed.len() {
            text += &format!("and {} more\n", self.rejected - self.listed.len());
        }
        if let Some(why) = &self.broken {
            text += &format!("the file was not read to its end: {why}\n");
        }
        if self.without_second_factor > 0 {
            text += &format!("{} had a second factor and have to set it up again\n", self.without_second_factor);
        }
        let Self { read, imported, present, rejected, .. } = self;
        text + &format!("{read} read: {imported} imported, {present} there already, {rejected} rejected.\n")
    }
}
