//! A tenant: one issuer with its own clients, keys and wire dialect. It does not know how the dialect looks.

use uuid::Uuid;

/// One issuer and everything that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    pub id: Uuid,
    /// Unique in the store.
    pub name: String,
    /// The `iss` of its tokens, free text (F-204). `None`: derived from the public URL.
    pub issuer: Option<String>,
    pub profile: Profile,
    /// Life of an access token, in seconds.
    pub access_token_for: i64,
    /// JOSE name of the algorithm that signs access tokens.
    pub access_token_algorithm: String,
    /// JOSE name of the algorithm that signs ID tokens.
    pub id_token_algorithm: String,
    /// Who declares this object (`config`), or `None` when administrators manage it.
    pub managed_by: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

impl Tenant {
    /// FusionAuth's `timeToLiveInSeconds` (F-200).
    pub const ACCESS_TOKEN_FOR: i64 = 3600;
    pub const ACCESS_TOKEN_ALGORITHM: &'static str = "ES256";
    /// OpenID Connect Core 15.1 requires RS256 of everyone.
    pub const ID_TOKEN_ALGORITHM: &'static str = "RS256";

    /// A tenant with the default settings.
    pub fn new(id: Uuid, name: &str, now: i64) -> Self {
        Self {
            id,
            name: name.to_owned(),
            issuer: None,
            profile: Profile::Standard,
            access_token_for: Self::ACCESS_TOKEN_FOR,
            access_token_algorithm: Self::ACCESS_TOKEN_ALGORITHM.to_owned(),
            id_token_algorithm: Self::ID_TOKEN_ALGORITHM.to_owned(),
            managed_by: None,
            created_at: now,
            updated_at: now,
        }
    }
}

/// The wire dialect that a tenant speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    #[default]
    Standard,
    FusionAuth,
    FusionAuthLegacy,
    Auth0,
    SimpleIdServer,
    Fusio,
}

impl Profile {
    pub const ALL: [Self; 6] =
        [Self::Standard, Self::FusionAuth, Self::FusionAuthLegacy, Self::Auth0, Self::SimpleIdServer, Self::Fusio];

    /// The name in configuration and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::FusionAuth => "fusionauth",
            Self::FusionAuthLegacy => "fusionauth-legacy",
            Self::Auth0 => "auth0",
            Self::SimpleIdServer => "simpleidserver",
            Self::Fusio => "fusio",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_parses_its_own_name() {
        for profile in Profile::ALL {
            assert_eq!(Profile::parse(profile.as_str()), Some(profile));
        }
        assert_eq!(Profile::parse("Standard"), None);
    }
}
