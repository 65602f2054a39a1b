//! `directory:` - tenants, entity types, entities and grants that the configuration declares.
//!
//! Owns the syntax and that names lead somewhere inside the section. It does not write to the store: `directory` does.

use std::time::Duration;

use super::check::{Check, Fields};
use super::document::{Entry, Node, Value};
use super::problem::Span;
use super::process::word;
use super::scalar;
use crate::secret::Secret;

pub(super) const KEYS: &[&str] = &["tenants", "entity_types", "entities", "grants"];
pub(super) const TENANT_KEYS: &[&str] = &[
    "id",
    "issuer",
    "profile",
    "access_token_life",
    "access_token_algorithm",
    "id_token_algorithm",
];
pub(super) const TYPE_KEYS: &[&str] = &["id", "permissions"];
pub(super) const PERMISSION_KEYS: &[&str] = &["description", "default"];
pub(super) const ENTITY_KEYS: &[&str] = &["id", "type", "tenant", "client_id", "client_secret"];
pub(super) const GRANT_KEYS: &[&str] = &["recipient", "target", "permissions", "tenant"];

/// The tenant that is there without being declared.
pub const DEFAULT_TENANT: &str = "default";

const PROFILES: &[&str] = &[
    "standard",
    "fusionauth",
    "fusionauth-legacy",
    "auth0",
    "simpleidserver",
    "fusio",
];
const ACCESS_TOKEN_ALGORITHMS: &[&str] = &[
    "ES256", "ES384", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA", "HS256", "HS384", "HS512",
];
/// 256 bits in any alphabet.
const SECRET_CHARACTERS: usize = 32;
/// E4
const LONG_LIFE: Duration = Duration::from_secs(3600);

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
    /// The name of a wire dialect.
    pub profile: Option<String>,
    /// How long its access tokens are good.
    pub access_token_for: Option<Duration>,
    /// JOSE names.
    pub access_token_algorithm: Option<String>,
    pub id_token_algorithm: Option<String>,
    pub line: u32,
}

#[derive(Clone, Debug)]
pub struct EntityType {
    pub id: Option<String>,
    pub name: String,
    pub permissions: Vec<Permission>,
    pub line: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    pub name: String,
    pub description: Option<String>,
    /// FusionAuth's `isDefault`.
    pub is_default: bool,
}

#[derive(Clone, Debug)]
pub struct Entity {
    pub id: Option<String>,
    /// Unique in its tenant.
    pub name: String,
    /// The name of a declared entity type.
    pub entity_type: String,
    /// The name of a tenant.
    pub tenant: String,
    pub client_id: Option<String>,
    /// `None`: generated.
    pub client_secret: Option<Secret<String>>,
    pub line: u32,
}

/// What one entity may do to another one of the same tenant.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The name of a tenant.
    pub tenant: String,
    /// Name of the entity that receives the permissions.
    pub recipient: String,
    /// Name of the entity that the permissions are about.
    pub target: String,
    pub permissions: Vec<String>,
    pub line: u32,
}

pub(super) fn check(node: Option<&Node>, check: &mut Check<'_>) -> Directory {
    let mut directory = Directory::default();
    let Some(fields) = node.and_then(|node| Fields::open(node, KEYS, check)) else {
        return directory;
    };
    for entry in fields.find("tenants").map_or(&[][..], |node| check.entries(node)) {
        directory.tenants.extend(tenant(entry, check));
    }
    for entry in fields.find("entity_types").map_or(&[][..], |node| check.entries(node)) {
        directory.entity_types.extend(entity_type(entry, check));
    }
    for entry in fields.find("entities").map_or(&[][..], |node| check.entries(node)) {
        // The same name in several tenants is a list, because a key can be there only once.
        let definitions = match &entry.value.value {
            Value::List(items) => items.as_slice(),
            Value::Null | Value::Scalar(_) | Value::Map(_) | Value::Unusable => std::slice::from_ref(&entry.value),
        };
        for node in definitions {
            let Some(entity) = entity(entry, node, &directory, check) else {
                continue;
            };
            if directory
                .entities
                .iter()
                .any(|other| (&other.name, &other.tenant) == (&entity.name, &entity.tenant))
            {
                check.refuse(
                    node.span,
                    format!("entity {:?} is declared twice for one tenant", entity.name),
                );
            }
            directory.entities.push(entity);
        }
    }
    for node in fields.find("grants").map_or(&[][..], |node| check.items(node)) {
        directory.grants.extend(grant(node, &directory, check));
    }
    directory
}

