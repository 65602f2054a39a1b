//! Nothing that must be kept secret is ever written, however much is logged.

use std::time::Duration;

use super::{READ, Site};
use crate::support::process::{Gateway, Run, faregate, send, soon};

/// Base64 of 32 marked bytes.
const MASTER_KEY: &str = "bWFya2VkLW1hc3Rlci1rZXktbWFya2VkLW1hc3RlciE=";
const CLIENT: &str = "2934f41f-d277-4a32-b0d5-16e47dad9721";
const SECRET: &str = "marked-client-secret-marked-client-secret";
const OLD_SECRET: &str = "marked-wrong-secret-marked-wrong-secret-1";

const API_KEY: &str = "marked-api-key-marked-api-key-marked-api-key";
const PASSWORD: &str = "marked-password-of-ann";

const SITE: &str = r#"
management: { public: true, api_key: "marked-api-key-marked-api-key-marked-api-key" }
keys: { master_key: "${MASTER_KEY}" }
upstreams: { app: "builtin:echo", down: "http://127.0.0.1:1" }
routes:
  /public/**: { upstream: app, public: true }
  /down/**: { upstream: down, public: true }
  /api/**:
    upstream: app
    require: { GET: permission read on orders, "*": permission write on orders }
directory:
  entity_types: { api: { permissions: [read, write] } }
  entities:
    orders: { type: api, client_secret: "marked-target-secret-marked-target-secret" }
    unnamed: { type: api }
    reporting: { id: 2934f41f-d277-4a32-b0d5-16e47dad9721, type: api, client_secret: "${CLIENT_SECRET}" }
  grants: [{ recipient: reporting, target: orders, permissions: [read] }]
  applications:
    shop: { id: 00000000-0000-4000-8000-0000000005a0, login_api: { generate_refresh_tokens: true, allow_refresh: true } }
  users:
    ann@example.com: { password: "marked-password-of-ann", registrations: { shop: } }
"#;

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn serve(site: &Site) -> Gateway {
    let mut command = faregate(site.folder.path(), &["serve", "--format", "json"]);
    Gateway::start(command.env("RUST_LOG", "trace").env("MASTER_KEY", MASTER_KEY).env("CLIENT_SECRET", SECRET))
}

// O2, T77, UX 14: marked secrets through every flow, and none of them in any output, with everything logged.
#[test]
fn no_secret_is_written_anywhere() {
    let site = Site::with(&[SITE]);
    let gateway = serve(&site);
    let good = gateway.token((CLIENT, SECRET), READ);
    let basic = base64(&format!("{CLIENT}:{SECRET}"));
    let wrong_basic = base64(&format!("{CLIENT}:{OLD_SECRET}"));
    let form = "grant_type=client_credentials&password=marked-password&code=marked-code&state=marked-state";
    let post = |fields: &str, form: &str| {
        let length = form.len();
        let head = "POST /oauth2/token HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n";
        send(gateway.address(), &format!("{head}{fields}Content-Length: {length}\r\n\r\n{form}")).status()
    };
    // The token endpoint: right, wrong, twice, by every way of saying who asks.
    assert_eq!(post(&format!("Authorization: Basic {basic}\r\n"), form), 200);
    assert_eq!(post(&format!("Authorization: Basic {wrong_basic}\r\n"), form), 401);
    assert_eq!(post(&format!("Authorization: Basic {basic}\r\n"), &format!("{form}&client_secret={SECRET}")), 400);
    assert_eq!(gateway.ask_for_token((CLIENT, OLD_SECRET), "").status(), 401);
    assert_eq!(gateway.post_form("/oauth2/token?client_secret=marked-query-secret", form).status(), 400);
    assert_eq!(gateway.post_form("/oauth2/elsewhere?code=marked-code&state=marked-state", form).status(), 404);
    // Guarded requests: in the header, the query, a cookie, twice, damaged, with a body, to a server that is not there.
    let bearer = format!("Authorization: Bearer {good}\r\n");
    let body = "Content-Length: 11\r\n\r\nmarked-body";
    for (method, target, fields) in [
        ("GET", "/api/x".to_owned(), bearer.clone()),
        ("GET", "/api/x?access_token=marked-query-token".to_owned(), String::new()),
        ("GET", format!("/api/x?access_token={good}"), bearer.clone()),
        ("GET", "/api/x".to_owned(), "Cookie: access_token=marked-cookie\r\n".to_owned()),
        ("GET", "/api/x".to_owned(), "Authorization: Bearer marked-opaque-token\r\n".to_owned()),
        ("GET", "/api/x".to_owned(), format!("Authorization: Bearer {good}x\r\n")),
        ("GET", "/api/x".to_owned(), format!("Authorization: Basic {basic}\r\n")),
        ("POST", "/api/x".to_owned(), format!("{bearer}{body}")),
        ("POST", format!("/public/x?code=marked-code&access_token={good}"), format!("{bearer}{body}")),
        (
            "POST",
            format!("/down/x?code=marked-code&access_token={good}"),
            format!("{bearer}Cookie: a=marked-cookie\r\n{body}"),
        ),
        ("GET", "/api/%zz?access_token=marked-query-token".to_owned(), bearer.clone()),
        ("GET", "/api/x".to_owned(), format!("{bearer}Bad Field marked-field: {good}\r\n")),
        ("GET", "/api/x".to_owned(), format!("{bearer}X-Long: marked-long{}\r\n", "x".repeat(40_000))),
        ("GET", "/api/x HTTP/9.9\r\nX: marked-version".to_owned(), bearer.clone()),
        ("GET", "/public/x".to_owned(), "Upgrade: h2c\r\nHTTP2-Settings: marked-settings\r\n".to_owned()),
    ] {
        let request = format!("{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{fields}\r\n");
        send(gateway.address(), &request);
    }
    let given = through_the_management_api(&gateway);
    // What operators look at while it runs.
    let said = [
        gateway.admin_page("/metrics").text,
        gateway.admin_page("/status").text,
        gateway.admin_page("/readyz").text,
        operator(&site, &["status", "--admin", &gateway.admin().to_string()], ""),
        operator(&site, &["check"], ""),
        operator(&site, &["check", "--online"], ""),
        operator(&site, &["key", "list", "--format", "json"], ""),
        operator(&site, &["entity", "list", "--format", "json"], ""),
        operator(&site, &["explain", "GET", "/api/x", "--token", "-"], &good),
        operator(&site, &["explain", "GET", "/api/x", "--token", "-"], "marked-opaque-token"),
    ];
    soon(Duration::from_secs(2), || gateway.stderr().contains("missing_permission").then_some(()));
    std::thread::sleep(Duration::from_millis(300));
    let (out, log) = (gateway.stdout(), gateway.stderr());
    assert!(log.contains("\"entity.created\"") && log.contains("an upstream failed"), "the log is on: {log}");
    // D-05: what happened is told, by names that stay.
    for event in ["login.succeeded", "login.failed", "token.issued", "token.refreshed", "token.vended", "token.revoked"]
    {
        assert!(log.contains(&format!("\"{event}\"")), "{event}: {log}");
    }
    let signature = good.rsplit('.').next().unwrap();
    let given = given.iter().map(String::as_str);
    let secrets: Vec<&str> =
        given.chain(["marked", MASTER_KEY, SECRET, &good, signature, &basic, &wrong_basic, &basic[50..]]).collect();
    for text in said.iter().chain([&out, &log]) {
        for secret in &secrets {
            assert!(!text.contains(secret), "{secret} in {}", around(text, secret));
        }
    }
    assert!(!log.contains("client_secret"), "{log}");
    // The signature is what makes it a token.
    let inspected = operator(&site, &["token", "inspect"], &good);
    assert!(inspected.contains("expires in") && !inspected.contains(signature), "{inspected}");
}

/// A login, right and wrong, and what can be done with its tokens; every secret that was given out.
fn through_the_management_api(gateway: &Gateway) -> Vec<String> {
    let ask = |method: &str, target: &str, credential: &str, body: &str| {
        let length = body.len();
        let fields =
            format!("Authorization: {credential}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n");
        let head = format!("{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{fields}");
        send(gateway.address(), &format!("{head}\r\n{body}")).json()
    };
    let login = |password: &str| {
        let shop = "00000000-0000-4000-8000-0000000005a0";
        let body = format!(r#"{{"loginId":"ann@example.com","password":"{password}","applicationId":"{shop}"}}"#);
        ask("POST", "/api/login", API_KEY, &body)
    };
    assert_eq!(login("marked-wrong-password"), serde_json::Value::Null);
    ask("POST", "/api/login", "marked-wrong-key", r#"{"password":"marked-password" marked"#);
    ask("POST", "/api/login", API_KEY, r#"{"password":"marked-password" marked"#);
    let entered = login(PASSWORD);
    let text =
        |answer: &serde_json::Value, name: &str| answer[name].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    let (token, first) = (text(&entered, "token"), text(&entered, "refreshToken"));
    let refreshed =
        ask("POST", "/api/jwt/refresh", API_KEY, &format!(r#"{{"refreshToken":"{first}","token":"{token}"}}"#));
    let vended = ask("POST", "/api/jwt/vend", API_KEY, r#"{"claims":{"a":"marked-claim"}}"#);
    let bearer = format!("Bearer {token}");
    ask("GET", "/api/two-factor/secret", &bearer, "");
    ask("GET", "/api/user", &bearer, "");
    let change = r#"{"currentPassword":"marked-wrong-password","password":"marked-new-password"}"#;
    ask("POST", "/api/user/change-password", &bearer, change);
    ask("POST", "/api/two-factor/login", "", r#"{"twoFactorId":"marked-id","code":"marked-code"}"#);
    ask("DELETE", &format!("/api/jwt/refresh?token={first}x"), API_KEY, "");
    ask("POST", &format!("/api/logout?refreshToken={first}"), "", "");
    vec![token, first, text(&refreshed, "token"), text(&vended, "token")]
}

/// Everything that a command prints.
fn operator(site: &Site, arguments: &[&str], input: &str) -> String {
    let mut command = faregate(site.folder.path(), arguments);
    command.env("RUST_LOG", "trace").env("MASTER_KEY", MASTER_KEY).env("CLIENT_SECRET", SECRET);
    let run = Run::with_input(&mut command, input);
    // One of its upstreams is down.
    let most = if arguments.contains(&"--online") { 2 } else { 1 };
    assert!(run.code <= most && !run.stdout.is_empty(), "{arguments:?}: {run:?}");
    run.stdout + &run.stderr
}

fn around<'a>(text: &'a str, secret: &str) -> &'a str {
    text.lines().find(|line| line.contains(secret)).unwrap_or_default()
}

// The start fails without telling what it tried.
#[test]
fn failing_starts_keep_their_secrets() {
    for section in [
        "store: postgres://faregate:marked-database-password@127.0.0.1:1/x\n",
        "store: postgres://faregate:marked-database-password@127.0.0.1:99999/x\n",
        "store: mysql://faregate:marked-database-password@127.0.0.1/x\n",
        "keys: { master_key: \"marked-master-key-that-is-long-enough-but-no-base64!\" }\n",
        "keys: { master_key: marked-short }\n",
    ] {
        let site = Site::with(&[super::ROUTES, super::DIRECTORY, section]);
        for arguments in [&["serve"][..], &["check"], &["check", "--online"]] {
            let command = arguments[0];
            let run = Run::of(faregate(site.folder.path(), arguments).env("RUST_LOG", "trace"));
            let said = format!("{}{}", run.stdout, run.stderr);
            assert!(!said.contains("marked"), "{section}: {said}");
            assert!(command == "check" || run.code >= 2, "{section}: {said}");
        }
    }
}

// UX 14, O2: whoever puts a secret on the command line is told where it goes, and does not read it again in a log.
#[test]
fn misplaced_secrets_are_not_repeated() {
    let site = Site::new();
    for arguments in [
        &["token", "inspect", "marked-secret.marked-secret.x"][..],
        &["token", "marked-secret.marked-secret.x"],
        &["token", "password", "--client-id", "web", "--login-id", "ann@example.com", "marked-secret"],
        &["user", "create", "ann@example.com", "--password", "marked-secret"],
        &["user", "create", "ann@example.com", "--password=marked-secret"],
        &["user", "set-password", "ann@example.com", "-marked-secret"],
    ] {
        let run = site.run(arguments);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{run:?}");
        assert!(run.stderr.contains("standard input") && !run.stderr.contains("marked"), "{}", run.stderr);
    }
    let run = site.run(&["token", "inspect", "--fromat", "json"]);
    assert!(run.code == 2 && run.stderr.contains("--fromat"), "{run:?}");
}
