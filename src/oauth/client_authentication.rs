//! Who is this client? Basic and body credentials (RFC 6749 section 2.3.1), signed assertions (RFC 7523), or nothing but
//! a name where the client's policy allows that (F-004 to F-007).
//!
//! Owns finding and proving one set of credentials; it does not know what the client may do.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::client::Client;
use super::client_assertion::{self, Assertion};
use super::error::{ErrorCode, ErrorReason, OAuthError};
use super::keys::LocalIssuer;
use super::parameters::Parameters;
use super::{AuthorizationServer, Settings, TokenRequest, possession};
use crate::model::{Application, ClientAuthenticationPolicy, ClientSecret};
use crate::percent;
use crate::profile::Dialect;
use crate::secret::{Secret, equal};

/// Basic credentials come padded and unpadded.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How clients can prove who they are (OpenID Connect Core 9). Metadata lists them from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthenticationMethod {
    ClientSecretBasic,
    ClientSecretJwt,
    ClientSecretPost,
    None,
    PrivateKeyJwt,
    /// With a certificate of its own on the connection (RFC 8705 2.2).
    SelfSignedCertificate,
    /// With one that an authority vouches for (RFC 8705 2.1).
    VouchedCertificate,
}

impl AuthenticationMethod {
    pub const ALL: [Self; 7] = [
        Self::ClientSecretBasic,
        Self::ClientSecretJwt,
        Self::ClientSecretPost,
        Self::None,
        Self::PrivateKeyJwt,
        Self::SelfSignedCertificate,
        Self::VouchedCertificate,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretJwt => "client_secret_jwt",
            Self::ClientSecretPost => "client_secret_post",
            Self::None => "none",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::SelfSignedCertificate => "self_signed_tls_client_auth",
            Self::VouchedCertificate => "tls_client_auth",
        }
    }

    /// Whether a client can do so here.
    pub fn is_possible(self, settings: &Settings) -> bool {
        match self {
            Self::SelfSignedCertificate => settings.knows_certificates,
            Self::VouchedCertificate => settings.knows_vouched_certificates,
            Self::ClientSecretBasic
            | Self::ClientSecretJwt
            | Self::ClientSecretPost
            | Self::None
            | Self::PrivateKeyJwt => true,
        }
    }
}

/// What the client says about itself, before anybody believed it.
pub(super) struct Credentials<'a> {
    pub client_id: Cow<'a, str>,
    presented: Presented<'a>,
}

