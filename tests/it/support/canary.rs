//! An upstream that remembers who it was told is calling, for every `X-Test-Id` that reached it.
//!
//! Owns its threads. It judges nothing: the ledger does.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What every forged field says.
pub const FORGED: &str = "forged";

/// One request as it arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Of the ledger; none for requests that are not in it.
    pub id: Option<u64>,
    /// Everything that may be read as the identity header, in whatever spelling.
    pub subjects: Vec<String>,
    /// Whether a field arrived that the client forged, or its token.
    pub forged: bool,
}

#[derive(Clone)]
pub struct Canary {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Milliseconds before an answer.
    delay: Arc<AtomicU64>,
}

impl Canary {
    pub fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let canary = Self { address: socket.local_addr().unwrap(), seen: Arc::default(), delay: Arc::default() };
        let serving = canary.clone();
        std::thread::spawn(move || {
            for stream in socket.incoming().flatten() {
                let serving = serving.clone();
                std::thread::spawn(move || serving.serve(stream));
            }
        });
        canary
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// What was seen since the last time.
    pub fn forget(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    pub fn answer_after(&self, delay: Duration) {
        self.delay.store(u64::try_from(delay.as_millis()).unwrap(), Ordering::Relaxed);
    }

    fn serve(&self, stream: TcpStream) {
        // A connection without delays is what an upstream on the same machine is.
        let _ = stream.set_nodelay(true);
        let mut stream = BufReader::new(stream);
        while let Some((seen, upgrades)) = read(&mut stream) {
            self.seen.lock().unwrap().push(seen);
            std::thread::sleep(Duration::from_millis(self.delay.load(Ordering::Relaxed)));
            let answer: &[u8] = if upgrades {
                b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            } else {
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
            };
            if stream.get_mut().write_all(answer).is_err() {
                return;
            }
            if upgrades {
                return echo(stream);
            }
        }
    }
}

fn echo(mut stream: BufReader<TcpStream>) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        if stream.get_mut().write_all(&buffer[..read]).is_err() {
            return;
        }
    }
}

/// What arrived, and whether it wants another protocol; nothing when the connection ended.
fn read(stream: &mut BufReader<TcpStream>) -> Option<(Seen, bool)> {
    let (mut seen, mut length, mut upgrades) = (Seen::default(), 0, false);
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let text = line.trim_end();
        if text.is_empty() {
            break;
        }
        let Some((name, value)) = text.split_once(':') else { continue };
        note(&mut seen, name, value.trim());
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "upgrade" => upgrades = true,
            _ => {}
        }
    }
    stream.read_exact(&mut vec![0; length]).ok()?;
    Some((seen, upgrades))
}

fn note(seen: &mut Seen, name: &str, value: &str) {
    // Upstreams that make variables of fields read whatever is no letter and no digit as one sign.
    let read_as: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    match read_as.as_str() {
        "x-test-id" => seen.id = value.parse().ok(),
        "x-auth-subject" => seen.subjects.push(value.to_owned()),
        _ => {}
    }
    seen.forged |= value.contains(FORGED) || read_as == "authorization";
}
