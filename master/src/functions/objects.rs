//! Shows a function's pods in its status, its replica sets and its service.

use std::collections::BTreeMap;

use common::digest::Digest;
use common::resources::{
    Condition, FUNCTION_LABEL, Function, LabelSelector, ObjectMeta, OwnerReference, PodTemplate,
    REVISION_LABEL, ReplicaSet, ReplicaSetSpec, ReplicaSetStatus, Resource as _, Service,
    ServiceEndpoint, ServicePort, ServiceSpec, derive_replica_set_name, set_condition, timestamp,
};
use jiff::Timestamp;

use super::launch::labels;
use super::plan::Summary;
use crate::objects::{ObjectError, Objects, insist};
use crate::store::Durability::Eventual;

/// Replica sets of older revisions that are kept.
const HISTORY: usize = 2;
/// The gateway's port in services; they are reached through it only.
const SERVICE_PORT: u16 = 80;

/// Writes what the summary says.
pub(super) async fn show(
    objects: &Objects,
    function: &Function,
    summary: &Summary,
    now: Timestamp,
) {
    let write = || try_show(objects, function, summary, now);
    if let Err(error) = insist("show a function's state", write).await {
        let function = &function.metadata.name;
        tracing::warn!(function, %error, "could not show a function's state");
    }
}

async fn try_show(
    objects: &Objects,
    function: &Function,
    summary: &Summary,
    now: Timestamp,
) -> Result<(), ObjectError> {
    show_status(objects, function, summary, now).await?;
    if let Some(revision) = &summary.revision {
        show_replica_set(objects, function, revision, summary).await?;
        // Looking through a namespace's sets is dear; a new revision is what makes old ones.
        if function.status.revision.as_ref() != Some(revision) {
            retire_replica_sets(objects, function, revision).await?;
        }
    }
    show_service(objects, function, summary).await
}

async fn show_status(
    objects: &Objects,
    function: &Function,
    summary: &Summary,
    now: Timestamp,
) -> Result<(), ObjectError> {
    let ready = match (&summary.trouble, summary.ready.len()) {
        (Some((reason, message)), 0) => Condition::new("Ready", false, reason, message.clone()),
        (_, 0) if summary.revision.is_none() => {
            Condition::new("Ready", false, "NotBuilt", "the function is not built yet")
        }
        (_, 0) => Condition::new("Ready", true, "ScaledToZero", "starts with the next call"),
        (_, n) => Condition::new("Ready", true, "Running", format!("{n} pods take calls")),
    };
    let metadata = &function.metadata;
    let write = |function: &mut Function| {
        let before = function.status.clone();
        let status = &mut function.status;
        status.revision.clone_from(&summary.revision);
        status.replicas = summary.replicas;
        status.ready_replicas = u32::try_from(summary.ready.len()).unwrap_or(u32::MAX);
        status.desired_replicas = summary.desired;
        status.scaled_by.clone_from(&summary.why);
        status.selector = format!("{FUNCTION_LABEL}={}", function.metadata.name);
        status.observed_generation = Some(function.metadata.generation);
        set_condition(&mut status.conditions, ready.clone(), &timestamp(now));
        *status != before
    };
    objects
        .modify::<Function>(&metadata.namespace, &metadata.name, Eventual, write)
        .await?;
    Ok(())
}

/// The uid of a revision's replica set follows from the function's, so that pods can name their owner
/// before it is written.
pub(super) fn replica_set_uid(function_uid: &str, revision: &str) -> String {
    let hex = Digest::of(format!("{function_uid}/{revision}").as_bytes()).hex();
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..32]
    )
}

async fn show_replica_set(
    objects: &Objects,
    function: &Function,
    revision: &str,
    summary: &Summary,
) -> Result<(), ObjectError> {
    let metadata = &function.metadata;
    let name = derive_replica_set_name(&metadata.name, revision);
    let count = ReplicaSetStatus {
        replicas: summary.replicas,
        ready_replicas: u32::try_from(summary.ready.len()).unwrap_or(u32::MAX),
        available_replicas: u32::try_from(summary.ready.len()).unwrap_or(u32::MAX),
        observed_generation: None,
    };
    let write = |set: &mut ReplicaSet| {
        let before = set.clone();
        set.spec.replicas = summary.desired;
        set.status = count.clone();
        *set != before
    };
    let known = objects
        .modify::<ReplicaSet>(&metadata.namespace, &name, Eventual, write)
        .await?;
    if known.is_some() {
        return Ok(());
    }
    let mut set = replica_set(function, revision);
    set.spec.replicas = summary.desired;
    set.status = count;
    ignore_existing(objects.create(set, Eventual).await)
}

