//! `/api/two-factor`, `/api/user/two-factor`: the second step of a login, and what is needed for it.
//!
//! Owns the members and the shapes. Codes come from an authenticator or from the list of recovery codes: nothing is sent
//! anywhere, and no device is trusted for longer than one login.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use super::answer::{Refusal, Reply, json_answer, json_answer_with, nothing};
use super::call::{Call, path_id};
use super::login::{METHOD, answer, challenge, challenged, read_application, read_details, refuse};
use super::members::Members;
use super::received::{Received, bearer};
use super::{Api, users};
use crate::directory::{FieldCode, LoginError, ProposedSecret};
use crate::model::User;
use crate::oauth::LoginDetails;
use crate::secret::Secret;

/// The id of the login is the proof that its first step was taken: no key is asked for.
pub(super) async fn log_in(State(api): State<Api>, request: Request<Body>) -> Reply {
    let received = Received::read(request).await?;
    let body = received.json()?;
    let mut members = Members::of_whole(&body)?;
    let id = members.required_text("twoFactorId");
    let code = members.required_text("code");
    let application_id = members.id("applicationId");
    let (device_name, wants_tokens) = read_details(&mut members);
    members.finish()?;
    let details = LoginDetails { peer: received.peer, device_name, wants_tokens };
    match api.server.log_in_with_code(&id, &code, application_id, details).await {
        Ok(step) => answer(&api, step).await,
        Err(refused) => refuse(refused, Refusal::WrongCode),
    }
}

/// Begins a login with the second factor alone: of `userId`, or of `loginId`.
pub(super) async fn start(State(api): State<Api>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let body = call.json()?;
    let mut members = Members::of_whole(&body)?;
    let application = read_application(&api, &call, &mut members).await?;
    let user_id = members.id("userId");
    let types = members.texts("loginIdTypes");
    let login_id = if members.has("userId") { None } else { Some(members.required_text("loginId")) };
    members.finish()?;
    let user = match (user_id, login_id) {
        (Some(id), _) => users::existing(&api, &call, id).await?,
        (None, login_id) => {
            let tenant_id = match &application {
                Some(application) => application.tenant_id,
                None => api.tenant_of(&call).await?,
            };
            let login_id = login_id.unwrap_or_default();
            let found = api.directory.find_user(tenant_id, &login_id).await?;
            found.filter(|user| user.is_called(&login_id, &types)).ok_or(Refusal::NotFound)?
        }
    };
    if application.as_ref().is_some_and(|application| application.tenant_id != user.tenant_id) {
        return Err(Refusal::NotFound);
    }
    match api.server.begin_second_factor(&user, application.as_deref()).await {
        Ok(id) => json_answer(&challenge(&id)),
        Err(refused) => refuse(refused, Refusal::NotFound),
    }
}

/// A new shared secret for an authenticator, which is nobody's yet. With a key, or with an access token.
pub(super) async fn secret(State(api): State<Api>, request: Request<Body>) -> Reply {
    match bearer(request.headers()) {
        Some(token) => drop(api.server.claims_of(token).map_err(|_| Refusal::Unauthorized)?),
        None => drop(api.admit(request).await?),
    }
    let proposed = api.directory.propose_totp_secret();
    json_answer(&json!({
        "secret": proposed.base64.expose(),
        "secretBase32Encoded": proposed.base32.expose(),
    }))
}

/// Gives a user the second factor whose secret was made before; a code shows that the person has it.
pub(super) async fn enable(State(api): State<Api>, Path(user): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let user = users::existing(&api, &call, path_id(&user)?).await?;
    let body = call.json()?;
    let mut members = Members::of_whole(&body)?;
    let method = members.text("method").unwrap_or_else(|| METHOD.to_owned());
    if method != METHOD {
        members.refuse("method", FieldCode::Invalid, format_args!("is not {METHOD}"));
    }
    let secret = read_secret(&mut members);
    let code = Secret::new(members.required_text("code"));
    members.finish()?;
    let enrolled = api.directory.enroll_totp_with(&user, secret, code.expose()).await?.ok_or(Refusal::WrongCode)?;
    recovery_codes(&enrolled.recovery_codes)
}

