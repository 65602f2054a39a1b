//! Authorization requests that clients pushed (RFC 9126), until somebody has answered them. It does not know what they ask.

use uuid::Uuid;

/// What a client will ask a person for, as it told us directly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedRequest {
    /// SHA-256 of the reference that the client was given.
    pub hash: String,
    pub application_id: Uuid,
    /// Form-encoded.
    pub parameters: String,
    pub created_at: i64,
    /// First instant at which nobody may begin with it.
    pub expires_at: i64,
    /// When it was granted.
    pub spent_at: Option<i64>,
}
