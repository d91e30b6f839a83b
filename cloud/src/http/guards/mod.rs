//! Who may call a route.
//!
//! The table in [`super::routes`] names a [`Guard`] for each route; [`enforce()`] keeps it **before** the
//! handler and before the body is read, and leaves the caller where the extractors [`SignedIn`] and
//! [`WorkerCaller`] find it. A handler cannot forget its guard: with the wrong one its extractor fails.

mod callers;
mod enforce;
mod forms;
mod need;
pub mod passwords;
mod sessions;
pub mod sign_in;

pub use callers::{Caller, MaybeSignedIn, SignedIn, Via, WorkerCaller};
pub use enforce::enforce;
pub use forms::{FORM_FIELD, FORM_HEADER, form_token};
pub use need::{Guard, Need, Scope};
pub use sessions::{clear_cookie, cookie_name, session_cookie, start_session};

/// Prefix of an API token's secret, so that secret scanners find a leaked one.
pub const TOKEN_PREFIX: &str = "pct_";
/// Prefix of a connected worker's bearer.
pub const WORKER_BEARER_PREFIX: &str = "wkb_";
