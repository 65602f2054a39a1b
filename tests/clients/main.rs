//! Client libraries that others wrote, each against a world of its own: `faregate dev` as it is built here.
//!
//! Owns installing them into `target/clients`, in the versions that `package-lock.json` and `requirements.txt` pin, and
//! running one script with each. What a script demands stands in it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// `faregate dev` on free ports. It ends with the test.
struct World {
    gateway: Child,
    /// The line of JSON that says everything about it.
    description: String,
}

/// Somebody to log in with, and where: what a script expects of any world.
const ANN: &str = r#""user":{"email":"ann@example.com","password":"Setec Astronomy"}"#;
const PASSWORD: &str = "Setec Astronomy";

impl World {
    fn start() -> Self {
        Self::run(&["dev", "--format", "json", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"])
    }

    /// The gateway of a configuration, with Ann in it.
    fn of(configuration: &Path) -> Self {
        // It writes its key beside the configuration, which is no place for one in the source.
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients").join("worlds");
        fs::create_dir_all(&folder).expect("a folder");
        let copy = folder.join(configuration.file_name().expect("a file"));
        if copy != configuration {
            fs::copy(configuration, &copy).expect("a copy");
        }
        let configuration = copy.to_str().expect("UTF-8");
        let mut world = Self::run(&["serve", "--format", "json", "--config", configuration]);
        world.description = world.description.replacen('{', &format!("{{{ANN},"), 1);
        world
    }

    /// The gateway of an example, on other ports and with an upstream that the script is.
    fn of_example(name: &str) -> Self {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name).join("faregate.yaml");
        let mut text = fs::read_to_string(example).expect("the example");
        let free = |_| TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let ports = [8080, 9090, 3000].map(|port| (port, free(port).port()));
        for (port, free) in ports {
            text = text.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{free}"));
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients").join("worlds");
        fs::create_dir_all(&folder).expect("a folder");
        let configuration = folder.join(format!("{name}-{}.yaml", ports[0].1));
        fs::write(&configuration, text).expect("a file");
        let mut world = Self::of(&configuration);
        let upstream = format!("{{\"upstream_port\":{},", ports[2].1);
        world.description = world.description.replacen('{', &upstream, 1);
        world
    }

    fn run(arguments: &[&str]) -> Self {
        let mut gateway = Command::new(env!("CARGO_BIN_EXE_faregate"))
            .args(arguments)
            .env_remove("RUST_LOG")
            .env("ANN_PASSWORD", PASSWORD)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program runs");
        let mut description = String::new();
        let stdout = gateway.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut description).expect("one line of JSON");
        let world = Self { gateway, description };
        world.wait_for_keys();
        world
    }

    /// RSA keys take a few seconds to be made; there are two keys, and ID tokens have to wait for theirs.
    fn wait_for_keys(&self) {
        let url = self.description.split("\"gateway\":\"http://").nth(1).expect("an address");
        let address = url.split('"').next().expect("an address");
        let started = Instant::now();
        loop {
            let mut stream = TcpStream::connect(address).expect("somebody listens");
            let request =
                format!("GET /.well-known/jwks.json HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).expect("it is read");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("an answer");
            if answer.contains("RS256") && answer.matches("\"kid\"").count() > 1 {
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "{answer}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.gateway.kill();
        let _ = self.gateway.wait();
    }
}

fn source(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(folder)
}

/// Where the libraries of one language are. It is filled anew when `pins` changes.
fn installed(language: &str, pins: &str, install: impl FnOnce(&Path)) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients").join(language);
    let pinned = fs::read_to_string(source(language).join(pins)).expect("the pinned versions");
    let mark = folder.join("installed");
    if fs::read_to_string(&mark).is_ok_and(|before| before == pinned) {
        return folder;
    }
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    install(&folder);
    fs::write(mark, pinned).expect("a file");
    folder
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?}: {error}; scripts/deps test installs what is missing");
    });
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}\n{}\n{}", text(&output.stdout), text(&output.stderr));
    output
}

fn node() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let copy = |folder: &Path, file: &str| {
            fs::copy(source("node").join(file), folder.join(file)).expect("a copy");
        };
        let folder = installed("node", "package-lock.json", |folder| {
            for file in ["package.json", "package-lock.json"] {
                copy(folder, file);
            }
            let npm = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
            succeed(Command::new("npm").args(npm).current_dir(folder));
        });
        // Modules are found from where a script is, not from where it is run.
        for entry in fs::read_dir(source("node")).expect("the scripts") {
            let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
            if name.ends_with(".mjs") {
                copy(&folder, &name);
            }
        }
        folder
    })
}

