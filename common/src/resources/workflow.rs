use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{Condition, ObjectMeta, RunPhase};

/// A chain of functions with branches (seed 1). Applying it runs it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Workflow {
    /// `v1`.
    pub api_version: String,
    /// `Workflow`.
    pub kind: String,
    /// Standard object metadata.
    pub metadata: ObjectMeta,
    /// The nodes and where to begin.
    pub spec: WorkflowSpec,
    /// The last run that applying started; written by the platform.
    pub status: WorkflowStatus,
}

/// The nodes of a workflow and where to begin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowSpec {
    /// Input of the run that applying starts, as JSON text. Without it applying runs nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_params: Option<String>,
    /// Name of the first node.
    pub entry_node_name: String,
    /// The nodes; each node's output is the next one's input.
    pub workflow_nodes: Vec<WorkflowNode>,
    /// `open` lets the gateway start runs without a token on any address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<super::Access>,
}

/// One node of a workflow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowNode {
    /// Unique within the workflow.
    pub name: String,
    /// What the node does.
    pub r#type: NodeType,
    /// For `type: func`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub func_data: Option<FuncData>,
    /// For `type: choice`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choice_data: Option<ChoiceData>,
}

/// What a node does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NodeType {
    /// Calls a function.
    #[default]
    Func,
    /// Compares a variable and branches.
    Choice,
}

/// The function a node calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FuncData {
    /// Name of the function.
    pub func_name: String,
    /// Its namespace; the workflow's own when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub func_namespace: Option<String>,
    /// The node that follows; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_node_name: Option<String>,
}

/// The comparison a node makes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ChoiceData {
    /// `numEqual`, `numNotEqual`, `numGreaterThan`, `numLessThan`, `numGreaterAndEqualThan`,
    /// `numLessAndEqualThan`, or the same with `str`.
    pub check_type: String,
    /// Key of the node's input that is compared. (YAML 1.1 readers, the real kubectl among them, turn an
    /// unquoted `y` or `n` into `true` or `false`; they are taken back.)
    #[serde(deserialize_with = "variable")]
    pub check_var_name: String,
    /// What it is compared with: a number or a string.
    pub compare_value: Value,
    /// The node that follows when the comparison holds.
    pub true_next_node_name: String,
    /// The node that follows when it does not.
    pub false_next_node_name: String,
}

/// The last run that applying started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowStatus {
    /// Where that run stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<RunPhase>,
    /// Output of that run, as JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Name of the WorkflowRun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_run: Option<String>,
    /// The generation of `spec` that was run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The last value of the annotation `troupe.dev/run-requested` that was answered with a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_requested: Option<String>,
    /// `Complete`, `Failed`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// A variable's name; booleans are the names `y` and `n` as YAML 1.1 reads them without quotes.
fn variable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(name) => Ok(name),
        Value::Bool(true) => Ok("y".to_owned()),
        Value::Bool(false) => Ok("n".to_owned()),
        other => Err(D::Error::custom(format!("found {other}, want a string"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_named_y_survives_yaml_1_1() {
        let read = |text: &str| serde_json::from_str::<ChoiceData>(text).map(|c| c.check_var_name);
        assert_eq!(read(r#"{"checkVarName": true}"#).unwrap(), "y");
        assert_eq!(read(r#"{"checkVarName": "x"}"#).unwrap(), "x");
        assert!(read(r#"{"checkVarName": 1}"#).is_err());
    }
}
