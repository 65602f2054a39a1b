//! Where revocations come in: logout tokens of other issuers, and what operators revoke.
//!
//! Owns the HTTP of both. What they do is in `logout`.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::logout::{LogoutRefusal, Revoker};
use super::{ForeignIssuer, LogoutRules};
use crate::clock::UnixSeconds;
use crate::directory::{Directory, DirectoryError};
use crate::metrics::Metrics;
use crate::model::{ApiKey, ForeignMark, Revocation, Revoked};
use crate::secret::Secret;
use crate::store::StoreError;

/// Where logout tokens are posted to, as a label.
pub const LOGOUT: &str = "/_faregate/logout/{issuer}";
const LOGOUT_PREFIX: &str = "/_faregate/logout/";

/// [`LOGOUT`], if a canonical path is one of these.
pub fn pattern_of(path: &str) -> Option<&'static str> {
    path.starts_with(LOGOUT_PREFIX).then_some(LOGOUT)
}

/// How long an operator's mark is kept unless they say otherwise, and at most: thirty days.
const MOST_KEPT: UnixSeconds = 30 * 86_400;

/// Takes logout tokens, from whoever brings one: they prove themselves.
pub struct LogoutEndpoint {
    pub revoker: Arc<Revoker>,
    /// By the names of the configuration.
    pub issuers: HashMap<String, Arc<ForeignIssuer>>,
    pub metrics: Arc<Metrics>,
}

impl LogoutEndpoint {
    /// Back-Channel Logout 1.0 sections 2.5 and 2.8.
    pub async fn answer(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let name = request.uri().path().strip_prefix(LOGOUT_PREFIX).unwrap_or_default();
        let Some((issuer, rules)) = self.receiver(name) else {
            return refusal(StatusCode::NOT_FOUND, "no issuer of this name tells of logouts");
        };
        if request.method() != Method::POST {
            return refusal(StatusCode::METHOD_NOT_ALLOWED, "only POST here");
        }
        let Some(token) = logout_token(request.body()) else {
            return refusal(StatusCode::BAD_REQUEST, "the form needs one logout_token");
        };
        let outcome = self.revoker.log_out(issuer, rules, &token).await;
        let (result, answer) = match outcome {
            Ok(()) => ("ok", empty(StatusCode::OK)),
            Err(LogoutRefusal::Invalid(reason)) => {
                tracing::warn!(issuer.name = name, reason, "a logout token was refused");
                ("invalid", refusal(StatusCode::BAD_REQUEST, "the logout token is not valid here"))
            }
            Err(LogoutRefusal::Replayed) => {
                ("replayed", refusal(StatusCode::BAD_REQUEST, "the logout token was used before"))
            }
            Err(LogoutRefusal::Unavailable) => ("unavailable", unavailable()),
        };
        self.metrics.logout_tokens.with_label_values(&[name, result]).inc();
        answer
    }

    fn receiver(&self, name: &str) -> Option<(&ForeignIssuer, &LogoutRules)> {
        let issuer = self.issuers.get(name)?;
        Some((issuer, issuer.logout.as_ref()?))
    }
}

fn logout_token(body: &[u8]) -> Option<String> {
    let mut form = reqwest::Url::parse("form:").ok()?;
    form.set_query(Some(std::str::from_utf8(body).ok()?));
    let mut tokens = form.query_pairs().filter(|(name, _)| name == "logout_token").map(|(_, token)| token.into_owned());
    tokens.next().filter(|_| tokens.next().is_none())
}

/// The tenant of our own that an issuer is.
pub type TenantOf = Box<dyn Fn(&str) -> Option<Uuid> + Send + Sync>;

/// What operators revoke on the admin listener.
pub struct OperatorEndpoint {
    pub revoker: Arc<Revoker>,
    pub directory: Arc<Directory>,
    pub api_key: Option<Secret<String>>,
    /// Name in the configuration and `iss` of the issuers that are not ours.
    pub foreign: Vec<(String, String)>,
    /// The tenant that is called so, in the configuration or in `iss`.
    pub tenant_of: TenantOf,
}

/// One of `jti`, `sid`, `sub` and `client_id` of an issuer, or the `kid` of one that is not ours.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    issuer: String,
    jti: Option<String>,
    sid: Option<String>,
    sub: Option<String>,
    client_id: Option<String>,
    kid: Option<String>,
    expires_at: Option<UnixSeconds>,
}

/// Why nothing was revoked.
enum Refused {
    Unauthorized,
    Because(&'static str),
    Unavailable,
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        tracing::warn!(store.error = %error, "nothing can be revoked now");
        Self::Unavailable
    }
}

impl From<DirectoryError> for Refused {
    fn from(error: DirectoryError) -> Self {
        tracing::warn!(error = %error, "nothing can be revoked now");
        Self::Unavailable
    }
}

