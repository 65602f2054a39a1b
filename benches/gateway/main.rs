//! What a guarded request costs beside a public one, on the same binary in the same run, under load from wrk: with tokens of our
//! own, with those of another issuer, with introspected ones, and among fifty issuers and a thousand rules.
//!
//! It measures CPU time of the gateway's process (user and system, from /proc) over requests answered, which is steadier
//! than requests per second when the load generator shares the machine. Needs Linux and wrk (`scripts/deps bench`).
//!
//! `cargo bench --bench gateway -- foreign crowd` measures only what is called so, beside what it is compared with; `ROUNDS=101`
//! before it takes more rounds, where a machine is noisy. `-- instructions` counts them, which no machine disturbs: it is the one
//! to ask whether a change of the request's path costs anything.

mod instructions;
mod site;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use site::{ASK_FOR_TOKEN, Corp, Gateway, Kind, configuration, last_of_many, start_upstream};

/// Rounds over all cases, each beginning with another one. What is reported is the median over the rounds, and of ratios
/// the median of the ratios within a round, because machines get faster and slower while they are measured, and between
/// which two lies the middle half of them.
const ROUNDS: usize = 21;
const SECONDS: u32 = 1;
const CONNECTIONS: u32 = 32;
const DISTINCT_TOKENS: usize = 20_000;
const IDLE_CONNECTIONS: usize = 10_000;

fn main() {
    // `cargo test --benches` asks every bench to run; this one is a measurement, not a test.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    for program in ["wrk", "valgrind"] {
        if Command::new(program).arg("--version").output().is_err() {
            eprintln!("{program} is not installed; run: scripts/deps bench");
            std::process::exit(1);
        }
    }
    if wanted == ["instructions"] {
        return instructions::count();
    }
    let upstream = start_upstream();
    let corp = Corp::start();
    let quiet = Gateway::start(&upstream, &corp, Kind::Quiet);
    let logging = Gateway::start(&upstream, &corp, Kind::Logging);
    let token = quiet.token();
    // The first RSA key is made in the background; it is not idle before.
    std::thread::sleep(Duration::from_secs(5));
    println!("resident when idle: {} KiB; ready after {} ms", quiet.resident(), quiet.ready_after.as_millis());

    let tokens: Vec<String> = (0..DISTINCT_TOKENS).map(|_| quiet.token()).collect();
    let script = std::env::temp_dir().join(format!("faregate-bench-{}.lua", std::process::id()));
    std::fs::write(&script, lua(&tokens)).expect("a temporary file");
    let authorization = format!("Authorization: Bearer {token}");
    let logged = format!("Authorization: Bearer {}", logging.token());
    let bad = format!("Authorization: Bearer {}", site::badly_signed(&token));
    // Its last bits are none that a signature can have.
    let malformed = format!("Authorization: Bearer {}x", &token[..token.len() - 1]);
    let script = script.display().to_string();
    let foreign = format!("Authorization: Bearer {}", corp.token());
    let opaque = format!("Authorization: Bearer {}", site::OPAQUE);
    // Each beside the one that it is to be compared with.
    let cases: [Case<'_>; 12] = [
        ("public route, no token sent", &quiet, "/public/x", vec![], 0),
        ("public route, token sent", &quiet, "/public/x", vec!["-H", &authorization], 0),
        ("guarded, one token", &quiet, "/api/x", vec!["-H", &authorization], 1),
        ("guarded, 20,000 tokens", &quiet, "/api/x", vec!["-s", &script], 1),
        ("public, decision lines", &logging, "/public/x", vec![], 0),
        ("guarded, decision lines", &logging, "/api/x", vec!["-H", &logged], 1),
        ("refused, bad signature", &quiet, "/api/x", vec!["-H", &bad], 1),
        ("refused, malformed", &quiet, "/api/x", vec!["-H", &malformed], 1),
        ("public, foreign JWT sent", &quiet, "/public/x", vec!["-H", &foreign], 0),
        ("guarded, foreign JWT", &quiet, "/corp/x", vec!["-H", &foreign], 8),
        ("public, opaque token sent", &quiet, "/public/x", vec!["-H", &opaque], 0),
        ("guarded, introspected", &quiet, "/corp/x", vec!["-H", &opaque], 10),
    ];
    let is_named = |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    let chosen: Vec<usize> = (0..cases.len())
        .filter(|at| cases.iter().enumerate().any(|(own, case)| is_named(case.0) && [0, own, case.4].contains(at)))
        .collect();
    println!("{:27} {:>10} {:>12} {:>8} {:>8} {:>13}", "case", "req/s", "CPU us/req", "ratio", "beside", "middle half");
    for &at in &chosen {
        // Verified, or introspected, before it is measured.
        measure(&cases[at]);
    }
    let asked = corp.asked();
    let mut rounds: Vec<Vec<Measured>> = Vec::new();
    let wanted_rounds = std::env::var("ROUNDS").map_or(ROUNDS, |number| number.parse().expect("a number"));
    for round in 0..wanted_rounds {
        let mut measured = vec![Measured { per_second: 0.0, cpu_us: 0.0 }; cases.len()];
        for turn in 0..chosen.len() {
            let at = chosen[(round + turn) % chosen.len()];
            measured[at] = measure(&cases[at]);
        }
        rounds.push(measured);
    }
    assert_eq!(corp.asked(), asked, "answers of the issuer are remembered while it is measured");
    report(&rounds, chosen.iter().map(|&at| (at, cases[at].0, cases[at].4, cases[cases[at].4].0)));
    if is_named(CROWD) {
        crowd(&upstream, &corp, &foreign, wanted_rounds);
    }
    if wanted.is_empty() {
        token_endpoint(&quiet);
        idle_connections();
        instructions::count();
    }
    let _ = std::fs::remove_file(script);
}

