use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ObjectMeta, Taint};

/// A machine that runs pods. Made when its agent joins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Node {
    /// `v1`.
    pub api_version: String,
    /// `Node`.
    pub kind: String,
    /// Standard object metadata.
    pub metadata: ObjectMeta,
    /// What people want of the node.
    pub spec: NodeSpec,
    /// What its agent reports.
    pub status: NodeStatus,
}

/// What people want of a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSpec {
    /// Set by `kubectl cordon`: no new pods.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unschedulable: bool,
    /// Set by `kubectl taint`, and by the platform for a node that is not heard of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Taint>,
}

/// What a node's agent reports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeStatus {
    /// What the machine has: `cpu`, `memory`, `pods`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub capacity: BTreeMap<String, String>,
    /// What pods may use of it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub allocatable: BTreeMap<String, String>,
    /// `Ready`, `Isolated`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<NodeCondition>,
    /// Where the node is reached.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<NodeAddress>,
    /// What the machine is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_info: Option<NodeInfo>,
}

/// A condition of a node: as elsewhere, with the time of the last heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeCondition {
    /// What is judged.
    pub r#type: String,
    /// The verdict.
    pub status: super::ConditionStatus,
    /// One CamelCase word.
    pub reason: String,
    /// The same for people.
    pub message: String,
    /// When the agent was last heard of.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_heartbeat_time: String,
    /// When `status` last changed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_transition_time: String,
}

/// Where a node is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeAddress {
    /// `Hostname` or `InternalIP`.
    pub r#type: String,
    /// The address.
    pub address: String,
}

/// What a machine is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeInfo {
    /// `amd64` or `arm64`.
    pub architecture: String,
    /// The runtime and its version, as `docker://20.10.24` or `process://3.11.2`.
    pub container_runtime_version: String,
    /// Kernel release.
    pub kernel_version: String,
    /// Version of the agent.
    pub kubelet_version: String,
    /// The same.
    pub kube_proxy_version: String,
    /// Stable id of the machine.
    #[serde(rename = "machineID")]
    pub machine_id: String,
    /// `linux`.
    pub operating_system: String,
    /// Name of the distribution.
    pub os_image: String,
    /// Changes at each boot.
    #[serde(rename = "bootID")]
    pub boot_id: String,
    /// Unused.
    #[serde(rename = "systemUUID")]
    pub system_uuid: String,
}
