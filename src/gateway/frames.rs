//! Frames of HTTP/2 that cost their sender nothing and lead to nothing (rule N5): the library behind answers every PING and
//! SETTINGS, as fast as they come.
//!
//! Owns the count of them. Whoever sends many beside few real frames hears GOAWAY and is left. What frames mean, and how many
//! resets, empty and endless ones are too many, is the library's business.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pingora::protocols::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::RefusalLog;

/// Length of the client's preface (RFC 9113 3.4), and of the head of every frame (4.1).
const PREFACE: usize = 24;
const HEAD: usize = 9;

/// Types of frames (RFC 9113 6) that are told apart here.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
/// Flag of an answer to PING or SETTINGS.
const ACK: u8 = 1;

/// A PING about a stream, which no peer may send (RFC 9113 6.7): in place of the frame that is too much, it makes the library
/// say GOAWAY and send what it has.
const LAST: [u8; HEAD] = [0, 0, 0, PING, 0, 0, 0, 0, 1];

/// Frames that have to be answered, and all others without a part of a message: how many may come at once, how many a
/// second, and for each frame of a message in either direction and each KiB in it. gRPC measures its line with a PING for what
/// it got; a client that reads little by little says so twice each time, of the stream and of the connection.
const ANSWERED: Allowance = Allowance { burst: 1_000, per_second: 50, per_part: 2, per_kib: 1 };
const IDLE: Allowance = Allowance { burst: 20_000, per_second: 1_000, per_part: 8, per_kib: 8 };

struct Allowance {
    burst: u32,
    per_second: u32,
    per_part: u32,
    per_kib: u32,
}

#[derive(Debug)]
struct Budget {
    answered: u32,
    idle: u32,
    refilled_at: Instant,
}

impl Budget {
    fn new(now: Instant) -> Self {
        Self { answered: ANSWERED.burst, idle: IDLE.burst, refilled_at: now }
    }

    /// A part of a message passed, of so many bytes.
    fn earn(&mut self, length: u32) {
        self.add(|allowance| allowance.per_part + allowance.per_kib * (length / 1024));
    }

    fn add(&mut self, amount: impl Fn(&Allowance) -> u32) {
        self.answered = self.answered.saturating_add(amount(&ANSWERED)).min(ANSWERED.burst);
        self.idle = self.idle.saturating_add(amount(&IDLE)).min(IDLE.burst);
    }

    /// Pays for a frame that the peer sent; `false` if it is one too many.
    fn pay(&mut self, head: &Head) -> bool {
        match head.kind {
            DATA | HEADERS => {
                self.earn(head.length);
                true
            }
            SETTINGS | PING if !head.is_ack() => spend(&mut self.answered),
            // What the library bounds itself, or ends the connection.
            CONTINUATION | RST_STREAM | GOAWAY | PUSH_PROMISE => true,
            _ => spend(&mut self.idle),
        }
    }

    /// What time gives back.
    fn refill(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.refilled_at).as_secs();
        if seconds > 0 {
            self.refilled_at = now;
            let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
            self.add(|allowance| allowance.per_second.saturating_mul(seconds));
        }
    }
}

fn spend(balance: &mut u32) -> bool {
    let left = balance.checked_sub(1);
    *balance = left.unwrap_or_default();
    left.is_some()
}

/// The beginning of a frame.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    kind: u8,
    flags: u8,
    /// Bytes that follow.
    length: u32,
    /// Where it begins in the piece that was looked at; `None`: in the one before.
    at: Option<usize>,
}

impl Head {
    fn is_ack(&self) -> bool {
        self.flags & ACK != 0
    }
}

/// Finds the frames in one direction of a connection, whatever pieces it comes in.
#[derive(Debug)]
struct Frames {
    /// Bytes until the next frame begins.
    skip: usize,
    head: [u8; HEAD],
    /// Of those, how many are known.
    known: usize,
}

impl Frames {
    fn behind(preface: usize) -> Self {
        Self { skip: preface, head: [0; HEAD], known: 0 }
    }

    /// Calls `each` for every frame whose head ends in this piece, until it says no.
    fn look(&mut self, piece: &[u8], mut each: impl FnMut(&Head) -> bool) {
        let mut at = 0;
        while at < piece.len() {
            let skipped = self.skip.min(piece.len() - at);
            self.skip -= skipped;
            at += skipped;
            let taken = (HEAD - self.known).min(piece.len() - at);
            if self.skip > 0 || taken == 0 {
                continue;
            }
            self.head[self.known..self.known + taken].copy_from_slice(&piece[at..at + taken]);
            self.known += taken;
            at += taken;
            if self.known < HEAD {
                continue;
            }
            let [high, middle, low, kind, flags, ..] = self.head;
            self.known = 0;
            let length = u32::from_be_bytes([0, high, middle, low]);
            self.skip = length as usize;
            if !each(&Head { kind, flags, length, at: at.checked_sub(HEAD) }) {
                return;
            }
        }
    }
}

