//! `/api/entity/type`: entity types and their permissions (D-07). They belong to no tenant.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Api;
use super::answer::{Refusal, Reply, json_answer, nothing, present};
use super::call::{milliseconds, path_id};
use super::members::Members;
use super::search::{self, Search};
use crate::directory::{KeySigner, KeyUse, NewEntityType, NewPermission};
use crate::model::{EntityType, KeyPurpose, Permission};

const KEY: &str = "jwtConfiguration.accessTokenKeyId";

/// As callers see it. Permissions have no instants of their own.
pub(super) fn shown(entity_type: &EntityType) -> Value {
    let permissions: Vec<Value> = entity_type.permissions.iter().map(shown_permission).collect();
    json!({
        "data": entity_type.data,
        "id": entity_type.id,
        "insertInstant": milliseconds(entity_type.created_at),
        "jwtConfiguration": shown_tokens(entity_type),
        "lastUpdateInstant": milliseconds(entity_type.updated_at),
        "name": entity_type.name,
        "permissions": permissions,
    })
}

/// `jwtConfiguration`: disabled means that the tenant's counts.
fn shown_tokens(entity_type: &EntityType) -> Value {
    let EntityType { access_token_for, access_token_key, .. } = entity_type;
    present(json!({
        "accessTokenKeyId": access_token_key,
        "enabled": access_token_for.is_some() || access_token_key.is_some(),
        "timeToLiveInSeconds": access_token_for,
    }))
}

/// What `jwtConfiguration` says: how long tokens live, and which key signs them. FusionAuth's clients leave `enabled` out where
/// they send nothing else.
fn read_tokens(members: &mut Members<'_>) -> (Option<i64>, Option<Uuid>) {
    let life = members.integer("jwtConfiguration.timeToLiveInSeconds");
    let key = members.id(KEY);
    let is_enabled = members.flag("jwtConfiguration.enabled").unwrap_or(life.is_some() || key.is_some());
    if is_enabled { (life, key) } else { (None, None) }
}

const KEY_FIELD: &str = "entityType.jwtConfiguration.accessTokenKeyId";

fn use_of(key_id: Uuid) -> KeyUse {
    KeyUse { key_id, purpose: KeyPurpose::AccessToken, signer: KeySigner::EntityTypes }
}

/// Before anything is written: whether entities of the type can use the key that it names.
async fn check_key(api: &Api, key_id: Option<Uuid>) -> Result<(), Refusal> {
    let Some(key_id) = key_id else { return Ok(()) };
    api.server.keys().check_key(use_of(key_id), None, KEY_FIELD).await?;
    Ok(())
}

/// Has the key published that the type names, so that it may sign for entities of it. Until then their tenants' sign.
async fn use_key(api: &Api, key_id: Option<Uuid>) -> Result<(), Refusal> {
    let Some(key_id) = key_id else { return Ok(()) };
    api.server.keys().use_key(use_of(key_id), KEY_FIELD).await?;
    Ok(())
}

fn shown_permission(permission: &Permission) -> Value {
    let mut shown = json!({ "id": permission.id, "isDefault": permission.is_default, "name": permission.name });
    if let Some(description) = &permission.description {
        shown["description"] = description.as_str().into();
    }
    shown
}

fn envelope(entity_type: &EntityType) -> Reply {
    json_answer(&json!({ "entityType": shown(entity_type) }))
}

async fn existing(api: &Api, id: &str) -> Result<EntityType, Refusal> {
    let found = api.directory.find_entity_type(&path_id(id)?.to_string()).await?;
    found.ok_or(Refusal::NotFound)
}

pub(super) async fn create(State(api): State<Api>, id: Option<Path<String>>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    call.require_global()?;
    let id = id.map(|Path(id)| path_id(&id)).transpose()?;
    let body = call.json()?;
    let mut members = Members::of(&body, "entityType");
    let id = members.agrees_on_id(id);
    let name = members.required_text("name");
    let data = members.object("data").unwrap_or_default();
    let (access_token_for, access_token_key) = read_tokens(&mut members);
    let mut permissions = Vec::new();
    let mut wrong = Vec::new();
    for value in members.list("permissions") {
        let wrapped = json!({ "permission": value });
        let mut own = Members::of(&wrapped, "permission");
        permissions.push(new_permission(&mut own));
        if let Err(Refusal::Fields(errors)) = own.finish() {
            wrong.extend(errors);
        }
    }
    members.finish()?;
    if !wrong.is_empty() {
        return Err(Refusal::Fields(wrong));
    }
    check_key(&api, access_token_key).await?;
    let new = NewEntityType { id, name, permissions, access_token_for, access_token_key, data };
    let made = api.directory.create_entity_type(new).await?;
    use_key(&api, access_token_key).await?;
    envelope(&made)
}

pub(super) async fn find(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    api.admit(request).await?;
    envelope(&existing(&api, &id).await?)
}

pub(super) async fn list(State(api): State<Api>, request: Request<Body>) -> Reply {
    api.admit(request).await?;
    let types: Vec<Value> = api.directory.entity_types().await?.iter().map(shown).collect();
    json_answer(&json!({ "entityTypes": types }))
}

