//! Searches in SQL: which rows contain a text, a page of them, and how many there are. It knows no table of its own.

use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _, query};

use super::{Result, SqlStore};
use crate::store::{Search, SearchOrder};

/// What is searched. These are texts of ours, never of a caller.
pub(super) struct Table {
    pub name: &'static str,
    /// Of what is compared, in lower case.
    pub keys: &'static [&'static str],
    pub column_of: fn(SearchOrder) -> &'static str,
}

/// The rows of the page, and how many rows there are.
pub(super) async fn rows(store: &SqlStore, table: &Table, search: &Search) -> Result<(Vec<AnyRow>, u64)> {
    let Table { name, keys, column_of } = table;
    let mut conditions = vec![
        // Both are bound in any case: their numbers stay the same.
        "($1 = '' OR tenant_id = $1)".to_owned(),
    ];
    let likes: Vec<String> = keys.iter().map(|key| format!(r"{key} LIKE $2 ESCAPE '\'")).collect();
    conditions.push(format!("($2 = '%%' OR {})", likes.join(" OR ")));
    let conditions = conditions.join(" AND ");
    let (tenant, pattern) = (search.tenant_id.map(|id| id.to_string()).unwrap_or_default(), pattern(&search.text));
    let mut order = String::new();
    for (by, descends) in &search.order {
        order.push_str(column_of(*by));
        order.push_str(if *descends { " DESC, " } else { ", " });
    }
    let page = format!("SELECT * FROM {name} WHERE {conditions} ORDER BY {order}id LIMIT $3 OFFSET $4");
    let count = format!("SELECT COUNT(*) AS total FROM {name} WHERE {conditions}");
    let found = query(AssertSqlSafe(page))
        .bind(tenant.as_str())
        .bind(pattern.as_str())
        .bind(i64::from(search.limit))
        .bind(i64::from(search.offset))
        .fetch_all(&store.readers)
        .await?;
    let total = query(AssertSqlSafe(count)).bind(tenant.as_str()).bind(pattern.as_str());
    let total: i64 = total.fetch_one(&store.readers).await?.try_get("total")?;
    Ok((found, u64::try_from(total).unwrap_or_default()))
}

/// Folded as the keys are; the characters that mean something to LIKE stand for themselves.
pub(super) fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for character in text.to_lowercase().chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}
