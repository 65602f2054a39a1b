//! The wall clock jumps: forward, back, and by years. No token outlives its end by that clock, nothing crashes, and whatever
//! goes by the time that only moves forward does not notice.
//!
//! A library that is loaded before the C library's own adds an offset to the wall clock; the offset is in a file that the
//! test writes.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use super::{CALLERS, PATIENCE, Site, families, is_well, probe, seed, token_of};
use crate::support::ledger::{Act, Ledger, Must};
use crate::support::process::{Gateway, soon};
use crate::support::steady::Due;

/// Only the wall clock: timers go by `CLOCK_MONOTONIC`, which nobody can set.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static long offset(void) {
    static volatile const long *seconds;
    if (!seconds) {
        int file = open(getenv("WALL_CLOCK_OFFSET"), O_RDONLY);
        seconds = mmap(0, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
    }
    return *seconds;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) now->tv_sec += offset();
    return result;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec exact;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *result) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (result) *result = exact.tv_sec;
    return exact.tv_sec;
}
"#;

const HOUR: i64 = 3600;
const YEAR: i64 = 365 * 24 * HOUR;

/// The wall clock of one gateway.
struct WallClock(PathBuf);

impl WallClock {
    fn is_off_by(&self, seconds: i64) {
        // In place, because it is mapped.
        let file = fs::OpenOptions::new().write(true).open(&self.0).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &seconds.to_ne_bytes(), 0).unwrap();
    }
}

/// A gateway whose wall clock the test sets.
fn serve(site: &Site) -> (Gateway, WallClock) {
    fs::write(site.file("clock.c"), SHIM).unwrap();
    let compile = ["-shared", "-fPIC", "-O1", "-o", "clock.so", "clock.c", "-ldl"];
    let compiled = Command::new("cc").args(compile).current_dir(site.folder.path()).output().unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let clock = WallClock(site.file("offset"));
    fs::write(&clock.0, 0_i64.to_ne_bytes()).unwrap();
    let mut command = site.command(&["serve", "--format", "json"]);
    command.env("LD_PRELOAD", site.file("clock.so")).env("WALL_CLOCK_OFFSET", &clock.0);
    (Gateway::start(&mut command), clock)
}

fn read(token: &str, must: Must) -> Due {
    Due::get("/api/orders", Act::Pass { subject: Some(CALLERS[0].to_owned()) }, must).bearing(token)
}

// T68
#[test]
#[cfg(target_os = "linux")]
fn no_token_outlives_its_end_when_the_clock_jumps() {
    let (site, ledger) = (Site::new(), Ledger::new(seed()));
    let (gateway, clock) = serve(&site);
    let mut caller = site.caller();
    let token = || token_of(&gateway, CALLERS[0]);
    let held = families(&site, &ledger, 1);
    // Tokens live for ten minutes. Each of these is in the cache when the clock jumps.
    let early = token();
    assert_eq!(read(&early, Must::Pass).send(&mut caller, &ledger).expect("an answer").status, 200);
    for offset in [HOUR, 10 * YEAR, HOUR] {
        clock.is_off_by(offset);
        // From the very next request on.
        read(&early, Must::Refuse(&[401])).send(&mut caller, &ledger).expect("an answer");
        let began = Instant::now();
        let late = soon(Duration::from_secs(5), || {
            let answer = gateway.ask_for_token((CALLERS[0], super::CALLER_SECRET), super::READ);
            Some(answer).filter(|answer| answer.status() == 200)
        });
        assert!(began.elapsed() < Duration::from_secs(2), "timers are not frozen: {:?}", began.elapsed());
        let late = late.json()["access_token"].as_str().unwrap().to_owned();
        read(&late, Must::Pass).send(&mut caller, &ledger).expect("an answer");
        assert!(is_well(&gateway, "/healthz") && is_well(&gateway, "/readyz"));
        // Back: what was issued later than now is refused or short-lived, and never lives longer than it says.
        clock.is_off_by(0);
        read(&late, Must::Either(&[401])).send(&mut caller, &ledger).expect("an answer");
        read(&token(), Must::Pass).send(&mut caller, &ledger).expect("an answer");
    }
    // Behind: what is issued there is over when the clock is right again.
    clock.is_off_by(-HOUR);
    let behind = token();
    read(&behind, Must::Pass).send(&mut caller, &ledger).expect("an answer");
    clock.is_off_by(0);
    read(&behind, Must::Refuse(&[401])).send(&mut caller, &ledger).expect("an answer");
    // Ten seconds either way are nobody's fault; a refresh token is as good as before all this.
    for offset in [10, -10, 0] {
        let issued = token();
        clock.is_off_by(offset);
        read(&issued, Must::Pass).send(&mut caller, &ledger).expect("an answer");
        clock.is_off_by(0);
    }
    soon(PATIENCE, || {
        probe(&held[0], Must::Either(&[503])).send(&mut caller, &ledger).filter(|answer| answer.status == 200)
    });
    site.judge(&ledger, gateway, None).assert_unharmed("T68");
}
