//! Objects as fields with the names of the configuration, and what differs between two of them.
//!
//! Owns that no secret is among the values. It does not decide what is written.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::KeyWrite;
use super::plan::Write;
use super::stored::Stored;
use crate::directory::KeyMaterial;
use crate::model::{
    Application, ApplicationSettings, ClientSecret, Entity, EntityGrant, EntityType, NamedKey, Permission,
    Registration, Role, Tenant, User,
};

/// One field of an object that is written; null where there is nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    /// As in the configuration, with dots: `settings.theme.name`.
    pub field: String,
    pub old: Value,
    pub new: Value,
}

type Fields = Map<String, Value>;

/// What the store calls differently than the configuration.
const NAMES: [(&str, &str); 20] = [
    ("absolute_for", "life"),
    ("access_token_for", "access_token_life"),
    ("allows_refresh", "allow_refresh"),
    ("authorization_code_for", "authorization_code_life"),
    ("certificate_subject", "tls_client_auth"),
    ("device_code_for", "device_code_life"),
    ("generates_refresh_tokens", "generate_refresh_tokens"),
    ("id_token_for", "id_token_life"),
    ("idle_for", "idle"),
    ("interaction_for", "interaction_life"),
    ("is_enabled", "enabled"),
    ("is_required", "required"),
    ("pushed_request_for", "pushed_request_life"),
    ("refresh_tokens_for", "refresh_token_life"),
    ("remember_consent_for", "remember_consent"),
    ("requires_pushed_requests", "require_pushed_authorization_requests"),
    ("requires_registration", "require_registration"),
    ("retry_for", "retry"),
    ("session_for", "session_life"),
    ("session_idle_for", "session_idle"),
];

/// What a write changes. `is_generated`: it makes a secret that the declaration does not name.
pub(super) fn changes(write: &Write, is_generated: bool, stored: &Stored) -> Vec<FieldChange> {
    match write {
        Write::InsertTenant(after) => between(
            tenant(&Tenant { managed_by: None, ..Tenant::new(after.id, &after.name, 0) }),
            created(tenant(after)),
        ),
        Write::UpdateTenant(change) => between(tenant(&change.0), tenant(&change.1)),
        Write::Key(KeyWrite::Insert(new)) => {
            let mut changes = between(nameless(&new.key.name), created(key(&new.key)));
            changes.push(told("private_key", told_material(&new.material)));
            changes
        }
        Write::Key(KeyWrite::Update(change)) => between(key(&change.0), key(&change.1)),
        Write::InsertType(after) => between(nameless(&after.name), created(entity_type(after))),
        // Permissions have steps of their own.
        Write::UpdateType(change) => {
            let alone = |of: &EntityType| entity_type(&EntityType { permissions: Vec::new(), ..of.clone() });
            between(alone(&change.0), alone(&change.1))
        }
        Write::InsertPermission(_, after) => between(Fields::new(), permission(after)),
        Write::UpdatePermission(type_id, after) => {
            let of = stored.entity_types.iter().find(|before| before.id == *type_id);
            let before = of.and_then(|of| of.permissions.iter().find(|before| before.id == after.id));
            between(before.map(permission).unwrap_or_default(), permission(after))
        }
        Write::InsertEntity(after) => {
            let changes = between(nameless(&after.name), created(entity(after)));
            with_secret(changes, (&[], &after.client_secrets), is_generated)
        }
        Write::UpdateEntity(change) => {
            let changes = between(entity(&change.0), entity(&change.1));
            with_secret(changes, (&change.0.client_secrets, &change.1.client_secrets), is_generated)
        }
        Write::UpsertGrant(after) => {
            let pair = (after.recipient_id, after.target_id);
            let before = stored.grants.iter().find(|before| (before.recipient_id, before.target_id) == pair);
            between(
                before.map(grant).unwrap_or_default(),
                before.map_or_else(|| created(grant(after)), |_| grant(after)),
            )
        }
        Write::InsertApplication(after) => {
            let blank = Application {
                client_id: String::new(),
                client_secrets: Vec::new(),
                roles: Vec::new(),
                settings: ApplicationSettings::default(),
                managed_by: None,
                ..(**after).clone()
            };
            let changes = between(application(&blank), created(application(after)));
            with_secret(changes, (&[], &after.client_secrets), is_generated)
        }
        Write::UpdateApplication(change) => {
            let changes = between(application(&change.0), application(&change.1));
            with_secret(changes, (&change.0.client_secrets, &change.1.client_secrets), is_generated)
        }
        Write::InsertUser(new) => {
            let (after, password) = &**new;
            let mut changes = between(user(&User::new(after.id, after.tenant_id, 0)), created(user(after)));
            let given =
                password.is_some().then_some("password").or(after.password_hash.as_ref().map(|_| "password_hash"));
            changes.extend(given.map(|field| told(field, "as declared")));
            changes
        }
        Write::UpdateUser(change) => between(user(&change.0), user(&change.1)),
        Write::UpsertRegistration(after) => {
            let pair = (after.user_id, after.application_id);
            let before = stored.registrations.iter().find(|before| (before.user_id, before.application_id) == pair);
            let shown = before.map_or_else(|| created(registration(after)), |_| registration(after));
            between(before.map(registration).unwrap_or_default(), shown)
        }
        Write::Key(KeyWrite::Delete(_) | KeyWrite::Use(_))
        | Write::DeleteTenant(_)
        | Write::DeleteType(_)
        | Write::DeletePermission(..)
        | Write::DeleteEntity(_)
        | Write::DeleteGrant { .. }
        | Write::DeleteApplication(_)
        | Write::DeleteUser(_)
        | Write::DeleteRegistration { .. } => Vec::new(),
    }
}

