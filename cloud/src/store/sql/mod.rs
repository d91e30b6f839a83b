//! The thin layer between the store's functions and two databases.
//!
//! [`dialect`] holds what differs; [`session`] runs statements; [`writer`] makes writes take turns; [`open`]
//! sets a database up and reads its settings back; [`mod@row`] and [`mod@column`] turn our types into
//! portable columns and back; [`items`] makes many rows one value, [`gather`] many writes one; [`page`] reads
//! lists in pages; [`mod@copy`] makes copies for backups.

mod column;
mod copy;
mod dialect;
mod gather;
mod items;
mod open;
pub(in crate::store) mod page;
mod row;
mod session;
mod writer;

pub use dialect::Sql;
pub use gather::{Answers, Gatherer};
pub use items::{Script, Template, items};
pub use open::{Engine, SchemaError, is_there};
pub(in crate::store) use row::row;
pub use row::{Column, FromRow, Row, Value};
pub(in crate::store) use session::args;
pub use session::{Session, list, table};

row! {
    /// A count, selected `AS number` and cast to BIGINT where it is not one.
    pub struct Number {
        /// The count.
        pub number: i64,
    }
}
