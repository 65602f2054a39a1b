use super::*;

async fn memory() -> AnyConnection {
    sqlx::any::install_default_drivers();
    AnyConnection::connect("sqlite::memory:").await.expect("a database in memory")
}

#[test]
fn versions_count_up_from_one() {
    for (index, migration) in MIGRATIONS.iter().enumerate() {
        assert_eq!(migration.version, index as i64 + 1);
    }
}

/// What a migration must not say whose older programs go on: they read what was there, and write rows without knowing what is new.
const TAKES_AWAY: [&str; 7] = ["DROP TABLE", "DROP COLUMN", "RENAME", "ALTER COLUMN", "UPDATE ", "DELETE ", "UNIQUE"];

fn only_adds(text: &str) -> bool {
    let statements = text.lines().filter(|line| !line.trim_start().starts_with("--")).collect::<Vec<_>>().join("\n");
    let needs_a_value = |statement: &str| {
        statement.contains("ADD COLUMN") && statement.contains("NOT NULL") && !statement.contains("DEFAULT")
    };
    // A new table may have what it likes.
    statements
        .split(';')
        .filter(|statement| !statement.trim_start().starts_with("CREATE TABLE"))
        .all(|statement| !TAKES_AWAY.iter().any(|word| statement.contains(word)) && !needs_a_value(statement))
}

// T73
#[test]
fn older_programs_are_asked_to_work_only_with_what_was_added() {
    for Migration { version, works_from, text } in MIGRATIONS {
        assert!(works_from <= version && (works_from == version || works_from >= FIRST_TO_BE_TOLD), "{version}");
        assert!(works_from == version || only_adds(text), "{version} says that older programs work with it");
    }
    for (text, adds) in [
        ("CREATE TABLE a (b TEXT NOT NULL UNIQUE); CREATE INDEX c ON a (b);", true),
        (
            "-- DROP TABLE a\nALTER TABLE a ADD COLUMN d TEXT NOT NULL DEFAULT ''; ALTER TABLE a ADD COLUMN e BIGINT;",
            true,
        ),
        ("ALTER TABLE a ADD COLUMN d TEXT NOT NULL;", false),
        ("ALTER TABLE a DROP COLUMN b;", false),
        ("CREATE UNIQUE INDEX c ON a (b);", false),
        ("ALTER TABLE a ADD COLUMN d TEXT; UPDATE a SET d = 'x';", false),
    ] {
        assert_eq!(only_adds(text), adds, "{text}");
    }
}

// T73: a program starts on the schema of a newer one that said so, and not if any step since was not for it
#[tokio::test]
async fn a_newer_schema_that_only_adds_is_worked_with() {
    let mut connection = memory().await;
    assert!(matches!(migrate(&mut connection, Lock::File).await, Ok(None)));
    let (today, next) = (MIGRATIONS.len(), MIGRATIONS.len() as i64 + 1);
    let added = Migration { version: next, works_from: next - 1, text: "ALTER TABLE tenant ADD COLUMN colour TEXT;" };
    let with = |last: Migration| MIGRATIONS.into_iter().chain([added, last]).collect::<Vec<_>>();
    let newer =
        with(Migration { version: next + 1, works_from: next + 1, text: "ALTER TABLE tenant DROP COLUMN colour;" });
    assert!(matches!(step(&mut connection, Lock::File, &newer[..=today]).await, Ok(Reached::Next)));
    assert!(matches!(migrate(&mut connection, Lock::File).await, Ok(Some(newest)) if newest == next));
    let too_new = |found: i64, known: i64, reached: Failure| {
        assert!(matches!(reached, Failure::TooNew { found: at, known: to } if (at, to) == (found, known)), "{found}");
    };
    too_new(next, next - 2, step(&mut connection, Lock::File, &newer[..today - 1]).await.expect_err("too new"));
    assert!(matches!(step(&mut connection, Lock::File, &newer).await, Ok(Reached::Next)));
    too_new(next + 1, next - 1, migrate(&mut connection, Lock::File).await.expect_err("too new"));
    // That a later one adds only does not help.
    let later = query("INSERT INTO schema_version VALUES ($1, 'x', $2)").bind(next + 2).bind(next - 1);
    later.execute(&mut connection).await.expect("inserted");
    too_new(next + 2, next - 1, migrate(&mut connection, Lock::File).await.expect_err("too new"));
}

#[test]
fn checksums_ignore_line_ends_only() {
    assert_eq!(checksum("a\nb\n"), checksum("a\r\nb\r\n"));
    assert_ne!(checksum("a\nb\n"), checksum("a b\n"));
}

// T08: a migration that fails half way leaves nothing of itself, and those before it whole
#[tokio::test]
async fn a_failed_migration_rolls_back() {
    let mut connection = memory().await;
    let migrations = [
        Migration { version: 1, works_from: 1, text: "CREATE TABLE first (a BIGINT);" },
        Migration {
            version: 2,
            works_from: 2,
            text: "CREATE TABLE second (a BIGINT); INSERT INTO nowhere VALUES (1);",
        },
    ];
    assert!(matches!(step(&mut connection, Lock::File, &migrations).await, Ok(Reached::Next)));
    assert!(matches!(step(&mut connection, Lock::File, &migrations).await, Err(Failure::Database(_))));
    let tables = query("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name");
    let tables: Vec<String> =
        tables.fetch_all(&mut connection).await.expect("names").iter().map(|row| row.get("name")).collect();
    assert_eq!(tables, ["first", "schema_version"]);
}

// T08: an old program refuses a newer schema, and one whose history differs from its own
#[tokio::test]
async fn a_schema_from_elsewhere_is_refused() {
    let mut connection = memory().await;
    let newer = [
        Migration { version: 1, works_from: 1, text: "CREATE TABLE first (a BIGINT);" },
        Migration { version: 2, works_from: 2, text: "CREATE TABLE second (a BIGINT);" },
    ];
    while let Ok(Reached::Next) = step(&mut connection, Lock::File, &newer).await {}
    let older = &newer[..1];
    assert!(matches!(step(&mut connection, Lock::File, older).await, Err(Failure::TooNew { found: 2, known: 1 })));
    let other = [Migration { version: 1, works_from: 1, text: "CREATE TABLE other (a BIGINT);" }];
    assert!(matches!(step(&mut connection, Lock::File, &other).await, Err(Failure::Changed { version: 1 })));
}

// T08: what an older program stored is still there, with today's defaults for what it did not know
#[tokio::test]
async fn an_older_database_is_brought_up_to_date() {
    let mut connection = memory().await;
    assert!(matches!(step(&mut connection, Lock::File, &MIGRATIONS[..1]).await, Ok(Reached::Next)));
    let tenant = "INSERT INTO tenant VALUES ('a', 'acme', NULL, 'standard', 60, 'ES256', 'RS256', NULL, 1, 2)";
    query(tenant).execute(&mut connection).await.expect("inserted");
    assert!(migrate(&mut connection, Lock::File).await.is_ok());
    let row = query("SELECT name, settings FROM tenant").fetch_one(&mut connection).await.expect("the tenant");
    assert_eq!((row.get("name"), row.get("settings")), ("acme", "{}"));
}
