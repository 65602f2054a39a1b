//! `faregate tenant|entity-type|entity|grant`: what administrators manage, in the store of a configuration.
//!
//! Owns the words of these commands. The rules are `directory`'s; a running gateway hears of the changes by itself.

use clap::Subcommand;
use serde_json::{Value, json};
use uuid::Uuid;

use super::tenant_deletion::{self, Deletion};
use super::{ConfigurationFile, Failure, Format, Outcome, UNUSABLE, output};
use crate::config::Config;
use crate::directory::{Directory, DirectoryError, NewEntity, NewEntityType, NewGrant, NewPermission, NewTenant};
use crate::model::{Entity, EntityType, Profile, Tenant};
use crate::secret::Secret;
use crate::serve::Opened;
use crate::store::GrantFilter;

/// What every command here takes.
#[derive(Clone, Debug, clap::Args)]
pub struct Common {
    #[command(flatten)]
    pub(super) file: ConfigurationFile,
    #[arg(long, value_enum, default_value_t, global = true)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub struct TenantArguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    action: TenantAction,
}

#[derive(Debug, Subcommand)]
enum TenantAction {
    /// Create a tenant
    Create {
        name: String,
        /// The `iss` of its tokens; without it, it is derived from the public URL
        #[arg(long)]
        issuer: Option<String>,
        /// The wire dialect: standard, fusionauth, ...
        #[arg(long, default_value = "standard", value_parser = profile)]
        profile: Profile,
        /// Life of its access tokens in seconds
        #[arg(long, value_name = "SECONDS")]
        access_token_for: Option<i64>,
        /// For example ES256, EdDSA or RS256
        #[arg(long, value_name = "ALGORITHM")]
        access_token_algorithm: Option<String>,
    },
    /// List tenants
    List,
    /// Delete a tenant that is empty, or one with everything in it
    Delete(Deletion),
}

#[derive(Debug, clap::Args)]
pub struct EntityTypeArguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    action: EntityTypeAction,
}

#[derive(Debug, Subcommand)]
enum EntityTypeAction {
    /// Create an entity type
    Create {
        name: String,
        /// A permission that can be granted on entities of the type; may be repeated
        #[arg(long = "permission", value_name = "PERMISSION")]
        permissions: Vec<String>,
        /// Life of its entities' access tokens in seconds, instead of their tenant's
        #[arg(long, value_name = "SECONDS")]
        access_token_for: Option<i64>,
    },
    /// Add a permission to a type
    Allow { name: String, permission: String },
    /// List entity types
    List,
    /// Delete a type that no entity has
    Delete { name: String },
}

#[derive(Debug, clap::Args)]
pub struct EntityArguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    action: EntityAction,
}

