//! Gateways of others that ask ours for every decision, each with its configuration of `examples/`. One list of requests
//! for all of them: whoever serves it, the same is let through.

mod peer;

use serde_json::json;

use crate::support::dpop::DpopKey;
use crate::support::gateway::{Gateway, Raw, client, raw};
use peer::{Peer, Program, example};

const SECRET: &str = "a-secret-of-reporting-with-enough-characters";

/// Faregate as the example configures it, on other ports.
async fn faregate() -> Gateway {
    let bound = "  /bound/**: { upstream: app, require: authenticated, binding: { to: dpop, nonce: true } }\n";
    let text = example("faregate.yaml")
        .replace("listen: 127.0.0.1:8080", "listen: \"${LISTEN}\"")
        .replace("routes:\n", &format!("routes:\n{bound}"));
    Gateway::of(&text, &[("REPORTING_SECRET", SECRET)]).await
}

struct Behind {
    peer: Peer,
    faregate: Gateway,
    bearer: String,
}

impl Behind {
    async fn start(program: Program) -> Self {
        let faregate = faregate().await;
        let peer = Peer::start(program, faregate.address, faregate.upstream.address);
        let behind = Self { peer, faregate, bearer: String::new() };
        let token = behind.token("").await;
        Self { bearer: format!("Authorization: Bearer {token}\r\n"), ..behind }
    }

    /// Through the other gateway, as a client would, with these further fields.
    async fn token(&self, fields: &str) -> String {
        let form = format!(
            "grant_type=client_credentials&client_id=reporting&client_secret={SECRET}&scope=target-entity:orders:read"
        );
        let usual = format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n", form.len());
        let answer = self.send("POST", "/oauth2/token", &format!("{usual}{fields}"), &form).await;
        let token = answer.json()["access_token"].as_str().map(str::to_owned);
        token.unwrap_or_else(|| panic!("{} {}", answer.text, self.peer.said()))
    }

    async fn send(&self, method: &str, target: &str, fields: &str, body: &str) -> Raw {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: app.example.com\r\n{fields}Connection: close\r\n\r\n");
        raw(self.peer.address, (head + body).as_bytes()).await
    }
}

/// What a client may send to be somebody else, or to have another request decided on.
const FORGED: &str = "X-Auth-Subject: admin\r\nX-Auth-Roles: admin\r\nX-Auth-Permissions: {}\r\n";
/// The same to applications that know no difference (rule M1).
const LOOKALIKES: [&str; 2] = ["X_Auth_Roles: admin\r\n", "X-Auth_Roles: admin\r\n"];
const DIVERTED: &str = "X-Original-URI: /public/x\r\nX-Original-Method: GET\r\nX-Original-URL: http://x/public/x\r\n\
                        X-Forwarded-Uri: /public/x\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Host: x\r\n";

