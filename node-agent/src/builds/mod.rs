//! From a function's source to its layer: fetch, unpack, check, install the requirements, compile,
//! pack, upload. User code and packages' set-up run as an unprivileged user with limits, in a
//! process group of their own that ends with the build.

mod build;
mod check;
mod disk;
mod error;
mod files;
mod native;
mod pack;
mod pip;
mod place;
mod platform;
mod preinstalled;
mod progress;
mod queue;
mod recipe;
mod requirements;
mod source;
mod step;

pub use build::{BuildRoom, BuilderOptions};
pub use error::BuildError;
pub use place::clear;
pub use preinstalled::Preinstalled;
pub use queue::Builds;
