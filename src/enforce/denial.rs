//! Every way a request can be refused, as one closed enum.
//!
//! Owns what each refusal means on the wire of RFC 6750: status, challenge, stable code. It writes no response:
//! `gateway::respond` does.

use std::fmt::Write as _;
use std::sync::Arc;

use super::Scheme;
use super::bearer::Ambiguity;
use super::scope::MOST_SCOPES;
use crate::jose;
use crate::jose::dpop::{self, ProofFault};
use crate::policy::{Reason, StepUp};

/// Why a request did not get a [`super::Permit`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// Credentials that cannot be read, or too many of them: 400.
    BadRequest(Ambiguity),
    /// No token where one is needed: 401, a challenge without error code.
    NoToken,
    /// A token that is not good here: 401.
    InvalidToken(TokenFault),
    /// A token that is bound to a key, without a proof that whoever sends it has the key: 401 (RFC 9449 7.1).
    InvalidProof(ProofFault),
    /// A good token without what the rule asks for: 403. `reason` is the policy's, `scope` what to ask
    /// for, empty when no scope would help.
    InsufficientScope { reason: &'static str, scope: String },
    /// A good token of a person who has to authenticate again: 401 (RFC 9470 3). `reason` is the policy's.
    InsufficientAuthentication { reason: &'static str, wanted: Arc<StepUp> },
    /// It cannot be decided now: 503, never a permit and never a 401 (rule O1).
    Undecidable(Obstacle),
}

/// What keeps a request from being decided: something that is needed and does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Nobody is there to check what a token is bound to.
    Binding,
    /// Nobody can say whether a proof is used for the first time.
    ReplayMemory,
    Keys,
    Introspection,
    Directory,
    /// No login can be begun.
    Login,
    /// Nobody can say whose session a browser has.
    Session,
}

impl Obstacle {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Binding => "binding_unchecked",
            Self::ReplayMemory => "replay_memory_unavailable",
            Self::Keys => "keys_unavailable",
            Self::Introspection => "introspection_unavailable",
            Self::Directory => "directory_unavailable",
            Self::Login => "login_unavailable",
            Self::Session => "session_unavailable",
        }
    }
}

/// What a challenge says beside the error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints<'a> {
    /// Where the resource describes itself (RFC 9728 5.1).
    pub resource_metadata: Option<&'a str>,
    /// What to ask a token for, unless the denial itself names scopes. Empty: nothing is known to help.
    pub scope: &'a str,
}

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// The door refused it.
    Door(jose::Reason),
    /// Its issuer is none of those that the route accepts.
    IssuerNotAccepted,
    /// None of its audiences is one that the route accepts.
    AudienceNotAccepted,
    /// Its issuer says that it is not active, or knows nothing of it.
    Inactive,
    /// It was good until somebody revoked it.
    Revoked,
    /// It is bound to a key and came without a proof, as if it were anybody's (rule H2).
    BoundToKey,
    /// It is not bound to what is asked for.
    NotBound,
    /// It is bound to something that cannot be checked here.
    StrangeBinding,
    /// It is bound to a client certificate, and this is not it.
    WrongCertificate,
}

impl TokenFault {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Door(reason) => reason.as_str(),
            Self::IssuerNotAccepted => "issuer_not_accepted",
            Self::AudienceNotAccepted => "wrong_audience",
            Self::Inactive => "inactive",
            Self::Revoked => "revoked",
            Self::BoundToKey => "bound_to_key",
            Self::NotBound => "not_bound",
            Self::StrangeBinding => "strange_binding",
            Self::WrongCertificate => "wrong_certificate",
        }
    }
}

impl Denial {
    /// What a policy's reason means for a request with a good token; `scope` is what to ask for, empty when no scope would
    /// help.
    pub fn of(reason: &Reason, scope: String) -> Self {
        match reason {
            Reason::WeakAuthentication { wanted } | Reason::OldAuthentication { wanted } => {
                Self::InsufficientAuthentication { reason: reason.as_str(), wanted: Arc::clone(wanted) }
            }
            Reason::NoToken => Self::NoToken,
            Reason::MethodNotAllowed
            | Reason::MissingScope { .. }
            | Reason::MissingRole
            | Reason::MissingPermission
            | Reason::ClaimMismatch
            | Reason::Denied => Self::InsufficientScope { reason: reason.as_str(), scope },
        }
    }