fn between(before: Fields, after: Fields) -> Vec<FieldChange> {
    let gone = before.keys().filter(|field| !after.contains_key(*field)).cloned().collect::<Vec<_>>();
    let mut changes: Vec<FieldChange> = after
        .into_iter()
        .map(|(field, new)| FieldChange { old: before.get(&field).cloned().unwrap_or_default(), field, new })
        .collect();
    changes.extend(gone.into_iter().map(|field| FieldChange {
        old: before.get(&field).cloned().unwrap_or_default(),
        new: Value::Null,
        field,
    }));
    changes.retain(|change| change.old != change.new);
    changes
}

/// A new object is managed by whoever declares it; that needs no saying.
fn created(mut fields: Fields) -> Fields {
    fields.remove("managed_by");
    fields
}

/// The name of a new object stands above its fields.
fn nameless(name: &str) -> Fields {
    Fields::from_iter([("name".to_owned(), name.into())])
}

fn told(field: &str, what: &str) -> FieldChange {
    FieldChange { field: field.to_owned(), old: Value::Null, new: what.into() }
}

/// Secrets are told of, never shown.
fn with_secret(
    mut changes: Vec<FieldChange>,
    (before, after): (&[ClientSecret], &[ClientSecret]),
    is_generated: bool,
) -> Vec<FieldChange> {
    let what = match (before, after) {
        (before, after) if before == after => return changes,
        (_, []) => "will be removed",
        _ if is_generated => "will be generated",
        ([], _) => "as declared",
        _ => "will be replaced",
    };
    changes.push(told("client_secret", what));
    changes
}

pub(super) fn tenant(of: &Tenant) -> Fields {
    flat(json!({
        "name": of.name,
        "issuer": of.issuer,
        "profile": of.profile.as_str(),
        "access_token_for": of.access_token_for,
        "access_token_algorithm": of.access_token_algorithm,
        "id_token_algorithm": of.id_token_algorithm,
        "settings": of.settings,
        "managed_by": of.managed_by,
    }))
}

pub(super) fn key(of: &NamedKey) -> Fields {
    flat(json!({ "name": of.name, "algorithm": of.algorithm, "managed_by": of.managed_by }))
}

const fn told_material(material: &KeyMaterial) -> &'static str {
    match material {
        KeyMaterial::Generated { .. } => "will be generated",
        KeyMaterial::Pair { private: None, .. } => "none",
        KeyMaterial::Pair { .. } | KeyMaterial::Shared { .. } => "as declared",
    }
}

