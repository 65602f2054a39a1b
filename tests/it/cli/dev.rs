//! `faregate dev`: from nothing to 401, 403 and 200.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::database::Folder;
use crate::support::gateway::raw;
use crate::support::process::{Gateway, Run, encoded, faregate, send};
use crate::support::upstream::Upstream;

const FREE_PORTS: [&str; 4] = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];

fn start(folder: &Path, more: &[&str]) -> Gateway {
    Gateway::start(&mut faregate(folder, &[&["dev", "--format", "json"], &FREE_PORTS[..], more].concat()))
}

fn text<'a>(ready: &'a Value, pointer: &str) -> &'a str {
    ready.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer} in {ready}"))
}

/// The calling entity's credentials.
fn caller(ready: &Value) -> (&str, &str) {
    (text(ready, "/entities/recipient/client_id"), text(ready, "/entities/recipient/client_secret"))
}

fn names(object: &Value) -> Vec<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

// UX 1: one line for scripts, complete, and then it serves.
#[test]
fn one_line_of_json_says_everything_that_a_script_needs() {
    let folder = Folder::new();
    // The machine may be busy with other tests; what counts is what it can do.
    let starts = (0..3).map(|_| start(folder.path(), &[]));
    let gateway = starts.min_by_key(|gateway| gateway.ready_after).expect("three of them");
    eprintln!("faregate dev was ready after {:?}", gateway.ready_after);
    assert!(gateway.ready_after < Duration::from_secs(3), "{:?}", gateway.ready_after);
    let ready = &gateway.ready;
    assert_eq!(
        names(ready),
        ["gateway", "admin", "issuer", "tenant_id", "api_key", "entities", "user", "applications", "routes"]
    );
    assert_eq!(names(&ready["entities"]["recipient"]), ["id", "client_id", "client_secret"]);
    assert_eq!(names(&ready["entities"]["target"]), ["id", "name", "client_id", "client_secret"]);
    let routes = ready["routes"].as_array().expect("routes");
    assert!(routes.iter().all(|route| names(route) == ["path", "methods", "require"]), "{ready}");
    assert_eq!(ready["issuer"], ready["gateway"]);
    let document = gateway.request("GET", "/.well-known/openid-configuration", "").json();
    assert_eq!(document["issuer"], ready["issuer"]);
    assert_eq!(gateway.admin_page("/readyz").status(), 200);
    assert_eq!(gateway.stdout().lines().count(), 1, "{}", gateway.stdout());
}

// UX 1: the most likely thing to be in the way of the first start
#[test]
fn a_port_in_use_is_said_with_the_way_round_it() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (busy, free) in [("--listen", "--admin-listen"), ("--admin-listen", "--listen")] {
        let run = Run::of(&mut faregate(folder.path(), &["dev", busy, &address, free, "127.0.0.1:0"]));
        let said = run.complaint(3);
        assert!(
            said.contains("in use by another process") && said.contains(&format!(": {busy} 127.0.0.1:0")),
            "{said}"
        );
    }
    let run = Run::of(&mut faregate(folder.path(), &["dev", "--listen", "localhost:8080"]));
    assert!(run.code == 2 && run.stderr.contains("an IP address and a port, such as 127.0.0.1:8081"), "{run:?}");
}

