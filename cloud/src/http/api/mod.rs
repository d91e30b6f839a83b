//! `/api/v1`: one file a resource. Handlers parse, call once, show.

pub mod accounts;
pub mod docs;
pub mod etag;
pub mod openapi;
pub mod sessions;
pub mod tokens;
