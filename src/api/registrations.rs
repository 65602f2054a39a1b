//! `/api/user/registration`: what users are in applications. Without a user there is no registration.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Refusal, Reply, json_answer, nothing};
use super::call::{Call, path_id};
use super::members::Members;
use super::{Api, user_members, users};
use crate::directory::{DirectoryError, FieldCode, NewRegistration};
use crate::model::{Registration, User};

fn envelope(registration: &Registration) -> Reply {
    json_answer(&json!({ "registration": user_members::shown_registration(registration) }))
}

/// The `registration` of a document for a user who is not made yet. Wrong members of it are noted in `of_user`.
pub(super) fn read_new(of_user: &mut Members<'_>, body: &Value) -> NewRegistration {
    let mut members = Members::of(body, "registration");
    let new = read(&mut members, Uuid::nil(), None);
    of_user.adopt(members);
    new
}

/// `application_id` is the one in the path.
fn read(members: &mut Members<'_>, user_id: Uuid, application_id: Option<Uuid>) -> NewRegistration {
    let own = members.id("applicationId");
    if let (Some(path), Some(own)) = (application_id, own)
        && path != own
    {
        members.refuse("applicationId", FieldCode::Invalid, "is not the id in the path");
    }
    if application_id.or(own).is_none() {
        members.refuse("applicationId", FieldCode::Missing, "must name the application");
    }
    let (roles, data) = user_members::read_registration(members);
    NewRegistration { user_id, application_id: application_id.or(own).unwrap_or_default(), roles, data }
}

/// An application that is not there is a wrong member here, not a wrong path.
pub(super) fn refusal(error: DirectoryError) -> Refusal {
    match error {
        DirectoryError::NotFound("application") => {
            Refusal::field("registration.applicationId", FieldCode::Missing, "there is no such application")
        }
        error => error.into(),
    }
}

/// A new user and their first registration.
pub(super) async fn create_with_user(State(api): State<Api>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    make_with_user(&api, &call, None).await
}

async fn make_with_user(api: &Api, call: &Call, id: Option<Uuid>) -> Reply {
    let body = call.json()?;
    let mut members = Members::of(&body, "user");
    let new = users::read_new(api, call, &mut members, id).await;
    let registration = read_new(&mut members, &body);
    members.finish()?;
    let (user, registration) = api.directory.create_registered_user(new?, registration).await.map_err(refusal)?;
    let registration = user_members::shown_registration(&registration);
    json_answer(&json!({ "registration": registration, "user": users::shown(api, &user).await? }))
}

/// A registration of a user who is there, or, with a `user` in the body, of one with this id who is made.
pub(super) async fn create(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let id = path_id(&id)?;
    if call.json()?.get("user").is_some_and(Value::is_object) {
        return make_with_user(&api, &call, Some(id)).await;
    }
    insert(&api, &call, id, None).await
}

pub(super) async fn create_for(
    State(api): State<Api>,
    Path((user, application)): Path<(String, String)>,
    request: Request<Body>,
) -> Reply {
    let call = api.admit(request).await?;
    insert(&api, &call, path_id(&user)?, Some(path_id(&application)?)).await
}

async fn insert(api: &Api, call: &Call, user_id: Uuid, application_id: Option<Uuid>) -> Reply {
    let user = users::existing(api, call, user_id).await?;
    let body = call.json()?;
    let mut members = Members::of(&body, "registration");
    let new = read(&mut members, user.id, application_id);
    let is_there = api.directory.read_registration(user.id, new.application_id).await?.is_some();
    if is_there {
        members.refuse("applicationId", FieldCode::Duplicate, "the user is registered for this application already");
    }
    members.finish()?;
    envelope(&api.directory.register(new).await.map_err(refusal)?)
}

async fn existing(api: &Api, call: &Call, ids: (&str, &str)) -> Result<(User, Registration), Refusal> {
    let user = users::existing(api, call, path_id(ids.0)?).await?;
    let found = api.directory.read_registration(user.id, path_id(ids.1)?).await?;
    found.map(|registration| (user, registration)).ok_or(Refusal::NotFound)
}

pub(super) async fn find(
    State(api): State<Api>,
    Path((user, application)): Path<(String, String)>,
    request: Request<Body>,
) -> Reply {
    let call = api.admit(request).await?;
    envelope(&existing(&api, &call, (&user, &application)).await?.1)
}

/// The application is the one that the body names.
pub(super) async fn replace(State(api): State<Api>, Path(user): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let application = application_of(&call.json()?)?;
    let before = existing(&api, &call, (&user, &application)).await?.1;
    write(&api, &before, &call.json()?).await
}

pub(super) async fn replace_for(
    State(api): State<Api>,
    Path((user, application)): Path<(String, String)>,
    request: Request<Body>,
) -> Reply {
    let call = api.admit(request).await?;
    let before = existing(&api, &call, (&user, &application)).await?.1;
    write(&api, &before, &call.json()?).await
}

/// The application is the one that the body names, so a list of operations (RFC 6902) needs it in the path.
pub(super) async fn change(State(api): State<Api>, Path(user): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let application = application_of(&call.patch()?.apply(json!({}))?)?;
    let before = existing(&api, &call, (&user, &application)).await?.1;
    patch(&api, &call, &before).await
}

pub(super) async fn change_for(
    State(api): State<Api>,
    Path((user, application)): Path<(String, String)>,
    request: Request<Body>,
) -> Reply {
    let call = api.admit(request).await?;
    let before = existing(&api, &call, (&user, &application)).await?.1;
    patch(&api, &call, &before).await
}

async fn patch(api: &Api, call: &Call, before: &Registration) -> Reply {
    let shown = json!({ "registration": user_members::shown_registration(before) });
    write(api, before, &call.patch()?.apply(shown)?).await
}

/// # Errors
/// 400 for a document without it.
fn application_of(document: &Value) -> Result<String, Refusal> {
    let mut members = Members::of(document, "registration");
    let application_id = read(&mut members, Uuid::nil(), None).application_id;
    members.finish()?;
    Ok(application_id.to_string())
}

/// Roles that are left out are none: defaults are for new registrations.
async fn write(api: &Api, before: &Registration, document: &Value) -> Reply {
    let mut members = Members::of(document, "registration");
    // Which registration it is was said before: of another application in the body FusionAuth takes no notice.
    let (roles, data) = user_members::read_registration(&mut members);
    members.finish()?;
    envelope(&api.directory.change_registration(before, roles.unwrap_or_default(), data).await?)
}

pub(super) async fn delete(
    State(api): State<Api>,
    Path((user, application)): Path<(String, String)>,
    request: Request<Body>,
) -> Reply {
    let call = api.admit(request).await?;
    let registration = existing(&api, &call, (&user, &application)).await?.1;
    api.directory.unregister(registration.user_id, registration.application_id).await?;
    nothing()
}
