//! `/api/v1`: one file a resource. Handlers parse, call once, show.

// Made by utoipa's macros, which name types by their whole path.
#![allow(unused_qualifications)]

pub mod accounts;
pub mod blobs;
pub mod docs;
pub mod downloads;
pub mod etag;
pub mod frames;
pub mod jobs;
pub mod openapi;
pub mod sessions;
pub mod tasks;
pub mod tokens;
pub mod uploads;
pub mod workers;
