use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Access, Condition, ObjectMeta};

/// A state machine in the Amazon States Language (seed 2).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StateMachine {
    /// `v1`.
    pub api_version: String,
    /// `StateMachine`.
    pub kind: String,
    /// Standard object metadata.
    pub metadata: ObjectMeta,
    /// The definition.
    pub spec: StateMachineSpec,
    /// Written by the platform.
    pub status: StateMachineStatus,
}

/// A state machine's definition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StateMachineSpec {
    /// The definition in the Amazon States Language: an object with `StartAt` and `States`, or the
    /// same as JSON text.
    pub definition: Value,
    /// How much of a run is kept. Default `STANDARD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<StateMachineType>,
    /// `open` lets the gateway start runs without a token on any address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// The role that clients of the Step Functions API name. Runs show it; it grants nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
}

/// How much of a run is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum StateMachineType {
    /// Every step is journaled and survives a crash.
    #[default]
    Standard,
    /// Only start, end and result are kept.
    Express,
}

/// What a state machine is right now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StateMachineStatus {
    /// Name of the last WorkflowRun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run: Option<String>,
    /// `Ready`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
