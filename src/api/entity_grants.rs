//! `/api/entity/{id}/grant`: what one entity may do to another (D-09, F-183, F-184).

use axum::body::Body;
use axum::extract::{Path, Request, State};
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Refusal, Reply, json_answer, nothing};
use super::call::{Call, milliseconds, path_id};
use super::members::Members;
use super::search::{self, Search};
use super::{Api, entities};
use crate::directory::{FieldCode, NewGrant};
use crate::model::{EntityGrant, EntityType};
use crate::store::GrantFilter;

async fn shown(api: &Api, grant: &EntityGrant, types: &[EntityType]) -> Result<Value, Refusal> {
    let target = api.directory.entity(grant.target_id).await?;
    let entity_type = target.as_ref().and_then(|target| types.iter().find(|of| of.id == target.type_id));
    Ok(json!({
        "entity": target.as_ref().map_or_else(
            || json!({ "id": grant.target_id }),
            |target| entities::shown(target, entity_type),
        ),
        "id": grant.id,
        "insertInstant": milliseconds(grant.created_at),
        "lastUpdateInstant": milliseconds(grant.updated_at),
        "permissions": grant.permissions,
        "recipientEntityId": grant.recipient_id,
    }))
}

/// Makes or replaces the grant; there is nothing to say about it.
pub(super) async fn upsert(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let target = entities::existing(&api, &call, path_id(&id)?).await?;
    let body = call.json()?;
    let mut members = Members::of(&body, "grant");
    if members.id("userId").is_some() {
        members.refuse("userId", FieldCode::Invalid, "users are granted roles in applications, not permissions here");
    }
    let recipient_id = members.id("recipientEntityId");
    if recipient_id.is_none() {
        members.refuse("recipientEntityId", FieldCode::Missing, "must name the entity that the grant is for");
    }
    let permissions = members.texts("permissions");
    members.finish()?;
    let new = NewGrant { target_id: target.id, recipient_id: recipient_id.unwrap_or_default(), permissions };
    api.directory.upsert_grant(new).await?;
    nothing()
}

/// One grant when a recipient is named, otherwise all of the entity's.
pub(super) async fn find(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let target = entities::existing(&api, &call, path_id(&id)?).await?;
    let types = api.directory.entity_types().await?;
    if let Some(recipient_id) = call.query_id("recipientEntityId")? {
        let grant = api.directory.find_grant(recipient_id, target.id).await?.ok_or(Refusal::NotFound)?;
        return json_answer(&json!({ "grant": shown(&api, &grant, &types).await? }));
    }
    if call.query_id("userId")?.is_some() {
        return Err(Refusal::NotFound);
    }
    let mut grants = Vec::new();
    for grant in api.directory.grants(GrantFilter::OnTarget(target.id)).await? {
        grants.push(shown(&api, &grant, &types).await?);
    }
    json_answer(&json!({ "grants": grants }))
}

pub(super) async fn delete(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let target = entities::existing(&api, &call, path_id(&id)?).await?;
    let Some(recipient_id) = call.query_id("recipientEntityId")? else {
        return Err(Refusal::field(
            "recipientEntityId",
            FieldCode::Missing,
            "must name the entity that the grant is for",
        ));
    };
    api.directory.delete_grant(recipient_id, target.id).await?;
    nothing()
}

pub(super) async fn search(State(api): State<Api>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let search = Search::of(&call, &["entityId", "name", "userId"])?;
    let mut members = search.members();
    let (target_id, name) = (members.id("entityId"), members.text("name"));
    let page = search::page(&mut members, &["insertInstant"]);
    members.finish()?;
    let mut found = Vec::new();
    for grant in api.directory.grants(target_id.map_or(GrantFilter::All, GrantFilter::OnTarget)).await? {
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
