//! Which pods a call may go to, and the calls that wait for one.
//!
//! Calls do not pass through mailboxes. The [`Router`] actor publishes an immutable [`RouteTable`];
//! each [`Route`] in it holds the [`Slots`] of one function: its ready pods, how many calls each has
//! in flight, and the queue of calls that wait. The gateway takes a [`Permit`] from a route, forwards,
//! and drops the permit, which hands the slot to the call that waits longest. The function's actor
//! adds and drains pods and fails the queue when a launch cannot succeed. A route outlives its actor:
//! calls that are held when the actor is restarted stay held.

mod actor;
mod refusal;
mod route;
mod slots;
mod table;

pub use actor::{Publish, Router, Withdraw};
pub use refusal::Refusal;
pub use route::{Admission, DemandSink, Held, Permit, Route, RouteSettings, RouteState};
pub use slots::{Slots, Waiting};
pub use table::{RouteTable, Routes};
