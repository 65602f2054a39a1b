//! Free-form values: the claims of a policy test, what administrators keep about a user.
//!
//! Owns the way from a YAML node to JSON. Nothing here is checked: any value is a good one.

use serde_json::{Map, Number, Value as Json};

use super::check::Check;
use super::node::{Node, Scalar, Value};

/// The entries of a mapping as JSON.
pub(super) fn object(node: &Node, check: &mut Check<'_>) -> Map<String, Json> {
    check.entries(node).iter().map(|entry| (entry.key.clone(), json(&entry.value))).collect()
}

fn json(node: &Node) -> Json {
    match &node.value {
        Value::Null | Value::Unusable => Json::Null,
        Value::Scalar(scalar) => scalar_to_json(scalar),
        Value::List(items) => items.iter().map(json).collect(),
        Value::Map(entries) => entries.iter().map(|entry| (entry.key.clone(), json(&entry.value))).collect(),
    }
}

/// Quoted text is text; unquoted text is what YAML says it is.
fn scalar_to_json(scalar: &Scalar) -> Json {
    let typed = if scalar.plain { serde_yaml::from_str::<serde_yaml::Value>(&scalar.text).ok() } else { None };
    let typed = match typed {
        Some(serde_yaml::Value::Bool(value)) => Some(Json::Bool(value)),
        Some(serde_yaml::Value::Number(number)) => to_number(&number).map(Json::Number),
        _ => None,
    };
    typed.unwrap_or_else(|| Json::String(scalar.text.clone()))
}

fn to_number(number: &serde_yaml::Number) -> Option<Number> {
    let whole = number.as_i64().map(Number::from).or_else(|| number.as_u64().map(Number::from));
    whole.or_else(|| number.as_f64().and_then(Number::from_f64))
}
