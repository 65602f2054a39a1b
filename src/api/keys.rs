//! `/api/key`: keys that tokens are signed with. A private half or a shared secret is taken, or made, and never shown.
//!
//! Owns the shapes. Which keys are taken, and when one signs, is `oauth`'s business.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Api;
use super::answer::{Refusal, Reply, json_answer, nothing, present};
use super::call::{Call, milliseconds, path_id};
use super::members::Members;
use super::search::{self, Search};
use crate::directory::{FieldCode, KeyMaterial};
use crate::oauth::{KnownKey, NewKey};
use crate::secret::Secret;

/// What a key is made of, as FusionAuth calls it.
fn kind(algorithm: &str) -> &'static str {
    match algorithm.get(..2) {
        Some("RS" | "PS") => "RSA",
        Some("ES") => "EC",
        Some("HS") => "HMAC",
        Some(_) | None => "OKP",
    }
}

/// As callers see it.
fn shown(key: &KnownKey) -> Value {
    let named = &key.named;
    let removed_at = key.stored.as_ref().and_then(|stored| stored.removed_at);
    present(json!({
        "algorithm": named.algorithm,
        "expirationInstant": removed_at.map(milliseconds),
        "hasPrivateKey": named.private_key.is_some() && key.public_pem.is_some(),
        "id": named.id,
        "insertInstant": milliseconds(named.created_at),
        "kid": named.kid,
        "lastUpdateInstant": milliseconds(named.updated_at),
        "length": key.bits,
        "name": named.name,
        "publicKey": key.public_pem,
        "tenantId": named.tenant_id,
        "type": kind(&named.algorithm),
    }))
}

fn envelope(key: &KnownKey) -> Reply {
    json_answer(&json!({ "key": shown(key) }))
}

/// Of a tenant, or of all of them: whoever sees one tenant sees what that one could use.
fn sees(call: &Call, key: &KnownKey) -> bool {
    key.named.tenant_id.is_none_or(|id| call.sees(id))
}

async fn existing(api: &Api, call: &Call, id: &str) -> Result<KnownKey, Refusal> {
    let found = api.server.keys().known_key(path_id(id)?).await?;
    found.filter(|key| sees(call, key)).ok_or(Refusal::NotFound)
}

/// A key of one tenant may look at what belongs to none, not touch it.
async fn own(api: &Api, call: &Call, id: &str) -> Result<KnownKey, Refusal> {
    let key = existing(api, call, id).await?;
    if key.named.tenant_id.is_none() {
        call.require_global()?;
    }
    Ok(key)
}

pub(super) async fn generate(State(api): State<Api>, id: Option<Path<String>>, request: Request<Body>) -> Reply {
    create(&api, id, request, |members| KeyMaterial::Generated {
        algorithm: members.required_text("algorithm"),
        bits: members.integer("length"),
    })
    .await
}

/// PEM for RSA and curves, the text of the secret for HMAC.
pub(super) async fn import(State(api): State<Api>, id: Option<Path<String>>, request: Request<Body>) -> Reply {
    create(&api, id, request, |members| {
        let (algorithm, secret) = (members.text("algorithm"), members.text("secret").map(Secret::new));
        let private = members.text("privateKey").map(Secret::new);
        match secret {
            Some(secret) => KeyMaterial::Shared { algorithm, secret },
            None => KeyMaterial::Pair { algorithm, private, public: members.text("publicKey") },
        }
    })
    .await
}

