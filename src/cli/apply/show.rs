//! A plan, and what became of it, for people and for scripts. It asks nothing and writes nothing.

use serde_json::{Value, json};

use crate::directory::declare::{Action, Applied, FieldChange, GeneratedSecret, Plan, Step, Stopped};

/// Characters of a value that people are shown.
const LONGEST: usize = 100;

pub(super) fn plan(plan: &Plan) -> Value {
    let field = |change: &FieldChange| json!({ "field": change.field, "old": change.old, "new": change.new });
    let step = |step: &Step| {
        let fields: Vec<Value> = step.fields.iter().map(field).collect();
        json!({ "action": word(step.action), "object": step.what, "drift": step.is_drift, "fields": fields })
    };
    let steps: Vec<Value> = plan.steps.iter().map(step).collect();
    json!({ "differences": !plan.steps.is_empty(), "steps": steps, "unchanged": plan.unchanged, "left": plan.left, "remarks": plan.remarks })
}

pub(super) fn plan_text(plan: &Plan, colour: bool) -> String {
    let mut text = String::new();
    for step in &plan.steps {
        let (sign, paint) = match step.action {
            Action::Create => ('+', "32"),
            Action::Update => ('~', "33"),
            Action::Remove => ('-', "31"),
        };
        let why = match step.action {
            Action::Create if step.is_drift => " (deleted by hand since it was applied)",
            Action::Update | Action::Remove if step.is_drift => " (changed by hand since it was applied)",
            Action::Create | Action::Update | Action::Remove => "",
        };
        let line = format!("{sign} {}{why}", step.what);
        text += &if colour { format!("\u{1b}[{paint}m{line}\u{1b}[0m\n") } else { format!("{line}\n") };
        for FieldChange { field, old, new } in &step.fields {
            let is_new = step.action == Action::Create || old.is_null() && new.is_string();
            let old = if is_new { String::new() } else { format!("{} -> ", shown(old)) };
            text += &format!("    {field}: {old}{}\n", shown(new));
        }
    }
    for what in &plan.left {
        text += &format!("  {what} is in no file any more; --prune deletes it\n");
    }
    for remark in &plan.remarks {
        text += &format!("  {remark}\n");
    }
    let count = |action| plan.steps.iter().filter(|step| step.action == action).count();
    let (created, changed, deleted) = (count(Action::Create), count(Action::Update), count(Action::Remove));
    text + &if plan.steps.is_empty() {
        format!("No difference: {} unchanged.\n", plan.unchanged)
    } else {
        let unchanged = plan.unchanged;
        format!("Plan: {created} to create, {changed} to change, {deleted} to delete, {unchanged} unchanged.\n")
    }
}

pub(super) fn done(applied: &Applied, stopped: Option<&Stopped>) -> Value {
    let Applied { created, updated, removed, kept, unchanged, generated_secrets } = applied;
    // The only place where they are printed, once.
    let secret = |secret: &GeneratedSecret| {
        json!({
            "kind": secret.kind,
            "tenant": secret.tenant,
            "name": secret.name,
            "client_id": secret.client_id,
            "client_secret": secret.client_secret.expose().as_str(),
        })
    };
    let secrets: Vec<Value> = generated_secrets.iter().map(secret).collect();
    json!({
        "created": created,
        "changed": updated,
        "deleted": removed,
        "kept": kept,
        "unchanged": unchanged,
        "secrets": secrets,
        "stopped": stopped.map(|stopped| format!("{}: {}", stopped.what, stopped.error)),
    })
}

pub(super) fn done_text(applied: &Applied) -> String {
    let Applied { created, updated, removed, kept, unchanged, generated_secrets } = applied;
    let mut text = String::new();
    for what in kept {
        text += &format!("  {what} is kept: it is in use by what others made\n");
    }
    text += &match (created.len(), updated.len(), removed.len()) {
        (0, 0, 0) => "Nothing changed.\n".to_owned(),
        (created, changed, deleted) => {
            format!("Done: {created} created, {changed} changed, {deleted} deleted, {unchanged} unchanged.\n")
        }
    };
    if !generated_secrets.is_empty() {
        text += "\nThese secrets are shown once:\n";
        text += &secrets_text(generated_secrets);
    }
    text
}

/// What to say if nobody could read the generated secrets.
pub(super) fn lost_secrets(applied: &Applied) -> Option<String> {
    let names = applied.generated_secrets.iter().map(|secret| format!("{} {:?}", secret.kind, secret.name));
    let names: Vec<String> = names.collect();
    let again = "get new ones with `faregate entity regenerate-secret` and `faregate application regenerate-secret`";
    (!names.is_empty()).then(|| format!("the secrets of {} were not shown: {again}", names.join(", ")))
}

fn secrets_text(secrets: &[GeneratedSecret]) -> String {
    // The only place where they are printed, once.
    let row = |secret: &GeneratedSecret| {
        let secret_text = secret.client_secret.expose().clone();
        [secret.kind.to_owned(), secret.tenant.clone(), secret.name.clone(), secret.client_id.clone(), secret_text]
    };
    let head = ["KIND", "TENANT", "NAME", "CLIENT_ID", "CLIENT_SECRET"].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(secrets.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2), width(3)];
    let line = |row: &[String; 5]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}  ")).collect::<String>();
        format!("  {cells}{}\n", row[4])
    };
    rows.iter().map(line).collect()
}

const fn word(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update => "change",
        Action::Remove => "delete",
    }
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    };
    let text: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
