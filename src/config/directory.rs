//! `directory:` - tenants, keys, entities and grants, applications and users that the configuration declares.
//!
//! Owns the syntax, and that names lead somewhere inside the section. It does not write to the store: `directory` does.

pub(super) mod applications;
mod clashes;
pub(super) mod keys;
pub(super) mod settings;
pub(super) mod users;

use std::time::Duration;

use uuid::Uuid;

use super::check::{Check, Fields};
use super::lint::Lint;
use super::node::{Entry, Node, Scalar, Value};
use super::problem::Span;
use super::process::word;
use super::scalar::Refusal;
use crate::directory::declare::{
    Declaration, EntityDeclaration, EntityTypeDeclaration, GrantDeclaration, PermissionDeclaration, TenantDeclaration,
};
use crate::directory::{Directory, FieldCode, FieldError};
use crate::model::{Profile, is_client_id, is_display_name, is_permission_name};

pub(super) const KEYS: &[&str] =
    &["tenants", "keys", "entity_types", "entities", "grants", "applications", "users", "adopt"];
pub(super) const TENANT_KEYS: &[&str] = &[
    "id",
    "issuer",
    "profile",
    "access_token_life",
    "access_token_algorithm",
    "id_token_algorithm",
    "access_token_key",
    "id_token_key",
    "settings",
];
pub(super) const TYPE_KEYS: &[&str] = &["id", "permissions", "access_token_life", "access_token_key"];
pub(super) const PERMISSION_KEYS: &[&str] = &["description", "default"];
pub(super) const ENTITY_KEYS: &[&str] = &["id", "type", "tenant", "client_id", "client_secret"];
pub(super) const GRANT_KEYS: &[&str] = &["recipient", "target", "permissions", "tenant"];

const ALGORITHMS: &[&str] = &[
    "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA", "HS256", "HS384", "HS512",
];
/// Where what the rules say about a field stands in the file. Names and settings are checked where they are read.
const TENANT_PLACES: &[(&str, &str)] = &[
    ("tenant.issuer", "issuer"),
    ("tenant.jwtConfiguration.timeToLiveInSeconds", "access_token_life"),
    ("tenant.accessTokenAlgorithm", "access_token_algorithm"),
    ("tenant.idTokenAlgorithm", "id_token_algorithm"),
];
const TYPE_PLACES: &[(&str, &str)] =
    &[("entityType.jwtConfiguration.timeToLiveInSeconds", "access_token_life"), ("permission.name", "permissions")];

/// 256 bits in any alphabet.
const SECRET_CHARACTERS: usize = 32;
/// E4
const LONG_LIFE: Duration = Duration::from_secs(3600);

pub(super) fn check(node: Option<&Node>, check: &mut Check<'_>) -> Declaration {
    let mut declaration = Declaration::default();
    if let Some(fields) = node.and_then(|node| Fields::open(node, KEYS, check)) {
        for part in PARTS {
            part(&fields, &mut declaration, check);
        }
        clashes::refuse(&fields, &declaration, check);
    }
    declaration
}

/// Several files as one section, whose names may also lead to what is in the store.
pub(super) fn check_all(files: &mut [(Fields<'_>, Check<'_>)]) -> Declaration {
    let mut declaration = Declaration { is_open: true, ..Declaration::default() };
    for part in PARTS {
        for (fields, check) in files.iter_mut() {
            part(fields, &mut declaration, check);
        }
    }
    for (fields, check) in files.iter_mut() {
        clashes::refuse(fields, &declaration, check);
    }
    declaration
}

type Part = fn(&Fields<'_>, &mut Declaration, &mut Check<'_>);

/// What is referred to comes before what refers to it.
const PARTS: [Part; 8] = [tenants, keys, keys_of_tenants, entity_types, entities, grants, applications, users];

fn tenants(fields: &Fields<'_>, declaration: &mut Declaration, check: &mut Check<'_>) {
    declaration.adopt |= fields.boolean("adopt", check).unwrap_or(false);
    for entry in fields.find("tenants").map_or(&[][..], |node| check.entries(node)) {
        declaration.tenants.extend(tenant(entry, check));
    }
}

fn keys(fields: &Fields<'_>, declaration: &mut Declaration, check: &mut Check<'_>) {
    for entry in fields.find("keys").map_or(&[][..], |node| check.entries(node)) {
        let key = keys::key(entry, declaration, check);
        declaration.keys.extend(key);
    }
}

