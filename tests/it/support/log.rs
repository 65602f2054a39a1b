//! What is written to the log while a test runs on one thread.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use serde_json::Value;
use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;

/// Listens until it is dropped.
pub struct Log {
    written: Written,
    _guard: DefaultGuard,
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    pub fn start() -> Self {
        // With a single listener in the process, what another thread says first is never heard here: `tracing` then asks
        // that thread's listener only, and remembers the answer.
        static SECOND: OnceLock<Dispatch> = OnceLock::new();
        SECOND.get_or_init(|| Dispatch::new(tracing_subscriber::fmt().with_writer(std::io::sink).finish()));
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
        Self { written, _guard: tracing::subscriber::set_default(subscriber) }
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.written.0.lock().unwrap().clone()).unwrap()
    }

    /// What the event was told of, each time.
    pub fn told(&self, event: &str) -> Vec<String> {
        let lines: Vec<Value> = self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let fields = lines.iter().map(|line| &line["fields"]).filter(|fields| fields["event"] == event);
        fields.map(|fields| fields["object.id"].as_str().unwrap().to_owned()).collect()
    }
}
