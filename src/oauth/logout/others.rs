//! Who else hears of a logout: pages of clients in frames (Front-Channel Logout 1.0), servers of clients by a logout token
//! (Back-Channel Logout 1.0).
//!
//! Owns what they are told. `web` shows the frames and posts the tokens.

use serde_json::json;
use uuid::Uuid;

use crate::jose::TokenType;
use crate::model::{Application, KeyPurpose, Session};
use crate::oauth::AuthorizationServer;
use crate::oauth::error::OAuthError;
use crate::oauth::keys::LocalIssuer;
use crate::percent;
use crate::secret::Secret;

/// Seconds for which a logout token may be delivered (Back-Channel Logout 1.0 2.4 recommends two minutes at most).
const LOGOUT_TOKEN_FOR: i64 = 120;
/// More frames than this no browser loads in time.
const MOST_FRAMES: usize = 50;
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

impl AuthorizationServer {
    /// Every application of the tenant with a logout URL is opened in a frame (F-125); those that the session was used for
    /// also hear which one ended.
    pub(super) async fn frames_of(&self, issuer: &LocalIssuer, session: &Session) -> Result<Vec<String>, OAuthError> {
        let joined = self.store.list_session_applications(session.id).await?;
        let mut applications = self.store.list_applications(Some(issuer.tenant.id)).await?;
        // Those that know the person first: they matter if there are too many.
        applications.sort_by_key(|application| !joined.contains(&application.id));
        let frames = applications.iter().filter_map(|application| {
            let uri = application.settings.logout_uri.as_ref()?;
            Some(frame(issuer, session, application, uri, joined.contains(&application.id)))
        });
        Ok(frames.take(MOST_FRAMES).collect())
    }

    /// Back-Channel Logout 1.0 section 2.4.
    pub(super) fn logout_token(
        &self,
        issuer: &LocalIssuer,
        (session_id, user_id): (Uuid, Uuid),
        application: &Application,
    ) -> Result<Secret<String>, OAuthError> {
        let now = self.clock.now();
        let key = issuer
            .signing_key_of(application, KeyPurpose::IdToken, now)
            .ok_or_else(|| OAuthError::unavailable("the tenant's signing key for ID tokens is not made yet"))?;
        let claims = json!({
            "aud": application.client_id,
            "events": { EVENT: {} },
            "exp": now + LOGOUT_TOKEN_FOR,
            "iat": now,
            "iss": issuer.issuer,
            "jti": self.entropy.uuid(),
            "sid": session_id,
            "sub": user_id,
        });
        Ok(Secret::new(key.sign(TokenType::LogoutToken, &claims)?))
    }
}

/// F-127, Front-Channel Logout 1.0 section 2.
fn frame(issuer: &LocalIssuer, session: &Session, application: &Application, uri: &str, knows: bool) -> String {
    if !knows || !application.settings.logout_session_required {
        return uri.to_owned();
    }
    let separator = if uri.contains('?') { '&' } else { '?' };
    let (issuer, session) = (issuer.issuer.to_string(), session.id.to_string());
    format!("{uri}{separator}{}", percent::form(&[("iss", issuer), ("sid", session)]))
}
