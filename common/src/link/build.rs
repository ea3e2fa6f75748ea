use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::resources::Style;

/// The reason of a build that only a node of the wanted architecture can do: the master waits for
/// one.
pub const NEEDS_ARCHITECTURE: &str = "NeedsArchitecture";

/// Turn a function's source into its layer: check the Python, install the requirements, find the
/// entry, pack `/function`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildOrder {
    /// Names the build. The same source and settings give the same id.
    pub id: String,
    /// The function's namespace, for messages.
    pub namespace: String,
    /// The function's name, for messages.
    pub function: String,
    /// The archive (gzipped tar) with the user's files; fetched from the master.
    pub source: Digest,
    /// The entry when the function says.
    pub handler: Option<String>,
    /// The style when the function says.
    pub style: Option<Style>,
    /// Whether it is built for the base with packages preinstalled.
    pub full_base: bool,
    /// The architecture the layer is for: `amd64` or `arm64`. It may differ from the node's: then
    /// wheels are taken for it without running any of its code; where that is not enough the build
    /// fails with [`NEEDS_ARCHITECTURE`].
    pub arch: String,
    /// The Python the layer is for, as `3.11`. Empty: the node's.
    pub python: String,
    /// Longest build, in seconds.
    pub timeout_seconds: u32,
    /// Largest layer, in bytes.
    pub max_layer_bytes: u64,
}

/// News of a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildReport {
    /// The build.
    pub id: String,
    /// Lines of its log since the last report.
    pub log: Vec<String>,
    /// Set in the last report.
    pub outcome: Option<BuildOutcome>,
}

/// How a build ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BuildOutcome {
    /// The layer stands in the master's store.
    Built(Built),
    /// There is no layer.
    Failed(BuildFailure),
}

/// A layer that was built and uploaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    /// Digest of the layer's tar.
    pub layer: Digest,
    /// Its size, in bytes.
    pub size: u64,
    /// The entry that was found.
    pub handler: String,
    /// The style that was found.
    pub style: Style,
    /// Whether it holds machine code, so that it serves only the architecture and the Python that
    /// the order names.
    pub native: bool,
}

/// Why there is no layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildFailure {
    /// One CamelCase word: `SyntaxError`, `NoEntry`, `RequirementsFailed`, `BadSource`, `Timeout`,
    /// [`NEEDS_ARCHITECTURE`].
    pub reason: String,
    /// The same for people: which file and line, what was found, what is wanted.
    pub message: String,
    /// Whether another try may succeed: the network, the disk, a lost node.
    pub transient: bool,
}
