//! `directory:` - tenants, entity types, entities and grants that the configuration declares.
//!
//! Owns the syntax. It does not write them to the store: `directory` does.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::secret::Secret;

/// Everything the section declares, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    pub tenants: Vec<Tenant>,
    pub entity_types: Vec<EntityType>,
    pub entities: Vec<Entity>,
    pub grants: Vec<Grant>,
}

#[derive(Clone, Debug)]
pub struct Tenant {
    pub id: Option<String>,
    pub name: String,
    /// The `iss` of its tokens; by default derived from the public URL.
    pub issuer: Option<String>,
    pub data: Map<String, Value>,
}

#[derive(Clone, Debug)]
pub struct EntityType {
    pub id: Option<String>,
    pub name: String,
    /// How long access tokens for entities of this type are good.
    pub access_token_for: Option<Duration>,
    pub permissions: Vec<Permission>,
    pub data: Map<String, Value>,
}

#[derive(Clone, Debug)]
pub struct Permission {
    pub name: String,
    pub description: Option<String>,
    /// Given with every grant that names no permissions.
    pub default: bool,
}

#[derive(Clone, Debug)]
pub struct Entity {
    pub id: Option<String>,
    pub name: String,
    /// Name of an entity type.
    pub entity_type: String,
    /// Name of a tenant; `None` is the default tenant.
    pub tenant: Option<String>,
    pub client_id: Option<String>,
    /// `None`: generated.
    pub client_secret: Option<Secret<String>>,
    pub data: Map<String, Value>,
}

/// What one entity may do to another.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Name or id of the entity that receives the permissions.
    pub recipient: String,
    /// Name or id of the entity that the permissions are about.
    pub target: String,
    pub permissions: Vec<String>,
}
