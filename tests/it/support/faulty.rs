//! An upstream that fails in a chosen way, and remembers what reached it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::AbortHandle;

use super::requests::{read_body, read_head};

/// What becomes of each request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// 200 with the server's name as its body.
    None,
    Status(u16),
    /// Read and never answered.
    Hang,
    /// The connection is closed without an answer.
    Close,
    /// The connection is reset without an answer.
    Reset,
    /// These bytes, and the connection stays open.
    Bytes(Vec<u8>),
    /// These bytes, and then the end of the connection.
    BytesAndClose(Vec<u8>),
    /// These bytes, and then a reset.
    BytesAndReset(Vec<u8>),
    /// 200, and the connection is closed after it although nothing said so.
    AnswerAndClose,
    /// 200 and a byte of the body now and then, for ever.
    Trickle(Duration),
}

#[derive(Clone)]
pub struct Faulty {
    pub address: SocketAddr,
    name: Arc<str>,
    fault: Arc<Mutex<Fault>>,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    accepting: Arc<Mutex<Option<AbortHandle>>>,
}

impl Faulty {
    pub async fn start(name: &str) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let faulty = Self {
            address: socket.local_addr().unwrap(),
            name: name.into(),
            fault: Arc::new(Mutex::new(Fault::None)),
            requests: Arc::default(),
            connections: Arc::default(),
            accepting: Arc::default(),
        };
        faulty.accept(socket);
        faulty
    }

    fn accept(&self, socket: TcpListener) {
        let serving = self.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = socket.accept().await {
                serving.connections.fetch_add(1, Ordering::SeqCst);
                let serving = serving.clone();
                connections.spawn(async move { serving.serve(stream).await });
            }
        });
        *self.accepting.lock().unwrap() = Some(task.abort_handle());
    }

    /// Closes everything: connections are refused from now on.
    pub async fn stop(&self) {
        if let Some(task) = self.accepting.lock().unwrap().take() {
            task.abort();
        }
        while TcpStream::connect(self.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Listens where it did before.
    pub fn start_again(&self) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        self.accept(socket.listen(1024).unwrap());
    }

    pub fn fail(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    /// The request lines that arrived.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// How many requests arrived whose line contains `part`.
    pub fn count(&self, part: &str) -> usize {
        self.requests.lock().unwrap().iter().filter(|line| line.contains(part)).count()
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn answer(&self) -> String {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", self.name.len(), self.name)
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut buffer = Vec::new();
        loop {
            let Some(head) = read_head(&mut stream, &mut buffer).await else { return };
            if read_body(&mut stream, &mut buffer, &head).await.is_none() {
                return;
            }
            self.requests.lock().unwrap().push(head.lines().next().unwrap_or_default().to_owned());
            let fault = self.fault.lock().unwrap().clone();
            let answer = match fault {
                Fault::None | Fault::AnswerAndClose => self.answer(),
                Fault::Status(status) => format!("HTTP/1.1 {status} Status\r\nContent-Length: 0\r\n\r\n"),
                Fault::Hang => return std::future::pending().await,
                Fault::Close => return,
                Fault::Reset => return reset(&stream),
                Fault::Bytes(bytes) => {
                    let _ = stream.write_all(&bytes).await;
                    continue;
                }
                Fault::BytesAndClose(bytes) => {
                    let _ = stream.write_all(&bytes).await;
                    return;
                }
                Fault::BytesAndReset(bytes) => {
                    let _ = stream.write_all(&bytes).await;
                    // What is on the way would be lost with the connection.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    return reset(&stream);
                }
                Fault::Trickle(pause) => {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").await;
                    while stream.write_all(b"x").await.is_ok() {
                        tokio::time::sleep(pause).await;
                    }
                    return;
                }
            };
            if stream.write_all(answer.as_bytes()).await.is_err() || matches!(fault, Fault::AnswerAndClose) {
                return;
            }
        }
    }
}

fn reset(stream: &TcpStream) {
    stream.set_zero_linger().unwrap();
}