// Whoever reads the line can log in: as the user, with each application.
#[test]
fn the_user_and_the_applications_are_there_as_printed() {
    let folder = Folder::new();
    let gateway = start(folder.path(), &[]);
    let ready = &gateway.ready;
    assert_eq!(names(&ready["user"]), ["id", "email", "password", "roles"]);
    assert_eq!(ready["user"]["roles"], json!(["admin"]));
    assert_eq!(names(&ready["applications"]), ["web", "spa", "device"]);
    assert_eq!(names(&ready["applications"]["web"]), ["client_id", "client_secret", "redirect_uris"]);
    for name in ["spa", "device"] {
        assert_eq!(names(&ready["applications"][name]), ["client_id", "redirect_uris"]);
    }
    let callback = "http://127.0.0.1:9999/callback";
    for (name, application) in ready["applications"].as_object().unwrap() {
        assert_eq!(application["redirect_uris"], json!([callback]), "{name}");
    }
    let form = |grant: &str| {
        let id = text(ready, "/applications/web/client_id");
        let secret = encoded(text(ready, "/applications/web/client_secret"));
        gateway.post_form("/oauth2/token", &format!("client_id={id}&client_secret={secret}&{grant}"))
    };
    let (email, password) = (text(ready, "/user/email"), text(ready, "/user/password"));
    let answer = form(&format!("grant_type=password&username={}&password={password}", encoded(email)));
    assert_eq!(answer.status(), 200, "{}", answer.text);
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(gateway.request_with(&token, "GET", "/admin/users").status(), 200);
    assert_eq!(gateway.request_with(&token, "GET", "/api/orders").status(), 403, "a person is no service");
    let answer = form(&format!("grant_type=password&username={email}&password=wrong"));
    assert_eq!((answer.status(), &answer.json()["error"]), (400, &json!("invalid_grant")));
}

// UX 1: what each route of the demo world demands.
#[test]
fn the_routes_of_the_world_open_as_printed() {
    let folder = Folder::new();
    let gateway = start(folder.path(), &[]);
    let target = text(&gateway.ready, "/entities/target/id");
    let by_name = gateway.token(caller(&gateway.ready), "target-entity:orders:read");
    let by_id = gateway.token(caller(&gateway.ready), &format!("target-entity:{target}:read"));
    let identity = gateway.token(caller(&gateway.ready), "");
    let write = gateway.ask_for_token(caller(&gateway.ready), "target-entity:orders:write");
    assert_eq!((write.status(), &write.json()["error"]), (400, &json!("invalid_scope")), "only read is granted");
    assert_eq!(gateway.request("POST", "/public/a/b", "Content-Length: 0\r\n").status(), 200);
    assert_eq!(gateway.request("GET", "/api/orders", "").status(), 401);
    for (token, method, path, status) in [
        (&by_name, "GET", "/api/orders", 200),
        (&by_id, "GET", "/api", 200),
        (&by_name, "HEAD", "/api/orders", 200),
        (&by_name, "DELETE", "/api/orders", 403),
        (&identity, "GET", "/api/orders", 403),
        (&by_name, "GET", "/admin/users", 403),
        (&by_name, "GET", "/elsewhere", 404),
    ] {
        assert_eq!(gateway.request_with(token, method, path).status(), status, "{method} {path}");
    }
}

// UX 1: what is printed can be pasted.
#[test]
fn the_printed_lines_give_401_403_and_200() {
    let folder = Folder::new();
    let arguments = [&["dev"], &FREE_PORTS[..]].concat();
    let gateway = Gateway::start_until(&mut faregate(folder.path(), &arguments), "Ctrl-C ends it");
    let welcome = gateway.stdout();
    let statuses: Vec<String> = welcome
        .lines()
        .filter(|line| line.starts_with("curl "))
        .map(|line| {
            let pasted = Run::of(Command::new("bash").args(["-c", line]));
            pasted.stdout.split(' ').nth(1).unwrap_or_else(|| panic!("{line}: {pasted:?}")).to_owned()
        })
        .collect();
    assert_eq!(statuses, ["401", "403", "200"], "{welcome}");
    assert!(welcome.contains("nothing is kept"), "{welcome}");
    // The management API is on the gateway's own listener here.
    let line = welcome.lines().find(|line| line.starts_with("  API ")).unwrap_or_else(|| panic!("{welcome}"));
    let [_, url, _, key] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line}") };
    let address =
        url.strip_prefix("http://").and_then(|rest| rest.strip_suffix("/api/")).expect("a URL").parse().unwrap();
    let asked = format!("GET /api/tenant HTTP/1.1\r\nHost: a\r\nAuthorization: {key}\r\nConnection: close\r\n\r\n");
    assert_eq!(send(address, &asked).status(), 200, "{line}");
}

