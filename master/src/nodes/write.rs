//! Writes what is known of pods and nodes into their objects.

use common::link::{Hello, PodReport, PodState};
use common::resources::{Condition, Node, Pod, PodPhase, set_condition, timestamp};

use super::registry::NodesTools;
use super::{hello, report};

/// How a node stands.
pub(super) enum State {
    /// Its agent is here and says this of itself.
    Here(Box<Hello>),
    /// Its agent ends.
    Closing,
    /// Its agent is not heard of.
    Missed,
}
use crate::functions::POD_FINALIZER;
use crate::objects::ObjectError;
use crate::store::Durability::{Durable, Eventual};

/// Writes a report into its pod's status; a pod that its node has removed loses its finalizer. Returns whether the
/// pod runs although it counts as ended: nobody else would end it there.
pub(super) async fn write_report(
    tools: &NodesTools,
    node: &str,
    report: &PodReport,
) -> Result<bool, ObjectError> {
    let now = timestamp(tools.clock.now());
    let (namespace, name) = (&report.namespace, &report.name);
    let runs = matches!(
        report.state,
        PodState::Preparing | PodState::Starting | PodState::Ready
    );
    let mut outlives = false;
    let write = |pod: &mut Pod| {
        // An agent speaks for the pods of its own node only.
        if pod.metadata.uid != report.uid || pod.spec.node_name.as_deref() != Some(node) {
            return false;
        }
        outlives = runs && pod.status.phase.is_some_and(PodPhase::is_final);
        let mut changed = report::apply(pod, report, &now);
        if report.state == PodState::Gone && pod.metadata.deletion_timestamp.is_some() {
            let before = pod.metadata.finalizers.len();
            pod.metadata
                .finalizers
                .retain(|finalizer| finalizer != POD_FINALIZER);
            changed |= pod.metadata.finalizers.len() != before;
        }
        changed
    };
    tools
        .objects
        .modify::<Pod>(namespace, name, Eventual, write)
        .await?;
    Ok(outlives)
}

/// Deletes a pod without waiting for its node.
pub(super) async fn remove_pod(tools: &NodesTools, pod: &Pod) -> Result<(), ObjectError> {
    let (namespace, name) = (&pod.metadata.namespace, &pod.metadata.name);
    tools
        .objects
        .delete::<Pod>(namespace, name, Some(&pod.metadata.uid))
        .await?;
    let release = |found: &mut Pod| {
        found
            .metadata
            .finalizers
            .retain(|finalizer| finalizer != POD_FINALIZER);
        found.metadata.uid == pod.metadata.uid
    };
    tools
        .objects
        .modify::<Pod>(namespace, name, Eventual, release)
        .await?;
    Ok(())
}

/// Says that a pod shall leave its node.
pub(super) async fn mark_pod(
    tools: &NodesTools,
    pod: &Pod,
    mark: Condition,
) -> Result<(), ObjectError> {
    let now = timestamp(tools.clock.now());
    let (namespace, name) = (&pod.metadata.namespace, &pod.metadata.name);
    let write = |found: &mut Pod| {
        let same = found.metadata.uid == pod.metadata.uid;
        same && set_condition(&mut found.status.conditions, mark.clone(), &now)
    };
    tools
        .objects
        .modify::<Pod>(namespace, name, Durable, write)
        .await?;
    Ok(())
}

/// Writes how a node stands. One whose agent greets for the first time is made.
pub(super) async fn write_node(
    tools: &NodesTools,
    name: &str,
    state: &State,
) -> Result<(), ObjectError> {
    let now = tools.clock.now();
    let write = |node: &mut Node| {
        match state {
            State::Here(hello) => hello::greet(node, hello, now),
            State::Closing => hello::close(node, now),
            State::Missed => hello::miss(node, now),
        }
        true
    };
    let known = tools
        .objects
        .modify::<Node>("", name, Durable, write)
        .await?;
    if known.is_none()
        && let State::Here(hello) = state
    {
        let mut node = hello::new_node(name);
        hello::greet(&mut node, hello, now);
        tools.objects.create(node, Durable).await?;
    }
    Ok(())
}
