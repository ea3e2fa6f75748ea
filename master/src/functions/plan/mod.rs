//! What to do about a function's pods. Pure: events in, effects out, time as a parameter.
//!
//! [`Plan::on`] notes an event and then looks at everything it knows (level-triggered): the same state
//! always leads to the same wishes, whatever was missed on the way. Effects that take time are
//! remembered as under way ([`Plan`]'s `launching`, `draining`, `deleting`), so that none is asked twice.

mod backoff;
mod ceiling;
mod effect;
mod event;
mod launch;
mod leaving;
mod moving;
mod note;
mod outlook;
mod replicas;
mod state;

#[cfg(test)]
mod tests;

pub use effect::{Effect, Summary};
pub use event::{Event, PodStage, PodView};
pub(super) use state::NO_CAPACITY;
pub use state::Plan;
