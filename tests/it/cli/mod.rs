//! The commands, as a person or a script runs them: the real binary in a temporary folder.

mod apply;
mod beginnings;
mod check;
mod decisions;
mod declared_keys;
mod dev;
mod directory;
mod endurance;
mod errors;
mod explain;
mod import;
mod inspect;
mod keys;
mod kickstart;
mod listeners;
mod logouts;
mod logs;
mod online;
mod output;
mod people;
mod reload;
mod secrecy;
mod serve;
mod status;
mod token;
mod upgrade;

use std::fs;
use std::path::PathBuf;

use crate::support::database::Folder;
use crate::support::process::{Gateway, Run, faregate};

/// The head of every configuration here. Its public URL is fixed, so that tokens outlive a restart on another port.
const HEAD: &str = r#"listen: "127.0.0.1:${PORT:-0}"
public_url: http://127.0.0.1:8080
admin: "127.0.0.1:${ADMIN_PORT:-0}"
threads: 2
shutdown: { grace: 5s }
log: { level: "${LEVEL:-warn}" }
issuers: { self: {} }
"#;

const ROUTES: &str = r#"
upstreams: { app: "${UPSTREAM:-builtin:echo}" }
routes:
  /public/**: { upstream: app, public: true }
  /api/**:
    upstream: app
    require: { GET: permission read on orders, "*": permission write on orders }
  /any/**: { upstream: app, audience: e13365f1-a270-493e-bd1b-3d239d753d53, require: authenticated }
"#;

const CALLER: (&str, &str) = ("2934f41f-d277-4a32-b0d5-16e47dad9721", "+fcXet9Iu2kQi61yWD9Tu4ReZ113P6yEAkr32v6WKOQ=");

/// `reporting`, which is [`CALLER`], may read `orders`.
const DIRECTORY: &str = r#"
directory:
  entity_types:
    api: { permissions: [read, write] }
    service: {}
  entities:
    orders: { id: e13365f1-a270-493e-bd1b-3d239d753d53, type: api, client_secret: target-secret-target-secret-target-secret-12 }
    reporting: { id: 2934f41f-d277-4a32-b0d5-16e47dad9721, type: service, client_secret: "+fcXet9Iu2kQi61yWD9Tu4ReZ113P6yEAkr32v6WKOQ=" }
  grants:
    - { recipient: reporting, target: orders, permissions: [read] }
"#;

const READ: &str = "target-entity:orders:read";

/// A folder with a configuration in it.
struct Site {
    folder: Folder,
}

impl Site {
    /// Runs a command at a terminal of the given kind: `script`, which is part of every Linux, makes one.
    fn at_a_terminal(&self, variables: &[(&str, &str)], command: &str) -> String {
        let command = format!("exec {} {command}", env!("CARGO_BIN_EXE_faregate"));
        let mut script = std::process::Command::new("script");
        script
            .args(["-qec", &command, "/dev/null"])
            .current_dir(self.folder.path())
            .env_remove("NO_COLOR")
            .env("TERM", "xterm");
        script.envs(variables.iter().copied());
        Run::of(&mut script).stdout
    }

    /// With routes and declared entities.
    fn new() -> Self {
        Self::with(&[ROUTES, DIRECTORY])
    }

    /// With these sections beside [`HEAD`].
    fn with(sections: &[&str]) -> Self {
        let site = Self { folder: Folder::new() };
        site.write(&format!("{HEAD}{}", sections.concat()));
        site
    }

    fn write(&self, configuration: &str) {
        fs::write(self.file("faregate.yaml"), configuration).unwrap();
    }

    fn write_file(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.file(name)
    }

    fn run(&self, arguments: &[&str]) -> Run {
        Run::of(&mut faregate(self.folder.path(), arguments))
    }

    fn run_with_input(&self, arguments: &[&str], input: &str) -> Run {
        Run::with_input(&mut faregate(self.folder.path(), arguments), input)
    }

    /// The result of a command that prints JSON.
    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        self.run(&[arguments, &["--format", "json"]].concat()).json()
    }

    fn serve(&self) -> Gateway {
        Gateway::start(&mut faregate(self.folder.path(), &["serve", "--format", "json"]))
    }
}
