//! `/api/user`: the people who log in (D-13). A user who is locked is inactive in FusionAuth's words.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Refusal, Reply, json_answer, nothing};
use super::call::{Call, path_id};
use super::members::Members;
use super::received::presented_token;
use super::search::{self, Search};
use super::{Api, registrations, user_members};
use crate::directory::NewUser;
use crate::model::User;
use crate::secret::Secret;
use crate::store::SearchOrder;

async fn envelope(api: &Api, user: &User) -> Reply {
    json_answer(&json!({ "user": shown(api, user).await? }))
}

pub(super) async fn shown(api: &Api, user: &User) -> Result<Value, Refusal> {
    Ok(user_members::shown(user, &api.directory.registrations(&[user.id]).await?))
}

/// A user of another tenant than the caller's is as good as none.
pub(super) async fn existing(api: &Api, call: &Call, id: Uuid) -> Result<User, Refusal> {
    let found = api.directory.read_user(id).await?;
    found.filter(|user| call.sees(user.tenant_id)).ok_or(Refusal::NotFound)
}

/// The `user` of a document, as one to be made.
pub(super) async fn read_new(
    api: &Api,
    call: &Call,
    members: &mut Members<'_>,
    id: Option<Uuid>,
) -> Result<NewUser, Refusal> {
    let id = members.agrees_on_id(id);
    let user = user_members::read(members, &User::new(Uuid::nil(), Uuid::nil(), 0));
    let password = members.text("password").map(Secret::new);
    Ok(NewUser {
        id,
        tenant_id: api.tenant_of(call).await?,
        email: user.email,
        email_verified: user.email_verified,
        username: user.username,
        password,
        password_hash: None,
        password_change: user.password_change,
        expires_at: user.expires_at,
        profile: user.profile,
    })
}

/// With a `registration` beside the `user`, both are made.
pub(super) async fn create(State(api): State<Api>, id: Option<Path<String>>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let id = id.map(|Path(id)| path_id(&id)).transpose()?;
    let body = call.json()?;
    let mut members = Members::of(&body, "user");
    let new = read_new(&api, &call, &mut members, id).await;
    let registration = match body.get("registration") {
        Some(Value::Object(_)) => Some(registrations::read_new(&mut members, &body)),
        Some(_) | None => None,
    };
    members.finish()?;
    let user = match registration {
        Some(registration) => {
            api.directory.create_registered_user(new?, registration).await.map_err(registrations::refusal)?.0
        }
        None => api.directory.create_user(new?).await?,
    };
    envelope(&api, &user).await
}

pub(super) async fn find(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    envelope(&api, &existing(&api, &call, path_id(&id)?).await?).await
}

/// By `email`, `username`, `loginId` or `changePasswordId`; whoever brings an access token instead of a key is shown
/// themselves. Ids of verifications are nobody's: none is sent.
pub(super) async fn find_by_name(State(api): State<Api>, request: Request<Body>) -> Reply {
    if let Some(token) = presented_token(request.headers()) {
        let account = api.server.account_of(token.expose()).await?.ok_or(Refusal::Unauthorized)?;
        return envelope(&api, &account.user).await;
    }
    let call = api.admit(request).await?;
    if let Some(id) = call.query("changePasswordId").into_iter().next() {
        let found = api.server.user_of_change_password_id(&id).await?;
        let found = found.filter(|user| call.sees(user.tenant_id));
        return envelope(&api, &found.ok_or(Refusal::NotFound)?).await;
    }
    for (name, types) in [
        ("email", vec!["email".to_owned()]),
        ("username", vec!["username".to_owned()]),
        ("loginId", call.query("loginIdTypes")),
    ] {
        let Some(login_id) = call.query(name).into_iter().next() else { continue };
        return envelope(&api, &find_by_login(&api, &call, &login_id, &types).await?).await;
    }
    Err(Refusal::NotFound)
}

/// By email or username, or by those of the two that `types` names.
pub(super) async fn find_by_login(api: &Api, call: &Call, login_id: &str, types: &[String]) -> Result<User, Refusal> {
    let found = api.directory.find_user(api.tenant_of(call).await?, login_id).await?;
    let found = found.filter(|user| user.is_called(login_id, types));
    found.ok_or(Refusal::NotFound)
}

