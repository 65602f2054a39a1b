//! Floods from few clients: HTTP/2 frames that cost their sender nothing, and handshakes that cost us more than him. Whoever
//! behaves does not notice.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};

use super::{PATIENCE, Site, port, rounds, seed, tokens, traffic};
use crate::support::cost::{Cost, cpu_time};
use crate::support::ledger::Ledger;
use crate::support::process::soon;
use crate::support::steady::Steady;
use crate::support::tls::Authority;

/// Requests a second of those who behave.
const RATE: u32 = 150;

/// Flags of frames (RFC 9113 6).
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// Types of frames (RFC 9113 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A field that is no entry of a table, its name given by the number of a static entry (RFC 7541 6.2.2).
fn field(name: u8, value: &str) -> Vec<u8> {
    [&[name, u8::try_from(value.len()).unwrap()], value.as_bytes()].concat()
}

/// The head of a request for `target`.
fn request(get: bool, target: &str) -> Vec<u8> {
    const METHOD_GET: u8 = 0x82;
    const METHOD_POST: u8 = 0x83;
    const SCHEME_HTTP: u8 = 0x86;
    const AUTHORITY: u8 = 1;
    const PATH: u8 = 4;
    let method = if get { METHOD_GET } else { METHOD_POST };
    [vec![method, SCHEME_HTTP], field(AUTHORITY, "127.0.0.1"), field(PATH, target)].concat()
}

/// Clients open streams with odd numbers.
fn stream(number: u32) -> u32 {
    2 * number + 1
}

/// What one connection says, over and over.
pub(super) struct Flood {
    name: &'static str,
    /// The frames of one turn.
    turn: fn(u32) -> Vec<u8>,
}

pub(super) const FLOODS: [Flood; 9] = [
    Flood {
        // CVE-2023-44487, of requests that are refused, and of some that go on to an upstream.
        name: "rapid reset",
        turn: |number| {
            let target = if number.is_multiple_of(2) { "/api/orders" } else { "/public/x" };
            let head = frame(HEADERS, END_STREAM | END_HEADERS, stream(number), &request(true, target));
            [head, frame(RST_STREAM, 0, stream(number), &8_u32.to_be_bytes())].concat()
        },
    },
    Flood {
        // CVE-2025-8671: the server is made to reset the stream itself, by an increment of 0 (RFC 9113 6.9).
        name: "made you reset",
        turn: |number| {
            let head = frame(HEADERS, END_STREAM | END_HEADERS, stream(number), &request(true, "/public/x"));
            [head, frame(WINDOW_UPDATE, 0, stream(number), &[0; 4])].concat()
        },
    },
    Flood {
        // CVE-2024-27316: a head that never ends.
        name: "continuation",
        turn: |number| match number {
            0 => frame(HEADERS, END_STREAM, 1, &request(true, "/public/x")),
            _ => frame(CONTINUATION, 0, 1, &[[0x00, 1, b'a', 1, b'b']; 200].concat()),
        },
    },
    Flood {
        name: "empty continuation",
        turn: |number| match number {
            0 => frame(HEADERS, END_STREAM, 1, &request(true, "/public/x")),
            _ => frame(CONTINUATION, 0, 1, &[]),
        },
    },
    Flood {
        // CVE-2019-9518
        name: "empty data",
        turn: |number| match number {
            0 => frame(HEADERS, END_HEADERS, 1, &request(false, "/public/x")),
            _ => frame(DATA, 0, 1, &[]),
        },
    },
    // CVE-2019-9515
    Flood { name: "settings", turn: |_| frame(SETTINGS, 0, 0, &[]) },
    // CVE-2019-9512
    Flood { name: "ping", turn: |_| frame(PING, 0, 0, &[7; 8]) },
    // CVE-2019-9513
    Flood { name: "priority", turn: |_| frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]) },
    Flood { name: "window update", turn: |number| frame(WINDOW_UPDATE, 0, 0, &(number % 2 + 1).to_be_bytes()) },
];

