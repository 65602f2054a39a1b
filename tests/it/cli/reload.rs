//! Changing the configuration while the gateway runs: by signal, by command, by itself; and not when something is wrong.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::{CALLER, DIRECTORY, HEAD, READ, ROUTES, Site};
use crate::support::load::{Asked, Load};
use crate::support::process::{Gateway, Run, faregate, send, soon};

/// Longer than a watched file takes to be noticed.
const NOTICED: Duration = Duration::from_secs(10);

impl Gateway {
    fn status(&self) -> Value {
        self.admin_page("/status").json()
    }

    /// Of the configuration that runs.
    fn running_hash(&self) -> String {
        self.status()["configuration"]["hash"].as_str().unwrap().to_owned()
    }

    fn metric(&self, name: &str) -> f64 {
        let metrics = self.admin_page("/metrics");
        let line = metrics.body().lines().find_map(|line| line.strip_prefix(&format!("{name} ")).map(str::to_owned));
        line.unwrap_or_else(|| panic!("{name} in {}", metrics.text)).parse().unwrap()
    }

    fn opens(&self, path: &str) -> bool {
        self.request("GET", path, "").status() == 200
    }
}

impl Site {
    fn reload(&self, gateway: &Gateway) -> Run {
        self.run(&["reload", "--admin", &gateway.admin().to_string()])
    }

    /// The usual sections, and routes beside them.
    fn write_with(&self, routes: &str) {
        self.write(&format!("{HEAD}{ROUTES}{routes}{DIRECTORY}"));
    }
}

fn open_route(number: usize) -> String {
    format!("  /new/{number}: {{ upstream: app, public: true }}\n")
}

// UX 13, FAULTS T41: whichever way it is asked for, what changed is said in one line, and no request fails meanwhile.
#[test]
fn a_new_configuration_takes_over_without_a_failed_request() {
    let site = Site::new();
    let serve = &["serve", "--format", "json", "--watch"];
    let gateway = Gateway::start(faregate(site.folder.path(), serve).env("LEVEL", "info"));
    let token = gateway.token(CALLER, READ);
    let load = Load::start(
        gateway.address(),
        &[
            Asked::new("/api/orders", &token, &[200]),
            Asked::new("/api/orders", &token, &[200]),
            Asked::new("/public/x", "none", &[200]),
            Asked::new("/api/orders", "nonsense", &[401]),
        ],
    );
    // By command.
    assert!(!gateway.opens("/new/1"));
    site.write_with(&open_route(1));
    let run = site.reload(&gateway);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    assert!(run.stdout.starts_with("applied ") && run.stdout.lines().count() == 1, "{run:?}");
    let hash = gateway.running_hash();
    assert!(run.stdout.contains(&format!("applied {}: 1 route added (/new/1); ", &hash[..12])), "{run:?}");
    assert!(gateway.opens("/new/1"));
    // By signal.
    site.write_with(&open_route(2));
    gateway.signal("HUP");
    soon(NOTICED, || gateway.opens("/new/2").then_some(()));
    assert!(!gateway.opens("/new/1"), "what was removed is gone");
    soon(NOTICED, || gateway.stderr().contains("1 route added (/new/2), 1 route removed (/new/1)").then_some(()));
    // By itself.
    site.write_with(&open_route(3));
    soon(NOTICED, || gateway.opens("/new/3").then_some(()));
    assert_eq!(site.reload(&gateway).code, 0, "the same again does no harm");
    load.stop_unharmed();
    assert!(gateway.metric("faregate_config_reloads_total{result=\"applied\"}") >= 3.0);
}

