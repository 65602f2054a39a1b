//! `/api/login`: an application's server logs somebody in with their password, or says that they are there again.
//!
//! Owns the members and what each outcome looks like. Who may log in is `oauth`'s to say.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Refusal, Reply, json_answer_with, present};
use super::call::{Call, milliseconds, path_id};
use super::members::Members;
use super::{Api, user_members, users};
use crate::directory::{FieldCode, LoginError};
use crate::model::Application;
use crate::oauth::{ApiLogin, LoggedIn, LoginRefusal, LoginStep};
use crate::secret::Secret;

pub(super) async fn log_in(State(api): State<Api>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let body = call.json()?;
    let mut members = Members::of_whole(&body)?;
    let login_id = members.required_text("loginId");
    let password = Secret::new(members.required_text("password"));
    let login_id_types = members.texts("loginIdTypes");
    let application = read_application(&api, &call, &mut members).await?;
    // Who holds a key knows better than the connection where the person is.
    let peer = read_address(&mut members).or(call.peer);
    let (device_name, wants_tokens) = read_details(&mut members);
    members.finish()?;
    let tenant_id = match &application {
        Some(application) => application.tenant_id,
        None => api.tenant_of(&call).await?,
    };
    let login = ApiLogin { tenant_id, application, login_id_types, peer, device_name, wants_tokens };
    match api.server.log_in_by_api(&login, &login_id, &password).await {
        Ok(step) => answer(&api, step).await,
        Err(refused) => refuse(refused, Refusal::NotFound),
    }
}

/// Notes that somebody is there again, as an application says.
pub(super) async fn note(State(api): State<Api>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let body = call.json()?;
    let mut members = Members::of_whole(&body)?;
    read_address(&mut members);
    let (user_id, application_id) = (members.id("userId"), members.id("applicationId"));
    if user_id.is_none() && !members.has("userId") {
        members.refuse("userId", FieldCode::Missing, "must be there");
    }
    members.finish()?;
    note_login(&api, &call, user_id.ok_or(Refusal::NotFound)?, application_id).await
}

pub(super) async fn note_by_path(
    State(api): State<Api>,
    Path((user, application)): Path<(String, String)>,
    request: Request<Body>,
) -> Reply {
    let call = api.admit(request).await?;
    note_login(&api, &call, path_id(&user)?, Some(path_id(&application)?)).await
}

/// An application of another tenant than the user's is as good as none.
async fn note_login(api: &Api, call: &Call, user_id: Uuid, application_id: Option<Uuid>) -> Reply {
    let user = users::existing(api, call, user_id).await?;
    let application = match application_id {
        None => None,
        Some(id) => {
            let found = api.directory.application(id).await?;
            let found = found.filter(|application| application.tenant_id == user.tenant_id);
            Some(found.ok_or(Refusal::NotFound)?)
        }
    };
    match api.server.note_login(user, application.as_deref()).await {
        Ok(logged_in) => answer(api, LoginStep::Complete(Box::new(logged_in))).await,
        Err(refused) => refuse(refused, Refusal::NotFound),
    }
}

/// The application that is logged in to, if one is named; another tenant's does not exist.
pub(super) async fn read_application(
    api: &Api,
    call: &Call,
    members: &mut Members<'_>,
) -> Result<Option<Arc<Application>>, Refusal> {
    let Some(id) = members.id("applicationId") else { return Ok(None) };
    let found = api.directory.application(id).await?.filter(|application| call.sees(application.tenant_id));
    if found.is_none() {
        members.refuse("applicationId", FieldCode::Invalid, "there is no such application");
    }
    Ok(found)
}

fn read_address(members: &mut Members<'_>) -> Option<IpAddr> {
    let text = members.text("ipAddress")?;
    let address = text.parse().ok();
    if address.is_none() {
        members.refuse("ipAddress", FieldCode::Invalid, "is not an IP address");
    }
    address
}

/// What the person calls the device, and whether tokens are wanted.
pub(super) fn read_details(members: &mut Members<'_>) -> (Option<String>, bool) {
    let name = members.text("metaData.device.name");
    (name, !members.flag("noJWT").unwrap_or_default())
}

/// What a step of a login looks like: 200, 202 without a registration, 203 for a password that is due, 242 for a second
/// factor that is missing.
pub(super) async fn answer(api: &Api, step: LoginStep) -> Reply {
    let LoggedIn { user, is_registered, tokens } = match step {
        LoginStep::Complete(logged_in) => *logged_in,
        LoginStep::SecondFactor(id) => return json_answer_with(challenged(), &challenge(&id)),
        LoginStep::NewPassword(id, reason) => {
            let document =
                json!({ "changePasswordId": id.expose(), "changePasswordReason": user_members::reason(reason) });
            return json_answer_with(StatusCode::NON_AUTHORITATIVE_INFORMATION, &document);
        }
    };
    let mut document: Value = match &tokens {
        None => json!({}),
        Some(tokens) => present(json!({
            "refreshToken": tokens.refresh_token,
            "refreshTokenId": tokens.refresh_token_id,
            "token": tokens.access_token,
            "tokenExpirationInstant": milliseconds(tokens.issued_at + tokens.expires_in),
        })),
    };
    document["user"] = users::shown(api, &user).await?;
    json_answer_with(if is_registered { StatusCode::OK } else { StatusCode::ACCEPTED }, &document)
}

/// FusionAuth's own status for a second factor that is missing.
pub(super) fn challenged() -> StatusCode {
    StatusCode::from_u16(242).unwrap_or(StatusCode::OK)
}

pub(super) fn challenge(id: &Secret<String>) -> Value {
    json!({ "methods": [method()], "twoFactorId": id.expose() })
}

/// FusionAuth's name of the second factor that there is (RFC 6238).
pub(super) const METHOD: &str = "authenticator";

/// As FusionAuth describes it.
fn method() -> Value {
    let authenticator = json!({ "algorithm": "HmacSHA1", "codeLength": 6, "timeStep": 30 });
    json!({ "authenticator": authenticator, "id": METHOD, "method": METHOD })
}

/// `wrong` is the answer to what the person sent.
pub(super) fn refuse(refused: LoginRefusal, wrong: Refusal) -> Reply {
    Err(match refused {
        LoginRefusal::Person(LoginError::WrongCredentials) => wrong,
        LoginRefusal::Person(error) => error.into(),
        LoginRefusal::Unknown => Refusal::NotFound,
        LoginRefusal::OtherApplication => {
            Refusal::field("applicationId", FieldCode::Invalid, "is not the application that the login began for")
        }
        LoginRefusal::NoSecondFactor => Refusal::WrongCode,
        LoginRefusal::Tokens(error) => error.into(),
    })
}
