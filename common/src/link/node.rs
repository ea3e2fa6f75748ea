use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::resources::Base;

/// Who an agent is and what its machine offers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// The node's name; the same as in the agent's certificate.
    pub node: String,
    /// Version of the agent.
    pub version: String,
    /// `amd64` or `arm64`.
    pub arch: String,
    /// The Python that pods run on, as `3.11`: that of the function base, or of the host. Empty when
    /// it is not known.
    pub python: String,
    /// The function bases that the node's container engine has. Empty without one.
    pub bases: Vec<BaseImage>,
    /// The runtime that starts the pods.
    pub runtime: RuntimeKind,
    /// Version of the runtime: Docker's engine, or Python.
    pub runtime_version: String,
    /// Whether pods are kept apart from each other and from the machine.
    pub isolated: bool,
    /// What is missing when they are not, for people.
    pub isolation_message: String,
    /// Why no generic pods wait for functions on this node, for people; none when they do.
    #[serde(default)]
    pub no_warm_pods: Option<String>,
    /// Cores, in thousandths.
    pub cpu_milli: u64,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Most pods at once.
    pub max_pods: u32,
    /// `/etc/machine-id`, so that the master knows whether it shares the machine.
    pub machine_id: String,
    /// Changes at each boot.
    pub boot_id: String,
    /// Kernel release.
    pub kernel: String,
    /// Name of the distribution.
    pub os_image: String,
    /// `host:port` of the agent's data plane (mutual TLS): calls, logs.
    pub data_addr: String,
    /// Labels of the node.
    pub labels: BTreeMap<String, String>,
}

/// A function base as an image of a node's container engine. Its parts are blobs: where
/// [`Welcome::registry`] says so, the agent uploads those that the master lacks, so that the master
/// can lay functions over them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseImage {
    /// Which of the bases.
    pub flavour: Base,
    /// Digest of its OCI image config.
    pub config: Digest,
    /// Its layers, lowest first.
    pub layers: Vec<BaseLayer>,
}

/// One layer of a [`BaseImage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseLayer {
    /// Digest of its uncompressed tar (the config's `diff_id`).
    pub digest: Digest,
    /// Size of that tar, in bytes.
    pub size: u64,
}

/// A function's layer that a node should have before it is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerToKeep {
    /// Digest of the layer's tar.
    pub digest: Digest,
    /// Its size, in bytes.
    pub size: u64,
}

/// What starts a node's pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeKind {
    /// Containers.
    Docker,
    /// Child processes.
    Process,
}

impl RuntimeKind {
    /// The word in settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Process => "process",
        }
    }
}

/// What a node uses right now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeUsage {
    /// Memory in use on the machine, in bytes.
    pub memory_bytes: u64,
    /// Free space where layers are kept, in bytes.
    pub disk_free_bytes: u64,
    /// Pods that are not gone.
    pub pods: u32,
}

/// The master accepts a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Version of the master.
    pub version: String,
    /// Counts the master's starts; what an older one still sends is stale.
    pub epoch: u64,
    /// Whether the cluster has a registry: then an agent whose Hello names bases uploads their
    /// configs and layers (`PUT /blobs/DIGEST`) where `HEAD` says 404.
    pub registry: bool,
}