// FAULTS T39, UX 12, UX 13: whatever is wrong with the new one, the old one runs, and everything names that one.
#[test]
fn a_broken_configuration_leaves_the_last_good_one() {
    let site = Site::new();
    let gateway = Gateway::start(faregate(site.folder.path(), &["serve", "--format", "json"]).env("LEVEL", "error"));
    let hash = gateway.running_hash();
    let token = gateway.token(CALLER, READ);
    let load = Load::start(gateway.address(), &[Asked::new("/api/orders", &token, &[200])]);
    let failing = "tests: [{ name: everybody reads, request: GET /api/orders, expect: permit }]\n";
    for (text, needed) in [
        ("routes: {".to_owned(), "faregate.yaml:"),
        (format!("{HEAD}{ROUTES}{DIRECTORY}audiance: x\n"), "unknown key \"audiance\""),
        (format!("{HEAD}{ROUTES}{DIRECTORY}{failing}"), "everybody reads"),
        (
            format!("{HEAD}{ROUTES}{DIRECTORY}store: sqlite://other.db\nthreads: 1\n").replace("threads: 2\n", ""),
            "needs a restart: store, threads",
        ),
        (
            format!("{HEAD}{ROUTES}{DIRECTORY}").replace("self: {}", "self: { tenant: nobody }"),
            "faregate tenant create nobody",
        ),
    ] {
        site.write(&text);
        let run = site.reload(&gateway);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{run:?}");
        assert!(run.stderr.contains(needed), "{needed} in {run:?}");
        // All that tell of the configuration name the one that runs.
        let status = gateway.status();
        assert_eq!(status["configuration"]["hash"], hash);
        assert_eq!(status["last_reload"]["result"], "refused");
        assert!(status["last_reload"]["problem"].as_str().unwrap().contains(needed), "{status}");
        assert_eq!(gateway.metric(&format!("faregate_config_info{{hash=\"{hash}\"}}")), 1.0);
        assert_eq!(gateway.metric("faregate_config_last_reload_successful"), 0.0);
        let told = site.run(&["status", "--admin", &gateway.admin().to_string()]).stdout;
        assert!(told.contains(&hash[..12]) && told.contains("last reload  refused") && told.contains(needed), "{told}");
        soon(NOTICED, || gateway.stderr().contains("the one from before stays").then_some(()));
    }
    assert_eq!(gateway.metric("faregate_config_reloads_total{result=\"refused\"}"), 5.0);
    site.write_with("");
    assert_eq!(site.reload(&gateway).code, 0);
    assert_eq!(gateway.metric("faregate_config_last_reload_successful"), 1.0);
    assert_eq!(gateway.status()["last_reload"]["result"], "applied");
    load.stop_unharmed();
    assert!(!site.file("other.db").exists(), "nothing was made");
}

// UX 12, UX 15: scripts read what people read.
#[test]
fn status_tells_of_the_file_on_disk() {
    let site = Site::new();
    let gateway = site.serve();
    let admin = format!("http://{}/", gateway.admin());
    let on_disk = || site.json(&["status", "--admin", &admin])["on_disk"].clone();
    assert_eq!(on_disk(), json!({ "source": "faregate.yaml", "state": "same" }));
    site.write(HEAD);
    assert_eq!(on_disk()["state"], "different");
    site.write("listen: 1");
    assert_eq!(on_disk()["state"], "unusable");
    assert_eq!(gateway.stop(), 0);
}

// FAULTS T40: every configuration that `check` refuses is refused here.
#[test]
fn no_bad_configuration_gets_in() {
    let site = Site::new();
    let gateway = site.serve();
    let hash = gateway.running_hash();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/config/bad");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        site.write(text.split("---- problems\n").next().unwrap());
        let answer = post_reload(&gateway, "");
        assert_eq!(answer.0, 422, "{text}");
        count += 1;
    }
    assert!(count >= 30, "{count}");
    assert_eq!(gateway.running_hash(), hash);
    assert!(gateway.opens("/public/x"));
}

fn post_reload(gateway: &Gateway, fields: &str) -> (u16, String) {
    let request =
        format!("POST /reload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n{fields}\r\n");
    let answer = send(gateway.admin(), &request);
    (answer.status(), answer.text)
}

