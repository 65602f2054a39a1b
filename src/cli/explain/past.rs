//! Decisions that a running gateway remembers: every refusal, and permits too where `log.decisions` is on.

use std::time::Duration;

use serde_json::Value;

use super::Arguments;
use crate::cli::status::admin_address;
use crate::cli::{FAILED, Failure, Format, Outcome, UNKNOWN, WRONG, output};

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let id = arguments.method.trim().to_ascii_lowercase();
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let message = "name METHOD and PATH of a request, or the 32 digits of an X-Request-Id alone";
        return Err(Failure::Failed(WRONG, anyhow::anyhow!(message)));
    }
    let admin = admin_address(&arguments.file, arguments.admin.as_deref())?;
    let answered = crate::cli::block_on(ask(&admin, &id))?
        .map_err(|error| anyhow::anyhow!("no gateway answers at http://{admin}/decisions: {error}"))?;
    let decision = match answered {
        Answered::Decision(decision) => decision,
        Answered::Unknown(kept) => return Err(Failure::Failed(UNKNOWN, anyhow::anyhow!(unknown(&kept)))),
    };
    match arguments.format {
        Format::Text => output::print(&text(&decision))?,
        Format::Json => output::print_line(&decision)?,
    }
    if decision["decision"] == "deny" { Err(Failure::Said(FAILED)) } else { Ok(()) }
}

enum Answered {
    Decision(Value),
    /// It is none of those that are kept, and what is said of them; `Null` by a gateway that does not say.
    Unknown(Value),
}

async fn ask(admin: &str, id: &str) -> Result<Answered, reqwest::Error> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).no_proxy().build()?;
    let answer = client.get(format!("http://{admin}/decisions/{id}")).send().await?;
    if answer.status() == reqwest::StatusCode::NOT_FOUND {
        return Ok(Answered::Unknown(answer.json().await.unwrap_or_default()));
    }
    answer.error_for_status()?.json().await.map(Answered::Decision)
}

/// Why a gateway may not know a request, and how far back it remembers.
fn unknown(kept: &Value) -> String {
    let keeps = match (kept["kept"].as_u64(), kept["oldest_seconds_ago"].as_u64()) {
        (Some(0), _) => "it keeps no decision yet".to_owned(),
        (Some(1), Some(seconds)) => format!("it keeps one decision, of {} ago", ago(seconds)),
        (Some(count), Some(seconds)) => format!("it keeps {count} decisions, the oldest of {} ago", ago(seconds)),
        _ => "it keeps the last decisions only".to_owned(),
    };
    format!(
        "this gateway does not know the request: {keeps}; refusals are kept always, permits where \
         `log: {{ decisions: true }}` is set"
    )
}

fn ago(seconds: u64) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(seconds))
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
