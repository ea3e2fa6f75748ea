//! What happens to a run: the commands that drive it, and the moment they come at.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::entropy::Seed;
use crate::run::effect::Outcome;
use crate::run::id::{TaskId, TimerId};
use crate::run::map_run::MapRunId;

/// The time and the randomness of one decision. Both come from outside, so that the same commands at
/// the same moments give the same records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The wall clock.
    pub now: Timestamp,
    /// Random bits, fresh for each command: retry jitter, `States.UUID`, `States.MathRandom` and task tokens come from it.
    /// Who answers tasks by their tokens must not guess it: take it from the system's generator.
    pub entropy: Seed,
}

/// Who is running: what the context object (`$$`) says about the execution and its state machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionContext {
    /// `$$.Execution.Id`: an ARN, or any unique id.
    pub id: String,
    /// `$$.Execution.Name`.
    pub name: String,
    /// `$$.Execution.RoleArn`.
    pub role: Option<String>,
    /// `$$.Execution.StartTime`.
    pub start_time: Timestamp,
    /// `$$.StateMachine.Id`: an ARN, or any unique id.
    pub state_machine_id: String,
    /// `$$.StateMachine.Name`.
    pub state_machine_name: String,
}

/// Something that happened outside and that the run must react to.
///
/// Commands that come late or twice (for a task that is not in flight, for a finished run) change nothing:
/// the decision is empty.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Begin. A second start is ignored.
    Start {
        /// The execution's input.
        input: Value,
        /// Who runs.
        context: ExecutionContext,
    },
    /// Go on where the journal ends. Send it once after replaying a journal: if it was cut in the middle of a decision, this
    /// finishes the decision. Append its records; [`Run::pending`](crate::Run::pending) then has its effects too. Send it also
    /// after a decision that says that there is [more](crate::Decision::more).
    Resume,
    /// Go on from where an ended run failed (`RedriveExecution`): what succeeded is not repeated.
    Redrive,
    /// A worker took the task of an activity (other tasks count as started when they are scheduled).
    TaskStarted {
        /// The task.
        task: TaskId,
        /// The worker's name, for the history.
        worker: Option<String>,
    },
    /// The request of a task that waits for a job or a token has been answered; the task itself goes on.
    TaskSubmitted {
        /// The task.
        task: TaskId,
        /// The answer to the request.
        output: Value,
    },
    /// A task ended well.
    TaskSucceeded {
        /// The task.
        task: TaskId,
        /// Its result.
        output: Value,
    },
    /// A task failed.
    TaskFailed {
        /// The task.
        task: TaskId,
        /// The error name that Retry and Catch compare, for example `ValueError` or `States.Timeout`.
        error: String,
        /// What a person reads.
        cause: Option<String>,
    },
    /// A task says that it is alive.
    TaskHeartbeat {
        /// The task.
        task: TaskId,
    },
    /// A timer of [`Effect::StartTimer`](crate::Effect::StartTimer) is due.
    TimerFired {
        /// The timer.
        timer: TimerId,
    },
    /// A page of items has been read.
    ItemsRead {
        /// For whom.
        map: MapRunId,
        /// The first item's place, as it was asked for: a page that comes twice is told by it.
        from: u64,
        /// The items.
        items: Vec<Value>,
        /// Whether there are more behind them.
        more: bool,
    },
    /// Items cannot be read.
    ItemsFailed {
        /// For whom.
        map: MapRunId,
        /// What a person reads.
        cause: String,
    },
    /// A child execution ended.
    ChildEnded {
        /// Its Map Run.
        map: MapRunId,
        /// Which.
        index: u32,
        /// How.
        outcome: Outcome,
    },
    /// The results have been written.
    ResultsWritten {
        /// Of which Map Run.
        map: MapRunId,
        /// Where they are: `ResultWriterDetails`.
        output: Value,
    },
    /// The results cannot be written.
    ResultsFailed {
        /// Of which Map Run.
        map: MapRunId,
        /// What a person reads.
        cause: String,
    },
    /// End the run from outside (`StopExecution`).
    Stop {
        /// Error name to record.
        error: Option<String>,
        /// What a person reads.
        cause: Option<String>,
    },
}
