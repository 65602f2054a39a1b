//! What one issuer says of a token, for somebody who looks into it. No request is decided here.
//!
//! Owns which questions an issuer may be asked. The answers come from the same verification as everywhere else.

use super::{Denial, Enforcer, INACTIVE, Introspection, Known, TokenFault, TokensAsked};
use crate::jose;

/// A token that its issuer has nothing against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inspected {
    Good,
    /// By its keys; whether it is active, nobody was asked.
    GoodByKeys,
    /// Its keys would have to be fetched.
    KeysNotFetched,
    /// It would have to be introspected.
    NotIntrospected,
}

impl Enforcer {
    /// What the issuer at `index` says, revocations included, whatever a route would make of it. Only with `asks` may it be
    /// asked anything over the network, and nobody is asked about a JWT that says it is somebody else's.
    ///
    /// # Errors
    /// Why it refuses the token.
    pub async fn inspect(&self, index: usize, token: &str, asks: bool) -> Result<Inspected, Denial> {
        let issuer = &*self.issuers[index];
        let is_jwt = jose::is_jwt(token);
        if is_jwt && !jose::peek_issuer(token).is_some_and(|claimed| issuer.is_called(&claimed)) {
            return Err(Denial::InvalidToken(TokenFault::Door(jose::Reason::WrongIssuer)));
        }
        let by_keys = match (issuer.introspection().map(Introspection::tokens), is_jwt) {
            (None, false) => return Err(Denial::InvalidToken(TokenFault::Door(jose::Reason::Malformed))),
            (Some(TokensAsked::All), _) | (Some(_), false) => false,
            (Some(TokensAsked::Verified | TokensAsked::Opaque) | None, true) => true,
        };
        let mut known = match by_keys {
            true if issuer.trusted().is_none() && !asks => return Ok(Inspected::KeysNotFetched),
            true => Some(Known::of_jwt(index, self.pass_door(issuer, token).await?)),
            false => None,
        };
        let is_introspected =
            !by_keys || matches!(issuer.introspection().map(Introspection::tokens), Some(TokensAsked::Verified));
        if is_introspected && asks {
            let introspected = self.introspect_as(index, token).await?.ok_or(INACTIVE)?;
            known.get_or_insert(introspected);
        }
        let Some(known) = known else { return Ok(Inspected::NotIntrospected) };
        let verified = self.compile(token, known, self.cache.generation()).await?;
        if verified.is_revoked(&self.revocations) {
            return Err(Denial::InvalidToken(TokenFault::Revoked));
        }
        Ok(if is_introspected && !asks { Inspected::GoodByKeys } else { Inspected::Good })
    }
}