/// Behind the keys, which may belong to tenants themselves.
fn keys_of_tenants(fields: &Fields<'_>, declaration: &mut Declaration, check: &mut Check<'_>) {
    for entry in fields.find("tenants").map_or(&[][..], |node| check.entries(node)) {
        // Its keys are known already: nothing is refused twice.
        let Some(fields) = Fields::open_again(&entry.value) else { continue };
        let access_token_key = keys::named(&fields, "access_token_key", declaration, check);
        let id_token_key = keys::named(&fields, "id_token_key", declaration, check);
        if let Some(tenant) = declaration.tenants.iter_mut().find(|tenant| tenant.name == entry.key) {
            (tenant.access_token_key, tenant.id_token_key) = (access_token_key, id_token_key);
        }
    }
}

fn entity_types(fields: &Fields<'_>, declaration: &mut Declaration, check: &mut Check<'_>) {
    for entry in fields.find("entity_types").map_or(&[][..], |node| check.entries(node)) {
        let new = entity_type(entry, declaration, check);
        declaration.entity_types.extend(new);
    }
}

fn entities(fields: &Fields<'_>, declaration: &mut Declaration, check: &mut Check<'_>) {
    for entry in fields.find("entities").map_or(&[][..], |node| check.entries(node)) {
        for node in definitions(entry) {
            let Some(entity) = entity(entry, node, declaration, check) else { continue };
            if declaration.entities.iter().any(|other| (&other.name, &other.tenant) == (&entity.name, &entity.tenant)) {
                check.refuse(node.span, format!("entity {:?} is declared twice for one tenant", entity.name));
            }
            declaration.entities.push(entity);
        }
    }
}

fn grants(fields: &Fields<'_>, declaration: &mut Declaration, check: &mut Check<'_>) {
    for node in fields.find("grants").map_or(&[][..], |node| check.items(node)) {
        declaration.grants.extend(grant(node, declaration, check));
    }
}

fn applications(fields: &Fields<'_>, declaration: &mut Declaration, check: &mut Check<'_>) {
    for entry in fields.find("applications").map_or(&[][..], |node| check.entries(node)) {
        for node in definitions(entry) {
            let Some(new) = applications::application(entry, node, declaration, check) else { continue };
            if declaration.applications.iter().any(|other| (&other.name, &other.tenant) == (&new.name, &new.tenant)) {
                check.refuse(node.span, format!("application {:?} is declared twice for one tenant", new.name));
            }
            declaration.applications.push(new);
        }
    }
}

fn users(fields: &Fields<'_>, declaration: &mut Declaration, check: &mut Check<'_>) {
    for entry in fields.find("users").map_or(&[][..], |node| check.entries(node)) {
        for node in definitions(entry) {
            declaration.users.extend(users::user(entry, node, declaration, check));
        }
    }
}

/// The same name in several tenants is a list, because a key can be there only once.
fn definitions(entry: &Entry) -> &[Node] {
    match &entry.value.value {
        Value::List(items) => items.as_slice(),
        Value::Null | Value::Scalar(_) | Value::Map(_) | Value::Unusable => std::slice::from_ref(&entry.value),
    }
}

/// Takes note of what the rules of the directory say, each at the key that `places` names for a part of its field.
fn note_errors(errors: Vec<FieldError>, fields: &Fields<'_>, places: &[(&str, &str)], check: &mut Check<'_>) {
    for error in errors {
        let Some((_, path)) = places.iter().find(|(part, _)| error.field.contains(part)) else {
            check.refuse(fields.span, error.message);
            continue;
        };
        // As deep into the file as the path leads.
        let mut entry: Option<&Entry> = None;
        for key in path.split('.') {
            let inner = match entry {
                None => fields.entry(key),
                Some(Entry { value: Node { value: Value::Map(entries), .. }, .. }) => {
                    entries.iter().find(|entry| entry.key == key)
                }
                Some(_) => None,
            };
            let Some(inner) = inner else { break };
            entry = Some(inner);
        }
        let (span, name) = entry.map_or((fields.span, *path), |entry| (entry.key_span, &*entry.key));
        check.refuse(span, format!("{name} {}", error.message));
    }
}

fn tenant(entry: &Entry, check: &mut Check<'_>) -> Option<TenantDeclaration> {
    refuse_bad_name(entry, check);
    let fields = Fields::open(&entry.value, TENANT_KEYS, check)?;
    let profiles = Profile::ALL.map(Profile::as_str);
    let profile = word(&fields, "profile", &profiles, check).and_then(Profile::parse);
    let algorithm = word(&fields, "access_token_algorithm", ALGORITHMS, check);
    let tenant = TenantDeclaration {
        name: entry.key.clone(),
        id: uuid(&fields, check),
        profile: profile.unwrap_or_default(),
        issuer: fields.text("issuer", check),
        access_token_for: access_token_life(&format!("tenants.{}", entry.key), &fields, check),
        access_token_algorithm: algorithm.map(str::to_owned),
        id_token_algorithm: word(&fields, "id_token_algorithm", ALGORITHMS, check).map(str::to_owned),
        // The keys come later.
        access_token_key: None,
        id_token_key: None,
        settings: fields
            .find("settings")
            .map(|node| settings::check(node, (&entry.key, profile.unwrap_or_default()), check)),
    };
    let is_said = |error: &FieldError| TENANT_PLACES.iter().any(|(part, _)| error.field.contains(part));
    note_errors(tenant.problems().into_iter().filter(is_said).collect(), &fields, TENANT_PLACES, check);
    Some(tenant)
}