// A page that a browser on the same machine shows can send forms to any port.
#[test]
fn no_web_page_reloads() {
    let site = Site::new();
    let gateway = site.serve();
    site.write_with(&open_route(1));
    for field in ["Origin: http://127.0.0.1:9090", "Sec-Fetch-Site: cross-site"] {
        assert_eq!(post_reload(&gateway, &format!("{field}\r\n")).0, 403, "{field}");
    }
    assert_eq!(gateway.admin_page("/reload").status(), 405);
    assert!(!gateway.opens("/new/1"));
    assert_eq!(post_reload(&gateway, "").0, 200);
    assert!(gateway.opens("/new/1"));
}

/// `POST /reload` with this key, or none.
fn reload_with(gateway: &Gateway, key: Option<&str>) -> u16 {
    post_reload(gateway, &key.map(|key| format!("Authorization: {key}\r\n")).unwrap_or_default()).0
}

// K12: where other machines reach the admin listener, only who has a key that may reloads; signals are the machine's own
#[test]
fn other_machines_reload_with_a_key() {
    let site = Site::new();
    let (first, second) = ("a".repeat(40), "b".repeat(40));
    let write = |key: &str, number: usize| {
        let head = HEAD.replace("admin: \"127.0.0.1:", "admin: \"0.0.0.0:");
        let management = format!("management: {{ api_key: {key} }}\n");
        site.write(&format!("{head}{management}{ROUTES}{}{DIRECTORY}", open_route(number)));
    };
    write(&first, 0);
    let gateway = site.serve();
    let made = |more: &[&str]| {
        let key = site.json(&[&["api-key", "create", "k"], more].concat());
        key["key"].as_str().unwrap().to_owned()
    };
    let (operator, other) = (made(&["--allow", "/reload=POST"]), made(&["--allow", "/api/user=GET"]));
    let of_tenant = made(&["--tenant", "default"]);
    write(&first, 1);
    for key in [None, Some("wrong"), Some(&*other), Some(&*of_tenant)] {
        assert_eq!(reload_with(&gateway, key), 401, "{key:?}");
    }
    let twice = format!("Authorization: {operator}\r\nAuthorization: {operator}\r\n");
    assert_eq!(post_reload(&gateway, &twice).0, 401);
    let admin = gateway.admin().to_string();
    let reload = |key: &str, more: &[&str]| {
        let mut command = faregate(site.folder.path(), &[&["reload", "--admin", &admin], more].concat());
        Run::of(command.env("FAREGATE_API_KEY", key))
    };
    let refused = reload("", &[]);
    let said = refused.complaint(1);
    assert!(
        ["wants an API key", "--key-file", "FAREGATE_API_KEY", "--allow /reload=POST"].iter().all(|w| said.contains(w)),
        "{said}"
    );
    let refused = reload(&other, &[]);
    assert!(refused.complaint(1).contains("refuses this API key") && !refused.stderr.contains(&other), "{refused:?}");
    assert!(!gateway.opens("/new/1"), "nothing has changed");

    assert_eq!(reload(&operator, &[]).code, 0);
    assert!(gateway.opens("/new/1"));
    write(&second, 2);
    site.write_file("key", &format!("{operator}\n"));
    assert_eq!(reload("wrong", &["--key-file", "key"]).code, 0);
    assert!(gateway.opens("/new/2"));
    assert!(reload(&operator, &["--key-file", "nowhere"]).complaint(2).contains("--key-file nowhere"));
    for text in [format!("{operator}\n{operator}\n"), "a".repeat(5000)] {
        site.write_file("key", &text);
        let refused = reload("", &["--key-file", "key"]);
        assert!(
            refused.complaint(2).contains("more in it than a key") && !refused.stderr.contains(&operator),
            "{refused:?}"
        );
    }
    // The key of the configuration is the one of that which runs.
    assert_eq!((reload_with(&gateway, Some(&first)), reload_with(&gateway, Some(&second))), (401, 200));
    write(&second, 3);
    gateway.signal("HUP");
    soon(NOTICED, || gateway.opens("/new/3").then_some(()));
}

