//! `id_token_hint`: an ID token that comes back to us to say whom a client means (Core 3.1.2.1, RP-Initiated Logout 2).
//!
//! Owns whether it is one of ours. It may have expired long ago, so it proves nothing about the present.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::keys::LocalIssuer;
use crate::jose::{self, Expectations, Reason, TypeSet};

/// What an ID token of ours says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hint {
    pub user_id: Uuid,
    /// Whom it was for.
    pub client_ids: Vec<String>,
}

/// Why a token says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotAHint {
    /// It may have been one of ours: the key that it names is published no longer.
    KeyIsGone,
    Wrong,
}

impl Hint {
    pub(super) fn is_for(&self, client_id: &str) -> bool {
        self.client_ids.iter().any(|audience| audience == client_id)
    }
}

impl LocalIssuer {
    /// # Errors
    /// Unless a key that this issuer publishes for ID tokens signed it.
    pub(super) fn read_hint(&self, token: &str) -> Result<Hint, NotAHint> {
        // At the beginning of time nothing has expired, and with an endless leeway nothing is early.
        let expectations = Expectations {
            types: TypeSet::new([jose::TokenType::Jwt.as_str()]),
            leeway_for: i64::MAX,
            ..Expectations::new(&self.issuer)
        };
        let claims = match jose::verify(token, &expectations, &self.id_token_keys, 0) {
            Ok(verified) => verified.claims,
            Err(Reason::UnknownKey) => {
                // A key of our access tokens is one that we know, and vouches for nobody's login (E3).
                let is_unknown = |verified| matches!(verified, Err(Reason::UnknownKey));
                let is_gone = is_unknown(jose::verify(token, &expectations, &self.access_token_keys, 0))
                    && jose::peek_issuer(token).as_deref() == Some(&*self.issuer);
                return Err(if is_gone { NotAHint::KeyIsGone } else { NotAHint::Wrong });
            }
            Err(_) => return Err(NotAHint::Wrong),
        };
        said(&claims).ok_or(NotAHint::Wrong)
    }
}

fn said(claims: &Map<String, Value>) -> Option<Hint> {
    let client_ids = match claims.get("aud")? {
        Value::Array(audiences) => audiences.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        audience => vec![audience.as_str()?.to_owned()],
    };
    Some(Hint { user_id: Uuid::try_parse(claims.get("sub")?.as_str()?).ok()?, client_ids })
}
