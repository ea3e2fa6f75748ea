use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Condition, ObjectMeta, Quantity, Toleration};
use crate::digest::Digest;

/// A Python function: where its code is, how it is called and how it scales.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Function {
    /// `v1`.
    pub api_version: String,
    /// `Function`.
    pub kind: String,
    /// Standard object metadata.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: FunctionSpec,
    /// What is; written by the platform.
    pub status: FunctionStatus,
}

/// What a function is made of and how it runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FunctionSpec {
    /// Directory with the code, relative to the YAML file; `kubectl` uploads it. It holds `func.py`
    /// with `def main(params)`, or one module with `def handler(env)` or `def handler(event, context)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_upload_file_path: Option<String>,
    /// Where the code comes from when it is not a directory to upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// A ready image, by digest, instead of code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The entry as `module.function`; found by itself when there is one candidate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handler: Option<String>,
    /// How the entry is called; found by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub style: Option<Style>,
    /// The base image: `slim`, or `full` with frequently used packages preinstalled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// Version of the function as its author counts (seed 2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// Environment variables of the function's process.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Limits for one pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceAmounts>,
    /// Longest time a call may run, in seconds, 1 to 900. Default 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u32>,
    /// Calls at once in one pod, 1 to 1000. Default 1 for AWS Lambda style, else 8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// How many pods run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,
    /// How calls that were accepted to be made later (`Prefer: respond-async`) are tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// What a pod may reach. Default `egress`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// For images that serve HTTP on a port instead of the platform's socket, 1 to 65535.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// `open` lets the gateway pass calls without a token on any address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// Labels a node must have to run the function.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints of nodes that the function's pods put up with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
}

impl FunctionSpec {
    /// Seconds a call may run when the function does not say.
    pub const DEFAULT_TIMEOUT_SECONDS: u32 = 30;
    /// Calls at once in one pod when the function does not say (1 for AWS Lambda style).
    pub const DEFAULT_CONCURRENCY: u32 = 8;

    /// Longest time a call may run, in seconds.
    #[must_use]
    pub fn timeout_seconds(&self) -> u32 {
        self.timeout_seconds
            .unwrap_or(Self::DEFAULT_TIMEOUT_SECONDS)
    }

    /// Calls at once in one pod, given the style that was found.
    #[must_use]
    pub fn concurrency(&self, style: Option<Style>) -> u32 {
        self.concurrency
            .unwrap_or_else(|| match self.style.or(style) {
                Some(Style::Lambda) => 1,
                _ => Self::DEFAULT_CONCURRENCY,
            })
    }
}

/// Where code comes from. Exactly one field is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Source {
    /// File names and their texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inline: Option<BTreeMap<String, String>>,
    /// Name of a ConfigMap in the function's namespace; its keys are file names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map: Option<String>,
    /// Digest of an archive uploaded before; `kubectl` fills it in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub upload: Option<Digest>,
}

/// A reference to a ConfigMap's key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigMapSource {
    /// Name of the ConfigMap.
    pub name: String,
    /// Key in it.
    pub key: String,
}

/// How a handler is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// `main(params)`: the JSON body in, a JSON value out.
    Params,
    /// `handler(env)`: the request in, a string out.
    Env,
    /// `handler(event, context)`, as AWS Lambda calls it.
    Lambda,
}

impl Style {
    /// The word in YAML.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Params => "params",
            Self::Env => "env",
            Self::Lambda => "lambda",
        }
    }
}

/// What a function's layer is laid over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Base {
    /// Python and its standard library.
    #[default]
    Slim,
    /// With frequently used packages preinstalled.
    Full,
}

/// One environment variable: a value, or where to take it from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvVar {
    /// The variable's name. `TROUPE_…` is reserved.
    pub name: String,
    /// The value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where the value is taken from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_from: Option<EnvFrom>,
}

/// Where an environment variable's value is taken from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvFrom {
    /// A key of a Secret in the function's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKey>,
    /// A key of a ConfigMap in the function's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<ConfigMapSource>,
}

/// A key of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SecretKey {
    /// Name of the Secret.
    pub name: String,
    /// Key in it.
    pub key: String,
}

/// Limits for one pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceAmounts {
    /// Cores, as `500m` or `2`. Default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Quantity>,
    /// Memory, as `256Mi`. Default 256Mi.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Quantity>,
}

