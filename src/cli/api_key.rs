//! `faregate api-key`: who may call the management API.

use std::collections::{BTreeMap, BTreeSet};

use clap::Subcommand;
use serde_json::{Value, json};
use uuid::Uuid;

use super::directory::{Common, on_directory};
use super::{Failure, Outcome};
use crate::directory::{Directory, NewApiKey};
use crate::model::ApiKey;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key; it is shown once
    Create {
        name: String,
        /// The only tenant that it shall see
        #[arg(long)]
        tenant: Option<String>,
        /// What it may do, as PATH=METHOD,METHOD; may be repeated. Without any, everything
        #[arg(long = "allow", value_name = "PATH=METHODS", value_parser = endpoint)]
        allowed: Vec<(String, BTreeSet<String>)>,
        /// Whether it may make other keys
        #[arg(long)]
        key_manager: bool,
    },
    /// List keys
    List,
    /// Delete a key; it is refused from now on
    Delete { id: Uuid },
}

fn endpoint(text: &str) -> Result<(String, BTreeSet<String>), String> {
    let (path, methods) = text.split_once('=').ok_or("write it like /api/user=GET,POST")?;
    Ok((path.to_owned(), methods.split(',').map(|method| method.trim().to_ascii_uppercase()).collect()))
}

pub fn api_key(arguments: &Arguments) -> Outcome {
    on_directory(&arguments.common, async |directory| work(directory, &arguments.action).await)
}

async fn work(directory: &Directory, action: &Action) -> Result<Value, Failure> {
    match action {
        Action::Create { name, tenant, allowed, key_manager } => {
            let tenant_id = match tenant {
                Some(name) => {
                    let found = directory.find_tenant(name).await?;
                    Some(found.ok_or_else(|| anyhow::anyhow!("there is no tenant {name:?}"))?.id)
                }
                None => None,
            };
            let new = NewApiKey {
                name: name.clone(),
                tenant_id,
                endpoints: BTreeMap::from_iter(allowed.iter().cloned()),
                is_key_manager: *key_manager,
                ..NewApiKey::default()
            };
            let made = directory.create_api_key(new).await?;
            let mut shown = shown(&made.key);
            shown["key"] = made.text.expose().as_str().into();
            Ok(shown)
        }
        Action::List => Ok(directory.api_keys().await?.iter().map(shown).collect()),
        Action::Delete { id } => {
            directory.delete_api_key(*id).await?;
            Ok(json!({ "deleted": id }))
        }
    }
}

fn shown(key: &ApiKey) -> Value {
    json!({
        "id": key.id,
        "name": key.name,
        "tenant_id": key.tenant_id,
        "endpoints": key.endpoints,
        "key_manager": key.is_key_manager,
    })
}
