//! Mutations as data: statements that need nothing of each other's answers, so that whoever runs them may run several in
//! one transaction. They leave no change in the feed.

use std::fmt;

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, Row as _, ValueRef as _};
use uuid::Uuid;

use super::Result;

/// Statements of one transaction, in order.
#[derive(Debug, Default)]
pub(super) struct Script {
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    text: &'static str,
    values: Vec<Value>,
    role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// When it touches no row, the script ends and nothing has happened.
    Decides,
    /// Decides, and returns a column.
    Returns,
    Follows,
    /// Runs when what was returned is not NULL.
    FollowsReturned,
}

/// What a column can hold: TEXT or BIGINT.
#[derive(Clone)]
pub(super) enum Value {
    Text(Option<String>),
    Number(Option<i64>),
}

/// Values are hashes, tokens' owners and other things that no log needs.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

impl Script {
    /// Adds the statement that decides whether anything happens. It comes before all that change something.
    pub(super) fn decides(self, text: &'static str) -> Self {
        self.step(text, Role::Decides)
    }

    /// As [`Self::decides`], for a statement with a RETURNING clause.
    pub(super) fn decides_returning(self, text: &'static str) -> Self {
        self.step(text, Role::Returns)
    }

    /// Adds a statement that may touch any number of rows.
    pub(super) fn then(self, text: &'static str) -> Self {
        self.step(text, Role::Follows)
    }

    /// Adds a statement that only runs if something was returned that is not NULL.
    pub(super) fn then_if_returned(self, text: &'static str) -> Self {
        self.step(text, Role::FollowsReturned)
    }

    fn step(mut self, text: &'static str, role: Role) -> Self {
        self.steps.push(Step { text, values: Vec::new(), role });
        self
    }

    /// The next value of the newest statement.
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        if let Some(step) = self.steps.last_mut() {
            step.values.push(value.into());
        }
        self
    }

    /// One statement is a transaction of its own.
    pub(super) fn is_one_statement(&self) -> bool {
        self.steps.len() == 1
    }

    /// Runs the steps in an open transaction; answers whether the deciding one let it happen. After an error the
    /// transaction must be rolled back.
    pub(super) async fn run(&self, connection: &mut AnyConnection) -> Result<bool> {
        let mut returned = false;
        for step in &self.steps {
            match step.role {
                Role::Decides => {
                    if step.query().execute(&mut *connection).await?.rows_affected() == 0 {
                        return Ok(false);
                    }
                }
                Role::Returns => match step.query().fetch_optional(&mut *connection).await? {
                    Some(row) => returned = !row.try_get_raw(0)?.is_null(),
                    None => return Ok(false),
                },
                Role::FollowsReturned if !returned => {}
                Role::Follows | Role::FollowsReturned => {
                    step.query().execute(&mut *connection).await?;
                }
            }
        }
        Ok(true)
    }
}

impl Step {
    fn query(&self) -> Query<'_, Any, AnyArguments> {
        self.values.iter().fold(sqlx::query(self.text), |query, value| match value {
            Value::Text(text) => query.bind(text.as_deref()),
            Value::Number(number) => query.bind(*number),
        })
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

impl From<Uuid> for Value {
    fn from(id: Uuid) -> Self {
        Self::Text(Some(id.to_string()))
    }
}

impl From<Option<Uuid>> for Value {
    fn from(id: Option<Uuid>) -> Self {
        Self::Text(id.map(|id| id.to_string()))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}
