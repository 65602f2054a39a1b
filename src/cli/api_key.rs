//! `faregate api-key`: who may call the management API.

use std::collections::{BTreeMap, BTreeSet};

use clap::Subcommand;
use serde_json::{Value, json};
use uuid::Uuid;

use super::directory::{Access, Common, on_directory};
use super::{Failure, Outcome};
use crate::directory::{Directory, NewApiKey};
use crate::model::ApiKey;
use crate::{api, config};

/// How many similar endpoints are named.
const SHOWN: usize = 3;

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

/// A key that is for nothing would only be found out by whoever is refused with it.
fn endpoint(text: &str) -> Result<(String, BTreeSet<String>), String> {
    let (path, methods) = text.split_once('=').ok_or("write it like /api/user=GET,POST")?;
    let methods: BTreeSet<String> = methods.split(',').map(|method| method.trim().to_ascii_uppercase()).collect();
    let known = api::methods_at(path);
    if known.is_empty() {
        return Err(format!("there is no endpoint {path:?}; {}", others(path)));
    }
    match methods.iter().find(|method| !known.contains(*method)) {
        Some(method) => Err(format!("{path} knows no {method:?}, only {}", listed(known))),
        None => Ok((path.to_owned(), methods)),
    }
}

/// What may have been meant: something similar, else what is around it, else the first segments of everything.
fn others(path: &str) -> String {
    let places = api::places();
    let mut near = config::nearest(path, places.iter().copied());
    near.truncate(SHOWN);
    if near.is_empty() {
        let around = path.match_indices('/').rev().map(|(at, _)| path.get(..at).unwrap_or_default());
        near.extend(around.filter_map(|part| places.get(part).copied()).take(1));
    }
    if !near.is_empty() {
        return format!("did you mean {}?", near.join(" or "));
    }
    let roots: BTreeSet<String> =
        places.iter().map(|place| place.split('/').take(3).collect::<Vec<_>>().join("/")).collect();
    format!("there are: {}", listed(roots))
}

fn listed(words: BTreeSet<String>) -> String {
    words.into_iter().collect::<Vec<_>>().join(", ")
}

pub fn api_key(arguments: &Arguments) -> Outcome {
    let access = match arguments.action {
        Action::Create { .. } => Access::Create,
        Action::List => Access::Read,
        Action::Delete { .. } => Access::Change,
    };
    on_directory(&arguments.common, access, async |directory| work(directory, &arguments.action).await)
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
