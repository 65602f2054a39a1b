//! `/api/api-key`: keys of this API itself (D-10). Only a key that manages keys may come here, and none gives away more
//! than it has.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Api;
use super::answer::{Refusal, Reply, json_answer, nothing};
use super::call::{Call, milliseconds, path_id};
use super::members::Members;
use crate::directory::{FieldCode, NewApiKey};
use crate::model::{ApiKey, Endpoints};
use crate::secret::Secret;

/// As callers see it, without its text.
fn shown(key: &ApiKey) -> Value {
    let mut shown = json!({
        "id": key.id,
        "insertInstant": milliseconds(key.created_at),
        "keyManager": key.is_key_manager,
        "lastUpdateInstant": milliseconds(key.updated_at),
        "name": key.name,
        "permissions": { "endpoints": key.endpoints },
    });
    if let Some(tenant_id) = key.tenant_id {
        shown["tenantId"] = json!(tenant_id);
    }
    if let Some(expires_at) = key.expires_at {
        shown["expirationInstant"] = milliseconds(expires_at).into();
    }
    shown
}

/// What the members say, but for id, tenant and text.
fn read(members: &mut Members<'_>) -> NewApiKey {
    let mut endpoints = Endpoints::new();
    for (path, methods) in members.objects("permissions.endpoints") {
        let named = |methods: &Vec<Value>| methods.iter().map(|name| Some(name.as_str()?.to_owned())).collect();
        let methods: Option<Option<BTreeSet<String>>> = methods.as_array().map(named);
        match methods.flatten() {
            Some(methods) => {
                endpoints.insert(path.clone(), methods);
            }
            None => members.refuse(
                "permissions.endpoints",
                FieldCode::Invalid,
                format_args!("{path:?} has no list of methods"),
            ),
        }
    }
    NewApiKey {
        id: None,
        name: members.text("name").unwrap_or_default(),
        key: None,
        tenant_id: None,
        endpoints,
        is_key_manager: members.flag("keyManager").unwrap_or_default(),
        expires_at: members.integer("expirationInstant").map(|at| at / 1000),
    }
}

/// Whether a caller may hand out such rights: it has them all itself, and for as long.
fn check_rights(call: &Call, new: &NewApiKey) -> Result<(), Refusal> {
    let own = &call.key;
    let is_within = own.is_key_manager && own.may_all_of(&new.endpoints) && own.lasts_until(new.expires_at);
    if is_within { Ok(()) } else { Err(Refusal::Unauthorized) }
}

/// A key that may do what the caller may not is none of the caller's business.
async fn existing(api: &Api, call: &Call, id: &str) -> Result<ApiKey, Refusal> {
    if !call.key.is_key_manager {
        return Err(Refusal::Unauthorized);
    }
    let key = visible(api, call, path_id(id)?).await?.ok_or(Refusal::NotFound)?;
    if call.key.may_all_of(&key.endpoints) { Ok(key) } else { Err(Refusal::Unauthorized) }
}

/// A key of one tenant sees keys of that one only.
async fn visible(api: &Api, call: &Call, id: Uuid) -> Result<Option<ApiKey>, Refusal> {
    let found = api.directory.api_key(id).await?;
    Ok(found.filter(|key| call.key.tenant_id.is_none_or(|own| key.tenant_id == Some(own))))
}

/// The key that `sourceKeyId` has copied, if it says something. Keys that manage keys are not copied.
async fn source(api: &Api, call: &Call, body: &Value) -> Result<Option<ApiKey>, Refusal> {
    let mut members = Members::of_whole(body)?;
    let id = members.id("sourceKeyId");
    members.finish()?;
    let Some(id) = id else { return Ok(None) };
    let found = visible(api, call, id).await?.filter(|key| !key.is_key_manager);
    let missing = || Refusal::field("sourceKeyId", FieldCode::Invalid, "is no key that can be copied");
    found.ok_or_else(missing).map(Some)
}

/// What is copied is what the source may do, and where; it cannot be said otherwise beside it.
fn copy(source: ApiKey, new: NewApiKey, members: &mut Members<'_>) -> NewApiKey {
    for (name, differs) in [
        ("permissions.endpoints", !new.endpoints.is_empty() && new.endpoints != source.endpoints),
        ("tenantId", members.has("tenantId") && new.tenant_id != source.tenant_id),
        ("keyManager", new.is_key_manager),
    ] {
        if differs {
            members.refuse(name, FieldCode::Invalid, "is not what the key of sourceKeyId has");
        }
    }
    NewApiKey {
        endpoints: source.endpoints,
        tenant_id: source.tenant_id,
        expires_at: new.expires_at.or(source.expires_at),
        ..new
    }
}

pub(super) async fn create(State(api): State<Api>, id: Option<Path<String>>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let id = id.map(|Path(id)| path_id(&id)).transpose()?;
    let mut body = call.json()?;
    let source = source(&api, &call, &body).await?;
    if source.is_some() && body.get("apiKey").is_none() {
        body["apiKey"] = json!({});
    }
    let mut members = Members::of(&body, "apiKey");
    let id = members.agrees_on_id(id);
    let tenant_id = members.id("tenantId").or(call.visible_tenant());
    let key = members.text("key").map(Secret::new);
    let mut new = NewApiKey { id, tenant_id, key, ..read(&mut members) };
    if let Some(source) = source {
        new = copy(source, new, &mut members);
    }
    members.finish()?;
    check_rights(&call, &new)?;
    if call.key.tenant_id.is_some_and(|own| new.tenant_id != Some(own)) {
        return Err(Refusal::Unauthorized);
    }
    let made = api.directory.create_api_key(new).await?;
    let mut document = shown(&made.key);
    document["key"] = made.text.expose().as_str().into();
    json_answer(&json!({ "apiKey": document }))
}

pub(super) async fn find(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    json_answer(&json!({ "apiKey": shown(&existing(&api, &call, &id).await?) }))
}

pub(super) async fn replace(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let before = existing(&api, &call, &id).await?;
    write(&api, &call, before, &call.json()?).await
}

pub(super) async fn change(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let before = existing(&api, &call, &id).await?;
    let document = call.patch()?.apply(json!({ "apiKey": shown(&before) }))?;
    write(&api, &call, before, &document).await
}

/// Text and tenant stay what they are.
async fn write(api: &Api, call: &Call, before: ApiKey, document: &Value) -> Reply {
    let mut members = Members::of(document, "apiKey");
    members.agrees_on_id(Some(before.id));
    let new = read(&mut members);
    members.finish()?;
    check_rights(call, &new)?;
    let NewApiKey { name, endpoints, is_key_manager, expires_at, .. } = new;
    let after = ApiKey { name, endpoints, is_key_manager, expires_at, ..before.clone() };
    json_answer(&json!({ "apiKey": shown(&api.directory.update_api_key(&before, after).await?) }))
}

pub(super) async fn delete(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let key = existing(&api, &call, &id).await?;
    api.directory.delete_api_key(key.id).await?;
    nothing()
}
