//! RFC 9728: what protected resources tell of themselves, and how a refused client finds it, through the real listener.

use serde_json::{Value, json};

use super::rfc6750::attributes;
use crate::support::gateway::{Gateway, Raw};

const CORP: &str = "https://idp.example.com";
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

const ROUTES: &str = r#"
listen: "${LISTEN}"
trusted_proxies: ["127.0.0.1"]
issuers: { self: {}, corp: { issuer: "${CORP}", audience: api, jwks_uri: "${CORP}/keys" } }
upstreams: { app: "${UPSTREAM}", nginx: "builtin:elsewhere" }
routes:
  /public/**: { upstream: app, public: true }
  /api/**:
    upstream: app
    tokens: [self, corp]
    require:
      GET: scope orders:read
      HEAD: public
      POST: "all: [scope orders:read, any: [scope orders:write, role admin], not: scope never]"
      DELETE: role admin
  /api/quiet/**: { extends: /api/**, resource_metadata: false }
  /entities/{entity}: { upstream: app, tokens: [self], require: "permission read on {entity}" }
  /orders: { upstream: app, tokens: [self], require: permission write on orders }
  /hosted/**: { upstream: app, tokens: [corp], require: any scope a b, hosts: [app.example.com] }
  /asked/**: { upstream: nginx, tokens: [corp], require: scope asked, hosts: [app.example.com] }
"#;

async fn start() -> Gateway {
    Gateway::of(ROUTES, &[("CORP", CORP)]).await
}

async fn get(gateway: &Gateway, host: &str, target: &str) -> Raw {
    gateway.raw(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await
}

/// The members of a document; its name is `resource`.
async fn document(gateway: &Gateway, (host, path): (&str, &str), resource: &str) -> Value {
    let answer = get(gateway, host, &format!("{WELL_KNOWN}{path}")).await;
    assert_eq!(answer.status(), 200, "{path}: {}", answer.text);
    assert_eq!(answer.field("content-type"), Some("application/json"), "{path}");
    let mut document = answer.json();
    assert_eq!(document["resource"], resource, "{path}");
    document.as_object_mut().unwrap().remove("resource");
    document
}

fn told(servers: &[&str], scopes: &[&str]) -> Value {
    let mut told = json!({ "bearer_methods_supported": ["header"], "authorization_servers": servers });
    if !scopes.is_empty() {
        told["scopes_supported"] = scopes.into();
    }
    told
}

// RFC 9728 2, 3.1, 3.3: the document of a path is that of the route which serves it, and names exactly that path
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_protected_path_describes_itself() {
    let gateway = start().await;
    let own = gateway.url("");
    let both = [own.as_str(), CORP];
    let api = ["orders:read", "orders:write"];
    for (path, servers, scopes) in [
        ("/api", &both[..], &api[..]),
        ("/api/orders/17", &both, &api),
        ("/api/a%20b", &both, &api),
        // Which entity it is, only a request says.
        ("/entities/e1", &both[..1], &[]),
        ("/orders", &both[..1], &["target-entity:orders:write"]),
    ] {
        assert_eq!(document(&gateway, ("gate.test", path), &gateway.url(path)).await, told(servers, scopes), "{path}");
    }
    // Without a path, for all that this host serves.
    let all = ["orders:read", "orders:write", "target-entity:orders:write"];
    assert_eq!(document(&gateway, ("gate.test", ""), &own).await, told(&both, &all));
    let hosted = ("app.example.com", "/hosted/x");
    let found = document(&gateway, hosted, "http://app.example.com/hosted/x").await;
    assert_eq!(found, told(&both[1..], &["a", "b"]));
    let every = ["a", "asked", "b", "orders:read", "orders:write", "target-entity:orders:write"];
    assert_eq!(document(&gateway, ("app.example.com", ""), "http://app.example.com").await, told(&both, &every));
}

// RFC 9728 3: only what is protected, and unless the operator keeps it quiet
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_else_is_described() {
    let gateway = start().await;
    for path in ["/public/x", "/api/quiet/x", "/nothing", "/oauth2/token", "/hosted/x", "x"] {
        let answer = get(&gateway, "gate.test", &format!("{WELL_KNOWN}{path}")).await;
        assert_eq!(answer.status(), 404, "{path}: {}", answer.text);
    }
    let quiet = get(&gateway, "gate.test", "/api/quiet/x").await;
    let challenge = quiet.field("www-authenticate").unwrap();
    assert_eq!((quiet.status(), attributes(challenge, "quiet").get("resource_metadata")), (401, None));
    let refused = gateway.request("POST", &format!("{WELL_KNOWN}/api"), "").await;
    assert_eq!((refused.status(), refused.field("allow")), (405, Some("GET, HEAD, OPTIONS")));
}

// RFC 9728 5.1, 3.3: the challenge leads to the document of the URL that the client used; RFC 6750 3: and says the scopes
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_client_is_led_to_the_document() {
    let gateway = start().await;
    let bad = "Authorization: Bearer x\r\n";
    for (method, path, fields, scope) in [
        ("GET", "/api/orders/17?a=b", "", Some("orders:read")),
        ("GET", "/api/orders/17", bad, Some("orders:read")),
        ("POST", "/api", "Content-Length: 0\r\n", Some("orders:read orders:write")),
        ("DELETE", "/api/orders", "", None),
        ("PATCH", "/api/orders", "", None),
        ("GET", "/api/../api//orders", "", Some("orders:read")),
        ("GET", "/entities/e%201", "", None),
        ("GET", "/entities/e1", bad, Some("target-entity:e1:read")),
        ("PUT", "/orders", "", Some("target-entity:orders:write")),
    ] {
        let answer = gateway.request(method, path, fields).await;
        let challenge = answer.field("www-authenticate").unwrap_or_else(|| panic!("{method} {path}: {}", answer.text));
        let said = attributes(challenge, path);
        assert_eq!((answer.status(), said.get("scope").copied()), (401, scope), "{method} {path}: {challenge}");
        let place = said["resource_metadata"].strip_prefix(&gateway.url("")).unwrap();
        let suffix = place.strip_prefix(WELL_KNOWN).unwrap();
        let found = get(&gateway, "gate.test", place).await;
        assert_eq!(found.json()["resource"], gateway.url(suffix), "{method} {path}");
        assert_eq!(suffix, path.split('?').next().unwrap().replace("/../api//", "/"));
    }
}

// Hosts are the configuration's: what a client claims to have called us never becomes a link of ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_led_to_a_host_that_was_made_up() {
    let gateway = start().await;
    for (host, target, place) in [
        ("evil.example", "/api/x", format!("{}{WELL_KNOWN}/api/x", gateway.url(""))),
        ("APP.example.com:8443", "/hosted/x", format!("http://app.example.com:8443{WELL_KNOWN}/hosted/x")),
    ] {
        let answer = get(&gateway, host, target).await;
        let said = attributes(answer.field("www-authenticate").unwrap(), target);
        assert_eq!((answer.status(), said["resource_metadata"]), (401, place.as_str()), "{host}");
    }
    // The same for those who only ask.
    let asked = "X-Original-Method: GET\r\nX-Original-URI: /asked/a?b\r\nX-Forwarded-Host: app.example.com\r\n";
    let answer = gateway.request("GET", "/_faregate/verify", asked).await;
    let said = attributes(answer.field("www-authenticate").unwrap(), "asked");
    let place = format!("http://app.example.com{WELL_KNOWN}/asked/a");
    assert_eq!((said["resource_metadata"], said["scope"]), (place.as_str(), "asked"));
}

// Fetch standard 3.2: scripts of any origin may read what is public, with whatever field they send along
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_may_read_the_documents() {
    let gateway = start().await;
    let target = format!("{WELL_KNOWN}/api");
    let answer = gateway.request("GET", &target, "Origin: https://app.example\r\n").await;
    assert_eq!(answer.field("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.field("cache-control"), Some("public, max-age=300"));
    let asks = "Origin: https://app.example\r\nAccess-Control-Request-Method: GET\r\n\
                Access-Control-Request-Headers: mcp-protocol-version\r\n";
    let preflight = gateway.request("OPTIONS", &target, asks).await;
    assert_eq!((preflight.status(), preflight.field("access-control-allow-headers")), (204, Some("*")));
    let head = gateway.request("HEAD", &target, "").await;
    assert_eq!((head.status(), head.body()), (200, ""));
}
