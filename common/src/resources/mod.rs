//! The Kubernetes-shaped objects of Troupe's API. Field comments are the manual: `kubectl explain`
//! prints them.

mod activity;
mod condition;
mod event;
mod function;
mod kind;
mod meta;
mod name;
mod namespace;
mod node;
mod pod;
mod quantity;
mod replica_set;
mod secret;
mod service;
mod state_machine;
mod status;
mod taint;
mod task;
mod workflow;
mod workflow_run;

pub use activity::{Activity, ActivitySpec, ActivityStatus};
pub use condition::{Condition, ConditionStatus, set_condition};
pub use event::{Event, EventSource, ObjectReference};
pub use function::{
    Access, Base, ConfigMapSource, EnvFrom, EnvVar, Function, FunctionLayer, FunctionSpec,
    FunctionStatus, Network, PolicyKind, ResourceAmounts, Retry, Scaling, SecretKey, Source, Style,
};
pub use kind::{KINDS, Kind, NameRule, Resource};
pub use meta::{ObjectMeta, OwnerReference, timestamp};
pub use name::{
    NameError, check_dns_label, check_dns_subdomain, check_name, derive_pod_name,
    derive_replica_set_name,
};
pub use namespace::{Namespace, NamespaceSpec, NamespaceStatus};
pub use node::{Node, NodeAddress, NodeCondition, NodeInfo, NodeSpec, NodeStatus};
pub use pod::{
    Container, ContainerState, ContainerStateRunning, ContainerStateTerminated,
    ContainerStateWaiting, ContainerStatus, DISRUPTION, Pod, PodPhase, PodSpec, PodStatus,
};
pub use quantity::{ParseQuantityError, Quantity};
pub use replica_set::{LabelSelector, PodTemplate, ReplicaSet, ReplicaSetSpec, ReplicaSetStatus};
pub use secret::{ConfigMap, Secret};
pub use service::{Service, ServiceEndpoint, ServicePort, ServiceSpec, ServiceStatus};
pub use state_machine::{StateMachine, StateMachineSpec, StateMachineStatus, StateMachineType};
pub use status::{Status, StatusCause, StatusDetails};
pub use taint::{NO_EXECUTE, NO_SCHEDULE, PREFER_NO_SCHEDULE, TAINT_EFFECTS, Taint, Toleration};
pub use task::{Task, TaskAnswer, TaskSpec, TaskStatus};
pub use workflow::{
    ChoiceData, FuncData, NodeType, Workflow, WorkflowNode, WorkflowSpec, WorkflowStatus,
};
pub use workflow_run::{RunPhase, RunStep, WorkflowRun, WorkflowRunSpec, WorkflowRunStatus};

/// The label that ties pods and replica sets to their function.
pub const FUNCTION_LABEL: &str = "troupe.dev/function";
/// The label that names the revision of the function a pod runs.
pub const REVISION_LABEL: &str = "troupe.dev/revision";
/// The annotation that `kubectl update hard` sets to `hard` on a function: the pods of older revisions
/// stop before new ones start.
pub const UPDATE_ANNOTATION: &str = "troupe.dev/update";
/// The annotation with which kubectl asks for a run of an unchanged workflow whose last run was deleted:
/// a new value, as the time, asks once.
pub const RUN_ANNOTATION: &str = "troupe.dev/run-requested";
