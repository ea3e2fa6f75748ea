//! Which node a pod goes to.
//!
//! [`Scheduler`] feeds the objects of nodes and pods into a [`Roster`], which keeps what nodes offer and
//! pods take and is the pure decision.

mod actor;
mod needs;
mod node;
mod roster;
#[cfg(test)]
mod tests;
mod unschedulable;

pub use actor::{Place, Placed, Scheduler, function};
pub use needs::{Needs, code_of};
pub use node::{NodeFacts, Usage};
pub use roster::{Roster, Taken};
pub use unschedulable::Unschedulable;
