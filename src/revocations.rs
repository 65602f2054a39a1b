//! Revoked tokens, grants, sessions, users and clients, in memory: asked for every request, never the store.
//!
//! Owns the lookup. It does not decide who may revoke, and it learns of marks from those who do.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::clock::UnixSeconds;
use crate::model::{ForeignMark, Revocation, Revoked};

/// Every mark that still matters.
#[derive(Debug, Default)]
pub struct Revocations {
    marks: RwLock<Marks>,
    generation: AtomicU64,
}

#[derive(Debug, Default)]
struct Marks {
    tokens: HashMap<Box<str>, UnixSeconds>,
    grants: HashMap<Uuid, UnixSeconds>,
    sessions: HashMap<Uuid, UnixSeconds>,
    /// When, and until when that matters.
    users: HashMap<Uuid, (UnixSeconds, UnixSeconds)>,
    tenants: HashMap<Uuid, (UnixSeconds, UnixSeconds)>,
    clients: HashMap<(Uuid, Box<str>), (UnixSeconds, UnixSeconds)>,
    /// Of issuers that are not ours, by [`ForeignMark::key`].
    foreign: HashMap<(ForeignMark, Box<str>), (UnixSeconds, UnixSeconds)>,
}

/// What a token says of itself, as far as it can be revoked by it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bearings<'a> {
    /// `jti`
    pub token_id: Option<&'a str>,
    /// `gid`
    pub grant_id: Option<Uuid>,
    /// `sid`
    pub session_id: Option<Uuid>,
    /// `sub`, when it is a user.
    pub user_id: Option<Uuid>,
    /// `tid`
    pub tenant_id: Option<Uuid>,
    pub client_id: Option<&'a str>,
    /// The application of the person for whom another client acts with it (RFC 8693): it ends with that one's tokens.
    pub first_client: Option<&'a str>,
    pub issued_at: UnixSeconds,
    /// What it says as a token of somebody else's; then it says nothing of the above but when it was issued.
    pub foreign: Option<ForeignBearings<'a>>,
}

/// What a token of an issuer that is not ours says of itself.
#[derive(Clone, Copy, Debug)]
pub struct ForeignBearings<'a> {
    pub issuer: &'a str,
    pub token_id: Option<&'a str>,
    pub session_id: Option<&'a str>,
    pub subject: Option<&'a str>,
    pub client_id: Option<&'a str>,
    /// `kid` of the key that it is signed with.
    pub key_id: Option<&'a str>,
}

impl<'a> Bearings<'a> {
    /// What a token of ours says.
    pub fn of_claims(claims: &'a Map<String, Value>) -> Self {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let id = |name: &str| text(name).and_then(|text| Uuid::try_parse(text).ok());
        let grant_id = id("gid");
        Self {
            token_id: text("jti"),
            grant_id,
            session_id: id("sid"),
            // Users approve grants; the tokens of entities are not about users.
            user_id: grant_id.and_then(|_| id("sub")),
            tenant_id: id("tid"),
            client_id: text("client_id"),
            first_client: text("first_client"),
            issued_at: issued_at(claims),
            foreign: None,
        }
    }

    /// What a token of `issuer`, which is not ours, says; its client is named where its issuer names clients.
    pub fn of_foreign_claims(issuer: &'a str, client_id: Option<&'a str>, claims: &'a Map<String, Value>) -> Self {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let (token_id, session_id, subject) = (text("jti"), text("sid"), text("sub"));
        let foreign = ForeignBearings { issuer, token_id, session_id, subject, client_id, key_id: None };
        Self { issued_at: issued_at(claims), foreign: Some(foreign), ..Self::default() }
    }

    /// The same of somebody else's token, which is signed with this key.
    #[must_use]
    pub fn signed_with(self, key_id: &'a str) -> Self {
        let foreign = self.foreign.map(|foreign| ForeignBearings { key_id: Some(key_id), ..foreign });
        Self { foreign, ..self }
    }
}

/// `iat` in whole seconds; the beginning of time for a token that does not say.
fn issued_at(claims: &Map<String, Value>) -> UnixSeconds {
    let issued_at = claims.get("iat").and_then(|iat| iat.as_i64().or_else(|| Some(iat.as_f64()? as i64)));
    issued_at.unwrap_or_default()
}