fn tenant(entry: &Entry, check: &mut Check<'_>) -> Option<Tenant> {
    refuse_empty(entry, check);
    let fields = Fields::open(&entry.value, TENANT_KEYS, check)?;
    let life = fields.duration("access_token_life", check);
    if let Some(node) = fields
        .find("access_token_life")
        .filter(|_| life.is_some_and(|life| life > LONG_LIFE))
    {
        check.warn(
            node.span,
            "access tokens that are good for more than 60 minutes cannot be taken back in time",
            "use a shorter life; clients get new tokens with a refresh token or their credentials",
        );
    }
    let profile = word(&fields, "profile", PROFILES, check).map(str::to_owned);
    let algorithm = word(&fields, "access_token_algorithm", ACCESS_TOKEN_ALGORITHMS, check);
    Some(Tenant {
        id: uuid(&fields, check),
        name: entry.key.clone(),
        issuer: fields.text("issuer", check),
        profile,
        access_token_for: life,
        access_token_algorithm: algorithm.map(str::to_owned),
        id_token_algorithm: word(&fields, "id_token_algorithm", ACCESS_TOKEN_ALGORITHMS, check).map(str::to_owned),
        line: entry.key_span.line,
    })
}

fn entity_type(entry: &Entry, check: &mut Check<'_>) -> Option<EntityType> {
    refuse_empty(entry, check);
    let fields = Fields::open(&entry.value, TYPE_KEYS, check)?;
    let permissions = match fields.find("permissions") {
        None => Vec::new(),
        Some(node) => match &node.value {
            Value::Map(entries) => entries.iter().filter_map(|entry| permission(entry, check)).collect(),
            Value::Null | Value::Scalar(_) | Value::List(_) | Value::Unusable => {
                let names = check.texts(node).into_iter();
                names
                    .map(|(name, _)| Permission {
                        name: name.text.clone(),
                        description: None,
                        is_default: false,
                    })
                    .collect()
            }
        },
    };
    Some(EntityType {
        id: uuid(&fields, check),
        name: entry.key.clone(),
        permissions,
        line: entry.key_span.line,
    })
}

fn permission(entry: &Entry, check: &mut Check<'_>) -> Option<Permission> {
    refuse_empty(entry, check);
    let fields = Fields::open(&entry.value, PERMISSION_KEYS, check)?;
    let is_default = fields.boolean("default", check).unwrap_or(false);
    Some(Permission {
        name: entry.key.clone(),
        description: fields.text("description", check),
        is_default,
    })
}

fn entity(entry: &Entry, node: &Node, directory: &Directory, check: &mut Check<'_>) -> Option<Entity> {
    refuse_empty(entry, check);
    let fields = Fields::open(node, ENTITY_KEYS, check)?;
    let tenant = tenant_name(&fields, directory, check);
    let client_secret = fields.secret("client_secret", SECRET_CHARACTERS, check);
    let id = uuid(&fields, check);
    let client_id = fields.text("client_id", check);
    let wanted = fields.require("type", "type: the name of an entity type", check)?;
    let entity_type = check.text(wanted)?;
    let known: Vec<&str> = directory.entity_types.iter().map(|known| known.name.as_str()).collect();
    if !known.contains(&entity_type.text.as_str()) {
        check.refuse_word(
            wanted.span,
            format!("unknown entity type {}", entity_type.shown()),
            &entity_type.text,
            &known,
        );
    }
    Some(Entity {
        id,
        name: entry.key.clone(),
        entity_type: entity_type.text.clone(),
        tenant,
        client_id,
        client_secret,
        line: if matches!(entry.value.value, Value::List(_)) {
            node.span.line
        } else {
            entry.key_span.line
        },
    })
}

