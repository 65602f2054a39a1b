//! Nodes of two versions on one store: a newer one extends the schema while the others serve; they go on, may be started again,
//! and keep what only the newer one knows. The newer program is a hand that does to the database what its start would do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::migration::migrations;
use super::{
    API_KEY, Site, ask_database, client_credentials, families, is_well, postgres, probe, refresh, refresh_token, seed,
    tokens, traffic,
};
use crate::support::caller::Caller;
use crate::support::ledger::{Ledger, Must};
use crate::support::process::Gateway;
use crate::support::steady::Steady;

const PHONE: &str = "/api/application/3b4a9d0e-5c1f-4b7e-8a55-6f0a1f2f9c11";

/// Every table of the schema.
pub fn tables() -> Vec<String> {
    let texts: String = migrations().into_iter().map(|(_, text, _)| text).collect();
    let name = |rest: &str| rest.split_whitespace().next().map(str::to_owned);
    texts.split("CREATE TABLE ").skip(1).filter_map(name).collect()
}

/// The start of a newer program: one migration for each table, so that none waits for two locks at once, and one that has
/// something to say of an application.
fn extends(url: &str) {
    let version = i64::try_from(migrations().len()).unwrap();
    for (number, table) in (version + 1..).zip(tables()) {
        let says = format!(
            "INSERT INTO schema_version (version, checksum, works_from) VALUES ({number}, 'newer', {version});"
        );
        ask_database(
            url,
            &format!("BEGIN; ALTER TABLE {table} ADD COLUMN colour TEXT NOT NULL DEFAULT 'green'; {says} COMMIT"),
        );
    }
    ask_database(
        url,
        "UPDATE application SET colour = 'red', settings = '{\"shape\":{\"x\":1},' || substr(settings, 2)",
    );
}

/// What only the newer program knows of the application.
fn newer_facts(url: &str) -> Option<String> {
    let settings = "(SELECT settings FROM application WHERE client_id = 'phone')";
    ask_database(
        url,
        &format!(
            "SELECT colour || ' ' || CASE WHEN {settings} LIKE '%\"shape\":{{\"x\":1}}%' THEN 'shaped' ELSE 'shapeless' END
             FROM application WHERE client_id = 'phone'"
        ),
    )
}

/// Ends what waits for it, also when a test fails.
pub(super) struct Over<'a>(pub(super) &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Renames the application by the management API.
fn rename(node: &Gateway, name: &str) {
    let fields = format!("Authorization: {API_KEY}\r\nContent-Type: application/json\r\n");
    let body = json!({ "application": { "name": name } }).to_string();
    let answer = Caller::new(node.admin()).ask("PATCH", PHONE, &fields, &body).expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn older_nodes_go_on(site: &Site, url: &str) {
    let ledger = Arc::new(Ledger::new(seed()));
    let (here, there) = (site.serve(), site.serve_another());
    let load = Steady::start(site.address(), 150, &ledger, traffic(tokens(&here)));
    let held = families(site, &ledger, 4);
    let over = AtomicBool::new(false);
    let (there, held) = std::thread::scope(|scope| {
        // Tokens are issued and rotated all the time, at both nodes.
        let rotates = |token: &String, address| {
            let (mut token, mut caller, ledger, over) = (token.clone(), Caller::new(address), &ledger, &over);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    token = refresh_token(refresh(&token, Must::Pass).send(&mut caller, ledger));
                    client_credentials(Must::Pass).send(&mut caller, ledger).expect("an answer");
                }
                token
            })
        };
        let rotated: Vec<_> = held.iter().map(|token| rotates(token, here.address())).collect();
        let ends = Over(&over);
        rename(&there, "before");
        extends(url);
        // Who knows less of it, and changes it.
        rename(&there, "while");
        rename(&here, "beside");
        // The older program is started again: somebody went back.
        let said = there.stop_and_read();
        assert!(!said.contains("newer program"), "{said}");
        let there = site.serve_another();
        assert!(is_well(&there, "/readyz"));
        rename(&there, "back");
        for token in families(site, &ledger, 2) {
            probe(&token, Must::Pass).send(&mut Caller::new(there.address()), &ledger);
        }
        drop(ends);
        (there, rotated.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Vec<_>>())
    });
    load.stop();
    let mut caller = Caller::new(there.address());
    for token in &held {
        probe(token, Must::Pass).send(&mut caller, &ledger);
    }
    assert_eq!(newer_facts(url).as_deref(), Some("red shaped"), "nothing of the newer program's is lost");
    let said = there.stop_and_read();
    assert!(said.contains("a newer program has extended the store"), "{said}");
    site.judge(&ledger, here, None).assert_unharmed("T73");
}

// T73
#[test]
fn older_nodes_go_on_beside_a_newer_one() {
    let site = Site::new();
    let url = format!("sqlite://{}", site.file("faregate.db").display());
    older_nodes_go_on(&site, &url);
}

// T73
#[test]
fn older_nodes_on_postgres_go_on_beside_a_newer_one() {
    if let Some(url) = postgres() {
        older_nodes_go_on(&Site::on(&url), &url);
    }
}
