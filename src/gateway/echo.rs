//! The built-in upstream of `faregate dev`: it answers with exactly what it received.
//!
//! Owns a small HTTP/1.1 server of its own, because a framework would reorder or rename header fields. It is for showing
//! and testing what reaches an upstream, never for carrying load.

use std::net::SocketAddr;

use bytes::{Buf, Bytes, BytesMut};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The most of a body that is echoed, in bytes; the rest is read and dropped.
const MOST_BODY: usize = 1024 * 1024;

/// Binds a loopback port and answers there until the runtime ends.
///
/// # Errors
/// When no loopback port can be bound.
pub async fn start() -> std::io::Result<SocketAddr> {
    let socket = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = socket.local_addr()?;
    tokio::spawn(serve(socket));
    Ok(address)
}

/// Answers on `socket` for as long as it accepts connections.
pub async fn serve(socket: TcpListener) {
    while let Ok((stream, _)) = socket.accept().await {
        tokio::spawn(async move {
            // A broken connection ends its task: there is nobody left to tell.
            let _ = answer(stream).await;
        });
    }
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = BytesMut::with_capacity(8 * 1024);
    while let Some(request) = read_head(&mut stream, &mut buffer).await? {
        if request.expects_continue {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let body = match request.framing {
            Framing::Length(length) => read_exactly(&mut stream, &mut buffer, length).await?,
            Framing::Chunked => read_chunks(&mut stream, &mut buffer).await?,
        };
        let echo = json!({
            "method": request.method,
            "path": request.path,
            "headers": request.headers,
            "body": String::from_utf8_lossy(&body),
        });
        let echo = echo.to_string();
        let mut answer =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", echo.len());
        if request.method != "HEAD" {
            answer.push_str(&echo);
        }
        stream.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}

struct Head {
    method: String,
    path: String,
    headers: Vec<Value>,
    framing: Framing,
    expects_continue: bool,
}

enum Framing {
    Length(usize),
    Chunked,
}

async fn read_head(stream: &mut TcpStream, buffer: &mut BytesMut) -> std::io::Result<Option<Head>> {
    loop {
        let mut fields = [httparse::EMPTY_HEADER; 128];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(buffer) {
            Ok(httparse::Status::Complete(length)) => {
                let head = head(&request);
                buffer.advance(length);
                return Ok(Some(head));
            }
            Ok(httparse::Status::Partial) => {}
            Err(error) => return Err(std::io::Error::other(error)),
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

fn head(request: &httparse::Request<'_, '_>) -> Head {
    let mut framing = Framing::Length(0);
    let mut expects_continue = false;
    let mut headers = Vec::with_capacity(request.headers.len());
    for field in request.headers.iter() {
        let value = String::from_utf8_lossy(field.value);
        if field.name.eq_ignore_ascii_case("content-length") {
            framing = Framing::Length(value.parse().unwrap_or(0));
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            framing = Framing::Chunked;
        } else if field.name.eq_ignore_ascii_case("expect") {
            expects_continue = true;
        }
        headers.push(json!([field.name, value]));
    }
    Head {
        method: request.method.unwrap_or_default().to_owned(),
        path: request.path.unwrap_or_default().to_owned(),
        headers,
        framing,
        expects_continue,
    }
}

async fn read_exactly(stream: &mut TcpStream, buffer: &mut BytesMut, length: usize) -> std::io::Result<Bytes> {
    let mut body = BytesMut::new();
    let mut left = length;
    loop {
        let take = left.min(buffer.len());
        let piece = buffer.split_to(take);
        left -= take;
        let room = MOST_BODY.saturating_sub(body.len()).min(piece.len());
        body.extend_from_slice(&piece[..room]);
        if left == 0 {
            return Ok(body.freeze());
        }
        if stream.read_buf(buffer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

async fn read_chunks(stream: &mut TcpStream, buffer: &mut BytesMut) -> std::io::Result<Bytes> {
    let mut body = BytesMut::new();
    loop {
        let size = loop {
            match httparse::parse_chunk_size(buffer) {
                Ok(httparse::Status::Complete((line, size))) => {
                    buffer.advance(line);
                    break usize::try_from(size).map_err(std::io::Error::other)?;
                }
                Ok(httparse::Status::Partial) => {}
                Err(_) => return Err(std::io::ErrorKind::InvalidData.into()),
            }
            if stream.read_buf(buffer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        };
        // Each chunk, the last one of size 0 too, is followed by CRLF; the gateway forwards no trailers.
        let chunk = read_exactly(stream, buffer, size + 2).await?;
        if size == 0 {
            return Ok(body.freeze());
        }
        let room = MOST_BODY.saturating_sub(body.len()).min(size).min(chunk.len());
        body.extend_from_slice(&chunk[..room]);
    }
}
