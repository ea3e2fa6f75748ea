//! Generic pods that wait for their function, so that a first call does not wait for the start of one.
//!
//! [`Policy`] decides how many of which kind and does nothing else; [`Pool`] starts and ends them, and
//! gives one away when a pod is wanted.

mod counts;
mod policy;
mod pool;

#[cfg(test)]
mod tests;

pub use counts::{Counts, Miss};
pub use policy::{Bounds, Effect, Event, Policy};
pub use pool::{Claim, Pool, PoolRoom};