enum Presented<'a> {
    Nothing,
    /// From the header: as it stands, and form-decoded, because clients do either (F-082, D14).
    Basic {
        raw: Secret<String>,
        in_body: Option<&'a str>,
    },
    Body(&'a str),
    Assertion(Assertion<'a>),
}

/// A client that named itself, and proved what it tried to prove. The way on is [`Identified::require`] or
/// [`Identified::require_unless_public`].
#[derive(Debug)]
pub(super) struct Identified {
    client: Client,
    method: AuthenticationMethod,
}

/// A client that authenticated as well as its policy wants.
#[derive(Clone, Debug)]
pub(super) struct Authenticated {
    pub client: Client,
    pub method: AuthenticationMethod,
}

impl Authenticated {
    /// Whether it is more than a name that anybody could say.
    pub(super) fn is_proven(&self) -> bool {
        self.method != AuthenticationMethod::None
    }
}

impl Identified {
    /// For the token endpoint. `uses_pkce` says whether a code verifier is presented, which must then be right (F-006).
    ///
    /// # Errors
    /// `invalid_client` if the client must authenticate and did not.
    pub(super) fn require(self, uses_pkce: bool) -> Result<Authenticated, OAuthError> {
        self.unless(|policy| match policy {
            ClientAuthenticationPolicy::Required => false,
            ClientAuthenticationPolicy::NotRequired => true,
            ClientAuthenticationPolicy::NotRequiredWhenUsingPkce => uses_pkce,
        })
    }

    /// For the other endpoints (D7): a client that has nothing to authenticate with may say its name, if it gets tokens
    /// in that way.
    ///
    /// # Errors
    /// As [`Identified::require`].
    pub(super) fn require_unless_public(self) -> Result<Authenticated, OAuthError> {
        let is_public = match &self.client {
            Client::Entity(_) => false,
            Client::Application(application) => application.is_public(),
        };
        self.unless(|policy| match policy {
            ClientAuthenticationPolicy::Required => false,
            ClientAuthenticationPolicy::NotRequired => true,
            ClientAuthenticationPolicy::NotRequiredWhenUsingPkce => is_public,
        })
    }

    /// For endpoints where a name is never enough.
    ///
    /// # Errors
    /// As [`Identified::require`].
    pub(super) fn require_proof(self) -> Result<Authenticated, OAuthError> {
        self.unless(|_| false)
    }

    fn unless(self, excused: impl FnOnce(ClientAuthenticationPolicy) -> bool) -> Result<Authenticated, OAuthError> {
        let Self { client, method } = self;
        let excused = match &client {
            Client::Entity(_) => false,
            Client::Application(application) => excused(application.settings.client_authentication),
        };
        if method == AuthenticationMethod::None && !excused {
            return Err(missing());
        }
        Ok(Authenticated { client, method })
    }
}

impl<'a> Credentials<'a> {
    /// The secret of Basic credentials, as it stands.
    pub(super) fn basic_secret(&self) -> Option<&str> {
        match &self.presented {
            Presented::Basic { raw, in_body: None } => Some(raw.expose()),
            Presented::Basic { .. } | Presented::Nothing | Presented::Body(_) | Presented::Assertion(_) => None,
        }
    }

    /// Whether there is nothing but a name.
    pub(super) fn is_bare(&self) -> bool {
        matches!(self.presented, Presented::Nothing)
    }

    /// # Errors
    /// `invalid_request` if nobody is named or two are, or if there are several proofs; `invalid_client` if the header is
    /// not proper Basic.
    pub(super) fn parse(request: &TokenRequest<'_>, form: &'a Parameters<'a>) -> Result<Self, OAuthError> {
        Self::find(request, form)?
            .ok_or_else(|| OAuthError::invalid_request(ErrorReason::MissingClientId, "The request has no client_id."))
    }

    /// `None` if the request names no client at all.
    ///
    /// # Errors
    /// As [`Credentials::parse`].
    pub(super) fn find(request: &TokenRequest<'_>, form: &'a Parameters<'a>) -> Result<Option<Self>, OAuthError> {
        let (id_in_body, secret_in_body) = (form.find("client_id"), form.find("client_secret"));
        let assertion = Assertion::find(form)?;
        let header = match *request.authorization {
            [] => None,
            [header] => Some(header),
            [_, _, ..] => {
                let description = "There is more than one Authorization header.";
                return Err(OAuthError::invalid_request(ErrorReason::InvalidClientAuthentication, description));
            }
        };
        match (header, assertion) {
            (None, None) => {
                let presented = secret_in_body.map_or(Presented::Nothing, Presented::Body);
                Ok(id_in_body.map(|client_id| Self { client_id: client_id.into(), presented }))
            }
            (None, Some(_)) if secret_in_body.is_some() => Err(twice()),
            (None, Some(assertion)) => {
                // RFC 7521 4.2: the assertion names the client; client_id may repeat it.
                let client_id = assertion.subject.clone();
                if id_in_body.is_some_and(|other| other != client_id) {
                    return Err(mismatch());
                }
                Ok(Some(Self { client_id: client_id.into(), presented: Presented::Assertion(assertion) }))
            }
            (Some(_), Some(_)) => Err(twice()),
            (Some(header), None) => {
                let (raw_id, raw) = parse_basic(header)?;
                let client_id = decoded(&raw_id).into_owned();
                if id_in_body.is_some_and(|other| other != raw_id && other != client_id) {
                    return Err(mismatch());
                }
                let presented = Presented::Basic { raw, in_body: secret_in_body };
                Ok(Some(Self { client_id: client_id.into(), presented }))
            }
        }
    }
}

impl Presented<'_> {
    /// The same for clients that do not exist, so that nobody learns which do.
    fn refusal(&self) -> OAuthError {
        match self {
            Self::Assertion(_) => wrong_assertion(),
            Self::Nothing | Self::Basic { .. } | Self::Body(_) => wrong(),
        }
    }

    /// D5: two methods in one request, unless the tenant's dialect tolerates twice the same.
    fn check_single(&self, dialect: &Dialect) -> Result<(), OAuthError> {
        match self {
            Self::Nothing | Self::Body(_) | Self::Assertion(_) | Self::Basic { in_body: None, .. } => Ok(()),
            Self::Basic { raw, in_body: Some(other) } => {
                let same = equal(raw.expose().as_bytes(), other.as_bytes())
                    | equal(decoded(raw.expose()).as_bytes(), other.as_bytes());
                if dialect.repeated_credentials && same { Ok(()) } else { Err(twice()) }
            }
        }
    }
}

