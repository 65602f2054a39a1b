//! Searches among the grants of entities and of users, in SQL: a page of both, and how many there are.

use ahash::AHashMap;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row as _, query};

use super::columns::read_id;
use super::search::pattern;
use super::{Engine, Result, SqlStore, grants, user_grants};
use crate::store::{FoundGrant, GrantSearch};

/// The two tables, and what each calls the recipient. These are texts of ours, never of a caller.
const OF_ENTITIES: (&str, &str) = ("entity_grant", "recipient_id");
const OF_USERS: (&str, &str) = ("user_grant", "user_id");

pub(super) async fn search(store: &SqlStore, search: &GrantSearch) -> Result<(Vec<FoundGrant>, u64)> {
    let text = search.text.to_lowercase();
    if text.contains('\0') {
        // PostgreSQL has no such text, and refuses to look for it.
        return Ok((Vec::new(), 0));
    }
    let mut conditions = Conditions::default();
    // PostgreSQL is asked for the tenant of the target, where there is a name: while it knows nothing of the table, it takes one
    // tenant for little of it, and would look up the target of each of its grants. SQLite would look up each target of the tenant.
    let of_target = search.tenant_id.filter(|_| !text.is_empty() && matches!(store.engine, Engine::Postgres));
    if let Some(id) = search.tenant_id.filter(|_| of_target.is_none()) {
        conditions.add("found.tenant_id = ", id.to_string(), "");
    }
    if let Some(id) = search.target_id {
        conditions.add("found.target_id = ", id.to_string(), "");
    }
    if let Some(id) = search.user_id {
        conditions.add("found.user_id = ", id.to_string(), "");
    }
    if !text.is_empty() {
        let targets = "found.target_id IN (SELECT id FROM entity WHERE name_key LIKE ";
        match of_target {
            None => conditions.add(targets, pattern(&text), r" ESCAPE '\')"),
            Some(id) => {
                conditions.texts.push(id.to_string());
                let tenant = format!(r" ESCAPE '\' AND tenant_id = ${})", conditions.texts.len());
                conditions.add(targets, pattern(&text), &tenant);
            }
        }
    }
    let tables = if search.user_id.is_some() { &[OF_USERS][..] } else { &[OF_ENTITIES, OF_USERS] };
    let which = conditions.text();
    // As an index has them, so that nothing is sorted, and no row is read but those of the page.
    let (by, order) = match search.by_age {
        // All of them are of one tenant: PostgreSQL would not see that the index has them in this order.
        None if search.tenant_id.is_some() => ("tenant_id", "target_id, recipient_id"),
        None => ("tenant_id", "tenant_id, target_id, recipient_id"),
        Some(false) => ("created_at", "created_at, target_id, recipient_id"),
        Some(true) => ("created_at", "created_at DESC, target_id DESC, recipient_id DESC"),
    };
    let (limit, offset) = (conditions.texts.len() + 1, conditions.texts.len() + 2);
    let part = |(table, recipient): &(&str, &str)| {
        let rows = format!(
            "SELECT '{table}' AS kind, found.id AS id, found.{by} AS {by}, found.target_id AS target_id,
                    found.{recipient} AS recipient_id FROM {table} AS found{which}"
        );
        match store.engine {
            // It merges what is in order already, by itself.
            Engine::Sqlite { .. } | Engine::Memory => rows,
            // Only where each of them is in order; whether that is known must not depend on statistics.
            Engine::Postgres => {
                format!("SELECT * FROM ({rows} ORDER BY {order} LIMIT ${limit} + ${offset}) AS of_{table}")
            }
        }
    };
    let parts: Vec<String> = tables.iter().map(part).collect();
    let page = format!("{} ORDER BY {order} LIMIT ${limit} OFFSET ${offset}", parts.join(" UNION ALL "));
    let counts: Vec<String> =
        tables.iter().map(|(table, _)| format!("(SELECT COUNT(*) FROM {table} AS found{which})")).collect();
    let count = format!("SELECT {} AS total", counts.join(" + "));
    let (mut page, mut count) = (query(AssertSqlSafe(page)), query(AssertSqlSafe(count)));
    for text in &conditions.texts {
        page = page.bind(text.as_str());
        count = count.bind(text.as_str());
    }
    let page = page.bind(i64::from(search.limit)).bind(i64::from(search.offset));
    let rows = page.fetch_all(&store.readers).await?;
    let total: i64 = count.fetch_one(&store.readers).await?.try_get("total")?;
    Ok((with_permissions(store, &rows).await?, u64::try_from(total).unwrap_or_default()))
}

/// The grants of the rows, in their order.
async fn with_permissions(store: &SqlStore, rows: &[AnyRow]) -> Result<Vec<FoundGrant>> {
    let (mut places, mut of_entities, mut of_users) = (AHashMap::new(), Vec::new(), Vec::new());
    for (place, row) in rows.iter().enumerate() {
        let id = read_id(row, "id")?;
        let kind: &str = row.try_get("kind")?;
        places.insert(id, place);
        if kind == OF_USERS.0 { of_users.push(id) } else { of_entities.push(id) }
    }
    let mut found: Vec<(Option<usize>, FoundGrant)> = Vec::with_capacity(rows.len());
    for grant in grants::with_ids(store, &of_entities).await? {
        found.push((places.get(&grant.id).copied(), FoundGrant::OfEntity(grant)));
    }
    for grant in user_grants::with_ids(store, &of_users).await? {
        found.push((places.get(&grant.id).copied(), FoundGrant::OfUser(grant)));
    }
    found.sort_unstable_by_key(|(place, _)| *place);
    Ok(found.into_iter().map(|(_, grant)| grant).collect())
}

/// Conditions with the texts that are bound to them.
#[derive(Default)]
struct Conditions {
    written: Vec<String>,
    texts: Vec<String>,
}

impl Conditions {
    fn add(&mut self, before: &str, text: String, after: &str) {
        self.texts.push(text);
        self.written.push(format!("{before}${}{after}", self.texts.len()));
    }

    fn text(&self) -> String {
        if self.written.is_empty() { String::new() } else { format!(" WHERE {}", self.written.join(" AND ")) }
    }
}
