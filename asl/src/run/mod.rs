//! The engine: a run is a fold over its records.
//!
//! Journal before effect: append a [`Decision`]'s records durably, then carry out its effects. To resume after a crash:
//! fold the journal with [`Run::apply`], then `decide(Command::Resume)`, append what it records, and carry out
//! [`Run::pending`] (which has that decision's effects too). Effects may so be issued twice, under the same ids. A task of the run
//! that is still executed somewhere and is not among the pending ones is nobody's any more.

//!
//! - [`command`], [`effect`], [`record`], [`id`]: what goes in and comes out
//! - `decide`: a command becomes records; `apply`, `children`: records change the run
//! - `step`, `task`, `fan`, `fail`: what the states do when it is their turn
//! - `strand`, `flight`: threads of control; tasks and timers in flight
//! - [`map_run`], `distribute`, `map_fold`: distributed Maps and their children
//! - `redrive`: ended runs that go on from where they failed
//! - `steps`: the readable list

mod apply;
mod children;
pub mod command;
mod context;
mod decide;
mod distribute;
pub mod effect;
mod fail;
mod fan;
mod flight;
pub mod id;
mod map_fold;
pub mod map_run;
mod map_view;
mod payloads;
pub mod record;
mod redrive;
mod size;
mod step;
mod steps;
mod strand;
mod task;

use std::collections::{BTreeMap, BTreeSet};

pub use command::{Command, ExecutionContext, Moment};
pub use effect::{Decision, Effect, Invocation, Outcome};
pub use id::{StrandId, TaskId, TimerId, TimerKind};
use jiff::Timestamp;
pub use map_run::Counts;
pub use map_run::{Child, ChildResult, MapRunId, Reading, Writing};
pub use map_view::{MapRunView, map_runs};
pub use record::{Note, Record};
pub use steps::{StepStatus, StepView, Steps, steps};
use thiserror::Error;

use crate::history::Payload;
use crate::jsonata::Budget;
pub use flight::Rest;
use flight::{Flight, Timer};
use strand::Strand;

/// What a run may use. Settings of the house, not of the definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Events in one history (25,000 as in Step Functions). Past it the run fails.
    pub events: u64,
    /// Bytes of JSON in a task's or state's result (262,144).
    pub payload: usize,
    /// Bytes of JSON in one variable, and in all that one `Assign` sets (262,144).
    pub variable: usize,
    /// Bytes of JSON in all variables that one thread of a run sees (10 MiB).
    pub variables: usize,
    /// What one JSONata expression may do.
    pub query: Budget,
    /// Children of one distributed Map at once (1,000), whatever its `MaxConcurrency` says.
    pub children: u32,
    /// Items that one distributed Map may read (1,000,000).
    pub items: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            events: 25_000,
            payload: 262_144,
            variable: 262_144,
            variables: 10 << 20,
            query: Budget::default(),
            children: 1_000,
            items: 1_000_000,
        }
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
    #[error(
        "the program has no state '{0}': this is not the definition that the run was started with"
    )]
    UnknownState(String),
}

/// One execution of a program.
///
/// Holds only what is needed to go on, not its past: a waiting run is small however long its history is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Run {
    limits: Limits,
    started: Option<Started>,
    last_event: u64,
    strands: BTreeMap<StrandId, Strand>,
    next_strand: u32,
    tasks: BTreeMap<TaskId, Flight>,
    timers: BTreeMap<TimerId, Timer>,
    /// The strands of distributed Maps whose children run.
    map_runs: BTreeMap<MapRunId, StrandId>,
    /// The same timers by time.
    due: BTreeSet<(Timestamp, TimerId)>,
    /// The strands that can go on by themselves.
    ready: BTreeSet<StrandId>,
    outcome: Option<Outcome>,
    /// The strands of a run that ended without success: a redrive takes them back.
    shelf: BTreeMap<StrandId, Strand>,
}

/// What the start of a run fixed.
#[derive(Debug, Clone, PartialEq)]
struct Started {
    context: ExecutionContext,
    input: Payload,
    redrives: u32,
    redrive_time: Option<Timestamp>,
}

impl Run {
    /// A run that has not been started.
    pub fn new() -> Self {
        Run::default()
    }

    /// The same with other limits than Step Functions'.
    pub fn with_limits(limits: Limits) -> Self {
        Run {
            limits,
            ..Run::default()
        }
    }

    /// How the run ended, if it did.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// Whether it has been started.
    pub fn is_started(&self) -> bool {
        self.started.is_some()
    }

    /// The id of the last event.
    pub fn last_event(&self) -> u64 {
        self.last_event
    }

    /// The names of the states that are being executed now.
    pub fn current_states(&self) -> Vec<&str> {
        self.strands
            .values()
            .filter_map(|s| s.visit.as_ref())
            .map(|v| v.state.as_str())
            .collect()
    }
}
