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
        Migration { version: 1, text: "CREATE TABLE first (a BIGINT);" },
        Migration { version: 2, text: "CREATE TABLE second (a BIGINT); INSERT INTO nowhere VALUES (1);" },
    ];
    assert!(matches!(step(&mut connection, Lock::File, &migrations).await, Ok(true)));
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
        Migration { version: 1, text: "CREATE TABLE first (a BIGINT);" },
        Migration { version: 2, text: "CREATE TABLE second (a BIGINT);" },
    ];
    while let Ok(true) = step(&mut connection, Lock::File, &newer).await {}
    let older = &newer[..1];
    assert!(matches!(step(&mut connection, Lock::File, older).await, Err(Failure::TooNew { found: 2, known: 1 })));
    let other = [Migration { version: 1, text: "CREATE TABLE other (a BIGINT);" }];
    assert!(matches!(step(&mut connection, Lock::File, &other).await, Err(Failure::Changed { version: 1 })));
}

// T08: what an older program stored is still there, with today's defaults for what it did not know
#[tokio::test]
async fn an_older_database_is_brought_up_to_date() {
    let mut connection = memory().await;
    assert!(matches!(step(&mut connection, Lock::File, &MIGRATIONS[..1]).await, Ok(true)));
    let tenant = "INSERT INTO tenant VALUES ('a', 'acme', NULL, 'standard', 60, 'ES256', 'RS256', NULL, 1, 2)";
    query(tenant).execute(&mut connection).await.expect("inserted");
    assert!(migrate(&mut connection, Lock::File).await.is_ok());
    let row = query("SELECT name, settings FROM tenant").fetch_one(&mut connection).await.expect("the tenant");
    assert_eq!((row.get("name"), row.get("settings")), ("acme", "{}"));
}
