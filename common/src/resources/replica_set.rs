use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ObjectMeta, PodSpec};

/// The pods of one revision of a function (`apps/v1`). Made and sized by the platform.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaSet {
    /// `apps/v1`.
    pub api_version: String,
    /// `ReplicaSet`.
    pub kind: String,
    /// Standard object metadata.
    pub metadata: ObjectMeta,
    /// How many pods of what.
    pub spec: ReplicaSetSpec,
    /// How many there are.
    pub status: ReplicaSetStatus,
}

/// How many pods of what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaSetSpec {
    /// Pods wanted.
    pub replicas: u32,
    /// Labels of the pods.
    pub selector: LabelSelector,
    /// What each pod is.
    pub template: PodTemplate,
}

/// Labels that all must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    /// Label keys and the values they must have.
    pub match_labels: BTreeMap<String, String>,
}

/// What each pod of a replica set is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PodTemplate {
    /// Labels of the pods.
    pub metadata: ObjectMeta,
    /// What is placed.
    pub spec: PodSpec,
}

/// How many pods there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaSetStatus {
    /// Pods that exist.
    pub replicas: u32,
    /// Pods that take calls.
    pub ready_replicas: u32,
    /// The same; Kubernetes tells them apart by age.
    pub available_replicas: u32,
    /// The generation of `spec` the numbers speak of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}
