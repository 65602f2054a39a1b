//! What tests load into pages, fetched from npm into `target/`. The versions are pinned by `package-lock.json`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::driver::target;

/// The text of a file of a package.
pub fn source(file: &str) -> String {
    static MODULES: OnceLock<PathBuf> = OnceLock::new();
    let path = MODULES.get_or_init(installed).join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn installed() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let folder = target().join("browser-modules");
    let lock = fs::read_to_string(own.join("package-lock.json")).unwrap();
    let mark = folder.join("installed");
    if fs::read_to_string(&mark).is_ok_and(|there| there == lock) {
        return folder.join("node_modules");
    }
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    for file in ["package.json", "package-lock.json"] {
        fs::copy(own.join(file), folder.join(file)).unwrap();
    }
    let npm = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&folder)
        .output()
        .unwrap_or_else(|error| panic!("npm is missing: scripts/deps test installs it ({error})"));
    assert!(npm.status.success(), "{}", String::from_utf8_lossy(&npm.stderr));
    fs::write(mark, lock).unwrap();
    folder.join("node_modules")
}
