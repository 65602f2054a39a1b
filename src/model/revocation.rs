//! What is refused although it has not expired. It does not know who asks.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
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
    /// Something of an issuer that is not ours, by its [`ForeignMark::key`].
    Foreign {
        mark: ForeignMark,
        key: String,
    },
}

/// What a mark against tokens of somebody else's issuer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ForeignMark {
    /// `jti`
    Token,
    /// `sid`
    Session,
    /// `sub`: what was issued until the mark.
    Subject,
    /// `client_id`: what was issued until the mark.
    Client,
    /// `kid`: whatever was signed with it.
    Key,
}

impl ForeignMark {
    pub const ALL: [Self; 5] = [Self::Token, Self::Session, Self::Subject, Self::Client, Self::Key];

    /// The name of the kind, as it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "foreign_token",
            Self::Session => "foreign_session",
            Self::Subject => "foreign_subject",
            Self::Client => "foreign_client",
            Self::Key => "foreign_key",
        }
    }

    /// What stands for `id` of `issuer`: a digest, because others choose the text, and because it may be about a person.
    pub fn key(self, issuer: &str, id: &str) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        // The length first, so that no two pairs read the same.
        context.update(&(issuer.len() as u64).to_be_bytes());
        context.update(issuer.as_bytes());
        context.update(id.as_bytes());
        URL_SAFE_NO_PAD.encode(context.finish())
    }
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
            Self::Foreign { mark, key } => (mark.as_str(), key.clone()),
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
            _ => {
                let mark = ForeignMark::ALL.into_iter().find(|mark| mark.as_str() == kind)?;
                Some(Self::Foreign { mark, key: key.to_owned() })
            }
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
        let foreign = ForeignMark::ALL.map(|mark| Revoked::Foreign { mark, key: mark.key("https://a.example", "1") });
        let own = [
            Revoked::Token("x".to_owned()),
            Revoked::Grant(id),
            Revoked::Session(id),
            Revoked::User(id),
            Revoked::Tenant(id),
            client,
        ];
        for revoked in own.into_iter().chain(foreign) {
            let (kind, key) = revoked.parts();
            assert_eq!(Revoked::parse(kind, &key), Some(revoked));
        }
        assert_eq!(Revoked::parse("planet", "x"), None);
        assert_eq!(Revoked::parse("user", "x"), None);
    }

    // F10: whoever chooses ids cannot speak of another issuer's
    #[test]
    fn ids_belong_to_their_issuer() {
        let key = |issuer: &str, id: &str| ForeignMark::Subject.key(issuer, id);
        assert_eq!(key("https://a", "1"), key("https://a", "1"));
        assert_ne!(key("https://a", "1"), key("https://a1", ""));
        assert_ne!(key("https://a", "1"), key("https://b", "1"));
        assert_eq!(key("https://a", "\0").len(), 43);
    }
}
