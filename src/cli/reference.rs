//! `faregate completions` and `faregate man`: the command line described for shells and for `man`, from its own definition.

use std::path::PathBuf;

use clap::Command;
use clap_complete::Shell;

use super::{FAILED, Failure, Outcome, UNUSABLE, output};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  faregate completions bash > /etc/bash_completion.d/faregate\n  faregate completions zsh > ~/.zfunc/_faregate"
)]
pub struct CompletionsArguments {
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  faregate man | man -l -\n  faregate man --out /usr/local/share/man/man1")]
pub struct ManArguments {
    /// Write a page for each command into this folder, in place of the first to standard output
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

pub fn completions(arguments: &CompletionsArguments, command: Command) -> Outcome {
    let mut command = whole(command);
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "faregate", &mut script);
    output::print(&text(script)?)
}

pub fn man(arguments: &ManArguments, command: Command) -> Outcome {
    let command = whole(command);
    let Some(folder) = &arguments.out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        return output::print(&text(page)?);
    };
    clap_mangen::generate_to(command, folder).map_err(|error| {
        Failure::Failed(UNUSABLE, anyhow::anyhow!("cannot write pages to {}: {error}", folder.display()))
    })
}

/// The command with every option, also those that help shows in fewer lines.
fn whole(command: Command) -> Command {
    command.mut_args(|argument| argument.hide(false)).mut_subcommands(whole)
}

fn text(bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|_| Failure::Failed(FAILED, anyhow::anyhow!("what was made is no text")))
}
