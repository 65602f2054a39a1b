//! How long a login takes that is refused, whoever it is for (HARDENING L9): medians of attempts that are made in turns,
//! each at the full cost of Argon2id. Not run unless asked for, because it takes minutes and a quiet machine:
//! `cargo test --release --test it login_time -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use faregate::directory::LoginError;
use faregate::store::Store as _;

use crate::store_speed::processor_time;
use crate::support::authorization_server::{TENANT, TestServer};
use crate::support::people::ADA_EMAIL;

/// Attempts of each kind. A build for development hashes several times as slowly, so a tenth must do there.
const SAMPLES: usize = if cfg!(debug_assertions) { 200 } else { 2_000 };
/// Before they count.
const WARM_UP: usize = 20;
/// Seconds after which nobody remembers a wrong password: nothing here is to be throttled.
const A_DAY: i64 = 86_401;

/// Who is asked for. Bob has no password, and nobody is called `eve`.
const LOGINS: [(&str, &str); 3] =
    [("wrong password", ADA_EMAIL), ("unknown user", "eve@example.com"), ("user without a password", "bob")];

/// Milliseconds.
fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

// L9, ASVS 6.3.8
#[tokio::test]
#[ignore = "a measurement that takes minutes"]
async fn refused_logins_take_the_same_time() {
    let server = TestServer::with_people().await;
    let tenant = server.store.find_tenant(TENANT).await.unwrap().unwrap();
    let password = "not the password".to_owned().into();
    let mut times = LOGINS.map(|_| Vec::with_capacity(SAMPLES));
    let mut computed = LOGINS.map(|_| Duration::ZERO);
    for round in 0..WARM_UP + SAMPLES {
        // Each goes first as often as the others.
        for place in 0..LOGINS.len() {
            let kind = (round + place) % LOGINS.len();
            let (started, before) = (Instant::now(), processor_time());
            let login = server.directory.check_credentials(&tenant, LOGINS[kind].1, &password, None).await;
            let (took, used) = (started.elapsed(), processor_time() - before);
            assert!(matches!(login, Err(LoginError::WrongCredentials)), "{login:?}");
            if round >= WARM_UP {
                times[kind].push(took);
                computed[kind] += used;
            }
        }
        server.clock.advance(A_DAY);
    }
    let medians = times.map(|mut times| median(&mut times));
    println!("{:24} {:>10} {:8} {:>17}  ({SAMPLES} samples)", "", "median ms", "", "mean processor ms");
    for (kind, (name, _)) in LOGINS.iter().enumerate() {
        let mean = computed[kind].as_secs_f64() * 1e3 / SAMPLES as f64;
        println!("{name:24} {:10.3} {:+7.2}% {mean:17.3}", medians[kind], difference(medians[kind], medians[0]));
    }
    for median in medians {
        assert!(difference(median, medians[0]).abs() <= 5.0, "{medians:?}");
    }
}

/// Percent.
fn difference(one: f64, other: f64) -> f64 {
    100.0 * (one / other - 1.0)
}
