//! `tests:` - policy tests that travel with the policies they prove.
//!
//! Owns their syntax and how they are run against the checked routes. It decides nothing: `route` and `policy` do.

use http::Method;
use serde_json::{Map, Value};

/// One policy test, checked.
#[derive(Clone, Debug)]
pub struct PolicyTest {
    pub name: String,
    /// The claims of the token; `None` is a request without a token.
    pub token: Option<Map<String, Value>>,
    pub method: Method,
    pub path: String,
    pub host: Option<String>,
    pub expect: Expectation,
    /// The reason a denial must have.
    pub reason: Option<String>,
    /// Line of the test in the file, from 1.
    pub line: u32,
}

/// What a policy test expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    Permit,
    Deny,
}
