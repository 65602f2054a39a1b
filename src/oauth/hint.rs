//! `id_token_hint`: an ID token that comes back to us to say whom a client means (Core 3.1.2.1, RP-Initiated Logout 2).
//!
//! Owns whether it is one of ours. It may have expired long ago, so it proves nothing about the present.

use serde_json::Value;
use uuid::Uuid;

use super::keys::LocalIssuer;
use crate::jose::{self, Expectations, TypeSet};

/// What an ID token of ours says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hint {
    pub user_id: Uuid,
    /// Whom it was for.
    pub client_ids: Vec<String>,
}

impl Hint {
    pub(super) fn is_for(&self, client_id: &str) -> bool {
        self.client_ids.iter().any(|audience| audience == client_id)
    }
}

impl LocalIssuer {
    /// `None` unless a key that this issuer publishes for ID tokens signed it.
    pub(super) fn read_hint(&self, token: &str) -> Option<Hint> {
        // At the beginning of time nothing has expired, and with an endless leeway nothing is early.
        let expectations = Expectations {
            types: TypeSet::new([jose::TokenType::Jwt.as_str()]),
            leeway_for: i64::MAX,
            ..Expectations::new(&self.issuer)
        };
        let claims = jose::verify(token, &expectations, &self.id_token_keys, 0).ok()?.claims;
        let client_ids = match claims.get("aud")? {
            Value::Array(audiences) => audiences.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            audience => vec![audience.as_str()?.to_owned()],
        };
        Some(Hint { user_id: Uuid::try_parse(claims.get("sub")?.as_str()?).ok()?, client_ids })
    }
}
