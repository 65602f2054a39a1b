//! JSON as tokens must write it: one object, no repeated member names, bounded depth (rules F11 and N9).
//!
//! Owns strictness only; it does not know which members a header or a claims set has.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::Reason;

const MAX_DEPTH: u8 = 32;

/// Reads `text` as one JSON object.
///
/// # Errors
/// [`Reason::DuplicateMember`] if a name occurs twice in any object, [`Reason::Malformed`] for everything else that is
/// not an object of at most 32 levels in UTF-8.
pub(super) fn parse_object(text: &[u8]) -> Result<Map<String, Value>, Reason> {
    let repeated = Cell::new(false);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let parsed = Strict { depth: 0, repeated: &repeated }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    match parsed {
        Ok(Value::Object(members)) => Ok(members),
        Err(_) if repeated.get() => Err(Reason::DuplicateMember),
        Ok(_) | Err(_) => Err(Reason::Malformed),
    }
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: u8,
    repeated: &'a Cell<bool>,
}

impl Strict<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom("too deep"));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            let value = access.next_value_seed(inner)?;
            if members.insert(name, value).is_some() {
                self.repeated.set(true);
                return Err(A::Error::custom("repeated member"));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_as_it_stands() {
        let text = r#"{"a":[1,-2,3.5,null,true,"x"],"b":{"c":{}}}"#;
        assert_eq!(Value::Object(parse_object(text.as_bytes()).unwrap()), serde_json::from_str::<Value>(text).unwrap());
    }

    // F11: RFC 7519 section 4 and RFC 7515 section 4
    #[test]
    fn repeated_names_are_refused_at_every_level() {
        for text in
            [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"{"x":{"a":1,"b":2,"a":3}}"#, r#"{"x":[{"a":1,"a":2}]}"#]
        {
            assert_eq!(parse_object(text.as_bytes()), Err(Reason::DuplicateMember), "{text}");
        }
    }

    // F11, N9
    #[test]
    fn what_is_not_one_strict_object_is_malformed() {
        let deep = format!("{}1{}", r#"{"a":"#.repeat(33), "}".repeat(33));
        let bad: [&[u8]; 10] = [
            b"",
            b"1",
            b"[]",
            b"{",
            b"\xEF\xBB\xBF{}",
            b"{\"a\":\"\xFF\"}",
            b"{\"a\":\"\\ud800\"}",
            b"{\"a\":1e400}",
            b"{a:1}",
            deep.as_bytes(),
        ];
        for text in bad {
            assert_eq!(parse_object(text), Err(Reason::Malformed), "{}", String::from_utf8_lossy(text));
        }
        let allowed = format!("{}1{}", r#"{"a":"#.repeat(32), "}".repeat(32));
        assert!(parse_object(allowed.as_bytes()).is_ok());
    }
}