// Policy is what it was when the request began: neither a changed rule nor a removed route cuts it off.
#[test]
fn a_request_in_flight_ends_as_it_began() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let site = Site::new();
    let mut command = faregate(site.folder.path(), &["serve", "--format", "json"]);
    let gateway = Gateway::start(command.env("UPSTREAM", format!("http://{}", upstream.local_addr().unwrap())));
    let mut client = TcpStream::connect(gateway.address()).unwrap();
    client.write_all(b"POST /public/slow HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\n\r\nab").unwrap();
    let (mut asked, _) = upstream.accept().unwrap();
    assert!(asked.read(&mut [0; 4096]).unwrap() > 0);

    site.write(&format!(
        "{HEAD}upstreams: {{ app: 'builtin:echo' }}\nroutes: {{ /other: {{ upstream: app, public: true }} }}\n"
    ));
    let run = site.reload(&gateway);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(gateway.request("GET", "/public/slow", "").status(), 404, "for those who come now");
    client.write_all(b"cd").unwrap();
    let mut body = [0; 4096];
    let mut read = 0;
    soon(NOTICED, || {
        read += asked.read(&mut body[read..]).unwrap();
        (read > 0 && String::from_utf8_lossy(&body[..read]).ends_with("cd")).then_some(())
    });
    asked.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nat last..").unwrap();
    let mut answer = vec![0; 4096];
    let mut length = 0;
    soon(NOTICED, || {
        length += client.read(&mut answer[length..]).unwrap();
        String::from_utf8_lossy(&answer[..length]).ends_with("at last..").then_some(())
    });
    assert!(answer.starts_with(b"HTTP/1.1 200"));
}

// FAULTS T41, T76, V7: many reloads leave nothing behind, and what was verified before is not verified again.
#[test]
fn many_reloads_leave_nothing_behind() {
    let site = Site::new();
    let gateway = site.serve();
    let token = gateway.token(CALLER, READ);
    let load = Load::start(gateway.address(), &[Asked::new("/api/orders", &token, &[200])]);
    let reload = |number: usize| {
        site.write_with(&(0..20 + number % 2).map(open_route).collect::<String>());
        assert_eq!(post_reload(&gateway, "").0, 200);
    };
    (0..20).for_each(reload);
    let misses = gateway.metric("faregate_token_cache_misses_total");
    let hits = gateway.metric("faregate_token_cache_hits_total");
    let before = gateway.metric("process_resident_memory_bytes");
    let descriptors = gateway.metric("process_open_fds");
    (0..50).for_each(reload);
    let after = gateway.metric("process_resident_memory_bytes");
    assert!(after - before < 6e6, "from {before} to {after} bytes");
    // Connections that asked for a reload may still be on their way out, and on a busy machine the store opens a few more, of
    // two descriptors each. Fifty reloads that leave one each are still seen.
    soon(NOTICED, || (gateway.metric("process_open_fds") <= descriptors + 8.0).then_some(()));
    assert_eq!(gateway.metric("faregate_token_cache_misses_total"), misses, "the issuers are the same");
    assert!(gateway.metric("faregate_token_cache_hits_total") > hits);
    load.stop_unharmed();
}

// Tokens are verified again when it is another issuer that would have to vouch for them.
#[test]
fn other_issuers_have_to_vouch_again() {
    let site = Site::new();
    let write = |issuers: &str, accepted: &str| {
        let head = HEAD.replace("issuers: { self: {} }", &format!("issuers: {{ {issuers} }}"));
        let route = format!("{{ upstream: app, tokens: [{accepted}], require: authenticated }}");
        site.write(&format!("{head}upstreams: {{ app: 'builtin:echo' }}\nroutes: {{ /own/**: {route} }}\n{DIRECTORY}"));
    };
    write("self: {}", "self");
    let gateway = site.serve();
    let token = gateway.token(CALLER, READ);
    assert_eq!(gateway.request_with(&token, "GET", "/own/x").status(), 200);
    let misses = gateway.metric("faregate_token_cache_misses_total");
    // In front of the tenant, which has another place then.
    let other = "other: { issuer: 'http://127.0.0.1:1', secret: a-secret-of-more-than-32-characters, audience: x }";
    write(&format!("{other}, self: {{}}"), "self");
    let run = site.reload(&gateway);
    assert!(run.stdout.contains("1 issuer added (other)"), "{run:?}");
    assert_eq!(gateway.request_with(&token, "GET", "/own/x").status(), 200);
    assert_eq!(gateway.metric("faregate_token_cache_misses_total"), misses + 1.0, "counted on");
    write(other, "other");
    assert_eq!(site.reload(&gateway).code, 0);
    assert_eq!(gateway.request_with(&token, "GET", "/own/x").status(), 401);
}

