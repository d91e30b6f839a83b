//! The thin layer between the store's functions and two databases.

mod column;
mod row;

pub(in crate::store) use row::row;
pub use row::{Column, FromRow, Row, Value};
