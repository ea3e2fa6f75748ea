//! The engine: a run is a fold over its records.
//!
//! Journal before effect: append a [`Decision`]'s records durably, then carry out its effects. To resume after a crash:
//! fold the journal with [`Run::apply`], then `decide(Command::Resume)` (carry out what it returns as usual), then
//! carry out [`Run::pending`]. Effects may so be issued twice; task and timer ids stay the same.

pub mod command;
pub mod effect;
pub mod id;
pub mod record;
mod steps;

pub use command::{Command, ExecutionContext, Moment};
pub use effect::{Decision, Effect, Invocation, Outcome};
pub use id::{StrandId, TaskId, TimerId, TimerKind};
pub use record::{Note, Record};
pub use steps::{StepStatus, StepView, steps};
use thiserror::Error;

use crate::program::Program;

/// What a run may use. Settings of the house, not of the definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Events in one history (25,000 as in Step Functions). Past it the run fails.
    pub events: u64,
    /// Bytes of JSON in a task's or state's result (262,144).
    pub payload: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { events: 25_000, payload: 262_144 }
    }
}

/// The journal and the program do not fit together: a bug or a damaged journal, never bad input.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EngineError {
    /// A record belongs to a thread of control that is not there.
    #[error("record {event:?} belongs to strand {strand}, which this run does not have")]
    UnknownStrand {
        /// The strand.
        strand: u32,
        /// The record's event id.
        event: Option<u64>,
    },
    /// An event id is not the next one.
    #[error("event {found} where event {wanted} is next")]
    OutOfOrder {
        /// The next id.
        wanted: u64,
        /// The record's.
        found: u64,
    },
    /// A record does not fit the state its strand is in.
    #[error("event {event:?} ({what}) does not fit here: {why}")]
    Misfit {
        /// The record's event id.
        event: Option<u64>,
        /// Its type.
        what: String,
        /// Why.
        why: &'static str,
    },
    /// The program has no such state: it is not the one the run was started with.
    #[error("the program has no state '{0}': this is not the definition that the run was started with")]
    UnknownState(String),
}

/// One execution of a program.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Run {
    limits: Limits,
}

impl Run {
    /// A run that has not been started.
    pub fn new() -> Self {
        Run::default()
    }

    /// The same with other limits than Step Functions'.
    pub fn with_limits(limits: Limits) -> Self {
        Run { limits }
    }

    /// Reacts to a command. The run itself has moved on when this returns; append the records, then carry out the effects.
    pub fn decide(
        &mut self,
        program: &Program,
        command: Command,
        moment: &Moment,
    ) -> Result<Decision, EngineError> {
        let _ = (program, command, moment);
        Ok(Decision::default())
    }

    /// Folds one record of the journal.
    pub fn apply(&mut self, record: &Record) -> Result<(), EngineError> {
        let _ = record;
        Ok(())
    }

    /// What is still owed after a replay: tasks in flight, running timers, or the outcome of a finished run.
    pub fn pending(&self) -> Vec<Effect> {
        Vec::new()
    }

    /// How the run ended, if it did.
    pub fn outcome(&self) -> Option<&Outcome> {
        None
    }

    /// The names of the states that are being executed now.
    pub fn current_states(&self) -> Vec<&str> {
        Vec::new()
    }
}
