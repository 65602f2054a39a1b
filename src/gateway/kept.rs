//! Connections to upstreams that wait for the next request.
//!
//! Owns how long they wait and how many there are. Pingora's pool has a task for each connection that waits, which is made
//! and ended with every request; here, one task looks after all of them.

use std::cell::Cell;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use pingora::protocols::Stream;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::time::sleep;

/// How often those that have waited too long, or that their server has closed, are looked for.
const ROUND: Duration = Duration::from_secs(1);

/// What tells servers apart, and ways to speak with the same one: Pingora's `reuse_hash` of a peer.
pub type Key = u64;

/// The connections, in parts of which a thread mostly uses its own.
pub struct Kept {
    parts: Box<[Mutex<Part>]>,
    count: AtomicUsize,
    most: usize,
    is_watched: AtomicBool,
}

#[derive(Default)]
struct Part(HashMap<Key, Vec<Waiting>, ahash::RandomState>);

struct Waiting {
    stream: Stream,
    until: Option<Instant>,
}

impl Kept {
    /// At most `most` connections, for `threads` that use them.
    pub fn new(most: usize, threads: usize) -> Arc<Self> {
        let parts = (0..threads.max(1)).map(|_| Mutex::default()).collect();
        Arc::new(Self { parts, count: AtomicUsize::new(0), most, is_watched: AtomicBool::new(false) })
    }

    /// The connection that has waited least, if there is one that is still open.
    pub fn take(&self, key: Key) -> Option<Stream> {
        let own = own_part();
        for offset in 0..self.parts.len() {
            while let Some(mut waiting) = self.pop(own + offset, key) {
                self.count.fetch_sub(1, Ordering::Relaxed);
                if is_silent(&mut waiting.stream) {
                    return Some(waiting.stream);
                }
            }
        }
        None
    }

    /// Keeps a connection over which nothing is awaited, for as long as `idle_for`.
    pub fn put(self: &Arc<Self>, key: Key, mut stream: Stream, idle_for: Option<Duration>) {
        // One that says something unasked has mixed up its answers, or is closing.
        if idle_for == Some(Duration::ZERO) || !is_silent(&mut stream) {
            return;
        }
        if self.count.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.count.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let until = idle_for.map(|idle_for| Instant::now() + idle_for);
        self.part(own_part()).0.entry(key).or_default().push(Waiting { stream, until });
        if !self.is_watched.load(Ordering::Relaxed) && !self.is_watched.swap(true, Ordering::Relaxed) {
            tokio::spawn(watch(Arc::downgrade(self)));
        }
    }

    fn pop(&self, part: usize, key: Key) -> Option<Waiting> {
        self.part(part).0.get_mut(&key)?.pop()
    }

    fn part(&self, number: usize) -> MutexGuard<'_, Part> {
        self.parts[number % self.parts.len()].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes those that nobody will use again.
    fn look(&self, now: Instant) {
        for part in &self.parts {
            let mut part = part.lock().unwrap_or_else(PoisonError::into_inner);
            part.0.retain(|_, waiting| {
                let before = waiting.len();
                waiting.retain_mut(|one| one.until.is_none_or(|until| now < until) && is_silent(&mut one.stream));
                self.count.fetch_sub(before - waiting.len(), Ordering::Relaxed);
                !waiting.is_empty()
            });
        }
    }
}

async fn watch(kept: Weak<Kept>) {
    loop {
        sleep(ROUND).await;
        let Some(kept) = kept.upgrade() else { return };
        kept.look(Instant::now());
    }
}

/// Whether there is nothing to read: no end, no error, and no bytes.
fn is_silent(stream: &mut Stream) -> bool {
    let mut byte = [0];
    let mut cx = Context::from_waker(Waker::noop());
    Pin::new(stream).poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_pending()
}

/// A number that is the same whenever this thread asks.
fn own_part() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static OWN: Cell<Option<usize>> = const { Cell::new(None) });
    OWN.with(|own| {
        own.get().unwrap_or_else(|| {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            own.set(Some(number));
            number
        })
    })
}

#[cfg(test)]
mod tests {
    use pingora::protocols::l4;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// Our side of a connection, and the server's.
    async fn connection() -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (own, other) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (Box::new(l4::stream::Stream::from(own.unwrap())), other.unwrap().0)
    }

    const LONG: Option<Duration> = Some(Duration::from_secs(60));

    /// Until the system has told us what the other side did.
    async fn settled() {
        sleep(Duration::from_millis(50)).await;
    }

    #[tokio::test]
    async fn the_last_that_was_kept_is_taken_first_and_for_its_own_server_only() {
        let kept = Kept::new(8, 2);
        let ((first, _a), (second, _b)) = (connection().await, connection().await);
        let (older, younger) = (first.id(), second.id());
        kept.put(1, first, LONG);
        kept.put(1, second, LONG);
        assert!(kept.take(2).is_none());
        assert_eq!(kept.take(1).map(|stream| stream.id()), Some(younger));
        assert_eq!(kept.take(1).map(|stream| stream.id()), Some(older));
        assert!(kept.take(1).is_none());
    }

    #[tokio::test]
    async fn a_connection_is_found_whichever_thread_kept_it() {
        let kept = Kept::new(8, 2);
        let (stream, _other) = connection().await;
        let (keeper, runtime) = (kept.clone(), tokio::runtime::Handle::current());
        let put = move || {
            let _entered = runtime.enter();
            keeper.put(1, stream, LONG);
        };
        std::thread::spawn(put).join().unwrap();
        assert!(kept.take(1).is_some());
    }

    // T34, T35, T36: closed, or with bytes that nobody asked for
    #[tokio::test]
    async fn connections_that_were_closed_or_spoken_on_are_not_used_again() {
        let kept = Kept::new(8, 1);
        let ((closed, gone), (spoken, mut other)) = (connection().await, connection().await);
        kept.put(1, closed, LONG);
        kept.put(1, spoken, LONG);
        drop(gone);
        other.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        settled().await;
        assert!(kept.take(1).is_none());
        let (early, mut other) = connection().await;
        other.write_all(b"x").await.unwrap();
        settled().await;
        kept.put(1, early, LONG);
        assert!(kept.take(1).is_none(), "before it was kept");
    }

    #[tokio::test]
    async fn they_are_few_and_do_not_wait_for_ever() {
        let kept = Kept::new(2, 1);
        let mut others = Vec::new();
        for _ in 0..3 {
            let (stream, other) = connection().await;
            kept.put(1, stream, LONG);
            others.push(other);
        }
        assert_eq!(kept.count.load(Ordering::Relaxed), 2);
        kept.look(Instant::now() + Duration::from_secs(59));
        assert_eq!(kept.count.load(Ordering::Relaxed), 2);
        kept.look(Instant::now() + Duration::from_secs(61));
        assert_eq!(kept.count.load(Ordering::Relaxed), 0);
        let (never, _other) = connection().await;
        kept.put(1, never, Some(Duration::ZERO));
        assert!(kept.take(1).is_none());
    }

    // T36: it is closed by us too, without anybody who wants it
    #[tokio::test]
    async fn what_its_server_closed_is_let_go() {
        let kept = Kept::new(8, 1);
        let (stream, other) = connection().await;
        kept.put(1, stream, LONG);
        drop(other);
        tokio::time::timeout(Duration::from_secs(10), async {
            while kept.count.load(Ordering::Relaxed) > 0 {
                settled().await;
            }
        })
        .await
        .unwrap();
    }
}
