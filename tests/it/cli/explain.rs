//! `faregate explain`: what it says, and that the gateway does what it says.

use std::fs;

use faregate::cli::explain::{Asked, Credential, explain};
use faregate::config::{self, Environment};
use http::Method;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use super::{CALLER, HEAD, READ, Site};
use crate::support::authorization_server::part;

const SITE: &str = r#"
upstreams: { app: "builtin:echo" }
routes:
  /public/**: { upstream: app, public: true }
  /api/**:
    upstream: app
    require: { GET: permission read on orders, "*": permission write on orders }
  /api/admin/**: { extends: /api/**, require: role admin }
  /list/{entity}: { upstream: app, require: "permission list on {entity}" }
  /mixed/**:
    upstream: app
    require:
      any:
        - permission write on mail
        - all: [permission read on orders, permission list on orders]
  /not/**: { upstream: app, require: { all: [permission read on orders, not: permission list on orders] } }
  /meant/**: { upstream: app, audience: e13365f1-a270-493e-bd1b-3d239d753d53, require: authenticated }
  /bound/**: { upstream: app, audience: e13365f1-a270-493e-bd1b-3d239d753d53, require: authenticated, binding: dpop }
  /tried/**: { upstream: app, require: role admin, enforce: observe }
  /anybody: { upstream: app, require: { GET: authenticated, POST: any scope orders:write orders:all } }
directory:
  entity_types:
    api: { permissions: [read, write, list] }
  entities:
    orders: { id: e13365f1-a270-493e-bd1b-3d239d753d53, type: api, client_secret: target-secret-target-secret-target-secret-12 }
    mail: { id: 0b6fd5e5-3f19-4b9c-a1ab-8d0eb3d56c4a, type: api, client_secret: target-secret-target-secret-target-secret-12 }
    reporting: { id: 2934f41f-d277-4a32-b0d5-16e47dad9721, type: api, client_secret: "+fcXet9Iu2kQi61yWD9Tu4ReZ113P6yEAkr32v6WKOQ=" }
  grants:
    - { recipient: reporting, target: orders, permissions: [read, list] }
    - { recipient: reporting, target: mail, permissions: [write] }
"#;

const SCOPES: [&str; 6] = [
    "",
    READ,
    "target-entity:orders:list",
    "target-entity:orders",
    "target-entity:mail:write",
    "target-entity:orders:read+target-entity:mail:write",
];

/// What each route is asked, and what is printed, with and without a token for `orders:read`.
const GOLDEN: &[(&str, &str, bool, &str)] = &[
    (
        "GET",
        "/api/orders",
        false,
        "request   GET /api/orders\n\
         route     /api/** (faregate.yaml:12) to app\n\
         \x20 ✓ pass  path is canonical\n\
         \x20 ✗ fail  permission read on orders  (faregate.yaml:14)\n\
         \x20         would pass if: permission read on orders\n\
         decision  deny, 401 no_token\n\
         meaning   The request has no access token, and the route asks for one.\n",
    ),
    (
        "get",
        "/api/x/../%6frders?secret=1",
        true,
        "request   GET /api/x/../%6frders?secret=1\n\
         route     /api/** (faregate.yaml:12) to app\n\
         \x20 ✓ pass  path is decided on and sent as /api/orders\n\
         \x20 ✓ pass  token is verified with key KEY\n\
         \x20 ✓ pass  issuer self is accepted by the route\n\
         \x20 ✓ pass  permission read on orders  (faregate.yaml:14)\n\
         decision  permit\n",
    ),
    (
        "GET",
        "/mixed/a",
        true,
        "request   GET /mixed/a\n\
         route     /mixed/** (faregate.yaml:17) to app\n\
         \x20 ✓ pass  path is canonical\n\
         \x20 ✓ pass  token is verified with key KEY\n\
         \x20 ✓ pass  issuer self is accepted by the route\n\
         \x20 ✗ fail  any: [permission write on mail, all: [permission read on orders, permission list on orders]]  \
         (faregate.yaml:20)\n\
         \x20         would pass if: permission write on mail, or permission list on orders\n\
         \x20 ✗ fail    permission write on mail  (faregate.yaml:21)\n\
         \x20           would pass if: permission write on mail\n\
         \x20 ✗ fail    all: [permission read on orders, permission list on orders]  (faregate.yaml:22)\n\
         \x20           would pass if: permission list on orders\n\
         \x20 ✓ pass      permission read on orders  (faregate.yaml:22)\n\
         \x20 ✗ fail      permission list on orders  (faregate.yaml:22)\n\
         \x20             would pass if: permission list on orders\n\
         decision  deny, 403 missing_permission\n\
         meaning   The caller has no such permission on the entity, or the token is not for that entity.\n",
    ),
    (
        "GET",
        "/nowhere",
        false,
        "request   GET /nowhere\n\
         route     none\n\
         \x20 ✓ pass  path is canonical\n\
         \x20 ✗ fail  route\n\
         \x20         would pass if: a route were configured for this path\n\
         decision  deny, 404 no_route\n\
         meaning   No route is configured for this path.\n",
    ),
    (
        "GET",
        "/oauth2/token",
        false,
        "request   GET /oauth2/token\n\
         route     the authorization server's own\n\
         \x20 ✓ pass  path is canonical\n\
         decision  permit\n",
    ),
];

// UX 9, UX 10
#[test]
fn the_checks_are_shown_in_order_with_their_lines() {
    let site = Site::with(&[SITE]);
    let gateway = site.serve();
    let token = gateway.token(CALLER, READ);
    // It needs no server, only its store.
    assert_eq!(gateway.stop(), 0);
    for (method, path, with_token, expected) in GOLDEN {
        let more: &[&str] = if *with_token { &["--token", "-"] } else { &[] };
        let run = site.run_with_input(&[&["explain", method, path], more].concat(), &token);
        let key = run.stdout.lines().find_map(|line| line.split("with key ").nth(1)).unwrap_or("no key at all");
        assert_eq!(run.stdout.replace(key, "KEY"), *expected, "{method} {path}: {}", run.stderr);
        assert_eq!(
            (run.code, run.stderr.as_str()),
            (i32::from(!expected.ends_with("permit\n")), ""),
            "{method} {path}"
        );
        assert!(!run.stdout.contains(&token), "O2");
    }
}

// UX 10: claims in place of a token, of whichever issuer, whether anybody could have signed them or not
#[test]
fn claims_are_enough() {
    let site = Site::with(&[SITE]);
    let decided = |method: &str, path: &str, claims: &Value| {
        let run =
            site.run_with_input(&["explain", method, path, "--claims", "-", "--format", "json"], &claims.to_string());
        let said: Value = serde_json::from_str(&run.stdout).unwrap();
        (run.code, said["code"].clone())
    };
    let read = json!({ "permissions": { "orders": ["read"] } });
    assert_eq!(decided("GET", "/api/x", &read), (0, Value::Null));
    assert_eq!(decided("POST", "/api/x", &read), (1, json!("missing_permission")));
    for (name, claim, code) in [
        ("exp", json!(1), "expired"),
        ("iss", json!("nobody"), "issuer_not_accepted"),
        ("iss", json!("self"), ""),
        ("iss", json!("http://127.0.0.1:8080"), ""),
        ("exp", json!(9_999_999_999_u64), ""),
    ] {
        let mut claims = read.clone();
        claims[name] = claim;
        let (exit, said) = decided("GET", "/api/x", &claims);
        assert_eq!((exit, said.as_str().unwrap_or_default()), (i32::from(!code.is_empty()), code), "{claims}");
    }
    let run = site.run_with_input(&["explain", "GET", "/api/x", "--claims", "-"], &read.to_string());
    assert!(run.stdout.contains("claims are taken as they are: nobody has signed them"), "{}", run.stdout);
    for (arguments, input) in
        [(&["--claims", "-"][..], "no JSON"), (&["--claims", "{}"], ""), (&["--claims", "-", "--token", "-"], "{}")]
    {
        let run = site.run_with_input(&[&["explain", "GET", "/api/x"], arguments].concat(), input);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{run:?}");
    }
    assert!(!site.file("faregate.db").exists(), "nothing is made");
}

// UX 15: what scripts read.
#[test]
fn the_same_as_json() {
    let site = Site::with(&[SITE]);
    let permit = site.json(&["explain", "GET", "/public/x"]);
    assert_eq!(
        (&permit["decision"], &permit["status"], &permit["request"]),
        (&json!("permit"), &Value::Null, &json!("GET /public/x"))
    );
    let run = site.run(&["explain", "POST", "/api/admin/x", "--format", "json"]);
    assert_eq!((run.code, run.stderr.as_str()), (1, ""), "{run:?}");
    let deny: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&deny["decision"], &deny["status"], &deny["code"]), (&json!("deny"), &json!(401), &json!("no_token")));
    assert!(deny["checks"].as_array().unwrap().iter().any(|check| check["place"] == "faregate.yaml:15"), "{deny}");
}

// What cannot be understood is usage, exit code 2; a token never stands on the command line.
#[test]
fn wrong_usage_is_two() {
    let site = Site::with(&[SITE]);
    for (arguments, needed) in [
        (&["explain", "G ET", "/api"][..], "METHOD"),
        (&["explain", "GET", "/api", "--token", "eyJhbGciOiJub25lIn0"], "--token -"),
        (&["explain", "GET", "api"], "PATH begins with a slash"),
    ] {
        let run = site.run(arguments);
        let complaint = run.complaint(2);
        assert!(complaint.contains(needed) && !complaint.contains("eyJ"), "{complaint}");
    }
    assert_eq!(site.run(&["explain", "GET"]).code, 2);
}

// Without a store claims are read and it is said that nobody vouches for them.
#[test]
fn without_a_store_claims_are_taken_as_they_are() {
    let site = Site::with(&[SITE]);
    let gateway = site.serve();
    let token = gateway.token(CALLER, READ);
    drop(gateway);
    for name in ["faregate.db", "faregate.db-wal", "faregate.db-shm"] {
        let _ = fs::remove_file(site.file(name));
    }
    let run = site.run_with_input(&["explain", "GET", "/meant/x", "--token", "-"], &token);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("its signature cannot be checked here: there is no store"), "{}", run.stdout);
    assert!(!site.file("faregate.db").exists(), "nothing is made");
    // Ids are the only names that a token has by itself.
    let by_name = site.run_with_input(&["explain", "GET", "/api/x", "--token", "-"], &token);
    assert_eq!(by_name.code, 1, "{by_name:?}");
    let garbage = site.run_with_input(&["explain", "GET", "/api/x", "--token", "-"], "garbage");
    assert!(garbage.stdout.contains("deny, 401"), "{garbage:?}");
}

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];
const PATHS: [&str; 42] = [
    "/",
    "/public",
    "/public/x",
    "/public/../api/x",
    "/public/%2e%2e/api/x",
    "/api",
    "/api/",
    "/api/x",
    "/api//x",
    "/api/./x",
    "/api/x?access=1",
    "/api/x%2fy",
    "/api/%78",
    "/api/x;y=1",
    "/api/x%00",
    "/api/%zz",
    "/api/%",
    "/api/admin",
    "/api/admin/x",
    "/api/%61dmin/x",
    "/api/x/../admin/x",
    "/../api/x",
    "/API/x",
    "/apix",
    "/list/orders",
    "/list/mail",
    "/list/e13365f1-a270-493e-bd1b-3d239d753d53",
    "/list/E13365F1-A270-493E-BD1B-3D239D753D53",
    "/list/orders/more",
    "/list/",
    "/mixed/x",
    "/mixed",
    "/not/x",
    "/meant/x",
    "/anybody",
    "/nowhere",
    "/bound/x",
    "/tried/x",
    "/tried/x?access_token=abc",
    "/api/x?access_token=abc",
    "/api/x?a=b&access_token=",
    "/public/x?access_token=abc",
];

// UX 10: what is explained is what happens. The same engine decides, and this proves it.
#[test]
fn the_gateway_does_what_is_explained() {
    let site = Site::with(&[SITE]);
    let gateway = site.serve();
    let mut tokens: Vec<Option<String>> = SCOPES.iter().map(|scope| Some(gateway.token(CALLER, scope))).collect();
    let good: Vec<String> = tokens.iter().flatten().cloned().collect();
    let mut forged = gateway.token(CALLER, READ);
    let at = forged.len() - 10;
    forged.replace_range(at..=at, if forged[at..].starts_with('A') { "B" } else { "A" });
    tokens.extend([Some(forged), Some("a.b.c".to_owned()), None]);

    let config = config::load(&site.file("faregate.yaml"), &Environment::of::<&str, &str>([])).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // The same cases at every run.
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let cases = (prop::sample::select(&METHODS[..]), prop::sample::select(&PATHS[..]), prop::sample::select(tokens));
    let (mut permitted, mut denied) = (0, 0);
    for _ in 0..300 {
        let (method, path, token) = cases.new_tree(&mut runner).unwrap().current();
        let method_asked = || Method::from_bytes(method.as_bytes()).unwrap();
        let credential = token.as_deref().map(Credential::Token);
        let asked = Asked { method: method_asked(), path, host: None, credential };
        let explanation = runtime.block_on(explain(&config, &asked));
        // Claims alone are worth what a token is that has them.
        if let Some(token) = token.as_ref().filter(|token| good.contains(token) && !path.contains("access_token")) {
            let claims = part(token, 1);
            let credential = Some(Credential::Claims(claims.as_object().unwrap()));
            let supposed = Asked { method: method_asked(), path, host: None, credential };
            let supposed = runtime.block_on(explain(&config, &supposed));
            assert_eq!(supposed.denial(), explanation.denial(), "{method} {path} {claims}\n{}", supposed.text());
        }
        let answer = match &token {
            Some(token) => gateway.request_with(token, method, path),
            None => gateway.request(method, path, ""),
        };
        let (status, code) = explanation.denial().unwrap_or((200, ""));
        assert_eq!(answer.status(), status, "{method} {path} {token:?}\n{}\n{}", explanation.text(), answer.text);
        if status == 200 {
            permitted += 1;
        } else {
            denied += 1;
            if method != "HEAD" {
                assert_eq!(answer.json()["code"], code, "{method} {path}\n{}", explanation.text());
            }
        }
    }
    assert!(permitted > 20 && denied > 100, "{permitted} permitted, {denied} denied");
}

// A route that only observes refuses nobody.
#[test]
fn what_is_only_observed_passes() {
    let site = Site::with(&[SITE]);
    let run = site.run(&["explain", "GET", "/tried/x"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    assert!(
        run.stdout.contains("permit, because the route only observes; else deny, 401 no_token\nmeaning   "),
        "{}",
        run.stdout
    );
    let observed = site.json(&["explain", "GET", "/tried/x"]);
    assert_eq!((&observed["decision"], &observed["status"]), (&json!("observe"), &json!(401)));
}

// RFC 9449 7.1, RFC 8705 3: what a token is bound to is compared with what the route demands.
#[test]
fn bindings_are_explained() {
    use base64::Engine as _;
    let site = Site::with(&[SITE]);
    let encoded = |value: &Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    let token = |confirmation: Value| {
        let claims = json!({ "sub": "a", "aud": "e13365f1-a270-493e-bd1b-3d239d753d53", "exp": 4_000_000_000_u64, "cnf": confirmation });
        format!("{}.{}.AA", encoded(&json!({ "alg": "ES256" })), encoded(&claims))
    };
    for (confirmation, path, needed) in [
        (Value::Null, "/meant/x", "decision  permit"),
        (Value::Null, "/bound/x", "deny, 401 not_bound"),
        (json!({ "jkt": "x" }), "/bound/x", "it passes with a DPoP proof"),
        (json!({ "jkt": "x" }), "/meant/x", "it passes with a DPoP proof"),
        (json!({ "x5t#S256": "x" }), "/meant/x", "it passes with its certificate"),
        (json!({ "x5t#S256": "x" }), "/bound/x", "deny, 401 not_bound"),
        (json!({ "foo": "x" }), "/meant/x", "deny, 401 strange_binding"),
        (json!("x"), "/bound/x", "deny, 401 strange_binding"),
    ] {
        let run = site.run_with_input(&["explain", "GET", path, "--token", "-"], &token(confirmation.clone()));
        assert!(run.stdout.contains(needed), "{confirmation} {path}: {}", run.stdout);
    }
}

// Routes by host, and hosts that nobody serves (M6).
#[test]
fn hosts_are_told_apart() {
    let site = Site::with(&[
        "upstreams: { app: \"builtin:echo\" }\nroutes:\n  /a: { upstream: app, hosts: [a.example], public: true }\n",
    ]);
    assert!(!HEAD.contains("hosts"));
    for (host, code, needed) in
        [("a.example", 0, "permit"), ("b.example", 1, "421 unknown_host"), ("127.0.0.1", 1, "404 no_route")]
    {
        let run = site.run(&["explain", "GET", "/a", "--host", host]);
        assert_eq!(run.code, code, "{run:?}");
        assert!(run.stdout.contains(needed), "{run:?}");
    }
    let gateway = site.serve();
    let ask = |host: &str| {
        crate::support::process::send(
            gateway.address(),
            &format!("GET /a HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
        )
        .status()
    };
    assert_eq!((ask("a.example"), ask("b.example"), ask("127.0.0.1")), (200, 421, 404));
}
