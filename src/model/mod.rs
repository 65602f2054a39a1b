//! What is stored, and which transitions are legal. Plain values.
//!
//! Nothing here does I/O. What can be serialized is serialized for the store, as JSON in one column; what a client sees
//! is decided in `web`.
//! Every `_at` is an instant in Unix seconds, every `_for` a length of time in seconds.

mod api_key;
mod application;
mod approval;
mod browser_session;
mod change;
mod client_registration;
mod entity;
mod key;
mod logged_event;
mod named_key;
mod passkey;
mod pushed_request;
mod revocation;
mod session;
mod tenant;
mod user;

pub use api_key::{ApiKey, Endpoints};
pub use application::{Application, ApplicationGrant, ApplicationSettings, ClientAuthenticationPolicy, ConsentMode};
pub use application::{
    CertificateSubject, CustomScope, DeviceGrantLimits, LoginApi, LogoutBehavior, PkcePolicy, ProvidedScope,
    ProvidedScopes, RefreshTokenPolicy,
};
pub use application::{
    RefreshTokenUsage, Relationship, ResponseMode, Role, ScopeHandling, UnknownScopes, UrlValidation,
};
pub use approval::{
    Approval, AuthenticationType, AuthorizationCode, Confirmation, DeviceCode, DeviceState, RefreshToken,
};
pub use browser_session::BrowserSession;
pub use change::{Change, ChangeKind};
pub use client_registration::{ClientRegistration, RegistrationMode, SelfRegistered};
pub use entity::{
    ClientSecret, Data, Entity, EntityGrant, EntityType, Permission, UserGrant, is_client_id, is_permission_name,
};
pub use entity::{is_display_name, is_scope_name};
pub use key::{KeyPurpose, KeySchedule, KeyState, StoredKey, signing_key};
pub use logged_event::{EventKind, LoggedEvent};
pub use named_key::NamedKey;
pub use passkey::{Passkey, PasskeyAlgorithm};
pub use pushed_request::PushedRequest;
pub use revocation::{ForeignMark, Revocation, Revoked};
pub use session::{Session, UntoldLogout};
pub use tenant::{Api, ExpiresIn, Profile, Tenant, TenantSettings, Theme, UserCodeShape};
pub use user::{Consent, Obstacle, PasswordChange, Registration, User, UserProfile};
