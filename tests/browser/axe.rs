//! axe-core, fetched from npm into `target/`, and its verdict on a page. The version is pinned by `package-lock.json`.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::driver::{Browser, target};

/// WCAG 2.2 A and AA, and what is good practice besides.
const RULES: [&str; 6] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/// One line for each violation of the page that the browser shows, with the elements that violate.
pub async fn violations(browser: &Browser) -> Vec<String> {
    browser.run(source(), json!([])).await;
    let script = "const [tags, done] = arguments; axe.run(document, { runOnly: tags, resultTypes: ['violations'] })\
                  .then((result) => done({ violations: result.violations, passes: result.passes.length }),\
                        (error) => done({ error: String(error) }))";
    let result = browser.run_until_called(script, json!([RULES])).await;
    let found = result["violations"].as_array().unwrap_or_else(|| panic!("{result}"));
    assert!(result["passes"].as_u64() > Some(10), "axe looked at the page");
    let line = |violation: &Value| {
        let nodes = violation["nodes"].as_array().unwrap().iter();
        let nodes: Vec<String> = nodes.map(|node| format!("{} {}", node["html"], node["failureSummary"])).collect();
        format!("{}: {}\n    {}", violation["id"], violation["help"], nodes.join("\n    "))
    };
    found.iter().map(line).collect()
}

fn source() -> &'static str {
    static SOURCE: OnceLock<String> = OnceLock::new();
    SOURCE.get_or_init(|| {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
        let folder = target().join("axe");
        let lock = fs::read_to_string(own.join("package-lock.json")).unwrap();
        let script = folder.join("node_modules/axe-core/axe.min.js");
        let is_current = fs::read_to_string(folder.join("package-lock.json")).is_ok_and(|there| there == lock);
        if !is_current || !script.exists() {
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).unwrap();
            fs::copy(own.join("package.json"), folder.join("package.json")).unwrap();
            fs::write(folder.join("package-lock.json"), &lock).unwrap();
            let npm = Command::new("npm")
                .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                .current_dir(&folder)
                .output()
                .unwrap_or_else(|error| panic!("npm is missing: scripts/deps test installs it ({error})"));
            assert!(npm.status.success(), "{}", String::from_utf8_lossy(&npm.stderr));
        }
        fs::read_to_string(script).unwrap()
    })
}