/// Whether a frame of this type is among what was read. It begins where a frame begins.
fn has_frame(mut read: &[u8], kind: u8) -> bool {
    while let Some((head, rest)) = read.split_first_chunk::<9>() {
        if head[3] == kind {
            return true;
        }
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        read = rest.get(length..).unwrap_or_default();
    }
    false
}

/// Connections that were needed, and how many of them the gateway ended with a word (GOAWAY).
#[derive(Debug, Default)]
pub(super) struct Needed {
    connections: u32,
    told: u32,
}

/// Floods until the time is over, with a new connection whenever one ended.
pub(super) fn flood(address: SocketAddr, flood: &Flood, until: Instant) -> Needed {
    const AT_ONCE: u32 = 50;
    let mut needed = Needed::default();
    while Instant::now() < until {
        let Ok(mut sending) = TcpStream::connect(address) else { continue };
        needed.connections += 1;
        sending.set_write_timeout(Some(PATIENCE)).unwrap();
        let mut reading = sending.try_clone().unwrap();
        let reader = std::thread::spawn(move || {
            let (mut buffer, mut begin) = ([0; 16 * 1024], Vec::new());
            while let Ok(read @ 1..) = reading.read(&mut buffer) {
                // Connections that end do so soon; of those that do not, the rest is only taken away.
                if begin.len() < 1 << 20 {
                    begin.extend_from_slice(&buffer[..read]);
                }
            }
            has_frame(&begin, GOAWAY)
        });
        let opening = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(SETTINGS, 0, 0, &[])].concat();
        let mut number = 0;
        let mut works = sending.write_all(&opening).is_ok();
        while works && Instant::now() < until {
            let piece: Vec<u8> = (number..number + AT_ONCE).flat_map(flood.turn).collect();
            number += AT_ONCE;
            works = sending.write_all(&piece).is_ok();
        }
        let _ = sending.shutdown(std::net::Shutdown::Both);
        needed.told += u32::from(reader.join().expect("no panic"));
    }
    needed
}

// T54, N5
#[test]
fn floods_of_http_2_frames_disturb_nobody() {
    let (site, ledger) = (Site::new(), Arc::new(Ledger::new(seed())));
    let gateway = site.serve();
    let load = Steady::start(site.address(), RATE, &ledger, traffic(tokens(&gateway)));
    soon(PATIENCE, || (ledger.passed() > 200).then_some(()));
    // Every flood once before: after some minutes the allocator has as many pages as a flood ever needs, and keeps them (measured:
    // 16.5 MB of its own before the first flood, 24.7 after seven minutes of them, and after seven more).
    for one in &FLOODS {
        flood(site.address(), one, Instant::now() + Duration::from_secs(rounds(1, 60).into()));
    }
    let before = Cost::of(gateway.id());
    for one in &FLOODS {
        let (passed, spent, began) = (ledger.passed(), cpu_time(gateway.id()), Instant::now());
        let needed = flood(site.address(), one, began + Duration::from_secs(rounds(2, 60).into()));
        let (spent, lasted) = (cpu_time(gateway.id()) - spent, began.elapsed());
        println!("T54: {}: {needed:?}, {spent:?} of processor time in {lasted:?}", one.name);
        // One, and what the others ask for.
        assert!(spent < lasted.mul_f64(1.25), "{}: more than a processor: {spent:?} in {lasted:?}", one.name);
        assert!(ledger.passed() > passed, "{}: others go on", one.name);
        assert!(needed.told > 1 && needed.told + 1 >= needed.connections / 2, "{}: {needed:?}", one.name);
    }
    let latencies = load.stop();
    println!("T54: p99 of guarded requests {:?}", latencies.p99());
    site.judge(&ledger, gateway, Some(before)).assert_unharmed("T54");
}

/// Connects from one of the loopback network's addresses.
fn connect_from(source: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let connected = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(IpAddr::V4(source), 0))?;
        socket.connect(to).await?.into_std()
    })?;
    connected.set_nonblocking(false)?;
    connected.set_read_timeout(Some(PATIENCE))?;
    Ok(connected)
}

