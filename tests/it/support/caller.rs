//! A client without surprises: one request after the other on a connection that it keeps, each with its whole answer or an
//! error.
//!
//! Owns the connection. It repeats nothing: what is not known to be answered is for the test to judge.

use std::io::{BufRead as _, BufReader, Error, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// A whole answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Null where the body is no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A member that is a text; empty if there is none.
    pub fn text(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap_or_default().to_owned()
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// Nobody listened: nothing of the request was sent.
    Unsent,
    /// The connection ended, or nothing came in time: nobody knows what became of the request.
    Unknown,
}

pub struct Caller {
    address: SocketAddr,
    patience: Duration,
    kept: Option<BufReader<TcpStream>>,
}

impl Caller {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, patience: Duration::from_secs(20), kept: None }
    }

    /// The longest that it waits for a piece of an answer.
    pub fn patient_for(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Asks for `target` with these field lines, each ended by CRLF.
    pub fn ask(&mut self, method: &str, target: &str, fields: &str, body: &str) -> Result<Answer, Unanswered> {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let host = self.address;
        self.send(format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}{length}\r\n{body}").as_bytes())
    }

    pub fn get(&mut self, target: &str, fields: &str) -> Result<Answer, Unanswered> {
        self.ask("GET", target, fields, "")
    }

    fn send(&mut self, request: &[u8]) -> Result<Answer, Unanswered> {
        let mut connection = match self.kept.take() {
            Some(connection) => connection,
            None => self.connect().map_err(|_| Unanswered::Unsent)?,
        };
        connection.get_mut().write_all(request).map_err(|_| Unanswered::Unknown)?;
        let (answer, keeps) = read(&mut connection).map_err(|_| Unanswered::Unknown)?;
        self.kept = keeps.then_some(connection);
        Ok(answer)
    }

    fn connect(&self) -> Result<BufReader<TcpStream>, Error> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(self.patience))?;
        Ok(BufReader::new(stream))
    }
}

/// The answer, and whether the connection may be used again.
fn read(connection: &mut BufReader<TcpStream>) -> Result<(Answer, bool), Error> {
    let mut answer = Answer::default();
    let first = line(connection)?;
    let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    answer.status = status.ok_or_else(|| Error::other(format!("no status line: {first}")))?;
    loop {
        let line = line(connection)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| Error::other("a field without a colon"))?;
        answer.fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    if answer.field("transfer-encoding").is_some() {
        answer.body = chunks(connection)?;
    } else {
        let length = answer.field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        answer.body = vec![0; length];
        connection.read_exact(&mut answer.body)?;
    }
    let keeps = answer.field("connection").is_none_or(|value| !value.eq_ignore_ascii_case("close"));
    Ok((answer, keeps))
}

fn chunks(connection: &mut BufReader<TcpStream>) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    loop {
        let size = line(connection)?;
        let size = size.split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size, 16).map_err(|_| Error::other("no size of a chunk"))?;
        let mut chunk = vec![0; size];
        connection.read_exact(&mut chunk)?;
        line(connection)?;
        if size == 0 {
            return Ok(body);
        }
        body.extend(chunk);
    }
}

/// The next line, without its end.
fn line(connection: &mut BufReader<TcpStream>) -> Result<String, Error> {
    let mut line = String::new();
    if connection.read_line(&mut line)? == 0 || !line.ends_with('\n') {
        return Err(Error::other("closed before the answer's end"));
    }
    line.truncate(line.trim_end().len());
    Ok(line)
}
