//! Reading HTTP/1.1 requests, for the servers of the tests that answer as a fault or a script asks.
//!
//! What was read and belongs to the next request stays in `buffer`.

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Request line and fields up to the empty line, raw; none when the client left.
pub async fn read_head(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head: Vec<u8> = buffer.drain(..at + 4).collect();
            return Some(String::from_utf8_lossy(&head).into_owned());
        }
        read_more(stream, buffer).await?;
    }
}

/// As much as the `Content-Length` of `head` says; none when the client left before.
pub async fn read_body(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>, head: &str) -> Option<Vec<u8>> {
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let length = length.unwrap_or(0);
    while buffer.len() < length {
        read_more(stream, buffer).await?;
    }
    Some(buffer.drain(..length).collect())
}

/// None when there is no more.
pub async fn read_more(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Option<()> {
    (stream.read_buf(buffer).await.unwrap_or(0) > 0).then_some(())
}
