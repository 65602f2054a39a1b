//! Tokens that say what an administrator wants, for whoever trusts the tenant's keys (FusionAuth's "vend").
//!
//! Owns what such a token may not say. It is of a type of its own: nothing here takes it for an access token or an ID token,
//! whatever its claims are.

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::directory::DirectoryError;
use crate::events::Event;
use crate::jose::TokenType;
use crate::model::KeyPurpose;
use crate::oauth::AuthorizationServer;
use crate::oauth::error::OAuthError;

/// What only the issuer says.
const OWN: [&str; 4] = ["iss", "jti", "nbf", "tid"];

/// The same, but callers may send them: FusionAuth takes no notice of them.
const COMPUTED: [&str; 2] = ["exp", "iat"];

/// Nobody can revoke it, so it does not live for long: a day, in seconds.
const LONGEST: i64 = 86_400;

/// What is asked for.
#[derive(Debug)]
pub struct Vending {
    pub tenant_id: Uuid,
    pub claims: Map<String, Value>,
    /// The id or the `kid` of a key of the tenant; the one that signs its access tokens unless one is named.
    pub key_id: Option<String>,
    /// Seconds; as long as an access token unless something is said.
    pub lives_for: Option<i64>,
}

/// Why there is no token.
#[derive(Debug)]
pub enum VendingRefusal {
    /// This claim is the issuer's.
    OwnClaim(&'static str),
    /// The tenant has no such key, or it may not sign now.
    NoKey,
    /// The life is not between a second and this many.
    Life(i64),
    Unanswered(OAuthError),
}

impl From<OAuthError> for VendingRefusal {
    fn from(error: OAuthError) -> Self {
        Self::Unanswered(error)
    }
}

impl AuthorizationServer {
    /// Signs the claims, with those that only the issuer says beside them.
    ///
    /// # Errors
    /// [`VendingRefusal`]
    pub async fn vend(&self, vending: Vending) -> Result<String, VendingRefusal> {
        let Vending { tenant_id, mut claims, key_id, lives_for } = vending;
        if let Some(name) = OWN.into_iter().find(|name| claims.contains_key(*name)) {
            return Err(VendingRefusal::OwnClaim(name));
        }
        claims.retain(|name, _| !COMPUTED.contains(&name.as_str()));
        let issuer = self
            .find_issuer_of(tenant_id)
            .await?
            .ok_or_else(|| VendingRefusal::Unanswered(DirectoryError::NotFound("tenant").into()))?;
        let now = self.clock.now();
        let lives_for = lives_for.unwrap_or(issuer.tenant.access_token_for.min(LONGEST));
        if !(1..=LONGEST).contains(&lives_for) {
            return Err(VendingRefusal::Life(LONGEST));
        }
        let key = match key_id {
            Some(id) => {
                let kid = self.kid_of(id).await?;
                issuer.key_that_signs(&kid, now).ok_or(VendingRefusal::NoKey)?
            }
            None => issuer
                .signing_key(KeyPurpose::AccessToken, now)
                .ok_or_else(|| OAuthError::unavailable("the tenant's signing key is not made yet"))?,
        };
        let jti = self.entropy.uuid().to_string();
        let own = [
            ("exp", Value::from(now + lives_for)),
            ("iat", now.into()),
            ("iss", (*issuer.issuer).into()),
            ("jti", jti.clone().into()),
            ("tid", tenant_id.to_string().into()),
        ];
        claims.extend(own.map(|(name, value)| (name.to_owned(), value)));
        let token = key.sign(TokenType::Vended, &claims).map_err(OAuthError::from)?;
        Event::TokenVended.tell(&jti);
        Ok(token)
    }

    /// Whoever manages keys calls them by ids, whoever reads key sets by `kid`.
    async fn kid_of(&self, id: String) -> Result<String, VendingRefusal> {
        let Ok(id) = Uuid::try_parse(&id) else { return Ok(id) };
        let known = self.keys.known_key(id).await.map_err(OAuthError::unavailable)?;
        known.map(|key| key.named.kid).ok_or(VendingRefusal::NoKey)
    }
}
