//! `faregate status`, `/status` and the metrics: three ways to read the same, of a gateway that has something to tell.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::{HEAD, ROUTES, Site};
use crate::support::database::Folder;
use crate::support::process::{Gateway, faregate, soon};
use crate::support::upstream::Upstream;

const SOON: Duration = Duration::from_secs(20);

fn status(gateway: &Gateway) -> Value {
    gateway.admin_page("/status").json()
}

fn metrics(gateway: &Gateway) -> String {
    gateway.admin_page("/metrics").body().to_owned()
}

fn gone() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The members of the list called `list` of which `member` is `value`.
fn of<'a>(status: &'a Value, list: &str, member: &str, value: &str) -> &'a Value {
    let list = status[list].as_array().unwrap_or_else(|| panic!("{list} in {status}"));
    list.iter().find(|entry| entry[member] == value).unwrap_or_else(|| panic!("{value} in {list:?}"))
}

// UX 12: who tries an issuer for the first time has one request, and a wrong secret
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_question_that_is_not_answered_is_told() {
    let gone = gone();
    let issuers = format!(
        "  silent: {{ issuer: \"http://{gone}\", audience: api, discovery: false, introspection: {{ endpoint: \"http://{gone}/i\", \
         client_id: gate, client_secret: s }} }}\n"
    );
    let site = Site { folder: Folder::new() };
    let head = HEAD.replace("issuers: { self: {} }\n", &format!("issuers:\n  self: {{}}\n{issuers}"));
    let routes = ROUTES
        .replace("    require:", "    tokens: [self]\n    require:")
        .replace("audience: e13365f1-a270-493e-bd1b-3d239d753d53", "tokens: [silent]");
    site.write(&format!("{head}{routes}"));
    let gateway = site.serve();
    let admin = gateway.admin().to_string();
    for number in 1..=2 {
        assert_eq!(gateway.request_with(&format!("opaque{number}"), "GET", "/any/x").status(), 503);
        let shown = site.run(&["status", "--admin", &admin]).stdout;
        let many = if number == 1 { "1 failure" } else { "2 failures in a row" };
        let said = format!("introspects  silent: circuit closed, {many}: it cannot be reached: Connection refused");
        assert!(shown.contains(&said), "{said} in {shown}");
    }
    let log = gateway.stop_and_read();
    assert_eq!(log.matches("a token of this issuer could not be introspected").count(), 1, "{log}");
}

// UX 16: who is asked, why nobody answers, and what to do
#[test]
fn a_gateway_that_does_not_run_is_said_plainly() {
    let site = Site::new();
    let admin = gone().to_string();
    for command in [&["status"][..], &["reload"], &["explain", "0123456789abcdef0123456789abcdef"]] {
        let run = site.run(&[command, &["--admin", &admin]].concat());
        let said = run.complaint(1);
        assert!(said.contains("Connection refused") && said.contains("`faregate serve`"), "{said}");
        assert_eq!(said.matches(&admin).count(), 1, "{said}");
    }
}

