//! The tables whose rows are read whole, with their columns. It knows no statement of its own.
//!
//! Columns are always named: `*` would be another answer once a newer program adds a column while this one runs, and PostgreSQL
//! refuses a prepared statement whose answer has changed (T73).

/// The columns of a table's rows, as they are read.
macro_rules! columns {
    (api_key) => {
        "id, name, key_hash, tenant_id, endpoints, is_key_manager, expires_at, managed_by, created_at, updated_at"
    };
    (application) => {
        "id, tenant_id, name, client_id, client_secrets, roles, settings, managed_by, created_at, updated_at"
    };
    (authorization_code) => {
        "hash, approval, redirect_uri, code_challenge, device_code_id, created_at, expires_at, redeemed_at"
    };
    (browser_session) => {
        "hash, login, sealed, version, created_at, idle_expires_at, expires_at"
    };
    (change) => {
        "seq, kind, object_id, changed_at"
    };
    (consent) => {
        "user_id, application_id, scopes, granted_at, expires_at"
    };
    (device_code) => {
        "id, hash, user_code_hash, tenant_id, application_id, scopes, state, approval, grant_id, poll_interval, \
         last_polled_at, peer, device_name, created_at, expires_at"
    };
    (entity) => {
        "id, tenant_id, type_id, name, client_id, client_secrets, managed_by, created_at, updated_at, data, \
         parent_id"
    };
    (event_log) => {
        "id, kind, message, stored_at"
    };
    (named_key) => {
        "id, kid, name, tenant_id, algorithm, public_jwk, private_key, created_at, updated_at, managed_by"
    };
    (pushed_request) => {
        "hash, application_id, parameters, created_at, expires_at, spent_at"
    };
    (refresh_token) => {
        "id, hash, approval, created_at, last_used_at, idle_expires_at, expires_at, rotated_at, revoked_at, \
         device_name"
    };
    (registration) => {
        "user_id, application_id, roles, data, managed_by, created_at, updated_at"
    };
    (revocation) => {
        "kind, object_key, revoked_at, expires_at"
    };
    (session) => {
        "id, hash, tenant_id, user_id, authenticated_at, methods, created_at, last_used_at, idle_expires_at, \
         expires_at, peer, user_agent"
    };
    (signing_key) => {
        "id, tenant_id, algorithm, purpose, public_jwk, private_key, created_at, published_at, signs_from_at, \
         retired_at, removed_at, for_applications"
    };
    (tenant) => {
        "id, name, issuer, profile, access_token_for, access_token_algorithm, id_token_algorithm, managed_by, \
         created_at, updated_at, settings"
    };
    (tenant_user) => {
        "id, tenant_id, email, email_key, username, email_verified, password_hash, password_changed_at, \
         password_change, locked_at, expires_at, totp_secret, recovery_codes, profile, managed_by, created_at, \
         updated_at, passkeys"
    };
}
pub(super) use columns;

/// Rows that are read at once where a whole table is: each page is answered within the deadline, however many there are.
pub(super) const PAGE: i64 = if cfg!(test) { 2 } else { 10_000 };

/// A statement that reads rows of a table whole: `select!(tenant, "WHERE id = $1")`.
macro_rules! select {
    ($table:ident, $rest:literal) => {
        concat!("SELECT ", $crate::store::sql::tables::columns!($table), " FROM ", stringify!($table), " ", $rest)
    };
}
pub(super) use select;

/// Locks a row of a table until the end of the transaction, and reads it whole; `$1` is its id.
macro_rules! lock {
    ($table:ident) => {
        concat!(
            "UPDATE ",
            stringify!($table),
            " SET created_at = created_at WHERE id = $1 RETURNING ",
            $crate::store::sql::tables::columns!($table)
        )
    };
}
pub(super) use lock;
