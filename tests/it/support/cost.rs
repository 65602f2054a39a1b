//! What a process has of the machine's: memory, descriptors, threads (V7), processor time, and whether it takes more and more.
//!
//! Owns the reading of `/proc`; on other systems there is nothing to read, and nothing is found.

use std::fs;
use std::time::{Duration, Instant};

/// What an allocator keeps for itself, whatever is done with it.
const SLACK_KIB: u64 = 6 * 1024;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    pub resident_kib: u64,
    pub descriptors: u64,
    pub threads: u64,
}

impl Cost {
    pub fn of(process: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
        };
        let descriptors = fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count);
        Self {
            resident_kib: number("VmRSS:"),
            descriptors: u64::try_from(descriptors).unwrap_or_default(),
            threads: number("Threads:"),
        }
    }

    /// The same once it is no more than before, or after a while.
    pub fn settled(process: u32, before: Self, within: Duration) -> Self {
        let began = Instant::now();
        loop {
            let now = Self::of(process);
            if now.beyond(before).is_empty() || began.elapsed() > within {
                return now;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What is more than before: of memory and threads, a tenth may be.
    pub fn beyond(self, before: Self) -> Vec<String> {
        let mut beyond = Vec::new();
        if self.resident_kib > before.resident_kib + (before.resident_kib / 10).max(SLACK_KIB) {
            beyond.push(format!("{} KiB resident, {} before", self.resident_kib, before.resident_kib));
        }
        if self.descriptors > before.descriptors {
            beyond.push(format!("{} descriptors, {} before", self.descriptors, before.descriptors));
        }
        if self.threads > before.threads + (before.threads / 10).max(1) {
            beyond.push(format!("{} threads, {} before", self.threads, before.threads));
        }
        beyond
    }
}

/// Processor time that a process has used so far, its own and the system's for it.
pub fn cpu_time(process: u32) -> Duration {
    // In the unit that Linux shows to programs on every machine (proc(5), USER_HZ).
    const TICK: Duration = Duration::from_millis(10);
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("a process");
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    let fields: Vec<&str> = fields.split_whitespace().collect();
    TICK * (fields[11].parse::<u32>().expect("ticks") + fields[12].parse::<u32>().expect("ticks"))
}

/// How fast `samples` (seconds, kilobytes) grow, in MiB an hour: the slope of the line that fits best.
pub fn slope(samples: &[(f64, f64)]) -> f64 {
    let count = samples.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|sample| sample.0), mean(|sample| sample.1));
    let above: f64 = samples.iter().map(|sample| (sample.0 - x) * (sample.1 - y)).sum();
    let below: f64 = samples.iter().map(|sample| (sample.0 - x).powi(2)).sum();
    above / below * 3600.0 / 1024.0
}

#[test]
fn growth_is_seen() {
    let grows = |by: f64| {
        (0..100).map(|n| (f64::from(n) * 36.0, 50_000.0 + by * f64::from(n) + f64::from(n % 7))).collect::<Vec<_>>()
    };
    assert!(slope(&grows(0.0)).abs() < 0.05);
    assert!((slope(&grows(102.4)) - 10.0).abs() < 0.05, "{}", slope(&grows(102.4)));
}