impl Revocations {
    /// Changes with every new mark, so that whoever asked before knows whether to ask again.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Adds a mark. One that is there already keeps the later instants.
    pub fn add(&self, revocation: &Revocation) {
        let (at, until) = (revocation.revoked_at, revocation.expires_at);
        {
            let mut marks = self.marks.write().unwrap_or_else(PoisonError::into_inner);
            match &revocation.revoked {
                Revoked::Token(id) => latest(marks.tokens.entry(id.as_str().into()).or_default(), until),
                Revoked::Grant(id) => latest(marks.grants.entry(*id).or_default(), until),
                Revoked::Session(id) => latest(marks.sessions.entry(*id).or_default(), until),
                Revoked::User(id) => both(marks.users.entry(*id).or_default(), at, until),
                Revoked::Tenant(id) => both(marks.tenants.entry(*id).or_default(), at, until),
                Revoked::Client { tenant_id, client_id } => {
                    both(marks.clients.entry((*tenant_id, client_id.as_str().into())).or_default(), at, until);
                }
                Revoked::Foreign { mark, key } => {
                    both(marks.foreign.entry((*mark, key.as_str().into())).or_default(), at, until);
                }
            }
        }
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Whether a token with these bearings must be refused.
    pub fn concern(&self, bearings: &Bearings<'_>) -> bool {
        let marks = self.marks.read().unwrap_or_else(PoisonError::into_inner);
        bearings.token_id.is_some_and(|id| marks.tokens.contains_key(id))
            || bearings.grant_id.is_some_and(|id| marks.grants.contains_key(&id))
            || bearings.session_id.is_some_and(|id| marks.sessions.contains_key(&id))
            || bearings.issued_at <= marks.not_before(bearings)
            || bearings.foreign.is_some_and(|foreign| marks.concern_foreign(&foreign, bearings.issued_at))
    }

    /// The earliest `iat` that a new token may have: a second after the last mark against its user or client, so that a
    /// login in the same second as a password change is told apart from what was issued before.
    pub fn earliest(&self, now: UnixSeconds, bearings: &Bearings<'_>) -> UnixSeconds {
        let marks = self.marks.read().unwrap_or_else(PoisonError::into_inner);
        now.max(marks.not_before(bearings).saturating_add(1))
    }

    /// Forgets marks that no living token can be concerned by.
    pub fn forget(&self, now: UnixSeconds) {
        let mut marks = self.marks.write().unwrap_or_else(PoisonError::into_inner);
        marks.tokens.retain(|_, until| now < *until);
        marks.grants.retain(|_, until| now < *until);
        marks.sessions.retain(|_, until| now < *until);
        marks.users.retain(|_, (_, until)| now < *until);
        marks.tenants.retain(|_, (_, until)| now < *until);
        marks.clients.retain(|_, (_, until)| now < *until);
        marks.foreign.retain(|_, (_, until)| now < *until);
    }
}

impl Marks {
    fn concern_foreign(&self, token: &ForeignBearings<'_>, issued_at: UnixSeconds) -> bool {
        // The keys are only made when there is anything to find.
        if self.foreign.is_empty() {
            return false;
        }
        let marked = |mark: ForeignMark, id: Option<&str>| {
            let key = mark.key(token.issuer, id?);
            self.foreign.get(&(mark, key.into())).map(|(at, _)| *at)
        };
        marked(ForeignMark::Token, token.token_id).is_some()
            || marked(ForeignMark::Session, token.session_id).is_some()
            || marked(ForeignMark::Key, token.key_id).is_some()
            || marked(ForeignMark::Subject, token.subject).is_some_and(|at| issued_at <= at)
            || marked(ForeignMark::Client, token.client_id).is_some_and(|at| issued_at <= at)
    }

