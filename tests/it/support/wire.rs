//! One connection, spoken on by hand: bytes out, one answer in.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::gateway::Raw;

/// Longer than anything that works takes.
const PATIENCE: Duration = Duration::from_secs(5);

pub struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Wire {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, unread: Vec::new() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Like [`Wire::send`], where the other side may have closed.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    /// The next answer, body included; empty when the connection ends first.
    pub async fn answer(&mut self) -> Raw {
        let head = self.until(b"\r\n\r\n").await;
        let mut answer = Raw { text: String::from_utf8_lossy(&head).into_owned() };
        let length: usize = answer.field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let body = if answer.field("transfer-encoding").is_some() {
            self.until(b"0\r\n\r\n").await
        } else {
            self.exactly(length).await
        };
        answer.text.push_str(&String::from_utf8_lossy(&body));
        answer
    }

    /// Everything up to and including `mark`; less when the connection ends or is quiet.
    pub async fn until(&mut self, mark: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.unread.windows(mark.len()).position(|window| window == mark) {
                return self.unread.drain(..at + mark.len()).collect();
            }
            if !self.more(PATIENCE).await {
                return std::mem::take(&mut self.unread);
            }
        }
    }

    async fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.unread.len() < length && self.more(PATIENCE).await {}
        self.unread.drain(..length.min(self.unread.len())).collect()
    }

    async fn more(&mut self, patience: Duration) -> bool {
        matches!(timeout(patience, self.stream.read_buf(&mut self.unread)).await, Ok(Ok(read)) if read > 0)
    }

    /// Whether the other side closes within `patience`; what it still says is kept.
    pub async fn closes_within(&mut self, patience: Duration) -> bool {
        loop {
            match timeout(patience, self.stream.read_buf(&mut self.unread)).await {
                Ok(Ok(0) | Err(_)) => return true,
                Ok(Ok(_)) => {}
                Err(_) => return false,
            }
        }
    }

    /// What arrived and nobody asked for.
    pub fn heard(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.unread)).into_owned()
    }

    /// Whether nothing arrives for a while.
    pub async fn is_quiet_for(&mut self, patience: Duration) -> bool {
        self.unread.is_empty() && timeout(patience, self.stream.read_buf(&mut self.unread)).await.is_err()
    }
}