/// How many pods run, and by which rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Scaling {
    /// Never fewer pods. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_replicas: Option<u32>,
    /// Never more pods, 1 to 1000. Default 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_replicas: Option<u32>,
    /// The rule. Default `requests`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyKind>,
    /// Length of the window the rule looks back on, in seconds, 1 to 3600. Default 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_seconds: Option<u32>,
    /// Policy `requests`: requests within the window that one pod is meant for, at least 1. Default 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_replica: Option<u32>,
    /// Policy `concurrency`: calls at once that one pod is meant for in the window's mean, 1 to 1000.
    /// Default 70 % of `spec.concurrency`, at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_concurrency: Option<u32>,
    /// Policy `concurrency`: length of the panic window, in percent of `windowSeconds`, 1 to 100.
    /// Default 10. A burst that it shows is answered at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub panic_window_percent: Option<u32>,
    /// Policy `concurrency`: panic begins when the panic window alone wants this many percent of the
    /// pods that are ready, 110 to 1000, and ends `windowSeconds` after that was so last. Default 200.
    /// While it lasts nothing is scaled down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub panic_threshold_percent: Option<u32>,
    /// Exactly so many pods, whatever the rule says; 0 turns the function off. Set by
    /// `kubectl scale --replicas=N`, removed by `--replicas=auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<u32>,
}

impl Scaling {
    /// Most pods when the function does not say.
    pub const DEFAULT_MAX_REPLICAS: u32 = 10;
    /// Seconds looked back on when the function does not say (seed 2).
    pub const DEFAULT_WINDOW_SECONDS: u32 = 30;
    /// Requests in the window that one pod is meant for when the function does not say (seed 2).
    pub const DEFAULT_REQUESTS_PER_REPLICA: u32 = 100;
    /// Length of the panic window when the function does not say, in percent.
    pub const DEFAULT_PANIC_WINDOW_PERCENT: u32 = 10;
    /// When panic begins when the function does not say, in percent of the ready pods.
    pub const DEFAULT_PANIC_THRESHOLD_PERCENT: u32 = 200;

    /// Calls at once that one pod is meant for when the function does not say and its pods take
    /// `concurrency`.
    #[must_use]
    pub fn default_target_concurrency(concurrency: u32) -> u32 {
        (concurrency.saturating_mul(7) / 10).max(1)
    }
}

/// A scaling rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PolicyKind {
    /// Requests in the window divided by `requestsPerReplica`, rounded up (seed 2).
    #[default]
    Requests,
    /// Calls in flight or waiting, in the mean of the window, divided by `targetConcurrency`, rounded
    /// up; in a burst, of the panic window (Knative's pod autoscaler).
    Concurrency,
}

/// How asynchronous calls are tried again. What is not said here the master's settings say
/// (`[invocations]`). Calls that were accepted keep the rules of that moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Retry {
    /// Attempts before a call is a dead letter, the first one included, 1 to 100. Default 3. An attempt
    /// counts when the function was reached: it failed, timed out or its pod died.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// Seconds before the second attempt, 0 to 3600; each further one waits twice as long, with jitter.
    /// Default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_seconds: Option<u32>,
    /// Longest wait between two attempts, in seconds, 1 to 86400. Default 60.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_backoff_seconds: Option<u32>,
    /// A call that has not succeeded by this age, in seconds, is a dead letter, 1 to 604800.
    /// Default 21600 (6 hours).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u32>,
}

/// What a pod may reach over the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// Outwards only: never other pods, the host or link-local addresses.
    #[default]
    Egress,
    /// Nothing.
    None,
}

/// Who may call through the gateway on an address other than loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Anybody.
    Open,
}

/// A function's layer for some machines, or why there is none for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FunctionLayer {
    /// `amd64` or `arm64`; absent when nothing in the layer is machine code, so that it serves all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// The Python it is for, as `3.11`; absent when it serves all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub python: Option<String>,
    /// Digest of the layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub digest: Option<Digest>,
    /// Size of the layer, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// One CamelCase word when it could not be built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What a function is right now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FunctionStatus {
    /// `Built`, `Ready`, `SourceMissing`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The generation of `spec` the status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Id of the build that `Built`, `layer`, `handler` and `style` speak of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// The function's image (base and layer) in the cluster's registry, as NAME@sha256:INDEX; without
    /// a registry, or until it is pushed, the layer's digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Digest of the function's layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub layer: Option<Digest>,
    /// Size of the layer, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer_bytes: Option<u64>,
    /// The function's layers by the machines they serve. `layer` is the one that was built first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<FunctionLayer>,
    /// Architectures that `image` can be run on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_architectures: Vec<String>,
    /// The entry that was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handler: Option<String>,
    /// The style that was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub style: Option<Style>,
    /// Name of the revision that new pods run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Pods that exist.
    pub replicas: u32,
    /// Pods that answer calls.
    pub ready_replicas: u32,
    /// Pods the scaling rule wants.
    pub desired_replicas: u32,
    /// Why the rule wants so many.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scaled_by: String,
    /// Label selector of the function's pods.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub selector: String,
}
