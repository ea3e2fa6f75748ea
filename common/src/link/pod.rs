use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::resources::Style;

/// A pod an agent shall run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PodAssignment {
    /// Unique over all time; names the pod's directory.
    pub uid: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// The function it is an instance of.
    pub function: String,
    /// The function's revision.
    pub revision: String,
    /// What runs in it.
    pub origin: Origin,
    /// The entry, as the build found it.
    pub handler: Option<String>,
    /// The style, as the build found it.
    pub style: Option<Style>,
    /// Calls at once.
    pub concurrency: u32,
    /// Longest call, in seconds.
    pub timeout_seconds: u32,
    /// Largest request body, in bytes.
    pub max_body_bytes: u64,
    /// Environment with secrets resolved.
    pub env: Vec<(String, String)>,
    /// Cores, in thousandths.
    pub cpu_milli: u64,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Whether it may reach outwards.
    pub egress: bool,
    /// Seconds between SIGTERM and SIGKILL.
    pub grace_seconds: u32,
}

/// What runs in a pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// A function's layer over the function base.
    Layer {
        /// Digest of the layer's tar.
        digest: Digest,
        /// Its size, in bytes.
        size: u64,
        /// Whether it wants the base with packages preinstalled.
        full_base: bool,
        /// `NAME@sha256:INDEX` of base and layer as an image in the cluster's registry, for
        /// containers. `None` when there is none: then the layer is put over the node's own base.
        image: Option<String>,
    },
    /// An image of the user's.
    Image {
        /// Reference by digest.
        reference: String,
        /// The port it serves HTTP on, when not the platform's socket.
        port: Option<u16>,
    },
}

impl Origin {
    /// The port on which it serves HTTP, when not on the platform's socket.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Layer { .. } => None,
            Self::Image { port, .. } => *port,
        }
    }
}

/// Where a pod stands on its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PodState {
    /// Its layer is being fetched.
    Preparing,
    /// Its process or container is starting, or imports the function.
    Starting,
    /// The server inside said that it takes calls.
    Ready,
    /// It was told to end.
    Stopping,
    /// It never came up, or ended by itself.
    Failed,
    /// It was removed with all it had on the node.
    Gone,
}

/// What an agent knows of a pod.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PodReport {
    /// The pod.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: PodState,
    /// One CamelCase word when something is wrong: `ImportError`, `OOMKilled`, `LayerFailed`.
    pub reason: Option<String>,
    /// The same for people.
    pub message: Option<String>,
    /// How its process ended.
    pub exit: Option<Exit>,
    /// The runtime's id of it: a container id, or `process://PID`.
    pub runtime_id: Option<String>,
    /// When the process was started, RFC 3339.
    pub started_at: Option<String>,
    /// What its start cost.
    pub cold: Option<Cold>,
}

impl PodReport {
    /// That it stands so, and nothing else.
    pub fn new(
        uid: impl Into<String>,
        namespace: impl Into<String>,
        name: impl Into<String>,
        state: PodState,
    ) -> Self {
        Self {
            uid: uid.into(),
            namespace: namespace.into(),
            name: name.into(),
            state,
            reason: None,
            message: None,
            exit: None,
            runtime_id: None,
            started_at: None,
            cold: None,
        }
    }

    /// Of a pod that the node knows by its uid only, or not at all.
    #[must_use]
    pub fn gone(uid: &str) -> Self {
        Self::new(uid, "", "", PodState::Gone)
    }
}

/// How a pod's process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// What it returned; 128 plus the signal's number when a signal ended it.
    pub code: i32,
    /// Whether it was ended for using too much memory.
    pub oom: bool,
}

/// What a pod's start cost, in milliseconds by phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cold {
    /// Fetching and unpacking the layer or image.
    pub prepare_ms: f64,
    /// Starting the container or process, until its socket answers.
    pub start_ms: f64,
    /// Importing the function.
    pub import_ms: f64,
    /// Whether it became of a generic pod that waited.
    #[serde(default)]
    pub warm: bool,
}
