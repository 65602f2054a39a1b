//! Configuration: YAML text to checked values, every problem reported at once with its place in the file.
//!
//! Owns the syntax of the file and the meaning of every key. It opens no socket and no store.

mod admin;
mod check;
pub mod directory;
mod document;
mod environment;
mod extend;
mod forward;
mod free;
mod interpolate;
mod issuers;
mod keys;
mod limits;
mod listen;
mod problem;
mod process;
mod public_url;
mod require;
mod routes;
mod scalar;
mod source;
mod store;
mod suggest;
pub mod tests;
mod upstreams;
mod url;
mod values;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;

pub use environment::Environment;
pub use problem::{Layer, Problem, SHOWN, Severity, Span, render_all};
pub use routes::RESERVED;
pub use source::Source;
pub use tests::policy_tests;
pub use values::*;

use check::{Check, Fields};
use document::Node;

use crate::route::Host;

/// The sections of a configuration file.
const SECTIONS: &[&str] = &[
    "listen",
    "public_url",
    "admin",
    "store",
    "keys",
    "issuers",
    "upstreams",
    "routes",
    "forward",
    "trusted_proxies",
    "limits",
    "log",
    "threads",
    "shutdown",
    "token_cache",
    "directory",
    "tests",
];

/// Every key there is, by the mapping it belongs to: for documentation and its tests.
pub fn known_keys() -> Vec<(&'static str, &'static [&'static str])> {
    vec![
        ("", SECTIONS),
        ("listen", listen::KEYS),
        ("listen.tls", listen::TLS_KEYS),
        ("keys", keys::KEYS),
        ("keys.rotation", keys::ROTATION_KEYS),
        ("issuers", issuers::KEYS),
        ("upstreams", upstreams::KEYS),
        ("upstreams.health", upstreams::HEALTH_KEYS),
        ("routes", routes::KEYS),
        ("routes.require", require::COMBINING_KEYS),
        ("forward", forward::KEYS),
        ("limits", limits::KEYS),
        ("log", process::LOG_KEYS),
        ("shutdown", process::SHUTDOWN_KEYS),
        ("token_cache", process::TOKEN_CACHE_KEYS),
        ("directory", directory::KEYS),
        ("directory.tenants", directory::TENANT_KEYS),
        ("directory.entity_types", directory::TYPE_KEYS),
        ("directory.entity_types.permissions", directory::PERMISSION_KEYS),
        ("directory.entities", directory::ENTITY_KEYS),
        ("directory.grants", directory::GRANT_KEYS),
        ("tests", tests::KEYS),
    ]
}

/// Reads and checks the configuration in the file at `path`. The problems are errors, in the order of the file.
pub fn load(path: &Path, environment: &Environment) -> Result<Config, Vec<Problem>> {
    let name = path.display().to_string();
    let unreadable = |message: String, help: &str| vec![Problem::of_file(&name, message).with_help(help)];
    let bytes = fs::read(path).map_err(|error| {
        unreadable(
            format!("cannot be read: {error}"),
            "give the path of a configuration file",
        )
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        let message = format!("line {} is not UTF-8", good.lines().count().max(1));
        unreadable(message, "save the file as UTF-8")
    })?;
    parse(&name, &text, environment)
}

/// Checks a configuration. `name` is the path that problems show; relative paths in the text start from its folder.
pub fn parse(name: &str, text: &str, environment: &Environment) -> Result<Config, Vec<Problem>> {
    let source = Source::new(name, text);
    let path = PathBuf::from(name);
    let base = path.parent().unwrap_or(Path::new(""));
    let document = document::read(text, &source, environment, base);
    let mut check = Check::new(&source, base, document.problems);
    let hash = hash(text, &document.included);
    let config = document.root.and_then(|root| checked(&root, &source, hash, &mut check));
    let mut problems = check.problems;
    problems.sort_by_key(|problem| (problem.line, problem.column));
    problems.dedup();
    let (errors, warnings) = problems
        .into_iter()
        .partition(|problem| problem.severity == Severity::Error);
    match config {
        Some(config) if Vec::<Problem>::is_empty(&errors) => Ok(Config { warnings, ..config }),
        Some(_) | None => Err(errors),
    }
}

/// A value even if there are problems: then with defaults where values are missing, and of no use.
fn checked(root: &Node, source: &Source, hash: String, check: &mut Check<'_>) -> Option<Config> {
    let fields = Fields::open(root, SECTIONS, check)?;
    let span = |key: &str| fields.entry(key).map_or(root.span, |entry| entry.value.span);
    let listen = listen::check(fields.find("listen"), check);
    let public_url = public_url::check(fields.find("public_url"), &listen, span("listen"), check);
    let admin = admin::check(fields.find("admin"), &listen, check);
    let store = store::check(fields.find("store"), check);
    let keys = keys::check(fields.find("keys"), check);
    let issuers = issuers::check(fields.find("issuers"), check);
    let upstreams = upstreams::check(fields.find("upstreams"), check);
    let limits = limits::check(fields.find("limits"), check);
    let context = routes::Context {
        issuers: &issuers,
        upstreams: &upstreams,
        limits: &limits,
    };
    let routes = routes::check(fields.find("routes"), &context, check);
    note_shared_host(&public_url, &routes, span("routes"), check);
    Some(Config {
        path: PathBuf::from(&*source.name()),
        hash,
        listen,
        public_url,
        admin,
        store,
        keys,
        routes,
        issuers,
        upstreams,
        forward: forward::check(fields.find("forward"), check),
        trusted_proxies: process::trusted_proxies(fields.find("trusted_proxies"), check),
        limits,
        log: process::log(fields.find("log"), check),
        threads: process::threads(&fields, check),
        shutdown: process::shutdown(fields.find("shutdown"), check),
        token_cache: process::token_cache(fields.find("token_cache"), check),
        directory: directory::check(fields.find("directory"), check),
        tests: tests::check(fields.find("tests"), check),
        warnings: Vec::new(),
        source: source.clone(),
    })
}

/// K13: an application on the authorization server's host can set cookies for it.
fn note_shared_host(public_url: &PublicUrl, routes: &[Route], span: Span, check: &mut Check<'_>) {
    let host = public_url.host();
    let is_shared = |own: &Host| match own {
        Host::Exact(name) => **name == *host,
        Host::Suffix(suffix) => host.strip_suffix(&**suffix).is_some_and(|rest| rest.ends_with('.')),
    };
    let shares = |route: &Route| route.hosts.is_empty() || route.hosts.iter().any(is_shared);
    if !url::is_loopback(host) && routes.iter().any(shares) {
        check.note(
            span,
            format!("routes share the host {host} with the authorization server's pages"),
            "give the proxied applications another host, and name it in `hosts`",
        );
    }
}

/// SHA-256 in hexadecimal of everything the configuration was made from.
fn hash(text: &str, included: &[String]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(text.as_bytes());
    for value in included {
        // The length first, so that no two lists of values look the same.
        context.update(&(value.len() as u64).to_be_bytes());
        context.update(value.as_bytes());
    }
    context
        .finish()
        .as_ref()
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a `String` cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
