//! The files of `faregate apply`: the contents of `directory:` in files of their own, or whole configurations.
//!
//! Owns which files are read and how several become one declaration. What may stand in them is in `directory`.

use std::fs;
use std::path::{Path, PathBuf};

use super::check::{Check, Fields};
use super::directory;
use super::document;
use super::environment::Environment;
use super::node::{Node, Value};
use super::problem::{Problem, Severity};
use super::source::Source;
use super::{SECTIONS, text_of};
use crate::directory::declare::Declaration;

/// What files declare together.
#[derive(Debug)]
pub struct Declared {
    pub declaration: Declaration,
    /// Usable, but not safe.
    pub warnings: Vec<Problem>,
}

/// Reads and checks the files at `paths`; of a folder those in it that end in `.yaml`, `.yml` or `.json`, by name. They
/// may refer to each other, and to what is in the store.
///
/// # Errors
/// Every problem of every file.
pub fn declared(paths: &[PathBuf], environment: &Environment) -> Result<Declared, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut read = Vec::new();
    for path in files(paths, &mut problems) {
        match File::read(&path, environment) {
            Ok((file, found)) => read.push((file, found)),
            Err(problem) => problems.push(problem),
        }
    }
    let mut sections = Vec::new();
    for (file, found) in &mut read {
        let mut check = Check::new(&file.source, &file.base, std::mem::take(found));
        match file.root.as_ref().and_then(|root| section(root, &mut check)) {
            Some(fields) => sections.push((fields, check)),
            None => problems.append(&mut check.problems),
        }
    }
    let declaration = directory::check_all(&mut sections);
    for (_, check) in sections {
        let mut found = check.problems;
        found.sort_by_key(|problem| (problem.line, problem.column));
        found.dedup();
        problems.extend(found);
    }
    let (errors, warnings): (Vec<_>, Vec<_>) =
        problems.into_iter().partition(|problem| problem.severity == Severity::Error);
    if errors.is_empty() { Ok(Declared { declaration, warnings }) } else { Err(errors) }
}

struct File {
    source: Source,
    /// The folder that relative paths start from.
    base: PathBuf,
    root: Option<Node>,
}

impl File {
    /// With the problems of its syntax.
    fn read(path: &Path, environment: &Environment) -> Result<(Self, Vec<Problem>), Problem> {
        let name = path.display().to_string();
        let text = text_of(path, "give the path of a file with declarations")?;
        let source = Source::new(&name, &text);
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        let document = document::read(&text, &source, environment, &base);
        Ok((Self { source, base, root: document.root }, document.problems))
    }
}

/// The section itself, or the one below `directory:` in what may be a whole configuration.
fn section<'n>(root: &'n Node, check: &mut Check<'_>) -> Option<Fields<'n>> {
    // `keys` may stand in both.
    let tells = |key: &str| SECTIONS.contains(&key) && !directory::KEYS.contains(&key);
    let is_configuration = match &root.value {
        Value::Map(entries) => entries.iter().any(|entry| tells(&entry.key)),
        Value::Null | Value::Scalar(_) | Value::List(_) | Value::Unusable => false,
    };
    if !is_configuration {
        return Fields::open(root, directory::KEYS, check);
    }
    let sections = Fields::open(root, SECTIONS, check)?;
    match sections.entry("directory") {
        Some(entry) => Fields::open(&entry.value, directory::KEYS, check),
        None => {
            check.refuse_with_help(root.span, "this configuration declares nothing", "add a `directory:` section");
            None
        }
    }
}

fn files(paths: &[PathBuf], problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let listed = fs::read_dir(path).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
        let mut found = match listed {
            Ok(entries) => entries.into_iter().map(|entry| entry.path()).filter(|path| is_declaration(path)).collect(),
            Err(error) => {
                let name = path.display().to_string();
                problems.push(Problem::of_file(&name, format!("cannot be read: {error}")));
                Vec::new()
            }
        };
        found.sort();
        files.append(&mut found);
    }
    files
}

fn is_declaration(path: &Path) -> bool {
    let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let extension = path.extension().and_then(|extension| extension.to_str());
    path.is_file() && !is_hidden && matches!(extension, Some("yaml" | "yml" | "json"))
}
