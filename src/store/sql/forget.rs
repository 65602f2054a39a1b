//! Deleting what is over, in SQL: a batch at a time, so that nobody waits long behind it and an interrupted one is not
//! for nothing.

use sqlx::query;

use super::{Result, SqlStore};

/// How many rows one transaction deletes at most, of each table.
const BATCH: i64 = 500;

/// How long what is over can still be found, in seconds, so that late use can be told from guesses.
const KEPT_FOR: i64 = 3_600;

/// Everything that expires by itself; `$1` is the last instant that is forgotten, `$2` the size of a batch.
const REMEMBERED: &str = "DELETE FROM remembered WHERE (kind, key_hash) IN
    (SELECT kind, key_hash FROM remembered WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
const OVER: [&str; 9] = [
    "DELETE FROM session WHERE id IN (SELECT id FROM session WHERE over_at <= $1 ORDER BY over_at LIMIT $2)",
    "DELETE FROM authorization_code WHERE hash IN
     (SELECT hash FROM authorization_code WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
    "DELETE FROM pushed_request WHERE hash IN
     (SELECT hash FROM pushed_request WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
    "DELETE FROM refresh_token WHERE id IN
     (SELECT id FROM refresh_token WHERE over_at <= $1 ORDER BY over_at LIMIT $2)",
    "DELETE FROM device_code WHERE id IN
     (SELECT id FROM device_code WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
    "DELETE FROM consent WHERE (user_id, application_id) IN
     (SELECT user_id, application_id FROM consent WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
    "DELETE FROM revocation WHERE (kind, object_key) IN
     (SELECT kind, object_key FROM revocation WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)",
    "DELETE FROM untold_logout WHERE (session_id, application_id) IN
     (SELECT session_id, application_id FROM untold_logout WHERE ended_at <= $1 ORDER BY ended_at LIMIT $2)",
    "DELETE FROM browser_session WHERE hash IN (SELECT hash FROM browser_session WHERE over_at <= $1 ORDER BY over_at LIMIT $2)",
];
/// The newest change stays, so that a node that slept notices the gap before it.
const CHANGES: &str = "DELETE FROM change WHERE seq IN
    (SELECT seq FROM change WHERE changed_at < $1 AND seq < (SELECT seq FROM change_counter) ORDER BY seq LIMIT $2)";

pub(super) async fn forget(store: &SqlStore, now: i64, changes_before: i64) -> Result<u64> {
    let over = now.saturating_sub(KEPT_FOR);
    let mut rows = 0;
    for (text, until) in [(REMEMBERED, now), (CHANGES, changes_before)].into_iter().chain(OVER.map(|text| (text, over)))
    {
        loop {
            let statement = query(text).bind(until).bind(BATCH);
            let deleted = store.within(store.execute_alone(statement)).await?;
            rows += deleted;
            if deleted < BATCH as u64 {
                break;
            }
        }
    }
    Ok(rows)
}
