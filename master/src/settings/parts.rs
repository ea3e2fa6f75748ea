//! The sections of the settings.

use std::path::PathBuf;
use std::time::Duration;

use common::settings::{ByteCount, duration};
use serde::Deserialize;

use crate::invocations::{Bounds, Policy, Width};

/// The Step Functions API.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct StepFunctionsSettings {
    /// The region that ARNs name.
    pub region: String,
    /// The account that ARNs name.
    pub account: String,
}

/// How the registry is used.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RegistryAccess {
    /// The user; empty: none.
    pub username: String,
    /// The file with the password, in one line.
    pub password_file: PathBuf,
    /// The certificates (PEM) that an https registry's must come from. Empty: the public authorities.
    pub ca_file: PathBuf,
    /// Images are named `PREFIX/functions`.
    pub prefix: String,
}

/// The registry that the master runs itself.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct OwnRegistry {
    /// The image of a registry (CNCF distribution). Empty: never through Docker.
    pub image: String,
    /// The engine's socket, `unix:///PATH`. Empty: `DOCKER_HOST`, else Docker's default.
    pub docker_host: String,
}

/// The gateway.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct GatewaySettings {
    /// Largest request body.
    pub max_body: ByteCount,
    /// Bytes of the bodies of all requests that are in hand, those that wait for a pod among them.
    pub max_bodies: ByteCount,
    /// Longest time a call waits for a pod, a build under way included.
    #[serde(deserialize_with = "duration")]
    pub hold: Duration,
    /// Most calls that wait for one function.
    pub queue: usize,
    /// The pods' directory of an agent on this machine (`DATA-DIR/pods`), whose sockets the gateway
    /// then uses without going through the agent. Empty: always through the agent.
    pub local_pods_dir: PathBuf,
    /// The first of the user ids that agent's pods run under.
    pub local_pods_uid_first: u32,
    /// How many there are.
    pub local_pods_uid_count: u32,
    /// Threads that serve requests. 0: one for two cores.
    pub workers: usize,
}

/// Builds.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct BuildSettings {
    /// Longest build.
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    /// Largest upload.
    pub max_upload: ByteCount,
    /// Largest layer.
    pub max_layer: ByteCount,
    /// How long sources, layers and images that nothing uses are kept at least.
    #[serde(deserialize_with = "duration")]
    pub keep_unused: Duration,
}

/// Runs.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RunSettings {
    /// How long a task waits for a function that does not exist before it fails.
    #[serde(deserialize_with = "duration")]
    pub wait_for_function: Duration,
    /// How long an ended run is kept, with its journal.
    #[serde(deserialize_with = "duration")]
    pub keep: Duration,
    /// Most ended runs of one workflow or state machine that are kept.
    pub keep_last: usize,
    /// Most events in the history of one run, at most 1,000,000; past it the run fails.
    pub max_events: u64,
    /// Largest input or output of a state.
    pub max_payload: ByteCount,
    /// The directory whose subdirectories are the buckets that distributed Maps read and write. Empty: none.
    pub data_dir: PathBuf,
    /// URLs beneath which runs may send requests (`http:invoke`). Empty: none.
    #[serde(deserialize_with = "common::settings::list")]
    pub http_allow: Vec<String>,
}

/// Asynchronous calls. A function's `spec.retry` wins over what stands here of attempts.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct InvocationSettings {
    /// Attempts before a call is a dead letter, at least 1.
    pub attempts: u32,
    /// Delay before the second attempt; each further one waits twice as long.
    #[serde(deserialize_with = "duration")]
    pub backoff: Duration,
    /// Longest delay between two attempts.
    #[serde(deserialize_with = "duration")]
    pub max_backoff: Duration,
    /// A call that has not succeeded by this age is a dead letter.
    #[serde(deserialize_with = "duration")]
    pub max_age: Duration,
    /// How long the result of an ended call is kept, and how long an idempotency key counts.
    #[serde(deserialize_with = "duration")]
    pub keep: Duration,
    /// Bytes of all results together, and of the requests of dead letters; the oldest go first.
    pub max_results: ByteCount,
    /// Most calls that wait in the whole cluster.
    pub queue: u64,
    /// Bytes of their bodies together.
    pub queue_bytes: ByteCount,
    /// Attempts at once.
    pub at_once: usize,
    /// Attempts at once of one function.
    pub at_once_per_function: usize,
}

impl InvocationSettings {
    /// How much may wait and be kept.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        Bounds {
            count: self.queue,
            bytes: self.queue_bytes.0,
            results: self.max_results.0,
        }
    }

    /// The rules of attempts.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy {
            attempts: self.attempts.max(1),
            first_delay: self.backoff,
            longest_delay: self.max_backoff,
            max_age: self.max_age,
            keep: self.keep,
        }
    }

    /// Attempts at once.
    #[must_use]
    pub fn width(&self) -> Width {
        Width {
            total: self.at_once.max(1),
            per_function: self.at_once_per_function.max(1),
        }
    }
}

impl Default for InvocationSettings {
    fn default() -> Self {
        let (bounds, policy, width) = (Bounds::default(), Policy::default(), Width::default());
        Self {
            attempts: policy.attempts,
            backoff: policy.first_delay,
            max_backoff: policy.longest_delay,
            max_age: policy.max_age,
            keep: policy.keep,
            max_results: ByteCount(bounds.results),
            queue: bounds.count,
            queue_bytes: ByteCount(bounds.bytes),
            at_once: width.total,
            at_once_per_function: width.per_function,
        }
    }
}

impl Default for RegistryAccess {
    fn default() -> Self {
        Self {
            username: String::new(),
            password_file: PathBuf::new(),
            ca_file: PathBuf::new(),
            prefix: "troupe".to_owned(),
        }
    }
}

impl Default for OwnRegistry {
    fn default() -> Self {
        Self {
            image: "registry:2".to_owned(),
            docker_host: String::new(),
        }
    }
}

/// Nodes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct NodeSettings {
    /// After so long without its agent a node is not ready and takes no new pods.
    #[serde(deserialize_with = "duration")]
    pub not_ready_after: Duration,
    /// After so long beyond that its pods are replaced elsewhere, unless their functions say otherwise.
    #[serde(deserialize_with = "duration")]
    pub replace_after: Duration,
}

impl Default for NodeSettings {
    fn default() -> Self {
        Self {
            not_ready_after: Duration::from_secs(15),
            replace_after: Duration::from_secs(60),
        }
    }
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            max_body: ByteCount(6 << 20),
            max_bodies: ByteCount(1 << 30),
            hold: Duration::from_secs(60),
            queue: 1000,
            local_pods_dir: PathBuf::new(),
            local_pods_uid_first: 200_000,
            local_pods_uid_count: 10_000,
            workers: 0,
        }
    }
}

impl Default for BuildSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(600),
            max_upload: ByteCount(50 << 20),
            max_layer: ByteCount(1 << 30),
            keep_unused: Duration::from_secs(3600),
        }
    }
}

impl Default for StepFunctionsSettings {
    fn default() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            account: "111111111111".to_owned(),
        }
    }
}

impl Default for RunSettings {
    fn default() -> Self {
        Self {
            wait_for_function: Duration::from_secs(60),
            keep: Duration::from_secs(30 * 24 * 3600),
            keep_last: 1000,
            max_events: 25_000,
            max_payload: ByteCount(256 << 10),
            data_dir: PathBuf::new(),
            http_allow: Vec::new(),
        }
    }
}
