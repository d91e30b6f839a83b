//! Middleware, from the outside in: request id and log span ([`spans`]), headers on every answer
//! ([`security`]), problems and panics as documents or pages ([`answers`]); then, per route, time and body
//! limits ([`limits`]), the guard with its rate limits ([`rate_limit`]), and repeatable creation ([`once`]).
//! [`body`] is for handlers that stream, [`proxies`] says who asks.

pub mod answers;
pub mod body;
pub mod gates;
pub mod limits;
pub mod once;
pub mod proxies;
pub mod rate_limit;
pub mod security;
pub mod send;
pub mod spans;
