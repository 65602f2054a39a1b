//! `/api/user/change-password`: a login that waits for a new password goes on with one (F-055), and passwords are changed
//! before they are due. The id of such a login is proof enough; otherwise an access token or an API key is.

use axum::body::Body;
use axum::extract::{Path, Request, State};

use super::answer::{Refusal, Reply, nothing};
use super::members::Members;
use super::received::{Received, bearer};
use super::{Api, users};
use crate::directory::FieldCode;
use crate::oauth::{OwnAccount, PasswordRefusal};
use crate::secret::Secret;

/// Whether the id can be used.
pub(super) async fn check(State(api): State<Api>, Path(id): Path<String>) -> Reply {
    if api.server.knows_change_password_id(&id).await? { nothing() } else { Err(Refusal::NotFound) }
}

pub(super) async fn change(State(api): State<Api>, Path(id): Path<String>, request: Request<Body>) -> Reply {
    let received = Received::read(request).await?;
    let wrong = || Refusal::field("password", FieldCode::Blank, "must be the new password");
    let body = received.json()?;
    let password = body["password"].as_str().filter(|password| !password.is_empty()).ok_or_else(wrong)?;
    api.server.change_password_with_id(&id, &Secret::new(password.to_owned())).await?;
    nothing()
}

/// Whether a password can be changed without a login that waits for it: one's own with an access token, that of `loginId`
/// with a key.
pub(super) async fn check_without_id(State(api): State<Api>, request: Request<Body>) -> Reply {
    if let Some(token) = bearer(request.headers()) {
        let account = account(&api, token).await?;
        account.check_may_change_password().map_err(refusal)?;
        return nothing();
    }
    let call = api.admit(request).await?;
    let Some(login_id) = call.query("loginId").into_iter().next() else {
        return Err(Refusal::field("loginId", FieldCode::Blank, "must name the user"));
    };
    users::find_by_login(&api, &call, &login_id, &call.query("loginIdTypes")).await?;
    nothing()
}

/// An access token may have been stolen, so it takes the current password; a key may do without, as it may elsewhere.
pub(super) async fn change_without_id(State(api): State<Api>, request: Request<Body>) -> Reply {
    if let Some(token) = bearer(request.headers()) {
        let account = account(&api, token).await?;
        account.check_may_change_password().map_err(refusal)?;
        let received = Received::read(request).await?;
        let body = received.json()?;
        let mut members = Members::of_whole(&body)?;
        let current = Secret::new(members.required_text("currentPassword"));
        let new = Secret::new(members.required_text("password"));
        members.finish()?;
        let changed = api.server.change_known_password(&account.user, Some(&current), &new, received.peer).await;
        return changed.map_err(refusal).and_then(|()| nothing());
    }
    let call = api.admit(request).await?;
    let body = call.json()?;
    let mut members = Members::of_whole(&body)?;
    let login_id = members.required_text("loginId");
    let types = members.texts("loginIdTypes");
    let current = members.text("currentPassword").map(Secret::new);
    let new = Secret::new(members.required_text("password"));
    members.finish()?;
    let user = users::find_by_login(&api, &call, &login_id, &types).await?;
    let changed = api.server.change_known_password(&user, current.as_ref(), &new, call.peer).await;
    changed.map_err(refusal).and_then(|()| nothing())
}

async fn account(api: &Api, token: &str) -> Result<OwnAccount, Refusal> {
    api.server.account_of(token).await?.ok_or(Refusal::Unauthorized)
}

fn refusal(refused: PasswordRefusal) -> Refusal {
    match refused {
        PasswordRefusal::Person(error) => error.into(),
        PasswordRefusal::SecondFactorMissing => {
            let message = "The user has a second factor. Log in with it, and use the token of that login.";
            Refusal::General("[TrustTokenRequired]", message.to_owned())
        }
        PasswordRefusal::New(error) => error.into(),
    }
}
