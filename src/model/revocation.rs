//! What is refused although it has not expired. It does not know who asks.

use uuid::Uuid;

/// A mark against tokens, kept until the last of them has expired by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    pub revoked: Revoked,
    pub revoked_at: i64,
    /// From here on every token that it concerns has expired.
    pub expires_at: i64,
}

/// What was revoked. A token, grant or session is never used again; of users and clients only what was issued until
/// [`Revocation::revoked_at`] is refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Revoked {
    /// An access token, by its `jti`.
    Token(String),
    Grant(Uuid),
    Session(Uuid),
    User(Uuid),
    /// Everything that a tenant issued.
    Tenant(Uuid),
    /// By `client_id`, within a tenant.
    Client {
        tenant_id: Uuid,
        client_id: String,
    },
}

impl Revoked {
    /// The name of the kind and the key, as they are stored and told in the feed.
    pub fn parts(&self) -> (&'static str, String) {
        match self {
            Self::Token(id) => ("token", id.clone()),
            Self::Grant(id) => ("grant", id.to_string()),
            Self::Session(id) => ("session", id.to_string()),
            Self::User(id) => ("user", id.to_string()),
            Self::Tenant(id) => ("tenant", id.to_string()),
            Self::Client { tenant_id, client_id } => ("client", format!("{tenant_id}/{client_id}")),
        }
    }

    /// `None` for what a newer program wrote.
    pub fn parse(kind: &str, key: &str) -> Option<Self> {
        let id = || Uuid::try_parse(key).ok();
        match kind {
            "token" => Some(Self::Token(key.to_owned())),
            "grant" => id().map(Self::Grant),
            "session" => id().map(Self::Session),
            "user" => id().map(Self::User),
            "tenant" => id().map(Self::Tenant),
            "client" => {
                let (tenant_id, client_id) = key.split_once('/')?;
                let tenant_id = Uuid::try_parse(tenant_id).ok()?;
                Some(Self::Client { tenant_id, client_id: client_id.to_owned() })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_reads_what_it_wrote() {
        let id = Uuid::from_u128(7);
        let client = Revoked::Client { tenant_id: id, client_id: "a/b".to_owned() };
        for revoked in [
            Revoked::Token("x".to_owned()),
            Revoked::Grant(id),
            Revoked::Session(id),
            Revoked::User(id),
            Revoked::Tenant(id),
            client,
        ] {
            let (kind, key) = revoked.parts();
            assert_eq!(Revoked::parse(kind, &key), Some(revoked));
        }
        assert_eq!(Revoked::parse("planet", "x"), None);
        assert_eq!(Revoked::parse("user", "x"), None);
    }
}
