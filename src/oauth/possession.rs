//! What a client proves that it has when it asks for a token, or uses one here: a key (RFC 9449), a certificate (RFC 8705).
//!
//! Owns who has to prove what, and that a proof counts once. What a proof must say is `jose::dpop`'s business.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use super::access_tokens::Believed;
use super::client::Client;
use super::error::{ErrorCode, ErrorReason, OAuthError};
use super::keys::LocalIssuer;
use super::{AuthorizationServer, TokenRequest};
use crate::directory::certificate_name;
use crate::jose::dpop::{self, BoundToken, Expected, HttpUri, Proof, ProofFault};
use crate::model::{Application, Confirmation};
use crate::peer::network;
use crate::profile::Endpoint;
use crate::secret::equal;
use crate::store::Lease;

/// `token_type` of what needs a proof whenever it is used (RFC 9449 5).
pub(super) const DPOP: &str = "DPoP";

/// Under this the store remembers proofs; the gate does so, too.
const KIND: &str = "dpop";

/// Who sends a request, as far as a token can be bound to them.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// The method of the request, as proofs name it.
    pub method: &'a str,
    /// Every `DPoP` field.
    pub proofs: &'a [&'a [u8]],
    /// SHA-256 of the client's certificate, in base64url.
    pub certificate: Option<&'a str>,
    /// The same certificate in DER, if an authority that the operator trusts signed it.
    pub vouched: Option<&'a [u8]>,
}

impl Default for Sender<'_> {
    /// Somebody who proves nothing.
    fn default() -> Self {
        Self { method: "POST", proofs: &[], certificate: None, vouched: None }
    }
}

/// What a client has to prove that it has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Demands {
    key: bool,
    certificate: bool,
    /// Whether proofs need a nonce of ours.
    pub nonce: bool,
}

impl Demands {
    pub(super) fn of(client: &Client) -> Self {
        match client {
            Client::Application(application) => Self::of_application(application),
            Client::Entity(_) => Self::default(),
        }
    }

    pub(super) fn of_application(application: &Application) -> Self {
        let settings = &application.settings;
        Self {
            key: settings.dpop_bound_access_tokens,
            certificate: settings.certificate_bound_access_tokens,
            nonce: settings.dpop_nonce,
        }
    }

    /// # Errors
    /// `invalid_dpop_proof` without a key that has to be there (RFC 9449 5.2), `invalid_request` without a certificate.
    pub(super) fn check(self, shown: Option<&Confirmation>) -> Result<(), OAuthError> {
        let has = |member: fn(&Confirmation) -> &Option<String>| shown.is_some_and(|shown| member(shown).is_some());
        if self.key && !has(|shown| &shown.key) {
            return Err(invalid_proof("This client gets tokens with a DPoP proof only."));
        }
        if self.certificate && !has(|shown| &shown.certificate) {
            let description = "This client gets tokens over connections with its certificate only.";
            return Err(OAuthError::invalid_request(ErrorReason::ClientAuthenticationMissing, description));
        }
        Ok(())
    }
}

