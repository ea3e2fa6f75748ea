//! One event of a history.

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::Failure;
use crate::states::StateType;

/// A JSON document, shared between the events and states that hold it.
pub type Payload = Arc<Value>;

/// One event: what [`HistoryEvent::to_api`] shows as an entry of `GetExecutionHistory`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryEvent {
    /// 1, 2, 3, …
    pub id: u64,
    /// The event that led to this one; 0 for the first two.
    pub previous: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
}

/// What happened. The names are Step Functions' own; `State…` stands for `PassState…`, `TaskState…` and so on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum EventKind {
    ExecutionStarted {
        input: Payload,
        role: Option<String>,
    },
    ExecutionSucceeded {
        output: Payload,
    },
    ExecutionFailed {
        failure: Failure,
    },
    ExecutionRedriven {
        count: u32,
    },
    ExecutionTimedOut {
        failure: Failure,
    },
    ExecutionAborted {
        failure: Failure,
    },
    StateEntered {
        state: StateType,
        name: String,
        input: Payload,
    },
    StateExited {
        state: StateType,
        name: String,
        output: Payload,
        assigned: IndexMap<String, Payload>,
    },
    StateAborted {
        state: StateType,
        name: String,
    },
    EvaluationFailed {
        state: String,
        location: Option<String>,
        failure: Failure,
    },
    LambdaFunctionScheduled {
        resource: String,
        input: Payload,
        timeout: Option<u64>,
    },
    LambdaFunctionStarted,
    LambdaFunctionSucceeded {
        output: Payload,
    },
    LambdaFunctionFailed {
        failure: Failure,
    },
    LambdaFunctionTimedOut {
        failure: Failure,
    },
    ActivityScheduled {
        resource: String,
        input: Payload,
        timeout: Option<u64>,
        heartbeat: Option<u64>,
    },
    ActivityStarted {
        worker: Option<String>,
    },
    ActivitySucceeded {
        output: Payload,
    },
    ActivityFailed {
        failure: Failure,
    },
    ActivityTimedOut {
        failure: Failure,
    },
    TaskScheduled {
        service: String,
        action: String,
        region: String,
        parameters: Payload,
        timeout: Option<u64>,
        heartbeat: Option<u64>,
    },
    TaskStarted {
        service: String,
        action: String,
    },
    TaskSubmitted {
        service: String,
        action: String,
        output: Payload,
    },
    TaskSucceeded {
        service: String,
        action: String,
        output: Payload,
    },
    TaskFailed {
        service: String,
        action: String,
        failure: Failure,
    },
    TaskTimedOut {
        service: String,
        action: String,
        failure: Failure,
    },
    ParallelStateStarted,
    ParallelStateSucceeded,
    ParallelStateFailed,
    MapRunStarted {
        arn: String,
    },
    MapRunRedriven {
        arn: String,
        count: u32,
    },
    MapRunSucceeded,
    MapRunAborted,
    MapRunFailed {
        failure: Failure,
    },
    MapStateStarted {
        length: u64,
    },
    MapStateSucceeded,
    MapStateFailed,
    MapIterationStarted {
        name: String,
        index: u64,
    },
    MapIterationSucceeded {
        name: String,
        index: u64,
    },
    MapIterationFailed {
        name: String,
        index: u64,
    },
    MapIterationAborted {
        name: String,
        index: u64,
    },
}

impl EventKind {
    /// Step Functions' name of the type, for example `PassStateEntered`.
    pub fn type_name(&self) -> String {
        use EventKind as K;
        let fixed = match self {
            K::StateEntered { state, .. } => return format!("{state}StateEntered"),
            K::StateExited { state, .. } => return format!("{state}StateExited"),
            K::StateAborted { state, .. } => return format!("{state}StateAborted"),
            K::EvaluationFailed { .. } => "EvaluationFailed",
            K::ExecutionStarted { .. } => "ExecutionStarted",
            K::ExecutionRedriven { .. } => "ExecutionRedriven",
            K::ExecutionSucceeded { .. } => "ExecutionSucceeded",
            K::ExecutionFailed { .. } => "ExecutionFailed",
            K::ExecutionTimedOut { .. } => "ExecutionTimedOut",
            K::ExecutionAborted { .. } => "ExecutionAborted",
            K::LambdaFunctionScheduled { .. } => "LambdaFunctionScheduled",
            K::LambdaFunctionStarted => "LambdaFunctionStarted",
            K::LambdaFunctionSucceeded { .. } => "LambdaFunctionSucceeded",
            K::LambdaFunctionFailed { .. } => "LambdaFunctionFailed",
            K::LambdaFunctionTimedOut { .. } => "LambdaFunctionTimedOut",
            K::ActivityScheduled { .. } => "ActivityScheduled",
            K::ActivityStarted { .. } => "ActivityStarted",
            K::ActivitySucceeded { .. } => "ActivitySucceeded",
            K::ActivityFailed { .. } => "ActivityFailed",
            K::ActivityTimedOut { .. } => "ActivityTimedOut",
            K::TaskScheduled { .. } => "TaskScheduled",
            K::TaskStarted { .. } => "TaskStarted",
            K::TaskSubmitted { .. } => "TaskSubmitted",
            K::TaskSucceeded { .. } => "TaskSucceeded",
            K::TaskFailed { .. } => "TaskFailed",
            K::TaskTimedOut { .. } => "TaskTimedOut",
            K::ParallelStateStarted => "ParallelStateStarted",
            K::ParallelStateSucceeded => "ParallelStateSucceeded",
            K::ParallelStateFailed => "ParallelStateFailed",
            K::MapRunStarted { .. } => "MapRunStarted",
            K::MapRunRedriven { .. } => "MapRunRedriven",
            K::MapRunSucceeded => "MapRunSucceeded",
            K::MapRunAborted => "MapRunAborted",
            K::MapRunFailed { .. } => "MapRunFailed",
            K::MapStateStarted { .. } => "MapStateStarted",
            K::MapStateSucceeded => "MapStateSucceeded",
            K::MapStateFailed => "MapStateFailed",
            K::MapIterationStarted { .. } => "MapIterationStarted",
            K::MapIterationSucceeded { .. } => "MapIterationSucceeded",
            K::MapIterationFailed { .. } => "MapIterationFailed",
            K::MapIterationAborted { .. } => "MapIterationAborted",
        };
        fixed.to_owned()
    }
}
