//! Data on its way through a state: paths into it, templates that build it, functions that compute it.
//!
//! - [`path`]: AWS's dialect of JSONPath, to read; [`reference_path`]: the part of it that can be written to
//! - [`payload_template`]: `Parameters`, `ResultSelector`, `ItemSelector`, `Assign`
//! - [`intrinsics`]: `States.Format` and the other seventeen
//! - [`context`]: what expressions see: input, `$$`, variables, randomness
//! - `number`, `timestamp`: exact decimal comparison, ISO-8601 as Step Functions reads it

pub mod context;
pub mod context_object;
pub mod intrinsics;
pub(crate) mod number;
pub mod path;
pub mod payload_template;
pub mod query;
pub mod reference_path;
pub(crate) mod timestamp;