impl AuthorizationServer {
    /// What the sender of a request for tokens proves that it has; `None` if that is nothing, and nothing is asked of it.
    ///
    /// # Errors
    /// `invalid_dpop_proof`, `use_dpop_nonce`; `temporarily_unavailable` while nobody can say whether a proof is new.
    pub(super) async fn confirm(
        &self,
        issuer: &LocalIssuer,
        endpoint: Endpoint,
        (sender, demands): (&Sender<'_>, Demands),
    ) -> Result<Option<Confirmation>, OAuthError> {
        let key = self.shown_key(issuer, endpoint, (sender, demands)).await?;
        let certificate = sender.certificate.filter(|_| demands.certificate).map(str::to_owned);
        let shown = Some(Confirmation { key, certificate }).filter(|shown| *shown != Confirmation::default());
        demands.check(shown.as_ref())?;
        Ok(shown)
    }

    /// Each proof is remembered, and anybody can make some for a client that proves nothing else (N7).
    ///
    /// # Errors
    /// 429 for more of them than anybody needs.
    pub(super) fn check_proofs_of(
        &self,
        application: &Application,
        request: &TokenRequest<'_>,
    ) -> Result<(), OAuthError> {
        if request.sender.proofs.is_empty() {
            return Ok(());
        }
        let source = (application.id, request.peer.map(network));
        self.device_limits.proof(source, self.clock.now()).map_err(OAuthError::throttled)
    }

    /// The thumbprint of the key that the sender proves that it has, if it does; nothing is asked of it.
    ///
    /// # Errors
    /// As [`AuthorizationServer::confirm`], for a proof that is there.
    pub(super) async fn shown_key(
        &self,
        issuer: &LocalIssuer,
        endpoint: Endpoint,
        (sender, demands): (&Sender<'_>, Demands),
    ) -> Result<Option<String>, OAuthError> {
        if sender.proofs.is_empty() {
            return Ok(None);
        }
        let proof = self.verify_proof(issuer, endpoint, (sender, demands), None);
        let proof = proof.map_err(|fault| self.refusal(fault))?;
        self.spend_proof(&proof).await?;
        Ok(Some(proof.thumbprint.to_string()))
    }

    /// Whether an access token of ours comes from whom it is bound to (RFC 9449 7.1, RFC 8705 3). `is_dpop` says as what it was
    /// presented.
    ///
    /// # Errors
    /// `invalid_token` if not, `invalid_dpop_proof` if the proof is not right; `temporarily_unavailable` as above.
    pub(super) async fn check_holder(
        &self,
        issuer: &LocalIssuer,
        endpoint: Endpoint,
        sender: &Sender<'_>,
        (believed, text, is_dpop): (&Believed, &str, bool),
    ) -> Result<(), OAuthError> {
        let bound_to = believed.bound_to();
        let key = bound_to.as_ref().and_then(|bound_to| bound_to.key.as_deref());
        if is_dpop != key.is_some() {
            return Err(OAuthError::invalid_token(ErrorReason::AccessTokenInvalid, OTHER_SCHEME));
        }
        let Some(bound_to) = &bound_to else { return Ok(()) };
        if *bound_to == Confirmation::default() {
            return Err(super::access_tokens::invalid());
        }
        if bound_to.certificate.is_some() && bound_to.certificate.as_deref() != sender.certificate {
            let description = "The access token is bound to another client certificate.";
            return Err(OAuthError::invalid_token(ErrorReason::AccessTokenInvalid, description));
        }
        if let Some(thumbprint) = key {
            let token = Some(BoundToken { text: text.as_bytes(), thumbprint });
            let proof = self.verify_proof(issuer, endpoint, (sender, Demands::default()), token);
            let proof = proof.map_err(|fault| match fault {
                ProofFault::WrongKey => other_key_of_token(),
                fault => self.refusal(fault),
            })?;
            self.spend_proof(&proof).await?;
        }
        Ok(())
    }

    fn verify_proof(
        &self,
        issuer: &LocalIssuer,
        endpoint: Endpoint,
        (sender, demands): (&Sender<'_>, Demands),
        token: Option<BoundToken<'_>>,
    ) -> Result<Proof, ProofFault> {
        let proof = dpop::only(sender.proofs.iter().copied())?;
        let urls = self.urls_of(issuer, endpoint);
        let is_target = |named: &HttpUri<'_>| urls.iter().any(|url| HttpUri::parse(url).as_ref() == Some(named));
        let nonces = demands.nonce.then_some(&self.dpop_nonces);
        let expected = Expected { method: sender.method, is_target: &is_target, token, nonces, now: self.clock.now() };
        dpop::verify(proof, &expected)
    }

    /// Under which names the endpoint may be called: whoever finds it in one way may not know the others (rule H4).
    fn urls_of(&self, issuer: &LocalIssuer, endpoint: Endpoint) -> Vec<String> {
        let (public, base) = (&self.keys.settings().public_url, &issuer.base_url);
        let (shared, own) = (endpoint.shared(), issuer.dialect().path(endpoint));
        let mut urls = vec![
            format!("{base}{own}"),
            format!("{public}{own}"),
            format!("{base}{}", shared.alone),
            format!("{public}{}", shared.alone),
            format!("{public}{}", shared.of_tenant.replace("{tenant}", &issuer.tenant.id.to_string())),
        ];
        let aliases: Vec<_> = urls.iter().filter_map(|url| self.keys.settings().with_certificate(url)).collect();
        urls.extend(aliases);
        urls
    }

    /// Rule H3.
    async fn spend_proof(&self, proof: &Proof) -> Result<(), OAuthError> {
        let lease = Lease { now: self.clock.now(), expires_at: proof.expires_at };
        let is_first = self.store.remember_once(KIND, &proof.id, lease).await?;
        if is_first { Ok(()) } else { Err(self.refusal(ProofFault::Replayed)) }
    }

    /// What the next proof has to say, where that is asked for.
    pub(super) fn dpop_nonce(&self) -> String {
        self.dpop_nonces.current(self.clock.now())
    }

    fn refusal(&self, fault: ProofFault) -> OAuthError {
        match fault {
            ProofFault::WrongNonce => {
                let description = "The DPoP proof must have the nonce of the DPoP-Nonce field.";
                let error = OAuthError::without_reason(ErrorCode::UseDpopNonce, description);
                OAuthError { dpop_nonce: Some(self.dpop_nonce().into()), ..error }
            }
            ProofFault::Missing => invalid_proof("The access token is bound to a key: the DPoP proof is missing."),
            ProofFault::Replayed => invalid_proof("The DPoP proof was used before."),
            ProofFault::TooOld | ProofFault::FromFuture => {
                invalid_proof("The DPoP proof was not made just now: compare the clocks.")
            }
            ProofFault::WrongMethod | ProofFault::WrongTarget => {
                invalid_proof("The DPoP proof is for another method or URL.")
            }
            ProofFault::Repeated
            | ProofFault::Malformed
            | ProofFault::MissingClaim
            | ProofFault::WrongType
            | ProofFault::UnsupportedAlgorithm
            | ProofFault::BadKey
            | ProofFault::PrivateKey
            | ProofFault::BadSignature
            | ProofFault::WrongToken
            | ProofFault::WrongKey => invalid_proof("The DPoP proof is not right."),
        }
    }
}

impl Believed {
    /// `cnf`, if the token is bound to anything; empty if nobody here knows to what.
    pub(super) fn bound_to(&self) -> Option<Confirmation> {
        let confirmation = self.claims.get("cnf").filter(|confirmation| !confirmation.is_null())?;
        let text = |name: &str| confirmation.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Confirmation { key: text("jkt"), certificate: text("x5t#S256") })
    }
}

const OTHER_SCHEME: &str = "A token that is bound to a key is sent as DPoP, and no other one is.";

fn invalid_proof(description: &'static str) -> OAuthError {
    OAuthError::without_reason(ErrorCode::InvalidDpopProof, description)
}

/// RFC 9449 10.1
pub(super) fn other_key_than_named() -> OAuthError {
    invalid_proof("The dpop_jkt is not the thumbprint of the key that made the DPoP proof.")
}

fn other_key_of_token() -> OAuthError {
    let description = "The access token is bound to another key.";
    OAuthError::invalid_token(ErrorReason::AccessTokenInvalid, description)
}

/// Whether the sender shows a certificate that the client registered in its key set (RFC 8705 2.2). TLS has made sure that
/// whoever shows it has its key.
pub(super) fn shows_own_certificate(client: &Client, sender: &Sender<'_>) -> bool {
    let (Client::Application(application), Some(shown)) = (client, sender.certificate) else { return false };
    let key_set = application.settings.jwks.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let keys = key_set.as_ref().and_then(|set| set.get("keys")).and_then(Value::as_array);
    keys.into_iter().flatten().filter_map(own_thumbprint).any(|own| equal(own.as_bytes(), shown.as_bytes()))
}

/// Whether the sender shows a certificate that says what the client registered, and that an authority vouches for
/// (RFC 8705 2.1).
pub(super) fn shows_vouched_certificate(client: &Client, sender: &Sender<'_>) -> bool {
    let (Client::Application(application), Some(der)) = (client, sender.vouched) else { return false };
    let subject = application.settings.certificate_subject.as_ref();
    subject.is_some_and(|subject| certificate_name(subject).is_in(der))
}

/// Of the first certificate of `x5c`, which is the key's own (RFC 7517 4.7).
fn own_thumbprint(key: &Value) -> Option<String> {
    let certificate = key.get("x5c")?.get(0)?.as_str()?;
    let der = STANDARD.decode(certificate).ok()?;
    Some(URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &der)))
}

/// H5, H6
pub(super) fn other_key() -> OAuthError {
    let description = "This is bound to a key or certificate, and the request does not prove that the client has it.";
    OAuthError::without_reason(ErrorCode::InvalidGrant, description)
}
