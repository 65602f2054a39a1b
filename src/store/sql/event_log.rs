//! The event log in SQL. It is in no node's memory, so there is no line in the change feed.

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _, query};

use super::search::pattern;
use super::tables::{columns, select};
use super::{Result, SqlStore, StoreError};
use crate::model::{EventKind, LoggedEvent};
use crate::store::{EventOrder, EventSearch};

/// The counter's row is locked until the commit, so the numbers have the order of the commits and no gaps.
pub(super) async fn append(store: &SqlStore, events: &[(EventKind, String)], at: i64, most: i64) -> Result<()> {
    let count = events.len() as i64;
    let mut mutation = store.begin().await?;
    mutation.execute(query("UPDATE event_log_counter SET id = id + $1").bind(count)).await?;
    let last = mutation.fetch(query("SELECT id FROM event_log_counter")).await?;
    let last: i64 = last.map_or(Ok(0), |row| row.try_get("id"))?;
    for (index, (kind, message)) in (1..).zip(events) {
        let statement = query("INSERT INTO event_log (id, kind, message, stored_at) VALUES ($1, $2, $3, $4)")
            .bind(last - count + index)
            .bind(kind.as_str())
            .bind(message.as_str())
            .bind(at);
        mutation.execute(statement).await?;
    }
    mutation.execute(query("DELETE FROM event_log WHERE id <= $1").bind(last - most)).await?;
    mutation.commit_silently().await
}

pub(super) async fn find(store: &SqlStore, id: i64) -> Result<Option<LoggedEvent>> {
    let statement = query(select!(event_log, "WHERE id = $1")).bind(id);
    statement.fetch_optional(&store.readers).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn search(store: &SqlStore, search: &EventSearch) -> Result<(Vec<LoggedEvent>, u64)> {
    // Bound in any case: their numbers stay the same.
    let conditions = r"($1 = '%%' OR LOWER(message) LIKE $1 ESCAPE '\') AND ($2 = '' OR kind = $2)
        AND stored_at >= $3 AND stored_at <= $4";
    let mut order = String::new();
    for (by, descends) in &search.order {
        order.push_str(match by {
            EventOrder::Id => "id",
            EventOrder::Kind => "kind",
            EventOrder::Message => "message",
            EventOrder::StoredAt => "stored_at",
        });
        order.push_str(if *descends { " DESC, " } else { ", " });
    }
    let (wanted, kind) = (pattern(&search.text), search.kind.map_or("", EventKind::as_str));
    let page = format!(
        "SELECT {} FROM event_log WHERE {conditions} ORDER BY {order}id DESC LIMIT $5 OFFSET $6",
        columns!(event_log)
    );
    let count = format!("SELECT COUNT(*) AS total FROM event_log WHERE {conditions}");
    let rows = query(AssertSqlSafe(page))
        .bind(wanted.as_str())
        .bind(kind)
        .bind(search.from_at)
        .bind(search.until_at)
        .bind(i64::from(search.limit))
        .bind(i64::from(search.offset))
        .fetch_all(&store.readers)
        .await?;
    let total = query(AssertSqlSafe(count)).bind(wanted.as_str()).bind(kind).bind(search.from_at).bind(search.until_at);
    let total: i64 = total.fetch_one(&store.readers).await?.try_get("total")?;
    Ok((rows.iter().map(read).collect::<Result<_>>()?, u64::try_from(total).unwrap_or_default()))
}

/// A batch at a time, so that nobody waits long behind it.
pub(super) async fn forget(store: &SqlStore, before: i64) -> Result<u64> {
    const BATCH: u64 = 500;
    let mut rows = 0;
    loop {
        let statement = query(
            "DELETE FROM event_log WHERE id IN
             (SELECT id FROM event_log WHERE stored_at < $1 ORDER BY stored_at LIMIT $2)",
        );
        let deleted = store.within(store.execute_alone(statement.bind(before).bind(BATCH as i64))).await?;
        rows += deleted;
        if deleted < BATCH {
            return Ok(rows);
        }
    }
}

fn read(row: &AnyRow) -> Result<LoggedEvent> {
    let kind: &str = row.try_get("kind")?;
    Ok(LoggedEvent {
        id: row.try_get("id")?,
        kind: EventKind::parse(kind).ok_or_else(|| StoreError::Corrupt(format!("event of kind {kind:?}")))?,
        message: row.try_get("message")?,
        stored_at: row.try_get("stored_at")?,
    })
}
