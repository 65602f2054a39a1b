//! Applications: the clients that people log in to. It does not know how a request for one of them is checked.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{ClientSecret, Data, KeyPurpose, SelfRegistered};

/// A client of the authorization server that acts for users (F-001). Entities are the other kind of client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    pub id: Uuid,
    pub tenant_id: Uuid,
    /// Unique in its tenant.
    pub name: String,
    /// Unique in its tenant, among applications and entities; the id unless something else was asked for (F-001).
    pub client_id: String,
    /// Every secret that may still be presented; two while one is being replaced (D13). Empty for a public client.
    pub client_secrets: Vec<ClientSecret>,
    /// Sorted by name.
    pub roles: Vec<Role>,
    pub settings: ApplicationSettings,
    pub managed_by: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

impl Application {
    /// Whether `presented` is one of the live secrets. Compares with all of them, each in constant time (P4).
    pub fn accepts_secret(&self, presented: &str, now: i64) -> bool {
        ClientSecret::any_accepts(&self.client_secrets, presented, now)
    }

    pub fn allows(&self, grant: ApplicationGrant) -> bool {
        self.settings.grants.contains(&grant)
    }

    /// Whether nobody can tell this client from an impostor by what it presents (K8).
    pub fn is_public(&self) -> bool {
        let settings = &self.settings;
        self.client_secrets.is_empty() && settings.jwks.is_none() && settings.certificate_subject.is_none()
    }

    /// Whether it is one that Auth0 calls a single-page application: pages of its origins, and nothing with the device grant.
    pub fn lives_in_a_page(&self) -> bool {
        !self.settings.origins.is_empty() && !self.allows(ApplicationGrant::DeviceCode)
    }

    /// What people are told that it is called.
    pub fn title(&self) -> &str {
        let own = self.settings.self_registered.as_ref().and_then(|own| own.client_name.as_deref());
        own.unwrap_or(&self.name)
    }

    pub fn role(&self, name: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.name == name)
    }
}

/// A role that users can have in one application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    pub id: Uuid,
    /// Unique in its application.
    pub name: String,
    #[serde(default)]
    pub description: Option<String>,
    /// Whether a registration that names no roles gets this one.
    #[serde(default)]
    pub is_default: bool,
}

