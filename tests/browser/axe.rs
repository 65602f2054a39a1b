//! axe-core and its verdict on a page.

use std::sync::OnceLock;

use serde_json::{Value, json};

use super::driver::Browser;
use super::npm;

/// WCAG 2.2 A and AA, and what is good practice besides.
const RULES: [&str; 6] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/// One line for each violation of the page that the browser shows, with the elements that violate.
pub async fn violations(browser: &Browser) -> Vec<String> {
    static SOURCE: OnceLock<String> = OnceLock::new();
    browser.run(SOURCE.get_or_init(|| npm::source("axe-core/axe.min.js")), json!([])).await;
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
