//! What a run wants done outside, and how it ends.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::failure::names;
use crate::history::Payload;
use crate::resource::Resource;
use crate::run::command::Command;
use crate::run::id::{TaskId, TimerId};
use crate::run::map_run::{Child, ChildResult, MapRunId, Reading, Writing};
use crate::run::record::Record;

/// A task to be carried out, with what its worker needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Invocation {
    /// The attempt; with the execution's id, an idempotency key.
    pub task: TaskId,
    /// The name of the Task state.
    pub state: String,
    /// What to call.
    pub resource: Resource,
    /// What to call it with.
    pub input: Payload,
    /// How long it may take. The engine itself ends the task by a timer; pass it on as a deadline.
    pub timeout: Option<Duration>,
    /// How often it must say that it is alive. The engine keeps the timer.
    pub heartbeat: Option<Duration>,
    /// 0 for the first attempt in this state, 1 for the first retry, and so on.
    pub attempt: u32,
    /// `$$.Task.Token`, where the resource waits for one.
    pub token: Option<String>,
    /// Whether the request was answered (`TaskSubmitted`): after a crash only the end of what it began is waited for.
    pub submitted: bool,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// With an output.
    Succeeded {
        /// The output.
        output: Payload,
    },
    /// With an error that nothing caught.
    Failed {
        /// The error's name.
        error: Option<String>,
        /// What a person reads.
        cause: Option<String>,
    },
    /// The machine's own `TimeoutSeconds` passed.
    TimedOut {
        /// The error's name.
        error: Option<String>,
        /// What a person reads.
        cause: Option<String>,
    },
    /// It was stopped.
    Aborted {
        /// The error's name.
        error: Option<String>,
        /// What a person reads.
        cause: Option<String>,
    },
}

/// Something to be done outside. Carry effects out only after the decision's records are durable.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Call it; answer with `TaskSucceeded` or `TaskFailed`.
    InvokeTask(Invocation),
    /// At that time send `TimerFired`. Replaces a running timer of the same id.
    StartTimer {
        /// The timer.
        timer: TimerId,
        /// When.
        at: Timestamp,
    },
    /// Nobody waits for that timer any more.
    CancelTimer {
        /// The timer.
        timer: TimerId,
    },
    /// Nobody waits for that task any more: it timed out, or the run or branch ended.
    CancelTask {
        /// The task.
        task: TaskId,
    },
    /// Read a page of items; answer with `ItemsRead` or `ItemsFailed`.
    ReadItems {
        /// The Map Run that wants them.
        map: MapRunId,
        /// From where.
        reading: Reading,
        /// The first item wanted, from 0.
        from: u64,
        /// How many at most.
        count: u64,
    },
    /// Start a child execution; answer with `ChildEnded`.
    StartChild(Child),
    /// Nobody waits for that child any more: end it.
    StopChild {
        /// Its Map Run.
        map: MapRunId,
        /// Which.
        index: u32,
    },
    /// Write the results of a Map Run; answer with `ResultsWritten` or `ResultsFailed`.
    WriteResults {
        /// The Map Run.
        map: MapRunId,
        /// Its ARN.
        map_arn: String,
        /// Where to.
        writing: Writing,
        /// How the children ended, in that order.
        results: Vec<ChildResult>,
    },
    /// The run is over.
    Finish(Outcome),
}

impl Effect {
    /// The command that says that an effect cannot be carried out, for those that are answered by one and are no tasks.
    pub fn refused(&self, why: &str) -> Option<Command> {
        match self {
            Effect::ReadItems { map, .. } => Some(Command::ItemsFailed {
                map: *map,
                cause: why.to_owned(),
            }),
            Effect::StartChild(child) => Some(Command::ChildEnded {
                map: child.map,
                index: child.index,
                outcome: Outcome::Failed {
                    error: Some(names::RUNTIME.to_owned()),
                    cause: Some(why.to_owned()),
                },
            }),
            Effect::WriteResults { map, .. } => Some(Command::ResultsFailed {
                map: *map,
                cause: why.to_owned(),
            }),
            Effect::InvokeTask(_)
            | Effect::StartTimer { .. }
            | Effect::CancelTimer { .. }
            | Effect::CancelTask { .. }
            | Effect::StopChild { .. }
            | Effect::Finish(_) => None,
        }
    }
}

/// What came of a command: append the records, then carry out the effects.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decision {
    /// What happened, in order.
    pub records: Vec<Record>,
    /// What to do about it.
    pub effects: Vec<Effect>,
    /// Whether the run could go on at once, but the decision was long enough: then [`Command::Resume`] goes on.
    pub more: bool,
}

impl Decision {
    /// Whether the command changed nothing and asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.effects.is_empty()
    }
}
