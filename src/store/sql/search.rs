//! Searches: which objects contain a text, a page of them, and how many there are. It knows no table of its own.
//!
//! The texts are kept in memory: `index` searches them, `follow` keeps them as new as the store. Where there are more objects
//! than memory should be given to, and until they have been read, the database is asked.

mod follow;
mod index;

use ahash::AHashMap;
use sqlx::any::AnyRow;
use sqlx::{AnyPool, AssertSqlSafe, Row as _, query};
use uuid::Uuid;

pub(super) use follow::Followed;
pub(super) use index::Key;
use index::{KEYS, Question};

use super::columns::read_id;
use super::{Result, SqlStore};
use crate::model::ChangeKind;
use crate::store::{Search, SearchOrder};

/// Rows that are read at once by their ids.
pub(super) const AT_ONCE: usize = 500;

/// What is searched. These are texts of ours, never of a caller.
#[derive(Debug)]
pub(super) struct Table {
    pub name: &'static str,
    /// Reads rows whole.
    pub select: &'static str,
    /// Of what is compared, in lower case.
    pub keys: [&'static str; KEYS],
    pub order_of: fn(SearchOrder) -> Key,
    /// What the feed calls its rows.
    pub kind: ChangeKind,
}

/// The rows of the page, and how many rows there are.
pub(super) async fn rows(store: &SqlStore, followed: &Followed, search: &Search) -> Result<(Vec<AnyRow>, u64)> {
    let table = followed.table();
    let text = search.text.to_lowercase();
    if text.contains('\0') {
        // PostgreSQL has no such text, and refuses to look for it.
        return Ok((Vec::new(), 0));
    }
    let order: Vec<(Key, bool)> =
        search.order.iter().map(|(by, descends)| ((table.order_of)(*by), *descends)).collect();
    let question = Question {
        tenant_id: search.tenant_id,
        text: &text,
        order: &order,
        limit: usize::try_from(search.limit).unwrap_or(usize::MAX),
        offset: usize::try_from(search.offset).unwrap_or(usize::MAX),
    };
    let (ids, total) = match followed.answer(&question).await? {
        Some(answer) => answer,
        None => from_database(&store.readers, table, &question).await?,
    };
    let mut rows = Vec::with_capacity(ids.len());
    for some in ids.chunks(AT_ONCE) {
        rows.extend(rows_of(&store.readers, (table.select, "id"), some).await?);
    }
    // The database has an order of its own, and somebody may have been deleted since.
    let places: AHashMap<Uuid, usize> = ids.iter().enumerate().map(|(place, id)| (*id, place)).collect();
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        found.push((places.get(&read_id(&row, "id")?).copied(), row));
    }
    found.sort_unstable_by_key(|(place, _)| *place);
    Ok((found.into_iter().map(|(_, row)| row).collect(), u64::try_from(total).unwrap_or(u64::MAX)))
}

/// The rows that have one of these ids in a column, at most [`AT_ONCE`] ids.
pub(super) async fn rows_of(readers: &AnyPool, (select, column): (&str, &str), ids: &[Uuid]) -> Result<Vec<AnyRow>> {
    let places: Vec<String> = (1..=ids.len()).map(|number| format!("${number}")).collect();
    let text = format!("{select} WHERE {column} IN ({})", places.join(", "));
    let mut statement = query(AssertSqlSafe(text));
    for id in ids {
        statement = statement.bind(id.to_string());
    }
    Ok(statement.fetch_all(readers).await?)
}

/// Only what is asked for is a condition, and no row is read but for its id: a late page is found among narrow entries.
async fn from_database(
    readers: &AnyPool,
    Table { name, keys, .. }: &Table,
    question: &Question<'_>,
) -> Result<(Vec<Uuid>, usize)> {
    let (mut conditions, mut texts) = (Vec::new(), Vec::new());
    if let Some(tenant_id) = question.tenant_id {
        texts.push(tenant_id.to_string());
        conditions.push(format!("tenant_id = ${}", texts.len()));
    }
    if !question.text.is_empty() {
        texts.push(pattern(question.text));
        let likes = keys.iter().map(|key| format!(r"{key} LIKE ${} ESCAPE '\'", texts.len()));
        conditions.push(format!("({})", likes.collect::<Vec<_>>().join(" OR ")));
    }
    let which = if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
    let mut terms = String::new();
    for (key, descends) in question.order {
        terms.push_str(&match key {
            Key::Text(at) => format!("COALESCE({}, '')", keys.get(*at).copied().unwrap_or("id")),
            Key::CreatedAt => "created_at".to_owned(),
            Key::Id => "id".to_owned(),
        });
        terms.push_str(if *descends { " DESC, " } else { ", " });
    }
    let (limit, offset) = (texts.len() + 1, texts.len() + 2);
    let page = format!("SELECT id FROM {name} {which} ORDER BY {terms}id LIMIT ${limit} OFFSET ${offset}");
    let count = format!("SELECT COUNT(*) AS total FROM {name} {which}");
    let (mut page, mut count) = (query(AssertSqlSafe(page)), query(AssertSqlSafe(count)));
    for text in &texts {
        page = page.bind(text.as_str());
        count = count.bind(text.as_str());
    }
    let most = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let page = page.bind(most(question.limit)).bind(most(question.offset));
    let ids = page.fetch_all(readers).await?.iter().map(|row| read_id(row, "id")).collect::<Result<Vec<_>>>()?;
    let total: i64 = count.fetch_one(readers).await?.try_get("total")?;
    Ok((ids, usize::try_from(total).unwrap_or_default()))
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