/// What an application may do and how it behaves (CONTRACT 2.A). Stored as one JSON value, so that a setting that a
/// newer program knows costs no migration; what is not there has its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApplicationSettings {
    /// Whether it can be used at all: one that is not gets no tokens, and nobody logs in to it.
    #[serde(skip_serializing_if = "bool::clone")]
    pub is_active: bool,
    pub client_authentication: ClientAuthenticationPolicy,
    /// Public keys of the client as a JWK set in JSON, for `private_key_jwt` (RFC 7523).
    pub jwks: Option<String>,
    /// Whose certificates are its own, where an authority that the operator trusts signed them (RFC 8705 2.1).
    pub certificate_subject: Option<CertificateSubject>,
    pub pkce: PkcePolicy,
    /// Which grants it may use (F-029).
    pub grants: Vec<ApplicationGrant>,
    pub url_validation: UrlValidation,
    /// Guards `redirect_uri` and `post_logout_redirect_uri` (F-015).
    pub redirect_uris: Vec<String>,
    /// Origins that may show our pages in frames and start requests; none means all may start (F-022, F-025).
    pub origins: Vec<String>,
    /// Called in a frame when the session ends elsewhere, and where a browser lands that says nothing else (F-027).
    pub logout_uri: Option<String>,
    pub logout_behavior: LogoutBehavior,
    /// Whether `logout_uri` is called with `iss` and `sid` (OpenID Connect Front-Channel Logout 1.0).
    pub logout_session_required: bool,
    /// Where logout tokens are posted (OpenID Connect Back-Channel Logout 1.0).
    pub back_channel_logout_uri: Option<String>,
    /// Whether `offline_access` is honoured (F-011).
    pub generates_refresh_tokens: bool,
    pub scope_handling: ScopeHandling,
    pub unknown_scopes: UnknownScopes,
    /// `address`, `email`, `phone` and `profile`.
    pub provided_scopes: ProvidedScopes,
    pub scopes: Vec<CustomScope>,
    pub relationship: Relationship,
    pub consent: ConsentMode,
    /// Where people enter user codes; required when the device grant is on (F-033). Our own page unless said otherwise.
    pub device_verification_uri: Option<String>,
    pub device_grant: DeviceGrantLimits,
    /// Only registered users may log in through the browser (F-034).
    pub requires_registration: bool,
    /// Whether refused requests are told in the log with their reasons (F-013).
    pub debug: bool,
    /// JOSE name: UserInfo answers are signed then (OpenID Connect Core 5.3.2).
    pub userinfo_algorithm: Option<String>,
    /// Claims added to UserInfo answers: name to a dotted path into the user (`user.data.color`) or the registration
    /// (F-035, D-01).
    pub userinfo_claims: Vec<(String, String)>,
    /// Life of an access token in seconds; the tenant's unless said otherwise.
    pub access_token_for: Option<i64>,
    /// The tenant's policy unless said otherwise.
    pub refresh_tokens: Option<RefreshTokenPolicy>,
    /// Response modes that may be asked for (A15).
    pub response_modes: Vec<ResponseMode>,
    pub login_api: LoginApi,
    /// Whether it gets no token without a DPoP proof (RFC 9449 5.2).
    pub dpop_bound_access_tokens: bool,
    /// Whether its proofs need a nonce of ours (RFC 9449 8).
    pub dpop_nonce: bool,
    /// Whether its tokens are bound to the certificate that it shows, and it gets none without (RFC 8705 3.4).
    pub certificate_bound_access_tokens: bool,
    /// Whether its authorization requests have to be pushed (RFC 9126 6).
    pub requires_pushed_requests: bool,
    /// Client ids of the entities that may exchange its users' tokens (RFC 8693).
    pub token_exchange_clients: Vec<String>,
    /// The id of the key that signs its access tokens; the tenant's unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token_key: Option<Uuid>,
    /// The same for its ID tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token_key: Option<Uuid>,
    /// Who registered the application, for people who are asked for consent (K7).
    pub owner: Option<String>,
    /// What it said of itself, if it registered itself (RFC 7591).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub self_registered: Option<SelfRegistered>,
    pub data: Data,
}

impl ApplicationSettings {
    /// Whether people are sent to the authorization endpoint for it.
    pub fn allows_browsers(&self) -> bool {
        self.grants.contains(&ApplicationGrant::AuthorizationCode) || self.grants.contains(&ApplicationGrant::Implicit)
    }
}

impl Default for ApplicationSettings {
    fn default() -> Self {
        Self {
            is_active: true,
            client_authentication: ClientAuthenticationPolicy::Required,
            jwks: None,
            certificate_subject: None,
            pkce: PkcePolicy::NotRequired,
            grants: vec![ApplicationGrant::AuthorizationCode, ApplicationGrant::RefreshToken],
            url_validation: UrlValidation::ExactMatch,
            redirect_uris: Vec::new(),
            origins: Vec::new(),
            logout_uri: None,
            logout_behavior: LogoutBehavior::AllApplications,
            logout_session_required: true,
            back_channel_logout_uri: None,
            generates_refresh_tokens: true,
            scope_handling: ScopeHandling::Strict,
            unknown_scopes: UnknownScopes::Reject,
            provided_scopes: ProvidedScopes::default(),
            scopes: Vec::new(),
            relationship: Relationship::FirstParty,
            consent: ConsentMode::AlwaysPrompt,
            device_verification_uri: None,
            device_grant: DeviceGrantLimits::default(),
            requires_registration: false,
            debug: false,
            userinfo_algorithm: None,
            userinfo_claims: Vec::new(),
            access_token_for: None,
            refresh_tokens: None,
            response_modes: ResponseMode::ALL.to_vec(),
            login_api: LoginApi::default(),
            dpop_bound_access_tokens: false,
            dpop_nonce: false,
            certificate_bound_access_tokens: false,
            requires_pushed_requests: false,
            token_exchange_clients: Vec::new(),
            access_token_key: None,
            id_token_key: None,
            owner: None,
            self_registered: None,
            data: Data::new(),
        }
    }
}

