//! Decisions that a running gateway remembers: every refusal, and permits too where `log.decisions` is on.

use std::time::Duration;

use serde_json::Value;

use super::Arguments;
use crate::cli::status::admin_address;
use crate::cli::{FAILED, Failure, Format, Outcome, WRONG, output};

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let id = arguments.method.trim().to_ascii_lowercase();
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let message = "name METHOD and PATH of a request, or the 32 digits of an X-Request-Id alone";
        return Err(Failure::Failed(WRONG, anyhow::anyhow!(message)));
    }
    let admin = admin_address(&arguments.file, arguments.admin.as_deref())?;
    let decision = crate::cli::block_on(ask(&admin, &id))?
        .map_err(|error| anyhow::anyhow!("no gateway answers at http://{admin}/decisions: {error}"))?;
    let Some(decision) = decision else {
        let message = "this gateway does not remember the request: it keeps the last refusals, and the last permits where \
                       `log: { decisions: true }` is set";
        return Err(Failure::Failed(FAILED, anyhow::anyhow!(message)));
    };
    match arguments.format {
        Format::Text => output::print(&text(&decision))?,
        Format::Json => output::print_line(&decision)?,
    }
    if decision["decision"] == "deny" { Err(Failure::Said(FAILED)) } else { Ok(()) }
}

async fn ask(admin: &str, id: &str) -> Result<Option<Value>, reqwest::Error> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).no_proxy().build()?;
    let answer = client.get(format!("http://{admin}/decisions/{id}")).send().await?;
    if answer.status() == reqwest::StatusCode::NOT_FOUND {
        return Ok(None);
    }
    answer.error_for_status()?.json().await.map(Some)
}

fn text(decision: &Value) -> String {
    let show = |name: &str| match &decision[name] {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let verdict = match decision["decision"].as_str() {
        Some("permit") => "permitted".to_owned(),
        Some("observe") => format!("permitted, because its route observes only; else refused: {}", show("reason")),
        Some(_) | None => format!("refused: {}", show("reason")),
    };
    let token = match (decision["issuer"].is_null(), decision["cache_hit"] == true) {
        (true, _) => "none that is good",
        (false, true) => "verified before",
        (false, false) => "verified for this request",
    };
    format!(
        "{} {}  {verdict}\n  time     {}\n  status   {} after {} us\n  rule     {} (line {})\n  token    {token}\n  \
         issuer   {}\n  client   {}\n  subject  {} (a pseudonym)\n",
        show("method"),
        show("route"),
        show("time"),
        show("status"),
        show("latency_us"),
        show("rule"),
        show("line"),
        show("issuer"),
        show("client_id"),
        show("subject"),
    )
}
