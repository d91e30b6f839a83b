//! Who calls: accounts, sessions, tokens, signing in, and requests forged in somebody's name.

mod accounts;
mod forged;
mod sign_in;
