//! Which pods a call may go to, and the calls that wait for one.
//!
//! Calls do not pass through mailboxes. The [`Router`] actor publishes an immutable [`RouteTable`];
//! each [`Route`] in it holds the [`Slots`] of one function: its ready pods, how many calls each has
//! in flight, and the queue of calls that wait. The gateway takes a [`Permit`] from a route, forwards,
//! and drops the permit, which hands the slot to the call that waits longest. The function's actor
//! adds and drains pods and fails the queue when a launch cannot succeed. A route outlives its actor:
//! calls that are held when the actor is restarted stay held.

mod actor;
mod limit;
mod metrics;
mod refusal;
mod route;
mod slots;
mod table;

#[cfg(test)]
mod tests;

pub use actor::{Publish, Router, Withdraw};
pub use limit::Limiter;
pub use metrics::{Class, Counts, Phase, RouteMetrics};
pub use refusal::Refusal;
pub use route::{Admission, DemandSink, Held, Permit, Route, RouteLoad, RouteSettings, RouteState};
pub use slots::{Slots, Taken, Waiting};
pub use table::{RouteTable, Routes};
