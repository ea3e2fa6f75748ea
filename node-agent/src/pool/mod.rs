//! Generic pods that wait for their function, so that a first call does not wait for the start of one.
//!
//! [`Policy`] decides how many of which kind and does nothing else; [`Pool`] starts and ends them, and
//! gives one away when a pod is wanted.

mod counts;
mod keeper;
mod policy;

#[cfg(test)]
mod tests;

pub use counts::{Counts, Miss};
pub use keeper::{Claim, Pool, PoolRoom};
pub use policy::{Bounds, Effect, Event, Policy};
