//! What holds for every request: headers, limits, repetition.

mod answers;
mod limits;
mod once;
mod proxies;
