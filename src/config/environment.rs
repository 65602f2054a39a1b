//! Where interpolated values come from: variables and files.
//!
//! Owns the lookups, so that tests can pass their own. It does not know the `${...}` syntax.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The variables and files that `${VAR}` and `${file:/path}` mean.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `None`: the variables of the process.
    variables: Option<BTreeMap<String, String>>,
    /// Read instead of the file system's.
    files: BTreeMap<PathBuf, String>,
    /// Whether there are no files but those.
    is_sealed: bool,
}

impl Environment {
    /// The variables of this process and the files of this machine.
    pub fn process() -> Self {
        Self::default()
    }

    /// Only these variables.
    pub fn of<K: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (K, V)>) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { variables: Some(variables), ..Self::default() }
    }

    /// Pretends that `path` holds `contents`.
    #[must_use]
    pub fn with_file(mut self, path: impl Into<PathBuf>, contents: impl Into<String>) -> Self {
        self.files.insert(path.into(), contents.into());
        self
    }

    /// Reads no file of this machine.
    #[must_use]
    pub fn sealed(self) -> Self {
        Self { is_sealed: true, ..self }
    }

    /// `None` if the variable is not set, or is not UTF-8.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        match &self.variables {
            Some(variables) => variables.get(name).cloned(),
            None => env::var(name).ok(),
        }
    }

    pub(super) fn file(&self, path: &Path) -> io::Result<String> {
        match self.files.get(path) {
            Some(contents) => Ok(contents.clone()),
            None if self.is_sealed => Err(io::ErrorKind::NotFound.into()),
            None => fs::read_to_string(path),
        }
    }
}