// T55, N2
#[test]
fn a_flood_of_handshakes_delays_nobody_who_is_connected() {
    const SOURCES: u8 = 50;
    const PER_SECOND: u32 = 500;
    const CLIENTS: u32 = 4;
    const MOST_OF_ONE: usize = 40;
    let site = Site::new();
    let secure = SocketAddr::from(([127, 0, 0, 1], port()));
    let (certificate, key) = Authority::new("handshakes").sign("localhost");
    std::fs::write(site.file("tls.crt"), certificate).unwrap();
    std::fs::write(site.file("tls.key"), key).unwrap();
    let configuration = std::fs::read_to_string(site.file("faregate.yaml")).unwrap();
    let listeners = format!(
        "listen: [\"127.0.0.1:${{PORT}}\", {{ address: \"{secure}\", tls: {{ certificate: tls.crt, key: tls.key }} }}]"
    );
    let configuration = configuration
        .replace("listen: \"127.0.0.1:${PORT}\"", &listeners)
        .replace("connections_per_ip: 2000", &format!("connections_per_ip: {MOST_OF_ONE}"));
    site.write(&configuration);
    let ledger = Arc::new(Ledger::new(seed()));
    let gateway = site.serve();
    let load = Steady::start(site.address(), RATE, &ledger, traffic(tokens(&gateway)));
    let lasts = Duration::from_secs(rounds(4, 60).into());
    soon(PATIENCE, || (ledger.passed() > 100).then_some(()));
    std::thread::sleep(lasts);
    let base = load.stop();

    let passed = ledger.passed();
    let load = Steady::start(site.address(), RATE, &ledger, traffic(tokens(&gateway)));
    soon(PATIENCE, || (ledger.passed() > passed + 200).then_some(()));
    let before = Cost::of(gateway.id());
    let (stop, made, number) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    let mut builder = SslConnector::builder(SslMethod::tls()).unwrap();
    builder.set_verify(SslVerifyMode::NONE);
    let connector = builder.build();
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let number = number.fetch_add(1, Ordering::Relaxed);
                    let due = began + Duration::from_secs(1) * number / PER_SECOND;
                    std::thread::sleep(due.saturating_duration_since(Instant::now()));
                    let source = Ipv4Addr::new(127, 0, 0, 10 + u8::try_from(number % u32::from(SOURCES)).unwrap());
                    let Ok(stream) = connect_from(source, secure) else { continue };
                    made.fetch_add(u32::from(connector.connect("localhost", stream).is_ok()), Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(lasts);
        stop.store(true, Ordering::Relaxed);
    });
    // One address begins handshakes that it does not go on with: it gets so many places, and others get theirs.
    let source = Ipv4Addr::new(127, 0, 1, 1);
    let held: Vec<TcpStream> = (0..2 * MOST_OF_ONE).filter_map(|_| connect_from(source, secure).ok()).collect();
    let is_open = |stream: &TcpStream| {
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let outcome = (&*stream).read(&mut [0]);
        outcome.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    };
    soon(PATIENCE, || (held.iter().filter(|stream| is_open(stream)).count() == MOST_OF_ONE).then_some(()));
    let other = connect_from(Ipv4Addr::new(127, 0, 1, 2), secure).unwrap();
    assert!(connector.connect("localhost", other).is_ok(), "another address has places");
    drop(held);
    let latencies = load.stop();
    let made = made.into_inner();
    println!(
        "T55: {made} handshakes in {lasts:?}; p99 of guarded requests {:?}, {:?} before",
        latencies.p99(),
        base.p99()
    );
    assert!(made > 100, "a flood worth the name: {made}");
    // A machine that does other things at the same time has hiccups of its own.
    assert!(latencies.p99() < base.p99() * 2 + Duration::from_millis(20), "{:?}, {:?}", latencies.p99(), base.p99());
    site.judge(&ledger, gateway, Some(before)).assert_unharmed("T55");
}
