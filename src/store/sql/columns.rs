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
