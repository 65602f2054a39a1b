//! Members of a request's document, read with every wrong one listed.
//!
//! Owns what types are expected and how a wrong one is named. Unknown members are not looked at.

use std::fmt::Display;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::answer::Refusal;
use crate::directory::{FieldCode, FieldError};

/// The members of one object, by their paths: `entity.type.id`.
pub(super) struct Members<'a> {
    object: Option<&'a Map<String, Value>>,
    path: String,
    errors: Vec<FieldError>,
}

impl<'a> Members<'a> {
    /// Those of the object called `name` in an envelope.
    pub(super) fn of(envelope: &'a Value, name: &str) -> Self {
        let mut members = Self { object: None, path: name.to_owned(), errors: Vec::new() };
        match envelope.get(name) {
            Some(Value::Object(object)) => members.object = Some(object),
            Some(Value::Null) | None => members.refuse_whole(FieldCode::Missing, "there is no such object in the body"),
            Some(_) => members.refuse_whole(FieldCode::Invalid, "is not an object"),
        }
        members
    }

    /// Those of a document without an envelope.
    ///
    /// # Errors
    /// 400 for what is no object.
    pub(super) fn of_whole(document: &'a Value) -> Result<Self, Refusal> {
        let Value::Object(object) = document else {
            return Err(Refusal::General("[invalidJSON]", "The body is not a JSON object.".to_owned()));
        };
        Ok(Self { object: Some(object), path: String::new(), errors: Vec::new() })
    }

    fn refuse_whole(&mut self, code: FieldCode, message: &str) {
        self.errors.push(FieldError::new(self.path.clone(), code, message));
    }

    /// # Errors
    /// 400 with every member that was wrong.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        if self.errors.is_empty() { Ok(()) } else { Err(Refusal::Fields(self.errors)) }
    }

    pub(super) fn refuse(&mut self, name: &str, code: FieldCode, message: impl Display) {
        let field = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        self.errors.push(FieldError::new(field, code, message.to_string()));
    }

    /// `null` is as good as nothing. `name` may be dotted.
    fn find(&self, name: &str) -> Option<&'a Value> {
        let mut names = name.split('.');
        let mut value = self.object?.get(names.next()?)?;
        for name in names {
            value = value.get(name)?;
        }
        (!value.is_null()).then_some(value)
    }

    /// Notes what was wrong with another object of the same document.
    pub(super) fn adopt(&mut self, other: Members<'_>) {
        self.errors.extend(other.errors);
    }

    /// Whether something is said about the member.
    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    fn typed<T>(&mut self, name: &str, expected: &str, read: impl FnOnce(&'a Value) -> Option<T>) -> Option<T> {
        let value = self.find(name)?;
        let typed = read(value);
        if typed.is_none() {
            self.refuse(name, FieldCode::Invalid, format_args!("is not {expected}"));
        }
        typed
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.typed(name, "a string without NUL", |value| Some(storable(value.as_str()?)?.to_owned()))
    }

    /// A text that must be there.
    pub(super) fn required_text(&mut self, name: &str) -> String {
        let is_there = self.find(name).is_some();
        let text = self.text(name).unwrap_or_default();
        if self.object.is_some() && (!is_there || self.find(name) == Some(&Value::from(""))) {
            self.refuse(name, FieldCode::Blank, "must not be empty");
        }
        text
    }

    pub(super) fn id(&mut self, name: &str) -> Option<Uuid> {
        self.typed(name, "a UUID", |value| Uuid::try_parse(value.as_str()?).ok())
    }

    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        self.typed(name, "true or false", Value::as_bool)
    }

    pub(super) fn integer(&mut self, name: &str) -> Option<i64> {
        self.typed(name, "a whole number", Value::as_i64)
    }

    /// One of a closed set of names.
    pub(super) fn choice<T: Copy>(&mut self, name: &str, all: &[T], name_of: fn(T) -> &'static str) -> Option<T> {
        let text = self.text(name)?;
        let chosen = all.iter().copied().find(|&value| name_of(value) == text);
        if chosen.is_none() {
            self.refuse(name, FieldCode::Invalid, NotOneOf(all, name_of));
        }
        chosen
    }

    /// Several of a closed set of names; `None` when nothing is said.
    pub(super) fn choices<T: Copy>(&mut self, name: &str, all: &[T], name_of: fn(T) -> &'static str) -> Option<Vec<T>> {
        self.find(name)?;
        let (mut chosen, mut is_known) = (Vec::new(), true);
        for text in self.texts(name) {
            match all.iter().copied().find(|&value| name_of(value) == text) {
                Some(value) => chosen.push(value),
                None => is_known = false,
            }
        }
        if !is_known {
            self.refuse(name, FieldCode::Invalid, NotOneOf(all, name_of));
        }
        Some(chosen)
    }

    /// An object of the caller's own making.
    pub(super) fn object(&mut self, name: &str) -> Option<Map<String, Value>> {
        self.typed(name, "an object", |value| value.as_object().cloned())
    }

    /// The objects of an array, each read as if it stood in an envelope of this `name`. Wrong members of theirs are
    /// wrong members here.
    pub(super) fn each<T>(
        &mut self,
        name: &str,
        envelope: &str,
        mut read: impl FnMut(&mut Members<'_>) -> T,
    ) -> Vec<T> {
        let mut all = Vec::new();
        for value in self.list(name) {
            let mut wrapped = Map::new();
            wrapped.insert(envelope.to_owned(), value.clone());
            let wrapped = Value::Object(wrapped);
            let mut own = Members::of(&wrapped, envelope);
            all.push(read(&mut own));
            self.errors.extend(own.errors);
        }
        all
    }

    /// The objects of an array.
    pub(super) fn list(&mut self, name: &str) -> Vec<&'a Value> {
        self.typed(name, "an array", |value| Some(value.as_array()?.iter().collect())).unwrap_or_default()
    }

    /// The members of an object.
    pub(super) fn objects(&mut self, name: &str) -> Vec<(&'a String, &'a Value)> {
        self.typed(name, "an object", |value| Some(value.as_object()?.iter().collect())).unwrap_or_default()
    }

    pub(super) fn texts(&mut self, name: &str) -> Vec<String> {
        let texts = |value: &'a Value| {
            value.as_array()?.iter().map(|text| Some(storable(text.as_str()?)?.to_owned())).collect()
        };
        self.typed(name, "an array of strings without NUL", texts).unwrap_or_default()
    }

    /// The id of the object: that of the path, with which one in the body has to agree.
    pub(super) fn agrees_on_id(&mut self, path_id: Option<Uuid>) -> Option<Uuid> {
        let own = self.id("id");
        match (path_id, own) {
            (Some(path), Some(own)) if path != own => {
                self.refuse("id", FieldCode::Invalid, "is not the id in the path");
                None
            }
            (path, own) => path.or(own),
        }
    }
}