impl AuthorizationServer {
    /// The client that the request names. A proof that is there must be right, needed or not (F-005).
    ///
    /// # Errors
    /// `invalid_client` if the client is unknown or its proof is wrong; 429 after too many wrong ones.
    pub(super) async fn identify_client(
        &self,
        issuer: &LocalIssuer,
        credentials: &Credentials<'_>,
        request: &TokenRequest<'_>,
    ) -> Result<Identified, OAuthError> {
        credentials.presented.check_single(Dialect::of(issuer.tenant.profile))?;
        let client = self.find_client(issuer.tenant.id, &credentials.client_id).await?;
        if let Presented::Nothing = credentials.presented {
            // Nobody learns whether a client exists that has to authenticate anyway.
            return match client {
                Some(client @ Client::Application(_)) => {
                    let method = if possession::shows_own_certificate(&client, &request.sender) {
                        AuthenticationMethod::SelfSignedCertificate
                    } else if possession::shows_vouched_certificate(&client, &request.sender) {
                        AuthenticationMethod::VouchedCertificate
                    } else {
                        AuthenticationMethod::None
                    };
                    Ok(Identified { client, method })
                }
                Some(Client::Entity(_)) | None => Err(missing()),
            };
        }
        let now = self.clock.now();
        let mut verified = None;
        let proof = || match &client {
            Some(client) => {
                verified = self.prove(issuer, client, &credentials.presented);
                verified.is_some()
            }
            None => false,
        };
        let proven =
            self.guesses.attempt(&credentials.client_id, request.peer, now, proof).map_err(OAuthError::throttled)?;
        let (Some(client), Some(proof), true) = (client, verified, proven) else {
            return Err(credentials.presented.refusal());
        };
        if let Some(once) = &proof.once {
            client_assertion::spend(&*self.store, once, now).await?.then_some(()).ok_or_else(wrong_assertion)?;
        }
        Ok(Identified { client, method: proof.method })
    }

    fn prove(&self, issuer: &LocalIssuer, client: &Client, presented: &Presented<'_>) -> Option<Proof> {
        let now = self.clock.now();
        let accepts = |secret: &str| match client {
            Client::Entity(entity) => entity.accepts_secret(secret, now),
            Client::Application(application) => application.accepts_secret(secret, now),
        };
        let secret = |accepted: bool, method| accepted.then_some(Proof { method, once: None });
        match presented {
            Presented::Nothing => None,
            Presented::Body(text) => secret(accepts(text), AuthenticationMethod::ClientSecretPost),
            Presented::Basic { raw, .. } => {
                let accepted = match decoded(raw.expose()) {
                    Cow::Borrowed(raw) => accepts(raw),
                    // Both are always tried, so that the time does not tell which one it was.
                    Cow::Owned(decoded) => accepts(raw.expose()) | accepts(&decoded),
                };
                secret(accepted, AuthenticationMethod::ClientSecretBasic)
            }
            Presented::Assertion(assertion) => {
                let (secrets, jwks): (&[ClientSecret], _) = match client {
                    Client::Entity(entity) => (&entity.client_secrets, None),
                    Client::Application(application) => {
                        (&application.client_secrets, application.settings.jwks.as_deref())
                    }
                };
                let open = |secret: &ClientSecret| self.open_client_secret(secret, now);
                let keys = client_assertion::Keys { jwks, secrets: secrets.iter().filter_map(open).collect() };
                assertion.verify(issuer, &keys, now)
            }
        }
    }
}

