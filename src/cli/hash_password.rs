//! `faregate hash-password`: what stands for a password in files, so that nobody writes one down.

use serde_json::json;

use super::typed::read_password;
use super::{Format, Outcome, output};
use crate::directory::Passwords;
use crate::entropy::Entropy;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The password is read from standard input: unseen at a terminal, else its first line.\nExamples:\n  faregate hash-password\n  faregate hash-password < password.txt"
)]
pub struct Arguments {
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(arguments: &Arguments) -> Outcome {
    let password = read_password()?;
    let hash = super::block_on(Passwords::new(Entropy::system()).hash(password.expose()))??;
    match arguments.format {
        Format::Text => output::print_line(&hash),
        Format::Json => output::print_line(&json!({ "password_hash": hash })),
    }
}