/// A line for each case: its place, its name, and the place and the name of what it is beside.
fn report<'a>(rounds: &[Vec<Measured>], cases: impl Iterator<Item = (usize, &'a str, usize, &'a str)>) {
    for (at, name, beside, its_name) in cases {
        let column = |value: &dyn Fn(&[Measured]) -> f64| median(rounds.iter().map(|round| value(round)));
        // Beside the public route, and beside the case with the same bytes that differs in one thing.
        let ratio = column(&|round| round[at].cpu_us / round[0].cpu_us);
        let beside_it = |round: &Vec<Measured>| round[at].cpu_us / round[beside].cpu_us;
        let [low, same, high] = [1, 2, 3].map(|quarter| quantile(rounds.iter().map(beside_it), quarter, 4));
        let (per_second, cpu_us) = (column(&|round| round[at].per_second), column(&|round| round[at].cpu_us));
        println!(
            "{name:27} {per_second:>10.0} {cpu_us:>12.2} {ratio:>8.3} {same:>8.3} {low:>6.3}-{high:.3}  {its_name}"
        );
    }
}

/// Name, gateway, path, what wrk is told beside, and the place of the case that it is compared with.
type Case<'a> = (&'a str, &'a Gateway, &'a str, Vec<&'a str>, usize);

#[derive(Clone, Copy)]
struct Measured {
    per_second: f64,
    cpu_us: f64,
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    quantile(values, 1, 2)
}

fn quantile(values: impl Iterator<Item = f64>, part: usize, of: usize) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() * part / of]
}

fn measure((name, gateway, path, extra, _): &Case<'_>) -> Measured {
    let url = format!("{}{path}", gateway.url);
    let (cpu, started) = (gateway.cpu(), Instant::now());
    let requests = wrk(&url, extra, name);
    let elapsed = started.elapsed().as_secs_f64();
    Measured { per_second: requests / elapsed, cpu_us: (gateway.cpu() - cpu).as_secs_f64() * 1e6 / requests }
}