// UX 12: what an operator looks for when something is wrong, and the same as metrics.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_tells_how_it_goes() {
    let site = Site::new();
    let (alive, stuck, gone) = (Upstream::start().await, TcpListener::bind("127.0.0.1:0").unwrap(), gone());
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    site.write_file("tls.crt", &made.cert.pem());
    site.write_file("tls.key", &made.signing_key.serialize_pem());
    let (stuck_address, alive_address) = (stuck.local_addr().unwrap(), alive.url().replace("http://", ""));
    site.write(&format!(
        r#"
listen: ["127.0.0.1:0", {{ address: "127.0.0.1:0", tls: {{ certificate: tls.crt, key: tls.key }} }}]
public_url: http://127.0.0.1:8080
admin: "127.0.0.1:0"
log: {{ level: error, decisions: false }}
issuers:
  self: {{}}
  silent:
    issuer: "http://{gone}"
    audience: api
    introspection: {{ endpoint: "http://{gone}/i", client_id: gate, client_secret: a-secret-a-secret-a-secret-a-secret }}
upstreams:
  two: {{ servers: ["http://{alive_address}", "http://{gone}"], eject: {{ after: 1, for: 5m }} }}
  sick: {{ servers: ["http://{gone}"], health: {{ path: /h, interval: 1s, unhealthy_after: 1 }} }}
  lost: {{ servers: ["http://nowhere.invalid:80"] }}
  full: {{ servers: ["http://{stuck_address}"], max_requests: 1, max_pending: 4, connect_timeout: 60s }}
routes:
  /two/**: {{ upstream: two, public: true }}
  /sick/**: {{ upstream: sick, public: true }}
  /lost/**: {{ upstream: lost, public: true }}
  /full/**: {{ upstream: full, public: true }}
  /opaque/**: {{ upstream: two, tokens: [silent], require: authenticated }}
"#
    ));
    let gateway = site.serve();
    let quiet = status(&gateway);
    assert_eq!(of(&quiet, "introspection", "issuer", "silent")["circuit"], "closed");
    assert_eq!(quiet["password_hashing"], json!({ "running": 0, "waiting": 0, "places": 50 }));
    let read = soon(SOON, || status(&gateway)["change_feed"]["read_seconds_ago"].as_f64());
    assert!(read < 10.0, "{read}");

    // One server fails a request, an issuer five questions, and two requests want the only place.
    for number in 0..6 {
        assert_eq!(gateway.request("GET", "/two/x", "").status(), 200);
        assert_eq!(gateway.request_with(&format!("opaque{number}"), "GET", "/opaque/x").status(), 503);
    }
    let _waiting = [(); 2].map(|()| {
        let mut stream = TcpStream::connect(gateway.address()).unwrap();
        stream.write_all(b"GET /full/x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
        stream
    });
    let told = soon(SOON, || {
        let told = status(&gateway);
        let (full, sick) =
            (of(&told, "upstreams", "name", "full").clone(), of(&told, "upstreams", "name", "sick").clone());
        let is_so = full["in_flight"] == 1 && full["waiting"] == 1 && sick["servers"][0]["state"] == "unhealthy";
        is_so.then_some(told)
    });
    let two = of(&told, "upstreams", "name", "two");
    assert_eq!((&two["healthy"], &two["waiting"]), (&json!(1), &json!(0)), "{two}");
    let server =
        |address: &str| two["servers"].as_array().unwrap().iter().find(|own| own["server"] == address).unwrap();
    let [good, bad] = [server(&alive_address), server(&gone.to_string())];
    assert_eq!((&good["state"], &good["circuit"]), (&json!("healthy"), &json!("closed")), "{two}");
    assert_eq!((&bad["state"], &bad["circuit"]), (&json!("ejected"), &json!("open")), "{two}");
    assert_eq!(of(&told, "upstreams", "name", "lost")["servers"][0]["state"], "unresolved");
    let silent = of(&told, "introspection", "issuer", "silent");
    assert!(silent["circuit"] == "open" && silent["failures"].as_u64() >= Some(5), "{silent}");
    let certificate = &told["certificates"][0];
    assert!(certificate["ends_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{told}");
    let listener = certificate["listener"].as_str().unwrap();
    assert!(told["configuration"]["listeners"].as_array().unwrap().contains(&json!(listener)), "{told}");
    let signing = of(&told, "signing_keys", "purpose", "access_token");
    assert!(gateway.published_keys().contains(&signing["kid"].as_str().unwrap().to_owned()), "{signing}");
    assert_eq!((&signing["tenant"], &signing["next"]), (&json!("default"), &Value::Null), "{signing}");

    let shown = metrics(&gateway);
    for line in [
        &format!("faregate_upstream_ejected{{server=\"{gone}\",upstream=\"two\"}} 1\n"),
        &format!("faregate_upstream_ejected{{server=\"{alive_address}\",upstream=\"two\"}} 0\n"),
        &format!("faregate_upstream_healthy{{server=\"{gone}\",upstream=\"sick\"}} 0\n"),
        &format!("faregate_upstream_server_in_flight{{server=\"{stuck_address}\",upstream=\"full\"}} 1\n"),
        "faregate_upstream_in_flight{upstream=\"full\"} 1\n",
        "faregate_upstream_waiting{upstream=\"full\"} 1\n",
        "faregate_introspection_circuit_open{issuer=\"silent\"} 1\n",
        "faregate_password_hashes{state=\"waiting\"} 0\n",
        "faregate_signing_key_successors{purpose=\"access_token\"} 0\n",
        "faregate_change_feed_age_seconds ",
        "faregate_signing_key_age_seconds{purpose=\"access_token\"} ",
        &format!("faregate_certificate_expiry_timestamp_seconds{{listener=\"{listener}\"}} "),
    ] {
        assert!(shown.contains(line), "{line} in {shown}");
    }

    // A rotation is the only schedule there is.
    let rotated = site.json(&["key", "rotate"]);
    let next = soon(SOON, || {
        let told = status(&gateway);
        let next = of(&told, "signing_keys", "purpose", "access_token")["next"].clone();
        next.is_object().then_some(next)
    });
    assert_eq!(next["kid"], rotated["successor"]);
    assert!(next["signs_in_seconds"].as_i64().is_some_and(|wait| (500..=600).contains(&wait)), "{next}");
    assert!(metrics(&gateway).contains("faregate_signing_key_successors{purpose=\"access_token\"} 1\n"));

    let text = site.run(&["status", "--admin", &gateway.admin().to_string()]).stdout;
    for line in [
        "two: 1 of 2 servers, 0 requests, 0 waiting\n",
        &format!("{gone}  ejected, circuit open, 0 requests\n"),
        "full: 1 of 1 server, 1 request, 1 waiting\n",
        "nowhere.invalid:80  its name does not resolve, circuit closed",
        "introspects  silent: circuit open, ",
        "passwords    0 hashing, 0 waiting, 50 places\n",
        "changes      read ",
        "signing      default access_token: ",
        &format!("{} signs in ", rotated["successor"].as_str().unwrap()),
        &format!("certificate  {listener}: until "),
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

// UX 12: whatever is on disk, all three name what runs.
#[test]
fn a_corrupt_file_is_not_what_runs() {
    let site = Site::new();
    let gateway = site.serve();
    let admin = gateway.admin().to_string();
    let hash = status(&gateway)["configuration"]["hash"].as_str().unwrap().to_owned();
    for corrupt in [format!("{HEAD}{ROUTES}"), "\u{0}\u{1}listen: {".to_owned(), String::new()] {
        site.write(&corrupt);
        assert_eq!(status(&gateway)["configuration"]["hash"], hash.as_str());
        assert!(metrics(&gateway).contains(&format!("faregate_config_info{{hash=\"{hash}\"}} 1\n")));
        let text = site.run(&["status", "--admin", &admin]).stdout;
        let running = text.lines().find(|line| line.starts_with("running ")).unwrap_or_else(|| panic!("{text}"));
        assert!(running.contains(&hash[..12]), "{text}");
        assert!(!text.contains("on disk      the same"), "{text}");
    }
}

// UX 12, UX 15: as it changes, until Ctrl-C, which is no failure; one document per line for scripts.
#[test]
fn status_is_watched() {
    let site = Site::new();
    let gateway = site.serve();
    let admin = gateway.admin().to_string();
    let watch = |more: &[&str]| {
        let arguments = [&["status", "--admin", &admin, "--watch", "1"], more].concat();
        Gateway::start_until(&mut faregate(site.folder.path(), &arguments), "\n")
    };
    let mut json = watch(&["--format", "json"]);
    let lines = soon(SOON, || {
        let lines: Vec<String> = json.stdout().lines().map(str::to_owned).collect();
        (lines.len() >= 3).then_some(lines)
    });
    let documents: Vec<Value> = lines.iter().take(3).map(|line| serde_json::from_str(line).expect(line)).collect();
    assert!(documents.iter().all(|document| document["on_disk"]["state"] == "same"), "{documents:?}");
    assert!(documents[2]["uptime_seconds"].as_u64() > documents[0]["uptime_seconds"].as_u64(), "{documents:?}");
    json.signal("INT");
    assert_eq!(json.wait(), 0, "{}", json.stderr());
    let text = watch(&[]);
    soon(SOON, || (text.stdout().matches("\nuptime ").count() >= 2).then_some(()));
    assert!(!text.stdout().contains('\x1b'), "nothing moves in a pipe: {}", text.stdout());
    // At a terminal it is drawn in place, and the cursor comes back.
    let watching = |prepared: &str| {
        format!(
            "{prepared}timeout --foreground --preserve-status -s INT 3 {} status --admin {admin} --watch 1; echo ended $?",
            env!("CARGO_BIN_EXE_faregate")
        )
    };
    let at_terminal = |kind: &str, prepared: &str| {
        let mut script = Command::new("script");
        let script =
            script.args(["-qec", &watching(prepared), "/dev/null"]).current_dir(site.folder.path()).env("TERM", kind);
        let output = script.stdin(Stdio::null()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let drawn = at_terminal("xterm", "stty rows 200 cols 200; ");
    assert!(drawn.starts_with("\x1b[?25l\x1b[2J\x1b[Hversion "), "{drawn:?}");
    assert!(drawn.matches("\x1b[H").count() >= 2 && drawn.contains("\x1b[K"), "{drawn:?}");
    assert!(drawn.ends_with("\x1b[J\x1b[?25hended 0\r\n"), "{drawn:?}");
    assert!(!drawn.contains("more lines"), "{drawn:?}");
    // What is higher than the window would scroll away and flicker.
    let cut = at_terminal("xterm", "stty rows 6 cols 200; ");
    let frames: Vec<&str> = cut.split("\x1b[H").skip(1).collect();
    assert!(frames.len() >= 2, "{cut:?}");
    for frame in frames {
        assert_eq!(frame.matches('\n').count() - frame.matches("ended").count(), 5, "{frame:?}");
        assert!(frame.contains(" more lines (make the window higher)\x1b[K\r\n\x1b[J"), "{frame:?}");
    }
    let dumb = at_terminal("dumb", "stty rows 6 cols 200; ");
    assert!(!dumb.contains("more lines"), "{dumb:?}");
    assert!(!dumb.contains('\x1b') && dumb.ends_with("ended 0\r\n"), "{dumb:?}");
    // A gateway that is gone is what a watcher wants to see.
    let still = watch(&["--format", "json"]);
    assert_eq!(gateway.stop(), 0);
    soon(SOON, || still.stdout().lines().any(|line| line.starts_with("{\"error\":\"no gateway answers")).then_some(()));
    site.run(&["status", "--admin", &admin, "--watch"]).complaint(1);
    assert_eq!(site.run(&["status", "--admin", &admin, "--watch", "0"]).code, 2);
}