/// A connection of HTTP/2 whose frames are counted.
pub(super) struct Counted {
    pub(super) stream: Stream,
    log: Arc<dyn RefusalLog>,
    received: Frames,
    sent: Frames,
    budget: Budget,
    is_over: bool,
}

impl Counted {
    /// `stream` begins with the client's preface.
    pub(super) fn new(stream: Stream, log: Arc<dyn RefusalLog>) -> Self {
        Self {
            stream,
            log,
            received: Frames::behind(PREFACE),
            sent: Frames::behind(0),
            budget: Budget::new(Instant::now()),
            is_over: false,
        }
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counted").field("budget", &self.budget).finish_non_exhaustive()
    }
}

impl AsyncRead for Counted {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        let (budget, mut over) = (&mut this.budget, None);
        budget.refill(Instant::now());
        this.received.look(&buf.filled()[before..], |head| {
            let is_paid = budget.pay(head);
            over = (!is_paid).then_some(head.at);
            is_paid
        });
        let Some(at) = over else { return Poll::Ready(Ok(())) };
        this.log.flooded();
        this.is_over = true;
        match at {
            Some(at) => {
                buf.set_filled(before + at);
                buf.put_slice(&LAST);
            }
            // A head that began in the piece before cannot be taken back: this is the end, without a word.
            None => buf.set_filled(before),
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counted {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, buf))?;
        this.sent.look(&buf[..written], |head| {
            if matches!(head.kind, DATA | HEADERS) {
                this.budget.earn(head.length);
            }
            true
        });
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        [&[0, 0, length, kind, flags, 0, 0, 0, 0][..], &vec![7; usize::from(length)]].concat()
    }

    fn head(kind: u8) -> Head {
        Head { kind, flags: 0, length: 0, at: Some(0) }
    }

    // RFC 9113 4.1
    #[test]
    fn frames_are_found_in_pieces_of_any_size() {
        let bytes =
            [vec![b'P'; PREFACE], frame(SETTINGS, 0, 6), frame(PING, ACK, 8), frame(DATA, 0, 0), frame(9, 4, 200)]
                .concat();
        for size in 1..bytes.len() {
            let (mut frames, mut found) = (Frames::behind(PREFACE), Vec::new());
            for piece in bytes.chunks(size) {
                frames.look(piece, |head| {
                    found.push((head.kind, head.flags));
                    true
                });
            }
            assert_eq!(found, [(SETTINGS, 0), (PING, ACK), (DATA, 0), (9, 4)], "{size}");
            assert_eq!((frames.skip, frames.known), (0, 0));
        }
        let (mut frames, mut places) = (Frames::behind(0), Vec::new());
        let bytes = [frame(PING, 0, 8), frame(PING, 0, 8)].concat();
        for piece in [&bytes[..20], &bytes[20..]] {
            frames.look(piece, |head| {
                places.push(head.at);
                true
            });
        }
        assert_eq!(places, [Some(0), None], "the second began in the piece before");
    }

    // N5
    #[test]
    fn what_leads_to_nothing_is_bounded_and_earned_by_what_does_not() {
        let start = Instant::now();
        for (kind, allowance) in [(PING, ANSWERED), (SETTINGS, ANSWERED), (8, IDLE), (2, IDLE), (0xfa, IDLE)] {
            let mut budget = Budget::new(start);
            assert!((0..allowance.burst).all(|_| budget.pay(&head(kind))), "{kind}");
            assert!(!budget.pay(&head(kind)), "{kind}");
            budget.refill(start + Duration::from_millis(999));
            assert!(!budget.pay(&head(kind)), "{kind}: a second is not over");
            budget.refill(start + Duration::from_secs(1));
            assert!((0..allowance.per_second).all(|_| budget.pay(&head(kind))), "{kind}");
            assert!(!budget.pay(&head(kind)), "{kind}");
            // A client that reads much says much.
            for _ in 0..100_000 {
                budget.earn(1023);
                assert!((0..allowance.per_part).all(|_| budget.pay(&head(kind))), "{kind}");
            }
        }
        let mut budget = Budget::new(start);
        for _ in 0..1_000 {
            budget.earn(64 * 1024);
            // Whatever the size of its frames, and though the client says so for every 256 bytes, twice.
            assert!((0..2 * 256).all(|_| budget.pay(&head(8))));
        }
        let answer = Head { kind: PING, flags: ACK, length: 8, at: Some(0) };
        assert!((0..ANSWERED.burst + 1).all(|_| budget.pay(&answer)), "answers to our own are not answered");
        assert!((0..2 * IDLE.burst).all(|_| budget.pay(&head(RST_STREAM))), "the library counts those");
    }
}
