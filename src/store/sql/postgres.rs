//! PostgreSQL: encryption (P6), durability (P5) and time limits of the connections.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, ConnectOptions as _, Connection as _, Executor as _, Row as _, query};

use super::look::{Found, found};
use super::migrate::{Lock, migrate};
use super::{Engine, Options, SqlStore};
use crate::store::OpenError;

/// Longest time until the server must have answered the first connection.
const CONNECT_FOR: Duration = Duration::from_secs(5);

/// Longest time until a verb has a connection: it must not take the whole deadline to find out that the server is down
/// (T13).
const ACQUIRE_FOR: Duration = Duration::from_secs(1);

pub(super) async fn open(url: &str, options: &Options) -> Result<SqlStore, OpenError> {
    let place = place(url);
    let explain = |error: sqlx::Error| explain(&place, &error);
    let connect = connect_options(url, &place)?;
    let mut connection = connection(&connect, &place).await?;
    if !options.unsafe_durability {
        check_durability(&mut connection, &place).await?;
    }
    let migrated = migrate(&mut connection, Lock::Advisory).await;
    let newer_schema = migrated.map_err(|failure| failure.into_open_error(&place, explain))?;
    // Nothing depends on how the farewell goes.
    let _ = connection.close().await;

    // What is read often is in memory, wherever it lies. By the server's own guess, which is one for turning disks, it sorts whole
    // tables rather than read an index from the middle.
    let settings = format!(
        "SET client_min_messages = warning; SET random_page_cost = 1.1; SET statement_timeout = {limit}; SET lock_timeout = {limit}; \
         SET idle_in_transaction_session_timeout = {limit}",
        limit = options.deadline.as_millis()
    );
    let pool = AnyPoolOptions::new()
        .max_connections(options.connections.max(1))
        .acquire_timeout(options.deadline.min(ACQUIRE_FOR))
        .after_connect(move |connection, _| {
            let settings = settings.clone();
            Box::pin(async move { connection.execute(sqlx::AssertSqlSafe(settings)).await.map(drop) })
        })
        .connect_lazy_with(connect);
    Ok(SqlStore { newer_schema, ..SqlStore::new(Engine::Postgres, pool.clone(), pool, options) })
}

fn connect_options(url: &str, place: &str) -> Result<AnyConnectOptions, OpenError> {
    let options = AnyConnectOptions::from_str(&encrypted(url)).map_err(|_| OpenError::Place {
        place: place.to_owned(),
        problem: "not a URL".to_owned(),
        fix: "write postgres://user@host:5432/database, with %XX for special characters".to_owned(),
    })?;
    Ok(options.disable_statement_logging())
}

/// Not through the pool, which would try again and then not say why.
async fn connection(connect: &AnyConnectOptions, place: &str) -> Result<AnyConnection, OpenError> {
    let explain = |error: sqlx::Error| explain(place, &error);
    let connected = tokio::time::timeout(CONNECT_FOR, connect.connect()).await;
    let connected = connected.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())));
    let mut connection = connected.map_err(explain)?;
    connection.execute("SET client_min_messages = warning").await.map_err(explain)?;
    Ok(connection)
}

/// What is in the database.
pub(super) async fn look(url: &str) -> Result<Found, OpenError> {
    let place = place(url);
    let mut connection = connection(&connect_options(url, &place)?, &place).await?;
    check_durability(&mut connection, &place).await?;
    let found = found(&mut connection, Lock::Advisory).await;
    let found = found.map_err(|failure| failure.into_open_error(&place, |error| explain(&place, &error)))?;
    // Nothing depends on how the farewell goes.
    let _ = connection.close().await;
    Ok(found)
}

async fn check_durability(connection: &mut AnyConnection, place: &str) -> Result<(), OpenError> {
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        let row = query("SELECT current_setting($1) AS value").bind(setting).fetch_one(&mut *connection).await;
        let value: String = row.and_then(|row| row.try_get("value")).map_err(|error| explain(place, &error))?;
        if value == "off" {
            return Err(OpenError::Unsafe { place: place.to_owned(), setting });
        }
    }
    Ok(())
}

/// The URL, with `sslmode=require` when it says nothing about encryption and leaves this machine (P6).
fn encrypted(url: &str) -> String {
    let (base, parameters) = url.split_once('?').unwrap_or((url, ""));
    let says = |wanted: &[&str]| {
        parameters.split('&').filter_map(|parameter| parameter.split_once('=')).find(|(name, _)| wanted.contains(name))
    };
    let host = match says(&["host", "hostaddr"]) {
        Some((_, host)) => host,
        None => host(base),
    };
    let host = host.to_ascii_lowercase();
    let stays_here = host.is_empty()
        || host.starts_with(['/'])
        || host.starts_with("%2f")
        || host == "localhost"
        || host.starts_with("127.")
        || host == "[::1]";
    if stays_here || says(&["sslmode", "ssl-mode"]).is_some() {
        return url.to_owned();
    }
    let separator = if parameters.is_empty() { "" } else { "&" };
    format!("{base}?{parameters}{separator}sslmode=require")
}

fn host(base: &str) -> &str {
    let authority = base.split_once("://").map_or(base, |(_, rest)| rest);
    let authority = authority.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    match host.rfind(']') {
        Some(end) => &host[..=end],
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// The URL for messages: no password, no parameters.
fn place(url: &str) -> String {
    let base = url.split('?').next().unwrap_or_default();
    let (scheme, rest) = base.split_once("://").unwrap_or(("postgres", base));
    match rest.rsplit_once('@') {
        Some((user, rest)) => format!("{scheme}://{}@{rest}", user.split(':').next().unwrap_or_default()),
        None => format!("{scheme}://{rest}"),
    }
}

fn explain(place: &str, error: &sqlx::Error) -> OpenError {
    let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default();
    let fix = match (error, code.as_ref()) {
        (sqlx::Error::Io(_), _) => "start the server, or correct the address",
        (sqlx::Error::Tls(_), _) => "let the server offer TLS, or append ?sslmode=disable where the network is trusted",
        (_, "28000" | "28P01") => "correct the user and password in the URL, or pg_hba.conf",
        (_, "3D000") => "create the database (createdb), or correct its name",
        (_, "42501") => "grant the user CREATE on the database's schema",
        (_, "25006") => "connect to the primary server, not to a standby",
        (_, "57P03" | "53300") => "wait until the server accepts connections, then start again",
        (_, "42P07") => "use an empty database",
        _ => "check the server's log",
    };
    // What a server says names lines of its own source.
    let problem = error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
    OpenError::Place { place: place.to_owned(), problem, fix: fix.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    // T77
    #[test]
    fn messages_never_show_a_password() {
        assert_eq!(place("postgres://me:p@ss@db.example:5432/x?password=no"), "postgres://me@db.example:5432/x");
        assert_eq!(place("postgresql:///x"), "postgresql:///x");
    }

    // P6
    #[test]
    fn connections_that_leave_the_machine_are_encrypted() {
        for url in [
            "postgres://db.example/x",
            "postgres://u:p@10.0.0.1:5432/x",
            "postgres://[2001:db8::1]/x",
            "postgres:///x?host=db.example",
        ] {
            assert!(encrypted(url).ends_with("sslmode=require"), "{url}");
        }
        for url in [
            "postgres://localhost/x",
            "postgres://u:p@127.0.0.1:5432/x",
            "postgres://[::1]:5432/x",
            "postgres:///x?host=/tmp/socket",
            "postgres://%2Ftmp%2Fsocket/x",
            "postgres://db.example/x?sslmode=verify-full",
        ] {
            assert_eq!(encrypted(url), url);
        }
    }
}
