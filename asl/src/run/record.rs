//! The journal's lines: history events, and what the engine must remember beside them.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::history::{HistoryEvent, Payload};
use crate::resource::Resource;
use crate::run::command::ExecutionContext;
use crate::run::effect::Outcome;
use crate::run::id::StrandId;
use crate::run::map_run::{Opening, Reading};

/// One line of a run's journal. Serializes to one JSON object; folding all of them, in order, with
/// [`Run::apply`](crate::Run::apply) rebuilds the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The thread of control that it belongs to.
    pub strand: StrandId,
    /// The history event, as Step Functions' API shows it (see [`HistoryEvent::to_api`]); none for what only the engine notes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<HistoryEvent>,
    /// What the engine remembers beside the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
}

/// The engine's private part of a [`Record`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Note {
    /// With `ExecutionStarted`: who runs, and until when.
    Begin {
        /// The execution and its state machine.
        context: ExecutionContext,
        /// `StartAt`.
        start_at: String,
        /// End of the machine's `TimeoutSeconds`.
        deadline: Option<Timestamp>,
    },
    /// With `ExecutionRedriven`.
    Redriven {
        /// End of the machine's `TimeoutSeconds`, counted from now.
        deadline: Option<Timestamp>,
    },
    /// With `…StateExited`: where to; none is the end of the branch, iteration or run.
    Go {
        /// The next state.
        next: Option<String>,
    },
    /// With `…Scheduled`: the task, as far as the event does not say it.
    Task {
        /// What is called.
        resource: Resource,
        /// End of `TimeoutSeconds`.
        timeout: Option<Duration>,
        /// `HeartbeatSeconds`.
        heartbeat: Option<Duration>,
        /// The task's token.
        token: Option<String>,
    },
    /// A Wait state knows when it ends.
    Wait {
        /// When.
        until: Timestamp,
    },
    /// A wait or a pause before a retry is over.
    Woken,
    /// A task said that it is alive.
    Heartbeat {
        /// When the next one is due.
        due: Timestamp,
    },
    /// The state failed and will be tried again.
    Retry {
        /// Which of its retriers.
        retrier: u32,
        /// When.
        due: Timestamp,
    },
    /// The state failed without an event of its own.
    Failed {
        /// The failure.
        failure: crate::Failure,
    },
    /// With `ParallelStateStarted`: the branches.
    Branches {
        /// How many.
        count: u32,
        /// Their input, where it is not the state's own.
        input: Option<Payload>,
    },
    /// With `MapStateStarted`: the iterations.
    Iterations {
        /// How many at once; 0 is all.
        concurrency: u32,
        /// The items, where they are not a part of the state's input.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        items: Option<Payload>,
    },
    /// With a distributed Map's `MapStateStarted`.
    Distribute {
        /// The items, where they are not a part of the state's input.
        items: Option<Payload>,
        /// Where items are read from instead.
        reading: Option<Reading>,
    },
    /// With `MapRunStarted`.
    MapRun {
        /// What was evaluated.
        opening: Opening,
    },
    /// The next page of items is asked for.
    Read,
    /// A page of items.
    Page {
        /// The items.
        items: Payload,
        /// Whether there are more.
        more: bool,
    },
    /// The next child starts.
    Child {
        /// What it is started with.
        input: Payload,
        /// How many items are in it.
        items: u64,
    },
    /// A child that did not succeed starts again, after a redrive.
    ChildAgain {
        /// Which.
        index: u32,
    },
    /// A child ended.
    ChildEnded {
        /// Which.
        index: u32,
        /// How.
        outcome: Outcome,
    },
    /// All children have ended: the results are to be written.
    Write,
    /// They have been.
    Written {
        /// What the writer said.
        output: Payload,
    },
    /// The reader or the writer failed.
    Broken {
        /// The failure.
        failure: crate::Failure,
    },
    /// With a distributed Map's `MapStateSucceeded`.
    Collected {
        /// The state's result.
        output: Payload,
    },
    /// With `MapIterationStarted`: a new thread of control.
    Iteration {
        /// The Map state's thread.
        parent: StrandId,
        /// Which item.
        index: u32,
    },
    /// A branch or iteration failed: the state that holds it fails, the others end.
    Fallen {
        /// The branch's or iteration's thread.
        child: StrandId,
        /// The failure.
        failure: crate::Failure,
    },
}
