//! The only place where access tokens are minted (RFC 9068, rule E2).
//!
//! Owns their claims and the answer around them; it does not ask whether anybody may have one. ID tokens are in
//! `id_token`.

mod entity;
mod vended;

use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};
use uuid::Uuid;

use super::client::Subject;
use super::error::OAuthError;
use super::grant::{GrantType, token_exchange};
use super::id_token::IdTokenBinding;
use super::keys::LocalIssuer;
use super::{AuthorizationServer, possession, scopes, user_claims};
use crate::clock::UnixSeconds;
use crate::model::{Application, Approval, Confirmation, KeyPurpose, Profile, ScopeHandling};
use crate::profile::{Dialect, ExpiresIn, ScopeSeparator, TokenMember};
use crate::revocations::Bearings;

pub(super) use entity::{Delegation, Entitlement, Target};
pub use vended::{Vending, VendingRefusal};

/// What a grant proved.
pub(super) enum Proof {
    Entity(Entitlement),
    User(Box<UserGrant>),
}

/// Whom a token is about.
pub(super) enum Holder {
    User(Subject),
    /// The application acts for itself (D27).
    Application(Arc<Application>),
}

/// What a user's grant proved, and what was stored with it.
pub(super) struct UserGrant {
    pub grant_type: GrantType,
    /// With the scopes of this answer, which may be fewer than were approved.
    pub approval: Approval,
    pub subject: Holder,
    pub refresh_token: Option<NewRefreshToken>,
    /// Seconds after which the access token shall end although it could live longer.
    pub at_most_for: Option<i64>,
}

/// A refresh token that the client is to be told; in the store there is its hash.
pub(super) struct NewRefreshToken {
    pub id: Uuid,
    pub text: String,
}

/// An access token for a client.
pub(super) struct AccessToken {
    pub text: String,
    /// Seconds from `issued_at`.
    pub expires_in: i64,
    pub issued_at: UnixSeconds,
}

/// A successful answer (RFC 6749 section 5.1). Which members are written, in which order and how is up to the dialect.
#[derive(Debug)]
pub struct TokenResponse {
    pub access_token: String,
    /// Seconds from `issued_at`.
    pub expires_in: i64,
    /// How that is said.
    pub says_expiry: ExpiresIn,
    pub id_token: Option<String>,
    pub refresh_token: Option<String>,
    /// What administrators call the refresh token; never a secret.
    pub refresh_token_id: Option<Uuid>,
    /// Separated by spaces.
    pub scope: Option<String>,
    pub user_id: Option<Uuid>,
    pub issued_at: UnixSeconds,
    /// Whether the access token needs a proof whenever it is used (RFC 9449 5).
    pub is_dpop: bool,
    /// For the client's next proof, if its proofs need one (RFC 9449 8.2).
    pub dpop_nonce: Option<String>,
    /// For those who count, too.
    pub grant_type: GrantType,
    pub profile: Profile,
}

impl TokenResponse {
    /// What `expires_in` says (D3).
    pub(super) fn expiry(&self) -> i64 {
        match self.says_expiry {
            ExpiresIn::Relative => self.expires_in,
            ExpiresIn::Absolute => self.issued_at + self.expires_in,
        }
    }
}

