//! `/api/jwt`: looking into access tokens, the keys that verify them, and what refreshes them (D-14).
//!
//! Ending a refresh token ends its whole grant, access tokens included, at the next request.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Api;
use super::answer::{Refusal, Reply, json_answer, nothing};
use super::call::{Call, milliseconds, path_id};
use super::members::Members;
use super::received::{Received, bearer};
use crate::directory::FieldCode;
use crate::model::RefreshToken;

/// The claims of the token that the caller presents; no API key is asked for.
pub(super) async fn validate(State(api): State<Api>, request: Request<Body>) -> Reply {
    let token = bearer(request.headers()).ok_or(Refusal::Unauthorized)?;
    let claims = api.server.claims_of(token).map_err(|_| Refusal::Unauthorized)?;
    json_answer(&json!({ "jwt": claims }))
}

/// Published keys as PEM: the one with `kid`, the one of an application, or all of them. They are no secret.
pub(super) async fn public_keys(State(api): State<Api>, request: Request<Body>) -> Reply {
    let received = Received::read(request).await?;
    let mut keys = api.server.public_keys();
    let key = match (received.query("kid").into_iter().next(), received.query_id("applicationId")?) {
        (Some(kid), _) => keys.remove(&kid),
        (None, Some(application_id)) => api.server.public_key_of(application_id).await?,
        (None, None) => return json_answer(&json!({ "publicKeys": keys })),
    };
    json_answer(&json!({ "publicKey": key.ok_or(Refusal::NotFound)? }))
}

/// As callers see it, without the token.
fn shown(token: &RefreshToken) -> Value {
    let mut meta = json!({ "scopes": token.approval.scopes });
    if let Some(name) = &token.device_name {
        meta["device"] = json!({ "name": name });
    }
    json!({
        "applicationId": token.approval.application_id,
        "id": token.id,
        "insertInstant": milliseconds(token.created_at),
        "metaData": meta,
        "startInstant": milliseconds(token.last_used_at),
        "tenantId": token.approval.tenant_id,
        "userId": token.approval.user_id,
    })
}

/// Those of one user: the newest of each grant.
pub(super) async fn list(State(api): State<Api>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let Some(user_id) = call.query_id("userId")? else {
        return Err(Refusal::field("userId", FieldCode::Missing, "must name the user"));
    };
    let tokens: Vec<Value> = tokens_of(&api, &call, user_id).await?.iter().map(shown).collect();
    json_answer(&json!({ "refreshTokens": tokens }))
}

async fn tokens_of(api: &Api, call: &Call, user_id: Uuid) -> Result<Vec<RefreshToken>, Refusal> {
    let user = api.directory.user(user_id).await?.filter(|user| call.sees(user.tenant_id));
    if user.is_none() {
        return Err(Refusal::NotFound);
    }
    Ok(api.directory.access_of(user_id).await?.grants)
}

async fn existing(api: &Api, call: &Call, id: &str) -> Result<RefreshToken, Refusal> {
    let found = api.directory.refresh_token(path_id(id)?).await?;
    found.filter(|token| call.sees(token.approval.tenant_id)).ok_or(Refusal::NotFound)
}

pub(super) async fn find(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    json_answer(&json!({ "refreshToken": shown(&existing(&api, &call, &id).await?) }))
}

pub(super) async fn end(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let token = existing(&api, &call, &id).await?;
    api.directory.end_grant(token.approval.user_id, token.approval.grant_id).await?;
    nothing()
}

/// One by its text, or those of a user, of an application, or of both.
pub(super) async fn end_all(State(api): State<Api>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let Named { token, user_id, application_id } = Named::read(&call)?;
    match (token, user_id, application_id) {
        (Some(text), _, _) => {
            let found = api.directory.find_refresh_token(&text).await?;
            let found = found.filter(|token| {
                call.sees(token.approval.tenant_id)
                    && user_id.is_none_or(|wanted| token.approval.user_id == wanted)
                    && application_id.is_none_or(|wanted| token.approval.application_id == wanted)
            });
            let approval = found.ok_or(Refusal::NotFound)?.approval;
            api.directory.end_grant(approval.user_id, approval.grant_id).await?;
        }
        (None, Some(user_id), application_id) => {
            for token in tokens_of(&api, &call, user_id).await? {
                if application_id.is_none_or(|wanted| token.approval.application_id == wanted) {
                    api.directory.end_grant(user_id, token.approval.grant_id).await?;
                }
            }
        }
        (None, None, Some(application_id)) => {
            let application = api.directory.application(application_id).await?;
            let application = application.filter(|application| call.sees(application.tenant_id));
            api.directory.revoke_application(&*application.ok_or(Refusal::NotFound)?).await?;
        }
        (None, None, None) => {
            let message = "must be there, or applicationId, or both, or token";
            return Err(Refusal::field("userId", FieldCode::Missing, message));
        }
    }
    nothing()
}

/// What is to be ended, in the query or in a body.
struct Named {
    token: Option<String>,
    user_id: Option<Uuid>,
    application_id: Option<Uuid>,
}

impl Named {
    fn read(call: &Call) -> Result<Self, Refusal> {
        if call.is_bare() {
            let token = call.query("token").into_iter().next();
            return Ok(Self {
                token,
                user_id: call.query_id("userId")?,
                application_id: call.query_id("applicationId")?,
            });
        }
        let body = call.json()?;
        let mut members = Members::of_whole(&body)?;
        let named = Self {
            token: members.text("token").filter(|token| !token.is_empty()),
            user_id: members.id("userId"),
            application_id: members.id("applicationId"),
        };
        members.finish()?;
        Ok(named)
    }
}
