//! Which task goes to which slot: problem → plan → difference to what is already on its way.
//!
//! Same input, same plan; applying a plan and solving again gives nothing new. Rules in the order they are
//! applied: a slot must be able to run the engine; a task goes not to a worker it failed on while another can
//! take it; idle slots before slots that get one ahead; higher priority first; then the account with the
//! fewest leases; then the older job; among slots one that has the scene loaded, then one with a GPU; ties by
//! id.

mod numbers;
mod order;
pub mod problem;
mod room;
pub mod solve;
pub mod why;

pub use problem::{Grant, Plan, Problem, SlotIn, TaskIn};
pub use solve::solve;
pub use why::{Absence, Dropped, Rule, why, words};

#[cfg(test)]
mod tests;
