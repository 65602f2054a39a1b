//! Columns that hold more than a text or a number: ids, JSON, client secrets. It knows no table.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::{Result, StoreError};
use crate::model::ClientSecret;

pub(super) fn read_id(row: &AnyRow, column: &str) -> Result<Uuid> {
    parse_id(row.try_get(column)?, column)
}

pub(super) fn read_optional_id(row: &AnyRow, column: &str) -> Result<Option<Uuid>> {
    row.try_get::<Option<&str>, _>(column)?.map(|text| parse_id(text, column)).transpose()
}

fn parse_id(text: &str, column: &str) -> Result<Uuid> {
    Uuid::try_parse(text).map_err(|_| StoreError::Corrupt(format!("{column} {text:?}, which is not a UUID")))
}

pub(super) fn json_text<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Unavailable(Box::new(error)))
}

pub(super) fn read_json<T: DeserializeOwned>(row: &AnyRow, column: &str) -> Result<T> {
    parse_json(row.try_get(column)?, column)
}

pub(super) fn read_optional_json<T: DeserializeOwned>(row: &AnyRow, column: &str) -> Result<Option<T>> {
    row.try_get::<Option<&str>, _>(column)?.map(|text| parse_json(text, column)).transpose()
}

fn parse_json<T: DeserializeOwned>(text: &str, column: &str) -> Result<T> {
    // Never the text itself: it may hold what nobody should read in a log.
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt(format!("unreadable {column}")))
}

/// `after` as JSON, with those members of what is stored that this program does not know: a newer one wrote them, which runs beside
/// this one or will again (T73).
pub(super) fn updated_json<T: Serialize + DeserializeOwned>(row: &AnyRow, column: &str, after: &T) -> Result<String> {
    let as_value = |value: &T| serde_json::to_value(value).map_err(|error| StoreError::Unavailable(Box::new(error)));
    let stored: Value = read_json(row, column)?;
    let (known, mut updated) = (as_value(&read_json(row, column)?)?, as_value(after)?);
    keep_unknown(&mut updated, stored, &known);
    Ok(updated.to_string())
}

fn keep_unknown(updated: &mut Value, stored: Value, known: &Value) {
    let (Value::Object(updated), Value::Object(stored), Value::Object(known)) = (updated, stored, known) else {
        return;
    };
    for (name, stored) in stored {
        match (known.get(&name), updated.get_mut(&name)) {
            (None, None) => {
                updated.insert(name, stored);
            }
            (Some(known), Some(updated)) => keep_unknown(updated, stored, known),
            _ => {}
        }
    }
}

pub(super) fn secrets_text(secrets: &[ClientSecret]) -> String {
    let secret = |secret: &ClientSecret| {
        json!({
            "sha256": secret.sha256,
            "created_at": secret.created_at,
            "expires_at": secret.expires_at,
            "sealed": secret.sealed,
        })
    };
    Value::Array(secrets.iter().map(secret).collect()).to_string()
}

pub(super) fn read_secrets(row: &AnyRow) -> Result<Vec<ClientSecret>> {
    let secret = |value: &Value| {
        Some(ClientSecret {
            sha256: value["sha256"].as_str()?.to_owned(),
            created_at: value["created_at"].as_i64()?,
            expires_at: match &value["expires_at"] {
                Value::Null => None,
                at => Some(at.as_i64()?),
            },
            sealed: value["sealed"].as_str().map(str::to_owned),
        })
    };
    let list: Vec<Value> = read_json(row, "client_secrets")?;
    let secrets: Option<Vec<ClientSecret>> = list.iter().map(secret).collect();
    secrets.ok_or_else(|| StoreError::Corrupt("unreadable client_secrets".to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    // T73
    #[test]
    fn what_a_newer_program_wrote_outlives_an_update_by_an_older_one() {
        let stored = json!({"a": 1, "new": {"x": 1}, "in": {"b": 1, "new": 2}, "gone": 3, "list": [{"new": 1}]});
        let known = json!({"a": 1, "in": {"b": 1}, "gone": 3, "list": [{}]});
        let mut updated = json!({"a": 2, "in": {"b": 2}, "list": [{}]});
        keep_unknown(&mut updated, stored, &known);
        assert_eq!(updated, json!({"a": 2, "new": {"x": 1}, "in": {"b": 2, "new": 2}, "list": [{}]}));
    }
}