/// Requests that were answered.
fn wrk(url: &str, extra: &[&str], name: &str) -> f64 {
    let output = Command::new("wrk")
        .args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{SECONDS}s")])
        .args(extra)
        .arg(url)
        .output()
        .expect("wrk runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let refused = text.contains("Non-2xx");
    assert_eq!(refused, name.starts_with("refused"), "{name}: {text}");
    let line = text.lines().find(|line| line.contains("requests in")).unwrap_or_else(|| panic!("{text}"));
    line.split_whitespace().next().and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{text}"))
}

const CROWD: &str = "crowd";

/// What fifty issuers and a thousand rules cost a request beside one of each. It is one process throughout, which is told in each
/// round to go on with the other configuration: two processes with the *same* configuration differ by up to a fifth, because of
/// where their memory lies, and that would be all that is seen. The second reading of the small configuration shows what is noise.
fn crowd(upstream: &str, corp: &Corp, token: &str, rounds: usize) {
    let gateway = Gateway::start(upstream, corp, Kind::Quiet);
    let [few, many] = [Kind::Quiet, Kind::Crowded].map(|kind| configuration(upstream, corp, kind));
    let last = last_of_many();
    let cases: [(&str, &str, &str, usize); 7] = [
        ("public, one of each", &few, "/public/x", 0),
        ("guarded, one of each", &few, "/corp/x", 1),
        ("public, the same again", &few, "/public/x", 0),
        ("guarded, the same again", &few, "/corp/x", 1),
        ("public, among a crowd", &many, "/public/x", 0),
        ("guarded, among a crowd", &many, "/corp/x", 1),
        ("last route of a crowd", &many, &last, 1),
    ];
    let states = [0..2, 2..4, 4..cases.len()];
    let mut measured: Vec<Vec<Measured>> = Vec::new();
    for round in 0..rounds {
        let mut of_round = vec![Measured { per_second: 0.0, cpu_us: 0.0 }; cases.len()];
        for turn in 0..states.len() {
            let state = states[(round + turn) % states.len()].clone();
            gateway.becomes(cases[state.start].1);
            let asked = |at: usize| (cases[at].0, &gateway, cases[at].2, vec!["-H", token], 0);
            // Whatever is made by the first request is there before it is measured.
            measure(&asked(state.end - 1));
            for at in state {
                of_round[at] = measure(&asked(at));
            }
        }
        measured.push(of_round);
    }
    report(&measured, cases.iter().enumerate().map(|(at, &(name, _, _, beside))| (at, name, beside, cases[beside].0)));
}

/// Tokens per second and CPU per token, ES256, nothing written.
fn token_endpoint(gateway: &Gateway) {
    let script = std::env::temp_dir().join(format!("faregate-bench-token-{}.lua", std::process::id()));
    let lua = format!(
        "wrk.method = \"POST\"\nwrk.body = \"{ASK_FOR_TOKEN}\"\nwrk.headers[\"Content-Type\"] = \"application/x-www-form-urlencoded\"\n"
    );
    std::fs::write(&script, lua).expect("a temporary file");
    let path = script.display().to_string();
    let case = ("token endpoint, ES256", gateway, "/oauth2/token", vec!["-s", path.as_str()], 0);
    let runs: Vec<Measured> = (0..5).map(|_| measure(&case)).collect();
    let per_second = median(runs.iter().map(|run| run.per_second));
    println!("{:27} {per_second:>10.0} {:>12.2}", case.0, median(runs.iter().map(|run| run.cpu_us)));
    let _ = std::fs::remove_file(script);
}

/// What keep-alive connections cost that were used once and wait for their next request.
fn idle_connections() {
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let gateway = Gateway::start(&start_upstream(), &Corp::start(), Kind::Quiet);
    let host = gateway.url.trim_start_matches("http://").to_owned();
    let before = gateway.resident();
    let request = format!("GET /public/x HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let connections: Vec<TcpStream> = (0..IDLE_CONNECTIONS)
        .map(|_| {
            let mut stream = TcpStream::connect(&host).expect("a connection");
            stream.write_all(request.as_bytes()).expect("a request");
            let mut answer = Vec::new();
            while !answer.ends_with(b"\r\n\r\nok") {
                let mut buffer = [0; 1024];
                let read = stream.read(&mut buffer).expect("an answer");
                assert_ne!(read, 0, "the connection is kept");
                answer.extend_from_slice(&buffer[..read]);
            }
            stream
        })
        .collect();
    let after = gateway.resident();
    let each = (after - before) as f64 / connections.len() as f64;
    println!("resident with {IDLE_CONNECTIONS} idle connections: {after} KiB ({each:.1} KiB each)");
}

fn lua(tokens: &[String]) -> String {
    let list = tokens.iter().map(|token| format!("\"{token}\"")).collect::<Vec<_>>().join(",\n");
    format!(
        "local tokens = {{\n{list}\n}}\nlocal at = 0\nrequest = function()\n  at = at % #tokens + 1\n  \
         return wrk.format(\"GET\", nil, {{ [\"Authorization\"] = \"Bearer \" .. tokens[at] }})\nend\n"
    )
}
