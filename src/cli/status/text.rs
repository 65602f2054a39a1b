//! The status in words, a line for each thing.
//!
//! Owns the words. What a gateway says is foreign text: it is shown on one line.

use std::path::Path;

use serde_json::Value;

use super::OnDisk;

pub(super) fn text(status: &Value, file: &Path, on_disk: &OnDisk) -> String {
    let show = |pointer: &str| match status.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "?".to_owned(),
    };
    let running = show("/configuration/hash");
    let on_disk = on_disk.in_words();
    format!(
        "version      {}\nuptime       {} s\nrunning      {} ({})\non disk      {on_disk} ({})\n{}routes       {}\nstore        {}\nconnections  {}\ntoken cache  {} tokens, {} hits, {} misses\n{}{}",
        show("/version"),
        show("/uptime_seconds"),
        show("/configuration/source"),
        running.get(..12).unwrap_or(&running),
        file.display(),
        last_reload(&status["last_reload"]),
        show("/configuration/routes"),
        show("/store"),
        show("/connections"),
        show("/token_cache/tokens"),
        show("/token_cache/hits"),
        show("/token_cache/misses"),
        key_sets(&status["key_sets"]),
        parts(status),
    )
}

/// Upstreams, issuers that are introspected, queues, keys and certificates, as far as there are any.
fn parts(status: &Value) -> String {
    let introspection = each(&status["introspection"], |report| {
        let failures = report["failures"].as_u64().unwrap_or_default();
        let failures = match (failures, report["last_failure"].as_str()) {
            (0, _) => String::new(),
            (count, why) => {
                let many = if count == 1 { "1 failure".to_owned() } else { format!("{count} failures in a row") };
                format!(", {many}{}", why.map(|why| format!(": {why}")).unwrap_or_default())
            }
        };
        vec![format!("{}: circuit {}{failures}", word(&report["issuer"]), word(&report["circuit"]))]
    });
    let queue = &status["password_hashing"];
    let passwords = format!(
        "{} hashing, {} waiting, {} places",
        word(&queue["running"]),
        word(&queue["waiting"]),
        word(&queue["places"])
    );
    let read = match status["change_feed"]["read_seconds_ago"].as_f64() {
        Some(ago) => format!("read {ago:.1} s ago"),
        None => "not read yet".to_owned(),
    };
    let mut keys = each(&status["signing_keys"], |key| vec![signing_key(key)]);
    if keys.len() > MOST_KEYS {
        let rest = keys.len() - MOST_KEYS;
        keys.truncate(MOST_KEYS);
        keys.push(format!("and {rest} more (--format json)"));
    }
    let certificates = each(&status["certificates"], |certificate| {
        vec![format!("{}: until {}", word(&certificate["listener"]), word(&certificate["ends_at"]))]
    });
    [
        section("upstreams", &each(&status["upstreams"], upstream)),
        section("introspects", &introspection),
        section("passwords", &[passwords]),
        section("changes", &[read]),
        section("signing", &keys),
        section("certificate", &certificates),
    ]
    .concat()
}

/// Of many tenants only the first are shown.
const MOST_KEYS: usize = 8;

fn upstream(upstream: &Value) -> Vec<String> {
    let servers = upstream["servers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut lines = vec![format!(
        "{}: {} of {}, {}, {} waiting",
        word(&upstream["name"]),
        word(&upstream["healthy"]),
        counted(servers.len() as u64, "server"),
        counted(upstream["in_flight"].as_u64().unwrap_or_default(), "request"),
        word(&upstream["waiting"]),
    )];
    lines.extend(servers.iter().map(|server| {
        let state = match word(&server["state"]).as_str() {
            "unhealthy" => "fails its checks".to_owned(),
            "unresolved" => "its name does not resolve".to_owned(),
            state => state.to_owned(),
        };
        let requests = counted(server["in_flight"].as_u64().unwrap_or_default(), "request");
        format!("  {}  {state}, circuit {}, {requests}", word(&server["server"]), word(&server["circuit"]))
    }));
    lines
}

fn signing_key(key: &Value) -> String {
    let mut line = format!("{} {}: {}", word(&key["tenant"]), word(&key["purpose"]), word(&key["kid"]));
    if let Some(wait) = key["next"]["signs_in_seconds"].as_i64() {
        line.push_str(&format!(", {} signs in {wait} s", word(&key["next"]["kid"])));
    }
    line
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A value as text that moves no cursor.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.escape_debug().to_string(),
        Value::Null => "?".to_owned(),
        other => other.to_string(),
    }
}

fn each(list: &Value, lines: impl Fn(&Value) -> Vec<String>) -> Vec<String> {
    list.as_array().into_iter().flatten().flat_map(lines).collect()
}

/// A title before the first line; nothing without any.
fn section(title: &str, lines: &[String]) -> String {
    let line = |(at, line): (usize, &String)| format!("{:13}{line}\n", if at == 0 { title } else { "" });
    lines.iter().enumerate().map(line).collect()
}

/// A line for each issuer that is somebody else; nothing without any.
fn key_sets(key_sets: &Value) -> String {
    let lines = key_sets.as_array().into_iter().flatten().enumerate().map(|(at, key_set)| {
        let title = if at == 0 { "keys of" } else { "" };
        format!("{title:13}{}\n", key_set_line(key_set))
    });
    lines.collect()
}

fn key_set_line(key_set: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").escape_debug().to_string();
    let seconds = |name: &str| key_set[name].as_u64();
    let kids: Vec<String> = key_set["kids"].as_array().into_iter().flatten().map(text).collect();
    let mut line = format!("{}: {}", text(&key_set["issuer"]), text(&key_set["state"]));
    if !kids.is_empty() {
        line.push_str(&format!(" ({})", kids.join(", ")));
    }
    if let Some(ago) = seconds("fetched_seconds_ago") {
        line.push_str(&format!(", fetched {ago} s ago"));
    }
    if let Some(wait) = seconds("next_fetch_in_seconds") {
        line.push_str(&format!(", again in {wait} s"));
    }
    if let Some(ago) = key_set["last_error"]["seconds_ago"].as_u64() {
        line.push_str(&format!("; {ago} s ago: {}", text(&key_set["last_error"]["problem"])));
    }
    line
}

/// A line, or the line and everything that was wrong; nothing before the first reload.
fn last_reload(reload: &Value) -> String {
    let said = |name: &str| reload[name].as_str().unwrap_or_default();
    match said("result") {
        "" => String::new(),
        "applied" => format!("last reload  {}, {}\n", said("at"), said("summary")),
        result => {
            let problem: String = said("problem").lines().map(|line| format!("  {line}\n")).collect();
            format!("last reload  {result} {}; the configuration from before stays:\n{problem}", said("at"))
        }
    }
}
