//! gRPC through the gateway, with a client and a service of the reference implementation, and HTTP/2 to upstreams.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{fs, sync::Arc};

use serde_json::{Value, json};

use crate::support::files::Folder;
use crate::support::gateway::{Gateway, RECIPIENT_ID, client};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/gateway/grpc")
}

/// Python with what `requirements.txt` pins.
fn python() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let install = || {
        let pins = folder().join("requirements.txt");
        let pinned = fs::read_to_string(&pins).unwrap();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("grpc");
        let (mark, program) = (folder.join("installed"), folder.join("venv/bin/python"));
        if fs::read_to_string(&mark).is_ok_and(|before| before == pinned) {
            return program;
        }
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        succeed(Command::new("python3").args(["-m", "venv", "venv"]).current_dir(&folder));
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r"];
        succeed(Command::new(&program).args(pip).arg(&pins));
        fs::write(mark, pinned).unwrap();
        program
    };
    PROGRAM.get_or_init(install).clone()
}

fn succeed(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?}: {error}; scripts/deps test installs what is missing");
    });
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

struct Service {
    program: Child,
    port: u16,
}

impl Service {
    fn start() -> Self {
        let mut command = Command::new(python());
        command.arg(folder().join("peer.py")).arg("serve").stdout(Stdio::piped());
        let mut program = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { program, port: line.trim().parse().unwrap() }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// What came of each kind of call.
async fn call(gateway: &Gateway, prefix: &str, token: &str) -> Value {
    let arguments = ["call".to_owned(), gateway.address.to_string(), prefix.to_owned(), token.to_owned()];
    let call = move || succeed(Command::new(python()).arg(folder().join("peer.py")).args(arguments));
    serde_json::from_slice(&tokio::task::spawn_blocking(call).await.unwrap()).unwrap()
}

// gRPC over HTTP/2: every kind of call, streams both ways, trailers; and refusals in gRPC's own words
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_pass_and_refusals_are_understood() {
    let service = tokio::task::spawn_blocking(Service::start).await.unwrap();
    let sections = format!(
        "upstreams:\n  app: {{ servers: [\"127.0.0.1:{}\"], http2: true }}\n  gone: {{ servers: [\"127.0.0.1:1\"], http2: true }}\n\
         routes:\n  /any.Service/*: {{ upstream: app, require: authenticated }}\n  \
         /admin.Service/*: {{ upstream: app, require: role admin }}\n  /gone.Service/*: {{ upstream: gone, public: true }}\n",
        service.port
    );
    let gateway = Gateway::with(&sections, &[]).await;
    let token = gateway.token("").await;

    let outcomes = call(&gateway, "/any.Service", &token).await;
    let answer = |kind: &str| (outcomes[kind]["code"].clone(), outcomes[kind]["answer"].clone());
    assert_eq!(
        answer("unary"),
        (json!("OK"), json!([format!("hello|{RECIPIENT_ID}|clean"), "at the end"])),
        "{outcomes}"
    );
    assert_eq!(answer("count"), (json!("OK"), json!(1000)), "{outcomes}");
    assert_eq!(answer("sum"), (json!("OK"), json!("4950")), "{outcomes}");
    assert_eq!(answer("chat"), (json!("OK"), json!(["echo 0", "echo 1", "echo 2", "echo 3", "echo 4"])), "{outcomes}");
    assert_eq!(outcomes["fail"]["code"], "FAILED_PRECONDITION", "{outcomes}");
    assert_eq!(outcomes["fail"]["detail"], "not in this state: x");
    assert_eq!(outcomes["missing"]["code"], "UNIMPLEMENTED", "the service's own refusal: {outcomes}");

    for (prefix, token, code, reason) in [
        ("/any.Service", "", "UNAUTHENTICATED", "no_token"),
        ("/any.Service", "garbage", "UNAUTHENTICATED", "malformed"),
        ("/admin.Service", &token, "PERMISSION_DENIED", "missing_role"),
        ("/none.Service", &token, "UNIMPLEMENTED", "no_route"),
        ("/gone.Service", "", "UNAVAILABLE", "upstream_unreachable"),
    ] {
        let outcomes = call(&gateway, prefix, token).await;
        for kind in ["unary", "count", "sum", "chat"] {
            let outcome = &outcomes[kind];
            assert_eq!(outcome["code"], code, "{prefix} {kind}: {outcomes}");
            assert!(outcome["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
            let fields = &outcome["fields"];
            assert!(fields["x-request-id"].is_string(), "{outcomes}");
            assert_eq!(fields["www-authenticate"].is_string(), matches!(code, "UNAUTHENTICATED" | "PERMISSION_DENIED"));
            assert!(reason == "malformed" || fields["x-problem-code"] == reason, "{outcomes}");
        }
    }
    // Whoever does not speak gRPC gets the statuses of HTTP.
    let refused = client().get(gateway.url("/any.Service/Unary")).send().await.unwrap();
    assert_eq!(refused.status(), 401);
}

/// An upstream that speaks nothing but HTTP/2 with prior knowledge; it counts connections and requests.
async fn h2c_upstream(counts: Arc<(AtomicUsize, AtomicUsize)>, answer_after: Duration) -> std::net::SocketAddr {
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = socket.accept().await {
            counts.0.fetch_add(1, Ordering::SeqCst);
            let counts = counts.clone();
            tokio::spawn(async move {
                let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    counts.1.fetch_add(1, Ordering::SeqCst);
                    tokio::spawn(async move {
                        tokio::time::sleep(answer_after).await;
                        let path = request.uri().path().to_owned();
                        if path.ends_with("/refused") && request.headers().contains_key("x-first") {
                            return respond.send_reset(h2::Reason::REFUSED_STREAM);
                        }
                        let head = http::Response::builder()
                            .header("x-authority", request.uri().authority().unwrap().as_str());
                        let mut body = respond.send_response(head.body(()).unwrap(), false).unwrap();
                        body.send_data(path.into(), true).unwrap();
                    });
                }
            });
        }
    });
    address
}

// RFC 9113 3.3: prior knowledge, many requests on few connections, and a health check in the same protocol
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_without_tls() {
    let counts = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let address = h2c_upstream(counts.clone(), Duration::from_millis(200)).await;
    let sections = format!(
        "upstreams:\n  app: {{ servers: [\"{address}\"], http2: true, health: {{ path: /healthz, interval: 100ms, unhealthy_after: 2 }} }}\n\
         routes:\n  /public/**: {{ upstream: app, public: true }}\n"
    );
    let gateway = Gateway::with(&sections, &[]).await;
    let first = client().get(gateway.url("/public/first")).send().await.unwrap();
    assert_eq!(
        (first.status().as_u16(), first.headers()["x-authority"].to_str().unwrap()),
        (200, &*gateway.address.to_string())
    );
    let before = counts.0.load(Ordering::SeqCst);
    let client = client();
    let crowd: Vec<_> = (0..50)
        .map(|n| {
            let request = client.get(gateway.url(&format!("/public/{n}"))).send();
            tokio::spawn(async move { request.await.unwrap().text().await.unwrap() })
        })
        .collect();
    for (n, one) in crowd.into_iter().enumerate() {
        assert_eq!(one.await.unwrap(), format!("/public/{n}"));
    }
    // Health checks open their own connections; requests share a few.
    let opened = counts.0.load(Ordering::SeqCst) - before;
    assert!(opened <= 20, "{opened} connections");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(gateway.metrics().await.contains("faregate_upstream_healthy_servers{upstream=\"app\"} 1\n"));
}

// RFC 7301: HTTP/2 by ALPN, to a server that is known by its own authority. The server is a gateway too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_with_tls() {
    let folder = Folder::new();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate = folder.write("tls.crt", &made.cert.pem());
    let key = folder.write("tls.key", &made.signing_key.serialize_pem());
    let counts = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let last = h2c_upstream(counts, Duration::from_millis(500)).await;
    let inner = format!(
        "listen: {{ address: 127.0.0.1:0, tls: {{ certificate: {certificate}, key: {key} }} }}\nissuers: {{ self: {{}} }}\n\
         upstreams:\n  app: {{ servers: [\"{last}\"], http2: true }}\nroutes:\n  /public/**: {{ upstream: app, public: true }}\n"
    );
    let inner = Gateway::of(&inner, &[]).await;
    // Those that come at the same instant may each find the shared connection taken, and open one of their own.
    for (http2, most) in [(true, 19), (false, 30)] {
        let sections = format!(
            "upstreams:\n  app: {{ servers: [\"127.0.0.1:{}\"], http2: {http2}, tls: {{ ca: {certificate}, server_name: localhost }} }}\n\
             routes:\n  /public/**: {{ upstream: app, public: true }}\n",
            inner.address.port()
        );
        let outer = Gateway::with(&sections, &[]).await;
        let client = client();
        assert_eq!(client.get(outer.url("/public/first")).send().await.unwrap().status(), 200);
        let crowd: Vec<_> = (0..30)
            .map(|_| {
                let request = client.get(outer.url("/public/x")).send();
                tokio::spawn(async move { request.await.unwrap().status().as_u16() })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(350)).await;
        let metrics = inner.metrics().await;
        let open =
            metrics.lines().find_map(|line| line.strip_prefix("faregate_open_connections ")?.parse::<usize>().ok());
        for one in crowd {
            assert_eq!(one.await.unwrap(), 200);
        }
        assert!(open.is_some_and(|open| if http2 { open <= most } else { open >= 20 }), "http2 {http2}: {open:?}");
    }
}
