//! A browser's session with a tenant: single sign-on. It does not know cookies.

use uuid::Uuid;

/// One browser in which a user has logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The `sid` of tokens; never a secret.
    pub id: Uuid,
    /// SHA-256 of what the browser presents; another one after every login (K6).
    pub hash: String,
    pub tenant_id: Uuid,
    pub user_id: Uuid,
    pub authenticated_at: i64,
    /// `amr` values, as in [`super::Approval`].
    pub methods: Vec<String>,
    /// When it began; a later login of the same person goes on with it.
    pub created_at: i64,
    pub last_used_at: i64,
    /// First instant at which it has been unused for too long.
    pub idle_expires_at: i64,
    /// First instant at which it is over, used or not.
    pub expires_at: i64,
    /// Where the browser was at the login, for the person who looks through their sessions.
    pub peer: Option<String>,
    /// What the browser called itself, shortened.
    pub user_agent: Option<String>,
}

/// A client that is to hear of the end of a session that nobody logged out of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UntoldLogout {
    pub session_id: Uuid,
    pub application_id: Uuid,
    pub tenant_id: Uuid,
    pub user_id: Uuid,
}

impl Session {
    pub fn is_live(&self, now: i64) -> bool {
        now < self.expires_at && now < self.idle_expires_at
    }
}
