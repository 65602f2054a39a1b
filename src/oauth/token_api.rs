//! Tokens through the management API: whoever holds one refreshes it, has one issued for another application, or logs out.
//!
//! Owns what holding a token is good for there. Refreshing is the same verb as at the token endpoint, and `issue` mints.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use super::AuthorizationServer;
use super::access_tokens::Believed;
use super::client::Client;
use super::error::{ErrorReason, OAuthError};
use super::grant::{Asking, GrantType};
use super::issue::{Holder, NewRefreshToken, Proof, TokenResponse, UserGrant};
use super::keys::LocalIssuer;
use crate::directory::DirectoryError;
use crate::events::Event;
use crate::jose::{self, Expectations};
use crate::model::{Application, Approval, AuthenticationType, ClientSecret, RefreshToken, Relationship};
use crate::store::StoreError;

/// A refresh token that somebody presents without being the client.
#[derive(Clone, Copy, Debug)]
pub struct ApiRefresh<'a> {
    pub refresh_token: &'a str,
    /// The access token that came with it, over or not. One that is sent has to belong to it.
    pub access_token: Option<&'a str>,
    /// Seconds after which the new access token shall end although it could live longer.
    pub at_most_for: Option<i64>,
    pub voucher: Voucher,
    pub peer: Option<IpAddr>,
}

/// Who stands behind a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voucher {
    /// Nobody but the token.
    Nobody,
    /// A holder of an API key, of one tenant or of all.
    ApiKey(Option<Uuid>),
}

/// Why there are no tokens.
#[derive(Debug)]
pub enum TokenRefusal {
    /// The refresh token is unknown, over or revoked.
    RefreshToken,
    /// The access token does not belong to the refresh token.
    AccessToken,
    /// The new access token would not live that long anyway, but this many seconds.
    Life(i64),
    /// Nobody may do this with that token.
    NotAllowed,
    /// There is no such application, or the user has no place in it.
    NoPlace,
    Unanswered(OAuthError),
}

impl From<OAuthError> for TokenRefusal {
    /// What an OAuth client would be told is wrong with its refresh token is one thing here.
    fn from(error: OAuthError) -> Self {
        if error.is_ours() { Self::Unanswered(error) } else { Self::RefreshToken }
    }
}

impl From<StoreError> for TokenRefusal {
    fn from(error: StoreError) -> Self {
        Self::Unanswered(error.into())
    }
}

impl AuthorizationServer {
    /// A new access token, and the refresh token to use from now on: the same one only where an API key vouches for the
    /// caller and the application's tokens are reusable (C3).
    ///
    /// # Errors
    /// [`TokenRefusal::NotAllowed`] where nobody vouches and the application wants its tokens refreshed by itself alone
    /// (RFC 6749 6).
    pub async fn refresh_by_api(&self, refresh: &ApiRefresh<'_>) -> Result<TokenResponse, TokenRefusal> {
        let found = self.store.find_refresh_token(&ClientSecret::hash(refresh.refresh_token)).await?;
        let stored = found.ok_or(TokenRefusal::RefreshToken)?;
        let approval = &stored.approval;
        let is_visible = match refresh.voucher {
            Voucher::Nobody | Voucher::ApiKey(None) => true,
            Voucher::ApiKey(Some(tenant_id)) => approval.tenant_id == tenant_id,
        };
        let application = self.directory.application(approval.application_id).await?;
        let application = application.filter(|_| is_visible).ok_or(TokenRefusal::RefreshToken)?;
        let issuer = self.find_issuer_of(approval.tenant_id).await?.ok_or(TokenRefusal::RefreshToken)?;
        let is_proven = refresh.voucher != Voucher::Nobody;
        if !is_proven && !application.settings.login_api.allows_refresh {
            return Err(TokenRefusal::NotAllowed);
        }
        if refresh.access_token.is_some_and(|token| !belongs(&issuer, token, approval, &application.client_id)) {
            return Err(TokenRefusal::AccessToken);
        }
        let lives_for = application.settings.access_token_for.unwrap_or(issuer.tenant.access_token_for);
        if refresh.at_most_for.is_some_and(|at_most_for| at_most_for > lives_for) {
            return Err(TokenRefusal::Life(lives_for));
        }
        let asking = Asking {
            issuer: &issuer,
            application: &application,
            is_proven,
            peer: refresh.peer,
            resource: None,
            confirmation: None,
        };
        let mut grant = self.redeem_bare_refresh_token(&asking, refresh.refresh_token, refresh.at_most_for).await?;
        let kept = || NewRefreshToken { id: stored.id, text: refresh.refresh_token.to_owned() };
        grant.refresh_token.get_or_insert_with(kept);
        let tokens = self.issue(&issuer, &Proof::User(Box::new(grant)), None)?;
        Event::TokenRefreshed.tell_of(&approval.grant_id.to_string(), &application.client_id);
        Ok(tokens)
    }

