//! Standard output that takes nothing: its reader has left, or its disk is full. And the one line that says what went wrong.

use std::fs::OpenOptions;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Site;
use crate::support::process::{faregate, send, soon};

/// Exit code and standard error of a command that writes into `output`.
fn run_into(command: &mut Command, output: Stdio) -> (i32, String) {
    let child = command.stdin(Stdio::null()).stdout(output).stderr(Stdio::piped()).spawn().unwrap();
    let ended = child.wait_with_output().unwrap();
    (ended.status.code().unwrap_or(-1), String::from_utf8(ended.stderr).unwrap())
}

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

/// A pipe that nobody reads any more.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// With a store that has everything that is declared.
fn served() -> Site {
    let site = Site::new();
    assert_eq!(site.serve().stop(), 0);
    site
}

/// Where nobody listens now.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

// UX 15: `faregate tenant list | head -1` is no failure, a full disk is one; neither is a panic.
#[test]
fn results_that_nobody_takes_are_no_panic() {
    let site = served();
    for arguments in [&["check"][..], &["tenant", "list"], &["explain", "GET", "/public/x"], &["--help"]] {
        let (code, said) = run_into(&mut faregate(site.folder.path(), arguments), closed());
        assert_eq!((code, said.as_str()), (0, ""), "{arguments:?}");
    }
    for arguments in [&["check", "--format", "json"][..], &["tenant", "list"], &["explain", "GET", "/public/x"]] {
        let (code, said) = run_into(&mut faregate(site.folder.path(), arguments), full());
        assert_eq!(code, 1, "{arguments:?}: {said}");
        assert!(said.starts_with("faregate: standard output takes nothing: No space left"), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

// What is shown once and was not shown is gone: whoever made it has to know.
#[test]
fn a_secret_that_nobody_saw_is_named() {
    let site = served();
    site.write_file("more.yaml", "entity_types: { job: {} }\nentities: { nightly: { type: job } }\n");
    site.json(&["user", "create", "ann@example.com"]);
    for (output, arguments, needed) in [
        (full(), &["entity", "create", "invoices", "--type", "service"][..], "\"invoices\""),
        (closed(), &["entity", "regenerate-secret", "invoices"], "with `regenerate-secret`"),
        (closed(), &["application", "create", "shop"], "its client secret could not be shown"),
        (full(), &["application", "regenerate-secret", "shop", "--format", "json"], "\"shop\""),
        (closed(), &["api-key", "create", "terraform"], "delete the key and create another"),
        (full(), &["user", "set-password", "ann@example.com"], "set another with `set-password`"),
        (closed(), &["user", "totp", "ann@example.com"], "its recovery codes could not be shown"),
    ] {
        let (code, said) = run_into(&mut faregate(site.folder.path(), arguments), output);
        assert_eq!((code, said.lines().count()), (1, 1), "{arguments:?}: {said}");
        assert!(said.starts_with("faregate: standard output takes nothing: ") && said.contains(needed), "{said}");
    }
    let (code, said) = run_into(&mut faregate(site.folder.path(), &["apply", "-f", "more.yaml"]), closed());
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("the secrets of entity \"nightly\" were not shown"), "{said}");
}

// UX 15: a gateway runs whether anybody reads that it does or not.
#[test]
fn a_gateway_runs_without_standard_output() {
    for name in ["serve", "dev"] {
        let site = Site::new();
        for output in [closed(), full()] {
            let admin = free_address();
            let address = admin.to_string();
            let arguments = match name {
                "serve" => vec!["serve", "--format", "json"],
                _ => vec!["dev", "--listen", "127.0.0.1:0", "--admin-listen", &address],
            };
            let mut command = faregate(site.folder.path(), &arguments);
            command.env("ADMIN_PORT", admin.port().to_string());
            let mut child = command.stdin(Stdio::null()).stdout(output).stderr(Stdio::null()).spawn().unwrap();
            let is_ready = || {
                TcpStream::connect(admin).ok()?;
                let request = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
                (send(admin, request).status() == 200).then_some(())
            };
            soon(Duration::from_secs(60), is_ready);
            // What is announced comes behind that.
            std::thread::sleep(Duration::from_secs(1));
            assert_eq!(child.try_wait().unwrap(), None, "{arguments:?} ended");
            let pid = child.id().to_string();
            Command::new("kill").args(["-TERM", &pid]).status().unwrap();
            let ended = soon(Duration::from_secs(20), || child.try_wait().unwrap());
            assert_eq!(ended.code(), Some(0), "{arguments:?}");
        }
    }
}

// UX 4: each cause is said once.
#[test]
fn a_cause_is_said_once() {
    let site = Site::new();
    site.write(
        &std::fs::read_to_string(site.file("faregate.yaml"))
            .unwrap()
            .replace("threads: 2", "threads: 2\nkeys: { master_key_file: nowhere/faregate.key }"),
    );
    let run = site.run(&["serve"]);
    let complaint = run.complaint(3);
    assert_eq!(complaint.matches("No such file or directory").count(), 1, "{complaint}");
}
