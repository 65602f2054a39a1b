//! `/api/entity/{id}/grant`: what an entity or a user may do to an entity (D-09, F-183, F-184, F-199).

use axum::body::Body;
use axum::extract::{Path, Request, State};
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Refusal, Reply, json_answer, nothing, present};
use super::call::{milliseconds, path_id};
use super::members::Members;
use super::search::{self, Search};
use super::{Api, entities};
use crate::directory::{FieldCode, NewGrant};
use crate::model::{Entity, EntityGrant, EntityType, UserGrant};
use crate::store::{FoundGrant, GrantFilter, GrantSearch};

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

fn shown(grant: &Shown, target: Option<&Entity>, types: &[EntityType]) -> Value {
    let entity_type = target.and_then(|target| types.iter().find(|of| of.id == target.type_id));
    let (entity_id, user_id) = match grant.recipient {
        Recipient::Entity(id) => (Some(id), None),
        Recipient::User(id) => (None, Some(id)),
    };
    present(json!({
        "entity": target.map_or_else(
            || json!({ "id": grant.target_id }),
            |target| entities::shown(target, entity_type),
        ),
        "id": grant.id,
        "insertInstant": milliseconds(grant.created_at),
        "lastUpdateInstant": milliseconds(grant.updated_at),
        "permissions": grant.permissions,
        "recipientEntityId": entity_id,
        "userId": user_id,
    }))
}

impl From<FoundGrant> for Shown {
    fn from(grant: FoundGrant) -> Self {
        match grant {
            FoundGrant::OfEntity(grant) => grant.into(),
            FoundGrant::OfUser(grant) => grant.into(),
        }
    }
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
            let grants = everyones(&api, GrantFilter::OnTarget(target.id)).await?;
            let grants: Vec<Value> = grants.iter().map(|grant| shown(grant, Some(&target), &types)).collect();
            return json_answer(&json!({ "grants": grants }));
        }
    };
    json_answer(&json!({ "grant": shown(&found.ok_or(Refusal::NotFound)?, Some(&target), &types) }))
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
    let asked = GrantSearch {
        tenant_id: call.visible_tenant(),
        target_id,
        user_id,
        text: name.as_deref().map(search::wanted).unwrap_or_default().to_owned(),
        by_age: page.order.first().map(|(_, descends)| *descends),
        limit: u32::try_from(page.results).unwrap_or(u32::MAX),
        offset: u32::try_from(page.start).unwrap_or(u32::MAX),
    };
    let (found, total) = api.directory.search_grants(&asked).await?;
    let found: Vec<Shown> = found.into_iter().map(Shown::from).collect();
    let mut target_ids: Vec<Uuid> = found.iter().map(|grant| grant.target_id).collect();
    target_ids.sort_unstable();
    target_ids.dedup();
    let (targets, types) = (api.directory.entities_called(&target_ids).await?, api.directory.entity_types().await?);
    let target_of = |grant: &Shown| targets.iter().find(|target| target.id == grant.target_id);
    let grants: Vec<Value> = found.iter().map(|grant| shown(grant, target_of(grant), &types)).collect();
    json_answer(&json!({ "grants": grants, "total": total }))
}
