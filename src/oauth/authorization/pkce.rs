//! Code challenges (RFC 7636 section 4.3, rules B1, B2, F-008, F-009). The verifier is compared at the token endpoint.

use super::response::ResponseType;
use crate::model::{Application, PkcePolicy};
use crate::oauth::error::{ErrorReason, OAuthError};
use crate::oauth::parameters::Parameters;

/// The S256 challenge, if there is one or has to be.
pub(super) fn check(
    parameters: &Parameters<'_>,
    asked: ResponseType,
    application: &Application,
) -> Result<Option<String>, OAuthError> {
    let wrong = |reason, description| Err(OAuthError::invalid_request(reason, description));
    let Some(challenge) = parameters.find("code_challenge") else {
        if parameters.find("code_challenge_method").is_some() {
            return wrong(
                ErrorReason::MissingCodeChallenge,
                "The request has a code_challenge_method but no code_challenge.",
            );
        }
        let is_needed = match application.settings.pkce {
            PkcePolicy::Required => true,
            // A public client has nothing else that binds the code to it (OAuth 2.1 4.1.2.1).
            PkcePolicy::NotRequired | PkcePolicy::NotRequiredWhenUsingClientAuthentication => application.is_public(),
        };
        return match is_needed && asked.code {
            true => wrong(ErrorReason::MissingCodeChallenge, "The request has no code_challenge."),
            false => Ok(None),
        };
    };
    // Without a method RFC 7636 means `plain`, which is never accepted.
    if parameters.find("code_challenge_method") != Some("S256") {
        let description = "The code_challenge_method must be S256.";
        return wrong(ErrorReason::InvalidPkceCodeChallengeMethod, description);
    }
    // SHA-256 in base64url (RFC 7636 4.2).
    let is_digest = challenge.len() == 43
        && challenge.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    match is_digest {
        true => Ok(Some(challenge.to_owned())),
        false => {
            wrong(ErrorReason::InvalidPkceCodeChallenge, "The code_challenge is not a SHA-256 digest in base64url.")
        }
    }
}