impl ApplicationSettings {
    /// The id of the application's own key for what is signed.
    pub fn key_for(&self, purpose: KeyPurpose) -> Option<Uuid> {
        match purpose {
            KeyPurpose::AccessToken => self.access_token_key,
            KeyPurpose::IdToken => self.id_token_key,
            KeyPurpose::Forwarded => None,
        }
    }

    pub fn names_key(&self, id: Uuid) -> bool {
        [self.access_token_key, self.id_token_key].contains(&Some(id))
    }
}

/// Writes an enum whose variants have names on the wire and in the store, both ways.
macro_rules! named {
    ($(#[$about:meta])* $name:ident { $($(#[$note:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$note])* #[serde(rename = $text)] $variant),+
        }

        impl $name {
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$variant),+];

            /// The name in configuration and in the store.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text),+
                }
            }

            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|value| value.as_str() == text)
            }
        }
    };
}
pub(super) use named;

named! {
    /// Whether the client must authenticate at the token endpoint (F-004 to F-007).
    ClientAuthenticationPolicy {
        Required = "Required",
        /// The secret is optional; one that is sent must be right.
        NotRequired = "NotRequired",
        /// Needed unless a valid code verifier is presented.
        NotRequiredWhenUsingPkce = "NotRequiredWhenUsingPKCE",
    }
}

named! {
    /// Whether authorization requests must bring a code challenge (F-008).
    PkcePolicy {
        Required = "Required",
        NotRequired = "NotRequired",
        NotRequiredWhenUsingClientAuthentication = "NotRequiredWhenUsingClientAuthentication",
    }
}

named! {
    /// A grant that an application can be given (F-029).
    ApplicationGrant {
        AuthorizationCode = "authorization_code",
        Implicit = "implicit",
        Password = "password",
        RefreshToken = "refresh_token",
        DeviceCode = "urn:ietf:params:oauth:grant-type:device_code",
    }
}

named! {
    /// How configured URLs are compared (F-014).
    UrlValidation { ExactMatch = "ExactMatch", AllowWildcards = "AllowWildcards" }
}

named! {
    /// What a logout does to the other applications (F-028).
    LogoutBehavior { AllApplications = "AllApplications", RedirectOnly = "RedirectOnly" }
}

named! {
    /// Where claims about the user go (D-02).
    ScopeHandling {
        /// As OpenID Connect says: by scope, from UserInfo; tokens name the user only.
        Strict = "Strict",
        /// `email` and `preferred_username` in the tokens too.
        Compatibility = "Compatibility",
    }
}

named! {
    /// What becomes of scopes that nobody defined (D-02).
    UnknownScopes { Allow = "Allow", Remove = "Remove", Reject = "Reject" }
}

named! {
    /// Whether the application belongs to whoever runs the tenant (D-02).
    Relationship { FirstParty = "FirstParty", ThirdParty = "ThirdParty" }
}

named! {
    /// When users of a third party's application are asked (D-02).
    ConsentMode { AlwaysPrompt = "AlwaysPrompt", RememberDecision = "RememberDecision", NeverPrompt = "NeverPrompt" }
}

named! {
    /// How an authorization response travels (OAuth 2.0 Multiple Response Types, Form Post Response Mode, Web Message
    /// Response Mode).
    ResponseMode { Query = "query", Fragment = "fragment", FormPost = "form_post", WebMessage = "web_message" }
}

/// What the management API may do for the application's users (FusionAuth's `loginConfiguration`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoginApi {
    /// Whether a login there brings a refresh token.
    pub generates_refresh_tokens: bool,
    /// Whether whoever holds a refresh token of the application may use it there, without being the client.
    pub allows_refresh: bool,
}

/// The name by which the certificates of a client are known (RFC 8705 2.1.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateSubject {
    /// As RFC 4514 writes it.
    SubjectDn(String),
    SanDns(String),
    SanUri(String),
    SanIp(String),
    SanEmail(String),
}

impl CertificateSubject {
    /// What kinds of names there are.
    pub const KINDS: [&str; 5] = ["subject_dn", "san_dns", "san_uri", "san_ip", "san_email"];

    /// `None` for a kind that does not exist.
    pub fn of(kind: &str, name: String) -> Option<Self> {
        match kind {
            "subject_dn" => Some(Self::SubjectDn(name)),
            "san_dns" => Some(Self::SanDns(name)),
            "san_uri" => Some(Self::SanUri(name)),
            "san_ip" => Some(Self::SanIp(name)),
            "san_email" => Some(Self::SanEmail(name)),
            _ => None,
        }
    }

