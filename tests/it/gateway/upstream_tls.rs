//! TLS to upstreams: authorities of one's own, names that are verified, and certificates that are shown.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use openssl::pkey::PKey;
use openssl::ssl::{SslAcceptor, SslMethod, SslVerifyMode};
use openssl::x509::X509;

use crate::support::files::Folder;
use crate::support::gateway::Gateway;
use crate::support::tls::Authority;

/// A server called `localhost`, with a certificate of `authority`. It tells who showed it a certificate of `clients`, and
/// speaks with nobody else if there are any.
fn server(authority: &Authority, clients: Option<&Authority>) -> SocketAddr {
    let (certificate, key) = authority.sign("localhost");
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    builder.set_certificate(&X509::from_pem(certificate.as_bytes()).unwrap()).unwrap();
    builder.set_private_key(&PKey::private_key_from_pem(key.as_bytes()).unwrap()).unwrap();
    if let Some(clients) = clients {
        builder.cert_store_mut().add_cert(X509::from_pem(clients.pem().as_bytes()).unwrap()).unwrap();
        builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        builder.set_session_id_context(b"test").unwrap();
    }
    let acceptor = builder.build();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in socket.incoming().flatten() {
            let acceptor = acceptor.clone();
            std::thread::spawn(move || {
                let Ok(mut stream) = acceptor.accept(stream) else { return };
                let shown = stream.ssl().peer_certificate().and_then(|certificate| {
                    let name = certificate.subject_name().entries().last()?.data().as_slice().to_vec();
                    String::from_utf8(name).ok()
                });
                let _ = stream.read(&mut [0; 4096]);
                let shown = shown.unwrap_or_else(|| "nobody".to_owned());
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", shown.len());
                let _ = stream.write_all((head + &shown).as_bytes());
            });
        }
    });
    address
}

/// Files that a configuration names.
struct Files {
    folder: Folder,
}

impl Files {
    fn new() -> Self {
        Self { folder: Folder::new() }
    }

    fn authority(&self, name: &str, authority: &Authority) -> String {
        self.folder.write(name, &authority.pem())
    }

    /// `certificate: ..., key: ...`
    fn shown(&self, name: &str, by: &Authority) -> String {
        let (certificate, key) = by.sign(name);
        let certificate = self.folder.write(&format!("{name}.crt"), &certificate);
        let key = PathBuf::from(self.folder.write(&format!("{name}.key"), &key));
        format!("certificate: {certificate}, key: {}", key.display())
    }
}

/// Status, and the body or the code of the refusal.
async fn outcome(gateway: &Gateway, path: &str) -> (u16, String) {
    let mut wire = gateway.connect().await;
    wire.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    let answer = wire.answer().await;
    let code = answer.json()["code"].as_str().map(str::to_owned);
    (answer.status(), code.unwrap_or_else(|| answer.body().to_owned()))
}

// M8: an authority of one's own is believed, and nobody else; the name is verified too
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_are_known_by_their_authority() {
    let (own, other) = (Authority::new("own"), Authority::new("other"));
    let address = server(&own, None);
    let files = Files::new();
    let (own, other) = (files.authority("own.crt", &own), files.authority("other.crt", &other));
    let sections = format!(
        "upstreams:\n  right: {{ servers: [\"{address}\"], tls: {{ ca: {own}, server_name: localhost }} }}\n  \
         sni: {{ servers: [\"{address}\"], tls: {{ ca: {own} }}, sni: localhost }}\n  \
         host: {{ servers: [\"https://localhost:{port}\"], tls: {{ ca: {own} }} }}\n  \
         stranger: {{ servers: [\"{address}\"], tls: {{ ca: {other}, server_name: localhost }} }}\n  \
         system: {{ servers: [\"{address}\"], tls: true, sni: localhost }}\n  \
         name: {{ servers: [\"{address}\"], tls: {{ ca: {own}, server_name: other.test }} }}\nroutes:\n",
        port = address.port()
    );
    let names = ["right", "sni", "host", "stranger", "system", "name"];
    let routes = names.map(|name| format!("  /{name}: {{ upstream: {name}, public: true }}\n")).concat();
    let gateway = Gateway::with(&(sections + &routes), &[]).await;
    // In turns: who is believed by one upstream is not believed by another.
    for _ in 0..3 {
        for name in names {
            let expected = match name {
                "right" | "sni" | "host" => (200, "nobody"),
                _ => (502, "upstream_tls"),
            };
            assert_eq!(outcome(&gateway, &format!("/{name}")).await, (expected.0, expected.1.to_owned()), "{name}");
        }
    }
}

// ASVS 12.3.5: servers that ask are shown a certificate, which is the upstream's own
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_see_who_asks() {
    let (own, clients) = (Authority::new("own"), Authority::new("clients"));
    let address = server(&own, Some(&clients));
    let files = Files::new();
    let ca = files.authority("own.crt", &own);
    let tls = |more: &str| format!("tls: {{ ca: {ca}, server_name: localhost{more} }}");
    let shown = |name: &str, by: &Authority| tls(&format!(", {}", files.shown(name, by)));
    let upstreams = [
        ("orders", shown("orders-gateway", &clients)),
        ("mail", shown("mail-gateway", &clients)),
        ("foreign", shown("foreign-gateway", &own)),
        ("none", tls("")),
    ];
    let mut sections = "upstreams:\n".to_owned();
    for (name, tls) in &upstreams {
        let health = "health: { path: /healthz, interval: 1s, unhealthy_after: 100 }";
        sections.push_str(&format!("  {name}: {{ servers: [\"{address}\"], {tls}, {health} }}\n"));
    }
    sections.push_str("routes:\n");
    for (name, _) in &upstreams {
        sections.push_str(&format!("  /{name}: {{ upstream: {name}, public: true }}\n"));
    }
    let gateway = Gateway::with(&sections, &[]).await;
    for _ in 0..3 {
        assert_eq!(outcome(&gateway, "/orders").await, (200, "orders-gateway".to_owned()));
        assert_eq!(outcome(&gateway, "/mail").await, (200, "mail-gateway".to_owned()));
        for refused in ["/foreign", "/none"] {
            let (status, code) = outcome(&gateway, refused).await;
            // In TLS 1.3 the refusal comes after the client's handshake.
            assert!(status == 502 && ["upstream_tls", "upstream_failed"].contains(&code.as_str()), "{refused}: {code}");
        }
    }
}

// M8, DESIGN: a health check trusts and shows what requests do
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_checks_use_the_same_tls() {
    let (own, clients) = (Authority::new("own"), Authority::new("clients"));
    let address = server(&own, Some(&clients));
    let files = Files::new();
    let (ca, shown) = (files.authority("own.crt", &own), files.shown("gateway", &clients));
    for (tls, healthy) in [(format!("ca: {ca}, {shown}"), 1), (format!("ca: {ca}"), 0)] {
        let sections = format!(
            "upstreams:\n  app: {{ servers: [\"{address}\"], tls: {{ server_name: localhost, {tls} }}, \
             health: {{ path: /healthz, interval: 100ms, unhealthy_after: 2 }} }}\n\
             routes:\n  /public/**: {{ upstream: app, public: true }}\n"
        );
        let gateway = Gateway::with(&sections, &[]).await;
        tokio::time::sleep(Duration::from_millis(800)).await;
        let line = format!("faregate_upstream_healthy_servers{{upstream=\"app\"}} {healthy}\n");
        assert!(gateway.metrics().await.contains(&line), "{tls}: {}", gateway.metrics().await);
    }
}