fn grant(node: &Node, directory: &Directory, check: &mut Check<'_>) -> Option<Grant> {
    let fields = Fields::open(node, GRANT_KEYS, check)?;
    let tenant = tenant_name(&fields, directory, check);
    let recipient = party(&fields, "recipient", &tenant, directory, check);
    let target = party(&fields, "target", &tenant, directory, check);
    let node = fields.require("permissions", "permissions: [read]", check)?;
    let permissions = check.texts(node);
    let (recipient, target) = (recipient?, target?);
    let known: Option<Vec<&str>> = known_permissions(directory, target);
    for (permission, span) in &permissions {
        let known = known
            .as_deref()
            .filter(|known| !known.contains(&permission.text.as_str()));
        if let Some(known) = known {
            let message = format!(
                "{} has no permission {}: its type {:?} lacks it",
                target.name,
                permission.shown(),
                target.entity_type
            );
            check.refuse_word(*span, message, &permission.text, known);
        }
    }
    Some(Grant {
        tenant,
        recipient: recipient.name.clone(),
        target: target.name.clone(),
        permissions: permissions
            .into_iter()
            .map(|(permission, _)| permission.text.clone())
            .collect(),
        line: fields.span.line,
    })
}

/// `None` if the type is unknown, which is a problem already.
fn known_permissions<'d>(directory: &'d Directory, target: &Entity) -> Option<Vec<&'d str>> {
    let found = directory
        .entity_types
        .iter()
        .find(|known| known.name == target.entity_type);
    found.map(|found| {
        found
            .permissions
            .iter()
            .map(|permission| permission.name.as_str())
            .collect()
    })
}

/// A declared entity of the tenant.
fn party<'d>(
    fields: &Fields<'_>,
    key: &str,
    tenant: &str,
    directory: &'d Directory,
    check: &mut Check<'_>,
) -> Option<&'d Entity> {
    let node = fields.require(key, &format!("{key}: the name of an entity"), check)?;
    let name = check.text(node)?;
    let candidates = directory.entities.iter().filter(|entity| entity.tenant == tenant);
    let found = candidates.clone().find(|entity| entity.name == name.text);
    if found.is_none() {
        let known: Vec<&str> = candidates.map(|entity| entity.name.as_str()).collect();
        check.refuse_word(
            node.span,
            format!("unknown entity {}", name.shown()),
            &name.text,
            &known,
        );
    }
    found
}

fn tenant_name(fields: &Fields<'_>, directory: &Directory, check: &mut Check<'_>) -> String {
    let named = fields
        .find("tenant")
        .and_then(|node| check.text(node).map(|name| (name, node.span)));
    let Some((name, span)) = named else {
        return DEFAULT_TENANT.to_owned();
    };
    refuse_unknown_tenant(&name.text, &name.shown(), span, directory, check);
    name.text.clone()
}

/// A tenant is there by default, or is declared here.
pub(super) fn refuse_unknown_tenant(name: &str, shown: &str, span: Span, directory: &Directory, check: &mut Check<'_>) {
    let declared = directory.tenants.iter().map(|tenant| tenant.name.as_str());
    let known: Vec<&str> = declared.chain([DEFAULT_TENANT]).collect();
    if !known.contains(&name) {
        check.refuse_word(span, format!("unknown tenant {shown}"), name, &known);
    }
}

fn uuid(fields: &Fields<'_>, check: &mut Check<'_>) -> Option<String> {
    let parse = |text: &str| {
        let parsed = uuid::Uuid::try_parse(text).map(|id| id.to_string());
        parsed.map_err(|_| scalar::Refusal {
            expected: "a UUID",
            help: None,
        })
    };
    fields.find("id").and_then(|node| check.parsed(node, parse))
}

fn refuse_empty(entry: &Entry, check: &mut Check<'_>) {
    if entry.key.trim().is_empty() {
        check.refuse(entry.key_span, "a name is missing");
    }
}
