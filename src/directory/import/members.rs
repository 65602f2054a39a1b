//! Members of a JSON object as the types that they should have; those that have another one are noted. It does not
//! know what a member means.

use serde_json::{Map, Value};
use uuid::Uuid;

/// An object that is being read, and what is wrong with it so far.
pub(super) struct Members<'v> {
    object: &'v Map<String, Value>,
    notes: Vec<String>,
}

impl<'v> Members<'v> {
    pub(super) fn of(object: &'v Map<String, Value>) -> Self {
        Self { object, notes: Vec::new() }
    }

    pub(super) fn note(&mut self, what: impl std::fmt::Display) {
        self.notes.push(what.to_string());
    }

    /// Takes over what is wrong with a part.
    pub(super) fn take_notes(&mut self, part: Self) {
        self.notes.extend(part.notes);
    }

    /// `value`, if nothing is wrong.
    pub(super) fn finished<T>(self, value: T) -> Result<T, String> {
        if self.notes.is_empty() { Ok(value) } else { Err(self.notes.join("; ")) }
    }

    fn find<T>(&mut self, name: &str, expected: &str, read: impl FnOnce(&'v Value) -> Option<T>) -> Option<T> {
        let value = self.object.get(name).filter(|value| !value.is_null())?;
        let found = read(value);
        if found.is_none() {
            // Never the value: it may be a password.
            self.note(format!("{name}: must be {expected}"));
        }
        found
    }

    /// Empty text is as good as none.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.find(name, "text", |value| value.as_str().map(str::to_owned)).filter(|text| !text.is_empty())
    }

    pub(super) fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let read = |value: &Value| -> Option<Vec<String>> {
            value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
        };
        self.find(name, "a list of texts", read)
    }

    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        self.find(name, "true or false", Value::as_bool)
    }

    pub(super) fn count(&mut self, name: &str) -> Option<u32> {
        self.find(name, "a whole number", |value| value.as_u64().and_then(|number| u32::try_from(number).ok()))
    }

    /// Milliseconds become seconds.
    pub(super) fn instant(&mut self, name: &str) -> Option<i64> {
        self.find(name, "an instant in milliseconds", |value| value.as_i64().map(|instant| instant.div_euclid(1_000)))
    }

    pub(super) fn id(&mut self, name: &str) -> Option<Uuid> {
        self.find(name, "a UUID", |value| Uuid::try_parse(value.as_str()?).ok())
    }

    pub(super) fn object(&mut self, name: &str) -> Map<String, Value> {
        self.find(name, "an object", Value::as_object).cloned().unwrap_or_default()
    }

    pub(super) fn objects(&mut self, name: &str) -> Vec<Self> {
        let read = |value: &'v Value| -> Option<Vec<Self>> {
            value.as_array()?.iter().map(|item| item.as_object().map(Self::of)).collect()
        };
        self.find(name, "a list of objects", read).unwrap_or_default()
    }

    /// The list that is a member of a member.
    pub(super) fn list(&self, name: &str, inner: &str) -> Option<&'v Vec<Value>> {
        self.object.get(name)?.get(inner)?.as_array()
    }
}
