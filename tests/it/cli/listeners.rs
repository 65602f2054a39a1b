//! Listeners and their certificates while the gateway runs.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use openssl::ssl::{SslConnector, SslMethod, SslStream, SslVerifyMode};

use super::{HEAD, ROUTES, Site};
use crate::support::process::{Gateway, faregate, soon};

/// Writes a pair that nobody signed, and answers the certificate's digest.
pub(super) fn make_pair(site: &Site, certificate: &str, key: &str) -> Vec<u8> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(site.file(certificate), made.cert.pem()).unwrap();
    fs::write(site.file(key), made.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(site.file(key), fs::Permissions::from_mode(0o600)).unwrap();
    made.cert.der().to_vec()
}

pub(super) struct Client(SslStream<TcpStream>);

impl Client {
    pub(super) fn connect(address: SocketAddr) -> Self {
        let mut builder = SslConnector::builder(SslMethod::tls()).unwrap();
        builder.set_verify(SslVerifyMode::NONE);
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self(builder.build().configure().unwrap().verify_hostname(false).connect("localhost", stream).unwrap())
    }

    /// The certificate that was shown.
    fn certificate(&self) -> Vec<u8> {
        self.0.ssl().peer_certificate().unwrap().to_der().unwrap()
    }

    pub(super) fn ask(&mut self) -> bool {
        self.0.write_all(b"GET /public/x HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        let mut piece = [0; 4096];
        // The built-in upstream answers with a length.
        loop {
            let read = self.0.read(&mut piece).unwrap();
            answer.extend_from_slice(&piece[..read]);
            let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                if body.len() >= length.parse().unwrap() {
                    return head.starts_with("http/1.1 200");
                }
            }
            assert!(read > 0, "{text}");
        }
    }
}

fn with_tls(rest: &str) -> String {
    let tls = "{ address: \"127.0.0.1:${PORT:-0}\", tls: { certificate: tls.crt, key: tls.key } }";
    let head = HEAD.replace("\"127.0.0.1:${PORT:-0}\"", tls);
    format!("{head}{rest}{ROUTES}")
}

fn serve(site: &Site) -> (Gateway, SocketAddr) {
    let gateway = Gateway::start(&mut faregate(site.folder.path(), &["serve", "--format", "json"]));
    let address = gateway.ready["gateway"].as_str().unwrap().strip_prefix("https://").unwrap().parse().unwrap();
    (gateway, address)
}

// The next handshake sees the new certificate; connections that are open live on; a pair that does not belong together
// changes nothing.
#[test]
fn certificates_change_while_connections_live_on() {
    let site = Site::new();
    let first = make_pair(&site, "tls.crt", "tls.key");
    site.write(&with_tls("watch: true\n"));
    let (gateway, address) = serve(&site);
    let mut old = Client::connect(address);
    assert!(old.certificate() == first && old.ask());

    // A new certificate whose key has not come yet.
    let second = make_pair(&site, "new.crt", "new.key");
    fs::rename(site.file("new.crt"), site.file("tls.crt")).unwrap();
    let run = site.run(&["reload", "--admin", &gateway.admin().to_string()]);
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stderr.contains("the key does not belong to the certificate"), "{run:?}");
    assert!(Client::connect(address).certificate() == first);
    fs::rename(site.file("new.key"), site.file("tls.key")).unwrap();
    let mut new = soon(Duration::from_secs(10), || {
        Some(Client::connect(address)).filter(|client| client.certificate() == second)
    });
    assert!(new.ask() && old.ask(), "on both");
    let status = gateway.admin_page("/status").json();
    assert!(status["last_reload"]["summary"].as_str().unwrap().contains(": certificates changed; "), "{status}");
}

// Handshakes and requests under way while certificates change again and again.
#[test]
fn no_handshake_fails_while_certificates_change() {
    let site = Site::new();
    make_pair(&site, "tls.crt", "tls.key");
    site.write(&with_tls(""));
    let (gateway, address) = serve(&site);
    let ends = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut kept = Client::connect(address);
                    let mut asked = 0;
                    while !ends.load(Ordering::Relaxed) {
                        assert!(Client::connect(address).ask() && kept.ask());
                        asked += 2;
                    }
                    asked
                })
            })
            .collect();
        for _ in 0..10 {
            make_pair(&site, "tls.crt", "tls.key");
            let run = site.run(&["reload", "--admin", &gateway.admin().to_string()]);
            assert_eq!(run.code, 0, "{run:?}");
        }
        ends.store(true, Ordering::Relaxed);
        let asked: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
        assert!(asked > 20, "{asked}");
    });
}

// Listeners come and go; those that stay keep their sockets, and a port in use changes nothing.
#[test]
fn listeners_come_and_go() {
    let site = Site::new();
    let gateway = site.serve();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let reload = || site.run(&["reload", "--admin", &gateway.admin().to_string()]);
    let write = |listen: &str| {
        let listen = format!("[\"127.0.0.1:${{PORT:-0}}\", {listen}]");
        site.write(&format!("{}{ROUTES}", HEAD.replace("\"127.0.0.1:${PORT:-0}\"", &listen)));
    };
    let mut kept = TcpStream::connect(gateway.address()).unwrap();
    write(&format!("\"{free}\""));
    let run = reload();
    assert!(run.code == 0 && run.stdout.contains("listeners changed"), "{run:?}");
    TcpStream::connect(free).unwrap();
    let status = gateway.admin_page("/status").json();
    assert_eq!(status["configuration"]["listeners"][1], format!("http://{free}"));
    write(&format!("\"{free}\", \"{}\"", taken.local_addr().unwrap()));
    let run = reload();
    assert!(run.code == 2 && run.stderr.contains("it is in use by another process"), "{run:?}");
    site.write(&format!("{HEAD}{ROUTES}"));
    assert_eq!(reload().code, 0);
    soon(Duration::from_secs(5), || TcpStream::connect(free).is_err().then_some(()));
    kept.write_all(b"GET /public/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    kept.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