/// Makes sure that a revision's replica set is there: pods whose owner is missing are collected.
pub(super) async fn ensure_replica_set(
    objects: &Objects,
    function: &Function,
    revision: &str,
) -> Result<(), ObjectError> {
    let metadata = &function.metadata;
    let name = derive_replica_set_name(&metadata.name, revision);
    if objects
        .get::<ReplicaSet>(&metadata.namespace, &name)
        .await?
        .is_some()
    {
        return Ok(());
    }
    ignore_existing(
        objects
            .create(replica_set(function, revision), Eventual)
            .await,
    )
}

fn replica_set(function: &Function, revision: &str) -> ReplicaSet {
    let metadata = &function.metadata;
    let name = derive_replica_set_name(&metadata.name, revision);
    let labels = labels(&metadata.name, revision);
    let mut set = ReplicaSet::with_metadata(ObjectMeta {
        uid: replica_set_uid(&metadata.uid, revision),
        labels: labels.clone(),
        owner_references: vec![owner(function)],
        ..ObjectMeta::named(metadata.namespace.clone(), name)
    });
    set.spec = ReplicaSetSpec {
        replicas: 0,
        selector: LabelSelector {
            match_labels: labels.clone(),
        },
        template: PodTemplate {
            metadata: ObjectMeta {
                labels,
                ..ObjectMeta::default()
            },
            ..PodTemplate::default()
        },
    };
    set
}

/// Sizes the sets of older revisions down and deletes all but the last of them.
async fn retire_replica_sets(
    objects: &Objects,
    function: &Function,
    revision: &str,
) -> Result<(), ObjectError> {
    let namespace = &function.metadata.namespace;
    let mut old = objects.list::<ReplicaSet>(Some(namespace)).await?.items;
    old.retain(|set| {
        let labels = &set.metadata.labels;
        labels.get(FUNCTION_LABEL) == Some(&function.metadata.name)
            && labels.get(REVISION_LABEL).is_some_and(|r| r != revision)
    });
    old.sort_by(|a, b| {
        b.metadata
            .creation_timestamp
            .cmp(&a.metadata.creation_timestamp)
    });
    for set in &old {
        let write = |set: &mut ReplicaSet| {
            let before = set.clone();
            set.spec.replicas = 0;
            set.status = ReplicaSetStatus::default();
            *set != before
        };
        objects
            .modify::<ReplicaSet>(namespace, &set.metadata.name, Eventual, write)
            .await?;
    }
    for set in old.iter().skip(HISTORY) {
        let (name, uid) = (&set.metadata.name, &set.metadata.uid);
        objects
            .delete::<ReplicaSet>(namespace, name, Some(uid))
            .await?;
    }
    Ok(())
}

async fn show_service(
    objects: &Objects,
    function: &Function,
    summary: &Summary,
) -> Result<(), ObjectError> {
    let metadata = &function.metadata;
    let endpoint = |(pod, node): &(String, String)| ServiceEndpoint {
        pod: pod.clone(),
        node: node.clone(),
    };
    let endpoints: Vec<_> = summary.ready.iter().map(endpoint).collect();
    let write = |service: &mut Service| {
        let changed = service.status.endpoints != endpoints;
        service.status.endpoints.clone_from(&endpoints);
        changed
    };
    let known = objects
        .modify::<Service>(&metadata.namespace, &metadata.name, Eventual, write)
        .await?;
    if known.is_some() {
        return Ok(());
    }
    let mut service = Service::with_metadata(ObjectMeta {
        owner_references: vec![owner(function)],
        ..ObjectMeta::named(metadata.namespace.clone(), metadata.name.clone())
    });
    service.spec = ServiceSpec {
        selector: BTreeMap::from([(FUNCTION_LABEL.to_owned(), metadata.name.clone())]),
        r#type: Some("ClusterIP".to_owned()),
        cluster_ip: Some("None".to_owned()),
        ports: vec![ServicePort {
            name: "http".to_owned(),
            protocol: "TCP".to_owned(),
            port: SERVICE_PORT,
        }],
    };
    service.status.endpoints = endpoints;
    ignore_existing(objects.create(service, Eventual).await)
}

fn owner(function: &Function) -> OwnerReference {
    OwnerReference {
        api_version: Function::KIND.api_version(),
        kind: Function::KIND.kind.to_owned(),
        name: function.metadata.name.clone(),
        uid: function.metadata.uid.clone(),
        controller: true,
        block_owner_deletion: false,
    }
}

fn ignore_existing<R>(result: Result<R, ObjectError>) -> Result<(), ObjectError> {
    match result {
        Ok(_) | Err(ObjectError::AlreadyExists { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
