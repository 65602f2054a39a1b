//! A new process takes over from the old one, and nobody notices.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use super::{CALLER, READ, ROUTES, Site};
use crate::support::load::{Asked, Load};
use crate::support::process::{Gateway, faregate, soon};

/// A process that this test's gateway started, ended with it.
pub(super) struct Successor(String);

impl Successor {
    pub(super) fn of(pid: String) -> Self {
        Self(pid)
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = Command::new("sh").args(["-c", &format!("kill -KILL {}", self.0)]).status();
    }
}

pub(super) fn pid(gateway: &Gateway) -> String {
    // Whoever is leaving may close the connection before it has read what is asked.
    soon(Duration::from_secs(10), || gateway.admin_page("/status").json()["pid"].as_u64()).to_string()
}

fn serve(site: &Site) -> Gateway {
    Gateway::start(faregate(site.folder.path(), &["serve", "--format", "json"]).env("LEVEL", "info"))
}

/// Lets another process take over and waits until only that one answers.
pub(super) fn upgrade(gateway: &mut Gateway) -> Successor {
    let before = pid(gateway);
    gateway.signal("USR2");
    let successor = Successor(soon(Duration::from_secs(30), || Some(pid(gateway)).filter(|now| *now != before)));
    assert_eq!(gateway.wait(), 0, "{}", gateway.stderr());
    assert_eq!(pid(gateway), successor.0);
    successor
}

// FAULTS T43: no connection is refused and no request lost; tokens, sockets and the store are the same.
#[test]
fn a_new_process_takes_over_without_a_failed_request() {
    let site = Site::new();
    let mut gateway = serve(&site);
    let token = gateway.token(CALLER, READ);
    let keys = gateway.published_keys();
    let load = Load::start(
        gateway.address(),
        &[
            Asked::new("/api/orders", &token, &[200]),
            Asked::new("/api/orders", &token, &[200]),
            Asked::new("/public/x", "none", &[200]),
            Asked { head: Asked::new("/public/x", "none", &[]).head + "Connection: close\r\n", right: &[200] },
        ],
    );
    std::thread::sleep(Duration::from_millis(500));
    let _successor = upgrade(&mut gateway);
    std::thread::sleep(Duration::from_millis(500));
    load.stop_unharmed();
    assert_eq!(gateway.request_with(&token, "GET", "/api/orders").status(), 200);
    assert!(keys.iter().all(|key| gateway.published_keys().contains(key)));
    assert!(gateway.stderr().contains("another process has taken over"), "{}", gateway.stderr());
}

// What is being answered is answered by the process that began it, within the grace period.
#[test]
fn a_request_in_flight_is_answered_by_the_old_process() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let site = Site::new();
    let mut command = faregate(site.folder.path(), &["serve", "--format", "json"]);
    let mut gateway = Gateway::start(command.env("UPSTREAM", format!("http://{}", upstream.local_addr().unwrap())));
    let before = pid(&gateway);
    let mut client = TcpStream::connect(gateway.address()).unwrap();
    client.write_all(b"GET /public/slow HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    let (mut asked, _) = upstream.accept().unwrap();
    assert!(asked.read(&mut [0; 4096]).unwrap() > 0);
    gateway.signal("USR2");
    let _successor = Successor(soon(Duration::from_secs(30), || Some(pid(&gateway)).filter(|now| *now != before)));
    asked.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nat last..").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("at last.."), "{answer}");
    assert_eq!(gateway.wait(), 0, "{}", gateway.stderr());
}

// FAULTS T44: a new process that cannot start changes nothing, and it is said why.
#[test]
fn a_new_process_that_fails_changes_nothing() {
    let site = Site::new();
    let mut gateway = serve(&site);
    let token = gateway.token(CALLER, READ);
    let before = pid(&gateway);
    let load = Load::start(gateway.address(), &[(); 3].map(|()| Asked::new("/api/orders", &token, &[200])));
    site.write("routes: {");
    for attempt in 1..=2 {
        gateway.signal("USR2");
        soon(Duration::from_secs(30), || {
            let failed = gateway.stderr().matches("no other process has taken over").count();
            (failed == attempt).then_some(())
        });
    }
    assert!(gateway.stderr().contains("exit status: 2"), "{}", gateway.stderr());
    assert_eq!(pid(&gateway), before);
    std::thread::sleep(Duration::from_millis(500));
    load.stop_unharmed();
    // And the next one that can, does.
    site.write_with_routes();
    let _successor = upgrade(&mut gateway);
}

impl Site {
    fn write_with_routes(&self) {
        self.write(&format!("{}{ROUTES}{}", super::HEAD, super::DIRECTORY));
    }
}

// Idle connections do not hold the old process up for long.
#[test]
fn the_old_process_ends_though_connections_are_idle() {
    let site = Site::new();
    let mut gateway = serve(&site);
    let mut idle = TcpStream::connect(gateway.address()).unwrap();
    idle.write_all(b"GET /public/x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    assert!(idle.read(&mut [0; 4096]).unwrap() > 0);
    let began = Instant::now();
    let _successor = upgrade(&mut gateway);
    // Its grace period is five seconds.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

// A service manager may have opened the socket already, and wants to be told when requests are answered.
#[test]
#[cfg(target_os = "linux")]
fn sockets_of_a_service_manager_are_used() {
    use std::os::unix::net::UnixDatagram;
    let site = Site::new();
    let told = UnixDatagram::bind(site.file("notify")).unwrap();
    told.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    // As systemd does it: descriptor 3, and the process id in the environment.
    let script = "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$0\" serve --format json";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_faregate")]).current_dir(site.folder.path());
    command.env("PORT", port.to_string()).env("NOTIFY_SOCKET", site.file("notify")).env_remove("RUST_LOG");
    let gateway = Gateway::start_with_input(&mut command, socket.into());
    assert_eq!(gateway.address().port(), port);
    assert_eq!(gateway.request("GET", "/public/x", "").status(), 200);
    let mut message = [0; 256];
    let length = told.recv(&mut message).unwrap();
    let message = String::from_utf8_lossy(&message[..length]).into_owned();
    assert!(message.contains("READY=1") && message.contains(&format!("MAINPID={}", pid(&gateway))), "{message}");
}
