//! The commands. Each has a file; results go to standard output, talk to standard error.

pub mod check;
