//! A Kickstart file as FusionAuth documents it: variables, API keys, requests, and the files that it includes.
//!
//! Owns the form, with every mistake at its place. It does not know which endpoints there are.

use std::fs;
use std::path::{Path, PathBuf};

use http::{Method, Uri};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::text::Texts;
use crate::directory::NewApiKey;
use crate::secret::Secret;

/// Files that include files that include files: more than anybody wants.
const DEEPEST: usize = 8;

/// The file as it is written.
pub(super) struct Source {
    folder: PathBuf,
    members: Map<String, Value>,
    texts: Texts,
    /// What is wrong, with the place.
    problems: Vec<String>,
}

/// What is to be done.
pub(super) struct Kickstart {
    pub texts: Texts,
    /// The names of the file's variables.
    pub variables: Vec<String>,
    /// The first one is used for the requests.
    pub keys: Vec<NewApiKey>,
    pub requests: Vec<Request>,
    /// Whose the requests are that name no tenant.
    pub default_tenant: Uuid,
    pub notes: Vec<String>,
}

/// A request to the management API.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// Where it stands among the file's requests, from 1.
    pub number: usize,
    pub method: Method,
    pub uri: Uri,
    pub tenant_id: Option<String>,
    pub content_type: String,
    pub body: Option<Value>,
}

impl Source {
    /// # Errors
    /// What keeps the file from being read.
    pub(super) fn read(path: &Path, texts: Texts) -> Result<Self, String> {
        let unreadable = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
        let text = fs::read(path).map_err(unreadable)?;
        let folder = path.canonicalize().map_err(unreadable)?;
        let folder = folder.parent().unwrap_or(Path::new("/")).to_owned();
        match json(&text).map_err(|why| format!("{} {why}", path.display()))? {
            Value::Object(members) => Ok(Self { folder, members, texts, problems: Vec::new() }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(format!("{} is no JSON object", path.display()))
            }
        }
    }