impl OperatorEndpoint {
    /// `POST /revocations` with JSON, and an API key as for the management API.
    pub async fn answer(&self, request: &Request<Bytes>) -> Response<Bytes> {
        if request.method() != Method::POST {
            return refusal(StatusCode::METHOD_NOT_ALLOWED, "only POST here");
        }
        match self.revoke(request).await {
            Ok(()) => empty(StatusCode::NO_CONTENT),
            Err(Refused::Unauthorized) => refusal(
                StatusCode::UNAUTHORIZED,
                "send an API key that may do this as Authorization, without a scheme; make one with: faregate api-key create",
            ),
            Err(Refused::Because(why)) => refusal(StatusCode::BAD_REQUEST, why),
            Err(Refused::Unavailable) => unavailable(),
        }
    }

    async fn revoke(&self, request: &Request<Bytes>) -> Result<(), Refused> {
        let key = self.key_of(request.headers()).await?;
        // A key of one tenant speaks for that tenant only.
        if !key.allows(request.method().as_str(), request.uri().path()) {
            return Err(Refused::Unauthorized);
        }
        let malformed = "JSON with issuer and one of jti, sid, sub, client_id and kid is needed";
        let asked: Asked = serde_json::from_slice(request.body()).map_err(|_| Refused::Because(malformed))?;
        let given = [
            (ForeignMark::Token, &asked.jti),
            (ForeignMark::Session, &asked.sid),
            (ForeignMark::Subject, &asked.sub),
            (ForeignMark::Client, &asked.client_id),
            (ForeignMark::Key, &asked.kid),
        ];
        let mut given = given.into_iter().filter_map(|(mark, id)| Some((mark, id.as_deref()?)));
        let (Some((mark, id)), None) = (given.next(), given.next()) else { return Err(Refused::Because(malformed)) };
        let named = |(name, issuer): &&(String, String)| *name == asked.issuer || *issuer == asked.issuer;
        if let Some((_, issuer)) = self.foreign.iter().find(named) {
            if key.tenant_id.is_some() {
                return Err(Refused::Unauthorized);
            }
            let revoked = Revoked::Foreign { mark, key: mark.key(issuer, id) };
            return self.mark(revoked, asked.expires_at).await;
        }
        let tenant_id = (self.tenant_of)(&asked.issuer).ok_or(Refused::Because("there is no issuer of this name"))?;
        if key.tenant_id.is_some_and(|own| own != tenant_id) {
            return Err(Refused::Unauthorized);
        }
        // Whose a token or a session is, only the store of whoever knows it says: a tenant's own key cannot be held to it.
        if key.tenant_id.is_some() && matches!(mark, ForeignMark::Token | ForeignMark::Session) {
            return Err(Refused::Unauthorized);
        }
        let uuid = || Uuid::try_parse(id).map_err(|_| Refused::Because("this issuer's sub and sid are UUIDs"));
        let revoked = match mark {
            ForeignMark::Token => Revoked::Token(id.to_owned()),
            ForeignMark::Session => Revoked::Session(uuid()?),
            ForeignMark::Subject => {
                let user = self.directory.user(uuid()?).await?.filter(|user| user.tenant_id == tenant_id);
                let user = user.ok_or(Refused::Because("this issuer has no such user"))?;
                return Ok(self.directory.revoke_user(user.id).await?);
            }
            ForeignMark::Client => Revoked::Client { tenant_id, client_id: id.to_owned() },
            ForeignMark::Key => return Err(Refused::Because("keys of our own are replaced by: faregate key rotate")),
        };
        Ok(self.directory.revoke(revoked).await?)
    }

    async fn mark(&self, revoked: Revoked, expires_at: Option<UnixSeconds>) -> Result<(), Refused> {
        let now = self.revoker.clock.now();
        let most = now.saturating_add(MOST_KEPT);
        let expires_at = expires_at.unwrap_or(most);
        if !(now < expires_at && expires_at <= most) {
            return Err(Refused::Because("expires_at must be within the next 30 days"));
        }
        Ok(self.revoker.mark(Revocation { revoked, revoked_at: now, expires_at }).await?)
    }

    async fn key_of(&self, fields: &HeaderMap) -> Result<ApiKey, Refused> {
        let mut fields = fields.get_all(header::AUTHORIZATION).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else { return Err(Refused::Unauthorized) };
        let text = field.to_str().map_err(|_| Refused::Unauthorized)?.trim();
        self.directory.find_caller(text, self.api_key.as_ref()).await?.ok_or(Refused::Unauthorized)
    }
}

fn empty(status: StatusCode) -> Response<Bytes> {
    written(status, Bytes::new())
}

fn refusal(status: StatusCode, description: &'static str) -> Response<Bytes> {
    let body = json!({ "error": "invalid_request", "error_description": description });
    written(status, body.to_string().into())
}

fn unavailable() -> Response<Bytes> {
    let body = json!({ "error": "temporarily_unavailable" });
    let mut answer = written(StatusCode::SERVICE_UNAVAILABLE, body.to_string().into());
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    answer
}

fn written(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let fields = answer.headers_mut();
    // Section 2.8.
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
