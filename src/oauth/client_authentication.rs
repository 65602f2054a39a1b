//! Who is this client? Basic and body credentials (RFC 6749 section 2.3.1).
//!
//! Owns finding and proving one set of credentials; it does not know what the client may do.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::error::{ErrorReason, OAuthError};
use super::keys::LocalIssuer;
use super::parameters::{Parameters, decode};
use super::{AuthorizationServer, TokenRequest};
use crate::model::Entity;
use crate::profile::Dialect;
use crate::secret::{Secret, equal};

/// Basic credentials come padded and unpadded.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What the client says about itself, before anybody believed it.
pub(super) struct Credentials<'a> {
    pub client_id: Cow<'a, str>,
    secret: Option<Presented<'a>>,
}

enum Presented<'a> {
    /// From the header: as it stands, and form-decoded, because clients do either (F-082, D14).
    Basic {
        raw: Secret<String>,
        in_body: Option<&'a str>,
    },
    Body(&'a str),
}

impl<'a> Credentials<'a> {
    /// # Errors
    /// `invalid_request` if nobody is named or two are, `invalid_client` if the header is not proper Basic.
    pub(super) fn parse(request: &TokenRequest<'_>, form: &'a Parameters<'a>) -> Result<Self, OAuthError> {
        let (id_in_body, secret_in_body) = (form.find("client_id"), form.find("client_secret"));
        let header = match *request.authorization {
            [] => None,
            [header] => Some(header),
            [_, _, ..] => {
                let description = "There is more than one Authorization header.";
                return Err(OAuthError::invalid_request(ErrorReason::InvalidClientAuthentication, description));
            }
        };
        let Some(header) = header else {
            let client_id = id_in_body.ok_or_else(|| {
                OAuthError::invalid_request(ErrorReason::MissingClientId, "The request has no client_id.")
            })?;
            return Ok(Self { client_id: client_id.into(), secret: secret_in_body.map(Presented::Body) });
        };
        let (raw_id, raw) = parse_basic(header)?;
        let client_id = decoded(&raw_id).into_owned();
        if id_in_body.is_some_and(|other| other != raw_id && other != client_id) {
            let description = "The client_id differs from the one in the Authorization header.";
            return Err(OAuthError::invalid_request(ErrorReason::ClientIdMismatch, description));
        }
        Ok(Self { client_id: client_id.into(), secret: Some(Presented::Basic { raw, in_body: secret_in_body }) })
    }
}

impl Presented<'_> {
    /// D5: two methods in one request, unless the tenant's dialect tolerates twice the same.
    fn check_single(&self, dialect: &Dialect) -> Result<(), OAuthError> {
        match self {
            Self::Body(_) | Self::Basic { in_body: None, .. } => Ok(()),
            Self::Basic { raw, in_body: Some(other) } => {
                let same = equal(raw.expose().as_bytes(), other.as_bytes())
                    | equal(decoded(raw.expose()).as_bytes(), other.as_bytes());
                if dialect.repeated_credentials && same {
                    return Ok(());
                }
                let description = "The client authenticates twice: in the Authorization header and in the body.";
                Err(OAuthError::invalid_request(ErrorReason::InvalidClientAuthentication, description))
            }
        }
    }

    fn proves(&self, entity: &Entity, now: i64) -> bool {
        match self {
            Self::Body(secret) => entity.accepts_secret(secret, now),
            Self::Basic { raw, .. } => match decoded(raw.expose()) {
                Cow::Borrowed(raw) => entity.accepts_secret(raw, now),
                // Both are always tried, so that the time does not tell which one it was.
                Cow::Owned(decoded) => entity.accepts_secret(raw.expose(), now) | entity.accepts_secret(&decoded, now),
            },
        }
    }
}

impl AuthorizationServer {
    /// # Errors
    /// `invalid_client` if the client is unknown, brought no secret or a wrong one; 429 after too many wrong ones.
    pub(super) async fn authenticate_client(
        &self,
        issuer: &LocalIssuer,
        credentials: &Credentials<'_>,
        request: &TokenRequest<'_>,
    ) -> Result<Arc<Entity>, OAuthError> {
        let Some(presented) = &credentials.secret else {
            let description = "The client must authenticate.";
            return Err(OAuthError::invalid_client(ErrorReason::ClientAuthenticationMissing, description));
        };
        presented.check_single(Dialect::of(issuer.tenant.profile))?;
        let client = self.directory.find_client(issuer.tenant.id, &credentials.client_id).await?;
        let now = self.clock.now();
        let proof = || client.as_deref().is_some_and(|entity| presented.proves(entity, now));
        let proven =
            self.guesses.attempt(&credentials.client_id, request.peer, now, proof).map_err(OAuthError::throttled)?;
        client.filter(|_| proven).ok_or_else(|| {
            let description = "The client is unknown or its secret is wrong.";
            OAuthError::invalid_client(ErrorReason::InvalidClientAuthentication, description)
        })
    }
}

/// The two halves of Basic credentials as they stand; the secret may contain colons, the id cannot (RFC 7617).
fn parse_basic(header: &[u8]) -> Result<(String, Secret<String>), OAuthError> {
    let text = std::str::from_utf8(header).unwrap_or_default();
    let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("Basic") {
        let description = "The Authorization header is not Basic.";
        return Err(OAuthError::invalid_client(ErrorReason::InvalidClientAuthenticationScheme, description));
    }
    let pair = BASE64.decode(rest.trim_start_matches(' ')).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match pair.map(Secret::new).as_ref().and_then(|pair| pair.expose().split_once(':')) {
        Some((id, secret)) if !id.is_empty() => Ok((id.to_owned(), Secret::new(secret.to_owned()))),
        Some(_) | None => {
            let description = "The Basic credentials are not base64 of id, colon and secret.";
            Err(OAuthError::invalid_client(ErrorReason::InvalidClientAuthentication, description))
        }
    }
}

/// Form-decoded if that gives text, as it stands otherwise.
fn decoded(text: &str) -> Cow<'_, str> {
    decode(text.as_bytes()).unwrap_or(Cow::Borrowed(text))
}