/// Other recovery codes, for somebody who used or lost theirs. Whoever may have them may sign in as the user.
pub(super) async fn renew(State(api): State<Api>, Path(user): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let user = users::existing(&api, &call, path_id(&user)?).await?;
    recovery_codes(&api.directory.renew_recovery_codes(&user).await?)
}

fn recovery_codes(codes: &[Secret<String>]) -> Reply {
    let codes: Vec<&str> = codes.iter().map(|code| code.expose().as_str()).collect();
    json_answer(&json!({ "recoveryCodes": codes }))
}

/// In either of the forms that [`secret`] answers.
fn read_secret(members: &mut Members<'_>) -> Secret<String> {
    if members.has("secretBase32Encoded") || !members.has("secret") {
        return Secret::new(members.required_text("secretBase32Encoded"));
    }
    let base64 = Secret::new(members.required_text("secret"));
    ProposedSecret::base32_of(&base64).unwrap_or_else(|| {
        members.refuse("secret", FieldCode::Invalid, "is not base64");
        base64
    })
}

/// Takes it away again from somebody who can still prove it. For those who cannot there are `faregate user totp --remove` and
/// [`renew`].
pub(super) async fn disable(State(api): State<Api>, Path(user): Path<String>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let user = users::existing(&api, &call, path_id(&user)?).await?;
    let code = match call.is_bare() {
        true => call.query("code").into_iter().next(),
        false => {
            let body = call.json()?;
            let mut members = Members::of_whole(&body)?;
            let code = members.text("code");
            members.finish()?;
            code
        }
    };
    let blank = || Refusal::field("code", FieldCode::Blank, "must be a code of the second factor, or a recovery code");
    let code = code.filter(|code| !code.is_empty()).map(Secret::new).ok_or_else(blank)?;
    match api.directory.check_second_factor(&user, code.expose(), call.peer).await {
        Ok(_) => api.directory.remove_totp(user.id).await?,
        Err(LoginError::WrongCredentials) => return Err(Refusal::WrongCode),
        Err(error) => return Err(error.into()),
    }
    nothing()
}

/// Codes are not sent: whoever asks for one is told that there is no such method.
pub(super) async fn send(State(api): State<Api>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let body = call.json()?;
    let mut members = Members::of_whole(&body)?;
    let user_id = members.id("userId");
    members.finish()?;
    if let Some(user_id) = user_id {
        users::existing(&api, &call, user_id).await?;
    }
    Err(no_method())
}

/// The same for a login that waits for a code.
pub(super) async fn send_for_login(State(api): State<Api>, Path(id): Path<String>) -> Reply {
    match api.server.knows_two_factor_id(&id).await? {
        true => Err(no_method()),
        false => Err(Refusal::NotFound),
    }
}

fn no_method() -> Refusal {
    Refusal::field("methodId", FieldCode::Invalid, "codes are made by the authenticator; none is sent")
}

/// Whether a login would ask for the second factor: 242 if so, since no device is trusted for longer than one.
pub(super) async fn status(State(api): State<Api>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let user = match call.is_bare() {
        true => asked(&api, &call, call.query_id("userId")?).await?,
        false => {
            let body = call.json()?;
            let mut members = Members::of_whole(&body)?;
            let user_id = members.id("userId");
            members.finish()?;
            asked(&api, &call, user_id).await?
        }
    };
    let status = if user.has_second_factor() { challenged() } else { StatusCode::OK };
    json_answer_with(status, &json!({ "trusts": [] }))
}

async fn asked(api: &Api, call: &Call, user_id: Option<Uuid>) -> Result<User, Refusal> {
    let user_id = user_id.ok_or_else(|| Refusal::field("userId", FieldCode::Missing, "must name the user"))?;
    users::existing(api, call, user_id).await
}
