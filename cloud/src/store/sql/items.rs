//! Any number of rows as one value of a statement whose text stays the same.
//!
//! A text that names each value is another text for each number of rows: it is parsed and planned anew every
//! time. Here the rows travel as one JSON array of arrays, which both databases take apart by themselves.

use std::sync::OnceLock;

use super::dialect::{Dialect, Sql, without_zero};
use super::row::Value;
use super::session::Session;

/// A statement over rows, written once for both databases. `{items}` stands for the rows of `$1`, of which
/// `item.value ->> 0` is the first column (of a number: `CAST(item.value ->> 0 AS BIGINT)`). `{lock}`
/// and `{share}` hold the rows of a `SELECT` in the order of their ids: against others who do so, and
/// together with these. `{free}` passes over those that others hold. `{first_tasks}` … `{of_each}`: the first
/// few tasks for each row, named `first` in between and `tasks` outside.
pub struct Template {
    text: &'static str,
    lite: OnceLock<String>,
    post: OnceLock<String>,
}

impl Template {
    /// Of this text.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        Self { text, lite: OnceLock::new(), post: OnceLock::new() }
    }

    /// As the database of this connection wants it.
    pub fn text(&'static self, session: &Session) -> Sql {
        Sql::Text(match session {
            Session::Lite(_) => self.lite.get_or_init(|| filled::<sqlx::Sqlite>(self.text)),
            Session::Post(_) => self.post.get_or_init(|| filled::<sqlx::Postgres>(self.text)),
        })
    }
}

/// Statements over rows that go to the database as one, so that the way there is gone once: each with `$1` as
/// its own rows, in no order (PostgreSQL runs them as of one moment): none may change,
/// wait for or rest on what another one changes. It gives no rows.
pub struct Script {
    steps: &'static [&'static str],
    lite: OnceLock<String>,
    post: OnceLock<String>,
}

impl Script {
    /// Of these texts, as for a [`Template`].
    #[must_use]
    pub const fn new(steps: &'static [&'static str]) -> Self {
        Self { steps, lite: OnceLock::new(), post: OnceLock::new() }
    }

    /// As the database of this connection wants it: SQLite runs a list, PostgreSQL one statement that has the
    /// others inside.
    pub(super) fn text(&'static self, session: &Session) -> Sql {
        Sql::Text(match session {
            Session::Lite(_) => self.lite.get_or_init(|| self.filled::<sqlx::Sqlite>().join(";\n")),
            Session::Post(_) => self.post.get_or_init(|| nested(&self.filled::<sqlx::Postgres>())),
        })
    }

    fn filled<D: Dialect>(&self) -> Vec<String> {
        let numbered =
            |(step, number): (&&str, usize)| filled::<D>(step).replace("$1", &format!("${number}"));
        self.steps.iter().zip(1..).map(numbered).collect()
    }
}

fn nested(steps: &[String]) -> String {
    let named = |(step, number): (&String, usize)| format!("step_{number} AS ({step})");
    let named: Vec<_> = steps.iter().zip(1..).map(named).collect();
    format!("WITH {} SELECT 1", named.join(", "))
}

fn filled<D: Dialect>(text: &str) -> String {
    text.replace("{items}", D::ITEMS)
        .replace("{lock}", D::LOCK_ROWS.unwrap_or_default())
        .replace("{share}", D::SHARE_ROWS.unwrap_or_default())
        .replace("{free}", D::TAKE_FREE_ROWS)
        .replace("{first_tasks}", D::FIRST_TASKS.0)
        .replace("{of_each}", D::FIRST_TASKS.1)
}

/// The rows as a value.
pub fn items(rows: impl IntoIterator<Item = Vec<Value>>) -> Value {
    let value = |value| match value {
        Value::Int(number) => number.map_or(serde_json::Value::Null, serde_json::Value::from),
        // PostgreSQL takes no zero byte, also not as JSON writes it.
        Value::Text(text) => text.map_or(serde_json::Value::Null, |text| without_zero(text).into()),
    };
    let row = |row: Vec<Value>| serde_json::Value::Array(row.into_iter().map(value).collect());
    Value::Text(Some(serde_json::Value::Array(rows.into_iter().map(row).collect()).to_string()))
}
