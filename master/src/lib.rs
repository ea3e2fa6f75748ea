//! Troupe's control plane.

pub mod clock;
pub mod store;
