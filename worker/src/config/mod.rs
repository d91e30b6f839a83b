//! The three origins of settings, kept apart: the identity (imported file, read-only), the owner's settings,
//! and the cloud's policy, which comes with each welcome and is kept in memory only.

pub mod identity;
pub mod import;
pub mod paths;
pub mod pause;
pub mod settings;

pub use identity::{Identity, IdentityProblem, Key};
pub use paths::{Content, DataDir};
pub use settings::Settings;
