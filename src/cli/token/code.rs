//! `faregate token code`: the authorization code grant with PKCE (RFC 7636, RFC 8252). The browser comes back to a port
//! of this machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::ask::{Client, Scopes};
use crate::cli::{FAILED, Failure, Outcome, UNUSABLE, say};
use crate::entropy::Entropy;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    client: Client,
    #[command(flatten)]
    scopes: Scopes,
    /// The port of http://127.0.0.1:PORT/callback, which the client must have as a redirect URI; 0 takes a free one
    #[arg(long, default_value_t = 9999)]
    port: u16,
    /// Another parameter of the authorization request, for example prompt=login; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter)]
    with: Vec<(String, String)>,
    /// Only print the address, open no browser
    #[arg(long)]
    no_browser: bool,
}

const WAIT_FOR: Duration = Duration::from_secs(600);
/// The longest head of a request that the browser may send us.
const MAX_HEAD: usize = 64 * 1024;
const CALLBACK: &str = "/callback";

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("this is not NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) async fn run(arguments: &Arguments) -> Outcome {
    let client = &arguments.client;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; --port 0 takes a free port"))
        .map_err(|error| Failure::Failed(UNUSABLE, error))?;
    let redirect_uri = format!("http://{}{CALLBACK}", listener.local_addr()?);
    let entropy = Entropy::system();
    let (verifier, state) = (entropy.token(32), entropy.token(16));
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
    let mut query = reqwest::Url::parse(&client.url("/oauth2/authorize")).context("the URL of the gateway")?;
    {
        let mut pairs = query.query_pairs_mut();
        pairs.append_pair("response_type", "code").append_pair("client_id", &client.client_id);
        pairs.append_pair("redirect_uri", &redirect_uri).append_pair("state", &state);
        pairs.append_pair("code_challenge", &challenge).append_pair("code_challenge_method", "S256");
        if let Some(scope) = arguments.scopes.joined() {
            pairs.append_pair("scope", &scope);
        }
        pairs.extend_pairs(&arguments.with);
    }
    say(format_args!("Sign in at\n\n  {query}\n\n"));
    if !arguments.no_browser {
        open_browser(query.as_str());
    }
    let answer = tokio::time::timeout(WAIT_FOR, receive(&listener, &state));
    let code = answer.await.map_err(|_| failed("nobody signed in in time"))??;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", redirect_uri.as_str()),
        ("code_verifier", verifier.as_str()),
    ];
    client.print(&client.post("/oauth2/token", &form).await?)
}

/// Whatever opens addresses here; if nothing does, the printed one is there to copy.
fn open_browser(url: &str) {
    let chosen = std::env::var("BROWSER").ok().filter(|program| !program.is_empty());
    let graphical = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    let program = match (&chosen, cfg!(target_os = "macos")) {
        (Some(program), _) => program.as_str(),
        (None, true) => "open",
        (None, false) if graphical => "xdg-open",
        (None, false) => return,
    };
    let started =
        Command::new(program).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    if let Err(error) = started {
        say(format_args!("faregate: cannot open a browser with {program}: {error}\n"));
    }
}

/// Waits for the browser to come back with an answer to our request; what else asks is not for us.
async fn receive(listener: &TcpListener, state: &str) -> Result<String, Failure> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        // A connection that a browser opens ahead says nothing; the next one will.
        let Ok(Some(target)) = tokio::time::timeout(Duration::from_secs(5), read_target(&mut stream)).await else {
            continue;
        };
        let outcome = answer_in(&target, state);
        let (status, text) = match &outcome {
            None => ("404 Not Found", "There is nothing here."),
            Some(Ok(_)) => ("200 OK", "You are signed in. Close this window and go back to the terminal."),
            Some(Err(_)) => ("400 Bad Request", "You are not signed in. The terminal says why."),
        };
        // The person may have closed the window; the code counts all the same.
        let _ = respond(&mut stream, status, text).await;
        match outcome {
            None => {}
            Some(Ok(code)) => return Ok(code),
            Some(Err(error)) => return Err(error),
        }
    }
}

/// The target of a GET request. `None` if it is none.
async fn read_target(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let length = stream.read(&mut buffer).await.ok()?;
        if length == 0 || head.len() > MAX_HEAD {
            return None;
        }
        head.extend_from_slice(&buffer[..length]);
    }
    let line = head.split(|&byte| byte == b'\r').next()?;
    let target = std::str::from_utf8(line).ok()?.strip_prefix("GET ")?.strip_suffix(" HTTP/1.1")?;
    Some(target.to_owned())
}

/// The code in an authorization response, if this is one.
fn answer_in(target: &str, state: &str) -> Option<Result<String, Failure>> {
    let url = reqwest::Url::parse("http://127.0.0.1").and_then(|base| base.join(target)).ok()?;
    if url.path() != CALLBACK {
        return None;
    }
    let find = |name: &str| url.query_pairs().find(|(other, _)| other == name).map(|(_, value)| value.into_owned());
    if find("state").as_deref() != Some(state) {
        return Some(Err(failed("the answer is not to our question: its state differs")));
    }
    Some(match (find("code"), find("error")) {
        (Some(code), None) => Ok(code),
        (_, Some(error)) => Err(failed(&format!("{error} {}", find("error_description").unwrap_or_default()))),
        (None, None) => Err(failed("the answer has no code")),
    })
}

async fn respond(stream: &mut TcpStream, status: &str, text: &str) -> std::io::Result<()> {
    let body = format!("<!doctype html><meta charset=utf-8><title>Faregate</title><p>{text}</p>\n");
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Content-Security-Policy: default-src 'none'\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await?;
    stream.shutdown().await
}

fn failed(what: &str) -> Failure {
    Failure::Failed(FAILED, anyhow::anyhow!("no token: {}", what.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 6749 10.12, 4.1.2, 4.1.2.1
    #[test]
    fn only_an_answer_to_our_question_counts() {
        let said = |target: &str| {
            answer_in(target, "s").map(|answer| {
                answer.map_err(|failure| match failure {
                    Failure::Failed(code, error) => format!("{code} {error}"),
                    Failure::Said(code) => code.to_string(),
                })
            })
        };
        assert_eq!(said("/favicon.ico"), None);
        assert_eq!(said("/callback?code=a%2Bb&state=s"), Some(Ok("a+b".to_owned())));
        for forged in ["/callback?code=a", "/callback?code=a&state=t", "/callback"] {
            assert_eq!(
                said(forged),
                Some(Err("1 no token: the answer is not to our question: its state differs".to_owned()))
            );
        }
        let denied = said("/callback?error=access_denied&error_description=No+thanks&state=s");
        assert_eq!(denied, Some(Err("1 no token: access_denied No thanks".to_owned())));
        assert_eq!(said("/callback?state=s"), Some(Err("1 no token: the answer has no code".to_owned())));
    }
}
