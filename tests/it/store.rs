//! The store suite on both engines, and what the engines add: opening, refusing to open, and staying honest when the
//! file is taken away.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use faregate::clock::Clock;
use faregate::directory::Directory;
use faregate::directory::declare::{
    Declaration, EntityDeclaration, EntityTypeDeclaration, GrantDeclaration, NoKeys, PermissionDeclaration,
};
use faregate::entropy::Entropy;
use faregate::model::{Revocation, Revoked, Tenant, User};
use faregate::store::conformance::behaviours;
use faregate::store::sql::{Found, Options, SqlStore};
use faregate::store::{OpenError, Store, StoreError};
use sqlx::{AnyConnection, Connection as _, Executor as _};
use uuid::Uuid;

use crate::faults::versions::tables;
use crate::support::database::{Database, Folder};

async fn conforms(database: impl AsyncFn() -> Option<Database>) {
    for behaviour in behaviours() {
        let Some(database) = database().await else { return };
        let store = database.open().await;
        eprintln!("{}", behaviour.name);
        (behaviour.run)(Arc::clone(&store) as Arc<dyn Store>).await;
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_conforms() {
    conforms(async || Some(Database::sqlite())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_conforms() {
    conforms(Database::postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_conforms() {
    for behaviour in behaviours() {
        let store = SqlStore::open("sqlite::memory:", &Options::default()).await.expect("the store opens");
        (behaviour.run)(Arc::new(store)).await;
    }
}

/// T73: each verb does what it promises while a newer program adds columns to the tables that it works on.
async fn conforms_while_columns_are_added(database: impl AsyncFn() -> Option<Database>) {
    for behaviour in behaviours() {
        let Some(database) = database().await else { return };
        let store = database.open().await;
        let mut newer = AnyConnection::connect(&database.url()).await.expect("a connection");
        let mut columns = tokio::spawn(async move {
            for number in 0.. {
                for table in tables() {
                    let statement = format!("ALTER TABLE {table} ADD COLUMN added_{number} TEXT NOT NULL DEFAULT ''");
                    newer.execute(sqlx::AssertSqlSafe(statement)).await.expect("added");
                    // SQLite has one writer at a time, and others want to write.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        });
        (behaviour.run)(Arc::clone(&store) as Arc<dyn Store>).await;
        columns.abort();
        match (&mut columns).await {
            Err(ended) => assert!(ended.is_cancelled(), "{}: {ended}", behaviour.name),
            Ok(()) => unreachable!("it has no end"),
        }
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_conforms_while_columns_are_added() {
    conforms_while_columns_are_added(async || Some(Database::sqlite())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_conforms_while_columns_are_added() {
    conforms_while_columns_are_added(Database::postgres).await;
}

/// T07, T08: nodes that start at once on an empty database all come up, with one schema.
async fn starts_together(database: &Database) {
    let mut nodes = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let url = database.url();
        nodes.spawn(async move { SqlStore::open(&url, &Options::default()).await });
    }
    for store in nodes.join_all().await {
        let store = store.expect("the store opens");
        store.ping().await.expect("an answer");
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_start_together_on_sqlite() {
    starts_together(&Database::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_start_together_on_postgres() {
    if let Some(database) = Database::postgres().await {
        starts_together(&database).await;
    }
}

/// Two processes on one database see each other's writes (T72).
async fn sees_the_other(database: &Database) {
    let (one, other) = (database.open().await, database.open().await);
    let tenant = Tenant::new(Uuid::from_u128(1), "acme", 1);
    one.insert_tenant(&tenant).await.expect("inserted");
    assert_eq!(other.find_tenant(tenant.id).await.expect("answer"), Some(tenant));
    assert_eq!(other.changes_since(0, 10).await.expect("changes").len(), 1);
    one.close().await;
    other.close().await;
}

#[tokio::test]
async fn processes_share_a_database() {
    sees_the_other(&Database::sqlite()).await;
    if let Some(database) = Database::postgres().await {
        sees_the_other(&database).await;
    }
}

async fn refusal(url: &str) -> String {
    match SqlStore::open(url, &Options::default()).await {
        Ok(_) => panic!("{url} was opened"),
        Err(error) => {
            let text = error.to_string();
            assert!(!text.contains('\n') && !text.contains("hunter2"), "{text}");
            text
        }
    }
}

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

// P5
#[tokio::test]
async fn the_file_and_its_companions_are_ours_alone() {
    let folder = Folder::new();
    let path = folder.file("a b%20.db");
    let url = format!("sqlite://{}", path.display());
    let store = SqlStore::open(&url, &Options::default()).await.expect("the store opens");
    store.insert_tenant(&Tenant::new(Uuid::nil(), "acme", 1)).await.expect("inserted");
    for name in ["a b%20.db", "a b%20.db-wal", "a b%20.db-shm"] {
        assert_eq!(mode(&folder.file(name)), 0o600, "{name}");
    }
    store.close().await;
    let store = SqlStore::open(&url, &Options::default()).await.expect("the store opens again");
    assert_eq!(store.list_tenants().await.expect("list").len(), 1);
}

// T66
#[tokio::test]
async fn a_file_that_others_may_read_is_refused() {
    let database = Database::sqlite();
    database.open().await.close().await;
    let url = database.url();
    let path = url.strip_prefix("sqlite://").expect("a file");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).expect("chmod");
    let text = refusal(&url).await;
    assert!(text.contains("mode 0644") && text.contains(&format!("chmod 600 {path}")), "{text}");
}

// T66
#[tokio::test]
async fn places_where_no_file_can_be_are_named() {
    let folder = Folder::new();
    let place = folder.path().display();
    let text = refusal(&format!("sqlite://{place}/missing/x.db")).await;
    assert!(text.contains(&format!("mkdir -p {place}/missing")), "{text}");
    let text = refusal(&format!("sqlite://{place}")).await;
    assert!(text.contains("is not a file"), "{text}");
    std::fs::write(folder.file("file"), "").expect("written");
    let text = refusal(&format!("sqlite://{place}/file/x.db")).await;
    assert!(text.contains("is not a directory"), "{text}");
    let text = refusal("sqlite:///proc/faregate.db").await;
    assert!(text.contains("cannot be created"), "{text}");
    for url in ["", "mysql://root:hunter2@localhost/x", "sqlite://", "sqlite://x.db?mode=ro"] {
        assert!(refusal(url).await.contains("sqlite:///path/to/file.db"), "{url}");
    }
}

// T20
#[tokio::test]
async fn a_damaged_file_is_refused() {
    let folder = Folder::new();
    let place = folder.file("x.db");
    let url = format!("sqlite://{}", place.display());
    let write = |bytes: &[u8]| {
        std::fs::File::create(&place).and_then(|mut file| file.write_all(bytes)).expect("written");
        std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o600)).expect("chmod");
    };
    write(&[b'x'; 8192]);
    let text = refusal(&url).await;
    assert!(text.contains("not an intact SQLite database") && text.contains("restore a backup"), "{text}");

    std::fs::remove_file(&place).expect("removed");
    SqlStore::open(&url, &Options::default()).await.expect("the store opens").close().await;
    let bytes = std::fs::read(&place).expect("read");
    write(&bytes[..4096]);
    let text = refusal(&url).await;
    assert!(text.contains("not an intact SQLite database"), "{text}");

    // Damage in the middle, which opening alone would not notice.
    let mut damaged = bytes.clone();
    damaged[8192..12288].fill(0xa5);
    write(&damaged);
    let text = refusal(&url).await;
    assert!(text.contains("not an intact SQLite database"), "{text}");
    write(&bytes);
    SqlStore::open(&url, &Options::default()).await.expect("the store opens").close().await;
}

// UX 5
async fn looks_and_changes_nothing(database: &Database) {
    let before = SqlStore::look(&database.url()).await.expect("what is there");
    assert!(matches!(before, Found::Nothing | Found::Schema { version: 0, has_keys: false, .. }), "{before:?}");
    assert_eq!(SqlStore::look(&database.url()).await.expect("what is there"), before, "nothing was made");
    database.open().await.close().await;
    let after = SqlStore::look(&database.url()).await.expect("what is there");
    assert!(
        matches!(after, Found::Schema { version, known, has_keys: false } if version == known && known > 0),
        "{after:?}"
    );
    let mut connection = AnyConnection::connect(&database.url()).await.expect("a connection");
    connection.execute("INSERT INTO schema_version (version, checksum) VALUES (99, 'x')").await.expect("inserted");
    connection.close().await.expect("closed");
    let error = SqlStore::look(&database.url()).await.expect_err("a refusal");
    assert!(matches!(error, OpenError::SchemaTooNew { found: 99, .. }), "{error}");
}

#[tokio::test]
async fn a_store_can_be_looked_at() {
    looks_and_changes_nothing(&Database::sqlite()).await;
    if let Some(database) = Database::postgres().await {
        looks_and_changes_nothing(&database).await;
    }
}

// T08, T73
async fn refuses_a_newer_schema(database: &Database) {
    database.open().await.close().await;
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(&database.url()).await.expect("a connection");
    connection.execute("INSERT INTO schema_version (version, checksum) VALUES (99, 'x')").await.expect("inserted");
    connection.close().await.expect("closed");
    let error = SqlStore::open(&database.url(), &Options::default()).await.expect_err("a refusal");
    assert!(matches!(error, OpenError::SchemaTooNew { found: 99, .. }), "{error}");
    assert!(error.to_string().contains("its schema is version 99"), "{error}");
    let mut connection = AnyConnection::connect(&database.url()).await.expect("a connection");
    connection.execute("DELETE FROM schema_version WHERE version = 99").await.expect("deleted");
    connection.execute("UPDATE schema_version SET checksum = 'x'").await.expect("updated");
    connection.close().await.expect("closed");
    let error = SqlStore::open(&database.url(), &Options::default()).await.expect_err("a refusal");
    assert!(matches!(error, OpenError::SchemaChanged { version: 1, .. }), "{error}");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    refuses_a_newer_schema(&Database::sqlite()).await;
    if let Some(database) = Database::postgres().await {
        refuses_a_newer_schema(&database).await;
    }
}

fn shown(result: Result<(), StoreError>) -> String {
    match result {
        Err(StoreError::Corrupt(text)) => text,
        other => panic!("expected damage, got {other:?}"),
    }
}

// T20: writes to a file that is gone would be lost, so there are none
#[tokio::test]
async fn a_file_that_is_taken_away_gets_no_writes() {
    let database = Database::sqlite();
    let store = database.open().await;
    let url = database.url();
    let path = url.strip_prefix("sqlite://").expect("a file");
    store.insert_tenant(&Tenant::new(Uuid::from_u128(1), "one", 1)).await.expect("inserted");

    let away = format!("{path}.away");
    std::fs::rename(path, &away).expect("moved");
    let two = Tenant::new(Uuid::from_u128(2), "two", 1);
    assert!(shown(store.insert_tenant(&two).await).contains("was removed"));
    assert!(shown(store.ping().await).contains("was removed"));
    std::fs::copy(&away, path).expect("copied");
    assert!(shown(store.insert_tenant(&two).await).contains("was replaced"));
    std::fs::rename(&away, path).expect("moved back");
    store.insert_tenant(&two).await.expect("inserted");

    store.close().await;
    let store = database.open().await;
    std::fs::OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(4096)).expect("truncated");
    shown(store.insert_tenant(&two).await);
}

// P5
#[tokio::test]
async fn an_unsafe_postgres_is_refused() {
    let Some(database) = Database::postgres().await else {
        return;
    };
    let url = format!("{}%20-c%20synchronous_commit%3Doff", database.url());
    assert!(refusal(&url).await.contains("set synchronous_commit = on"));
    let options = Options { unsafe_durability: true, ..Options::default() };
    SqlStore::open(&url, &options).await.expect("allowed").close().await;
}

#[tokio::test]
async fn an_unreachable_postgres_is_named_without_its_password() {
    // Port 1 of the loopback address: nobody listens there.
    let text = refusal("postgres://me:hunter2@127.0.0.1:1/x").await;
    assert!(text.contains("postgres://me@127.0.0.1:1/x") && text.contains("start the server"), "{text}");
    let Some(database) = Database::postgres().await else {
        return;
    };
    let missing = database.url().replace("/postgres?", "/missing?");
    assert!(refusal(&missing).await.contains("createdb"));
}

// T14: connections that the server ended are replaced without anybody noticing
#[tokio::test]
async fn a_lost_connection_is_replaced() {
    let Some(database) = Database::postgres().await else { return };
    // By this name its connections are told from those of other tests.
    let url = format!("{}&application_name=lost", database.url());
    let store = SqlStore::open(&url, &Options::default()).await.expect("the store opens");
    store.insert_tenant(&Tenant::new(Uuid::from_u128(1), "one", 1)).await.expect("inserted");
    let mut connection = AnyConnection::connect(&database.url()).await.expect("a connection");
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'lost'";
    connection.execute(end).await.expect("ended");
    store.insert_tenant(&Tenant::new(Uuid::from_u128(2), "two", 1)).await.expect("inserted");
    assert_eq!(store.list_tenants().await.expect("list").len(), 2);
}

// T74: every node applies the same declaration when it starts
async fn nodes_agree(database: &Database) {
    let declaration = || {
        let permission = |name: &str| PermissionDeclaration { name: name.to_owned(), ..Default::default() };
        let permissions = ["read", "write"].map(permission).to_vec();
        let entity = |name: &str| EntityDeclaration {
            name: name.to_owned(),
            entity_type: "API".to_owned(),
            ..EntityDeclaration::default()
        };
        Declaration {
            entity_types: vec![EntityTypeDeclaration { name: "API".to_owned(), permissions, ..Default::default() }],
            entities: vec![entity("billing"), entity("orders")],
            grants: vec![GrantDeclaration {
                recipient: "billing".to_owned(),
                target: "orders".to_owned(),
                permissions: vec!["read".to_owned()],
                tenant: None,
            }],
            ..Declaration::default()
        }
    };
    let mut nodes = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let directory = Directory::new(database.open().await, Clock::system(), Entropy::system());
        nodes.spawn(async move { directory.apply(&declaration(), &NoKeys).await });
    }
    let mut secrets = 0;
    for applied in nodes.join_all().await {
        secrets += applied.expect("applied").generated_secrets.len();
    }
    assert_eq!(secrets, 2);
    let directory = Directory::new(database.open().await, Clock::system(), Entropy::system());
    assert_eq!(directory.entities(None).await.expect("list").len(), 2);
    assert_eq!(directory.apply(&declaration(), &NoKeys).await.expect("applied").unchanged, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_apply_the_same_declaration_agree() {
    nodes_agree(&Database::sqlite()).await;
    if let Some(database) = Database::postgres().await {
        nodes_agree(&database).await;
    }
}

// P5, D-11: a tenant with more in it than a statement's usual time is for
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_tenant_is_deleted_on_postgres() {
    let Some(database) = Database::postgres().await else { return };
    let options = Options { deadline: Duration::from_secs(1), ..Options::default() };
    let store = SqlStore::open(&database.url(), &options).await.unwrap();
    let tenant = Tenant::new(Uuid::new_v4(), "large", 1_000);
    store.insert_tenant(&tenant).await.unwrap();
    store.insert_user(&User::new(Uuid::new_v4(), tenant.id, 1_000)).await.unwrap();
    // As if there were very many of them.
    let mut connection = AnyConnection::connect(&database.url()).await.unwrap();
    let slow = "CREATE FUNCTION slow() RETURNS trigger AS $$ BEGIN PERFORM pg_sleep(1.5); RETURN NULL; END $$ LANGUAGE plpgsql;
                CREATE TRIGGER slow BEFORE DELETE ON tenant_user FOR EACH STATEMENT EXECUTE FUNCTION slow()";
    connection.execute(slow).await.unwrap();
    let mark = Revocation { revoked: Revoked::Tenant(tenant.id), revoked_at: 2_000, expires_at: 9_000 };
    assert!(store.delete_tenant_with_all(tenant.id, &mark).await.unwrap());
    assert_eq!(store.find_tenant(tenant.id).await.unwrap(), None);
    // Others have their deadline still.
    let other = Tenant::new(Uuid::new_v4(), "other", 1_000);
    store.insert_tenant(&other).await.unwrap();
    let user = User::new(Uuid::new_v4(), other.id, 1_000);
    store.insert_user(&user).await.unwrap();
    assert!(matches!(store.delete_user(user.id, 2_000).await, Err(StoreError::Unavailable(_))));
}
