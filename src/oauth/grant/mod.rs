//! The token endpoint. The steps that every grant shares are here, so that no grant can forget one.
//!
//! Owns their order; what is special about a grant is in its file.

mod client_credentials;

use super::client_authentication::Credentials;
use super::error::{ErrorCode, ErrorReason, OAuthError};
use super::issue::{Proof, TokenResponse};
use super::parameters::Parameters;
use super::{AuthorizationServer, TokenRequest};

/// The grant types that exist. Metadata lists them from here, so that it cannot lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GrantType {
    AuthorizationCode,
    ClientCredentials,
    DeviceCode,
    Password,
    RefreshToken,
}

impl GrantType {
    pub const ALL: [Self; 5] =
        [Self::AuthorizationCode, Self::ClientCredentials, Self::DeviceCode, Self::Password, Self::RefreshToken];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::ClientCredentials => "client_credentials",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            Self::Password => "password",
            Self::RefreshToken => "refresh_token",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant_type| grant_type.as_str() == name)
    }
}

/// A grant request whose own parameters have been read.
enum Request<'a> {
    ClientCredentials(client_credentials::Request<'a>),
}

impl<'a> Request<'a> {
    fn parse(form: &'a Parameters<'a>) -> Result<Self, OAuthError> {
        let name = form.find("grant_type").ok_or_else(|| {
            OAuthError::invalid_request(ErrorReason::MissingGrantType, "The request has no grant_type.")
        })?;
        match GrantType::parse(name) {
            Some(GrantType::ClientCredentials) => client_credentials::Request::parse(form).map(Self::ClientCredentials),
            Some(
                GrantType::AuthorizationCode | GrantType::DeviceCode | GrantType::Password | GrantType::RefreshToken,
            )
            | None => Err(OAuthError::new(
                ErrorCode::UnsupportedGrantType,
                ErrorReason::InvalidGrantType,
                "This grant_type is not supported.",
            )),
        }
    }
}

impl AuthorizationServer {
    /// RFC 6749 section 3.2.
    ///
    /// # Errors
    /// The [`OAuthError`] that the client is to be told.
    pub async fn token(&self, request: &TokenRequest<'_>) -> Result<TokenResponse, OAuthError> {
        let form = Parameters::parse(request.body)?;
        // 1. Who is asking?
        let credentials = Credentials::parse(request, &form)?;
        let issuer = self.resolve_tenant(request, &form, &credentials).await?;
        let client = self.authenticate_client(&issuer, &credentials, request).await?;
        // 2. What for?
        let grant = Request::parse(&form)?;
        // 3. May this client use the grant? An entity has one grant only; see 4.
        // 4. What does the grant entitle to?
        let entitlement = match grant {
            Request::ClientCredentials(grant) => self.redeem_client_credentials(&client, grant).await?,
        };
        // 5. The token.
        self.issue(&issuer, &Proof::Entity(entitlement))
    }
}
