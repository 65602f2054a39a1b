//! `faregate token`: a person gets tokens from a terminal, against `faregate dev`.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::database::Folder;
use crate::support::gateway::Raw;
use crate::support::person::{Person, Seen};
use crate::support::process::{Gateway, Run, encoded, faregate, send, soon};

// UX 4, UX 16
#[test]
fn a_gateway_that_is_not_there_is_said_plainly() {
    let folder = Folder::new();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for action in [&["device"][..], &["get"]] {
        let ask = |url: &str| {
            let arguments = [&["token"], action, &["--client-id", "a", "--url", url]].concat();
            Run::of(faregate(folder.path(), &arguments).env("FAREGATE_CLIENT_SECRET", "s"))
        };
        let said = ask(&format!("http://{nobody}"));
        let said = said.complaint(1);
        assert!(said.contains("Connection refused") && said.matches(&nobody).count() == 1, "{said}");
        let run = ask(&nobody);
        assert!(run.code == 2 && run.stderr.contains("write it like http://127.0.0.1:8080"), "{run:?}");
    }
}

struct World {
    folder: Folder,
    gateway: Gateway,
    url: String,
}

impl World {
    fn start() -> Self {
        let folder = Folder::new();
        let arguments = ["dev", "--format", "json", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let gateway = Gateway::start(&mut faregate(folder.path(), &arguments));
        let url = gateway.ready["gateway"].as_str().expect("a URL").to_owned();
        Self { folder, gateway, url }
    }

    fn text(&self, pointer: &str) -> &str {
        let value = self.gateway.ready.pointer(pointer).and_then(Value::as_str);
        value.unwrap_or_else(|| panic!("{pointer} in {}", self.gateway.ready))
    }

    fn person(&self) -> Person {
        Person::new(self.gateway.address(), self.text("/user/email"), self.text("/user/password"))
    }

    /// `faregate token` with these arguments and the client of this name.
    fn token(&self, action: &str, client: &str, more: &[&str]) -> Command {
        let id = self.text(&format!("/applications/{client}/client_id"));
        let arguments = [&["token", action, "--url", &self.url, "--client-id", id], more].concat();
        let mut command = faregate(self.folder.path(), &arguments);
        command.env_remove("BROWSER").env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
        match self.gateway.ready.pointer(&format!("/applications/{client}/client_secret")).and_then(Value::as_str) {
            Some(secret) => command.env("FAREGATE_CLIENT_SECRET", secret),
            None => command.env_remove("FAREGATE_CLIENT_SECRET"),
        };
        command
    }

    fn opens_admin(&self, token: &str) -> u16 {
        self.gateway.request_with(token.trim(), "GET", "/admin/x").status()
    }
}

/// A command that waits for a person, with what it says to them.
struct Waiting {
    child: Child,
    said: BufReader<std::process::ChildStderr>,
}

impl Waiting {
    fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        let said = BufReader::new(child.stderr.take().expect("a pipe"));
        Self { child, said }
    }

    /// The next line that begins so, without its beginning.
    fn line(&mut self, start: &str) -> String {
        let mut all = String::new();
        loop {
            let before = all.len();
            assert!(self.said.read_line(&mut all).expect("text") > 0, "no {start:?} in {all:?}");
            if let Some(rest) = all[before..].trim().strip_prefix(start) {
                return rest.trim().to_owned();
            }
        }
    }

    /// The address that a person is to open; a line without anything follows it.
    fn url(&mut self) -> String {
        let url = format!("http{}", self.line("http"));
        self.line("");
        url
    }

    fn end(mut self) -> Run {
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.child.stdout.take().expect("a pipe").read_to_string(&mut stdout).expect("text");
        self.said.read_to_string(&mut stderr).expect("text");
        Run { code: self.child.wait().expect("it ends").code().expect("no signal"), stdout, stderr }
    }
}

fn get(url: &str) -> Raw {
    let rest = url.strip_prefix("http://").expect("http");
    let (address, target) = rest.split_at(rest.find('/').expect("a path"));
    let address: SocketAddr = address.parse().expect("an address");
    send(address, &format!("GET {target} HTTP/1.1\r\nHost: {address}\r\n\r\n"))
}

fn assert_private(file: &Path) {
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
}

