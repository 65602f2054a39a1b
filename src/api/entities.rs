//! `/api/entity`: entities and their secrets (D-08). A secret is shown when it is made and never again.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Refusal, Reply, json_answer, nothing, present};
use super::call::{Call, milliseconds, path_id};
use super::members::Members;
use super::search::{self, Search};
use super::{Api, entity_types};
use crate::directory::{EntityChange, NewEntity, WithSecret};
use crate::model::{Entity, EntityType};
use crate::secret::Secret;
use crate::store::SearchOrder;

/// As callers see it.
pub(super) fn shown(entity: &Entity, entity_type: Option<&EntityType>) -> Value {
    present(json!({
        "clientId": entity.client_id,
        "data": entity.data,
        "id": entity.id,
        "insertInstant": milliseconds(entity.created_at),
        "lastUpdateInstant": milliseconds(entity.updated_at),
        "name": entity.name,
        "parentId": entity.parent_id,
        "tenantId": entity.tenant_id,
        "type": entity_type.map_or_else(|| json!({ "id": entity.type_id }), entity_types::shown),
    }))
}

async fn envelope(api: &Api, entity: &Entity, secret: Option<&Secret<String>>) -> Reply {
    let entity_type = api.directory.find_entity_type(&entity.type_id.to_string()).await?;
    let mut document = shown(entity, entity_type.as_ref());
    if let Some(secret) = secret {
        document["clientSecret"] = secret.expose().as_str().into();
    }
    json_answer(&json!({ "entity": document }))
}

/// An entity of another tenant than the caller's is as good as none.
pub(super) async fn existing(api: &Api, call: &Call, id: Uuid) -> Result<Entity, Refusal> {
    let found = api.directory.find_entity(id).await?;
    found.filter(|entity| call.sees(entity.tenant_id)).ok_or(Refusal::NotFound)
}

pub(super) async fn create(State(api): State<Api>, id: Option<Path<String>>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let id = id.map(|Path(id)| path_id(&id)).transpose()?;
    let body = call.json()?;
    let mut members = Members::of(&body, "entity");
    let id = members.agrees_on_id(id);
    let type_id = members.id("type.id");
    if type_id.is_none() {
        members.refuse("type.id", crate::directory::FieldCode::Missing, "must name the entity's type");
    }
    let (name, client_id) = (members.required_text("name"), members.text("clientId"));
    let client_secret = members.text("clientSecret").map(Secret::new);
    let (parent_id, data) = (members.id("parentId"), members.object("data").unwrap_or_default());
    members.finish()?;
    let new = NewEntity {
        id,
        tenant_id: api.tenant_of(&call).await?,
        type_id: type_id.unwrap_or_default(),
        name,
        client_id,
        client_secret,
        parent_id,
        data,
    };
    let WithSecret { entity, client_secret } = api.directory.create_entity(new).await?;
    envelope(&api, &entity, Some(&client_secret)).await
}

pub(super) async fn find(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let entity = existing(&api, &call, path_id(&id)?).await?;
    envelope(&api, &entity, None).await
}

pub(super) async fn replace(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let before = existing(&api, &call, path_id(&id)?).await?;
    write(&api, before, &call.json()?).await
}

pub(super) async fn change(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let before = existing(&api, &call, path_id(&id)?).await?;
    let entity_type = api.directory.find_entity_type(&before.type_id.to_string()).await?;
    let document = call.patch()?.apply(json!({ "entity": shown(&before, entity_type.as_ref()) }))?;
    write(&api, before, &document).await
}

/// Type and tenant stay what they are; a secret that is sent replaces the one that there is.
async fn write(api: &Api, before: Entity, document: &Value) -> Reply {
    let mut members = Members::of(document, "entity");
    members.agrees_on_id(Some(before.id));
    if members.id("type.id").is_some_and(|id| id != before.type_id) {
        members.refuse("type.id", crate::directory::FieldCode::Invalid, "cannot be changed");
    }
    let change = EntityChange {
        name: members.required_text("name"),
        client_id: members.text("clientId").unwrap_or_else(|| before.client_id.clone()),
        client_secret: members.text("clientSecret").map(Secret::new),
        parent_id: members.id("parentId"),
        data: members.object("data").unwrap_or_default(),
    };
    members.finish()?;
    let secret = change.client_secret.clone();
    let entity = api.directory.update_entity(&before, change).await?;
    envelope(api, &entity, secret.as_ref()).await
}

pub(super) async fn delete(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let entity = existing(&api, &call, path_id(&id)?).await?;
    api.directory.delete_entity(entity.id).await?;
    nothing()
}

/// With `ids`, those and no others; they are few, so they are sorted here.
pub(super) async fn search(State(api): State<Api>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let search = Search::of(&call, &["queryString", "name"])?;
    let mut members = search.members();
    search::refuse_foreign(&call, &mut members);
    let wanted = search::query_string(&mut members).or_else(|| members.text("name"));
    let ids = search::ids(&call, &mut members);
    let page = search::page(&mut members, &["name", "clientId", "insertInstant"]);
    members.finish()?;
    let types = api.directory.entity_types().await?;
    let (entities, total) = match ids {
        Some(ids) => {
            let mut entities = api.directory.entities_called(&ids).await?;
            entities.sort_by_key(|entity| ids.iter().position(|id| *id == entity.id));
            entities.retain(|entity| {
                let texts = [&entity.name, &entity.client_id, &entity.id.to_string()];
                call.sees(entity.tenant_id) && texts.iter().any(|text| search::fits(text, wanted.as_deref()))
            });
            let (entities, total) = page.cut(entities, |by, a, b| match by {
                "clientId" => a.client_id.cmp(&b.client_id),
                "insertInstant" => a.created_at.cmp(&b.created_at),
                _ => a.name.cmp(&b.name),
            });
            (entities, total as u64)
        }
        None => {
            let asked = page.asked(call.visible_tenant(), wanted.as_deref(), |by| match by {
                "clientId" => SearchOrder::ClientId,
                "insertInstant" => SearchOrder::CreatedAt,
                _ => SearchOrder::Name,
            });
            api.directory.search_entities(&asked).await?
        }
    };
    let entities: Vec<Value> = entities
        .iter()
        .map(|entity| shown(entity, types.iter().find(|entity_type| entity_type.id == entity.type_id)))
        .collect();
    json_answer(&json!({ "entities": entities, "total": total }))
}

/// There is no index that could be rebuilt: searches read what is stored.
pub(super) async fn reindex(State(api): State<Api>, request: Request<Body>) -> Reply {
    api.admit(request).await?;
    nothing()
}
