//! Declared objects that would be one and the same: with one id, one client id, or one name to log in with.
//!
//! Owns the comparison within a file, where both have a place. `directory` compares once more, with other files and with what
//! is stored.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::hash::Hash;

use uuid::Uuid;

use super::super::check::{Check, Fields};
use super::super::node::{Entry, Node, Value};
use super::super::problem::Span;
use super::{definitions, usual_tenant};
use crate::directory::declare::Declaration;

/// Sections and what one of their objects is called.
const KINDS: [(&str, &str); 6] = [
    ("tenants", "tenant"),
    ("keys", "key"),
    ("entity_types", "entity type"),
    ("entities", "entity"),
    ("applications", "application"),
    ("users", "user"),
];
/// Those that tokens name (D9).
const PARTIES: [&str; 3] = ["entity", "application", "user"];

/// One object as written.
struct Object<'n> {
    kind: &'static str,
    name: &'n str,
    fields: Fields<'n>,
    /// Of its name, or of its place in a list.
    span: Span,
    tenant: Option<String>,
}

pub(super) fn refuse(section: &Fields<'_>, declared: &Declaration, check: &mut Check<'_>) {
    let objects: Vec<Object<'_>> = KINDS.iter().flat_map(|kind| objects(*kind, section, declared)).collect();
    let mut ids = Taken::default();
    let mut clients = Taken::default();
    let mut logins = Taken::default();
    for object in &objects {
        if let Some(id) = object.id() {
            ids.take((object.kind, id), object, ("id", "id"), check);
        }
        if let Some(client_id) = object.client_id() {
            clients.take((object.tenant.clone(), client_id), object, ("client_id", "client id"), check);
        }
        for (key, login) in object.logins() {
            // Names to log in with are compared without regard to case.
            logins.take((object.tenant.clone(), key, login.to_lowercase()), object, (key, key), check);
        }
    }
    for object in objects.iter().filter(|object| PARTIES.contains(&object.kind)) {
        let Some(id) = object.id() else { continue };
        let client = clients.0.get(&(object.tenant.clone(), id.to_string()));
        if let Some(client) = client.filter(|client| client.id() != Some(id)) {
            let message = format!("{} has the client id of {}", object.what(), client.place());
            check.refuse(object.span_of("id"), message);
        }
    }
}

/// Who has a word already.
struct Taken<'o, 'n, K>(HashMap<K, &'o Object<'n>>);

impl<K> Default for Taken<'_, '_, K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<'o, 'n, K: Eq + Hash> Taken<'o, 'n, K> {
    fn take(&mut self, word: K, object: &'o Object<'n>, (key, called): (&str, &str), check: &mut Check<'_>) {
        match self.0.entry(word) {
            Slot::Vacant(free) => {
                free.insert(object);
            }
            Slot::Occupied(other) => {
                let message = format!("{} has the {called} of {}", object.what(), other.get().place());
                check.refuse(object.span_of(key), message);
            }
        }
    }
}

fn objects<'n>((section, kind): (&str, &'static str), all: &Fields<'n>, declared: &Declaration) -> Vec<Object<'n>> {
    let entries = match all.find(section).map(|node| &node.value) {
        Some(Value::Map(entries)) => entries.as_slice(),
        Some(Value::Null | Value::Scalar(_) | Value::List(_) | Value::Unusable) | None => &[],
    };
    let object = |entry: &'n Entry, node: &'n Node| {
        let fields = Fields::open_again(node).unwrap_or_else(|| Fields::none(node.span));
        let span = if matches!(entry.value.value, Value::List(_)) { node.span } else { entry.key_span };
        let tenant = text(&fields, "tenant").map(str::to_owned).or_else(|| usual_tenant(declared));
        Object { kind, name: &entry.key, fields, span, tenant }
    };
    entries.iter().flat_map(|entry| definitions(entry).iter().map(move |node| object(entry, node))).collect()
}

fn text<'n>(fields: &Fields<'n>, key: &str) -> Option<&'n str> {
    match fields.find(key).map(|node| &node.value) {
        Some(Value::Scalar(scalar)) => Some(&scalar.text),
        Some(Value::Null | Value::List(_) | Value::Map(_) | Value::Unusable) | None => None,
    }
}

impl<'n> Object<'n> {
    fn id(&self) -> Option<Uuid> {
        text(&self.fields, "id").and_then(|id| Uuid::try_parse(id).ok())
    }

    /// Without one of its own, the id.
    fn client_id(&self) -> Option<String> {
        let is_client = matches!(self.kind, "entity" | "application");
        let own = text(&self.fields, "client_id").filter(|_| is_client);
        own.map(str::to_owned)
    }

    /// The key is one of them.
    fn logins(&self) -> impl Iterator<Item = (&'static str, &'n str)> {
        let (own, other) = if self.name.contains('@') { ("email", "username") } else { ("username", "email") };
        let other = text(&self.fields, other).map(|login| (other, login));
        [Some((own, self.name)), other].into_iter().flatten().filter(|_| self.kind == "user")
    }

    fn what(&self) -> String {
        format!("{} {:?}", self.kind, self.name)
    }

    fn place(&self) -> String {
        format!("{} on line {}", self.what(), self.span.line)
    }

    fn span_of(&self, key: &str) -> Span {
        self.fields.find(key).map_or(self.span, |node| node.span)
    }
}
