//! `store:` - where state is kept.
//!
//! Owns the URLs that are understood. It opens nothing.

use std::path::PathBuf;

use super::check::Check;
use super::lint::Lint;
use super::node::Node;
use super::url;
use crate::secret::Secret;

/// Where the store is.
#[derive(Clone, Debug)]
pub enum StoreLocation {
    Sqlite(PathBuf),
    /// Gone when the process ends: for development and tests.
    SqliteMemory,
    /// The URL, which may carry a password.
    Postgres(Secret<String>),
}

impl StoreLocation {
    /// The URL that the store opens. It may carry a password.
    pub fn url(&self) -> Secret<String> {
        match self {
            Self::Sqlite(path) => Secret::new(format!("sqlite://{}", path.display())),
            Self::SqliteMemory => Secret::new("sqlite::memory:".to_owned()),
            Self::Postgres(url) => url.clone(),
        }
    }
}

/// By default a file beside the configuration file.
pub(super) fn check(node: Option<&Node>, check: &mut Check<'_>) -> StoreLocation {
    let fallback = StoreLocation::Sqlite(check.path("faregate.db"));
    let Some(node) = node else { return fallback };
    let Some(scalar) = check.text(node) else {
        return fallback;
    };
    let text = scalar.text.as_str();
    if text == "sqlite::memory:" {
        return StoreLocation::SqliteMemory;
    }
    // The URL may carry a password: no message shows any of it.
    match text.split_once("://") {
        Some(("sqlite", "")) => {
            check.refuse_with_help(
                node.span,
                "the SQLite file is missing",
                "store: sqlite:///var/lib/faregate/faregate.db",
            );
            fallback
        }
        Some(("sqlite", path)) => match path.find('?') {
            None => StoreLocation::Sqlite(check.path(path)),
            Some(_) => {
                check.refuse_with_help(
                    node.span,
                    "options of a SQLite file cannot be changed",
                    "remove `?` and what follows",
                );
                fallback
            }
        },
        Some(("postgres" | "postgresql", rest)) => {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            if path.is_empty() || path.starts_with('?') {
                let help = "store: postgres://user:${file:/run/secrets/password}@host/database";
                check.refuse_with_help(node.span, "the name of the database is missing", help);
            } else if let Some(refusal) = url::authority(host).err().filter(|_| !host.is_empty()) {
                check.refuse_with_help(
                    node.span,
                    "the host of the database is not a host",
                    refusal.help.unwrap_or_default(),
                );
            } else {
                warn_about_clear_text(host, path, node, check);
            }
            StoreLocation::Postgres(Secret::new(text.to_owned()))
        }
        Some(_) | None => {
            check.refuse_with_help(
                node.span,
                "this is not the URL of a store",
                "sqlite:///path/to/faregate.db or postgres://user:${file:/run/secrets/password}@host/database",
            );
            fallback
        }
    }
}

/// P6: without one of these modes the connection may silently be unencrypted.
fn warn_about_clear_text(host: &str, path: &str, node: &Node, check: &mut Check<'_>) {
    let local = host.is_empty() || url::authority(host).is_ok_and(|(name, _)| url::is_loopback(&name));
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let encrypted = query.split('&').any(|option| {
        matches!(option, "sslmode=require" | "sslmode=verify-ca" | "sslmode=verify-full")
            || option.starts_with("host=/")
    });
    if !local && !encrypted {
        let help =
            "end the URL with `?sslmode=verify-full`, or `?sslmode=require` if there is no certificate authority";
        check.warn(node.span, Lint::StoreWithoutTls, "the connection to the database may be unencrypted", help);
    }
}
