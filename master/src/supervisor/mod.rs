//! The tree's rule of life and death.
//!
//! actix drops an actor that panics and tells nobody; its own `Supervisor` does not restart it
//! either. Here every child carries a [`Guard`]. Whatever way the child ends, the guard is dropped
//! with it and tells the parent, which keeps its children in a [`Nursery`]: one-for-one restarts
//! with growing, jittered delays, and a limit of restarts in a span of time. Past the limit a leaf
//! (one function, one run) is left in quarantine and tried again rarely, so that one bad object never
//! harms its siblings; a room of the house (Functions, Nodes, …) is given up, which ends the master
//! with an error, for the service manager to start it again.
//!
//! A child is rebuilt from the store and from the agents' reports, never from the dead struct.

#[cfg(test)]
mod crash;
mod follow;
mod guard;
mod listed;
mod mailbox;
mod nursery;
mod restarts;
mod root;

#[cfg(test)]
pub(crate) use crash::{Crash, CrashChild};
pub use follow::{follow, follow_parts};
pub use guard::{ChildDown, Guard};
pub use listed::Listed;
pub use mailbox::{AskError, Mailbox};
pub use nursery::{Down, Nursery};
pub use restarts::{Limit, RestartPolicy, Restarts, Verdict};
pub use root::{Fatal, Rooms, Root};
