//! The function bases of this node's container engine, known to the master by their parts.
//!
//! The master lays functions over a base without having an engine: it needs the base's config and
//! layers as blobs. [`Bases`] uploads what it lacks once it says that it has a registry, and only then
//! are they named in the agent's introduction. [`saved`] reads what an engine saves.

mod keeper;
mod saved;

pub use keeper::Bases;
pub use saved::{Part, Saved, SavedError, read};