impl Serialize for TokenResponse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let dialect = Dialect::of(self.profile);
        let written = match self.grant_type {
            GrantType::RefreshToken => dialect.refreshed_members,
            GrantType::AuthorizationCode
            | GrantType::ClientCredentials
            | GrantType::DeviceCode
            | GrantType::Password
            | GrantType::TokenExchange => dialect.token_members,
        };
        let mut members = serializer.serialize_map(None)?;
        for member in written {
            match member {
                TokenMember::AccessToken => members.serialize_entry("access_token", &self.access_token)?,
                TokenMember::ExpiresIn => members.serialize_entry("expires_in", &self.expiry())?,
                TokenMember::IdToken => entry(&mut members, "id_token", self.id_token.as_ref())?,
                TokenMember::RefreshToken => entry(&mut members, "refresh_token", self.refresh_token.as_ref())?,
                TokenMember::RefreshTokenId => entry(&mut members, "refresh_token_id", self.refresh_token_id)?,
                TokenMember::Scope => {
                    let scope = self.scope.as_ref().map(|scope| match dialect.scope_separator {
                        ScopeSeparator::Space => scope.clone(),
                        ScopeSeparator::Comma => scope.replace(' ', ","),
                    });
                    entry(&mut members, "scope", scope)?;
                }
                TokenMember::TokenType => {
                    let token_type = if self.is_dpop { possession::DPOP } else { dialect.token_type };
                    members.serialize_entry("token_type", token_type)?;
                }
                TokenMember::UserId => entry(&mut members, "userId", self.user_id)?,
            }
        }
        if self.grant_type == GrantType::TokenExchange {
            // RFC 8693 2.2.1
            members.serialize_entry("issued_token_type", token_exchange::ACCESS_TOKEN)?;
        }
        members.end()
    }
}

fn entry<M: SerializeMap>(members: &mut M, name: &str, value: Option<impl Serialize>) -> Result<(), M::Error> {
    match value {
        Some(value) => members.serialize_entry(name, &value),
        None => Ok(()),
    }
}

/// The claims of a user's access token, in alphabetical order.
#[derive(serde::Serialize)]
struct UserClaims<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    amr: &'a [String],
    #[serde(rename = "applicationId", skip_serializing_if = "Option::is_none")]
    application_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    auth_time: UnixSeconds,
    #[serde(rename = "authenticationType")]
    authentication_type: &'static str,
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<&'a Confirmation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
    exp: UnixSeconds,
    /// The grant: revoking it ends every token of the family.
    gid: Uuid,
    iat: UnixSeconds,
    iss: &'a str,
    jti: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<UnixSeconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Scopes::is_empty")]
    scope: Scopes<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<Uuid>,
    sub: Uuid,
    tid: Uuid,
    /// The claims that the request asked UserInfo for beside those of its scopes (OpenID Connect Core 5.5).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    userinfo: Vec<&'static str>,
}

/// The claims of an application that acts for itself, in alphabetical order.
#[derive(serde::Serialize)]
struct OwnClaims<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<&'a Confirmation>,
    exp: UnixSeconds,
    /// The grant: revoking it ends every token of the family.
    gid: Uuid,
    iat: UnixSeconds,
    iss: &'a str,
    jti: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<UnixSeconds>,
    #[serde(skip_serializing_if = "Scopes::is_empty")]
    scope: Scopes<'a>,
    sub: Uuid,
    tid: Uuid,
}

/// A string, or in some dialect a list (F-279).
#[derive(Clone, Copy)]
struct Scopes<'a> {
    words: &'a [String],
    is_list: bool,
}

impl AuthorizationServer {
    /// Whether what the approval gives could be signed now. Asked before a code or a refresh token is spent: an RSA key takes
    /// seconds to make, and what is spent meanwhile would be lost.
    ///
    /// # Errors
    /// `temporarily_unavailable` while a key that is needed is still being made.
    pub(super) fn check_can_issue(&self, issuer: &LocalIssuer, approval: &Approval) -> Result<(), OAuthError> {
        let now = self.clock.now();
        let is_there = |purpose| issuer.signing_key(purpose, now).is_some();
        let needs_id_token = approval.has_scope(scopes::OPENID);
        if is_there(KeyPurpose::AccessToken) && (!needs_id_token || is_there(KeyPurpose::IdToken)) {
            return Ok(());
        }
        Err(OAuthError::unavailable("the tenant's signing keys are not made yet"))
    }

