//! The real binary: started on free ports, asked, stopped by its process id.
//!
//! Owns the processes that it starts and nothing else; what is in their folders is the tests' business.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::gateway::Raw;

/// Longer than anything takes on a loaded machine, the migration of half a million rows with it.
const PATIENCE: Duration = Duration::from_secs(120);

/// The binary in `folder`, without what the environment of the tests would tell it.
pub fn faregate(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_faregate"));
    command.args(arguments).current_dir(folder);
    for variable in ["RUST_LOG", "FAREGATE_CONFIG", "NO_COLOR", "TERM"] {
        command.env_remove(variable);
    }
    command
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn of(command: &mut Command) -> Self {
        Self::with_input(command, "")
    }

    pub fn with_input(command: &mut Command, input: &str) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        // A command that reads no input may have ended.
        let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
        let Output { status, stdout, stderr } = child.wait_with_output().expect("it ends");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self { code: status.code().expect("no signal"), stdout: text(stdout), stderr: text(stderr) }
    }

    /// What was printed on standard output, as JSON.
    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// The one line with which it failed, with nothing on standard output.
    pub fn complaint(&self, code: i32) -> &str {
        assert_eq!((self.code, self.stdout.as_str()), (code, ""), "{self:?}");
        assert_eq!(self.stderr.matches('\n').count(), 1, "{self:?}");
        self.stderr.trim_end()
    }
}

/// Everything that was written to a pipe until now.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<String>>);

impl Written {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let written = Self::default();
        let writing = written.clone();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(pipe);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                writing.0.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        written
    }

    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

/// A gateway that runs until it is stopped or dropped.
pub struct Gateway {
    child: Child,
    stdout: Written,
    stderr: Written,
    /// The line of JSON with which it said that it is ready; null where it was not asked for one.
    pub ready: Value,
    /// From its start to that line.
    pub ready_after: Duration,
}

impl Gateway {
    /// Waits until it printed its line of JSON.
    pub fn start(command: &mut Command) -> Self {
        let mut gateway = Self::start_until(command, "}\n");
        gateway.ready = serde_json::from_str(&gateway.stdout()).expect("one line of JSON");
        gateway
    }

    /// Waits until standard output contains `sign`.
    pub fn start_until(command: &mut Command, sign: &str) -> Self {
        Self::start_on(command.stdin(Stdio::null()), sign)
    }

    /// The same as [`Gateway::start`], with this descriptor as its standard input.
    pub fn start_with_input(command: &mut Command, input: OwnedFd) -> Self {
        let mut gateway = Self::start_on(command.stdin(input), "}\n");
        gateway.ready = serde_json::from_str(&gateway.stdout()).expect("one line of JSON");
        gateway
    }

    fn start_on(command: &mut Command, sign: &str) -> Self {
        let started = Instant::now();
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        let stdout = Written::of(child.stdout.take().expect("a pipe"));
        let stderr = Written::of(child.stderr.take().expect("a pipe"));
        let mut gateway = Self { child, stdout, stderr, ready: Value::Null, ready_after: Duration::ZERO };
        while !gateway.stdout().contains(sign) {
            let ended = gateway.child.try_wait().expect("a child");
            assert!(ended.is_none() && started.elapsed() < PATIENCE, "not ready ({ended:?}): {}", gateway.stderr());
            std::thread::sleep(Duration::from_millis(2));
        }
        gateway.ready_after = started.elapsed();
        gateway
    }

    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    pub fn address(&self) -> SocketAddr {
        self.address_of("gateway")
    }

    pub fn admin(&self) -> SocketAddr {
        self.address_of("admin")
    }

    fn address_of(&self, name: &str) -> SocketAddr {
        let url = self.ready[name].as_str().expect("a URL");
        url.strip_prefix("http://").expect("http").parse().expect("an address")
    }

    /// Sends a request with these field lines, each ended by CRLF, and reads the whole answer.
    pub fn request(&self, method: &str, target: &str, fields: &str) -> Raw {
        send(
            self.address(),
            &format!("{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{fields}\r\n"),
        )
    }

    /// The same with a token.
    pub fn request_with(&self, token: &str, method: &str, target: &str) -> Raw {
        self.request(method, target, &format!("Authorization: Bearer {token}\r\n"))
    }

    /// Asks for a token by client credentials.
    pub fn ask_for_token(&self, client: (&str, &str), scope: &str) -> Raw {
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope={scope}",
            client.0,
            encoded(client.1)
        );
        self.post_form("/oauth2/token", &form)
    }

    /// Asks the token endpoint. In its first seconds a new store has no key for ID tokens: nothing is spent on that.
    pub fn ask_token(&self, form: &str) -> Raw {
        let began = Instant::now();
        loop {
            let answer = self.post_form("/oauth2/token", form);
            if answer.status() != 503 || began.elapsed() > Duration::from_secs(20) {
                return answer;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn post_form(&self, target: &str, form: &str) -> Raw {
        let fields = "Content-Type: application/x-www-form-urlencoded\r\n";
        let request = format!(
            "POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{fields}Content-Length: {}\r\n\r\n{form}",
            form.len()
        );
        send(self.address(), &request)
    }

    pub fn token(&self, client: (&str, &str), scope: &str) -> String {
        let answer = self.ask_for_token(client, scope);
        answer.json()["access_token"].as_str().unwrap_or_else(|| panic!("{}", answer.text)).to_owned()
    }

    /// The key ids that everybody can see.
    pub fn published_keys(&self) -> Vec<String> {
        let document = self.request("GET", "/.well-known/jwks.json", "").json();
        let keys = document["keys"].as_array().expect("a key set");
        keys.iter().map(|key| key["kid"].as_str().expect("a kid").to_owned()).collect()
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn admin_page(&self, target: &str) -> Raw {
        send(self.admin(), &format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"))
    }

    /// Sends a signal, for example `TERM`.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
    }

    /// The exit code, once it ended by itself.
    pub fn wait(&mut self) -> i32 {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code().expect("no signal");
            }
            assert!(started.elapsed() < PATIENCE, "it does not end: {}", self.stderr());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asks it to end, waits for that and answers everything that it wrote on standard error.
    pub fn stop_and_read(mut self) -> String {
        self.signal("TERM");
        assert_eq!(self.wait(), 0, "{}", self.stderr());
        // What was in the pipe is being read still.
        std::thread::sleep(Duration::from_millis(50));
        self.stderr()
    }

    /// Kills it without a word (SIGKILL), and answers everything that it wrote on standard error.
    pub fn kill_and_read(mut self) -> String {
        self.child.kill().expect("a child");
        self.child.wait().expect("it ends");
        // What was in the pipe is being read still.
        std::thread::sleep(Duration::from_millis(50));
        self.stderr()
    }

    /// Asks it to end and waits for that.
    pub fn stop(mut self) -> i32 {
        self.signal("TERM");
        self.wait()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everything that is answered to these bytes until the connection is closed.
pub fn send(address: SocketAddr, request: &str) -> Raw {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(request.as_bytes()).expect("it is read");
    let mut answer = Vec::new();
    // What was read before a reset counts.
    let _ = stream.read_to_end(&mut answer);
    Raw { text: String::from_utf8_lossy(&answer).into_owned() }
}

/// Percent-encoding for a form.
pub fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// Asks every few milliseconds until `answer` is some, at most for `within`.
#[track_caller]
pub fn soon<T>(within: Duration, mut answer: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(started.elapsed() < within, "not within {within:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
