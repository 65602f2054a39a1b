//! Files of users, read as a stream: one JSON document, or a JSON object per line.
//!
//! Owns where an entry stands in the file. It does not know what a user is.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use tokio::sync::mpsc::Sender;

use crate::directory::ImportDefaults;

/// Bytes of the first line that are looked at to tell the form.
const FIRST_LINE: u64 = 1024 * 1024;

/// How a file is written.
pub(super) enum Form {
    Lines,
    /// With what stands beside its users.
    Document(ImportDefaults),
}

impl Form {
    pub(super) fn defaults(&self) -> ImportDefaults {
        match self {
            Self::Lines => ImportDefaults::default(),
            Self::Document(defaults) => defaults.clone(),
        }
    }
}

/// One user, or what stands in a user's place.
pub(super) struct Entry {
    /// `line 7` or `users[6]`.
    pub place: String,
    pub user: Result<Map<String, Value>, String>,
}

pub(super) enum Item {
    Entry(Entry),
    /// Nothing behind this can be read.
    Broken(String),
}

/// The form of a file, with what the whole of a document says. A document is read once for that, and again for its users.
pub(super) fn form(path: &Path) -> io::Result<Form> {
    let mut first = Vec::new();
    BufReader::new(File::open(path)?.take(FIRST_LINE)).read_until(b'\n', &mut first)?;
    let is_user = match serde_json::from_slice::<Value>(&first) {
        Ok(Value::Object(members)) => !members.contains_key("users"),
        Ok(_) | Err(_) => false,
    };
    if is_user {
        return Ok(Form::Lines);
    }
    let mut defaults = ImportDefaults::default();
    // What is wrong with the document is told when its users are read.
    let _ = document(path, Document { each: None, defaults: &mut defaults })?;
    Ok(Form::Document(defaults))
}

/// Sends every entry of the file, until its end or until nobody receives any more.
pub(super) fn read(path: &Path, form: &Form, sender: &Sender<Item>) {
    let done = match form {
        Form::Lines => lines(path, sender),
        Form::Document(_) => {
            let mut count = 0;
            let mut each = |value| {
                let place = format!("users[{count}]");
                count += 1;
                let entry = Entry { place, user: user(value) };
                sender.blocking_send(Item::Entry(entry)).is_ok()
            };
            let mut defaults = ImportDefaults::default();
            document(path, Document { each: Some(&mut each), defaults: &mut defaults })
        }
    };
    let why = match done {
        Ok(None) => return,
        Ok(Some(why)) => why,
        Err(error) => error.to_string(),
    };
    // Whoever is gone does not want to know.
    let _ = sender.blocking_send(Item::Broken(why));
}

fn user(value: Value) -> Result<Map<String, Value>, String> {
    match value {
        Value::Object(members) => Ok(members),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err("is no object".to_owned())
        }
    }
}

fn lines(path: &Path, sender: &Sender<Item>) -> io::Result<Option<String>> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        // Without the words of the library, which might quote the line.
        let parsed = serde_json::from_slice(&line).map_err(|error| format!("is no JSON at column {}", error.column()));
        let entry = Entry { place: format!("line {number}"), user: parsed.and_then(user) };
        if sender.blocking_send(Item::Entry(entry)).is_err() {
            break;
        }
    }
    Ok(None)
}

/// What is done with each user; `false` ends the reading.
type Each<'e> = &'e mut dyn FnMut(Value) -> bool;

/// Answers what is wrong with the document, if anything is.
fn document(path: &Path, seed: Document<'_>) -> io::Result<Option<String>> {
    let mut deserializer = serde_json::Deserializer::from_reader(BufReader::new(File::open(path)?));
    let read = seed.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    match read {
        Ok(()) => Ok(None),
        Err(error) if error.is_io() => Err(error.into()),
        Err(error) => Ok(Some(format!("line {} column {} is not as expected", error.line(), error.column()))),
    }
}

/// `{"users": [...]}`, or the list alone.
struct Document<'e> {
    /// `None`: users are skipped.
    each: Option<Each<'e>>,
    defaults: &'e mut ImportDefaults,
}

impl<'de> DeserializeSeed<'de> for Document<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with users, or a list of them")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "users" => members.next_value_seed(Users(&mut self.each))?,
                "encryptionScheme" => self.defaults.scheme = members.next_value::<Value>()?.as_str().map(str::to_owned),
                "factor" => {
                    let factor = members.next_value::<Value>()?.as_u64();
                    self.defaults.factor = factor.and_then(|factor| u32::try_from(factor).ok());
                }
                _ => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, items: A) -> Result<(), A::Error> {
        Users(&mut self.each).visit_seq(items)
    }
}

struct Users<'a, 'e>(&'a mut Option<Each<'e>>);

impl<'de> DeserializeSeed<'de> for Users<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Users<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of users")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        match self.0 {
            None => while items.next_element::<IgnoredAny>()?.is_some() {},
            Some(each) => {
                while let Some(value) = items.next_element::<Value>()? {
                    if !each(value) {
                        return Err(A::Error::custom("nobody reads any more"));
                    }
                }
            }
        }
        Ok(())
    }
}
