//! Load on a gateway that is as fast as its answers, and a tally: what was answered, and what was lost.
//!
//! Owns its threads. A request counts as lost when it was sent and no whole answer came, on whatever connection.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longer than a busy machine takes for a hundred requests.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request of one of the clients: its head without the empty line, and which statuses are right.
#[derive(Clone)]
pub struct Asked {
    pub head: String,
    pub right: &'static [u16],
}

impl Asked {
    pub fn new(target: &str, token: &str, right: &'static [u16]) -> Self {
        Self { head: format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"), right }
    }
}

/// What became of the requests.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub answered: u64,
    /// Why, for each that was lost or answered wrongly.
    pub lost: Vec<String>,
}

/// Clients that ask one request after the other, each on a connection that it keeps as long as it may.
pub struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Tally>>,
}

impl Load {
    /// Each client waits a moment after every answer.
    pub fn start(address: SocketAddr, requests: &[Asked]) -> Self {
        Self::start_paced(address, requests, None)
    }

    /// All clients together ask so many times a second; who was late catches up.
    pub fn start_at(address: SocketAddr, requests: &[Asked], per_second: u32) -> Self {
        let each = Duration::from_secs(1) * u32::try_from(requests.len()).expect("a few") / per_second;
        Self::start_paced(address, requests, Some(each))
    }

    fn start_paced(address: SocketAddr, requests: &[Asked], each: Option<Duration>) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = |asked: &Asked| {
            let (stop, answered, asked) = (stop.clone(), answered.clone(), asked.clone());
            std::thread::spawn(move || ask_until(&stop, &answered, address, (&asked, each)))
        };
        Self { clients: requests.iter().map(client).collect(), stop, answered }
    }

    /// Requests that were answered rightly so far.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    pub fn stop(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Tally::default();
        for client in self.clients {
            let tally = client.join().expect("no panic");
            all.answered += tally.answered;
            all.lost.extend(tally.lost);
        }
        all
    }

    /// Ends when there was a load worth the name, and finds that nothing of it was lost.
    #[track_caller]
    pub fn stop_unharmed(self) -> u64 {
        let began = Instant::now();
        while self.answered.load(Ordering::Relaxed) <= 100 && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        let tally = self.stop();
        assert!(tally.lost.is_empty(), "{} of {} lost: {:?}", tally.lost.len(), tally.answered, &tally.lost[..1]);
        assert!(tally.answered > 100, "{tally:?}");
        tally.answered
    }
}

fn ask_until(
    stop: &AtomicBool,
    answered: &AtomicU64,
    address: SocketAddr,
    (asked, each): (&Asked, Option<Duration>),
) -> Tally {
    let mut due = Instant::now();
    let mut tally = Tally::default();
    let mut kept: Option<BufReader<TcpStream>> = None;
    while !stop.load(Ordering::Relaxed) && tally.lost.len() < 10 {
        let connection = match kept.take() {
            Some(connection) => Ok(connection),
            None => connect(address),
        };
        match connection.and_then(|connection| ask(connection, asked)) {
            Ok((status, connection)) if asked.right.contains(&status) => {
                tally.answered += 1;
                answered.fetch_add(1, Ordering::Relaxed);
                kept = connection;
            }
            Ok((status, _)) => tally.lost.push(format!("status {status} for {}", asked.head)),
            Err(error) => tally.lost.push(error.to_string()),
        }
        match each {
            None => std::thread::sleep(Duration::from_millis(1)),
            Some(each) => {
                due += each;
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        }
    }
    tally
}

fn connect(address: SocketAddr) -> std::io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    Ok(BufReader::new(stream))
}

/// The status, and the connection if it may be used again.
fn ask(mut connection: BufReader<TcpStream>, asked: &Asked) -> std::io::Result<(u16, Option<BufReader<TcpStream>>)> {
    connection.get_mut().write_all(format!("{}\r\n", asked.head).as_bytes())?;
    let (mut status, mut length, mut closes) = (0, 0, false);
    let mut line = String::new();
    loop {
        line.clear();
        if connection.read_line(&mut line)? == 0 {
            return Err(std::io::Error::other("closed before the answer's end"));
        }
        let lower = line.trim_end().to_ascii_lowercase();
        if let Some(rest) = lower.strip_prefix("http/1.1 ") {
            status = rest[..3].parse().unwrap_or(0);
        } else if let Some(value) = lower.strip_prefix("content-length: ") {
            length = value.parse().unwrap_or(0);
        } else if lower == "connection: close" {
            closes = true;
        } else if lower.is_empty() {
            break;
        }
    }
    connection.read_exact(&mut vec![0; length])?;
    Ok((status, (!closes).then_some(connection)))
}
