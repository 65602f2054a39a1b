//! `/api/jwt/refresh`, `/api/jwt/issue` and `/api/jwt/reconcile`: tokens for tokens; `/api/jwt/vend`: tokens for claims
//! (D-14).
//!
//! Owns the members and the shapes; what a token is good for is `oauth`'s to say.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header;
use serde_json::{Value, json};

use super::Api;
use super::answer::{Refusal, Reply, json_answer, present};
use super::members::Members;
use super::received::{Received, bearer};
use crate::directory::FieldCode;
use crate::oauth::{ApiRefresh, TokenRefusal, TokenResponse, Vending, VendingRefusal, Voucher};
use crate::secret::Secret;

/// The refresh token is the proof; an API key vouches for callers whose application allows no others.
pub(super) async fn refresh(State(api): State<Api>, request: Request<Body>) -> Reply {
    let (voucher, body, peer) = match request.headers().contains_key(header::AUTHORIZATION) {
        true => {
            let call = api.admit(request).await?;
            (Voucher::ApiKey(call.visible_tenant()), call.json()?, call.peer)
        }
        false => {
            let received = Received::read(request).await?;
            (Voucher::Nobody, received.json()?, received.peer)
        }
    };
    let mut members = Members::of_whole(&body)?;
    let refresh_token = Secret::new(members.required_text("refreshToken"));
    let access_token = members.text("token").map(Secret::new);
    let at_most_for = members.integer("timeToLiveInSeconds");
    if at_most_for.is_some_and(|seconds| seconds <= 0) {
        members.refuse("timeToLiveInSeconds", FieldCode::Invalid, "must be at least 1");
    }
    members.finish()?;
    let refresh = ApiRefresh {
        refresh_token: refresh_token.expose(),
        access_token: access_token.as_ref().map(|token| token.expose().as_str()),
        at_most_for,
        voucher,
        peer,
    };
    match api.server.refresh_by_api(&refresh).await {
        Ok(tokens) => json_answer(&shown(&tokens)),
        Err(refused) => Err(refusal(refused)),
    }
}

/// A token for `applicationId`, for the user and the login of the one that is presented.
pub(super) async fn issue(State(api): State<Api>, request: Request<Body>) -> Reply {
    let token = bearer(request.headers()).map(|token| Secret::new(token.to_owned())).ok_or(Refusal::Unauthorized)?;
    let received = Received::read(request).await?;
    let Some(application_id) = received.query_id("applicationId")? else {
        return Err(Refusal::field("applicationId", FieldCode::Missing, "must name the application"));
    };
    let refresh_token = received.query("refreshToken").into_iter().next();
    let issued = api.server.issue_for_application(token.expose(), application_id, refresh_token.as_deref()).await;
    match issued {
        Ok(tokens) => json_answer(&shown(&tokens)),
        Err(refused) => Err(refusal(refused)),
    }
}

/// Tokens of other identity providers for ours. There is no identity provider here that one could name, so every request
/// names one that does not exist: 400, as FusionAuth answers to an id that it does not know.
pub(super) async fn reconcile(request: Request<Body>) -> Reply {
    let body = Received::read(request).await?.json()?;
    let mut members = Members::of_whole(&body)?;
    let name = "identityProviderId";
    match members.id(name) {
        Some(_) => members.refuse(name, FieldCode::Invalid, "there is no such identity provider"),
        None if members.has(name) => {}
        None => members.refuse(name, FieldCode::Missing, "must name the identity provider"),
    }
    members.finish()?;
    Err(Refusal::NotFound)
}

/// Claims of the caller's own making, signed. A token of a type of its own: it opens nothing here.
pub(super) async fn vend(State(api): State<Api>, request: Request<Body>) -> Reply {
    let call = api.admit(request).await?;
    let body = call.json()?;
    let mut members = Members::of_whole(&body)?;
    let claims = members.object("claims").unwrap_or_default();
    let (key_id, lives_for) = (members.text("keyId"), members.integer("timeToLiveInSeconds"));
    members.finish()?;
    let tenant_id = api.tenant_of(&call).await?;
    let refused = match api.server.vend(Vending { tenant_id, claims, key_id, lives_for }).await {
        Ok(token) => return json_answer(&json!({ "token": token })),
        Err(refused) => refused,
    };
    Err(match refused {
        VendingRefusal::OwnClaim(name) => {
            Refusal::field("claims", FieldCode::Invalid, format!("{name} is for the issuer to say"))
        }
        VendingRefusal::NoKey => Refusal::field("keyId", FieldCode::Invalid, "is no key that signs for the tenant now"),
        VendingRefusal::Life(longest) => {
            Refusal::field("timeToLiveInSeconds", FieldCode::Invalid, format!("must be between 1 and {longest}"))
        }
        VendingRefusal::Unanswered(error) => error.into(),
    })
}

fn shown(tokens: &TokenResponse) -> Value {
    present(json!({
        "refreshToken": tokens.refresh_token,
        "refreshTokenId": tokens.refresh_token_id,
        "token": tokens.access_token,
    }))
}

fn refusal(refused: TokenRefusal) -> Refusal {
    match refused {
        TokenRefusal::RefreshToken => {
            Refusal::field("refreshToken", FieldCode::Invalid, "is unknown, over, revoked or used up")
        }
        TokenRefusal::AccessToken => Refusal::field("token", FieldCode::Invalid, "does not belong to the refreshToken"),
        TokenRefusal::Life(longest) => {
            let message = format!("must be at most {longest}, for so long access tokens live");
            Refusal::field("timeToLiveInSeconds", FieldCode::Invalid, message)
        }
        TokenRefusal::NotAllowed => Refusal::Unauthorized,
        TokenRefusal::NoPlace => Refusal::NotFound,
        TokenRefusal::Unanswered(error) => error.into(),
    }
}
