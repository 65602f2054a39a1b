//! `/api/entity/{id}/grant`: what an entity or a user may do to an entity (D-09, F-183, F-184, F-199).

use axum::body::Body;
use axum::extract::{Path, Request, State};
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Refusal, Reply, json_answer, nothing, present};
use super::call::{Call, milliseconds, path_id};
use super::members::Members;
use super::search::{self, Search};
use super::{Api, entities};
use crate::directory::{FieldCode, NewGrant};
use crate::model::{EntityGrant, EntityType, UserGrant};
use crate::store::GrantFilter;

/// Who may do something to the target.
#[derive(Clone, Copy)]
enum Recipient {
    Entity(Uuid),
    User(Uuid),
}

/// A grant of either kind.
struct Shown {
    id: Uuid,
    target_id: Uuid,
    recipient: Recipient,
    permissions: Vec<String>,
    created_at: i64,
    updated_at: i64,
}

impl From<EntityGrant> for Shown {
    fn from(grant: EntityGrant) -> Self {
        let EntityGrant { id, target_id, recipient_id, permissions, created_at, updated_at, .. } = grant;
        Self { id, target_id, recipient: Recipient::Entity(recipient_id), permissions, created_at, updated_at }
    }
}

impl From<UserGrant> for Shown {
    fn from(grant: UserGrant) -> Self {
        let UserGrant { id, target_id, user_id, permissions, created_at, updated_at } = grant;
        Self { id, target_id, recipient: Recipient::User(user_id), permissions, created_at, updated_at }
    }
}

async fn shown(api: &Api, grant: &Shown, types: &[EntityType]) -> Result<Value, Refusal> {
    let target = api.directory.entity(grant.target_id).await?;
    let entity_type = target.as_ref().and_then(|target| types.iter().find(|of| of.id == target.type_id));
    let (entity_id, user_id) = match grant.recipient {
        Recipient::Entity(id) => (Some(id), None),
        Recipient::User(id) => (None, Some(id)),
    };
    Ok(present(json!({
        "entity": target.as_ref().map_or_else(
            || json!({ "id": grant.target_id }),
            |target| entities::shown(target, entity_type),
        ),
        "id": grant.id,
        "insertInstant": milliseconds(grant.created_at),
        "lastUpdateInstant": milliseconds(grant.updated_at),
        "permissions": grant.permissions,
        "recipientEntityId": entity_id,
        "userId": user_id,
    })))
}

/// One of the two has to be named, and one only.
fn recipient(entity_id: Option<Uuid>, user_id: Option<Uuid>) -> Result<Recipient, &'static str> {
    match (entity_id, user_id) {
        (Some(id), None) => Ok(Recipient::Entity(id)),
        (None, Some(id)) => Ok(Recipient::User(id)),
        (None, None) => Err("must name the entity that the grant is for, or userId the user"),
        (Some(_), Some(_)) => Err("cannot be there beside userId: a grant is for one of them"),
    }
}

/// Makes or replaces the grant; there is nothing to say about it.
pub(super) async fn upsert(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let target = entities::existing(&api, &call, path_id(&id)?).await?;
    let body = call.json()?;
    let mut members = Members::of(&body, "grant");
    let recipient = recipient(members.id("recipientEntityId"), members.id("userId"));
    if let Err(why) = recipient {
        members.refuse("recipientEntityId", FieldCode::Missing, why);
    }
    let permissions = members.texts("permissions");
    members.finish()?;
    match recipient {
        Ok(Recipient::User(user_id)) => api.directory.upsert_user_grant(user_id, target.id, permissions).await?,
        Ok(Recipient::Entity(recipient_id)) => {
            let new = NewGrant { target_id: target.id, recipient_id, permissions };
            api.directory.upsert_grant(new).await?;
        }
        // It was refused above.
        Err(_) => return Err(Refusal::NotFound),
    }
    nothing()
}

/// One grant when a recipient is named, otherwise all of the entity's.
pub(super) async fn find(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let target = entities::existing(&api, &call, path_id(&id)?).await?;
    let types = api.directory.entity_types().await?;
    let of_entity = call.query_id("recipientEntityId")?;
    let of_user = call.query_id("userId")?;
    let found: Option<Shown> = match recipient(of_entity, of_user) {
        Ok(Recipient::Entity(id)) => {
            api.directory.find_grant(id, target.id).await?.map(|grant| (*grant).clone().into())
        }
        Ok(Recipient::User(id)) => {
            let grants = api.directory.user_grants(GrantFilter::OnTarget(target.id)).await?;
            grants.into_iter().find(|grant| grant.user_id == id).map(Into::into)
        }
        Err(_) if of_entity.is_some() => None,
        Err(_) => {
            let mut grants = Vec::new();
            for grant in everyones(&api, GrantFilter::OnTarget(target.id)).await? {
                grants.push(shown(&api, &grant, &types).await?);
            }
            return json_answer(&json!({ "grants": grants }));
        }
    };
    json_answer(&json!({ "grant": shown(&api, &found.ok_or(Refusal::NotFound)?, &types).await? }))
}

/// Those of entities, then those of users.
async fn everyones(api: &Api, filter: GrantFilter) -> Result<Vec<Shown>, Refusal> {
    let mut all: Vec<Shown> = api.directory.grants(filter).await?.into_iter().map(Into::into).collect();
    all.extend(api.directory.user_grants(filter).await?.into_iter().map(Shown::from));
    Ok(all)
}

pub(super) async fn delete(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let target = entities::existing(&api, &call, path_id(&id)?).await?;
    match recipient(call.query_id("recipientEntityId")?, call.query_id("userId")?) {
        Ok(Recipient::Entity(id)) => api.directory.delete_grant(id, target.id).await?,
        Ok(Recipient::User(id)) => api.directory.delete_user_grant(id, target.id).await?,
        Err(why) => return Err(Refusal::field("recipientEntityId", FieldCode::Missing, why)),
    }
    nothing()
}

pub(super) async fn search(State(api): State<Api>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let search = Search::of(&call, &["entityId", "name", "userId"])?;
    let mut members = search.members();
    let (target_id, name, user_id) = (members.id("entityId"), members.text("name"), members.id("userId"));
    let page = search::page(&mut members, &["insertInstant"]);
    members.finish()?;
    let on_target = target_id.map_or(GrantFilter::All, GrantFilter::OnTarget);
    let all = match user_id {
        Some(id) => {
            let mut grants = api.directory.user_grants(GrantFilter::OfRecipient(id)).await?;
            grants.retain(|grant| target_id.is_none_or(|target_id| grant.target_id == target_id));
            grants.into_iter().map(Shown::from).collect()
        }
        None => everyones(&api, on_target).await?,
    };
    let mut found = Vec::new();
    for grant in all {
        if is_wanted(&api, &call, grant.target_id, name.as_deref()).await? {
            found.push(grant);
        }
    }
    let (cut, total) = page.cut(found, |_, a, b| a.created_at.cmp(&b.created_at));
    let types = api.directory.entity_types().await?;
    let mut grants = Vec::new();
    for grant in &cut {
        grants.push(shown(&api, grant, &types).await?);
    }
    json_answer(&json!({ "grants": grants, "total": total }))
}

async fn is_wanted(api: &Api, call: &Call, target_id: Uuid, name: Option<&str>) -> Result<bool, Refusal> {
    let target = api.directory.entity(target_id).await?;
    Ok(target.is_some_and(|target| call.sees(target.tenant_id) && search::fits(&target.name, name)))
}