    /// The status of the answer (RFC 6750 3.1).
    pub fn status(&self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::NoToken | Self::InvalidToken(_) | Self::InvalidProof(_) | Self::InsufficientAuthentication { .. } => {
                401
            }
            Self::InsufficientScope { .. } => 403,
            Self::Undecidable(_) => 503,
        }
    }

    /// A stable name: the `code` of the problem document, the reason in metrics and log lines.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadRequest(ambiguity) => ambiguity.as_str(),
            Self::NoToken => "no_token",
            Self::InvalidToken(fault) => fault.as_str(),
            Self::InvalidProof(fault) => fault.as_str(),
            Self::InsufficientScope { reason, .. } | Self::InsufficientAuthentication { reason, .. } => reason,
            Self::Undecidable(what) => what.as_str(),
        }
    }

    /// The error code of RFC 6750 3.1 or RFC 9449 7.1; a request without credentials gets none.
    pub fn error(&self) -> Option<&'static str> {
        match self {
            Self::BadRequest(_) => Some("invalid_request"),
            Self::NoToken | Self::Undecidable(_) => None,
            Self::InvalidToken(_) => Some("invalid_token"),
            // RFC 9449 9
            Self::InvalidProof(ProofFault::WrongNonce) => Some("use_dpop_nonce"),
            Self::InvalidProof(_) => Some("invalid_dpop_proof"),
            Self::InsufficientScope { .. } => Some("insufficient_scope"),
            Self::InsufficientAuthentication { .. } => Some("insufficient_user_authentication"),
        }
    }

    /// The value of `WWW-Authenticate` (RFC 6750 3, RFC 9449 7.1); `None` when asking again with a token would not help.
    pub fn challenge(&self, scheme: Scheme, hints: &Hints<'_>) -> Option<String> {
        if matches!(self, Self::Undecidable(_)) {
            return None;
        }
        let mut challenge = format!("{} realm=\"faregate\"", scheme.as_str());
        if let Some(error) = self.error() {
            // Writing to a string cannot fail.
            let _ = write!(challenge, ", error=\"{error}\", error_description=\"{}\"", self.description());
        }
        let scope = match self {
            Self::InsufficientScope { scope, .. } => scope,
            Self::BadRequest(_)
            | Self::NoToken
            | Self::InvalidToken(_)
            | Self::InvalidProof(_)
            | Self::InsufficientAuthentication { .. }
            | Self::Undecidable(_) => hints.scope,
        };
        if let Self::InsufficientAuthentication { wanted, .. } = self {
            let acr_values = wanted.acr_values.join(" ");
            if is_scope(&acr_values) {
                let _ = write!(challenge, ", acr_values=\"{acr_values}\"");
            }
            if let Some(seconds) = wanted.max_age {
                let _ = write!(challenge, ", max_age=\"{seconds}\"");
            }
        }
        if is_scope(scope) && scope.len() <= MOST_SCOPES {
            let _ = write!(challenge, ", scope=\"{scope}\"");
        }
        if scheme == Scheme::Dpop {
            let algorithms = dpop::algorithms().collect::<Vec<_>>().join(" ");
            let _ = write!(challenge, ", algs=\"{algorithms}\"");
        }
        if let Some(place) = hints.resource_metadata.filter(|place| is_scope(place))
            && !matches!(self, Self::BadRequest(_))
        {
            let _ = write!(challenge, ", resource_metadata=\"{place}\"");
        }
        Some(challenge)
    }

    /// Whether the token was good until its time was over.
    pub fn is_expired(&self) -> bool {
        matches!(self, Self::InvalidToken(TokenFault::Door(jose::Reason::Expired)))
    }

    /// A sentence for the client's developer: constant, without anything that the token says.
    pub fn description(&self) -> &'static str {
        match self {
            Self::BadRequest(Ambiguity::SeveralCredentials) => "The request carries more than one credential",
            Self::BadRequest(Ambiguity::MalformedBearer) => {
                "The Authorization field is not one space and one token after its scheme"
            }
            Self::NoToken => "This resource needs an access token",
            Self::InvalidToken(TokenFault::Door(jose::Reason::Expired)) => "The access token expired",
            Self::InvalidToken(TokenFault::Revoked) => "The access token was revoked",
            Self::InvalidToken(TokenFault::BoundToKey) => "The access token is bound to a key and needs a DPoP proof",
            Self::InvalidToken(TokenFault::NotBound) => {
                "This resource needs an access token that is bound to its owner"
            }
            Self::InvalidToken(TokenFault::WrongCertificate) => {
                "The access token is bound to another client certificate"
            }
            Self::InvalidToken(_) => "The access token is not valid here",
            Self::InvalidProof(ProofFault::Replayed) => "The DPoP proof was used before",
            Self::InvalidProof(ProofFault::TooOld | ProofFault::FromFuture) => {
                "The DPoP proof was not made just now; compare the clocks"
            }
            Self::InvalidProof(ProofFault::WrongNonce) => "The DPoP proof must have the nonce of the DPoP-Nonce field",
            Self::InvalidProof(_) => "The DPoP proof is missing or not for this request",
            Self::InsufficientScope { .. } => "The access token does not permit this request",
            Self::InsufficientAuthentication { wanted, .. } if wanted.acr_values.is_empty() => {
                "A more recent authentication of the user is needed"
            }
            Self::InsufficientAuthentication { .. } => "Another authentication of the user is needed",
            Self::Undecidable(_) => "The request cannot be decided now",
        }
    }
}