/// `reactivate=true` unlocks and changes nothing else.
pub(super) async fn replace(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let before = existing(&api, &call, path_id(&id)?).await?;
    if call.query_flag("reactivate") {
        return envelope(&api, &api.directory.unlock_user(before.id).await?).await;
    }
    write(&api, &before, &call.json()?).await
}

/// As if all that is shown had been sent, but for `verified`: a new email brings that along or loses it.
pub(super) async fn change(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let before = existing(&api, &call, path_id(&id)?).await?;
    let patch = call.patch()?;
    let mut document = patch.apply(json!({ "user": shown(&api, &before).await? }))?;
    if let Some(Value::Object(user)) = document.get_mut("user")
        && !patch.names("/user/verified")
    {
        user.remove("verified");
    }
    write(&api, &before, &document).await
}

/// A password that is sent is the new one, and ends what was begun with the old one. Registrations have endpoints of
/// their own.
async fn write(api: &Api, before: &User, document: &Value) -> Reply {
    let mut members = Members::of(document, "user");
    members.agrees_on_id(Some(before.id));
    let mut after = user_members::read(&mut members, before);
    let password = members.text("password").map(Secret::new);
    if password.is_some() && !members.flag("passwordChangeRequired").unwrap_or_default() {
        after.password_change = None;
    }
    members.finish()?;
    envelope(api, &api.directory.change_user(before, after, password.as_ref()).await?).await
}

/// Locks; deletes with `hardDelete`, in the query or in the body.
pub(super) async fn delete(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let user = existing(&api, &call, path_id(&id)?).await?;
    let mut is_final = call.query_flag("hardDelete");
    if !call.is_bare() {
        is_final |= call.json()?.get("hardDelete") == Some(&Value::Bool(true));
    }
    match is_final {
        true => api.directory.delete_user(user.id).await?,
        false => drop(api.directory.lock_user(user.id).await?),
    }
    nothing()
}

/// With `ids`, those and no others; otherwise those whose email, username or full name contains `queryString`.
pub(super) async fn search(State(api): State<Api>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let search = Search::of(&call, &["queryString"])?;
    let mut members = search.members();
    search::refuse_foreign(&call, &mut members);
    let wanted = search::query_string(&mut members);
    let ids = search::ids(&call, &mut members);
    let page = search::page(&mut members, &["email", "username", "fullName", "insertInstant"]);
    members.finish()?;
    let (found, total) = match ids {
        Some(ids) => {
            let mut users = api.directory.users_called(&ids).await?;
            users.retain(|user| call.sees(user.tenant_id));
            users.sort_by_key(|user| ids.iter().position(|id| *id == user.id));
            let (users, total) = page.cut(users, |by, a, b| match by {
                "insertInstant" => a.created_at.cmp(&b.created_at),
                "username" => a.username.cmp(&b.username),
                "fullName" => a.profile.name.cmp(&b.profile.name),
                _ => a.email.cmp(&b.email),
            });
            (users, total as u64)
        }
        None => {
            let asked = page.asked(call.visible_tenant(), wanted.as_deref(), |by| match by {
                "insertInstant" => SearchOrder::CreatedAt,
                "username" => SearchOrder::Username,
                "fullName" => SearchOrder::Name,
                _ => SearchOrder::Email,
            });
            api.directory.search_users(&asked).await?
        }
    };
    let registrations = api.directory.registrations(&found.iter().map(|user| user.id).collect::<Vec<_>>()).await?;
    let of = |user: &User| {
        // They are in the order of their users.
        let first = registrations.partition_point(|one| one.user_id < user.id);
        let end = registrations.partition_point(|one| one.user_id <= user.id);
        &registrations[first..end]
    };
    let users: Vec<Value> = found.iter().map(|user| user_members::shown(user, of(user))).collect();
    json_answer(&json!({ "total": total, "users": users }))
}

/// There is no index that could be rebuilt: searches read what is stored.
pub(super) async fn reindex(State(api): State<Api>, request: Request<Body>) -> Reply {
    api.admit(request).await?;
    nothing()
}
