//! What the store makes of the databases themselves: schema, plans, broken lines.

mod cut;
mod durability;
mod plans;
mod schema;
mod statements;
mod together;
mod turns;
mod unanswered;