    /// # Errors
    /// `temporarily_unavailable` while the tenant's first key is still being made; `invalid_dpop_proof` if the application gets no
    /// tokens that are good for whoever has them.
    pub(super) fn issue(
        &self,
        issuer: &LocalIssuer,
        proof: &Proof,
        confirmation: Option<&Confirmation>,
    ) -> Result<TokenResponse, OAuthError> {
        let response = match proof {
            Proof::Entity(entitlement) => self.issue_to_entity(issuer, entitlement, confirmation),
            Proof::User(grant) => match &grant.subject {
                Holder::User(subject) => self.issue_to_user(issuer, grant, (subject, confirmation)),
                Holder::Application(application) => {
                    self.issue_to_application(issuer, grant, (application, confirmation))
                }
            },
        }?;
        let is_dpop = confirmation.is_some_and(|confirmation| confirmation.key.is_some());
        Ok(TokenResponse { is_dpop, ..response })
    }

    fn issue_to_user(
        &self,
        issuer: &LocalIssuer,
        grant: &UserGrant,
        (subject, confirmation): (&Subject, Option<&Confirmation>),
    ) -> Result<TokenResponse, OAuthError> {
        let approval = &grant.approval;
        let access_token = self.access_token_for(issuer, approval, (subject, confirmation), grant.at_most_for)?;
        let id_token = if approval.has_scope(scopes::OPENID) {
            let nonce = grant.grant_type == GrantType::AuthorizationCode;
            let with = IdTokenBinding { access_token: Some(&access_token.text), code: None, nonce };
            Some(self.id_token(issuer, approval, subject, with)?)
        } else {
            None
        };
        Ok(TokenResponse {
            expires_in: access_token.expires_in,
            says_expiry: issuer.says_expiry(),
            access_token: access_token.text,
            id_token,
            refresh_token: grant.refresh_token.as_ref().map(|token| token.text.clone()),
            refresh_token_id: grant.refresh_token.as_ref().map(|token| token.id),
            scope: Some(approval.scopes.join(" ")).filter(|scope| !scope.is_empty()),
            user_id: Some(subject.user.id),
            issued_at: access_token.issued_at,
            is_dpop: false,
            dpop_nonce: None,
            grant_type: grant.grant_type,
            profile: issuer.tenant.profile,
        })
    }

    /// An access token about the user of an approval (RFC 9068 section 2.2).
    ///
    /// # Errors
    /// `temporarily_unavailable` while the tenant's first key is still being made.
    pub(super) fn access_token(
        &self,
        issuer: &LocalIssuer,
        approval: &Approval,
        subject: &Subject,
    ) -> Result<AccessToken, OAuthError> {
        self.access_token_for(issuer, approval, (subject, None), None)
    }

