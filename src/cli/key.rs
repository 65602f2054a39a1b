//! `faregate key`: the signing keys in the store of a configuration.

use clap::Subcommand;
use serde_json::{Value, json};
use uuid::Uuid;

use super::directory::{Access, tenant_called};
use super::{ConfigurationFile, Failure, Format, Outcome, UNUSABLE, output};
use crate::config::Config;
use crate::model::{KeyPurpose, KeyState, StoredKey};
use crate::serve::{self, Opened, StartError};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    file: ConfigurationFile,
    #[arg(long, value_enum, default_value_t, global = true)]
    format: Format,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List keys and where they are in their life
    List,
    /// Publish a new key now and sign with it later; the old one keeps verifying
    Rotate {
        /// access_token, id_token or forwarded
        #[arg(long, default_value = "access_token", value_parser = purpose)]
        purpose: KeyPurpose,
        /// Name of the tenant; without it the default one
        #[arg(long)]
        tenant: Option<String>,
    },
}

fn purpose(text: &str) -> Result<KeyPurpose, String> {
    KeyPurpose::parse(text)
        .ok_or_else(|| format!("known purposes: {}", KeyPurpose::ALL.map(KeyPurpose::as_str).join(", ")))
}

pub fn run(arguments: &Arguments) -> Outcome {
    let config = super::serve::load(&arguments.file)?;
    let result = super::block_on(async {
        let access = match arguments.action {
            Action::List => Access::Read,
            Action::Rotate { .. } => Access::Change,
        };
        let opened = access.open(&config).await?;
        let result = work(&config, &opened, &arguments.action).await;
        opened.close().await;
        result
    })??;
    output::show(&result, arguments.format, text)
}

fn unusable(error: StartError) -> Failure {
    Failure::Failed(UNUSABLE, error.into())
}

async fn work(config: &Config, opened: &Opened, action: &Action) -> Result<Value, Failure> {
    let now = opened.clock.now();
    match action {
        Action::List => {
            let tenants = opened.directory.tenants().await?;
            let name = |id: Option<Uuid>| {
                tenants.iter().find(|tenant| Some(tenant.id) == id).map(|tenant| tenant.name.clone())
            };
            let keys = opened.store.list_keys(now).await?;
            Ok(keys.iter().map(|key| shown(key, name(key.tenant_id), now)).collect())
        }
        Action::Rotate { purpose, tenant } => {
            let keys = serve::key_ring(config, opened, &config.public_url).await.map_err(unusable)?;
            keys.provide().await?;
            let rotation = match purpose {
                KeyPurpose::Forwarded => keys.rotate_forwarded().await?,
                KeyPurpose::AccessToken | KeyPurpose::IdToken => {
                    let tenant_id = match tenant {
                        Some(wanted) => tenant_called(&opened.directory, Some(wanted)).await?.id,
                        None => keys.issuer(None).map(|issuer| issuer.tenant.id).ok_or_else(|| {
                            anyhow::anyhow!("there is no tenant yet; `faregate serve` makes the first one")
                        })?,
                    };
                    keys.rotate(tenant_id, *purpose).await?
                }
            };
            let signs_in = rotation.signs_from_at - now;
            Ok(json!({ "retired": rotation.retired, "successor": rotation.successor, "signs_in_seconds": signs_in }))
        }
    }
}

fn shown(key: &StoredKey, tenant: Option<String>, now: i64) -> Value {
    let state = match key.state(now) {
        KeyState::Published => "published",
        KeyState::Signing => "signing",
        KeyState::Kept => "kept",
        KeyState::Removed => "removed",
    };
    json!({
        "id": key.id,
        "tenant": tenant,
        "purpose": key.purpose.as_str(),
        "algorithm": key.algorithm,
        "state": state,
        "signs_from_at": key.signs_from_at,
        "retired_at": key.retired_at,
        "removed_at": key.removed_at,
    })
}

/// One line per key, or per member of a single result.
fn text(result: &Value) -> String {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match result {
        Value::Array(keys) => keys
            .iter()
            .map(|key| {
                format!(
                    "{:10} {:13} {:6} {:10} {}\n",
                    word(&key["tenant"]),
                    word(&key["purpose"]),
                    word(&key["algorithm"]),
                    word(&key["state"]),
                    word(&key["id"])
                )
            })
            .collect(),
        Value::Object(members) => members.iter().map(|(name, value)| format!("{name:17} {}\n", word(value))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => format!("{result}\n"),
    }
}