    /// An access token of the same user and login for another application, good no longer than the one that was
    /// presented. With the refresh token of the first application there is one for the second, too, if it gets them.
    ///
    /// # Errors
    /// [`TokenRefusal::NotAllowed`] for a token that is not good or that is for an API, and where one of the applications is a
    /// third party's: nobody consented to that.
    pub async fn issue_for_application(
        &self,
        token: &str,
        application_id: Uuid,
        refresh_token: Option<&str>,
    ) -> Result<TokenResponse, TokenRefusal> {
        let issuer = self.issuer_of_token(token).ok_or(TokenRefusal::NotAllowed)?;
        let believed = self.verify_bearer_token(&issuer, token).map_err(|_| TokenRefusal::NotAllowed)?;
        let user_id = believed.user_id().ok_or(TokenRefusal::NotAllowed)?;
        let client_id = believed.own_client_id().ok_or(TokenRefusal::NotAllowed)?;
        let first = self.find_client(issuer.tenant.id, client_id).await?;
        let Some(Client::Application(first)) = first else { return Err(TokenRefusal::NotAllowed) };
        let second = self.directory.application(application_id).await?;
        let second = second.filter(|second| second.tenant_id == issuer.tenant.id).ok_or(TokenRefusal::NoPlace)?;
        if !is_first_party(&first) || !is_first_party(&second) {
            return Err(TokenRefusal::NotAllowed);
        }
        let mut approval = approval_of(&believed, user_id, &second).ok_or(TokenRefusal::NotAllowed)?;
        self.check_can_issue(&issuer, &approval)?;
        let ended = || OAuthError::invalid_grant(ErrorReason::LoginPrevented, "The login ended meanwhile.");
        let subject = self.subject_of(&approval, ended).await?;
        if subject.registration.is_none() {
            return Err(TokenRefusal::NoPlace);
        }
        let asking = Asking {
            issuer: &issuer,
            application: &second,
            is_proven: false,
            peer: None,
            resource: None,
            confirmation: None,
        };
        let refresh_token = match refresh_token {
            None => None,
            Some(text) => {
                let before = self.find_refresh_token_of(text, user_id, &first).await?;
                let before = before.ok_or(TokenRefusal::RefreshToken)?;
                self.follow(&asking, &mut approval, &before).await?
            }
        };
        let grant_id = approval.grant_id.to_string();
        let at_most_for = Some(believed.expires_at - self.clock.now());
        // No grant of OAuth is like it; a password's is the closest.
        let grant_type = GrantType::Password;
        let subject = Holder::User(subject);
        let grant = UserGrant { grant_type, approval, subject, refresh_token, at_most_for };
        let tokens = self.issue(&issuer, &Proof::User(Box::new(grant)), None)?;
        Event::TokenIssued.tell_of(&grant_id, &second.client_id);
        Ok(tokens)
    }