/// Keys are named by their names, not by ids.
pub(super) fn name_keys(changes: &mut [FieldChange], name_of: impl Fn(Uuid) -> String) {
    for change in changes.iter_mut().filter(|change| ["access_token_key", "id_token_key"].contains(&&*change.field)) {
        for value in [&mut change.old, &mut change.new] {
            if let Some(id) = value.as_str().and_then(|text| Uuid::try_parse(text).ok()) {
                *value = name_of(id).into();
            }
        }
    }
}

pub(super) fn entity_type(of: &EntityType) -> Fields {
    let permissions = of.permissions.iter().map(|one| (one.name.clone(), shown_permission(one)));
    flat(json!({
        "name": of.name,
        "permissions": Map::from_iter(permissions),
        "access_token_for": of.access_token_for,
        "access_token_key": of.access_token_key,
        "managed_by": of.managed_by,
    }))
}

fn permission(of: &Permission) -> Fields {
    flat(shown_permission(of))
}

fn shown_permission(of: &Permission) -> Value {
    json!({ "description": of.description, "default": of.is_default })
}

pub(super) fn entity(of: &Entity) -> Fields {
    flat(json!({ "name": of.name, "client_id": shown_client_id(&of.client_id, of.id), "managed_by": of.managed_by }))
}

/// Unless it is the id: that of a new object is made anew with every plan.
fn shown_client_id(client_id: &str, id: Uuid) -> Option<&str> {
    (!client_id.is_empty() && client_id != id.to_string()).then_some(client_id)
}

pub(super) fn grant(of: &EntityGrant) -> Fields {
    flat(json!({ "permissions": of.permissions, "managed_by": of.managed_by }))
}

pub(super) fn application(of: &Application) -> Fields {
    let role =
        |role: &Role| (role.name.clone(), json!({ "description": role.description, "default": role.is_default }));
    let mut shown = json!({
        "name": of.name,
        "client_id": shown_client_id(&of.client_id, of.id),
        "roles": Map::from_iter(of.roles.iter().map(role)),
    });
    let mut settings = serde_json::to_value(&of.settings).unwrap_or_default();
    // By name, without the ids that are made up for them.
    let scopes = settings["scopes"].as_array_mut().map(std::mem::take).unwrap_or_default();
    settings["scopes"] = scopes.into_iter().map(named_scope).collect::<Map<_, _>>().into();
    if let (Some(shown), Value::Object(settings)) = (shown.as_object_mut(), settings) {
        shown.extend(settings);
    }
    shown["managed_by"] = json!(of.managed_by);
    flat(shown)
}

fn named_scope(mut scope: Value) -> (String, Value) {
    let name = scope["name"].as_str().unwrap_or_default().to_owned();
    if let Some(members) = scope.as_object_mut() {
        members.retain(|member, _| !["id", "name"].contains(&member.as_str()));
    }
    (name, scope)
}

pub(super) fn user(of: &User) -> Fields {
    let mut shown = json!({
        "email": of.email,
        "username": of.username,
        "email_verified": of.email_verified,
        "expires": of.expires_at,
    });
    if let (Some(shown), Ok(Value::Object(profile))) = (shown.as_object_mut(), serde_json::to_value(&of.profile)) {
        shown.extend(profile);
    }
    shown["managed_by"] = json!(of.managed_by);
    flat(shown)
}

pub(super) fn registration(of: &Registration) -> Fields {
    flat(json!({ "roles": of.roles, "data": of.data, "managed_by": of.managed_by }))
}

/// Members of objects with their path for a name.
fn flat(shown: Value) -> Fields {
    let mut fields = Fields::new();
    flatten("", shown, &mut fields);
    fields
}

fn flatten(path: &str, value: Value, fields: &mut Fields) {
    let Value::Object(members) = value else {
        fields.insert(path.to_owned(), value);
        return;
    };
    for (member, value) in members {
        let name = NAMES.iter().find(|(stored, _)| *stored == member).map_or(member.as_str(), |(_, name)| name);
        let inner = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        flatten(&inner, value, fields);
    }
}

#[cfg(test)]
mod tests;
