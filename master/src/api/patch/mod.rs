//! The ways to say "change this": pure functions from an object and a patch to an object.

mod json;
mod merge;
mod strategic;

pub(super) use json::json_patch;
pub(super) use merge::merge;
pub(super) use strategic::strategic;
