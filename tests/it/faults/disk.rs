//! The disk of the store is full: nothing is promised that cannot be written, everything else goes on, and space that comes
//! back is used.
//!
//! A small file system is mounted where that is allowed: in a mount namespace of the gateway's own, so that nothing is left
//! behind. A limit on the size of files stands in for it everywhere, in another test.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{PATIENCE, Site, ask_database, client_credentials, families, probe, refresh, seed, tokens, traffic};
use crate::support::ledger::{Ledger, Must};
use crate::support::process::{Gateway, soon};
use crate::support::steady::Steady;

const RATE: u32 = 100;

/// Runs a command with a mount namespace of its own; also where one is not root.
const APART: &str = "unshare --mount --map-root-user";

/// Whether a file system can be mounted here.
fn can_mount(site: &Site) -> bool {
    let mount = format!("{APART} mount -t tmpfs -o size=1m tmpfs {}", site.folder.path().display());
    Command::new("sh").args(["-c", &mount]).output().is_ok_and(|output| output.status.success())
}

/// Fills up what is left of the file system that `file` is on, to the last block.
fn fill(file: &Path) {
    let mut filler = fs::File::create(file).unwrap();
    for size in [64 * 1024, 4096, 512, 1] {
        let piece = vec![b'x'; size];
        while filler.write_all(&piece).is_ok() {}
    }
}

/// From the moment that nothing can be written until it can again, which `make_room` sees to.
fn full(
    row: &str,
    site: &Site,
    database: &Path,
    (gateway, make_room): (Gateway, impl FnOnce()),
    exhaust: impl FnOnce(),
) {
    let ledger = Arc::new(Ledger::new(seed()));
    let held = families(site, &ledger, 4);
    let load = Steady::start(site.address(), RATE, &ledger, traffic(tokens(&gateway)));
    soon(PATIENCE, || (ledger.passed() > 100).then_some(()));
    exhaust();
    // What the log of the database has room for still, is done; what is refused, is not.
    let (mut caller, mut token) = (site.caller(), held[0].clone());
    let began = Instant::now();
    let refused = loop {
        let answer = refresh(&token, Must::Either(&[503])).send(&mut caller, &ledger).expect("an answer");
        match answer.status {
            200 => token = answer.text("refresh_token"),
            _ => break answer,
        }
        assert!(began.elapsed() < PATIENCE * 3, "{row}: nothing is full");
    };
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.field("retry-after").is_some(), "{refused:?}");
    for token in &held[1..] {
        refresh(token, Must::Refuse(&[503])).send(&mut caller, &ledger).expect("an answer");
    }
    // Reading goes on: a token that is not stored is issued, keys are shown.
    client_credentials(Must::Pass).send(&mut caller, &ledger).expect("an answer");
    assert_eq!(gateway.request("GET", "/.well-known/jwks.json", "").status(), 200);
    assert_eq!(gateway.admin_page("/healthz").status(), 200);

    make_room();
    let began = Instant::now();
    for token in held[1..].iter().chain([&token]) {
        soon(Duration::from_secs(5), || {
            probe(token, Must::Either(&[503])).send(&mut caller, &ledger).filter(|answer| answer.status == 200)
        });
    }
    println!("{row}: recovered in {:?}", began.elapsed());
    load.stop();
    // A copy: SQLite would follow the path of another process to where it leads for this one.
    for suffix in ["", "-wal"] {
        fs::copy(format!("{}{suffix}", database.display()), site.file(&format!("copy.db{suffix}"))).unwrap();
    }
    let url = format!("sqlite://{}", site.file("copy.db").display());
    assert_eq!(ask_database(&url, "PRAGMA integrity_check").as_deref(), Some("ok"));
    site.judge(&ledger, gateway, None).assert_unharmed(row);
}

// T64
#[test]
fn a_full_disk_refuses_only_what_must_be_written() {
    let site = Site::on("sqlite://data/faregate.db");
    if !can_mount(&site) {
        eprintln!(
            "No file system can be mounted here; files_that_cannot_grow_refuse_only_what_must_be_written has the rest."
        );
        return;
    }
    let data = site.file("data");
    fs::create_dir(&data).unwrap();
    let mount = format!("mount -t tmpfs -o size=16m,mode=700 tmpfs {}", data.display());
    let mut command = Command::new("unshare");
    let script = format!("{mount} && exec \"$0\" serve --format json");
    command.args(["--mount", "--map-root-user", "sh", "-c", &script, env!("CARGO_BIN_EXE_faregate")]);
    site.surround(command.current_dir(site.folder.path()));
    let gateway = Gateway::start(command.env_remove("RUST_LOG"));
    // What only that process sees is seen through its root.
    let inside = PathBuf::from(format!("/proc/{}/root{}", gateway.id(), data.display()));
    let filler = inside.join("filler");
    let make_room = || fs::remove_file(&filler).unwrap();
    full("T64", &site, &inside.join("faregate.db"), (gateway, make_room), || fill(&filler));
}

// T64, by a limit of the process: no file grows past it until it is lifted
#[test]
#[cfg(target_os = "linux")]
fn files_that_cannot_grow_refuse_only_what_must_be_written() {
    let site = Site::new();
    // The limit is of blocks of 512 bytes, and soft: it can be lifted from outside. Whoever hits it is told so by the call.
    let gateway = site.serve_after("trap '' XFSZ; ulimit -S -f 4500;");
    let lift = format!("prlimit --pid {} --fsize=unlimited:unlimited", gateway.id());
    let make_room = move || assert!(Command::new("sh").args(["-c", &lift]).status().unwrap().success());
    full("T64 by a limit", &site, &site.file("faregate.db"), (gateway, make_room), || {});
}
