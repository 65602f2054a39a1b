//! Decisions that a running gateway remembers: every refusal, and permits too where `log.decisions` is on.

use std::time::Duration;

use serde_json::Value;

use super::Arguments;
use crate::cli::status::admin_address;
use crate::cli::{FAILED, Failure, Format, Outcome, UNKNOWN, WRONG, no_gateway, output};
use crate::codes;

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let id = arguments.method.trim().to_ascii_lowercase();
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let message = "name METHOD and PATH of a request, or the 32 digits of an X-Request-Id alone";
        return Err(Failure::Failed(WRONG, anyhow::anyhow!(message)));
    }
    let admin = admin_address(&arguments.file, arguments.admin.as_deref())?;
    let answered = crate::cli::block_on(ask(&admin, &id))?.map_err(|error| no_gateway(&admin, "decisions", &error))?;
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
    let known = |name: &str| match &decision[name] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()).filter(|text| !["", "-"].contains(&text.as_str())),
        other => Some(other.to_string()),
    };
    let show = |name: &str| known(name).unwrap_or_else(|| "-".to_owned());
    let reason = show("reason");
    let verdict = match decision["decision"].as_str() {
        Some("permit") => "permitted".to_owned(),
        Some("observe") => format!("permitted, because its route observes only; else refused: {reason}"),
        Some(_) | None => format!("refused: {reason}"),
    };
    let line = decision["line"].as_u64().filter(|line| *line > 0).map(|line| format!("line {line}"));
    let (rule, route) = match (known("rule"), line) {
        (Some(rule), Some(line)) => (Some(format!("{rule} ({line})")), None),
        (None, Some(line)) => (None, Some(format!("of {line} of the configuration"))),
        (rule, None) => (rule, None),
    };
    // Without an issuer nothing is known of a token: whether one was looked at, the reason says.
    let token = known("issuer").map(|_| match decision["cache_hit"] == true {
        true => "verified before".to_owned(),
        false => "verified for this request".to_owned(),
    });
    let facts = [
        ("time", known("time")),
        ("status", Some(format!("{} after {} us", show("status"), show("latency_us")))),
        ("meaning", codes::find(&reason).map(|entry| entry.meaning.clone())),
        ("route", route),
        ("rule", rule),
        ("token", token),
        ("issuer", known("issuer")),
        ("client", known("client_id")),
        ("subject", known("subject").map(|subject| format!("{subject} (a pseudonym)"))),
    ];
    let facts = facts.into_iter().filter_map(|(name, fact)| Some(format!("  {name:<7}  {}\n", fact?)));
    format!("{} {}  {verdict}\n{}", show("method"), show("route"), facts.collect::<String>())
}