async fn create(
    api: &Api,
    id: Option<Path<String>>,
    request: Request<Body>,
    read: fn(&mut Members<'_>) -> KeyMaterial,
) -> Reply {
    let call = api.admit(request).await?;
    let id = id.map(|Path(id)| path_id(&id)).transpose()?;
    let body = call.json()?;
    let mut members = Members::of(&body, "key");
    let (id, name, kind_wanted) = (members.agrees_on_id(id), members.required_text("name"), members.text("type"));
    let material = read(&mut members);
    let algorithm = match &material {
        KeyMaterial::Generated { algorithm, .. } => Some(algorithm),
        KeyMaterial::Pair { algorithm, .. } | KeyMaterial::Shared { algorithm, .. } => algorithm.as_ref(),
    };
    if let (Some(algorithm), Some(wanted)) = (algorithm, &kind_wanted)
        && kind(algorithm) != wanted
    {
        members.refuse("type", FieldCode::Invalid, format_args!("is not {}, as the algorithm is", kind(algorithm)));
    }
    let chosen_kid = members.text("kid");
    members.finish()?;
    let tenant_id = call.visible_tenant();
    if let Some(id) = tenant_id
        && api.directory.tenant(id).await?.is_none()
    {
        return Err(Refusal::Unauthorized);
    }
    if chosen_kid.is_some() {
        // One key has one name, and nobody can choose it (rule E8).
        let message = "is the thumbprint of the key (RFC 7638) and cannot be chosen; leave it out";
        return Err(Refusal::field("key.kid", FieldCode::Invalid, message));
    }
    envelope(&api.server.keys().create_key(NewKey { id, name, tenant_id, material, managed_by: None }).await?)
}

pub(super) async fn find(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    envelope(&existing(&api, &call, &id).await?)
}

pub(super) async fn list(State(api): State<Api>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let keys = api.server.keys().known_keys().await?;
    let keys: Vec<Value> = keys.iter().filter(|key| sees(&call, key)).map(shown).collect();
    json_answer(&json!({ "keys": keys }))
}

/// The name; what a key is made of stays.
pub(super) async fn replace(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let key = own(&api, &call, &id).await?;
    let body = call.json()?;
    let mut members = Members::of(&body, "key");
    members.agrees_on_id(Some(key.named.id));
    let name = members.required_text("name");
    for (member, value) in [("algorithm", &key.named.algorithm), ("kid", &key.named.kid)] {
        if members.text(member).is_some_and(|sent| sent != *value) {
            members.refuse(member, FieldCode::Invalid, "cannot be changed");
        }
    }
    members.finish()?;
    envelope(&api.server.keys().rename_key(key, name).await?)
}

pub(super) async fn delete(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let key = own(&api, &call, &id).await?;
    api.server.keys().delete_key(&key).await?;
    nothing()
}

pub(super) async fn search(State(api): State<Api>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let search = Search::of(&call, &["algorithm", "name", "type"])?;
    let mut members = search.members();
    let (algorithm, name, wanted) = (members.text("algorithm"), members.text("name"), members.text("type"));
    let page = search::page(&mut members, &["algorithm", "id", "insertInstant", "name", "type"]);
    members.finish()?;
    let mut keys = api.server.keys().known_keys().await?;
    keys.retain(|key| {
        sees(&call, key)
            && algorithm.as_ref().is_none_or(|algorithm| *algorithm == key.named.algorithm)
            && wanted.as_ref().is_none_or(|wanted| wanted == kind(&key.named.algorithm))
            && search::fits(&key.named.name, name.as_deref())
    });
    let (keys, total) = page.cut(keys, |by, a, b| {
        let (a, b) = (&a.named, &b.named);
        match by {
            "algorithm" => a.algorithm.cmp(&b.algorithm),
            "id" => a.id.cmp(&b.id),
            "insertInstant" => a.created_at.cmp(&b.created_at),
            "type" => kind(&a.algorithm).cmp(kind(&b.algorithm)),
            _ => a.name.cmp(&b.name),
        }
    });
    let keys: Vec<Value> = keys.iter().map(shown).collect();
    json_answer(&json!({ "keys": keys, "total": total }))
}

/// The keys that a `jwtConfiguration` names for access tokens and for ID tokens. FusionAuth's clients often name one for both;
/// here a key signs one kind of token (E3), so that one signs access tokens, and ID tokens are signed as before.
pub(super) fn named(members: &mut Members<'_>) -> [Option<Uuid>; 2] {
    let [access_token, id_token] =
        ["accessTokenKeyId", "idTokenKeyId"].map(|key| members.id(&format!("jwtConfiguration.{key}")));
    [access_token, id_token.filter(|id| Some(*id) != access_token)]
}

/// The ids of the keys that a tenant signs with, by what it signs.
pub(super) fn current<'a>(
    keys: &'a [KnownKey],
    tenant: &'a crate::model::Tenant,
    purpose: crate::model::KeyPurpose,
) -> Option<Uuid> {
    keys.iter().find(|key| key.is_current_of(tenant, purpose)).map(|key| key.named.id)
}
