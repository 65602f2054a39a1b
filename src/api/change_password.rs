//! `/api/user/change-password/{id}`: a login that waits for a new password goes on with one (F-055). The id is the proof, so
//! no key is asked for.

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use serde_json::Value;

use super::answer::{Refusal, Reply, nothing};
use super::{Api, MAX_BODY_BYTES};
use crate::directory::FieldCode;
use crate::secret::Secret;

/// Whether the id can be used.
pub(super) async fn check(State(api): State<Api>, Path(id): Path<String>) -> Reply {
    if api.server.knows_change_password_id(&id).await? { nothing() } else { Err(Refusal::NotFound) }
}

pub(super) async fn change(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let body = to_bytes(request.into_body(), MAX_BODY_BYTES).await.map_err(|_| Refusal::TooLarge)?;
    let wrong = || Refusal::field("password", FieldCode::Blank, "must be the new password");
    let body: Value = serde_json::from_slice(&body).map_err(|_| wrong())?;
    let password = body["password"].as_str().filter(|password| !password.is_empty()).ok_or_else(wrong)?;
    api.server.change_password_with_id(&id, &Secret::new(password.to_owned())).await?;
    nothing()
}
