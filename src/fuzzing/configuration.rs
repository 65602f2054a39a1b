//! Configuration files: whatever is written there is an answer, and it points into the file. Owns no rule.

use super::text;
use crate::config::{self, Environment};

/// The whole input: the text of a file.
///
/// # Panics
/// If a problem lies outside of the file, or a good file is a bad one the second time.
pub fn configuration(input: &[u8]) {
    let written = text(input);
    let environment = Environment::of([("LISTEN", "127.0.0.1:8080"), ("SECRET", "a-secret-of-many-characters-0123")])
        .with_file("/run/secrets/one", "another-secret-of-many-characters")
        .sealed();
    match config::parse("fuzz.yaml", written, &environment) {
        Ok(config) => {
            let again = config::parse("fuzz.yaml", written, &environment);
            assert_eq!(again.map(|again| again.hash).ok(), Some(config.hash));
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a problem");
            let lines = written.lines().count();
            for problem in problems {
                assert!((problem.line as usize) <= lines + 1, "{}", problem.render(false));
            }
        }
    }
}