async fn only_what_is_permitted_gets_through(program: Program) {
    let behind = Behind::start(program).await;
    let bearer = &behind.bearer;
    let upstream = &behind.faregate.upstream;

    // Who may pass, and what the application hears of it.
    let answer = behind.send("GET", "/api/orders?page=2", &format!("{bearer}{FORGED}"), "").await;
    assert_eq!((answer.status(), answer.body()), (200, "ok"), "{program:?}: {} {}", answer.text, behind.peer.said());
    let received = upstream.last();
    assert_eq!(received.request_line(), "GET /api/orders?page=2 HTTP/1.1", "{program:?}");
    assert!(!received.head.contains("eyJ") && !received.head.contains("admin"), "{program:?}: {}", received.head);
    let subject = behind.faregate.running.directory().entities(None).await.unwrap();
    let subject = subject.iter().find(|entity| entity.name == "reporting").unwrap().id;
    assert_eq!(received.all("x-auth-subject"), [subject.to_string()], "{program:?}: {}", received.head);
    let permissions: serde_json::Value = serde_json::from_str(&received.field("x-auth-permissions").unwrap()).unwrap();
    assert_eq!(permissions.as_object().unwrap().values().collect::<Vec<_>>(), [&json!(["read"])]);

    let answer = behind.send("GET", "/public/x", FORGED, "").await;
    assert_eq!(answer.status(), 200, "{program:?}: {}", answer.text);
    let received = upstream.last();
    assert!(!received.head.contains("admin"), "{program:?}: {}", received.head);
    for field in LOOKALIKES {
        let before = upstream.count();
        let answer = behind.send("GET", "/api/orders", &format!("{bearer}{field}"), "").await;
        let is_seen = upstream.requests()[before..].iter().any(|received| received.head.contains("admin"));
        assert!(!is_seen, "{program:?} {field}: {} {}", answer.text, upstream.last().head);
    }
    proofs_get_through(&behind, program).await;
    let before = upstream.count();

    // Who may not.
    let writing = format!("{bearer}Content-Length: 0\r\n");
    for (method, target, fields, status) in [
        ("GET", "/api/orders", String::new(), 401),
        ("GET", "/api/orders", "Authorization: Bearer x\r\n".to_owned(), 401),
        ("GET", "/api/orders", DIVERTED.to_owned(), 401),
        ("POST", "/api/orders", writing.clone(), 403),
        ("POST", "/api/orders", format!("{writing}{DIVERTED}"), 403),
        ("GET", "/public/../api/orders", String::new(), 401),
        ("GET", "/nowhere", bearer.clone(), 403),
    ] {
        let answer = behind.send(method, target, &fields, "").await;
        assert_eq!(answer.status(), status, "{program:?} {method} {target} {fields}: {}", answer.text);
        let challenge = answer.field("www-authenticate").unwrap_or_default();
        assert_eq!(
            challenge.starts_with("Bearer realm="),
            target != "/nowhere",
            "{program:?} {target}: {}",
            answer.text
        );
    }
    // What is ambiguous is refused by one of the two.
    for target in ["/api/%2e%2e%2fpublic", "/public/%00", "/public/..%5capi"] {
        let answer = behind.send("GET", target, "", "").await;
        assert!((400..500).contains(&answer.status()), "{program:?} {target}: {}", answer.text);
    }
    assert_eq!(upstream.count(), before, "{program:?}: {}", upstream.last().head);

    // Whoever cannot be asked permits nothing.
    let Behind { peer, faregate, bearer } = behind;
    let upstream = faregate.upstream.clone();
    faregate.running.stop().await;
    let url = format!("http://{}/api/orders", peer.address);
    let token = bearer.trim_end().split_once(": ").unwrap().1;
    let answer = client().get(url).header("Authorization", token).send().await.unwrap();
    assert!(answer.status().is_server_error(), "{program:?}: {answer:?}");
    assert_eq!(upstream.count(), before, "{program:?}");
}

/// RFC 9449 7.1, 9: the proof is decided on, the nonce comes back, and the application sees neither.
async fn proofs_get_through(behind: &Behind, program: Program) {
    const PUBLIC: &str = "http://127.0.0.1:8000";
    let key = DpopKey::new();
    let proof = key.proof("POST", &format!("{PUBLIC}/oauth2/token"), None);
    let token = behind.token(&format!("DPoP: {proof}\r\n")).await;
    let ask = async |nonce: Option<&str>| {
        let proof = key.proof_with("GET", &format!("{PUBLIC}/bound/x"), Some(&token), |_, claims| {
            if let Some(nonce) = nonce {
                claims["nonce"] = nonce.into();
            }
        });
        behind.send("GET", "/bound/x", &format!("Authorization: DPoP {token}\r\nDPoP: {proof}\r\n"), "").await
    };
    let refused = ask(None).await;
    let challenge = refused.field("www-authenticate").unwrap_or_default();
    assert_eq!(refused.status(), 401, "{program:?}: {}", refused.text);
    assert!(challenge.contains("use_dpop_nonce"), "{program:?}: {}", refused.text);
    let nonce = refused.field("dpop-nonce").unwrap_or_else(|| panic!("{program:?}: {}", refused.text));
    let passed = ask(Some(nonce)).await;
    assert_eq!((passed.status(), passed.field("dpop-nonce")), (200, None), "{program:?}: {}", passed.text);
    let received = behind.faregate.upstream.last();
    assert_eq!((received.field("authorization"), received.field("dpop")), (None, None), "{program:?}");
    // The same as a bearer token is nobody's.
    let stolen = behind.send("GET", "/bound/x", &format!("Authorization: Bearer {token}\r\n"), "").await;
    assert_eq!(stolen.status(), 401, "{program:?}: {}", stolen.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_asks() {
    only_what_is_permitted_gets_through(Program::Nginx).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_asks() {
    only_what_is_permitted_gets_through(Program::HaProxy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caddy_asks() {
    only_what_is_permitted_gets_through(Program::Caddy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envoy_asks() {
    only_what_is_permitted_gets_through(Program::Envoy).await;
}