    /// Ends the grant of a refresh token or, for an application of the operator's own, everything that the user has
    /// anywhere. A token that is unknown or over is answered like one that was ended (I7).
    ///
    /// # Errors
    /// If the store does not answer; the tokens are still good then (I9).
    pub async fn log_out_by_token(&self, refresh_token: &str, everywhere: bool) -> Result<(), DirectoryError> {
        let stored = self.store.find_refresh_token(&ClientSecret::hash(refresh_token)).await?;
        let now = self.clock.now();
        let Some(stored) = stored.filter(|stored| stored.revoked_at.is_none() && now < stored.expires_at) else {
            return Ok(());
        };
        let (user_id, grant_id) = (stored.approval.user_id, stored.approval.grant_id);
        let application = self.directory.application(stored.approval.application_id).await?;
        if everywhere && application.is_some_and(|application| is_first_party(&application)) {
            return self.directory.revoke_user(user_id).await;
        }
        match self.directory.end_grant(user_id, grant_id).await {
            // Somebody else ended it.
            Err(DirectoryError::NotFound(_)) => Ok(()),
            result => result,
        }
    }

    /// A refresh token that is good now, of this user at this application.
    async fn find_refresh_token_of(
        &self,
        text: &str,
        user_id: Uuid,
        application: &Application,
    ) -> Result<Option<RefreshToken>, StoreError> {
        let found = self.store.find_refresh_token(&ClientSecret::hash(text)).await?;
        let now = self.clock.now();
        Ok(found.filter(|stored| {
            let is_theirs = (stored.approval.user_id, stored.approval.application_id) == (user_id, application.id);
            is_theirs && stored.is_live(now) && stored.rotated_at.is_none()
        }))
    }

    /// Begins a grant of its own that ends no later than the one before.
    async fn follow(
        &self,
        asking: &Asking<'_>,
        approval: &mut Approval,
        before: &RefreshToken,
    ) -> Result<Option<NewRefreshToken>, StoreError> {
        if !asking.application.settings.login_api.generates_refresh_tokens {
            return Ok(None);
        }
        approval.grant_id = self.entropy.uuid();
        let mut family = self.family_of(asking, approval, before.device_name.clone());
        family.stored.expires_at = family.stored.expires_at.min(before.expires_at);
        family.stored.idle_expires_at = family.stored.idle_expires_at.min(family.stored.expires_at);
        self.store.insert_refresh_token(&family.stored).await?;
        Ok(Some(family.new))
    }
}

fn is_first_party(application: &Application) -> bool {
    match application.settings.relationship {
        Relationship::FirstParty => true,
        Relationship::ThirdParty => false,
    }
}

/// Whether an access token, which may be over, is one of this grant's.
fn belongs(issuer: &LocalIssuer, token: &str, approval: &Approval, client_id: &str) -> bool {
    // At the beginning of time nothing has expired, and with an endless leeway nothing is early.
    let expectations = Expectations { leeway_for: i64::MAX, ..issuer.expectations.clone() };
    let verified = jose::verify(token, &expectations, &issuer.access_token_keys, 0);
    verified.is_ok_and(|verified| {
        let says = |name: &str, value: &str| verified.claims.get(name).and_then(Value::as_str) == Some(value);
        says("client_id", client_id) && says("sub", &approval.user_id.to_string())
    })
}

/// The login that an access token is from, for another application. It belongs to the same grant, and ends with it.
fn approval_of(believed: &Believed, user_id: Uuid, application: &Arc<Application>) -> Option<Approval> {
    let id = |name: &str| believed.text(name).and_then(|text| Uuid::try_parse(text).ok());
    let methods = believed.claims.get("amr").and_then(Value::as_array).into_iter().flatten();
    Some(Approval {
        grant_id: id("gid")?,
        tenant_id: application.tenant_id,
        application_id: application.id,
        user_id,
        session_id: id("sid"),
        scopes: Vec::new(),
        authenticated_at: believed.claims.get("auth_time").and_then(Value::as_i64)?,
        methods: methods.filter_map(Value::as_str).map(str::to_owned).collect(),
        acr: believed.text("acr").map(str::to_owned),
        nonce: None,
        claims: None,
        audience: None,
        bound_to: None,
        authentication_type: AuthenticationType::SingleSignOn,
    })
}