#[derive(Debug, Subcommand)]
enum EntityAction {
    /// Create an entity; its secret is shown once
    Create {
        name: String,
        /// The name of its type
        #[arg(long = "type", value_name = "TYPE")]
        entity_type: String,
        /// Where there are several tenants
        #[arg(long)]
        tenant: Option<String>,
        /// Instead of the id
        #[arg(long)]
        client_id: Option<String>,
    },
    /// List entities
    List {
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Replace an entity's secret; the new one is shown once
    RegenerateSecret {
        /// Name or id
        entity: String,
        #[arg(long)]
        tenant: Option<String>,
        /// How long the old secret stays good
        #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
        keep_old: i64,
    },
    /// Delete an entity and its grants
    Delete {
        /// Name or id
        entity: String,
        #[arg(long)]
        tenant: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
pub struct GrantArguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    action: GrantAction,
}

#[derive(Debug, Subcommand)]
enum GrantAction {
    /// Say what RECIPIENT may do on TARGET, replacing what was said before
    Set {
        /// Name or id of the entity that calls
        recipient: String,
        /// Name or id of the entity that is called
        target: String,
        /// May be repeated
        #[arg(long = "permission", value_name = "PERMISSION")]
        permissions: Vec<String>,
        #[arg(long)]
        tenant: Option<String>,
    },
    /// List grants
    List,
    /// Take a grant away
    Delete {
        recipient: String,
        target: String,
        #[arg(long)]
        tenant: Option<String>,
    },
}

fn profile(text: &str) -> Result<Profile, String> {
    let known = || Profile::ALL.map(Profile::as_str).join(", ");
    Profile::parse(text).ok_or_else(|| format!("known profiles: {}", known()))
}

/// What a command wants with the store. One that only reads leaves its schema as it is, and only one that makes something makes
/// a store that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Change,
    Create,
}

impl Access {
    pub(super) async fn open(self, config: &Config) -> Result<Opened, Failure> {
        let opened = match self {
            Self::Read => Opened::open_to_read(config).await,
            Self::Change => Opened::open_to_change(config).await,
            Self::Create => Opened::open_to_create(config).await,
        };
        opened.map_err(|error| Failure::Failed(UNUSABLE, error.into()))
    }
}

/// Opens the directory of the configuration, works on it and prints the result.
pub(super) fn on_directory(
    common: &Common,
    access: Access,
    work: impl AsyncFnOnce(&Directory) -> Result<Value, Failure>,
) -> Outcome {
    on_opened(common, access, async |_, opened| work(&opened.directory).await)
}

/// The same with everything that was opened.
fn on_opened(
    common: &Common,
    access: Access,
    work: impl AsyncFnOnce(&Config, &Opened) -> Result<Value, Failure>,
) -> Outcome {
    let config = super::serve::load(&common.file)?;
    let result = super::block_on(async {
        let opened = access.open(&config).await?;
        let result = work(&config, &opened).await;
        opened.close().await;
        result
    })??;
    output::show(&result, common.format, text)
}

pub fn tenant(arguments: &TenantArguments) -> Outcome {
    let access = match arguments.action {
        TenantAction::Create { .. } => Access::Create,
        TenantAction::List => Access::Read,
        TenantAction::Delete(_) => Access::Change,
    };
    on_opened(&arguments.common, access, async |config, opened| match &arguments.action {
        TenantAction::Create { name, issuer, profile, access_token_for, access_token_algorithm } => {
            let new = NewTenant {
                name: name.clone(),
                issuer: issuer.clone(),
                profile: *profile,
                access_token_for: *access_token_for,
                access_token_algorithm: access_token_algorithm.clone(),
                ..NewTenant::default()
            };
            Ok(shown_tenant(&opened.directory.create_tenant(new).await?))
        }
        TenantAction::List => Ok(opened.directory.tenants().await?.iter().map(shown_tenant).collect()),
        TenantAction::Delete(wanted) => tenant_deletion::delete(config, opened, wanted).await,
    })
}

pub fn entity_type(arguments: &EntityTypeArguments) -> Outcome {
    let access = match arguments.action {
        EntityTypeAction::Create { .. } => Access::Create,
        EntityTypeAction::List => Access::Read,
        EntityTypeAction::Allow { .. } | EntityTypeAction::Delete { .. } => Access::Change,
    };
    on_directory(&arguments.common, access, async |directory| match &arguments.action {
        EntityTypeAction::Create { name, permissions, access_token_for } => {
            let permissions =
                permissions.iter().map(|name| NewPermission { name: name.clone(), ..NewPermission::default() });
            let new = NewEntityType {
                name: name.clone(),
                permissions: permissions.collect(),
                access_token_for: *access_token_for,
                ..NewEntityType::default()
            };
            Ok(shown_type(&directory.create_entity_type(new).await?))
        }
        EntityTypeAction::Allow { name, permission } => {
            let of = type_called(directory, name).await?;
            directory
                .add_permission(of.id, NewPermission { name: permission.clone(), ..NewPermission::default() })
                .await?;
            Ok(shown_type(&type_called(directory, name).await?))
        }
        EntityTypeAction::List => Ok(directory.entity_types().await?.iter().map(shown_type).collect()),
        EntityTypeAction::Delete { name } => {
            let of = type_called(directory, name).await?;
            directory.delete_entity_type(of.id).await?;
            Ok(json!({ "deleted": of.id }))
        }
    })
}

pub fn entity(arguments: &EntityArguments) -> Outcome {
    let access = match arguments.action {
        EntityAction::Create { .. } => Access::Create,
        EntityAction::List { .. } => Access::Read,
        EntityAction::RegenerateSecret { .. } | EntityAction::Delete { .. } => Access::Change,
    };
    on_directory(&arguments.common, access, async |directory| match &arguments.action {
        EntityAction::Create { name, entity_type, tenant, client_id } => {
            let new = NewEntity {
                parent_id: None,
                data: serde_json::Map::new(),
                id: None,
                tenant_id: tenant_called(directory, tenant.as_deref()).await?.id,
                type_id: type_called(directory, entity_type).await?.id,
                name: name.clone(),
                client_id: client_id.clone(),
                client_secret: None,
            };
            let created = directory.create_entity(new).await?;
            Ok(with_secret(&created.entity, &created.client_secret))
        }
        EntityAction::List { tenant } => {
            let tenant = match tenant {
                Some(name) => Some(tenant_called(directory, Some(name)).await?.id),
                None => None,
            };
            Ok(directory.entities(tenant).await?.iter().map(shown_entity).collect())
        }
        EntityAction::RegenerateSecret { entity, tenant, keep_old } => {
            let entity = entity_called(directory, tenant.as_deref(), entity).await?;
            let renewed = directory.regenerate_secret(entity.id, *keep_old).await?;
            Ok(with_secret(&renewed.entity, &renewed.client_secret))
        }
        EntityAction::Delete { entity, tenant } => {
            let entity = entity_called(directory, tenant.as_deref(), entity).await?;
            directory.delete_entity(entity.id).await?;
            Ok(json!({ "deleted": entity.id }))
        }
    })
}

pub fn grant(arguments: &GrantArguments) -> Outcome {
    let access = match arguments.action {
        GrantAction::List => Access::Read,
        GrantAction::Set { .. } | GrantAction::Delete { .. } => Access::Change,
    };
    on_directory(&arguments.common, access, async |directory| match &arguments.action {
        GrantAction::Set { recipient, target, permissions, tenant } => {
            let (recipient, target) = parties(directory, tenant.as_deref(), recipient, target).await?;
            let new = NewGrant { target_id: target.id, recipient_id: recipient.id, permissions: permissions.clone() };
            let grant = directory.upsert_grant(new).await?;
            Ok(json!({ "recipient": recipient.name, "target": target.name, "permissions": grant.permissions }))
        }
        GrantAction::List => {
            let entities = directory.entities(None).await?;
            let name = |id: Uuid| entities.iter().find(|entity| entity.id == id).map(|entity| entity.name.clone());
            let grants = directory.grants(GrantFilter::All).await?;
            Ok(grants
                        .iter()
                        .map(|grant| json!({ "recipient": name(grant.recipient_id), "target": name(grant.target_id), "permissions": grant.permissions }))
                        .collect())
        }
        GrantAction::Delete { recipient, target, tenant } => {
            let (recipient, target) = parties(directory, tenant.as_deref(), recipient, target).await?;
            directory.delete_grant(recipient.id, target.id).await?;
            Ok(json!({ "deleted": { "recipient": recipient.name, "target": target.name } }))
        }
    })
}

/// The tenant of that name; without a name the only one.
pub(super) async fn tenant_called(directory: &Directory, name: Option<&str>) -> Result<Tenant, Failure> {
    let mut tenants = directory.tenants().await?;
    let names = tenants.iter().map(|tenant| tenant.name.clone()).collect::<Vec<_>>().join(", ");
    let unknown = match name {
        _ if tenants.is_empty() => "there is no tenant yet; `faregate serve` makes the first one".to_owned(),
        Some(name) => format!("there is no tenant {name:?}; there are: {names}"),
        None => format!("there are several tenants; choose one with --tenant: {names}"),
    };
    let found = match name {
        Some(name) => tenants.into_iter().find(|tenant| tenant.name == name || tenant.id.to_string() == name),
        None if tenants.len() > 1 => None,
        None => tenants.pop(),
    };
    found.ok_or_else(|| anyhow::anyhow!(unknown).into())
}

async fn type_called(directory: &Directory, name: &str) -> Result<EntityType, Failure> {
    let types = directory.entity_types().await?;
    let names = types.iter().map(|of| of.name.as_str()).collect::<Vec<_>>().join(", ");
    let unknown = anyhow::anyhow!(
        "there is no entity type {name:?}; there are: {}",
        if names.is_empty() { "none" } else { &names }
    );
    types.into_iter().find(|of| of.name == name || of.id.to_string() == name).ok_or(unknown.into())
}

async fn entity_called(directory: &Directory, tenant: Option<&str>, name: &str) -> Result<Entity, Failure> {
    let tenant = tenant_called(directory, tenant).await?;
    let found = directory.find_target(tenant.id, name).await.map_err(DirectoryError::from)?;
    found
        .map(|entity| (*entity).clone())
        .ok_or_else(|| anyhow::anyhow!("tenant {:?} has no entity {name:?}", tenant.name).into())
}

async fn parties(
    directory: &Directory,
    tenant: Option<&str>,
    recipient: &str,
    target: &str,
) -> Result<(Entity, Entity), Failure> {
    Ok((entity_called(directory, tenant, recipient).await?, entity_called(directory, tenant, target).await?))
}

fn shown_tenant(tenant: &Tenant) -> Value {
    json!({
        "id": tenant.id,
        "name": tenant.name,
        "issuer": tenant.issuer,
        "profile": tenant.profile.as_str(),
        "access_token_for": tenant.access_token_for,
        "access_token_algorithm": tenant.access_token_algorithm,
        "managed_by": tenant.managed_by,
    })
}

fn shown_type(of: &EntityType) -> Value {
    let permissions: Vec<&str> = of.permissions.iter().map(|permission| permission.name.as_str()).collect();
    json!({
        "id": of.id,
        "name": of.name,
        "permissions": permissions,
        "access_token_for": of.access_token_for,
        "managed_by": of.managed_by,
    })
}

fn shown_entity(entity: &Entity) -> Value {
    json!({
        "id": entity.id,
        "name": entity.name,
        "client_id": entity.client_id,
        "tenant_id": entity.tenant_id,
        "type_id": entity.type_id,
        "managed_by": entity.managed_by,
    })
}

/// The only place where a secret is printed, once.
fn with_secret(entity: &Entity, secret: &Secret<String>) -> Value {
    let mut shown = shown_entity(entity);
    shown["client_secret"] = secret.expose().as_str().into();
    shown
}

/// Objects as `name value` lines, lists as such blocks with empty lines between them.
fn text(result: &Value) -> String {
    let scalar = |value: &Value| match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items
            .iter()
            .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
            .collect::<Vec<_>>()
            .join(", "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    };
    match result {
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join("\n"),
        Value::Object(members) => {
            let width = members.keys().map(String::len).max().unwrap_or(0);
            members.iter().map(|(name, value)| format!("{name:width$}  {}\n", scalar(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => format!("{}\n", scalar(result)),
    }
}
