//! What a user let a client have, and the things that stand for it until a token is asked for: codes, refresh tokens,
//! device codes. It does not know how a token says it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// What a user let an application have, and how we knew the user. Codes, refresh tokens and device codes carry it;
/// tokens are made from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// The grant: everything that comes from this approval is one family and is revoked together.
    pub grant_id: Uuid,
    pub tenant_id: Uuid,
    pub application_id: Uuid,
    pub user_id: Uuid,
    /// The browser's session, if there was a browser.
    pub session_id: Option<Uuid>,
    /// Every scope that was approved, in the order asked for.
    pub scopes: Vec<String>,
    /// The API that the access tokens are for; the client itself if none was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// When the user proved who they are (`auth_time`).
    pub authenticated_at: i64,
    /// How (`amr`, RFC 8176): `pwd`, `otp`, `mfa`.
    pub methods: Vec<String>,
    pub acr: Option<String>,
    /// Of the authorization request; repeated in the first ID token only.
    pub nonce: Option<String>,
    /// The `claims` parameter (OpenID Connect Core 5.5).
    pub claims: Option<Value>,
    pub authentication_type: AuthenticationType,
    /// What the client has to prove that it has whenever it uses this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_to: Option<Confirmation>,
}

/// What a client proved that it has: `cnf` of the tokens that are bound to it (RFC 7800).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The thumbprint of a key (RFC 9449 6.1).
    #[serde(rename = "jkt", default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// SHA-256 of a certificate, in base64url (RFC 8705 3.1).
    #[serde(rename = "x5t#S256", default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

impl Confirmation {
    /// Whether everything that `bound_to` names was shown.
    pub fn covers(&self, bound_to: &Self) -> bool {
        let same = |bound: &Option<String>, shown: &Option<String>| bound.is_none() || bound == shown;
        same(&bound_to.key, &self.key) && same(&bound_to.certificate, &self.certificate)
    }
}

impl Approval {
    /// Whether there is no user: the application itself is the subject.
    pub fn is_own(&self) -> bool {
        self.authentication_type == AuthenticationType::ClientCredentials
    }

    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|approved| approved == scope)
    }
}

super::application::named! {
    /// FusionAuth's `authenticationType` (F-142).
    AuthenticationType {
        Password = "PASSWORD",
        /// The second factor was asked for too; the type stays.
        RefreshToken = "REFRESH_TOKEN",
        /// A session that was there already.
        SingleSignOn = "JWT_SSO",
        /// Nobody: the application acts for itself, and `user_id` is its own id (D27).
        ClientCredentials = "CLIENT_CREDENTIALS",
    }
}

/// An authorization code (RFC 6749 4.1.2) as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct AuthorizationCode {
    /// SHA-256 of the code (B12).
    pub hash: String,
    pub approval: Approval,
    /// As it was sent; must be sent again when it was (RFC 6749 4.1.3).
    pub redirect_uri: Option<String>,
    /// The S256 challenge (RFC 7636).
    pub code_challenge: Option<String>,
    /// The device code that this login approves when the code is redeemed (F-163).
    pub device_code_id: Option<Uuid>,
    pub created_at: i64,
    pub expires_at: i64,
    pub redeemed_at: Option<i64>,
}

/// A refresh token as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct RefreshToken {
    /// What administrators and clients call it (`refresh_token_id`); never a secret.
    pub id: Uuid,
    /// SHA-256 of the token.
    pub hash: String,
    pub approval: Approval,
    pub created_at: i64,
    pub last_used_at: i64,
    /// First instant at which nothing of the family is accepted any more (C8).
    pub expires_at: i64,
    /// First instant at which it has been unused for too long (C7).
    pub idle_expires_at: i64,
    /// When its successor was made; `None` while it is the newest of its family.
    pub rotated_at: Option<i64>,
    pub revoked_at: Option<i64>,
    /// `metaData.device.name`, for the person who looks through their grants (F-049).
    pub device_name: Option<String>,
}

impl RefreshToken {
    pub fn is_live(&self, now: i64) -> bool {
        self.revoked_at.is_none() && now < self.expires_at && now < self.idle_expires_at
    }
}

/// A device code with its user code (RFC 8628) as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceCode {
    pub id: Uuid,
    /// SHA-256 of the device code (J4).
    pub hash: String,
    /// SHA-256 of the user code in its normal form: upper case, no dashes, no spaces.
    pub user_code_hash: String,
    pub tenant_id: Uuid,
    pub application_id: Uuid,
    pub scopes: Vec<String>,
    /// The API that was asked for.
    pub audience: Option<String>,
    pub state: DeviceState,
    /// Seconds that the client must wait between two polls; grows when it does not (J6).
    pub interval: i64,
    pub last_polled_at: Option<i64>,
    /// Where the device was when it asked, for the person who is asked (J8).
    pub peer: Option<String>,
    pub device_name: Option<String>,
    pub created_at: i64,
    pub expires_at: i64,
}

/// How far a device code has come. Each step is made once.
#[derive(Clone, Debug, PartialEq)]
pub enum DeviceState {
    Pending,
    Approved(Box<Approval>),
    Denied,
    Redeemed { grant_id: Uuid },
}

impl DeviceState {
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved(_) => "approved",
            Self::Denied => "denied",
            Self::Redeemed { .. } => "redeemed",
        }
    }
}
