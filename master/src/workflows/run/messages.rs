use std::sync::Arc;

use actix::Message;
use asl::run::MapRunId;
use asl::{Command, Decision, TaskId};
use common::resources::{Task, WorkflowRun};

use super::resume::Replayed;
use crate::workflows::journal::{Journal, JournalError};
use crate::workflows::parked;

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Loaded(pub(super) Result<Replayed, JournalError>);

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Do(pub(super) Command);

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Appended {
    pub(super) journal: Journal,
    pub(super) decision: Decision,
    /// What the command has ended.
    pub(super) ended: Option<Ended>,
    pub(super) result: Result<(), JournalError>,
}

#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Shown {
    /// Whether the run's end stands in its object, or the object is gone.
    pub(super) ended: bool,
}

/// The run's object is this now.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::workflows) struct Updated(pub(in crate::workflows) Arc<WorkflowRun>);

/// The run's object is gone.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::workflows) struct Removed;

/// A run only waits: its actor can go.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::workflows) struct Rests {
    /// The run, as its actor knows it.
    pub(in crate::workflows) run: Arc<WorkflowRun>,
    /// Until when, if it waits for a time.
    pub(in crate::workflows) until: parked::Until,
    /// Its tasks that somebody answers, as it knows them.
    pub(in crate::workflows) said: Vec<Arc<Task>>,
}

/// The object of a task of the run is this now.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::workflows) struct Said(pub(in crate::workflows) Arc<Task>);

/// Something outside that a command ends.
#[derive(Clone, Copy)]
pub(super) enum Ended {
    Task(TaskId),
    Child(MapRunId, u32),
}

impl Ended {
    pub(super) fn by(command: &Command) -> Option<Self> {
        match command {
            Command::TaskSucceeded { task, .. } | Command::TaskFailed { task, .. } => {
                Some(Self::Task(*task))
            }
            Command::ChildEnded { map, index, .. } => Some(Self::Child(*map, *index)),
            _ => None,
        }
    }
}