// RFC 8252 7.3, RFC 7636
#[test]
fn a_browser_here_brings_a_token() {
    let world = World::start();
    let more = ["--scope", "offline_access", "--port", "0", "--keep", "kept", "--with", "login_hint=ada"];
    let mut waiting = Waiting::start(&mut world.token("code", "web", &more));
    let url = waiting.url();
    assert!(url.contains("code_challenge_method=S256") && url.contains("login_hint=ada"), "{url}");
    let Seen::Elsewhere(callback) = world.person().go(&url, "allow") else { panic!("no way back") };
    // Somebody else knocks first, and then the browser's icon.
    assert_eq!(get(&callback.replace("/callback?", "/favicon.ico?")).status(), 404);
    let page = get(&callback);
    assert!(page.status() == 200 && page.body().contains("You are signed in"), "{}", page.text);
    let run = waiting.end();
    assert_eq!((run.code, world.opens_admin(&run.stdout)), (0, 200), "{run:?}");
    let kept = world.folder.file("kept");
    assert_private(&kept);

    // The token that was kept is good for another one; a confidential client's survives that.
    let run = Run::of(&mut world.token("refresh", "web", &["--keep", "kept", "--format", "json"]));
    assert_eq!(world.opens_admin(run.json()["access_token"].as_str().unwrap()), 200);
    let again = Run::with_input(&mut world.token("refresh", "web", &[]), &fs::read_to_string(&kept).unwrap());
    assert_eq!((again.code, again.stdout.lines().count()), (0, 1), "{again:?}");
}

// RFC 6749 4.1.2.1, 10.12
#[test]
fn an_answer_without_a_code_ends_the_wait() {
    let world = World::start();
    let mut waiting = Waiting::start(&mut world.token("code", "web", &["--port", "0", "--with", "prompt=none"]));
    let url = waiting.url();
    let Seen::Elsewhere(callback) = world.person().go(&url, "allow") else { panic!("no way back") };
    assert!(get(&callback).body().contains("not signed in"));
    let run = waiting.end();
    assert!(run.complaint(1).contains("no token: login_required"), "{run:?}");

    let mut waiting = Waiting::start(&mut world.token("code", "web", &["--port", "0"]));
    let url = waiting.url();
    let port = url.split("127.0.0.1%3A").nth(1).unwrap().split('%').next().unwrap();
    assert_eq!(get(&format!("http://127.0.0.1:{port}/callback?code=forged&state=forged")).status(), 400);
    assert!(waiting.end().complaint(1).contains("its state differs"));

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let run = Run::of(&mut world.token("code", "web", &["--port", &port]));
    assert!(run.complaint(3).contains("--port 0 takes a free port"), "{run:?}");
}

#[test]
fn a_browser_is_opened_where_there_is_one() {
    let world = World::start();
    let browser = world.folder.file("browser");
    fs::write(&browser, "#!/bin/sh\nprintf %s \"$1\" >opened.new && mv opened.new opened\n").unwrap();
    fs::set_permissions(&browser, fs::Permissions::from_mode(0o755)).unwrap();
    let opened = world.folder.file("opened");
    let start = |more: &[&str]| {
        let mut command = world.token("code", "web", &[&["--port", "0"], more].concat());
        Waiting::start(command.env("BROWSER", &browser))
    };
    let mut waiting = start(&[]);
    let printed = waiting.url();
    let url = soon(Duration::from_secs(20), || fs::read_to_string(&opened).ok());
    assert_eq!(url, printed);
    let Seen::Elsewhere(callback) = world.person().go(&url, "allow") else { panic!("no way back") };
    get(&callback);
    assert_eq!(waiting.end().code, 0);

    fs::remove_file(&opened).unwrap();
    let mut waiting = start(&["--no-browser"]);
    let url = waiting.url();
    let Seen::Elsewhere(callback) = world.person().go(&url, "allow") else { panic!("no way back") };
    get(&callback);
    assert_eq!((waiting.end().code, opened.exists()), (0, false));
}

// RFC 8628 3.3, 3.4, UX 20, C3
#[test]
fn a_browser_elsewhere_lets_a_terminal_in() {
    let world = World::start();
    let more = ["--scope", "offline_access", "--qr", "always", "--keep", "kept"];
    let mut waiting = Waiting::start(&mut world.token("device", "device", &more));
    let uri = waiting.line("Open");
    let code = waiting.line("Enter");
    // The first line of the QR code, white in any terminal.
    let picture = waiting.line("\u{1b}[38;5;16;48;5;231m");
    assert!(picture.ends_with("\u{1b}[0m"), "{picture:?}");
    let typed = encoded(&code.to_lowercase().replace('-', " "));
    let Seen::Page(page) = world.person().go(&format!("{uri}?user_code={typed}"), "allow") else { panic!("no page") };
    assert_eq!(page.status(), 200, "{}", page.text);
    let run = waiting.end();
    assert_eq!((run.code, world.opens_admin(&run.stdout)), (0, 200), "{run:?}");
    let kept = world.folder.file("kept");
    let before = fs::read_to_string(&kept).unwrap();
    let run = Run::of(&mut world.token("refresh", "device", &["--keep", "kept"]));
    assert_eq!(world.opens_admin(&run.stdout), 200, "{run:?}");
    assert_ne!(fs::read_to_string(&kept).unwrap(), before, "nobody can prove to be this client");
    assert_private(&kept);
}

