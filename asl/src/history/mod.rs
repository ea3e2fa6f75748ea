//! The history of a run: Step Functions' own event types, ids and details.
//!
//! - [`event`]: the events as the engine holds and journals them
//! - `api`: the same as `GetExecutionHistory` shows them

mod api;
pub mod event;

pub use event::{EventKind, HistoryEvent, Payload};
