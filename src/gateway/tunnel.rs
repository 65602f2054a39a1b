//! Tunnels and event streams end with the token that they were opened with (rule M11).
//!
//! Owns who may open a tunnel, noticing its end, and the last frame that a WebSocket's client hears. How one begins is
//! `upgrade`'s.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Version, header};
use pingora::ErrorType;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use tokio::time::{sleep, timeout};

use super::context::Context;
use super::fault::Fault;
use super::respond::Problem;
use super::upgrade::Watched;
use crate::config::WebSocket;

/// Error type of an answer that ends with the token that it was given for.
pub const OVER: ErrorType = ErrorType::new("TokenOver");

/// How often a tunnel's token is looked at. Two numbers are compared, unless there is news.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long the client may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// A Close frame with the code 1008, a violated policy (RFC 6455 5.5.1, 7.4.1): a server's frames are not masked.
const CLOSE: &[u8] = &[0x88, 0x02, 0x03, 0xf0];

/// Whether a request asks its connection to become something else (RFC 9110 7.8).
pub fn is_asked(header: &RequestHeader) -> bool {
    let fields = header.headers.get_all(header::CONNECTION).iter().map(HeaderValue::as_bytes);
    let mut options = fields.flat_map(|field| field.split(|&byte| byte == b',')).map(<[u8]>::trim_ascii);
    header.version == Version::HTTP_11
        && header.headers.contains_key(header::UPGRADE)
        && options.any(|option| option.eq_ignore_ascii_case(b"upgrade"))
}

/// Rule M11. A page of another origin has this browser's cookies all the same.
pub fn check_asked(websocket: &WebSocket, header: &RequestHeader) -> Result<(), Problem> {
    if !websocket.is_allowed {
        return Err(Fault::UpgradeRefused.into());
    }
    if !header.headers.get_all(header::ORIGIN).iter().all(|origin| websocket.admits(Some(origin.as_bytes()))) {
        return Err(Fault::WebSocketOriginRefused.into());
    }
    Ok(())
}

/// Whether what a request begins ends with its token (rule M11).
pub fn watches(ctx: &Context) -> bool {
    let has_token = ctx.permit.as_ref().is_some_and(|permit| permit.token().is_some());
    has_token && ctx.route.as_ref().is_some_and(|route| route.ends_with_token)
}

/// What a tunnel that a request opens has to be watched for.
pub fn watched(ctx: &Context) -> Option<Watched> {
    let permit = ctx.permit.clone().filter(|_| watches(ctx))?;
    Some(Watched { enforcer: ctx.gateway.enforcer.clone(), permit })
}

/// Ends when the token of a permit is over or revoked; never where there is none.
pub async fn over(watched: Arc<Watched>) {
    while watched.enforcer.still_holds(&watched.permit) {
        sleep(INTERVAL).await;
    }
}

/// Whether an answer goes on for as long as there is news, so that nobody knows when it ends.
pub fn is_event_stream(answer: &ResponseHeader) -> bool {
    let media_type = answer.headers.get(header::CONTENT_TYPE).and_then(|media_type| media_type.to_str().ok());
    media_type.is_some_and(|text| text.get(..17).is_some_and(|start| start.eq_ignore_ascii_case("text/event-stream")))
}

/// Tells a WebSocket's client that it is over, unless that would land in the middle of a frame, and lets it answer.
pub async fn say_goodbye(session: &mut Session, frames: &Frames) {
    if frames.is_between() {
        let farewell = async {
            let downstream = session.as_downstream_mut();
            if downstream.write_response_body(Bytes::from_static(CLOSE), true).await.is_err() {
                return;
            }
            // Closing while bytes come in would be a reset, which may overtake the frame.
            while let Ok(Some(_)) = downstream.read_request_body().await {}
        };
        // A client that does not answer is cut off.
        let _ = timeout(GOODBYE, farewell).await;
    }
}

/// Where among a WebSocket's frames its bytes have got to (RFC 6455 5.2).
#[derive(Debug, Default)]
pub struct Frames {
    /// The beginning of a frame, until its length is known.
    head: [u8; 14],
    known: usize,
    /// Bytes of the payload that are still to come.
    left: u64,
    closed: bool,
}