/// PostgreSQL has no texts with NUL in them.
pub(super) fn storable(text: &str) -> Option<&str> {
    (!text.contains('\0')).then_some(text)
}

/// Tells which names would have been right.
struct NotOneOf<'a, T>(&'a [T], fn(T) -> &'static str);

impl<T: Copy> Display for NotOneOf<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|&value| (self.1)(value)).collect();
        write!(f, "is not one of {}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn errors(members: Members<'_>) -> Vec<String> {
        match members.finish() {
            Ok(()) => Vec::new(),
            Err(Refusal::Fields(errors)) => errors.iter().map(FieldError::code).collect(),
            Err(other) => panic!("{other:?}"),
        }
    }

    // D-10: every wrong member, by name
    #[test]
    fn wrong_types_are_named_all_at_once() {
        let body = json!({ "entity": { "id": "x", "name": 7, "type": { "id": [] }, "flag": "true", "unknown": {} } });
        let mut members = Members::of(&body, "entity");
        assert_eq!((members.id("id"), members.id("type.id"), members.flag("flag")), (None, None, None));
        assert_eq!((members.required_text("name"), members.text("absent")), (String::new(), None));
        let expected =
            ["[invalid]entity.id", "[invalid]entity.type.id", "[invalid]entity.flag", "[invalid]entity.name"];
        assert_eq!(errors(members), expected);
    }

    #[test]
    fn an_envelope_without_its_object_is_one_error() {
        for body in [json!({}), json!([]), json!(null), json!({ "entity": null }), json!({ "entity": "x" })] {
            let mut members = Members::of(&body, "entity");
            members.required_text("name");
            assert_eq!(errors(members).len(), 1, "{body}");
        }
    }

    #[test]
    fn blank_is_not_absent_is_not_there() {
        for body in
            [json!({ "entity": {} }), json!({ "entity": { "name": "" } }), json!({ "entity": { "name": null } })]
        {
            let mut members = Members::of(&body, "entity");
            members.required_text("name");
            assert_eq!(errors(members), ["[blank]entity.name"], "{body}");
        }
    }

    #[test]
    fn two_ids_must_be_one() {
        let body = json!({ "entity": { "id": Uuid::nil() } });
        assert_eq!(Members::of(&body, "entity").agrees_on_id(None), Some(Uuid::nil()));
        assert_eq!(Members::of(&body, "entity").agrees_on_id(Some(Uuid::nil())), Some(Uuid::nil()));
        let mut members = Members::of(&body, "entity");
        members.agrees_on_id(Some(Uuid::max()));
        assert_eq!(errors(members), ["[invalid]entity.id"]);
    }
}
