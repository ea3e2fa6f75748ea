//! Troupe's control plane.

pub mod api;
pub mod clock;
pub mod objects;
pub mod store;
