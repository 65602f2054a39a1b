//! ID tokens (OpenID Connect Core 2, 3.1.3.6, 3.2.2.10, 3.3.2.11).
//!
//! Owns their claims: who logged in, when and how, and what the request asked to see here. It does not decide whether one
//! is due.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::client::Subject;
use super::error::OAuthError;
use super::keys::LocalIssuer;
use super::{AuthorizationServer, user_claims};
use crate::jose::{Algorithm, TokenType};
use crate::model::{ApplicationSettings, Approval, KeyPurpose, ScopeHandling};
use crate::profile::Dialect;

/// What an ID token is issued together with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct IdTokenBinding<'a> {
    /// Gives `at_hash`.
    pub access_token: Option<&'a str>,
    /// Gives `c_hash`: a code that travels in the same authorization response.
    pub code: Option<&'a str>,
    /// Whether this is the token that the request's nonce is for: not after a refresh (Core 12.2).
    pub nonce: bool,
}

impl AuthorizationServer {
    /// # Errors
    /// `temporarily_unavailable` while the tenant's first key is still being made.
    pub(super) fn id_token(
        &self,
        issuer: &LocalIssuer,
        approval: &Approval,
        subject: &Subject,
        with: IdTokenBinding<'_>,
    ) -> Result<String, OAuthError> {
        let now = self.clock.now();
        let key = issuer
            .signing_key_of(&subject.application, KeyPurpose::IdToken, now)
            .ok_or_else(|| OAuthError::unavailable("the tenant's signing key for ID tokens is not made yet"))?;
        let hash = |text: &str| Value::from(left_half(key.algorithm(), text));
        let mut claims = Map::new();
        let mut say = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                claims.insert(name.to_owned(), value);
            }
        };
        let (dialect, client_id) = (issuer.dialect(), subject.application.client_id.as_str());
        say("acr", dialect.acr(approval.acr.as_deref()).map(Value::from));
        say("amr", Some(approval.methods.clone().into()).filter(|_| !approval.methods.is_empty()));
        say("at_hash", with.access_token.map(hash));
        say(
            "aud",
            Some(match dialect.id_token_for_issuer {
                true => vec![client_id, &*issuer.issuer].into(),
                false => client_id.into(),
            }),
        );
        say("auth_time", Some(approval.authenticated_at.into()));
        say("azp", Some(client_id.into()));
        say("c_hash", with.code.map(hash));
        say("exp", Some((now + issuer.tenant.settings.id_token_for).into()));
        say("iat", Some(now.into()));
        say("iss", Some((*issuer.issuer).into()));
        say("nbf", dialect.tells_not_before.then(|| now.into()));
        say("nonce", approval.nonce.clone().filter(|_| with.nonce).map(Value::from));
        say("sid", approval.session_id.map(|id| id.to_string().into()));
        say("sub", Some(subject.user.id.to_string().into()));
        for name in user_claims_of(approval, (dialect, &subject.application.settings), with) {
            say(name, user_claims::find(&subject.user, name));
        }
        // Alphabetical, like every other answer of ours.
        claims.sort_keys();
        Ok(key.sign(TokenType::Jwt, &claims)?)
    }
}

/// Rule E10: what the request asked to see in the ID token, and what scopes ask for where there is no access token to
/// get it with (Core 5.4). `Compatibility` adds the names that FusionAuth puts everywhere (D-02).
fn user_claims_of(
    approval: &Approval,
    (dialect, settings): (&Dialect, &ApplicationSettings),
    with: IdTokenBinding<'_>,
) -> Vec<&'static str> {
    let mut names = user_claims::asked(approval.claims.as_ref(), "id_token");
    if dialect.id_token_tells_scopes || (with.access_token.is_none() && with.code.is_none()) {
        names.extend(approval.scopes.iter().flat_map(|scope| user_claims::of_scope(scope)));
    }
    match dialect.scope_handling_of(settings) {
        ScopeHandling::Strict => {}
        ScopeHandling::Compatibility => names.extend(["email", "email_verified", "preferred_username"]),
    }
    names
}

/// The left half of the hash that the signature algorithm uses (Core 3.1.3.6); Ed25519 uses SHA-512.
fn left_half(algorithm: Algorithm, text: &str) -> String {
    let hash = match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 | Algorithm::Hs256 => &digest::SHA256,
        Algorithm::Rs384 | Algorithm::Ps384 | Algorithm::Es384 | Algorithm::Hs384 => &digest::SHA384,
        Algorithm::Rs512 | Algorithm::Ps512 | Algorithm::Es512 | Algorithm::EdDsa | Algorithm::Hs512 => &digest::SHA512,
    };
    let hash = digest::digest(hash, text.as_bytes());
    let bytes = hash.as_ref();
    URL_SAFE_NO_PAD.encode(&bytes[..bytes.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    // OpenID Connect Core A.3 and A.4: the values of the examples there
    #[test]
    fn hashes_are_those_of_the_specification() {
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(left_half(Algorithm::Rs256, token), "77QmUPtjPfzWtF2AnpK9RQ");
        let code = "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk";
        assert_eq!(left_half(Algorithm::Rs256, code), "LDktKdoQak3Pk0cnXxCltA");
        assert_eq!(left_half(Algorithm::EdDsa, token).len(), 43);
    }
}