/// Whether text may stand between the quotes of a challenge without escapes: for `scope` (RFC 6750 3: `scope-token`s and
/// spaces), and as good for a URL.
fn is_scope(scope: &str) -> bool {
    !scope.is_empty() && scope.bytes().all(|byte| matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 6750 3 and 3.1, F14
    #[test]
    fn challenges_follow_the_table() {
        let no_token = Denial::NoToken;
        assert_eq!(
            (no_token.status(), no_token.challenge(Scheme::Bearer, &Hints::default()).as_deref()),
            (401, Some("Bearer realm=\"faregate\""))
        );

        let expired = Denial::InvalidToken(TokenFault::Door(jose::Reason::Expired));
        assert_eq!((expired.status(), expired.code()), (401, "expired"));
        assert!(
            expired
                .challenge(Scheme::Bearer, &Hints::default())
                .is_some_and(|challenge| challenge.contains("error=\"invalid_token\""))
        );

        let ambiguous = Denial::BadRequest(Ambiguity::SeveralCredentials);
        assert_eq!((ambiguous.status(), ambiguous.error()), (400, Some("invalid_request")));

        // RFC 9449 7.1
        let unproven = Denial::InvalidProof(ProofFault::WrongMethod);
        assert_eq!((unproven.status(), unproven.error()), (401, Some("invalid_dpop_proof")));
        let challenge = unproven.challenge(Scheme::Dpop, &Hints::default()).unwrap();
        assert!(challenge.starts_with("DPoP realm=\"faregate\", error=\"invalid_dpop_proof\""), "{challenge}");
        assert!(challenge.contains(", algs=\"RS256 ") && challenge.ends_with("EdDSA\""), "{challenge}");
        let nothing = no_token.challenge(Scheme::Dpop, &Hints::default()).unwrap();
        assert!(nothing.starts_with("DPoP realm=\"faregate\", algs=\""), "{nothing}");

        let undecidable = Denial::Undecidable(Obstacle::Keys);
        assert_eq!((undecidable.status(), undecidable.challenge(Scheme::Bearer, &Hints::default())), (503, None));
    }

    // RFC 6750 3: a scope cannot end the quoted string
    #[test]
    fn only_legal_scopes_are_named() {
        let denial = |scope: &str| Denial::InsufficientScope { reason: "missing_scope", scope: scope.into() };
        assert!(
            denial("orders:write a")
                .challenge(Scheme::Bearer, &Hints::default())
                .is_some_and(|text| text.ends_with(", scope=\"orders:write a\""))
        );
        for scope in ["", "a\"b", "a\\b", "é"] {
            assert!(
                denial(scope)
                    .challenge(Scheme::Bearer, &Hints::default())
                    .is_some_and(|text| !text.contains("scope=\"a") && !text.contains(", scope=")),
                "{scope}"
            );
        }
    }
    // RFC 6750 3, RFC 9728 5.1
    #[test]
    fn challenges_say_where_to_get_a_token_and_for_what() {
        let place = "https://gate.example/.well-known/oauth-protected-resource/a";
        let hints = Hints { resource_metadata: Some(place), scope: "a b" };
        let said = format!("scope=\"a b\", resource_metadata=\"{place}\"");
        let no_token = format!("Bearer realm=\"faregate\", {said}");
        assert_eq!(Denial::NoToken.challenge(Scheme::Bearer, &hints), Some(no_token));
        let revoked = Denial::InvalidToken(TokenFault::Revoked).challenge(Scheme::Bearer, &hints).unwrap_or_default();
        assert!(revoked.contains("error=\"invalid_token\"") && revoked.ends_with(&said), "{revoked}");
        let lacking = Denial::InsufficientScope { reason: "missing_scope", scope: "c".into() };
        let lacking = lacking.challenge(Scheme::Bearer, &hints).unwrap_or_default();
        assert!(lacking.contains("scope=\"c\", resource_metadata=") && !lacking.contains("a b"), "{lacking}");
        // Nothing ends the quoted string, and no list is longer than a header field should be.
        for (place, scope) in [("https://a\"b", "a\"b"), ("https://\u{e9}", &"a ".repeat(2000))] {
            let hints = Hints { resource_metadata: Some(place), scope };
            assert_eq!(Denial::NoToken.challenge(Scheme::Bearer, &hints).as_deref(), Some("Bearer realm=\"faregate\""));
        }
    }
}