// The echo shows what an upstream gets: the raw path, every header in order, the body.
#[test]
fn the_echo_answers_what_it_received() {
    let folder = Folder::new();
    let gateway = start(folder.path(), &[]);
    let fields = "X-Second: 2\r\nx-first: 1\r\nX-Second: 3\r\nX-Auth-Subject: forged\r\nContent-Length: 4\r\n";
    let answer = gateway.request("PUT", "/public/a%20b/c?q=%2F&r", &format!("{fields}\r\nbody"));
    let echo = answer.json();
    assert_eq!(names(&echo), ["method", "path", "headers", "body"], "{}", answer.text);
    assert_eq!(
        (&echo["method"], &echo["path"], &echo["body"]),
        (&json!("PUT"), &json!("/public/a%20b/c?q=%2F&r"), &json!("body"))
    );
    let fields: Vec<(&str, &str)> = echo["headers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| (field[0].as_str().unwrap(), field[1].as_str().unwrap()))
        .collect();
    // RFC 9110 5.3: the order of fields of one name means something.
    let values: Vec<_> = fields.iter().filter(|field| field.0 == "X-Second").map(|field| field.1).collect();
    assert_eq!(values, ["2", "3"], "{echo}");
    assert!(fields.contains(&("x-first", "1")), "spelled as the client did: {echo}");
    assert!(!fields.iter().any(|field| field.1 == "forged"), "{echo}");
}

// The echo adds nothing, drops nothing and sorts nothing of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_echo_keeps_order_and_spelling() {
    let address = faregate::gateway::echo::start().await.unwrap();
    let request = "PATCH //a/%2e/../b?x HTTP/1.1\r\nb: 1\r\nHOST: h\r\nB: 2\r\na: 3\r\nb: 4\r\n\r\n";
    let answer = raw(address, request.as_bytes()).await;
    let expected = json!({
        "method": "PATCH",
        "path": "//a/%2e/../b?x",
        "headers": [["b", "1"], ["HOST", "h"], ["B", "2"], ["a", "3"], ["b", "4"]],
        "body": "",
    });
    assert_eq!(answer.body(), expected.to_string());
}

// `--upstream` puts the gate in front of something real.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_upstream_takes_the_place_of_the_echo() {
    let folder = Folder::new();
    let upstream = Upstream::start().await;
    let gateway = start(folder.path(), &["--upstream", &upstream.url()]);
    let token = gateway.token(caller(&gateway.ready), "target-entity:orders:read");
    let answer = gateway.request_with(&token, "GET", "/api/orders");
    assert_eq!((answer.status(), answer.body()), (200, "ok"));
    assert_eq!(
        upstream.last().field("x-auth-subject"),
        gateway.ready["entities"]["recipient"]["id"].as_str().map(str::to_owned)
    );
    let wrong = Run::of(&mut faregate(folder.path(), &["dev", "--upstream", "not a url"]));
    assert_eq!((wrong.code, wrong.stdout.as_str()), (2, ""), "{wrong:?}");
}

// `--data`: the same world after a restart, readable by its owner only (P1).
#[test]
fn a_kept_world_survives_a_restart() {
    let folder = Folder::new();
    let data = folder.file("state/of/dev");
    let first = start(folder.path(), &["--data", "state/of/dev"]);
    let before = first.ready.clone();
    let token = first.token(caller(&before), "target-entity:orders:read");
    let address = first.address().to_string();
    assert_eq!(first.stop(), 0);

    let again =
        ["dev", "--format", "json", "--admin-listen", "127.0.0.1:0", "--data", "state/of/dev", "--listen", &address];
    let second = Gateway::start(&mut faregate(folder.path(), &again));
    for member in ["issuer", "tenant_id", "api_key", "entities", "user", "applications"] {
        assert_eq!(before[member], second.ready[member], "{member}");
    }
    assert_eq!(second.request_with(&token, "GET", "/api/orders").status(), 200, "an old token is still good");
    second.token(caller(&before), "target-entity:orders:read");
    let mut files = 0;
    for file in fs::read_dir(&data).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.path().display());
        files += 1;
    }
    assert!(files >= 2, "a store and the secrets");
    let mode = |mode| fs::set_permissions(data.join("dev.json"), fs::Permissions::from_mode(mode)).unwrap();
    drop(second);
    mode(0o644);
    let refused = Run::of(&mut faregate(folder.path(), &again));
    assert!(refused.complaint(3).contains("chmod 600 state/of/dev/dev.json"), "{refused:?}");
}

