//! Golden conversations: `transcript/*.http` hold requests, a dashed line, the answers. `UPDATE=1` rewrites them.
//!
//! What differs from run to run is written `{{jwt}}`, `{{kid}}` and so on; what a token says is shown below it. In a
//! request, `{{access_token}}` and `{{refresh_token}}` are the last ones that were answered.

use std::fmt::Write as _;
use std::path::Path;

use axum::body::Body;
use http::Request;
use serde_json::Value;

use crate::support::authorization_server::{Answer, TestServer, part};

const ANSWER: &str = "---";
const NEXT: &str = "===";

#[tokio::test]
async fn conversations_are_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/transcript");
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let written = std::fs::read_to_string(&file).unwrap();
        let held = hold(&written).await;
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, &held).unwrap();
        } else {
            assert_eq!(held, written, "{}: run with UPDATE=1 to accept", file.display());
        }
    }
}

/// The conversation as it really goes.
async fn hold(written: &str) -> String {
    let server =
        if written.contains("client_id=web") { TestServer::with_people().await } else { TestServer::start().await };
    let mut held = Vec::new();
    let mut tokens = [("{{access_token}}", String::new()), ("{{refresh_token}}", String::new())];
    let lines: Vec<&str> = written.lines().collect();
    for exchange in lines.split(|line| *line == NEXT) {
        let request: Vec<&str> = exchange.iter().copied().take_while(|line| *line != ANSWER).collect();
        let mut sent = request.join("\n");
        for (name, token) in &tokens {
            sent = sent.replace(name, token);
        }
        let answer = Answer::of(&server, parse(&sent)).await;
        for (name, last) in &mut tokens {
            if let Ok(body) = serde_json::from_slice::<Value>(&answer.body)
                && let Some(token) = body[name.trim_matches(['{', '}'])].as_str()
            {
                *last = token.to_owned();
            }
        }
        held.push(format!("{}\n{ANSWER}\n{}\n", request.join("\n"), render(&answer).trim_end()));
    }
    held.join(&format!("{NEXT}\n"))
}

fn parse(text: &str) -> Request<Body> {
    let text: String = text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    let (head, body) = text.trim().split_once("\n\n").unwrap_or((text.trim(), ""));
    let mut lines = head.lines();
    let mut first = lines.next().unwrap().split(' ');
    let mut request = Request::builder().method(first.next().unwrap()).uri(first.next().unwrap());
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    // A body may be broken into lines for reading, as in RFC 6749.
    let body: String = body.lines().map(str::trim).collect();
    request.body(Body::from(body)).unwrap()
}

fn render(answer: &Answer) -> String {
    let mut text = format!("HTTP/1.1 {}\n", answer.status);
    let mut fields: Vec<_> =
        answer.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    fields.sort();
    for field in fields.iter().filter(|field| !field.starts_with("content-length")) {
        writeln!(text, "{field}").unwrap();
    }
    let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body) else {
        return text;
    };
    let mut said = String::new();
    for name in ["access_token", "id_token"] {
        let Some(token) = body[name].as_str().map(str::to_owned) else { continue };
        let (mut header, mut claims) = (part(&token, 0), part(&token, 1));
        header["kid"] = "{{kid}}".into();
        if claims.get("at_hash").is_some() {
            claims["at_hash"] = "{{at_hash}}".into();
        }
        write!(said, "\n# {header}\n# {claims}").unwrap();
        body[name] = "{{jwt}}".into();
    }
    if body["refresh_token"].is_string() {
        body["refresh_token"] = "{{refresh_token}}".into();
    }
    for key in body.get_mut("keys").and_then(Value::as_array_mut).into_iter().flatten() {
        for name in ["kid", "n", "x", "y"] {
            if key.get(name).is_some() {
                key[name] = format!("{{{{{name}}}}}").into();
            }
        }
    }
    text + "\n" + &body.to_string() + &said
}
