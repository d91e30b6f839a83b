//! Values on their way into a statement and out of a row, without naming a database.
//!
//! Portable types only: TEXT, BIGINT, DOUBLE PRECISION. An absent value keeps its type, because PostgreSQL
//! wants it.

use sqlx::Row as _;

use crate::store::error::{Result, StoreError};

/// A value to bind.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// BIGINT: numbers, times, booleans.
    Int(Option<i64>),
    /// TEXT: names, ids, hashes, JSON.
    Text(Option<String>),
}

/// One row of an answer.
pub enum Row {
    /// From SQLite.
    Lite(sqlx::sqlite::SqliteRow),
    /// From PostgreSQL.
    Post(sqlx::postgres::PgRow),
}

impl Row {
    /// The column of that name, as `T`.
    pub fn get<T: Column>(&self, name: &str) -> Result<T> {
        T::read(self, name)
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>> {
        match self {
            Self::Lite(row) => row.try_get(name),
            Self::Post(row) => row.try_get(name),
        }
        .map_err(unreadable)
    }

    pub(super) fn int(&self, name: &str) -> Result<Option<i64>> {
        match self {
            Self::Lite(row) => row.try_get(name),
            Self::Post(row) => row.try_get(name),
        }
        .map_err(unreadable)
    }
}

/// A stored value that this program cannot read: of a newer version, or damaged.
pub(super) fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable(Box::new(Unreadable(Box::new(error))))
}

/// Why a stored value cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct Unreadable(Box<dyn std::error::Error + Send + Sync>);

/// A type that is stored in one column.
pub trait Column: Sized {
    /// The column's type when there is no value.
    const ABSENT: Value;
    /// Reads it from a row.
    fn read(row: &Row, name: &str) -> Result<Self>;
    /// Makes it ready to be bound.
    fn value(&self) -> Value;
}

/// A struct that is one row of an answer; its fields are the columns.
pub trait FromRow: Sized {
    /// Reads it.
    fn from_row(row: &Row) -> Result<Self>;
}

/// Defines a row struct and how it is read; field names are column names.
macro_rules! row {
    (
        $(#[$doc:meta])*
        pub struct $name:ident {
            $( $(#[$field_doc:meta])* pub $field:ident: $type:ty, )+
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $( $(#[$field_doc])* pub $field: $type, )+
        }

        impl $crate::store::sql::FromRow for $name {
            fn from_row(row: &$crate::store::sql::Row) -> $crate::store::Result<Self> {
                Ok(Self { $( $field: row.get(stringify!($field))?, )+ })
            }
        }
    };
}

pub(in crate::store) use row;
