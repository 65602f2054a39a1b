//! UserInfo (OpenID Connect Core 5.3): what the user let the client know, for the access token that says so.
//!
//! Owns which claims are answered; their values are `user_claims`'.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::access_tokens::{self, Believed};
use super::client::{Client, Subject};
use super::error::{ErrorCode, ErrorReason, OAuthError};
use super::keys::LocalIssuer;
use super::parameters::Parameters;
use super::{AuthorizationServer, TokenRequest, possession, scopes, user_claims};
use crate::jose::TokenType;
use crate::model::{KeyPurpose, ScopeHandling};
use crate::profile::{Dialect, Endpoint};

/// The claims, or a JWT that says them if the client registered for that.
pub enum UserInfo {
    Plain(Map<String, Value>),
    Signed(String),
}

/// Claims that no mapping of an administrator replaces (D-01).
const RESERVED: [&str; 5] = ["email", "email_verified", "phone_number_verified", "sub", "tid"];

impl AuthorizationServer {
    /// # Errors
    /// `invalid_token` without a good token (RFC 6750 3.1), `insufficient_scope` if it is none of OpenID Connect's.
    pub async fn userinfo(&self, request: &TokenRequest<'_>) -> Result<UserInfo, OAuthError> {
        let form = Parameters::parse(request.body)?;
        let (token, is_dpop) = find_token(request, &form)?;
        let issuer = match self.issuer_of_token(&token) {
            Some(issuer) => issuer,
            None => self.resolve_tenant(request, &form, None).await?,
        };
        let answer = self.userinfo_of(&issuer, request, (&token, is_dpop)).await;
        answer.map_err(|error| error.said_in(issuer.dialect()))
    }

    async fn userinfo_of(
        &self,
        issuer: &LocalIssuer,
        request: &TokenRequest<'_>,
        (token, is_dpop): (&str, bool),
    ) -> Result<UserInfo, OAuthError> {
        let said_to = |is_dpop: bool| move |error: OAuthError| OAuthError { is_dpop, ..error };
        if request.tenant_path.is_some_and(|path| !path.eq_ignore_ascii_case(&issuer.tenant.id.to_string())) {
            return Err(said_to(is_dpop)(access_tokens::invalid()));
        }
        let believed = self.verify_access_token(issuer, token).map_err(said_to(is_dpop))?;
        let needs_proof = is_dpop || believed.bound_to().is_some_and(|bound_to| bound_to.key.is_some());
        let presented = (&believed, token, is_dpop);
        let held = self.check_holder(issuer, Endpoint::UserInfo, &request.sender, presented).await;
        held.map_err(said_to(needs_proof))?;
        let subject = self.subject_of_token(issuer, &believed).await.map_err(said_to(needs_proof))?;
        let claims = claims(&subject, &believed, issuer.dialect());
        if subject.application.settings.userinfo_algorithm.is_none() {
            return Ok(UserInfo::Plain(claims));
        }
        self.signed(issuer, &subject, claims).map(UserInfo::Signed)
    }

    /// Who the token is about.
    ///
    /// # Errors
    /// `insufficient_scope` for a token that was not issued for OpenID Connect; `invalid_token` if the user or the client
    /// is gone, or the user is locked.
    async fn subject_of_token(&self, issuer: &LocalIssuer, believed: &Believed) -> Result<Subject, OAuthError> {
        let user_id = believed.user_id().ok_or_else(insufficient)?;
        let client = self.find_client(issuer.tenant.id, believed.text("client_id").unwrap_or_default()).await?;
        let application = match client {
            Some(Client::Application(application)) => application,
            Some(Client::Entity(_)) | None => return Err(access_tokens::invalid()),
        };
        match issuer.dialect().scope_handling_of(&application.settings) {
            ScopeHandling::Strict if !believed.has_scope(scopes::OPENID) => return Err(insufficient()),
            ScopeHandling::Strict | ScopeHandling::Compatibility => {}
        }
        let user = self.directory.user(user_id).await?.filter(|user| user.tenant_id == issuer.tenant.id);
        let user = user.filter(|user| user.obstacle(self.clock.now()).is_none()).ok_or_else(access_tokens::invalid)?;
        let registration = self.directory.registration(user.id, application.id).await?;
        Ok(Subject { user, application, registration })
    }

