//! The life of each pod on this node.
//!
//! [`PodMachine`] decides and does nothing else; [`PodActor`] carries its effects out and feeds
//! back what came of them; [`Pods`] is the register of all, and what other rooms see.

mod actor;
mod adopt;
mod all;
mod door;
mod effects;
mod machine;
mod record;
mod register;

#[cfg(test)]
mod death_tests;
#[cfg(test)]
mod tests;

pub use actor::{PodActor, Tell};
pub use all::Pods;
pub use door::Target;
pub use effects::PodRoom;
pub use machine::{Effect, Event, PodMachine, Told};
pub use record::Record;
