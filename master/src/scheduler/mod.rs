//! Which node a pod goes to.
//!
//! [`Scheduler`] keeps what the nodes offer and what pods take of it, from their objects; [`place`] is
//! the pure decision.

mod actor;
mod place;

pub use actor::{Place, Placed, Scheduler};
pub use place::{Needs, NodeView, Unschedulable, place};
