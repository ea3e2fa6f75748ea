use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ObjectMeta;

/// Something that happened to an object and that a user may ask about. Kept for an hour.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Event {
    /// `v1`.
    pub api_version: String,
    /// `Event`.
    pub kind: String,
    /// Standard object metadata.
    pub metadata: ObjectMeta,
    /// What it happened to.
    pub involved_object: ObjectReference,
    /// One CamelCase word.
    pub reason: String,
    /// The same for people.
    pub message: String,
    /// `Normal` or `Warning`.
    pub r#type: String,
    /// How often it happened.
    pub count: i32,
    /// When it first happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_timestamp: Option<String>,
    /// When it last happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_timestamp: Option<String>,
    /// When it first happened, with microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_time: Option<String>,
    /// Who says so.
    pub source: EventSource,
    /// The same.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reporting_component: String,
    /// Unused.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reporting_instance: String,
}

/// Who reports an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EventSource {
    /// Part of the platform, as `functions`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub component: String,
    /// Node it runs on.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
}

/// Names an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectReference {
    /// The object's `apiVersion`.
    pub api_version: String,
    /// The object's kind.
    pub kind: String,
    /// The object's namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The object's uid.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The object's resourceVersion.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    /// A part of the object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field_path: String,
}
