//! Proof of possession of a code (RFC 7636 section 4.6). It does not know where codes come from.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::oauth::error::{ErrorReason, OAuthError};
use crate::secret::equal;

/// # Errors
/// `invalid_grant` if the verifier is missing or wrong, or is there although no challenge was sent (B3).
pub(super) fn check(challenge: Option<&str>, verifier: Option<&str>) -> Result<(), OAuthError> {
    match (challenge, verifier) {
        (None, None) => Ok(()),
        (Some(challenge), Some(verifier)) => {
            let expected = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
            let proven = is_verifier(verifier) && equal(expected.as_bytes(), challenge.as_bytes());
            if proven { Ok(()) } else { Err(wrong("The code_verifier is wrong.")) }
        }
        (Some(_), None) => {
            let description = "The code was asked for with a code_challenge: the code_verifier is missing.";
            Err(OAuthError::invalid_grant(ErrorReason::MissingCodeVerifier, description))
        }
        (None, Some(_)) => Err(wrong("The code was asked for without a code_challenge.")),
    }
}

fn wrong(description: &'static str) -> OAuthError {
    OAuthError::invalid_grant(ErrorReason::InvalidPkceCodeVerifier, description)
}

/// RFC 7636 section 4.1: 43 to 128 unreserved characters.
fn is_verifier(text: &str) -> bool {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    (43..=128).contains(&text.len()) && text.bytes().all(is_unreserved)
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7636 appendix B
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    // RFC 7636 4.6, F-010, B3
    #[test]
    fn the_verifier_must_be_the_one_of_the_challenge() {
        use ErrorReason::{InvalidPkceCodeVerifier as Wrong, MissingCodeVerifier as Missing};
        let rows = [
            (None, None, Ok(())),
            (Some(CHALLENGE), Some(VERIFIER), Ok(())),
            (Some(CHALLENGE), None, Err(Missing)),
            (None, Some(VERIFIER), Err(Wrong)),
            (Some(CHALLENGE), Some(CHALLENGE), Err(Wrong)),
            // A verifier that is the challenge: `plain` is not spoken here (F-009).
            (Some(VERIFIER), Some(VERIFIER), Err(Wrong)),
            (Some(CHALLENGE), Some(&VERIFIER[..42]), Err(Wrong)),
        ];
        for (challenge, verifier, expected) in rows {
            let found = check(challenge, verifier).map_err(|error| error.reason.unwrap());
            assert_eq!(found, expected, "{challenge:?} {verifier:?}");
        }
    }

    // RFC 7636 4.1
    #[test]
    fn verifiers_have_43_to_128_characters() {
        for (length, expected) in [(42, false), (43, true), (128, true), (129, false)] {
            assert_eq!(is_verifier(&"a".repeat(length)), expected, "{length}");
        }
        assert!(!is_verifier(&"+".repeat(43)));
    }
}