pub(super) async fn replace(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    call.require_global()?;
    let before = existing(&api, &id).await?;
    write(&api, before, &call.json()?).await
}

pub(super) async fn change(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    call.require_global()?;
    let before = existing(&api, &id).await?;
    let document = call.patch()?.apply(json!({ "entityType": shown(&before) }))?;
    write(&api, before, &document).await
}

/// Permissions have endpoints of their own, so that two administrators who each add one do not undo each other.
async fn write(api: &Api, before: EntityType, document: &Value) -> Reply {
    let mut members = Members::of(document, "entityType");
    members.agrees_on_id(Some(before.id));
    let (name, data) = (members.required_text("name"), members.object("data").unwrap_or_default());
    let (access_token_for, access_token_key) = read_tokens(&mut members);
    members.finish()?;
    check_key(api, access_token_key).await?;
    let after = EntityType { name, data, access_token_for, access_token_key, ..before.clone() };
    let changed = api.directory.change_entity_type(&before, after).await?;
    use_key(api, access_token_key).await?;
    envelope(&changed)
}

pub(super) async fn delete(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    call.require_global()?;
    api.directory.delete_entity_type(path_id(&id)?).await?;
    nothing()
}

pub(super) async fn search(State(api): State<Api>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let search = Search::of(&call, &["name"])?;
    let mut members = search.members();
    let (name, page) = (members.text("name"), search::page(&mut members, &["name", "insertInstant"]));
    members.finish()?;
    let mut types = api.directory.entity_types().await?;
    types.retain(|entity_type| search::fits(&entity_type.name, name.as_deref()));
    let (types, total) = page.cut(types, |by, a, b| match by {
        "insertInstant" => a.created_at.cmp(&b.created_at),
        _ => a.name.cmp(&b.name),
    });
    let types: Vec<Value> = types.iter().map(shown).collect();
    json_answer(&json!({ "entityTypes": types, "total": total }))
}

fn new_permission(members: &mut Members<'_>) -> NewPermission {
    NewPermission {
        id: members.id("id"),
        name: members.required_text("name"),
        description: members.text("description"),
        is_default: members.flag("isDefault").unwrap_or_default(),
    }
}

pub(super) async fn add_permission(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    add(&api, &id, None, request).await
}

pub(super) async fn add_permission_with_id(
    State(api): State<Api>,
    Path((id, permission)): Path<(String, String)>,
    request: Request<Body>,
) -> Reply {
    add(&api, &id, Some(permission), request).await
}

async fn add(api: &Api, type_id: &str, id: Option<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    call.require_global()?;
    let entity_type = existing(api, type_id).await?;
    let id = id.map(|id| path_id(&id)).transpose()?;
    let body = call.json()?;
    let mut members = Members::of(&body, "permission");
    let id = members.agrees_on_id(id);
    let new = NewPermission { id, ..new_permission(&mut members) };
    members.finish()?;
    let permission = api.directory.add_permission(entity_type.id, new).await?;
    json_answer(&json!({ "permission": shown_permission(&permission) }))
}

pub(super) async fn replace_permission(
    State(api): State<Api>,
    Path((id, permission)): Path<(String, String)>,
    request: Request<Body>,
) -> Reply {
    let call = api.admit(request).await?;
    call.require_global()?;
    let (entity_type, before) = existing_permission(&api, &id, &permission).await?;
    write_permission(&api, &entity_type, &before, &call.json()?).await
}

pub(super) async fn change_permission(
    State(api): State<Api>,
    Path((id, permission)): Path<(String, String)>,
    request: Request<Body>,
) -> Reply {
    let call = api.admit(request).await?;
    call.require_global()?;
    let (entity_type, before) = existing_permission(&api, &id, &permission).await?;
    let document = call.patch()?.apply(json!({ "permission": shown_permission(&before) }))?;
    write_permission(&api, &entity_type, &before, &document).await
}

async fn existing_permission(api: &Api, type_id: &str, id: &str) -> Result<(EntityType, Permission), Refusal> {
    let (entity_type, id) = (existing(api, type_id).await?, path_id(id)?);
    let permission = entity_type.permissions.iter().find(|permission| permission.id == id).cloned();
    permission.map(|permission| (entity_type, permission)).ok_or(Refusal::NotFound)
}

async fn write_permission(api: &Api, entity_type: &EntityType, before: &Permission, document: &Value) -> Reply {
    let mut members = Members::of(document, "permission");
    members.agrees_on_id(Some(before.id));
    let new = new_permission(&mut members);
    members.finish()?;
    let permission =
        Permission { id: before.id, name: new.name, description: new.description, is_default: new.is_default };
    api.directory.update_permission(entity_type.id, &permission).await?;
    json_answer(&json!({ "permission": shown_permission(&permission) }))
}

pub(super) async fn remove_permission(
    State(api): State<Api>,
    Path((id, permission)): Path<(String, String)>,
    request: Request<Body>,
) -> Reply {
    let call = api.admit(request).await?;
    call.require_global()?;
    api.directory.remove_permission(path_id(&id)?, path_id(&permission)?).await?;
    nothing()
}
