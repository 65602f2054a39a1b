//! What is said about a Kickstart file: the plan of a dry run, and what became of it. No secret is in either.

use std::fmt::Write as _;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::document::{Kickstart, Request};
use super::text::Texts;

/// What became of the file.
#[derive(Debug)]
pub(super) struct Report {
    /// Those of the file.
    pub requests: usize,
    pub done: usize,
    /// What was there already, as the file says.
    pub present: usize,
    pub skipped: Vec<Request>,
    pub keys_made: usize,
    pub keys_present: usize,
    pub refused: Option<Refused>,
    notes: Vec<String>,
}

/// What ended the import.
#[derive(Debug)]
pub(super) struct Refused {
    /// `request 4: POST /api/application`, or the place of a key in the file.
    what: String,
    status: Option<u16>,
    /// What is wrong, member by member.
    problems: Vec<String>,
}

impl Refused {
    pub(super) fn key(place: String, why: &str) -> Self {
        Self { what: place, status: None, problems: vec![why.to_owned()] }
    }

    pub(super) fn new(request: &Request, status: StatusCode, answer: &Value) -> Self {
        let message = |problem: &Value| {
            let text = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default();
            format!("{} {}", text("code"), text("message")).trim().to_owned()
        };
        let mut problems = Vec::new();
        for (field, list) in answer.get("fieldErrors").and_then(Value::as_object).into_iter().flatten() {
            let list = list.as_array().into_iter().flatten();
            problems.extend(list.map(|problem| format!("{field}: {}", message(problem))));
        }
        problems.extend(answer.get("generalErrors").and_then(Value::as_array).into_iter().flatten().map(message));
        if problems.is_empty() {
            problems.push(match status {
                StatusCode::UNAUTHORIZED => "the key may not do this, or there is no such tenant".to_owned(),
                StatusCode::NOT_FOUND => "the object in the URL does not exist".to_owned(),
                status => status.to_string(),
            });
        }
        Self {
            what: format!("request {}: {}", request.number, called(request)),
            status: Some(status.as_u16()),
            problems,
        }
    }
}

/// `POST /api/tenant`
fn called(request: &Request) -> String {
    format!("{} {}", request.method, request.uri)
}

impl Report {
    pub(super) fn new(kickstart: &Kickstart, skipped: Vec<Request>) -> Self {
        Self {
            requests: kickstart.requests.len() + skipped.len(),
            done: 0,
            present: 0,
            skipped,
            keys_made: 0,
            keys_present: 0,
            refused: None,
            notes: kickstart.notes.clone(),
        }
    }

    pub(super) fn is_good(&self) -> bool {
        self.refused.is_none()
    }

    fn left(&self) -> usize {
        let refused = usize::from(self.refused.as_ref().is_some_and(|refused| refused.status.is_some()));
        self.requests - self.done - self.present - self.skipped.len() - refused
    }

    pub(super) fn json(&self) -> Value {
        let refused =
            |refused: &Refused| json!({ "what": refused.what, "status": refused.status, "problems": refused.problems });
        json!({
            "requests": self.requests,
            "done": self.done,
            "present": self.present,
            "skipped": self.skipped.iter().map(named).collect::<Vec<_>>(),
            "refused": self.refused.as_ref().map(refused),
            "not_tried": self.left(),
            "api_keys": { "made": self.keys_made, "present": self.keys_present },
            "notes": self.notes,
        })
    }

    pub(super) fn text(&self) -> String {
        let mut text = notes(&self.notes);
        text += &unknown(&self.skipped);
        if let Some(Refused { what, status, problems }) = &self.refused {
            let status = status.map(|status| format!(" was answered with {status}")).unwrap_or_default();
            let _ = writeln!(text, "{what}{status}");
            for problem in problems {
                let _ = writeln!(text, "  {problem}");
            }
            text += "Mend it and run the same again: what is done is left alone then. Ids from #{UUID()} are new each time.\n";
        }
        let Self { requests, done, present, keys_made, keys_present, .. } = self;
        let _ =
            write!(text, "{requests} requests: {done} done, {present} there already, {} skipped", self.skipped.len());
        if self.refused.is_some() {
            let refused = self.requests - self.done - self.present - self.skipped.len() - self.left();
            let _ = write!(text, ", {refused} refused, {} not tried", self.left());
        }
        text + &format!(". API keys: {keys_made} made, {keys_present} there already.\n")
    }
}

fn notes(notes: &[String]) -> String {
    notes.iter().map(|note| format!("note: {note}\n")).collect()
}

/// The requests that are left out, a line each.
pub(super) fn unknown(skipped: &[Request]) -> String {
    let line = |request: &Request| {
        let why = match super::is_of_fusionauth(request) {
            true => "is about FusionAuth's own application, which is not here",
            false => "is not served",
        };
        format!("request {}: {} {why}\n", request.number, called(request))
    };
    skipped.iter().map(line).collect()
}

fn named(request: &Request) -> Value {
    json!({ "request": request.number, "method": request.method.as_str(), "url": request.uri.to_string() })
}

/// What would be done.
pub(super) fn plan(kickstart: &Kickstart, skipped: &[Request]) -> Value {
    let texts = &kickstart.texts;
    let variables: Map<String, Value> = kickstart
        .variables
        .iter()
        .filter_map(|name| Some((name.clone(), texts.shown(name, texts.variable(name)?).into())))
        .collect();
    let keys = kickstart.keys.iter().map(|key| {
        json!({
            "name": key.name,
            "tenant_id": key.tenant_id,
            "endpoints": key.endpoints,
            "key_manager": key.is_key_manager,
        })
    });
    let requests = kickstart.requests.iter().map(|request| {
        let mut shown = named(request);
        shown["url"] = texts.shown("url", &request.uri.to_string()).into();
        shown["tenant_id"] = request.tenant_id.clone().into();
        shown["body"] = request.body.as_ref().map(|body| without_secrets(texts, "body", body)).into();
        shown
    });
    json!({
        "variables": variables,
        "api_keys": keys.collect::<Vec<_>>(),
        "requests": requests.collect::<Vec<_>>(),
        "skipped": skipped.iter().map(named).collect::<Vec<_>>(),
        "notes": kickstart.notes,
    })
}

pub(super) fn plan_text(kickstart: &Kickstart, skipped: &[Request]) -> String {
    let texts = &kickstart.texts;
    let mut text = notes(&kickstart.notes);
    let width = kickstart.variables.iter().map(String::len).max().unwrap_or(0);
    for name in &kickstart.variables {
        let value = texts.variable(name).unwrap_or_default();
        let _ = writeln!(text, "variable {name:width$}  {}", texts.shown(name, value));
    }
    for request in &kickstart.requests {
        let tenant = request.tenant_id.as_ref().map(|id| format!(" in tenant {id}")).unwrap_or_default();
        let _ = writeln!(text, "request {}: {}{tenant}", request.number, texts.shown("url", &called(request)));
        if let Some(body) = &request.body {
            let _ = writeln!(text, "  {}", without_secrets(texts, "body", body));
        }
    }
    text += &unknown(skipped);
    let (requests, keys) = (kickstart.requests.len(), kickstart.keys.len());
    text + &format!(
        "{requests} requests and {keys} API keys would be made, {} skipped. Nothing was done.\n",
        skipped.len()
    )
}

fn without_secrets(texts: &Texts, name: &str, value: &Value) -> Value {
    match value {
        Value::String(text) => texts.shown(name, text).into(),
        Value::Array(items) => items.iter().map(|item| without_secrets(texts, name, item)).collect(),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (name.clone(), without_secrets(texts, name, value)));
            Value::Object(members.collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}
