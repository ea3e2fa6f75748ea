use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What every object carries besides its own fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    /// Unique within the namespace and kind.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// With no `name`: a prefix that the server completes. Works with `create`, not with `apply`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub generate_name: String,
    /// The namespace; empty for kinds that live outside namespaces.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Set by the server: unique over all time.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Set by the server: the store's revision of the last change. Sent back with an update, it makes
    /// the update fail when somebody else was faster.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    /// Set by the server: counts the changes of `spec`.
    #[serde(skip_serializing_if = "is_zero")]
    pub generation: i64,
    /// Set by the server, RFC 3339 in UTC with whole seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<String>,
    /// Set by the server when deletion was asked for and finalizers still hold the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<String>,
    /// Seconds between the wish to delete and the deletion by force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_grace_period_seconds: Option<i64>,
    /// Short key-value pairs that selectors match.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Key-value pairs for tools; not selectable.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The objects this one belongs to; it is deleted with the last of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owner_references: Vec<OwnerReference>,
    /// Names of those who must clean up before the object goes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<String>,
    /// Which manager applied which fields (server-side apply).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub managed_fields: Vec<Value>,
    /// Ignored; kept for clients that still send it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub self_link: String,
}

impl ObjectMeta {
    /// Metadata of a new object, to be completed by the server.
    pub fn named(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            ..Self::default()
        }
    }

    /// The owner that controls this object, if any.
    #[must_use]
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.iter().find(|owner| owner.controller)
    }
}

fn is_zero(n: &i64) -> bool {
    *n == 0
}

/// Ties an object to one it belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnerReference {
    /// The owner's `apiVersion`.
    pub api_version: String,
    /// The owner's kind.
    pub kind: String,
    /// The owner's name, in the same namespace.
    pub name: String,
    /// The owner's uid: an object of the same name made later is not the owner.
    pub uid: String,
    /// Whether this owner manages the object.
    #[serde(default)]
    pub controller: bool,
    /// Whether the owner waits for this object in a foreground deletion.
    #[serde(default)]
    pub block_owner_deletion: bool,
}

/// `at` as Kubernetes writes times: RFC 3339, UTC, whole seconds.
#[must_use]
pub fn timestamp(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
