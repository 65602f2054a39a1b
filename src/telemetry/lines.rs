//! Standard error that nobody waits for: lines wait in memory for a thread that writes them (fault T65).
//!
//! Owns the thread and the room. It does not know what the lines say.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

/// Bytes that may wait for a slow reader; lines beyond them are dropped and counted.
const MOST_WAITING: usize = 1024 * 1024;

/// Clones write to the same place.
#[derive(Clone)]
pub(super) struct Lines(Arc<Shared>);

struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    dropped: u64,
    is_writing: bool,
}

impl Lines {
    /// Starts a thread that lives as long as the process.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start() -> io::Result<Self> {
        Self::start_on(io::stderr())
    }

    fn start_on(out: impl Write + Send + 'static) -> io::Result<Self> {
        let lines = Self(Arc::new(Shared { waiting: Mutex::default(), changed: Condvar::new() }));
        let theirs = lines.clone();
        thread::Builder::new().name("log".into()).spawn(move || theirs.write_all_to(out))?;
        Ok(lines)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all_to(&self, mut out: impl Write) {
        let mut lines = Vec::new();
        loop {
            let mut waiting = self.lock();
            waiting.is_writing = false;
            self.0.changed.notify_all();
            while waiting.lines.is_empty() {
                waiting = self.0.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            waiting.is_writing = true;
            std::mem::swap(&mut lines, &mut waiting.lines);
            let dropped = std::mem::take(&mut waiting.dropped);
            drop(waiting);
            // Standard error that cannot be written to leaves nowhere to say so.
            let _ = out.write_all(&lines);
            if dropped > 0 {
                let _ = writeln!(out, "{{\"event\":\"log.dropped\",\"dropped\":{dropped}}}");
            }
            lines.clear();
        }
    }

    /// Waits until everything is written, but not for long.
    pub(super) fn finish(&self, within: Duration) {
        let until = Instant::now() + within;
        let mut waiting = self.lock();
        while !waiting.lines.is_empty() || waiting.is_writing {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let (again, _) = self.0.changed.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner);
            waiting = again;
        }
    }
}

impl Write for Lines {
    /// One line. It is taken as a whole or dropped.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.lock();
        if waiting.lines.len() + line.len() > MOST_WAITING {
            waiting.dropped += 1;
        } else {
            waiting.lines.extend_from_slice(line);
        }
        drop(waiting);
        self.0.changed.notify_all();
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A reader that reads only when it is told to.
    struct Stuck(Receiver<()>, Sender<Vec<u8>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            let _ = self.1.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    // T65
    #[test]
    fn nobody_waits_for_a_reader_that_is_stuck() {
        let ((go, gone), (said, heard)) = (channel(), channel());
        let mut lines = Lines::start_on(Stuck(gone, said)).unwrap();
        let line = [b'x'; 1024];
        let began = Instant::now();
        for _ in 0..3000 {
            lines.write_all(&line).unwrap();
        }
        lines.finish(Duration::from_millis(50));
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        // It reads again, as long as there is anything.
        drop(go);
        lines.finish(Duration::from_secs(5));
        lines.write_all(b"after\n").unwrap();
        lines.finish(Duration::from_secs(5));
        let all: Vec<u8> = heard.try_iter().flatten().collect();
        let text = String::from_utf8(all).unwrap();
        assert!(text.len() < 2 * MOST_WAITING + 1024, "memory is bounded");
        assert!(text.contains("\"event\":\"log.dropped\"") && text.ends_with("after\n"), "it says so, and goes on");
    }
}
