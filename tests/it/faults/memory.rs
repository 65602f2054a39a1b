//! Memory runs out: whoever comes is told so before the process is killed for it, and operators still see why.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{PATIENCE, Site, is_well};
use crate::support::cost::Cost;
use crate::support::process::soon;

// T62: with connections that cost more than is allowed, newcomers are refused; the process goes on, and so do they later
#[test]
#[cfg(target_os = "linux")]
fn memory_that_runs_out_is_not_given_to_newcomers() {
    rlimit::increase_nofile_limit(8192).unwrap();
    let site = Site::new();
    let text = fs::read_to_string(site.file("faregate.yaml")).unwrap();
    // A little more than it needs, and at least what may be configured.
    let gateway = site.serve();
    let needed = Cost::of(gateway.id()).resident_kib + 24 * 1024;
    assert_eq!(gateway.stop(), 0);
    let limits = format!("connections_per_ip: 6000, memory: {}KiB", needed.max(64 * 1024));
    site.write(&text.replace("connections_per_ip: 2000", &limits));
    let gateway = site.serve();
    // Heads that are not finished are kept, for ten seconds at most.
    let head = format!("GET /public/x HTTP/1.1\r\nHost: a\r\n{}", format!("X: {}\r\n", "x".repeat(7000)).repeat(4));
    let mut open = Vec::new();
    let refused = (0..80).any(|_| {
        for _ in 0..50 {
            let mut stream = TcpStream::connect(site.address()).unwrap();
            // It may be closed already.
            let _ = stream.write_all(head.as_bytes());
            open.push(stream);
        }
        // 503, or not accepted for a while.
        let mut caller = site.caller().patient_for(Duration::from_millis(400));
        let answer = caller.get("/public/x", "").ok();
        assert!(answer.as_ref().is_none_or(|answer| matches!(answer.status, 200 | 503)), "{answer:?}");
        answer.is_none_or(|answer| answer.status != 200)
    });
    let most = Cost::of(gateway.id()).resident_kib;
    assert!(refused, "{most} KiB");
    assert!(is_well(&gateway, "/healthz"));
    drop(open);
    let began = Instant::now();
    soon(PATIENCE * 3, || {
        let mut caller = site.caller().patient_for(Duration::from_secs(1));
        caller.get("/public/x", "").ok().filter(|answer| answer.status == 200)
    });
    println!("T62: refused at {most} KiB, recovered in {:?}", began.elapsed());
    assert_eq!(gateway.stop(), 0);
}
