//! What a server of the tests needs to speak TLS.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openssl::pkey::PKey;
use openssl::ssl::{SslAcceptor, SslAcceptorBuilder, SslMethod};
use openssl::x509::X509;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// An acceptor with a certificate that nobody signed, for the name `localhost`.
pub fn acceptor() -> SslAcceptorBuilder {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    builder.set_certificate(&X509::from_pem(made.cert.pem().as_bytes()).unwrap()).unwrap();
    let key = made.signing_key.serialize_pem();
    builder.set_private_key(&PKey::private_key_from_pem(key.as_bytes()).unwrap()).unwrap();
    builder
}

/// Somebody who signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for `name`, and its key.
    pub fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    /// Speaks for a server called `localhost`.
    pub fn acceptor(&self) -> SslAcceptor {
        let (certificate, key) = self.sign("localhost");
        let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
        builder.set_certificate(&X509::from_pem(certificate.as_bytes()).unwrap()).unwrap();
        builder.set_private_key(&PKey::private_key_from_pem(key.as_bytes()).unwrap()).unwrap();
        builder.build()
    }
}

/// Ends TLS in front of a server that speaks none. Whoever signs for it may change.
#[derive(Clone)]
pub struct Relay {
    pub port: u16,
    acceptor: Arc<Mutex<SslAcceptor>>,
    /// Which signature counts.
    turn: Arc<AtomicUsize>,
}

impl Relay {
    pub fn start(authority: &Authority, to: SocketAddr) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let acceptor = Arc::new(Mutex::new(authority.acceptor()));
        let turn = Arc::new(AtomicUsize::new(0));
        let port = socket.local_addr().unwrap().port();
        let relay = Self { port, acceptor: acceptor.clone(), turn: turn.clone() };
        std::thread::spawn(move || {
            for stream in socket.incoming().flatten() {
                let acceptor = acceptor.lock().unwrap().clone();
                let turn = turn.clone();
                let began = turn.load(Ordering::Relaxed);
                let is_over = move || turn.load(Ordering::Relaxed) != began;
                std::thread::spawn(move || pass(&acceptor, stream, to, is_over));
            }
        });
        relay
    }

    /// From now on this one signs; connections of before end.
    pub fn sign_with(&self, authority: &Authority) {
        *self.acceptor.lock().unwrap() = authority.acceptor();
        self.turn.fetch_add(1, Ordering::Relaxed);
    }
}

/// Both ways in one thread, a little of each at a time.
fn pass(acceptor: &SslAcceptor, stream: TcpStream, to: SocketAddr, is_over: impl Fn() -> bool) {
    let turn = Some(Duration::from_millis(5));
    let Ok(mut client) = acceptor.accept(stream) else { return };
    let Ok(mut server) = TcpStream::connect(to) else { return };
    client.get_ref().set_read_timeout(turn).unwrap();
    server.set_read_timeout(turn).unwrap();
    let mut buffer = [0; 16 * 1024];
    while !is_over() {
        match client.read(&mut buffer) {
            Ok(read) if read > 0 && server.write_all(&buffer[..read]).is_ok() => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => return,
        }
        match server.read(&mut buffer) {
            Ok(read) if read > 0 && client.write_all(&buffer[..read]).is_ok() => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => return,
        }
    }
}
