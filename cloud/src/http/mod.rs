//! HTTP: the only place with actix-web.

pub mod assets;
pub mod pages;
