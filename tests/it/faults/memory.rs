//! Memory runs out: whoever comes is told so before the process is killed for it, and operators still see why.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::{PATIENCE, Site, is_well};
use crate::support::cost::Cost;
use crate::support::process::soon;

/// The least that may be configured.
const ALLOWED_KIB: u64 = 64 * 1024;

// T62: with connections that cost more than is allowed, newcomers are refused; the process goes on, and so do they later
#[test]
#[cfg(target_os = "linux")]
fn memory_that_runs_out_is_not_given_to_newcomers() {
    rlimit::increase_nofile_limit(8192).unwrap();
    let site = Site::new();
    let text = fs::read_to_string(site.file("faregate.yaml")).unwrap();
    let text = text.replace("connections_per_ip: 2000", "connections_per_ip: 6000, memory: 64MiB");
    site.write(&text);
    let gateway = site.serve();
    // Somewhere on the way, one is refused: with 503, or without an answer.
    let mut open = Vec::new();
    let refused = (0..4000).any(|_| {
        let mut stream = TcpStream::connect(site.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut answer = [0; 1024];
        let asked = stream.write_all(b"GET /public/x HTTP/1.1\r\nHost: a\r\n\r\n").is_ok();
        let read = if asked { stream.read(&mut answer).unwrap_or(0) } else { 0 };
        let passed = answer[..read].starts_with(b"HTTP/1.1 200");
        assert!(passed || read == 0 || answer[..read].starts_with(b"HTTP/1.1 503"), "{answer:?}");
        open.push(stream);
        !passed
    });
    let most = Cost::of(gateway.id()).resident_kib;
    assert!(refused, "{most} KiB with {} connections", open.len());
    assert!(most < ALLOWED_KIB + ALLOWED_KIB / 10, "{most} KiB");
    assert!(is_well(&gateway, "/healthz"));
    let metrics = gateway.admin_page("/metrics").text;
    assert!(metrics.contains("reason=\"memory\""), "{metrics}");
    println!("T62: refused with {} connections, {most} KiB", open.len());
    drop(open);
    soon(PATIENCE, || (gateway.request("GET", "/public/x", "").status() == 200).then_some(()));
    assert_eq!(gateway.stop(), 0);
}
