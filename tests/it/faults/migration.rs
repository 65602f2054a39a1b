//! The process is killed while it brings an older database up to date: the next start completes that, with every row.

use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Stdio;

use aws_lc_rs::digest::{SHA256, digest};

use super::{Site, ask_database, is_well, postgres, recovers, rounds, seed, some_time, sound};

/// The last version of the schema before entities could be searched for, and their grants put in order.
const OLDER: usize = 4;

/// What the database remembers of a migration: its number and the digest of its text.
pub fn migrations() -> Vec<(i64, String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/sql/migrations");
    let mut texts: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    texts.sort();
    let migration = |(number, path): (i64, _)| {
        let text = fs::read_to_string(path).unwrap();
        let hash: String = digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        (number, text, hash)
    };
    (1..).zip(texts).map(migration).collect()
}

/// A database of before, with so many entities, of which each has a grant on the next one.
fn fill(url: &str, entities: u32) {
    let mut script =
        "CREATE TABLE schema_version (version BIGINT NOT NULL PRIMARY KEY, checksum TEXT NOT NULL);".to_owned();
    for (number, text, hash) in migrations().into_iter().take(OLDER) {
        script.push_str(&format!("{text}\nINSERT INTO schema_version VALUES ({number}, '{hash}');"));
    }
    let id =
        |kind: u8, number: &str| format!("'00000000-0000-4000-800{kind}-' || CAST(100000000000 + {number} AS TEXT)");
    let (tenant, kind) = ("'30663132-6464-6665-3032-326466613934'", "'00000000-0000-4000-8000-00000000000a'");
    let numbers = format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {entities})");
    script.push_str(&format!(
        "INSERT INTO tenant (id, name, profile, access_token_for, access_token_algorithm, id_token_algorithm, \
             created_at, updated_at) \
             VALUES ({tenant}, 'old', 'standard', 60, 'ES256', 'ES256', 1, 2);\n\
         INSERT INTO entity_type (id, name, created_at, updated_at) VALUES ({kind}, 'thing', 1, 2);\n\
         {numbers} INSERT INTO entity (id, tenant_id, type_id, name, client_id, client_secrets, created_at, updated_at) \
             SELECT {}, {tenant}, {kind}, 'Thing ' || i, 'thing-' || i, '[]', i, i FROM n;\n\
         {numbers} INSERT INTO entity_grant (id, target_id, recipient_id, created_at, updated_at) \
             SELECT {}, {}, {}, i, i FROM n;",
        id(1, "i"),
        id(2, "i"),
        id(1, "i"),
        id(1, &format!("(i % {entities} + 1)")),
    ));
    ask_database(url, &script);
}

/// All that was there before, in one text: what the program declares itself has other ids.
fn content(url: &str) -> Option<String> {
    ask_database(
        url,
        "SELECT CAST(count(*) AS TEXT) || ' ' || CAST(sum(length(name) + created_at) AS TEXT) || ' ' || (SELECT \
         CAST(count(*) AS TEXT) || ' ' || CAST(sum(created_at) AS TEXT) FROM entity_grant WHERE id LIKE '00000000-0000-4000-8002-%') \
         FROM entity WHERE id LIKE '00000000-0000-4000-8001-%'",
    )
}

/// `site` makes one with an empty database, and says where that is.
fn killed_migrations_are_completed(site: impl Fn() -> Option<(Site, String)>) {
    let seed = seed();
    let mut takes = None;
    for round in 0..=rounds(4, 20) {
        let Some((site, url)) = site() else { return };
        fill(&url, rounds(20_000, 500_000));
        let before = content(&url);
        let version = || ask_database(&url, "SELECT CAST(max(version) AS TEXT) FROM schema_version").expect("a number");
        if let Some(takes) = takes {
            let mut command = site.command(&["serve", "--format", "json"]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(some_time((0, takes), seed, round));
            child.kill().unwrap();
            child.wait().unwrap();
            println!("T08: seed {seed}, killed at version {}", version());
        }
        let gateway = site.serve();
        // The first is not disturbed.
        takes.get_or_insert(u64::try_from(gateway.ready_after.as_millis()).unwrap());
        recovers(&site);
        assert!(is_well(&gateway, "/readyz"));
        assert_eq!(gateway.stop(), 0);
        assert_eq!(version(), migrations().len().to_string());
        assert_eq!(content(&url), before);
        let unordered = "SELECT CAST(count(*) AS TEXT) FROM entity_grant WHERE tenant_id IS NULL";
        assert_eq!(ask_database(&url, unordered).as_deref(), Some("0"));
        sound(&site);
    }
}

// T08
#[test]
fn a_migration_that_is_killed_is_completed_by_the_next_start() {
    killed_migrations_are_completed(|| {
        let site = Site::new();
        let file = site.file("faregate.db");
        // As the program makes it: it starts on none that others may read.
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file).unwrap();
        let url = format!("sqlite://{}", file.display());
        Some((site, url))
    });
}

// T08
#[test]
fn a_migration_on_postgres_that_is_killed_is_completed_by_the_next_start() {
    killed_migrations_are_completed(|| postgres().map(|url| (Site::on(&url), url)));
}