    /// Kind and name.
    pub fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::SubjectDn(name) => ("subject_dn", name),
            Self::SanDns(name) => ("san_dns", name),
            Self::SanUri(name) => ("san_uri", name),
            Self::SanIp(name) => ("san_ip", name),
            Self::SanEmail(name) => ("san_email", name),
        }
    }
}

/// What devices get, where that is less than the application gets otherwise (J9).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceGrantLimits {
    /// The only scopes, `openid` and `offline_access` among them. `None`: all that the application may have.
    pub scopes: Option<Vec<String>>,
    /// Seconds from the grant after which its refresh tokens end, if they would not end earlier.
    pub refresh_tokens_for: Option<i64>,
}

impl DeviceGrantLimits {
    pub fn allow(&self, scope: &str) -> bool {
        self.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|allowed| allowed == scope))
    }
}

/// The scopes that OpenID Connect Core 5.4 defines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProvidedScopes {
    pub address: ProvidedScope,
    pub email: ProvidedScope,
    pub phone: ProvidedScope,
    pub profile: ProvidedScope,
}

impl ProvidedScopes {
    /// `None` for a scope that OpenID Connect does not define.
    pub fn find(&self, name: &str) -> Option<&ProvidedScope> {
        match name {
            "address" => Some(&self.address),
            "email" => Some(&self.email),
            "phone" => Some(&self.phone),
            "profile" => Some(&self.profile),
            _ => None,
        }
    }
}

/// Whether a scope may be asked for, and refused by the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProvidedScope {
    pub is_enabled: bool,
    pub is_required: bool,
}

impl Default for ProvidedScope {
    fn default() -> Self {
        Self { is_enabled: true, is_required: false }
    }
}

/// A scope that the application defines itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomScope {
    pub id: Uuid,
    /// Unique in its application.
    pub name: String,
    #[serde(default)]
    pub description: Option<String>,
    /// Whether users who are asked may leave it out.
    #[serde(default)]
    pub is_required: bool,
    /// What users are told; the description or the name if nothing is said.
    #[serde(default)]
    pub consent_message: Option<String>,
    #[serde(default)]
    pub consent_detail: Option<String>,
}

/// How refresh tokens live (CONTRACT D-11, rules C6 to C8).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RefreshTokenPolicy {
    pub usage: RefreshTokenUsage,
    /// Seconds after which an unused one ends. `None`: the absolute limit alone counts.
    pub idle_for: Option<i64>,
    /// Seconds after the grant, whatever happens.
    pub absolute_for: i64,
    /// Seconds for which a token that was rotated may be presented again and gets the same successor.
    pub retry_for: i64,
}

impl Default for RefreshTokenPolicy {
    fn default() -> Self {
        Self {
            usage: RefreshTokenUsage::Reusable,
            idle_for: Some(14 * 86_400),
            absolute_for: 90 * 86_400,
            retry_for: 10,
        }
    }
}

named! {
    /// Whether a refresh token survives its use. Public clients' never do (C3).
    RefreshTokenUsage { Reusable = "Reusable", OneTimeUse = "OneTimeUse" }
}

#[cfg(test)]
mod tests {
    use super::*;

    // F-004, F-008, F-014, F-028, F-029, section 4
    #[test]
    fn what_is_not_stored_has_its_default() {
        let settings: ApplicationSettings = serde_json::from_str("{}").unwrap();
        assert_eq!(settings, ApplicationSettings::default());
        assert_eq!(settings.client_authentication, ClientAuthenticationPolicy::Required);
        assert_eq!(settings.grants, [ApplicationGrant::AuthorizationCode, ApplicationGrant::RefreshToken]);
        let text = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<ApplicationSettings>(&text).unwrap(), settings);
    }

    #[test]
    fn every_name_parses_itself() {
        for grant in ApplicationGrant::ALL {
            assert_eq!(ApplicationGrant::parse(grant.as_str()), Some(grant));
        }
        assert_eq!(ClientAuthenticationPolicy::parse("required"), None);
    }
}
