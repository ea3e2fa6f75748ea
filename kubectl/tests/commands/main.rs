//! The programs themselves, against a server that only pretends.

// The helpers are tests too, though clippy sees that only of functions marked so.
#![allow(clippy::unwrap_used)]

mod apply;
mod execute;
mod fake;
mod reading;
mod trust;
