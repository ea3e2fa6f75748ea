//! From a wish for a pod to its object, and back from the object to the plan's view of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use common::digest::Digest;
use common::link::{Origin, PodAssignment};
use common::resources::{
    Container, FUNCTION_LABEL, Function, Network, ObjectMeta, OwnerReference, Pod, PodPhase,
    PodSpec, REVISION_LABEL, ReplicaSet, Resource as _, derive_replica_set_name,
};

use super::Revision;
use super::Tools;
use super::plan::{Event, PodStage, PodView};
use crate::nodes::ASSIGNMENT_ANNOTATION;
use crate::platform::Platform;
use crate::scheduler::{Needs, Place, Unschedulable, code_of, function as function_name};
use crate::store::Durability;

/// The finalizer that keeps a pod's object until its node has removed the pod.
pub const POD_FINALIZER: &str = "troupe.dev/node";
/// Cores of a pod whose function does not say, in thousandths.
const DEFAULT_CPU_MILLI: u64 = 1000;
/// Memory of a pod whose function does not say.
const DEFAULT_MEMORY_BYTES: u64 = 256 << 20;
/// Seconds a pod gets to finish its calls after SIGTERM, beyond the function's own limit.
const GRACE_SECONDS: u32 = 5;

/// A wish for a pod.
pub(super) struct Request {
    pub(super) function: Arc<Function>,
    pub(super) name: String,
    pub(super) revision: Revision,
    pub(super) max_body_bytes: u64,
}

/// Places a pod and writes its object; the node's actor sees it there.
///
/// The pod itself shows up through the watch; only a failure is told here.
pub(super) async fn launch(tools: &Tools, request: Request) -> Option<Event> {
    let name = request.name.clone();
    let failed = |reason: &str, message: String| {
        Some(Event::LaunchFailed {
            name: name.clone(),
            reason: reason.to_owned(),
            message,
        })
    };
    let spec = &request.function.spec;
    let (cpu_milli, memory_bytes) = amounts(&request.function);
    let metadata = &request.function.metadata;
    let needs = Needs {
        function: function_name(&metadata.namespace, &metadata.name),
        cpu_milli,
        memory_bytes,
        selector: spec.node_selector.clone(),
        tolerations: spec.tolerations.clone(),
        platforms: request.revision.platforms(),
        code: code(&request.revision),
    };
    let place = Place {
        pod: name.clone(),
        needs,
    };
    let placed = match tools.scheduler.ask(place, Tools::ASK_DEADLINE).await {
        Ok(Ok(placed)) => placed,
        Ok(Err(unschedulable @ Unschedulable::NoLayer { .. })) => {
            let (reason, message) = why_no_layer(&request.function, &unschedulable);
            return failed(&reason, message);
        }
        Ok(Err(unschedulable)) => return failed(unschedulable.reason(), unschedulable.to_string()),
        Err(error) => return failed("SchedulerDown", error.to_string()),
    };
    let revision = &request.revision.name;
    if let Err(error) =
        super::objects::ensure_replica_set(&tools.objects, &request.function, revision).await
    {
        return failed("WriteFailed", error.to_string());
    }
    let Some(origin) = request.revision.origin_on(&placed.platform) else {
        return failed(
            "NoLayer",
            format!("there is no layer for {}", placed.platform),
        );
    };
    match pod(&request, &placed.node, origin, cpu_milli, memory_bytes) {
        Ok(pod) => match tools.objects.create(pod, Durability::Eventual).await {
            Ok(_) => None,
            Err(error) => failed("WriteFailed", error.to_string()),
        },
        Err(error) => failed("WriteFailed", error.to_string()),
    }
}

/// What a node fetches for a pod of the revision, on whatever platform.
fn code(revision: &Revision) -> Vec<Digest> {
    if revision.layers.is_empty() {
        return vec![code_of(&revision.origin)];
    }
    revision.layers.iter().map(|layer| layer.digest).collect()
}

/// A layer that is being built is waited for; one that cannot be built is the reason.
fn why_no_layer(function: &Function, unschedulable: &Unschedulable) -> (String, String) {
    let failed = function.status.layers.iter().find_map(|layer| {
        let platform = Platform::of_layer(layer)?;
        let (reason, message) = (layer.reason.as_ref()?, layer.message.as_deref());
        let message = message.unwrap_or_default();
        Some((
            reason.clone(),
            format!("no layer for {platform}: {message}"),
        ))
    });
    failed.unwrap_or_else(|| (unschedulable.reason().to_owned(), unschedulable.to_string()))
}

fn amounts(function: &Function) -> (u64, u64) {
    let resources = function.spec.resources.as_ref();
    let cpu = resources
        .and_then(|r| r.cpu.as_ref())
        .map_or(DEFAULT_CPU_MILLI, |q| q.milli());
    let memory = resources
        .and_then(|r| r.memory.as_ref())
        .map_or(DEFAULT_MEMORY_BYTES, |q| q.whole());
    (cpu, memory)
}