impl AuthorizationServer {
    /// The tenant and the application that a request to another endpoint than the token endpoint is from (D7).
    ///
    /// # Errors
    /// As [`AuthorizationServer::identify_client`]; `unauthorized_client` if the client is an entity.
    pub(super) async fn authenticate_application(
        &self,
        request: &TokenRequest<'_>,
        form: &Parameters<'_>,
    ) -> Result<(Arc<LocalIssuer>, Arc<Application>), OAuthError> {
        let credentials = Credentials::parse(request, form)?;
        let issuer = self.resolve_tenant(request, form, Some(&credentials.client_id)).await?;
        let application = self.authenticate_application_of(&issuer, &credentials, request).await?;
        Ok((issuer, application))
    }

    /// The same when the tenant is known.
    ///
    /// # Errors
    /// As [`AuthorizationServer::authenticate_application`].
    pub(super) async fn authenticate_application_of(
        &self,
        issuer: &LocalIssuer,
        credentials: &Credentials<'_>,
        request: &TokenRequest<'_>,
    ) -> Result<Arc<Application>, OAuthError> {
        match self.identify_client(issuer, credentials, request).await?.require_unless_public()?.client {
            Client::Application(application) => Ok(application),
            Client::Entity(_) => {
                let description = "Entities may use the client credentials grant only.";
                Err(OAuthError::new(ErrorCode::UnauthorizedClient, ErrorReason::GrantTypeDisabled, description))
            }
        }
    }

    /// The application of the tenant that says its name and no more.
    ///
    /// # Errors
    /// `invalid_client` if there is none.
    pub(super) async fn named_application(
        &self,
        issuer: &LocalIssuer,
        client_id: &str,
    ) -> Result<Arc<Application>, OAuthError> {
        match self.find_client(issuer.tenant.id, client_id).await? {
            Some(Client::Application(application)) => Ok(application),
            Some(Client::Entity(_)) | None => Err(missing()),
        }
    }

    /// The tenant and the application that a request names, for endpoints where it proves nothing.
    ///
    /// # Errors
    /// `invalid_request` if there is no such application.
    pub(super) async fn find_application(
        &self,
        request: &TokenRequest<'_>,
        form: &Parameters<'_>,
    ) -> Result<(Arc<LocalIssuer>, Arc<Application>), OAuthError> {
        let client_id = form.find("client_id").ok_or_else(|| {
            OAuthError::invalid_request(ErrorReason::MissingClientId, "The request has no client_id.")
        })?;
        let issuer = self.resolve_tenant(request, form, Some(client_id)).await?;
        match self.find_client(issuer.tenant.id, client_id).await? {
            Some(Client::Application(application)) => Ok((issuer, application)),
            Some(Client::Entity(_)) | None => {
                Err(OAuthError::invalid_request(ErrorReason::InvalidClientId, "There is no such client."))
            }
        }
    }

    /// A live secret in clear, if it was kept so: `client_secret_jwt` needs it.
    fn open_client_secret(&self, secret: &ClientSecret, now: i64) -> Option<Secret<String>> {
        if secret.is_live(now) { self.directory.open_client_secret(secret) } else { None }
    }
}

/// A proof that was right, and what must not have been seen before.
pub(super) struct Proof {
    pub method: AuthenticationMethod,
    pub once: Option<client_assertion::Once>,
}

fn missing() -> OAuthError {
    OAuthError::invalid_client(ErrorReason::ClientAuthenticationMissing, "The client must authenticate.")
}

fn wrong() -> OAuthError {
    let description = "The client is unknown or its authentication is wrong.";
    OAuthError::invalid_client(ErrorReason::InvalidClientAuthentication, description)
}

/// Entities have secrets of which we keep the hash, and no keys (F-180, F-182): they cannot sign.
fn wrong_assertion() -> OAuthError {
    let description = "The client is unknown, or its assertion is wrong. Entities authenticate with their secret only.";
    OAuthError::invalid_client(ErrorReason::InvalidClientAuthentication, description)
}

fn twice() -> OAuthError {
    let description = "The client authenticates in more than one way at once.";
    OAuthError::invalid_request(ErrorReason::InvalidClientAuthentication, description)
}

fn mismatch() -> OAuthError {
    let description = "The client_id differs from the one that the client authenticates as.";
    OAuthError::invalid_request(ErrorReason::ClientIdMismatch, description)
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
    percent::form_decoded(text.as_bytes()).unwrap_or(Cow::Borrowed(text))
}
