//! A browser's session with a route: the tokens of somebody who logged in. It does not know cookies, nor what is sealed.

/// One browser in which somebody logged in at an issuer, ours or another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserSession {
    /// SHA-256 of what the browser presents.
    pub hash: String,
    /// Which login of the configuration it came from.
    pub login: String,
    /// The tokens, encrypted.
    pub sealed: String,
    /// Counts how often `sealed` was replaced.
    pub version: i64,
    pub created_at: i64,
    /// First instant at which it has been unused for too long.
    pub idle_expires_at: i64,
    /// First instant at which it is over, used or not.
    pub expires_at: i64,
}

impl BrowserSession {
    pub fn is_live(&self, now: i64) -> bool {
        now < self.expires_at && now < self.idle_expires_at
    }
}
