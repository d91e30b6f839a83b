//! Pages about people: the first account, signing in, the account itself.

pub mod account;
pub mod sign_in;
