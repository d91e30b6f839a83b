//! The only place with actix-web: [`routes`] (the table), guards, problems, the API, pages, the workers'
//! link.
//!
//! A handler parses into domain types, calls the store or the farm once, and shows the result through
//! [`present`]; rules live in the domain, SQL in the store. Middleware is in [`layers`], in the order that
//! [`server`] sets.

pub mod api;
pub mod assets;
pub mod enrol;
pub mod guards;
pub mod health;
pub mod layers;
pub mod link;
pub mod live;
pub mod pages;
pub mod present;
pub mod problem;
pub mod routes;
pub mod server;
pub mod state;

pub use guards::sign_in;
