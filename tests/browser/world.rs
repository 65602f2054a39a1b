//! The real binary with people and clients: `faregate dev` on free ports, and the commands that change its store.
//!
//! Owns the process and its folder. What people do there is the tests' business.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::axe;
use super::driver::Browser;
use super::samples::Samples;

/// For users that tests make: long, and on nobody's list.
pub const PASSWORD: &str = "seven grey herons wade";

pub struct World {
    child: Child,
    folder: PathBuf,
    /// What it printed when it was ready.
    pub ready: Value,
    /// Whose client is where people are led to.
    pub samples: Samples,
    pub browser: Browser,
}

/// `faregate serve` with a configuration of a test's own.
pub struct Served(Child);

impl Served {
    /// Ready when it returns. `files` stand beside the configuration.
    pub fn start(name: &str, configuration: &str, files: &[(&str, String)]) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser").join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in
            files.iter().map(|(name, text)| (*name, text.as_str())).chain([("faregate.yaml", configuration)])
        {
            fs::write(folder.join(name), text).unwrap();
        }
        let mut command = faregate(&folder);
        command.args(["serve", "--format", "json"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("gateway"), "not ready: {line}");
        Self(child)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that is free now, for addresses that a configuration has to name.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A client as its developer knows it.
pub struct Client {
    pub id: String,
    pub secret: String,
}

impl World {
    pub async fn start() -> Self {
        static WORLDS: AtomicU32 = AtomicU32::new(0);
        let name = format!("world-{}", WORLDS.fetch_add(1, Ordering::Relaxed));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser").join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let mut child = faregate(&folder)
            .args([
                "dev",
                "--listen",
                "127.0.0.1:0",
                "--admin-listen",
                "127.0.0.1:0",
                "--data",
                ".",
                "--format",
                "json",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not ready: {line}"));
        let kept: Value = serde_json::from_str(&fs::read_to_string(folder.join("dev.json")).unwrap()).unwrap();
        let master_key = kept["master_key"].as_str().unwrap();
        fs::write(folder.join("master.key"), master_key).unwrap();
        let configuration = "store: sqlite://faregate.db\nkeys: { master_key: \"${file:master.key}\" }\n";
        fs::write(folder.join("faregate.yaml"), configuration).unwrap();
        let (samples, browser) = (Samples::start().await, Browser::start().await);
        Self { child, folder, ready, samples, browser }
    }

    pub fn gate(&self) -> &str {
        self.ready["gateway"].as_str().unwrap()
    }

    /// Where clients take people back.
    pub fn callback(&self) -> String {
        format!("http://{}/cb", self.samples.client)
    }

    /// What a command answers.
    pub fn command(&self, arguments: &[&str], input: &str) -> Value {
        let mut child = faregate(&self.folder)
            .args(arguments)
            .args(["--format", "json"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {said}"))
    }

    pub fn client(&self, name: &str, more: &[&str]) -> Client {
        let callback = self.callback();
        let arguments = [&["application", "create", name, "--redirect-uri", &callback], more].concat();
        let made = self.command(&arguments, "");
        let text = |name: &str| made[name].as_str().unwrap_or_else(|| panic!("{name}: {made}")).to_owned();
        Client { id: text("client_id"), secret: text("client_secret") }
    }

    /// A user who chose [`PASSWORD`].
    pub fn user(&self, login: &str, more: &[&str]) {
        self.given_user(login, &[&["--mine"], more].concat());
    }

    /// A user to whom somebody gave [`PASSWORD`].
    pub fn given_user(&self, login: &str, more: &[&str]) {
        let arguments = [&["user", "create", login, "--password"], more].concat();
        self.command(&arguments, &format!("{PASSWORD}\n"));
    }

    /// Where a client sends people to log in. `more` begins with `&`.
    pub fn authorize(&self, client: &Client, more: &str) -> String {
        let (gate, id, callback) = (self.gate(), &client.id, self.callback());
        format!("{gate}/oauth2/authorize?client_id={id}&redirect_uri={callback}&response_type=code&state=st-1{more}")
    }

    /// Fills in the sign-in page and sends it.
    pub async fn sign_in(&self, login: &str, password: &str) {
        self.browser.fill("#loginId", login).await;
        self.browser.fill("#password", password).await;
        self.browser.follow("#submit").await;
    }

    /// The parameters with which the client got the browser back.
    pub async fn returned(&self) -> Vec<(String, String)> {
        let url = self.browser.arrive(&format!("{}?", self.callback())).await;
        let url = reqwest::Url::parse(&url).unwrap();
        url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
    }

    /// The page that is shown is accessible and breaks no policy; a picture of it stays.
    pub async fn look(&self, name: &str) {
        self.look_except(name, "\0").await;
    }

    /// The same for a page whose status the console tells of.
    pub async fn look_except(&self, name: &str, expected: &str) {
        self.browser.picture(&format!("flow-{name}")).await;
        self.browser.allow_scripts(true).await;
        let mut found = axe::violations(&self.browser).await;
        found.extend(self.browser.complaints().await.into_iter().filter(|line| !line.contains(expected)));
        assert!(found.is_empty(), "{name}:\n{}", found.join("\n"));
    }

    /// Posts a form as the client does, and answers status and JSON.
    pub async fn post(&self, client: &Client, path: &str, fields: &[(&str, &str)]) -> (u16, Value) {
        let url = format!("{}{path}", self.gate());
        let mut request = reqwest::Client::new().post(url).form(fields);
        if !client.secret.is_empty() {
            request = request.basic_auth(form_encoded(&client.id), Some(form_encoded(&client.secret)));
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or(json!(null)))
    }

    /// Exchanges the code that the client got.
    pub async fn redeem(&self, client: &Client, returned: &[(String, String)]) -> Value {
        let (code, callback) = (value(returned, "code").unwrap(), self.callback());
        let fields = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", &callback)];
        let (status, tokens) = self.post(client, "/oauth2/token", &fields).await;
        assert_eq!(status, 200, "{tokens}");
        tokens
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn value<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// RFC 6749 2.3.1: client ids and secrets are form-encoded before they are base64.
fn form_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn faregate(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_faregate"));
    command.current_dir(folder);
    for variable in ["RUST_LOG", "FAREGATE_CONFIG", "NO_COLOR", "TERM"] {
        command.env_remove(variable);
    }
    command
}