fn python() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| environment("python"))
}

/// A Python of its own with what the `requirements.txt` of a folder pins.
fn environment(name: &str) -> PathBuf {
    installed(name, "requirements.txt", |folder| {
        succeed(Command::new("python3").args(["-m", "venv", "venv"]).current_dir(folder));
        // Everything is pinned, so nothing else is wanted.
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r"];
        let requirements = source(name).join("requirements.txt");
        succeed(Command::new(folder.join("venv/bin/python")).args(pip).arg(requirements));
    })
}

/// Runs a script, which says `ok` and a name for each step.
fn run(command: &mut Command, world: &World, steps: usize) {
    let output = succeed(command.env("FAREGATE_WORLD", &world.description));
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(said.lines().filter(|line| line.starts_with("ok ")).count(), steps, "{said}");
}

fn run_node(script: &str, steps: usize) {
    run_node_in(&World::start(), script, steps);
}

fn run_node_in(world: &World, script: &str, steps: usize) {
    run(Command::new("node").arg(script).current_dir(node()), world, steps);
}

fn run_python(script: &str, steps: usize) {
    run_python_in(&World::start(), script, steps);
}

fn run_python_in(world: &World, script: &str, steps: usize) {
    let python = python().join("venv/bin/python");
    run(Command::new(python).arg("-B").arg(script).current_dir(source("python")), world, steps);
}

#[test]
fn openid_client_works() {
    run_node("openid-client.mjs", 11);
}

#[test]
fn oauth4webapi_works() {
    run_node("oauth4webapi.mjs", 10);
}

// F-300 to F-314
#[test]
fn fusio_sdk_works() {
    run_node("fusio.mjs", 7);
}

#[test]
fn fusionauths_typescript_client_works() {
    run_node("fusionauth-client.mjs", 13);
}

#[test]
fn authlib_works() {
    run_python("authlib_client.py", 9);
}

#[test]
fn requests_oauthlib_works() {
    run_python("requests_oauthlib_client.py", 11);
}

#[test]
fn fusionauth_client_works() {
    run_python("fusionauth_client_walk.py", 19);
}

#[test]
fn flask_with_authlib_and_pyjwt_works() {
    run_python("flask_app.py", 3);
}

#[test]
fn mozilla_django_oidc_works() {
    run_python("django_app.py", 4);
}

// RFC 9126, Form Post Response Mode
#[test]
fn auth0s_middleware_for_express_works() {
    run_node_in(&World::of(&source("node").join("auth0_web.yaml")), "express.mjs", 6);
}

// RFC 7591, RFC 7592
#[test]
fn openid_client_registers_itself() {
    run_node_in(&World::of_example("mcp-server"), "openid-client-registration.mjs", 4);
}

// RFC 7591, RFC 8707, RFC 9728: the authorization of the Model Context Protocol
#[test]
fn the_sdk_of_mcp_works() {
    run_node_in(&World::of_example("mcp-server"), "mcp.mjs", 5);
}

#[test]
fn auth0_python_works() {
    run_python_in(&World::of(&source("python").join("auth0.yaml")), "auth0_python_client.py", 9);
}

/// The OpenAPI document against the server that serves it: thousands of requests made from it, right and wrong ones. No
/// answer is 5xx, and every answer is one that the document describes.
#[test]
fn schemathesis_finds_nothing() {
    let folder = environment("openapi");
    let world = World::start();
    let member = |name: &str| {
        let (_, rest) = world.description.split_once(&format!("\"{name}\":\"")).expect("the member");
        rest.split('"').next().expect("a string").to_owned()
    };
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,\
                  unsupported_method";
    succeed(
        Command::new(folder.join("venv/bin/schemathesis"))
            .args(["run", &format!("{}/api/openapi.json", member("gateway"))])
            .args(["--header", &format!("Authorization: {}", member("api_key"))])
            .args(["--checks", checks, "--phases", "coverage,fuzzing", "--max-examples", "3"])
            .args(["--generation-deterministic", "--no-shrink", "--continue-on-failure"])
            .args(["--suppress-health-check", "all", "--warnings", "off", "--no-color"])
            // What it leaves behind.
            .current_dir(&folder),
    );
}
