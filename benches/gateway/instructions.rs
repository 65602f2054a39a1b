//! How many instructions a request takes, counted by callgrind: the same on every machine and in every run to a few in a
//! thousand. What they cost is for the clock to say; that a change adds none is best seen here.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use super::site::{
    ASK_FOR_TOKEN, Corp, Gateway, Kind, OPAQUE, PROGRAM, badly_signed, configuration, last_of_many, start_upstream,
};

/// Requests before it is counted, and those that are.
const WARM: u64 = 50;
const COUNTED: u64 = 300;

/// What else the process does (it makes its first RSA key, it puts away what was before a reload) only adds: the least counts.
const PASSES: usize = 5;

pub fn count() {
    let (upstream, corp) = (start_upstream(), Corp::start());
    let mut callgrind = Command::new("valgrind");
    callgrind.args(["--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null", PROGRAM]);
    let gateway = Gateway::start_by(callgrind, &upstream, &corp, Kind::Quiet);
    let [few, many] = [Kind::Quiet, Kind::Crowded].map(|kind| configuration(&upstream, &corp, kind));
    let (own, foreign) = (gateway.token(), corp.token());
    let (bad, last) = (badly_signed(&own), last_of_many());
    // As many bytes, which are looked at one by one.
    let (public, corp_path) =
        (format!("/public/{:x<1$}", "", last.len() - 8), format!("/corp/{:x<1$}", "", last.len() - 6));
    let get = |path: &str, token: Option<&str>| {
        let authorization = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{authorization}\r\n")
    };
    let length = ASK_FOR_TOKEN.len();
    let ask_for_token = format!(
        "POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{ASK_FOR_TOKEN}"
    );
    // Each beside the one that it is to be compared with.
    let cases = [
        ("public route, no token sent", &few, get("/public/x", None), 200, 0),
        ("public route, token sent", &few, get("/public/x", Some(&own)), 200, 0),
        ("guarded, one token", &few, get("/api/x", Some(&own)), 200, 1),
        ("refused, bad signature", &few, get("/api/x", Some(&bad)), 401, 1),
        ("public, foreign JWT sent", &few, get(&public, Some(&foreign)), 200, 0),
        ("guarded, foreign JWT", &few, get(&corp_path, Some(&foreign)), 200, 4),
        ("public, opaque token sent", &few, get(&public, Some(OPAQUE)), 200, 0),
        ("guarded, introspected", &few, get(&corp_path, Some(OPAQUE)), 200, 6),
        ("public, among a crowd", &many, get(&public, Some(&foreign)), 200, 4),
        ("guarded, among a crowd", &many, get(&corp_path, Some(&foreign)), 200, 5),
        ("last route of a crowd", &many, get(&last, Some(&foreign)), 200, 5),
        ("token endpoint, ES256", &few, ask_for_token, 200, 0),
    ];
    let mut running = &few;
    let mut counts = vec![f64::INFINITY; cases.len()];
    control(&gateway, &["-i", "on"]);
    for _ in 0..PASSES {
        for ((_, wanted, request, status, _), least) in cases.iter().zip(&mut counts) {
            if running != *wanted {
                gateway.becomes(wanted);
                running = wanted;
            }
            let mut stream = TcpStream::connect(gateway.url.trim_start_matches("http://")).expect("a connection");
            ask(&mut stream, request, *status, WARM);
            control(&gateway, &["-z"]);
            ask(&mut stream, request, *status, COUNTED);
            *least = least.min(total(&control(&gateway, &["-e"])) as f64 / COUNTED as f64);
        }
    }
    println!("{:27} {:>12} {:>8}", "case", "instructions", "beside");
    for ((name, _, _, _, beside), count) in cases.iter().zip(&counts) {
        println!("{name:27} {count:>12.0} {:>8.3}  {}", count / counts[*beside], cases[*beside].0);
    }
}

fn control(gateway: &Gateway, what: &[&str]) -> String {
    let output = Command::new("callgrind_control").args(what).arg(gateway.pid().to_string()).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Of all threads: a line for each, such as `Th 3  39,736,770`.
fn total(text: &str) -> u64 {
    let of_line = |line: &str| {
        let number = line.trim_start().strip_prefix("Th ")?.split_whitespace().nth(1)?;
        number.replace(',', "").parse::<u64>().ok()
    };
    let total = text.lines().filter_map(of_line).sum();
    assert_ne!(total, 0, "{text}");
    total
}

/// One after the other, over one connection.
fn ask(stream: &mut TcpStream, request: &str, status: u16, times: u64) {
    let mut buffer = vec![0; 64 * 1024];
    for _ in 0..times {
        stream.write_all(request.as_bytes()).expect("a request");
        let mut filled = 0;
        while !is_whole(&buffer[..filled]) {
            let read = stream.read(&mut buffer[filled..]).expect("an answer");
            assert_ne!(read, 0, "the connection is kept");
            filled += read;
        }
        let head = String::from_utf8_lossy(&buffer[..filled]);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    }
}

/// A head and as much of a body as it says.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    body.len() >= length.map_or(0, |length| length.trim().parse().expect("a number"))
}
