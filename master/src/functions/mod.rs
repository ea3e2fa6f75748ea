//! One actor per function: it decides how many pods run and which calls they get.
//!
//! [`Functions`] watches the objects and keeps a [`FunctionActor`] for each function. The actor is a
//! shell: it feeds what happens into the pure [`plan`], and carries out the effects.

mod actor;
mod launch;
mod objects;
pub mod plan;
mod registry;
mod resting;
mod revision;
mod scaling;
mod starts;
mod tools;
mod wanted;

pub use actor::FunctionActor;
pub use launch::POD_FINALIZER;
pub use registry::{Demanded, Find, Functions, ReadySooner, Report};
pub use resting::Resting;
pub use revision::{PlatformLayer, RegistryImage, Revision, build_id};
pub use scaling::{Decision, Load, Rule, Scaler};
pub use tools::Tools;
pub use wanted::{Build, Wanted};