/// In seconds, one at least.
fn access_token_life(name: &str, fields: &Fields<'_>, check: &mut Check<'_>) -> Option<i64> {
    let life = fields.duration("access_token_life", check)?;
    if let Some(node) = fields.find("access_token_life").filter(|_| life > LONG_LIFE) {
        check.warn(
            node.span,
            Lint::AccessTokensLiveLong.at(name),
            "access tokens that are good for more than 60 minutes cannot be taken back in time",
            "use a shorter life; clients get new tokens with a refresh token or their credentials",
        );
    }
    i64::try_from(life.as_secs().max(1)).ok()
}

fn entity_type(entry: &Entry, declared: &Declaration, check: &mut Check<'_>) -> Option<EntityTypeDeclaration> {
    refuse_bad_name(entry, check);
    let fields = Fields::open(&entry.value, TYPE_KEYS, check)?;
    let permissions = match fields.find("permissions") {
        None => Vec::new(),
        Some(node) => match &node.value {
            Value::Map(entries) => entries.iter().filter_map(|entry| permission(entry, check)).collect(),
            Value::Null | Value::Scalar(_) | Value::List(_) | Value::Unusable => {
                let names = check.texts(node);
                let named = |(name, span): (&Scalar, Span)| {
                    refuse_bad_permission(&name.text, &name.shown(), span, check);
                    PermissionDeclaration { name: name.text.clone(), ..PermissionDeclaration::default() }
                };
                names.into_iter().map(named).collect()
            }
        },
    };
    let entity_type = EntityTypeDeclaration {
        name: entry.key.clone(),
        id: uuid(&fields, check),
        permissions,
        access_token_for: access_token_life(&format!("entity_types.{}", entry.key), &fields, check),
        access_token_key: keys::named(&fields, "access_token_key", declared, check),
    };
    // What permissions may be called was checked with the place of each.
    let is_said = |error: &FieldError| {
        let is_life = error.field.contains(TYPE_PLACES[0].0);
        is_life || error.code == FieldCode::Duplicate
    };
    note_errors(entity_type.problems().into_iter().filter(is_said).collect(), &fields, TYPE_PLACES, check);
    Some(entity_type)
}

fn permission(entry: &Entry, check: &mut Check<'_>) -> Option<PermissionDeclaration> {
    refuse_bad_permission(&entry.key, &format!("{:?}", entry.key), entry.key_span, check);
    let fields = Fields::open(&entry.value, PERMISSION_KEYS, check)?;
    let is_default = fields.boolean("default", check).unwrap_or(false);
    let description = fields.text("description", check);
    Some(PermissionDeclaration { name: entry.key.clone(), description, is_default })
}

fn entity(entry: &Entry, node: &Node, declared: &Declaration, check: &mut Check<'_>) -> Option<EntityDeclaration> {
    refuse_bad_name(entry, check);
    let fields = Fields::open(node, ENTITY_KEYS, check)?;
    let tenant = tenant_of(&fields, declared, check);
    let client_secret = fields.secret("client_secret", SECRET_CHARACTERS, check);
    let id = uuid(&fields, check);
    let client_id = client_id(&fields, check);
    let wanted = fields.require("type", "type: the name of an entity type", check)?;
    let entity_type = check.text(wanted)?;
    if type_called(&entity_type.text, declared).is_none() && !declared.is_open {
        let known: Vec<&str> = declared.entity_types.iter().map(|known| known.name.as_str()).collect();
        let message = format!("unknown entity type {}", entity_type.shown());
        check.refuse_word(wanted.span, message, &entity_type.text, &known);
    }
    let entity_type = entity_type.text.clone();
    Some(EntityDeclaration { name: entry.key.clone(), id, entity_type, tenant, client_id, client_secret })
}

