use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Condition, ObjectMeta};

/// A Step Functions activity: work that workers poll for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Activity {
    /// `v1`.
    pub api_version: String,
    /// `Activity`.
    pub kind: String,
    /// Standard object metadata.
    pub metadata: ObjectMeta,
    /// Nothing yet.
    pub spec: ActivitySpec,
    /// Written by the platform.
    pub status: ActivityStatus,
}

/// What an activity is; workers give it meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ActivitySpec {
    /// What the work is, for the people who answer it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What an activity is right now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ActivityStatus {
    /// Standard conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