// Two at once follow each other, and the last file is what runs.
#[test]
fn two_reloads_at_once_do_no_harm() {
    let site = Site::new();
    let gateway = site.serve();
    let token = gateway.token(CALLER, READ);
    let load = Load::start(gateway.address(), &[Asked::new("/api/orders", &token, &[200])]);
    for number in 0..5 {
        site.write_with(&open_route(number));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(post_reload(&gateway, "").0, 200));
            }
        });
        assert!(gateway.opens(&format!("/new/{number}")));
    }
    assert_eq!(gateway.metric("faregate_config_reloads_total{result=\"applied\"}"), 20.0);
    load.stop_unharmed();
}

// FAULTS T42: files that are half written, replaced by way of a link, or gone.
#[test]
fn a_watched_file_may_be_in_any_state() {
    let site = Site::new();
    site.write(&format!("{HEAD}watch: true\n{ROUTES}{DIRECTORY}"));
    let gateway = site.serve();
    let with = |routes: &str| format!("{HEAD}watch: true\n{ROUTES}{routes}{DIRECTORY}");
    // Half of it, and the rest while it is being looked at.
    let whole = with(&open_route(1));
    let file = site.file("faregate.yaml");
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    fs::write(&file, &whole).unwrap();
    soon(NOTICED, || gateway.opens("/new/1").then_some(()));
    // Gone: the last good one stays; and another one by way of a link, as Kubernetes does it.
    fs::remove_file(&file).unwrap();
    soon(NOTICED, || (gateway.status()["last_reload"]["result"] == "refused").then_some(()));
    assert!(gateway.opens("/new/1"));
    for number in [2, 3] {
        site.write_file(&format!("{number}.yaml"), &with(&open_route(number)));
        symlink(site.file(&format!("{number}.yaml")), site.file("link")).unwrap();
        fs::rename(site.file("link"), &file).unwrap();
        soon(NOTICED, || gateway.opens(&format!("/new/{number}")).then_some(()));
    }
}

// A value that comes from a file is watched too.
#[test]
fn a_file_behind_a_reference_is_watched() {
    let site = Site::new();
    let text = format!("{HEAD}watch: true\nmanagement: {{ api_key: \"${{file:key}}\" }}\n{ROUTES}{DIRECTORY}");
    site.write_file("key", &"a".repeat(40));
    site.write(&text);
    let gateway = site.serve();
    let status = |key: &str| {
        let request = format!(
            "GET /api/tenant HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAuthorization: {}\r\n\r\n",
            key.repeat(40)
        );
        send(gateway.admin(), &request).status()
    };
    assert_eq!((status("a"), status("b")), (200, 401));
    site.write_file("key", &"b".repeat(40));
    soon(NOTICED, || ((status("a"), status("b")) == (401, 200)).then_some(()));
}

// What `directory:` declares is made as at the start.
#[test]
fn declared_objects_are_made() {
    let site = Site::new();
    let gateway = site.serve();
    assert_eq!(gateway.ask_for_token(CALLER, "target-entity:orders:write").status(), 400);
    let granted = DIRECTORY.replace("permissions: [read] }", "permissions: [read, write] }");
    site.write(&format!("{HEAD}{ROUTES}{granted}"));
    let run = site.reload(&gateway);
    assert!(run.stdout.contains("directory changed"), "{run:?}");
    let token = gateway.token(CALLER, "target-entity:orders:write");
    assert_eq!(gateway.request_with(&token, "POST", "/api/orders").status(), 200);
}
