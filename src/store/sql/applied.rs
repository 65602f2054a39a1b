//! What files declared when they were last applied, in SQL.

use sqlx::{Row as _, query};

use super::{Result, SqlStore};

pub(super) async fn list(store: &SqlStore, owner: &str) -> Result<Vec<(String, String)>> {
    let statement = query("SELECT object, digest FROM applied WHERE owner = $1").bind(owner.to_owned());
    let rows = statement.fetch_all(&store.readers).await?;
    let read = |row: &sqlx::any::AnyRow| Ok((row.try_get("object")?, row.try_get("digest")?));
    let mut applied = rows.iter().map(read).collect::<Result<Vec<(String, String)>>>()?;
    // Here, because the engines do not agree on the order of text.
    applied.sort_unstable();
    Ok(applied)
}

pub(super) async fn replace(store: &SqlStore, owner: &str, applied: &[(String, String)]) -> Result<()> {
    let mut sorted = applied.to_vec();
    sorted.sort_unstable();
    if list(store, owner).await? == sorted {
        return Ok(());
    }
    let mut mutation = store.begin().await?;
    mutation.execute(query("DELETE FROM applied WHERE owner = $1").bind(owner.to_owned())).await?;
    for (object, digest) in sorted {
        // Of two who apply at once the second wins.
        let statement = query(
            "INSERT INTO applied (owner, object, digest) VALUES ($1, $2, $3)
             ON CONFLICT (owner, object) DO UPDATE SET digest = excluded.digest",
        );
        mutation.execute(statement.bind(owner.to_owned()).bind(object).bind(digest)).await?;
    }
    mutation.commit_silently().await
}
