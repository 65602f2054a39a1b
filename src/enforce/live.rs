//! Permissions as they are granted now, for routes that do not go by what a token said when it was issued.
//!
//! Owns how long an answer of the directory counts. What is granted is the issuer's to say.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::token::VerifiedToken;
use super::{Denial, Enforcer, Obstacle, Unknown};
use crate::clock::UnixSeconds;

/// Seconds that an answer counts although no change was heard of, in case changes do not arrive (rule V3).
const KEEP_FOR: UnixSeconds = 30;

/// What was granted when the directory was asked last, kept with the token.
#[derive(Debug, Default)]
pub(super) struct Live(ArcSwapOption<Standing>);

#[derive(Debug)]
struct Standing {
    /// State of the directory that it is true in.
    generation: u64,
    until: UnixSeconds,
    /// `None`: just what the token says.
    token: Option<Arc<VerifiedToken>>,
}

impl Enforcer {
    /// The token with the permissions that its holder has now. Asks the directory when anything in it changed since it was
    /// asked last; the token itself, if its issuer has no directory here.
    ///
    /// # Errors
    /// `Undecidable` when the directory does not answer.
    pub async fn as_granted_now(&self, token: Arc<VerifiedToken>) -> Result<Arc<VerifiedToken>, Denial> {
        let issuer = &self.issuers[token.issuer];
        // Read first: what changes while the directory answers is asked for again the next time.
        let Some(generation) = issuer.generation_of_grants() else { return Ok(token) };
        let now = self.clock.now();
        if let Some(standing) = &*token.live.0.load()
            && standing.generation == generation
            && now < standing.until
        {
            return Ok(standing.token.clone().unwrap_or(token));
        }
        let granted = issuer.granted_now(&token.facts).await;
        let granted = granted.map_err(|Unknown| Denial::Undecidable(Obstacle::Directory))?;
        let differs = granted.filter(|granted| *granted != token.facts.permissions);
        let current = differs.map(|granted| Arc::new(token.with_permissions(granted)));
        let standing = Standing { generation, until: now + KEEP_FOR, token: current.clone() };
        token.live.0.store(Some(Arc::new(standing)));
        Ok(current.unwrap_or(token))
    }
}
