//! `/api/application/{id}/scope`: scopes that an application defines itself (D-02).
//!
//! A scope keeps its name: refresh tokens and consents refer to it.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Refusal, Reply, json_answer, nothing, present};
use super::call::{Call, path_id};
use super::members::Members;
use super::{Api, applications};
use crate::directory::FieldCode;
use crate::model::{Application, ApplicationSettings, CustomScope};

/// As callers see it.
pub(super) fn shown(application_id: Uuid, scope: &CustomScope) -> Value {
    present(json!({
        "applicationId": application_id,
        "defaultConsentDetail": scope.consent_detail,
        "defaultConsentMessage": scope.consent_message,
        "description": scope.description,
        "id": scope.id,
        "name": scope.name,
        "required": scope.is_required,
    }))
}

/// A scope with this id unless the members name one.
pub(super) fn read(members: &mut Members<'_>, id: Uuid) -> CustomScope {
    CustomScope {
        id: members.id("id").unwrap_or(id),
        name: members.required_text("name"),
        description: members.text("description"),
        is_required: members.flag("required").unwrap_or_default(),
        consent_message: members.text("defaultConsentMessage"),
        consent_detail: members.text("defaultConsentDetail"),
    }
}

pub(super) async fn add(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    insert(&api, &id, None, request).await
}

pub(super) async fn add_with_id(
    State(api): State<Api>,
    Path((id, scope)): Path<(String, String)>,
    request: Request<Body>,
) -> Reply {
    insert(&api, &id, Some(scope), request).await
}

async fn insert(api: &Api, application_id: &str, id: Option<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let before = applications::existing(api, &call, path_id(application_id)?).await?;
    let id = id.map(|id| path_id(&id)).transpose()?;
    let body = call.json()?;
    let mut members = Members::of(&body, "scope");
    let id = members.agrees_on_id(id).unwrap_or_else(|| api.directory.new_id());
    let scope = read(&mut members, id);
    if before.settings.scopes.iter().any(|other| other.id == id) {
        members.refuse("id", FieldCode::Duplicate, "the application has this scope already");
    }
    members.finish()?;
    let mut scopes = before.settings.scopes.clone();
    scopes.push(scope.clone());
    store(api, &before, scopes).await?;
    envelope(&before, &scope)
}

pub(super) async fn find(State(api): State<Api>, Path(path): Path<(String, String)>, request: Request<Body>) -> Reply {
    let (_, application, scope) = named(&api, &path, request).await?;
    envelope(&application, &scope)
}

pub(super) async fn replace(
    State(api): State<Api>,
    Path(path): Path<(String, String)>,
    request: Request<Body>,
) -> Reply {
    let (call, application, before) = named(&api, &path, request).await?;
    write(&api, &application, &before, call.json()?).await
}

pub(super) async fn change(
    State(api): State<Api>,
    Path(path): Path<(String, String)>,
    request: Request<Body>,
) -> Reply {
    let (call, application, before) = named(&api, &path, request).await?;
    let document = call.patch()?.apply(json!({ "scope": shown(application.id, &before) }))?;
    write(&api, &application, &before, document).await
}

pub(super) async fn remove(
    State(api): State<Api>,
    Path(path): Path<(String, String)>,
    request: Request<Body>,
) -> Reply {
    let (_, application, scope) = named(&api, &path, request).await?;
    let scopes = application.settings.scopes.iter().filter(|other| other.id != scope.id).cloned().collect();
    store(&api, &application, scopes).await?;
    nothing()
}

fn envelope(application: &Application, scope: &CustomScope) -> Reply {
    json_answer(&json!({ "scope": shown(application.id, scope) }))
}

/// The application and the scope that a path names, for a caller who may see them.
async fn named(
    api: &Api,
    (id, scope): &(String, String),
    request: Request<Body>,
) -> Result<(Call, Application, CustomScope), Refusal> {
    let call = api.admit(request).await?;
    let application = applications::existing(api, &call, path_id(id)?).await?;
    let id = path_id(scope)?;
    let found = application.settings.scopes.iter().find(|scope| scope.id == id).cloned().ok_or(Refusal::NotFound)?;
    Ok((call, application, found))
}

/// The name may be left out.
async fn write(api: &Api, application: &Application, before: &CustomScope, mut document: Value) -> Reply {
    if let Some(Value::Object(scope)) = document.get_mut("scope") {
        scope.entry("name").or_insert_with(|| before.name.as_str().into());
    }
    let mut members = Members::of(&document, "scope");
    members.agrees_on_id(Some(before.id));
    let scope = read(&mut members, before.id);
    if scope.name != before.name {
        members.refuse("name", FieldCode::Invalid, "cannot be changed; tokens and consents refer to it");
    }
    members.finish()?;
    let mut scopes = application.settings.scopes.clone();
    for other in scopes.iter_mut().filter(|other| other.id == scope.id) {
        other.clone_from(&scope);
    }
    store(api, application, scopes).await?;
    envelope(application, &scope)
}

async fn store(api: &Api, before: &Application, scopes: Vec<CustomScope>) -> Result<(), Refusal> {
    let settings = ApplicationSettings { scopes, ..before.settings.clone() };
    let after = Application { settings, ..before.clone() };
    let stored = api.directory.update_application(before, after).await;
    stored.map(drop).map_err(|error| Refusal::from(error).about("application.scopes", "scope.name"))
}