    /// Until when what was issued to this user or client, or by this tenant, is refused; long ago if never.
    fn not_before(&self, bearings: &Bearings<'_>) -> UnixSeconds {
        let user = bearings.user_id.and_then(|id| self.users.get(&id));
        let tenant = bearings.tenant_id.and_then(|id| self.tenants.get(&id));
        let client = |client_id: Option<&str>| match (bearings.tenant_id, client_id) {
            // The key is only built when there is anything to find.
            (Some(tenant_id), Some(client_id)) if !self.clients.is_empty() => {
                self.clients.get(&(tenant_id, Box::<str>::from(client_id)))
            }
            (_, _) => None,
        };
        let clients = [client(bearings.client_id), client(bearings.first_client)];
        [user, tenant].into_iter().chain(clients).flatten().map(|(at, _)| *at).max().unwrap_or(UnixSeconds::MIN)
    }
}

fn latest(until: &mut UnixSeconds, other: UnixSeconds) {
    *until = (*until).max(other);
}

fn both(mark: &mut (UnixSeconds, UnixSeconds), at: UnixSeconds, until: UnixSeconds) {
    latest(&mut mark.0, at);
    latest(&mut mark.1, until);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(revoked: Revoked) -> Revocation {
        Revocation { revoked, revoked_at: 100, expires_at: 200 }
    }

    // I8
    #[test]
    fn whatever_hangs_on_a_mark_is_refused() {
        let (id, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let of = Bearings {
            token_id: Some("t"),
            grant_id: Some(id),
            session_id: Some(id),
            user_id: Some(id),
            tenant_id: Some(id),
            client_id: Some("c"),
            first_client: Some("a"),
            issued_at: 100,
            foreign: None,
        };
        let client = |tenant_id, client_id: &str| Revoked::Client { tenant_id, client_id: client_id.to_owned() };
        let rows = [
            (Revoked::Token("t".to_owned()), true),
            (Revoked::Token("u".to_owned()), false),
            (Revoked::Grant(id), true),
            (Revoked::Grant(other), false),
            (Revoked::Session(id), true),
            (Revoked::User(id), true),
            (Revoked::User(other), false),
            (client(id, "c"), true),
            (client(other, "c"), false),
            (client(id, "d"), false),
            (client(id, "a"), true),
            (client(other, "a"), false),
        ];
        for (revoked, expected) in rows {
            let revocations = Revocations::default();
            assert!(!revocations.concern(&of));
            let generation = revocations.generation();
            revocations.add(&mark(revoked.clone()));
            assert_ne!(revocations.generation(), generation);
            assert_eq!(revocations.concern(&of), expected, "{revoked:?}");
            revocations.forget(199);
            assert_eq!(revocations.concern(&of), expected, "{revoked:?}");
            revocations.forget(200);
            assert!(!revocations.concern(&of), "{revoked:?}");
        }
    }

    // I8, F10: marks against somebody else's tokens are about that issuer's only, and ours about ours
    #[test]
    fn an_issuer_is_revoked_from_by_itself() {
        let claims = serde_json::json!({ "jti": "t", "sid": "s", "sub": "u", "iat": 100 });
        let claims = claims.as_object().unwrap();
        let of = Bearings::of_foreign_claims("https://a", Some("c"), claims).signed_with("k");
        let foreign = |mark: ForeignMark, issuer: &str, id: &str| Revoked::Foreign { mark, key: mark.key(issuer, id) };
        for (mark, id) in ForeignMark::ALL.into_iter().zip(["t", "s", "u", "c", "k"]) {
            for (issuer, id, expected) in [("https://a", id, true), ("https://b", id, false), ("https://a", "x", false)]
            {
                let revocations = Revocations::default();
                revocations.add(&self::mark(foreign(mark, issuer, id)));
                assert_eq!(revocations.concern(&of), expected, "{mark:?} {issuer} {id}");
                revocations.forget(200);
                assert!(!revocations.concern(&of));
            }
        }
        let revocations = Revocations::default();
        for revoked in [Revoked::Token("t".to_owned()), Revoked::Token("s".to_owned())] {
            revocations.add(&mark(revoked));
        }
        assert!(!revocations.concern(&of), "a mark of ours is about tokens of ours");
        // Somebody who logged in again has newer tokens; a session does not come back.
        let later = Bearings { issued_at: 101, ..of };
        revocations.add(&mark(foreign(ForeignMark::Subject, "https://a", "u")));
        assert!(revocations.concern(&of) && !revocations.concern(&later));
        revocations.add(&mark(foreign(ForeignMark::Session, "https://a", "s")));
        assert!(revocations.concern(&later));
    }

    #[test]
    fn bearings_are_read_from_claims() {
        let id = Uuid::from_u128(7);
        let claims = serde_json::json!({
            "jti": "t", "gid": id, "sid": id, "sub": id, "tid": id, "client_id": "c", "iat": 100.5
        });
        let found = Bearings::of_claims(claims.as_object().unwrap());
        assert_eq!((found.token_id, found.client_id, found.issued_at), (Some("t"), Some("c"), 100));
        assert_eq!([found.grant_id, found.session_id, found.user_id, found.tenant_id], [Some(id); 4]);
        let entity = serde_json::json!({ "sub": id, "gid": 1, "iat": "100" });
        let found = Bearings::of_claims(entity.as_object().unwrap());
        assert_eq!((found.user_id, found.grant_id, found.issued_at), (None, None, 0));
    }

    #[test]
    fn users_and_clients_may_come_back() {
        let revocations = Revocations::default();
        let mut of = Bearings { user_id: Some(Uuid::nil()), issued_at: 100, ..Bearings::default() };
        assert_eq!(revocations.earliest(100, &of), 100);
        revocations.add(&mark(Revoked::User(Uuid::nil())));
        assert!(revocations.concern(&of));
        of.issued_at = revocations.earliest(100, &of);
        assert_eq!(of.issued_at, 101);
        assert!(!revocations.concern(&of));
        assert_eq!(revocations.earliest(150, &of), 150);
    }
}