impl Frames {
    /// Follows bytes that are passed on.
    pub fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let passed = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left -= passed as u64;
                bytes = &bytes[passed..];
                continue;
            }
            self.head[self.known] = bytes[0];
            self.known += 1;
            bytes = &bytes[1..];
            if let Some(left) = self.payload() {
                self.closed |= self.head[0] & 0x0f == 8;
                self.left = left;
                self.known = 0;
            }
        }
    }

    /// The length of the payload, once the whole beginning of the frame is known.
    fn payload(&self) -> Option<u64> {
        let length = *self.head[..self.known].get(1)?;
        let extended = match length & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if length & 0x80 == 0 { 0 } else { 4 };
        if self.known < 2 + extended + mask {
            return None;
        }
        let number = self.head[2..2 + extended].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        Some(if extended == 0 { u64::from(length & 0x7f) } else { number })
    }

    /// Whether a frame of ours may follow.
    fn is_between(&self) -> bool {
        self.left == 0 && self.known == 0 && !self.closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(opcode: u8, length: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![0x80 | opcode];
        match length {
            0..=125 => frame.push(mask | length as u8),
            126..=65535 => {
                frame.push(mask | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            _ => {
                frame.push(mask | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(if masked { &[1, 2, 3, 4][..] } else { &[] });
        frame.extend(vec![0x88; length]);
        frame
    }

    // RFC 6455 5.2: however the bytes are cut, the end of a frame is where it is
    #[test]
    fn frames_are_followed() {
        for length in [0, 1, 125, 126, 127, 65535, 65536, 70_000] {
            for masked in [false, true] {
                let whole = frame(2, length, masked);
                for size in [1, 2, 3, 7, whole.len()] {
                    let mut frames = Frames::default();
                    assert!(frames.is_between());
                    let mut passed = 0;
                    for piece in whole.chunks(size) {
                        assert_eq!(frames.is_between(), passed == 0, "{length} {masked} {size} {passed}");
                        frames.pass(piece);
                        passed += piece.len();
                    }
                    assert!(frames.is_between(), "{length} {masked} {size}");
                }
            }
        }
        let mut frames = Frames::default();
        frames.pass(&[frame(1, 5, false), frame(9, 0, false), frame(2, 300, false)].concat());
        assert!(frames.is_between());
        frames.pass(&frame(8, 2, false));
        assert!(!frames.is_between(), "the other side has said goodbye");
    }

    // RFC 9110 7.8
    #[test]
    fn an_upgrade_is_asked_of_the_connection() {
        let asked = |version, fields: &[(&'static str, &'static str)]| {
            let mut request = RequestHeader::build("GET", b"/", None).unwrap();
            request.set_version(version);
            for (name, value) in fields {
                request.append_header(*name, *value).unwrap();
            }
            is_asked(&request)
        };
        let upgrade = ("upgrade", "websocket");
        assert!(asked(Version::HTTP_11, &[upgrade, ("connection", "keep-alive, Upgrade")]));
        assert!(asked(Version::HTTP_11, &[upgrade, ("connection", "keep-alive"), ("connection", "upgrade")]));
        assert!(!asked(Version::HTTP_11, &[upgrade, ("connection", "keep-alive")]));
        assert!(!asked(Version::HTTP_11, &[upgrade]));
        assert!(!asked(Version::HTTP_11, &[("connection", "upgrade")]));
        assert!(!asked(Version::HTTP_10, &[upgrade, ("connection", "upgrade")]));
    }

    #[test]
    fn event_streams_are_told_by_their_media_type() {
        let is_stream = |media_type: &str| {
            let mut answer = ResponseHeader::build(200, None).unwrap();
            answer.insert_header(header::CONTENT_TYPE, media_type).unwrap();
            is_event_stream(&answer)
        };
        assert!(is_stream("text/event-stream") && is_stream("Text/Event-Stream; charset=utf-8"));
        assert!(!is_stream("text/event") && !is_stream("text/html") && !is_stream("täxt/event-stream"));
    }
}
