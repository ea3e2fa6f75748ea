//! Threads of control: the machine itself, the branches of a Parallel, the iterations of a Map.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::id::{StrandId, TaskId, TimerId};
use super::map_run::MapRun;
use super::redrive::Shelf;
use crate::data::context::Variables;
use crate::failure::Failure;
use crate::history::Payload;
use crate::states::StateType;

/// One thread of control.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Strand {
    /// The thread that it is part of, and which branch or iteration it is.
    pub(super) parent: Option<(StrandId, u32)>,
    /// The last event of its chain: the next one's `previousEventId`.
    pub(super) last: u64,
    /// Variables in scope.
    pub(super) variables: Variables,
    /// How many bytes they have.
    pub(super) variable_bytes: usize,
    /// The state that it is in, if it is in one.
    pub(super) visit: Option<Visit>,
    /// What comes next for it.
    pub(super) phase: Phase,
    /// What was inside its state when that failed: a redrive takes it back.
    pub(super) shelf: Option<Box<Shelf>>,
}

/// One stay in one state.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Visit {
    pub(super) state: String,
    pub(super) kind: StateType,
    pub(super) input: Payload,
    pub(super) entered: u64,
    /// The event that led into the state.
    pub(super) before: u64,
    pub(super) entered_at: Timestamp,
    /// All retries; `$$.State.RetryCount`.
    pub(super) retries: u32,
    /// Retries by retrier.
    pub(super) attempts: Vec<u32>,
}

/// What comes next for a strand.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Phase {
    /// A new branch or iteration: to its first state.
    Begin,
    /// To that state.
    Goto(String, Payload),
    /// In a state that has yet to do its work (for the first time or again).
    Entered,
    /// A task is in flight.
    Task { task: TaskId, started: bool },
    /// The work has this result: out of the state.
    Result(Payload),
    /// Until a timer fires: a Wait state.
    Waiting(TimerId),
    /// The Wait is over: out of the state.
    Waited,
    /// Until a timer fires: the pause before a retry.
    Pausing(TimerId),
    /// The state failed: retry, catch or give up. `told` once the history says that a Parallel or Map failed.
    Failed { failure: Failure, told: bool },
    /// Branches or iterations run.
    Fan(Fan),
    /// Child executions run.
    MapRun(Box<MapRun>),
    /// Its machine ended.
    Ended(Payload),
}

/// Branches or iterations of a state.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fan {
    /// How many there are in all.
    pub(super) length: u32,
    /// How many may run at once; 0 is all.
    pub(super) concurrency: u32,
    /// The next one to start (a Map's; branches start together).
    pub(super) next: u32,
    /// Those that run.
    pub(super) running: BTreeMap<u32, StrandId>,
    /// What those that ended gave.
    pub(super) results: BTreeMap<u32, Payload>,
    /// The branches' input, where it is not the state's own.
    pub(super) input: Option<Payload>,
    /// A Map's items, where they are not a part of the state's input.
    pub(super) items: Option<Payload>,
    /// The event that leads to the next iteration: the end of the one that makes room for it.
    pub(super) previous: u64,
}

impl Fan {
    pub(super) fn has_room(&self) -> bool {
        let running = u32::try_from(self.running.len()).unwrap_or(u32::MAX);
        self.next < self.length && (self.concurrency == 0 || running < self.concurrency)
    }

    pub(super) fn is_done(&self) -> bool {
        self.next == self.length && self.running.is_empty()
    }
}

impl Strand {
    /// Whether it can go on by itself, without a command.
    pub(super) fn is_ready(&self, kind: Option<StateType>) -> bool {
        match &self.phase {
            Phase::Begin
            | Phase::Goto(..)
            | Phase::Entered
            | Phase::Result(_)
            | Phase::Waited
            | Phase::Failed { .. }
            | Phase::Ended(_) => true,
            // Whether a task starts by itself is the task's matter: see `Run::settle`.
            Phase::Task { .. } | Phase::Waiting(_) | Phase::Pausing(_) => false,
            Phase::MapRun(run) => run.is_ready(),
            Phase::Fan(fan) => fan.is_done() || (kind == Some(StateType::Map) && fan.has_room()),
        }
    }
}
