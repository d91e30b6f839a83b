//! `/api/v1`: one file a resource. Handlers parse, call once, show.

pub mod accounts;
pub mod docs;
pub mod etag;
pub mod frames;
pub mod jobs;
pub mod openapi;
pub mod sessions;
pub mod tasks;
pub mod tokens;
pub mod workers;
