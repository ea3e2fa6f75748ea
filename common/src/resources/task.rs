use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ObjectMeta;

/// A task of a run that waits for somebody: a worker of an activity, or whoever was given its token.
/// `kubectl task approve|fail` answers it by hand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Task {
    /// `v1`.
    pub api_version: String,
    /// `Task`.
    pub kind: String,
    /// Standard object metadata. The name follows from the token.
    pub metadata: ObjectMeta,
    /// What is to be done; written by the run.
    pub spec: TaskSpec,
    /// Who does it, and the answer.
    pub status: TaskStatus,
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskSpec {
    /// Name of the WorkflowRun that waits.
    pub run: String,
    /// Its uid.
    pub run_uid: String,
    /// The state that waits.
    pub state: String,
    /// The attempt within the run.
    pub attempt: u64,
    /// The activity whose workers are asked; absent where a token was given out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity: Option<String>,
    /// The task's input.
    pub input: Value,
    /// What SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat name the task by.
    pub token: String,
    /// The task fails after so many seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// The task fails after so many seconds without a heartbeat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat_seconds: Option<u64>,
}

/// Who does a task, and the answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskStatus {
    /// When a worker took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_time: Option<String>,
    /// The worker's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// The last sign of life of who does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat_time: Option<String>,
    /// The answer; once there it does not change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<TaskAnswer>,
}

/// How a task was answered: with an output, or with an error.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskAnswer {
    /// The task's result. Absent when it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// The error's name, as Retry and Catch compare it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What happened, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Whether it failed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
}
