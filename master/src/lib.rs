//! Troupe's control plane.

pub mod clock;
pub mod objects;
pub mod store;
