//! What the security lint looks for, by name.
//!
//! Owns the names: they are what an operator accepts a risk by and what `faregate errors` explains. The sections find the risks.

use serde::{Serialize, Serializer};

/// One kind of risk. Its name is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lint {
    /// About `accepted_risks` itself.
    AcceptedRiskIsGone,
    AccessTokensLiveLong,
    AdminListenerReachable,
    AuthorizationCodesLiveLong,
    EverybodyIsATrustedProxy,
    ImplicitGrant,
    IssuerWithoutTls,
    KeyReadableByOthers,
    PasswordGrant,
    PublicUrlIsHttp,
    RouteAcceptsAnyAudience,
    RouteAcceptsRolesOfAnyApplication,
    RouteObservesOnly,
    StoreWithoutTls,
    TracesWithoutTls,
    UpstreamNotVerified,
    WildcardRedirectUri,
}

impl Lint {
    pub const ALL: [Self; 17] = [
        Self::AcceptedRiskIsGone,
        Self::AccessTokensLiveLong,
        Self::AdminListenerReachable,
        Self::AuthorizationCodesLiveLong,
        Self::EverybodyIsATrustedProxy,
        Self::ImplicitGrant,
        Self::IssuerWithoutTls,
        Self::KeyReadableByOthers,
        Self::PasswordGrant,
        Self::PublicUrlIsHttp,
        Self::RouteAcceptsAnyAudience,
        Self::RouteAcceptsRolesOfAnyApplication,
        Self::RouteObservesOnly,
        Self::StoreWithoutTls,
        Self::TracesWithoutTls,
        Self::UpstreamNotVerified,
        Self::WildcardRedirectUri,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AcceptedRiskIsGone => "accepted-risk-is-gone",
            Self::AccessTokensLiveLong => "access-tokens-live-long",
            Self::AdminListenerReachable => "admin-listener-reachable",
            Self::AuthorizationCodesLiveLong => "authorization-codes-live-long",
            Self::EverybodyIsATrustedProxy => "everybody-is-a-trusted-proxy",
            Self::ImplicitGrant => "implicit-grant",
            Self::IssuerWithoutTls => "issuer-without-tls",
            Self::KeyReadableByOthers => "key-readable-by-others",
            Self::PasswordGrant => "password-grant",
            Self::PublicUrlIsHttp => "public-url-is-http",
            Self::RouteAcceptsAnyAudience => "route-accepts-any-audience",
            Self::RouteAcceptsRolesOfAnyApplication => "route-accepts-roles-of-any-application",
            Self::RouteObservesOnly => "route-observes-only",
            Self::StoreWithoutTls => "store-without-tls",
            Self::TracesWithoutTls => "traces-without-tls",
            Self::UpstreamNotVerified => "upstream-not-verified",
            Self::WildcardRedirectUri => "wildcard-redirect-uri",
        }
    }

    /// What has such a risk, each for itself; `None` if the whole gateway has it.
    pub const fn subject(self) -> Option<&'static str> {
        match self {
            Self::AccessTokensLiveLong => Some("tenant or entity type (tenants.NAME or entity_types.NAME)"),
            Self::AuthorizationCodesLiveLong => Some("tenant"),
            Self::EverybodyIsATrustedProxy => Some("network"),
            Self::ImplicitGrant | Self::PasswordGrant | Self::WildcardRedirectUri => Some("application"),
            Self::IssuerWithoutTls => Some("issuer"),
            Self::KeyReadableByOthers => Some("file"),
            Self::RouteAcceptsAnyAudience | Self::RouteAcceptsRolesOfAnyApplication | Self::RouteObservesOnly => {
                Some("route")
            }
            Self::UpstreamNotVerified => Some("upstream"),
            Self::AcceptedRiskIsGone
            | Self::AdminListenerReachable
            | Self::PublicUrlIsHttp
            | Self::StoreWithoutTls
            | Self::TracesWithoutTls => None,
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lint| lint.as_str() == name)
    }

    /// The risk of the one thing that is called so in the file.
    pub(super) fn at(self, name: &str) -> Risk {
        Risk { at: Some(name.to_owned()), ..self.into() }
    }
}

impl Serialize for Lint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A risk that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Risk {
    pub lint: Lint,
    /// Whose risk it is; `None` if it is the whole gateway's.
    pub at: Option<String>,
    /// Why it is accepted, if it is.
    pub accepted_because: Option<String>,
}

impl From<Lint> for Risk {
    fn from(lint: Lint) -> Self {
        Self { lint, at: None, accepted_because: None }
    }
}