    fn access_token_for(
        &self,
        issuer: &LocalIssuer,
        approval: &Approval,
        (subject, confirmation): (&Subject, Option<&Confirmation>),
        at_most_for: Option<i64>,
    ) -> Result<AccessToken, OAuthError> {
        possession::Demands::of_application(&subject.application).check(confirmation)?;
        let now = self.clock.now();
        let (tenant, user, application) = (&issuer.tenant, &subject.user, &subject.application);
        let dialect = issuer.dialect();
        let key = issuer
            .signing_key_of(application, KeyPurpose::AccessToken, now)
            .ok_or_else(|| OAuthError::unavailable("the tenant's signing key is not made yet"))?;
        let lives_for = application.settings.access_token_for.unwrap_or(tenant.access_token_for);
        let bearings = Bearings {
            user_id: Some(user.id),
            tenant_id: Some(tenant.id),
            client_id: Some(&application.client_id),
            ..Bearings::default()
        };
        let tells_names = match issuer.dialect().scope_handling_of(&application.settings) {
            ScopeHandling::Strict => false,
            ScopeHandling::Compatibility => true,
        };
        let email = user.email.as_deref().filter(|_| tells_names);
        let registration = subject.registration.as_ref();
        let claims = UserClaims {
            acr: dialect.acr(approval.acr.as_deref()),
            amr: &approval.methods,
            application_id: registration.map(|_| application.id),
            aud: match &approval.audience {
                Some(api) => Some(api),
                None => dialect.tells_audience.then_some(application.client_id.as_str()),
            },
            auth_time: approval.authenticated_at,
            authentication_type: approval.authentication_type.as_str(),
            client_id: &application.client_id,
            cnf: confirmation,
            email,
            email_verified: email.map(|_| user.email_verified),
            exp: now + at_most_for.map_or(lives_for, |at_most_for| at_most_for.min(lives_for)),
            gid: approval.grant_id,
            iat: self.revocations.earliest(now, &bearings),
            iss: &issuer.issuer,
            jti: self.entropy.uuid(),
            name: user.full_name().or_else(|| user.username.clone()).filter(|_| dialect.tells_name),
            nbf: dialect.tells_not_before.then_some(now),
            preferred_username: user.username.as_deref().filter(|_| tells_names),
            roles: registration.map(|registration| &*registration.roles),
            scope: Scopes { words: &approval.scopes, is_list: dialect.scope_is_list },
            sid: approval.session_id,
            sub: user.id,
            tid: tenant.id,
            userinfo: user_claims::asked(approval.claims.as_ref(), "userinfo"),
        };
        Ok(AccessToken {
            text: key.sign(dialect.access_token_type, &claims)?,
            expires_in: claims.exp - now,
            issued_at: now,
        })
    }

    fn issue_to_application(
        &self,
        issuer: &LocalIssuer,
        grant: &UserGrant,
        (application, confirmation): (&Application, Option<&Confirmation>),
    ) -> Result<TokenResponse, OAuthError> {
        possession::Demands::of_application(application).check(confirmation)?;
        let now = self.clock.now();
        let (tenant, dialect, approval) = (&issuer.tenant, issuer.dialect(), &grant.approval);
        let key = issuer
            .signing_key_of(application, KeyPurpose::AccessToken, now)
            .ok_or_else(|| OAuthError::unavailable("the tenant's signing key is not made yet"))?;
        let lives_for = application.settings.access_token_for.unwrap_or(tenant.access_token_for);
        let lives_for = grant.at_most_for.map_or(lives_for, |at_most_for| at_most_for.min(lives_for));
        let bearings =
            Bearings { tenant_id: Some(tenant.id), client_id: Some(&application.client_id), ..Bearings::default() };
        let claims = OwnClaims {
            aud: approval.audience.as_deref(),
            client_id: &application.client_id,
            cnf: confirmation,
            exp: now + lives_for,
            gid: approval.grant_id,
            iat: self.revocations.earliest(now, &bearings),
            iss: &issuer.issuer,
            jti: self.entropy.uuid(),
            name: Some(application.name.as_str()).filter(|_| dialect.tells_name),
            nbf: dialect.tells_not_before.then_some(now),
            scope: Scopes { words: &approval.scopes, is_list: dialect.scope_is_list },
            sub: application.id,
            tid: tenant.id,
        };
        Ok(TokenResponse {
            access_token: key.sign(dialect.access_token_type, &claims)?,
            expires_in: lives_for,
            says_expiry: issuer.says_expiry(),
            id_token: None,
            refresh_token: grant.refresh_token.as_ref().map(|token| token.text.clone()),
            refresh_token_id: grant.refresh_token.as_ref().map(|token| token.id),
            scope: Some(approval.scopes.join(" ")).filter(|scope| !scope.is_empty()),
            user_id: None,
            issued_at: now,
            is_dpop: false,
            dpop_nonce: None,
            grant_type: grant.grant_type,
            profile: tenant.profile,
        })
    }
}

impl Scopes<'_> {
    fn is_empty(&self) -> bool {
        self.words.is_empty()
    }
}

impl Serialize for Scopes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.is_list {
            true => serializer.collect_seq(self.words),
            false => serializer.serialize_str(&self.words.join(" ")),
        }
    }
}
