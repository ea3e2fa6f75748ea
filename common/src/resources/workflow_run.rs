use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{Condition, ObjectMeta, StateMachineType};

/// One execution of a workflow or state machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowRun {
    /// `v1`.
    pub api_version: String,
    /// `WorkflowRun`.
    pub kind: String,
    /// Standard object metadata.
    pub metadata: ObjectMeta,
    /// What is run, with what input.
    pub spec: WorkflowRunSpec,
    /// How far it came; written by the platform.
    pub status: WorkflowRunStatus,
}

/// What is run, with what input. Exactly one of `workflow` and `stateMachine` is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowRunSpec {
    /// Name of a Workflow in the same namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// Name of a StateMachine in the same namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_machine: Option<String>,
    /// The input; `{}` when absent.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "even_null"
    )]
    pub input: Option<Value>,
    /// Set by the server: the definition as it stood when the run began. Later changes of the
    /// workflow do not touch runs under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definition: Option<Value>,
    /// Set to end the run early.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stop: bool,
    /// With `stop`: the error's name that the run shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_error: Option<String>,
    /// With `stop`: why it was stopped, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_cause: Option<String>,
    /// Raised by one to let a run that failed, timed out or was stopped go on from where it did; what
    /// succeeded is not repeated.
    #[serde(skip_serializing_if = "is_zero")]
    pub redrives: u32,
    /// The execution's name in the Step Functions API, where it is another than the object's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_name: Option<String>,
    /// Set by the server: the uid of the run and the task in it that started this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_by: Option<String>,
    /// Set by the server: the Map Run of a distributed Map that this run is a child of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub map_run_arn: Option<String>,
    /// Set by the server: how much of the run is kept, as its state machine said when it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<StateMachineType>,
    /// Set by the server: the state machine's role when the run began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
}

/// How far a run came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowRunStatus {
    /// Where the run stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<RunPhase>,
    /// The output of a run that succeeded.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "even_null"
    )]
    pub output: Option<Value>,
    /// The error's name of a run that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What happened, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// When the run began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<String>,
    /// When a run goes on that only waits, if nobody answers its tasks before; in whole seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wake_time: Option<String>,
    /// Tasks that somebody else answers, of a run that waits for nothing but them and `wakeTime`.
    #[serde(skip_serializing_if = "is_zero")]
    pub waiting_tasks: u32,
    /// How often it went on after an end.
    #[serde(skip_serializing_if = "is_zero")]
    pub redrives: u32,
    /// The states it went through, in order; at most the last hundred.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<RunStep>,
    /// `Complete`, `Failed`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RunPhase {
    /// Accepted, not begun.
    #[default]
    Pending,
    /// Under way.
    Running,
    /// Ended with an output.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Ran past its time limit.
    TimedOut,
    /// Stopped by somebody.
    Aborted,
}

impl WorkflowRun {
    /// Whether a run that ended without success is to go on.
    #[must_use]
    pub fn is_redriven(&self) -> bool {
        let ended = self
            .status
            .phase
            .is_some_and(|phase| phase.is_final() && phase != RunPhase::Succeeded);
        ended && self.spec.redrives > self.status.redrives
    }
}

impl RunPhase {
    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }

    /// The word in YAML.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::TimedOut => "TimedOut",
            Self::Aborted => "Aborted",
        }
    }
}

/// One state a run went through.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RunStep {
    /// The state's or node's name.
    pub name: String,
    /// The state's type, as `Task`.
    pub r#type: String,
    /// When it was entered.
    pub entered: String,
    /// When it was left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exited: Option<String>,
    /// Milliseconds between the two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// What it was given, as JSON text, cut to 1,000 characters.
    pub input: String,
    /// What it gave, as JSON text, cut to 1,000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Attempts beyond the first.
    pub retries: u32,
    /// The error it ended with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // As serde calls it.
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A value that is there, though it may be `null`: inputs and outputs are any JSON.
fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_of_null_is_not_the_lack_of_one() {
        let read = |text: &str| serde_json::from_str::<WorkflowRunSpec>(text).map(|s| s.input);
        assert_eq!(read(r#"{"input": null}"#).unwrap(), Some(Value::Null));
        assert_eq!(read("{}").unwrap(), None);
    }
}
