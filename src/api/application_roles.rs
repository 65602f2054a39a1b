//! `/api/application/{id}/role`: what users can be in one application.
//!
//! A role keeps its name: registrations refer to it.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use serde_json::{Value, json};

use super::answer::{Refusal, Reply, json_answer, nothing, present};
use super::call::{Call, path_id};
use super::members::Members;
use super::{Api, applications};
use crate::directory::{FieldCode, NewRole};
use crate::model::{Application, Role};

/// As callers see it.
pub(super) fn shown(role: &Role) -> Value {
    present(json!({
        "description": role.description,
        "id": role.id,
        "isDefault": role.is_default,
        "isSuperRole": false,
        "name": role.name,
    }))
}

pub(super) fn read_new(members: &mut Members<'_>) -> NewRole {
    NewRole {
        name: members.required_text("name"),
        description: members.text("description"),
        is_default: members.flag("isDefault").unwrap_or_default(),
    }
}

pub(super) async fn add(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    insert(&api, &id, None, request).await
}

pub(super) async fn add_with_id(
    State(api): State<Api>,
    Path((id, role)): Path<(String, String)>,
    request: Request<Body>,
) -> Reply {
    insert(&api, &id, Some(role), request).await
}

async fn insert(api: &Api, application_id: &str, id: Option<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let before = applications::existing(api, &call, path_id(application_id)?).await?;
    let id = id.map(|id| path_id(&id)).transpose()?;
    let body = call.json()?;
    let mut members = Members::of(&body, "role");
    let id = members.agrees_on_id(id);
    let new = read_new(&mut members);
    if before.roles.iter().any(|role| Some(role.id) == id) {
        members.refuse("id", FieldCode::Duplicate, "the application has this role already");
    }
    members.finish()?;
    let mut role = api.directory.role(new);
    role.id = id.unwrap_or(role.id);
    let mut roles = before.roles.clone();
    roles.push(role.clone());
    store(api, &before, roles).await?;
    envelope(&role)
}

pub(super) async fn replace(
    State(api): State<Api>,
    Path(path): Path<(String, String)>,
    request: Request<Body>,
) -> Reply {
    let (call, application, before) = named(&api, &path, request).await?;
    write(&api, &application, &before, &call.json()?).await
}

pub(super) async fn change(
    State(api): State<Api>,
    Path(path): Path<(String, String)>,
    request: Request<Body>,
) -> Reply {
    let (call, application, before) = named(&api, &path, request).await?;
    let document = call.patch()?.apply(json!({ "role": shown(&before) }))?;
    write(&api, &application, &before, &document).await
}

pub(super) async fn remove(
    State(api): State<Api>,
    Path(path): Path<(String, String)>,
    request: Request<Body>,
) -> Reply {
    let (_, application, role) = named(&api, &path, request).await?;
    let roles = application.roles.iter().filter(|other| other.id != role.id).cloned().collect();
    store(&api, &application, roles).await?;
    nothing()
}

fn envelope(role: &Role) -> Reply {
    json_answer(&json!({ "role": shown(role) }))
}

/// The application and the role that a path names, for a caller who may see them.
async fn named(
    api: &Api,
    (id, role): &(String, String),
    request: Request<Body>,
) -> Result<(Call, Application, Role), Refusal> {
    let call = api.admit(request).await?;
    let application = applications::existing(api, &call, path_id(id)?).await?;
    let id = path_id(role)?;
    let found = application.roles.iter().find(|role| role.id == id).cloned().ok_or(Refusal::NotFound)?;
    Ok((call, application, found))
}

async fn write(api: &Api, application: &Application, before: &Role, document: &Value) -> Reply {
    let mut members = Members::of(document, "role");
    members.agrees_on_id(Some(before.id));
    if members.text("name").is_some_and(|name| name != before.name) {
        members.refuse("name", FieldCode::Invalid, "cannot be changed; registrations refer to it");
    }
    let role = Role {
        description: members.text("description"),
        is_default: members.flag("isDefault").unwrap_or_default(),
        ..before.clone()
    };
    members.finish()?;
    let others = application.roles.iter().filter(|other| other.id != role.id).cloned();
    store(api, application, others.chain([role.clone()]).collect()).await?;
    envelope(&role)
}

async fn store(api: &Api, before: &Application, roles: Vec<Role>) -> Result<(), Refusal> {
    let after = Application { roles, ..before.clone() };
    let stored = api.directory.update_application(before, after).await;
    stored.map(drop).map_err(|error| Refusal::from(error).about("application.roles", "role.name"))
}