    /// Core 5.3.2: signed with the key of ID tokens, never with one that vouches for access tokens (E3).
    fn signed(
        &self,
        issuer: &LocalIssuer,
        subject: &Subject,
        mut claims: Map<String, Value>,
    ) -> Result<String, OAuthError> {
        claims.insert("aud".to_owned(), subject.application.client_id.clone().into());
        claims.insert("iss".to_owned(), (*issuer.issuer).into());
        let key = issuer
            .signing_key_of(&subject.application, KeyPurpose::IdToken, self.clock.now())
            .ok_or_else(|| OAuthError::unavailable("the tenant's signing key for ID tokens is not made yet"))?;
        Ok(key.sign(TokenType::Jwt, &claims)?)
    }
}

/// RFC 6750 2.1 and 2.2: from the header or the form, and not from both; and whether it is said to be bound to a key
/// (RFC 9449 7.1).
fn find_token<'a>(request: &TokenRequest<'a>, form: &'a Parameters<'a>) -> Result<(Cow<'a, str>, bool), OAuthError> {
    let in_body = form.find("access_token");
    match (request.authorization, in_body) {
        ([], Some(token)) => Ok((token.into(), false)),
        ([], None) => {
            Err(OAuthError::invalid_token(ErrorReason::AccessTokenRequired, "The request has no access token."))
        }
        ([_, _, ..], _) | ([_], Some(_)) => {
            let description = "The request has more than one access token.";
            Err(OAuthError::invalid_request(ErrorReason::AccessTokenMalformed, description))
        }
        ([header], None) => {
            let text = std::str::from_utf8(header).map_err(|_| access_tokens::malformed())?;
            let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
            let is_dpop = scheme.eq_ignore_ascii_case(possession::DPOP);
            let is_known = (is_dpop || scheme.eq_ignore_ascii_case("Bearer")) && !token.is_empty();
            if is_known { Ok((token.to_owned().into(), is_dpop)) } else { Err(access_tokens::malformed()) }
        }
    }
}

fn claims(subject: &Subject, believed: &Believed, dialect: &Dialect) -> Map<String, Value> {
    let settings = &subject.application.settings;
    let scope = believed.scope();
    let mut names: Vec<&str> =
        scopes::words(&scope).flat_map(|scope| user_claims::of_scope(scope).iter().copied()).collect();
    if let Some(asked) = believed.claims.get("userinfo").and_then(Value::as_array) {
        names.extend(asked.iter().filter_map(Value::as_str));
    }
    let mut claims = Map::new();
    match dialect.scope_handling_of(settings) {
        ScopeHandling::Strict => {}
        // F-148: everything that is known.
        ScopeHandling::Compatibility => {
            names.extend(user_claims::ALL);
            if let Some(registration) = &subject.registration {
                claims.insert("applicationId".to_owned(), subject.application.id.to_string().into());
                claims.insert("roles".to_owned(), registration.roles.clone().into());
            }
        }
    }
    for name in names {
        if let Some(value) = user_claims::find(&subject.user, name) {
            claims.insert(name.to_owned(), value);
        }
    }
    claims.insert("sub".to_owned(), subject.user.id.to_string().into());
    for (name, path) in &settings.userinfo_claims {
        if !RESERVED.contains(&&**name)
            && let Some(value) = mapped(subject, path)
        {
            claims.insert(name.clone(), value);
        }
    }
    claims.sort_keys();
    claims
}

/// The value at a dotted path: `user.data.color`, `user.email`, `registration.roles`, `registration.data.x` (F-035).
fn mapped(subject: &Subject, path: &str) -> Option<Value> {
    let mut steps = path.split('.');
    let (root, first) = (steps.next()?, steps.next()?);
    let mut value = match (root, first) {
        ("user", "id") => subject.user.id.to_string().into(),
        ("user", "username") => subject.user.username.clone()?.into(),
        ("user", "data") => Value::Object(subject.user.profile.data.clone()),
        ("user", name) => user_claims::find(&subject.user, name)?,
        ("registration", "roles") => json!(subject.registration.as_ref()?.roles),
        ("registration", "data") => Value::Object(subject.registration.as_ref()?.data.clone()),
        (_, _) => return None,
    };
    for step in steps {
        value = value.get_mut(step).map(Value::take)?;
    }
    Some(value)
}

fn insufficient() -> OAuthError {
    let description = "The access token does not have the scope openid.";
    OAuthError::new(ErrorCode::InsufficientScope, ErrorReason::MissingRequiredScope, description)
}
