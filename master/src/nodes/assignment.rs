//! From a pod's object to what its agent is told, secrets resolved.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::link::PodAssignment;
use common::resources::{ConfigMap, EnvVar, Pod, Secret};

use super::ASSIGNMENT_ANNOTATION;
use crate::objects::{ObjectError, Objects, insist};

/// A pod cannot be assigned.
#[derive(Debug, thiserror::Error)]
pub(super) enum AssignmentError {
    /// The pod was not made by this platform.
    #[error("pod {0} carries no assignment")]
    Foreign(String),
    /// A secret or one of its keys is missing.
    #[error(
        "environment variable {variable}: secret {name:?} has no key {key:?} in this namespace"
    )]
    Secret {
        variable: String,
        name: String,
        key: String,
    },
    /// A ConfigMap or one of its keys is missing.
    #[error(
        "environment variable {variable}: configmap {name:?} has no key {key:?} in this namespace"
    )]
    ConfigMap {
        variable: String,
        name: String,
        key: String,
    },
    /// The store cannot be read, and never will.
    #[error("read the environment of pod {0}")]
    Objects(String, #[source] ObjectError),
}

impl AssignmentError {
    /// One CamelCase word, or `None` when it says nothing about the pod.
    pub(super) fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Foreign(_) => Some("NotAssignable"),
            Self::Secret { .. } => Some("SecretMissing"),
            Self::ConfigMap { .. } => Some("ConfigMapMissing"),
            Self::Objects(..) => None,
        }
    }
}

/// What the agent is told of a pod, once the store can be read.
pub(super) async fn assignment(
    objects: &Objects,
    pod: &Pod,
) -> Result<PodAssignment, AssignmentError> {
    let attempt = || async {
        match with_environment(objects, pod).await {
            Err(AssignmentError::Objects(_, error)) => Err(error),
            said => Ok(said),
        }
    };
    let said = insist("read a pod's environment", attempt).await;
    said.unwrap_or_else(|error| {
        let name = pod.metadata.name.clone();
        Err(AssignmentError::Objects(name, error))
    })
}

/// What the agent is told of a pod that it has: that it goes on.
pub(super) fn known(pod: &Pod) -> Result<PodAssignment, AssignmentError> {
    let text = pod.metadata.annotations.get(ASSIGNMENT_ANNOTATION);
    let assignment = text.and_then(|text| serde_json::from_str::<PodAssignment>(text).ok());
    let name = &pod.metadata.name;
    let mut assignment = assignment.ok_or_else(|| AssignmentError::Foreign(name.clone()))?;
    assignment.uid.clone_from(&pod.metadata.uid);
    Ok(assignment)
}

async fn with_environment(objects: &Objects, pod: &Pod) -> Result<PodAssignment, AssignmentError> {
    let mut assignment = known(pod)?;
    let variables = pod
        .spec
        .containers
        .iter()
        .flat_map(|container| &container.env);
    for variable in variables {
        let value = resolve(objects, pod, variable).await?;
        assignment.env.push((variable.name.clone(), value));
    }
    Ok(assignment)
}

async fn resolve(
    objects: &Objects,
    pod: &Pod,
    variable: &EnvVar,
) -> Result<String, AssignmentError> {
    let namespace = &pod.metadata.namespace;
    let failed = |error| AssignmentError::Objects(pod.metadata.name.clone(), error);
    let Some(from) = &variable.value_from else {
        return Ok(variable.value.clone().unwrap_or_default());
    };
    if let Some(secret) = &from.secret_key_ref {
        let found = objects
            .get::<Secret>(namespace, &secret.name)
            .await
            .map_err(failed)?;
        let encoded = found.and_then(|found| found.data.get(&secret.key).cloned());
        let decoded = encoded.and_then(|text| STANDARD.decode(text).ok());
        return decoded
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| AssignmentError::Secret {
                variable: variable.name.clone(),
                name: secret.name.clone(),
                key: secret.key.clone(),
            });
    }
    if let Some(map) = &from.config_map_key_ref {
        let found = objects
            .get::<ConfigMap>(namespace, &map.name)
            .await
            .map_err(failed)?;
        return found
            .and_then(|found| found.data.get(&map.key).cloned())
            .ok_or_else(|| AssignmentError::ConfigMap {
                variable: variable.name.clone(),
                name: map.name.clone(),
                key: map.key.clone(),
            });
    }
    Ok(String::new())
}