fn pod(
    request: &Request,
    node: &str,
    origin: Origin,
    cpu_milli: u64,
    memory_bytes: u64,
) -> Result<Pod, serde_json::Error> {
    let Request {
        function,
        name,
        revision,
        max_body_bytes,
    } = request;
    let (metadata, spec) = (function.metadata(), &function.spec);
    let timeout_seconds = spec.timeout_seconds();
    let image = match &origin {
        Origin::Layer {
            image: Some(image), ..
        } => image.clone(),
        Origin::Layer { digest, .. } => digest.to_string(),
        Origin::Image { reference, .. } => reference.clone(),
    };
    let assignment = PodAssignment {
        // The store gives the uid; the node's actor fills it in.
        uid: String::new(),
        namespace: metadata.namespace.clone(),
        name: name.clone(),
        function: metadata.name.clone(),
        revision: revision.name.clone(),
        origin,
        handler: revision.handler.clone(),
        style: revision.style,
        concurrency: revision.concurrency,
        timeout_seconds,
        max_body_bytes: *max_body_bytes,
        env: Vec::new(),
        cpu_milli,
        memory_bytes,
        egress: spec.network != Some(Network::None),
        grace_seconds: timeout_seconds.saturating_add(GRACE_SECONDS),
    };
    let replica_set = derive_replica_set_name(&metadata.name, &revision.name);
    let limits = BTreeMap::from([
        ("cpu".to_owned(), format!("{cpu_milli}m")),
        ("memory".to_owned(), memory_bytes.to_string()),
    ]);
    let container = Container {
        name: "function".to_owned(),
        image,
        env: spec.env.clone(),
        resources: BTreeMap::from([("limits".to_owned(), limits)]),
    };
    let mut pod = Pod::with_metadata(ObjectMeta {
        labels: labels(&metadata.name, &revision.name),
        annotations: BTreeMap::from([(
            ASSIGNMENT_ANNOTATION.to_owned(),
            serde_json::to_string(&assignment)?,
        )]),
        owner_references: vec![OwnerReference {
            api_version: ReplicaSet::KIND.api_version(),
            kind: ReplicaSet::KIND.kind.to_owned(),
            name: replica_set,
            uid: super::objects::replica_set_uid(&metadata.uid, &revision.name),
            controller: true,
            block_owner_deletion: false,
        }],
        finalizers: vec![POD_FINALIZER.to_owned()],
        ..ObjectMeta::named(metadata.namespace.clone(), name.clone())
    });
    pod.spec = PodSpec {
        node_name: Some(node.to_owned()),
        node_selector: spec.node_selector.clone(),
        tolerations: spec.tolerations.clone(),
        containers: vec![container],
        restart_policy: Some("Never".to_owned()),
        termination_grace_period_seconds: Some(i64::from(assignment.grace_seconds)),
    };
    pod.status.phase = Some(PodPhase::Pending);
    Ok(pod)
}

/// The labels of a function's pods and replica sets.
pub(super) fn labels(function: &str, revision: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (FUNCTION_LABEL.to_owned(), function.to_owned()),
        (REVISION_LABEL.to_owned(), revision.to_owned()),
    ])
}

/// The plan's view of a pod's object.
pub(super) fn view(pod: &Pod) -> PodView {
    let metadata = &pod.metadata;
    let assignment = metadata.annotations.get(ASSIGNMENT_ANNOTATION);
    let concurrency = assignment
        .and_then(|text| serde_json::from_str::<PodAssignment>(text).ok())
        .map_or(1, |assignment| assignment.concurrency);
    let created = metadata
        .creation_timestamp
        .as_ref()
        .and_then(|text| text.parse().ok());
    PodView {
        uid: metadata.uid.clone(),
        name: metadata.name.clone(),
        node: pod.spec.node_name.clone().unwrap_or_default(),
        revision: metadata
            .labels
            .get(REVISION_LABEL)
            .cloned()
            .unwrap_or_default(),
        concurrency,
        stage: stage(pod),
        created: created.unwrap_or_default(),
        disruption: pod.disruption().map(|why| why.message.clone()),
    }
}

fn stage(pod: &Pod) -> PodStage {
    if pod.metadata.deletion_timestamp.is_some() {
        return PodStage::Ending;
    }
    match pod.status.phase {
        Some(PodPhase::Failed | PodPhase::Succeeded) => PodStage::Failed {
            reason: pod
                .status
                .reason
                .clone()
                .unwrap_or_else(|| "Ended".to_owned()),
            message: pod
                .status
                .message
                .clone()
                .unwrap_or_else(|| "the pod ended".to_owned()),
        },
        _ if pod.is_ready() => PodStage::Ready,
        _ => PodStage::Starting,
    }
}
