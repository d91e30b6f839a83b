//! The JSON shapes of `/api/v1` and its problem codes, shared by the cloud and its clients.
//!
//! Conventions: ids and hashes are text, times RFC 3339 UTC text, sizes bytes, durations milliseconds, `null`
//! rather than absent; unknown is `null`, never zero. Lists are pages with a cursor.

pub mod accounts;
pub mod jobs;
pub mod page;
pub mod problem;
pub mod uploads;
pub mod workers;