// RFC 8628 3.5
#[test]
fn a_person_who_refuses_ends_the_wait() {
    let world = World::start();
    let mut waiting = Waiting::start(&mut world.token("device", "device", &[]));
    let (uri, code) = (waiting.line("Open"), waiting.line("Enter"));
    world.person().go(&format!("{uri}?user_code={code}"), "deny");
    let run = waiting.end();
    assert!(run.code == 1 && run.stderr.contains("refused by the person who was asked: access_denied"), "{run:?}");
}

// RFC 6749 4.3, O2
#[test]
fn a_password_is_read_from_the_environment_or_standard_input() {
    let world = World::start();
    let (email, password) = (world.text("/user/email"), world.text("/user/password"));
    let more = ["--login-id", email];
    let run = Run::with_input(&mut world.token("password", "web", &more), &format!("{password}\n"));
    assert_eq!(world.opens_admin(&run.stdout), 200, "{run:?}");
    let run = Run::of(world.token("password", "web", &more).env("FAREGATE_PASSWORD", password));
    assert_eq!(world.opens_admin(&run.stdout), 200, "{run:?}");
    let run = Run::with_input(&mut world.token("password", "web", &more), "wrong\n");
    let complaint = run.complaint(1);
    assert!(complaint.contains("no token: invalid_grant (400)") && !complaint.contains("wrong\n"), "{complaint}");
    let run = Run::with_input(&mut world.token("refresh", "web", &[]), "\n");
    assert!(run.complaint(2).contains("no refresh token"), "{run:?}");
}

// RFC 8693 2.1
#[test]
fn a_service_exchanges_the_token_of_a_person() {
    let world = World::start();
    let more = ["--login-id", world.text("/user/email")];
    let person = Run::of(world.token("password", "web", &more).env("FAREGATE_PASSWORD", world.text("/user/password")));
    let service = |arguments: &[&str]| {
        let id = world.text("/entities/recipient/client_id");
        let arguments = [&["token", "exchange", "--url", &world.url, "--client-id", id], arguments].concat();
        let mut command = faregate(world.folder.path(), &arguments);
        command.env("FAREGATE_CLIENT_SECRET", world.text("/entities/recipient/client_secret"));
        Run::with_input(&mut command, &person.stdout)
    };
    let run = service(&["--audience", "orders", "--permission", "read"]);
    assert_eq!(run.code, 0, "{run:?}");
    for (method, status) in [("GET", 200), ("POST", 403)] {
        assert_eq!(world.gateway.request_with(run.stdout.trim(), method, "/api/x").status(), status, "{method}");
    }
    let issued = service(&["--audience", "orders", "--format", "json"]).json();
    assert_eq!(issued["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token");
    let refused = service(&["--audience", "orders", "--permission", "write"]);
    assert!(refused.complaint(1).contains("no token: invalid_scope (400)"), "{refused:?}");
}

/// Answers one request after the other with these bodies, and says when each came.
fn scripted(answers: Vec<(u16, Value)>) -> (SocketAddr, JoinHandle<Vec<(Instant, String)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = std::thread::spawn(move || {
        let mut seen = Vec::new();
        for (status, body) in answers {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(&stream);
            let mut length = 0;
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap() > 2 {
                if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut form = vec![0; length];
            reader.read_exact(&mut form).unwrap();
            seen.push((Instant::now(), String::from_utf8(form).unwrap()));
            let body = body.to_string();
            // A status of 0 is a connection that breaks.
            if status > 0 {
                let head = format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\n");
                write!(&stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
            }
        }
        seen
    });
    (address, serving)
}

// RFC 8628 3.5, UX 20
#[test]
fn a_device_slows_down_when_it_is_told_to() {
    let said = |error: &str| json!({ "error": error });
    let (address, serving) = scripted(vec![
        (
            200,
            json!({
                "device_code": "d", "expires_in": 60, "interval": 1, "user_code": "ABCD-EFGH",
                "verification_uri": "http://tv.example/go", "verification_uri_complete": "http://tv.example/go?c=ABCD-EFGH",
            }),
        ),
        (400, said("authorization_pending")),
        (0, Value::Null),
        (400, said("slow_down")),
        (200, json!({ "access_token": "a-token", "token_type": "Bearer" })),
    ]);
    let folder = Folder::new();
    let arguments = ["token", "device", "--client-id", "tv", "--url", &format!("http://{address}"), "--qr", "never"];
    let run = Run::of(faregate(folder.path(), &arguments).env_remove("FAREGATE_CLIENT_SECRET"));
    assert_eq!((run.code, run.stdout.as_str()), (0, "a-token\n"), "{run:?}");
    assert!(run.stderr.contains("or open http://tv.example/go?c=ABCD-EFGH and compare the code"), "{run:?}");
    let seen = serving.join().unwrap();
    assert_eq!(seen[0].1, "client_id=tv");
    let waits: Vec<u64> = seen.windows(2).map(|pair| (pair[1].0 - pair[0].0).as_secs()).collect();
    // Twice as long after an answer that did not come, five seconds more after `slow_down`.
    assert_eq!(waits, [1, 1, 2, 7], "{:?}", seen);
}
