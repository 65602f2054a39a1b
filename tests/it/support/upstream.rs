//! An upstream that records every byte it receives and answers as a test asks.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::requests::{read_body, read_head, read_more};

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Request line and fields, raw.
    pub head: String,
    pub body: Vec<u8>,
}

impl Recorded {
    pub fn request_line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// Names and values in the order received.
    pub fn fields(&self) -> Vec<(String, String)> {
        self.head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }

    /// The values of every field of that name, in any spelling of case.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.fields().into_iter().filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    pub fn field(&self, name: &str) -> Option<String> {
        self.all(name).into_iter().next()
    }
}

/// How the upstream answers.
#[derive(Clone)]
pub enum Behaviour {
    /// This answer, to every request.
    Answer(String),
    /// Accepts, reads, and never answers.
    Silent,
    /// Accepts and closes before answering.
    Close,
    /// Answers 101 and then echoes bytes.
    Upgrade,
    /// Sends back the body as it arrives, chunk by chunk.
    Stream,
}

#[derive(Clone)]
pub struct Upstream {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Recorded>>>,
    behaviour: Arc<Mutex<Behaviour>>,
}

impl Upstream {
    pub async fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Self {
            address: socket.local_addr().unwrap(),
            requests: Arc::default(),
            behaviour: Arc::new(Mutex::new(Behaviour::Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".into()))),
        };
        let serving = upstream.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.serve(stream).await });
            }
        });
        upstream
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.lock().unwrap() = behaviour;
    }

    pub fn requests(&self) -> Vec<Recorded> {
        self.requests.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    pub fn last(&self) -> Recorded {
        self.requests().pop().expect("a request reached the upstream")
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut buffer = Vec::new();
        loop {
            let Some(head) = read_head(&mut stream, &mut buffer).await else { return };
            let mut recorded = Recorded { head, body: Vec::new() };
            let behaviour = self.behaviour.lock().unwrap().clone();
            if let Behaviour::Upgrade = behaviour {
                self.requests.lock().unwrap().push(recorded);
                let _ = stream
                    .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
                    .await;
                let _ = stream.write_all(&buffer).await;
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
                return;
            }
            if let Behaviour::Stream = behaviour {
                self.requests.lock().unwrap().push(recorded);
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
                    .await;
                loop {
                    // The request's own chunks are an answer's chunks too.
                    if !buffer.is_empty() {
                        let _ = stream.write_all(&buffer).await;
                        if buffer.ends_with(b"0\r\n\r\n") {
                            return;
                        }
                        buffer.clear();
                    }
                    if read_more(&mut stream, &mut buffer).await.is_none() {
                        return;
                    }
                }
            }
            recorded.body = match read_any_body(&mut stream, &mut buffer, &recorded).await {
                Some(body) => body,
                None => return,
            };
            self.requests.lock().unwrap().push(recorded);
            match behaviour {
                Behaviour::Answer(answer) => {
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
                Behaviour::Silent => tokio::time::sleep(Duration::from_secs(60)).await,
                Behaviour::Close => return,
                Behaviour::Upgrade | Behaviour::Stream => unreachable!("answered above"),
            }
        }
    }
}

/// A chunked body with its chunk lines.
async fn read_any_body(stream: &mut TcpStream, buffer: &mut Vec<u8>, head: &Recorded) -> Option<Vec<u8>> {
    if head.field("transfer-encoding").is_none() {
        return read_body(stream, buffer, &head.head).await;
    }
    while !buffer.windows(5).any(|window| window == b"0\r\n\r\n") {
        read_more(stream, buffer).await?;
    }
    Some(std::mem::take(buffer))
}