    /// The id that the file wants for the default tenant.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn default_tenant(&mut self) -> Result<Option<Uuid>, String> {
        let Some(value) = self.members.get("variables").and_then(|variables| variables.get("defaultTenantId")) else {
            return Ok(None);
        };
        let text = value.as_str().map(|text| self.texts.fill(text)).transpose();
        let id = text.and_then(|text| {
            text.and_then(|text| Uuid::try_parse(&text).ok()).ok_or_else(|| "is not a UUID".to_owned())
        });
        let id = id.map_err(|why| format!("variables.defaultTenantId: {why}"))?;
        self.texts.define("defaultTenantId", id.to_string());
        Ok(Some(id))
    }

    /// Everything, with its references replaced; some may be to the default tenant.
    ///
    /// # Errors
    /// Every mistake in the file, with its place.
    pub(super) fn finish(mut self, default_tenant: Uuid) -> Result<Kickstart, Vec<String>> {
        self.texts.define("FUSIONAUTH_TENANT_ID", default_tenant.to_string());
        let variables = self.variables();
        let keys = match self.members.remove("apiKeys").map(|keys| self.filled(keys, "apiKeys", 0)) {
            Some(Value::Array(keys)) => keys.iter().enumerate().map(|(at, key)| self.key(key, at)).collect(),
            Some(_) => {
                self.wrong("apiKeys", "is no list");
                Vec::new()
            }
            None => Vec::new(),
        };
        match keys.first() {
            None if self.problems.is_empty() => {
                self.wrong("apiKeys", "needs a key: the requests are made with the first one");
            }
            Some(NewApiKey { tenant_id: None, endpoints, .. }) if endpoints.is_empty() => {}
            Some(_) => self.wrong("apiKeys[0]", "must be for every tenant and endpoint: the requests are made with it"),
            None => {}
        }
        let requests = match self.members.remove("requests").map(|requests| self.filled(requests, "requests", 0)) {
            Some(Value::Array(list)) => {
                list.into_iter().enumerate().filter_map(|(at, request)| self.request(request, at)).collect()
            }
            None => Vec::new(),
            Some(_) => {
                self.wrong("requests", "is no list");
                Vec::new()
            }
        };
        let useless = ["license", "licenseId", "settings"].iter().filter(|name| self.members.contains_key(**name));
        let notes = useless.map(|name| format!("{name} means nothing here and was not used")).collect();
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        Ok(Kickstart { texts: self.texts, variables, keys, requests, default_tenant, notes })
    }

    fn wrong(&mut self, place: &str, what: &str) {
        self.problems.push(format!("{place}: {what}"));
    }

    /// Defines them; answers their names. A variable may refer to those before it.
    fn variables(&mut self) -> Vec<String> {
        let variables = match self.members.remove("variables") {
            None => return Vec::new(),
            Some(Value::Object(variables)) => variables,
            Some(_) => {
                self.wrong("variables", "is no object");
                return Vec::new();
            }
        };
        let names = variables.keys().cloned().collect();
        for (name, value) in variables {
            let text = match value {
                _ if name == "defaultTenantId" => continue,
                Value::String(text) => text,
                Value::Number(_) | Value::Bool(_) => value.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => {
                    self.wrong(&format!("variables.{name}"), "is no text");
                    continue;
                }
            };
            match self.texts.fill(&text) {
                Ok(text) => self.texts.define(&name, text),
                Err(why) => self.wrong(&format!("variables.{name}"), &why),
            }
        }
        names
    }

    /// The value with its references replaced and its files included.
    fn filled(&mut self, value: Value, place: &str, depth: usize) -> Value {
        match value {
            Value::String(text) => self.filled_text(&text, place, depth),
            Value::Array(items) => {
                let items = items.into_iter().enumerate();
                Value::Array(items.map(|(at, item)| self.filled(item, &format!("{place}[{at}]"), depth)).collect())
            }
            Value::Object(members) => {
                let members = members.into_iter().map(|(name, value)| {
                    let place = format!("{place}.{name}");
                    let name = self.filled_string(&name, &place);
                    (name, self.filled(value, &place, depth))
                });
                Value::Object(members.collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value,
        }
    }

    fn filled_string(&mut self, text: &str, place: &str) -> String {
        self.texts.fill(text).unwrap_or_else(|why| {
            self.wrong(place, &why);
            String::new()
        })
    }

    fn filled_text(&mut self, text: &str, place: &str, depth: usize) -> Value {
        let path = |start: &str| text.strip_prefix(start)?.strip_suffix('}').filter(|path| !path.contains('}'));
        if let Some(path) = path("@{") {
            let read = self
                .included(path)
                .and_then(|bytes| String::from_utf8(bytes).map_err(|_| format!("the file {path:?} is not UTF-8")));
            return read.map_or_else(|why| self.nothing(place, &why), Value::String);
        }
        if let Some(path) = path("&{") {
            let read = match depth {
                DEEPEST.. => Err(format!("the file {path:?} includes files that include files without an end")),
                _ => self.included(path).and_then(|text| json(&text).map_err(|why| format!("the file {path:?} {why}"))),
            };
            return match read {
                Ok(value) => self.filled(value, place, depth + 1),
                Err(why) => self.nothing(place, &why),
            };
        }
        // What is escaped means itself.
        let text = match text.strip_prefix('\\') {
            Some(escaped) if escaped.starts_with("@{") || escaped.starts_with("&{") => escaped,
            Some(_) | None => text,
        };
        Value::String(self.filled_string(text, place))
    }

    fn nothing(&mut self, place: &str, why: &str) -> Value {
        self.wrong(place, why);
        Value::Null
    }

    /// A file of the folder in which the Kickstart file is, or of one below it.
    fn included(&self, path: &str) -> Result<Vec<u8>, String> {
        let unreadable = |error: std::io::Error| format!("the file {path:?} cannot be read: {error}");
        // Links are followed before it is asked where the file is.
        let file = self.folder.join(path).canonicalize().map_err(unreadable)?;
        if !file.starts_with(&self.folder) {
            return Err(format!("the file {path:?} is outside of the folder of the Kickstart file"));
        }
        fs::read(file).map_err(unreadable)
    }

    fn key(&mut self, key: &Value, at: usize) -> NewApiKey {
        let place = format!("apiKeys[{at}]");
        let text = |name: &str| key.get(name).and_then(Value::as_str);
        let mut new =
            NewApiKey { is_key_manager: key.get("keyManager") == Some(&Value::Bool(true)), ..NewApiKey::default() };
        new.name = text("description").or(text("name")).unwrap_or_default().to_owned();
        let mut wrong = Vec::new();
        for (name, id) in [("id", &mut new.id), ("tenantId", &mut new.tenant_id)] {
            *id = text(name).and_then(|text| Uuid::try_parse(text).ok());
            if id.is_none() && key.get(name).is_some_and(|value| !value.is_null()) {
                wrong.push((format!("{place}.{name}"), "is not a UUID"));
            }
        }
        match text("key") {
            Some(text) => new.key = Some(Secret::new(text.to_owned())),
            None => wrong.push((format!("{place}.key"), "is missing")),
        }
        if let Some(endpoints) = key.pointer("/permissions/endpoints").filter(|endpoints| !endpoints.is_null()) {
            match serde_json::from_value(endpoints.clone()) {
                Ok(endpoints) => new.endpoints = endpoints,
                Err(_) => wrong.push((format!("{place}.permissions.endpoints"), "is not paths with lists of methods")),
            }
        }
        if let Some(text) = text("key") {
            self.texts.hide(text);
        }
        for (place, what) in wrong {
            self.wrong(&place, what);
        }
        new
    }

    fn request(&mut self, request: Value, at: usize) -> Option<Request> {
        let place = format!("requests[{at}]");
        let text = |name: &str| request.get(name).and_then(Value::as_str);
        let method = text("method").map(str::to_ascii_uppercase).unwrap_or_default();
        let method = [Method::POST, Method::PUT, Method::PATCH].into_iter().find(|known| *known == *method);
        let uri = text("url").filter(|url| url.starts_with('/')).and_then(|url| url.parse::<Uri>().ok());
        let tenant_id = text("tenantId").map(str::to_owned);
        let content_type = text("contentType").unwrap_or("application/json").to_owned();
        let is_header = http::HeaderValue::from_str(&content_type).is_ok();
        let is_tenant = tenant_id.as_ref().is_none_or(|id| Uuid::try_parse(id).is_ok());
        for (is_good, name, what) in [
            (method.is_some(), "method", "is not POST, PUT or PATCH"),
            (uri.is_some(), "url", "is not a path like /api/user"),
            (is_tenant, "tenantId", "is not a UUID"),
            (is_header, "contentType", "is not a media type"),
        ] {
            if !is_good {
                self.wrong(&format!("{place}.{name}"), what);
            }
        }
        let body = request.get("body").filter(|body| !body.is_null()).cloned();
        Some(Request { number: at + 1, method: method?, uri: uri?, tenant_id, content_type, body })
    }
}

/// Without the words of the library, which might quote the text.
fn json(text: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(text)
        .map_err(|error| format!("is no JSON at line {} column {}", error.line(), error.column()))
}