// A folder of a program that knew no people gets them, and keeps what it had.
#[test]
fn an_older_world_grows() {
    let folder = Folder::new();
    let first = start(folder.path(), &["--data", "dev"]);
    let before = first.ready.clone();
    assert_eq!(first.stop(), 0);
    let path = folder.file("dev/dev.json");
    let mut kept: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    kept.as_object_mut().unwrap().retain(|name, _| !name.starts_with("user") && !name.starts_with("web"));
    fs::write(&path, kept.to_string()).unwrap();
    fs::remove_file(folder.file("dev/faregate.db")).unwrap();
    let second = start(folder.path(), &["--data", "dev"]);
    assert_eq!(second.ready["entities"], before["entities"]);
    assert_eq!(second.ready["applications"]["spa"], before["applications"]["spa"]);
    assert_ne!(second.ready["user"], before["user"]);
    let grown = second.ready.clone();
    assert_eq!(second.stop(), 0);
    assert_eq!(start(folder.path(), &["--data", "dev"]).ready["user"], grown["user"]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

// UX 1: secrets are printed, so this machine only.
#[test]
fn it_does_not_listen_beyond_this_machine() {
    let folder = Folder::new();
    for arguments in [["--listen", "0.0.0.0:0"], ["--admin-listen", "[::]:0"], ["--listen", "192.0.2.1:8080"]] {
        let run = Run::of(&mut faregate(folder.path(), &[&["dev"], &arguments[..]].concat()));
        assert!(run.complaint(2).contains("is not a loopback address"), "{run:?}");
    }
}

// UX 15: a busy port is said in one line, with what to do.
#[test]
fn a_busy_port_is_named() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for arguments in [
        ["--listen", &address, "--admin-listen", "127.0.0.1:0"],
        ["--listen", "127.0.0.1:0", "--admin-listen", &address],
    ] {
        let run = Run::of(&mut faregate(folder.path(), &[&["dev"], &arguments[..]].concat()));
        let complaint = run.complaint(3);
        assert!(complaint.contains(&address) && complaint.contains("choose another port"), "{complaint}");
    }
}

// UX 15: Ctrl-C and SIGTERM are the ordinary end. Without `--data` nothing stays behind.
#[test]
fn signals_end_it_without_a_trace() {
    let folder = Folder::new();
    for signal in ["TERM", "INT"] {
        let arguments = [&["dev", "--format", "json"], &FREE_PORTS[..]].concat();
        let mut gateway =
            Gateway::start(faregate(folder.path(), &arguments).env("TMPDIR", folder.path()).env("HOME", folder.path()));
        gateway.token(caller(&gateway.ready), "");
        let asked = Instant::now();
        gateway.signal(signal);
        assert_eq!(gateway.wait(), 0, "{}", gateway.stderr());
        assert!(asked.elapsed() < Duration::from_secs(5), "{signal}: {:?}", asked.elapsed());
        assert_eq!(gateway.stderr(), "", "{signal}");
    }
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

// UX 4: what is wrong is named, and what it should be.
#[test]
fn an_upstream_is_checked_where_it_is_typed() {
    for upstream in ["nonsense", "http://127.0.0.1:3000/path", "${HOME}"] {
        let folder = Folder::new();
        let run = Run::of(&mut faregate(folder.path(), &["dev", "--upstream", upstream]));
        let said = &run.stderr;
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{run:?}");
        assert!(
            said.contains("--upstream") && said.contains(upstream) && said.contains("http://127.0.0.1:3000"),
            "{said}"
        );
    }
}