fn grant(node: &Node, declared: &Declaration, check: &mut Check<'_>) -> Option<GrantDeclaration> {
    let fields = Fields::open(node, GRANT_KEYS, check)?;
    let tenant = tenant_of(&fields, declared, check);
    let recipient = party(&fields, "recipient", tenant.as_deref(), declared, check);
    let target = party(&fields, "target", tenant.as_deref(), declared, check);
    let node = fields.require("permissions", "permissions: [read]", check)?;
    let permissions = check.texts(node);
    let (recipient, target) = (recipient?, target?);
    // An unknown type is a problem of the entity already.
    if let Some(entity_type) = target.entity_type.and_then(|name| type_called(name, declared)) {
        let known: Vec<&str> = entity_type.permissions.iter().map(|permission| permission.name.as_str()).collect();
        for (permission, span) in
            permissions.iter().filter(|(permission, _)| !known.contains(&permission.text.as_str()))
        {
            let message = format!("entity type {:?} has no permission {}", entity_type.name, permission.shown());
            check.refuse_word(*span, message, &permission.text, &known);
        }
    }
    Some(GrantDeclaration {
        recipient: recipient.name.to_owned(),
        target: target.name.to_owned(),
        permissions: permissions.into_iter().map(|(permission, _)| permission.text.clone()).collect(),
        tenant,
    })
}

fn type_called<'d>(name: &str, declared: &'d Declaration) -> Option<&'d EntityTypeDeclaration> {
    declared.entity_types.iter().find(|known| known.name == name || is_id(name, known.id))
}

fn is_id(text: &str, id: Option<Uuid>) -> bool {
    id.is_some() && Uuid::try_parse(text).ok() == id
}

/// One end of a grant.
struct Party<'d> {
    name: &'d str,
    /// `None`: it is not declared here.
    entity_type: Option<&'d str>,
}

/// A declared entity of the tenant, by name or id; where the declaration is open, perhaps one that is stored.
fn party<'d>(
    fields: &Fields<'d>,
    key: &str,
    tenant: Option<&str>,
    declared: &'d Declaration,
    check: &mut Check<'_>,
) -> Option<Party<'d>> {
    let node = fields.require(key, &format!("{key}: the name of an entity"), check)?;
    let name = check.text(node)?;
    let candidates = declared.entities.iter().filter(|entity| entity.tenant.as_deref() == tenant);
    let found = candidates.clone().find(|entity| entity.name == name.text || is_id(&name.text, entity.id));
    match found {
        Some(entity) => Some(Party { name: &entity.name, entity_type: Some(&entity.entity_type) }),
        None if declared.is_open => Some(Party { name: &name.text, entity_type: None }),
        None => {
            let known: Vec<&str> = candidates.map(|entity| entity.name.as_str()).collect();
            check.refuse_word(node.span, format!("unknown entity {}", name.shown()), &name.text, &known);
            None
        }
    }
}

/// The name of the tenant that is meant. One that is declared alone need not be named, nor one that nobody declares.
fn tenant_of(fields: &Fields<'_>, declared: &Declaration, check: &mut Check<'_>) -> Option<String> {
    let Some(node) = fields.find("tenant") else { return usual_tenant(declared) };
    let is_open = declared.is_open;
    let declared: Vec<&str> = declared.tenants.iter().map(|tenant| tenant.name.as_str()).collect();
    let name = check.text(node)?;
    if !is_open && name.text != Directory::DEFAULT_TENANT && !declared.contains(&name.text.as_str()) {
        let known: Vec<&str> = declared.into_iter().chain([Directory::DEFAULT_TENANT]).collect();
        check.refuse_word(node.span, format!("unknown tenant {}", name.shown()), &name.text, &known);
    }
    Some(name.text.clone())
}

/// The tenant of whatever names none.
fn usual_tenant(declared: &Declaration) -> Option<String> {
    match declared.tenants.as_slice() {
        [] => None,
        [only] => Some(only.name.clone()),
        [_, _, ..] => Some(Directory::DEFAULT_TENANT.to_owned()),
    }
}

fn client_id(fields: &Fields<'_>, check: &mut Check<'_>) -> Option<String> {
    let client_id = |text: &str| {
        let help = "at most 190 visible ASCII characters other than colon, percent and plus".to_owned();
        let good = is_client_id(text).then(|| text.to_owned());
        good.ok_or(Refusal { expected: "a client id", help: Some(help) })
    };
    fields.find("client_id").and_then(|node| check.parsed(node, client_id))
}

fn uuid(fields: &Fields<'_>, check: &mut Check<'_>) -> Option<Uuid> {
    let parse = |text: &str| Uuid::try_parse(text).map_err(|_| Refusal { expected: "a UUID", help: None });
    fields.find("id").and_then(|node| check.parsed(node, parse))
}

fn refuse_bad_name(entry: &Entry, check: &mut Check<'_>) {
    if !is_display_name(&entry.key) {
        let help = "1 to 190 bytes, no control characters, no space at either end, and not in the form of a UUID";
        check.refuse_with_help(entry.key_span, format!("{:?} is not a name", entry.key), help);
    }
}

fn refuse_bad_permission(name: &str, shown: &str, span: Span, check: &mut Check<'_>) {
    if !is_permission_name(name) {
        let help = "1 to 190 visible ASCII characters other than comma, quote and backslash";
        check.refuse_with_help(span, format!("{shown} is not a permission"), help);
    }
}
