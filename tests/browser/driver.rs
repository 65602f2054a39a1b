//! A browser of one's own: chromedriver on a free port, one headless Chromium, and what tests ask of it.
//!
//! Owns the two processes and ends them. Speaks WebDriver (JSON over HTTP); what that lacks goes through the DevTools
//! commands that chromedriver passes on.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Longer than anything takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// The key under which WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
const CHROMIUM: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

pub struct Browser {
    client: reqwest::Client,
    port: u16,
    session: String,
    /// Chromium itself, which does not end when chromedriver does.
    chromium: Option<u64>,
    driver: Child,
}

/// What a reader has set: colours, forced colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Light,
    Dark,
    Forced,
}

impl Scheme {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
            Self::Forced => "forced",
        }
    }
}

impl Browser {
    /// A fresh profile, a window of 1024 by 900 pixels, nothing fetched from anywhere that a test does not name.
    pub async fn start() -> Self {
        let missing = "is missing: scripts/deps test installs it";
        let start = || {
            let mut command = Command::new("chromedriver");
            command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
            let mut driver = command.spawn().unwrap_or_else(|error| panic!("chromedriver {missing} ({error})"));
            let port = announced_port(&mut driver);
            if port.is_none() {
                let _ = driver.wait();
            }
            Some((port?, driver))
        };
        // It takes a free port of IPv4 and ends if somebody has the same one of IPv6.
        let (port, driver) = (0..10).find_map(|_| start()).expect("chromedriver says its port");
        let chromium = CHROMIUM.into_iter().find_map(on_path).unwrap_or_else(|| panic!("Chromium {missing}"));
        let mut browser = Self { client: reqwest::Client::new(), port, session: String::new(), chromium: None, driver };
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-dev-shm-usage",
            "--disable-sync",
            "--hide-scrollbars",
            "--no-first-run",
            "--window-size=1024,900",
        ];
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "acceptInsecureCerts": true,
            "timeouts": { "script": PATIENCE.as_millis() as u64, "pageLoad": PATIENCE.as_millis() as u64 },
            "goog:chromeOptions": { "binary": chromium, "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let session = browser.ask("POST", "session", capabilities).await;
        browser.session = session["sessionId"].as_str().unwrap().to_owned();
        browser.chromium = session["capabilities"]["goog:processID"].as_u64();
        browser
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> Value {
        match self.attempt(method, path, body).await {
            Ok(value) => value,
            Err(error) => panic!("{method} {path}: {error}"),
        }
    }

    async fn attempt(&self, method: &str, path: &str, body: Value) -> Result<Value, Value> {
        let path = if self.session.is_empty() { path.to_owned() } else { format!("session/{}/{path}", self.session) };
        let url = format!("http://127.0.0.1:{}/{path}", self.port);
        let request = match method {
            "GET" => self.client.get(url),
            "DELETE" => self.client.delete(url),
            _ => self.client.post(url).json(&body),
        };
        let answer = request.timeout(2 * PATIENCE).send().await.expect("chromedriver answers");
        let succeeded = answer.status().is_success();
        let mut answer: Value = answer.json().await.expect("JSON");
        let value = answer["value"].take();
        if succeeded { Ok(value) } else { Err(value) }
    }

    /// A command of the DevTools protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.ask("POST", "goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    /// Loads a page and waits until it is complete.
    pub async fn open(&self, url: &str) {
        self.ask("POST", "url", json!({ "url": url })).await;
    }

    pub async fn url(&self) -> String {
        self.ask("GET", "url", Value::Null).await.as_str().unwrap().to_owned()
    }

    /// Runs the body of a function and answers what it returns.
    pub async fn run(&self, script: &str, arguments: Value) -> Value {
        self.ask("POST", "execute/sync", json!({ "script": script, "args": arguments })).await
    }

    /// Runs the body of a function that calls its last argument when it is done.
    pub async fn run_until_called(&self, script: &str, arguments: Value) -> Value {
        self.ask("POST", "execute/async", json!({ "script": script, "args": arguments })).await
    }

    /// The element with this selector; waits until it is there.
    pub async fn find(&self, selector: &str) -> String {
        let started = Instant::now();
        loop {
            let query = json!({ "using": "css selector", "value": selector });
            match self.attempt("POST", "element", query).await {
                Ok(element) => return element[ELEMENT].as_str().unwrap().to_owned(),
                Err(error) if started.elapsed() > PATIENCE => {
                    let source = self.ask("GET", "source", Value::Null).await;
                    panic!("{selector}: {error}\nat {}\n{}", self.url().await, source.as_str().unwrap_or_default());
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    pub async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        self.ask("POST", &format!("element/{element}/click"), json!({})).await;
    }

    /// Clicks on what leads to another page, and waits until that is there.
    pub async fn follow(&self, selector: &str) {
        self.mark().await;
        self.click(selector).await;
        self.leave().await;
    }

    /// Marks the page that is shown, for [`Self::leave`].
    pub async fn mark(&self) {
        self.run("document.documentElement.dataset.marked = ''", json!([])).await;
    }

    /// Waits until another page than the marked one is complete.
    pub async fn leave(&self) {
        let script = "return !('marked' in document.documentElement.dataset) && document.readyState === 'complete'";
        let started = Instant::now();
        // Between two pages there is none to ask.
        while self.attempt("POST", "execute/sync", json!({ "script": script, "args": [] })).await != Ok(json!(true)) {
            assert!(started.elapsed() < PATIENCE, "still at {}", self.url().await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Replaces what is in a field.
    pub async fn fill(&self, selector: &str, text: &str) {
        let element = self.find(selector).await;
        self.ask("POST", &format!("element/{element}/clear"), json!({})).await;
        self.ask("POST", &format!("element/{element}/value"), json!({ "text": text })).await;
    }

    pub async fn text(&self, selector: &str) -> String {
        let element = self.find(selector).await;
        self.ask("GET", &format!("element/{element}/text"), Value::Null).await.as_str().unwrap().to_owned()
    }

    /// Presses keys wherever the focus is. Each character is one key; `Key` has those without a letter.
    pub async fn press(&self, keys: &str) {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })])
            .collect();
        let actions = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": strokes }] });
        self.ask("POST", "actions", actions).await;
    }

    /// The id of the element that has the focus, or its tag.
    pub async fn focus(&self) -> String {
        let script = "const a = document.activeElement; return a.id || a.tagName.toLowerCase()";
        self.run(script, json!([])).await.as_str().unwrap().to_owned()
    }

    /// Waits until the address begins so, and answers it.
    pub async fn arrive(&self, beginning: &str) -> String {
        let started = Instant::now();
        loop {
            let url = self.url().await;
            if url.starts_with(beginning) {
                return url;
            }
            assert!(started.elapsed() < PATIENCE, "still at {url}, not at {beginning}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn windows(&self) -> Vec<String> {
        let handles = self.ask("GET", "window/handles", Value::Null).await;
        handles.as_array().unwrap().iter().map(|handle| handle.as_str().unwrap().to_owned()).collect()
    }

    pub async fn new_window(&self) -> String {
        let made = self.ask("POST", "window/new", json!({ "type": "tab" })).await;
        made["handle"].as_str().unwrap().to_owned()
    }

    pub async fn switch(&self, window: &str) {
        self.ask("POST", "window", json!({ "handle": window })).await;
    }

    pub async fn prefer(&self, scheme: Scheme) {
        let (colours, forced) = match scheme {
            Scheme::Light => ("light", "none"),
            Scheme::Dark => ("dark", "none"),
            Scheme::Forced => ("dark", "active"),
        };
        let features = json!([
            { "name": "prefers-color-scheme", "value": colours },
            { "name": "forced-colors", "value": forced },
        ]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// Whether pages that are loaded from now on may run scripts.
    pub async fn allow_scripts(&self, allowed: bool) {
        self.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": !allowed })).await;
    }

    /// The size of what is seen, in CSS pixels.
    pub async fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// A built-in authenticator for passkeys, whose owner is there and can prove it (WebAuthn Level 3, 11). Its name, for
    /// [`Self::passkeys`] and [`Self::verify_owner`].
    pub async fn authenticator(&self) -> String {
        let kind = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
            "isUserConsenting": true, "isUserVerified": true,
        });
        self.ask("POST", "webauthn/authenticator", kind).await.as_str().unwrap().to_owned()
    }

    /// The passkeys in the authenticator.
    pub async fn passkeys(&self, authenticator: &str) -> Vec<Value> {
        let path = format!("webauthn/authenticator/{authenticator}/credentials");
        self.ask("GET", &path, Value::Null).await.as_array().unwrap().clone()
    }

    /// Whether its owner can prove who they are from now on.
    pub async fn verify_owner(&self, authenticator: &str, verified: bool) {
        let path = format!("webauthn/authenticator/{authenticator}/uv");
        self.ask("POST", &path, json!({ "isUserVerified": verified })).await;
    }

    /// Waits until the body of a function returns `true`.
    pub async fn until(&self, script: &str) {
        let started = Instant::now();
        while self.run(script, json!([])).await != true {
            assert!(started.elapsed() < PATIENCE, "never: {script}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the element can be seen, or cannot.
    pub async fn seen(&self, selector: &str, is_seen: bool) {
        let started = Instant::now();
        let script = "const found = document.querySelector(arguments[0]); return !!found && found.checkVisibility()";
        while self.run(script, json!([selector])).await != is_seen {
            assert!(started.elapsed() < PATIENCE, "{selector} seen: {}", !is_seen);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Leaves a picture of the whole page in `target/screenshots`.
    pub async fn picture(&self, name: &str) {
        // A window as high as the page: Chromium's own way to look beyond the window shifts pages that run to the left.
        let metrics = self.devtools("Page.getLayoutMetrics", json!({})).await;
        let [width, height] = ["clientWidth", "clientHeight"].map(|side| metrics["cssLayoutViewport"][side].as_u64());
        let (width, height) = (width.unwrap() as u32, height.unwrap() as u32);
        let whole = metrics["cssContentSize"]["height"].as_f64().unwrap().ceil() as u32;
        self.resize(width, whole.max(height)).await;
        let shot = self.devtools("Page.captureScreenshot", json!({})).await;
        self.resize(width, height).await;
        let image = STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        let folder = target().join("screenshots");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{name}.png")), image).unwrap();
    }

    /// Waits until the console says this.
    pub async fn complains(&self, of: &str) {
        let started = Instant::now();
        let mut said = Vec::new();
        while !said.iter().any(|line: &String| line.contains(of)) {
            assert!(started.elapsed() < PATIENCE, "nothing about {of}: {said:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
            said.extend(self.complaints().await);
        }
    }

    /// What the console said since it was last asked: refused by policy, not found, thrown.
    pub async fn complaints(&self) -> Vec<String> {
        let entries = self.ask("POST", "se/log", json!({ "type": "browser" })).await;
        let message = |entry: &Value| entry["message"].as_str().unwrap_or_default().to_owned();
        entries.as_array().unwrap().iter().map(message).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium ends with its session and not with chromedriver, which may be killed after that.
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let _ = stream.set_read_timeout(Some(PATIENCE));
            let (session, port) = (&self.session, self.port);
            let request =
                format!("DELETE /session/{session} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(request.as_bytes());
            let _ = stream.read(&mut [0; 512]);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        // It has ended by now, unless the machine was too busy to answer in time.
        if let Some(chromium) = self.chromium {
            let _ = Command::new("kill").args(["-KILL", &chromium.to_string()]).stderr(Stdio::null()).status();
        }
    }
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().to_owned()
}

fn on_path(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| path.exists())
}

/// "ChromeDriver was started successfully on port 36741." `None` if it ends without that.
fn announced_port(driver: &mut Child) -> Option<u16> {
    let mut lines = BufReader::new(driver.stdout.take()?).lines();
    let port = loop {
        let line = lines.next()?.ok()?;
        if let Some((_, port)) = line.split_once("successfully on port ") {
            break port.trim_end_matches('.').parse().ok()?;
        }
    };
    // Nobody reads on; a pipe that is full would stop it.
    std::thread::spawn(move || lines.for_each(drop));
    Some(port)
}
