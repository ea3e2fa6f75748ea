//! What machine code is made for: nodes have one, layers with machine code are for one.

use std::fmt;

use common::resources::{FunctionLayer, Node};
use serde::{Deserialize, Serialize};

/// The label of a node that names the Python its pods run on.
pub const PYTHON_LABEL: &str = "troupe.dev/python";
/// The label of a node that names its architecture.
pub const ARCH_LABEL: &str = "kubernetes.io/arch";

/// What machine code is made for: an architecture and a Python.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// `amd64` or `arm64`.
    pub arch: String,
    /// Such as `3.11`. Empty when it is not known, or any will do.
    pub python: String,
}

impl Platform {
    /// A platform.
    #[must_use]
    pub fn new(arch: &str, python: &str) -> Self {
        Self {
            arch: arch.to_owned(),
            python: python.to_owned(),
        }
    }

    /// What a node's agent said of it.
    #[must_use]
    pub fn of(node: &Node) -> Self {
        let arch = node.status.node_info.as_ref();
        let python = node.metadata.labels.get(PYTHON_LABEL);
        Self {
            arch: arch
                .map(|info| info.architecture.clone())
                .unwrap_or_default(),
            python: python.cloned().unwrap_or_default(),
        }
    }

    /// The one a layer was built for; `None` for a layer that serves all.
    #[must_use]
    pub fn of_layer(layer: &FunctionLayer) -> Option<Self> {
        Some(Self {
            arch: layer.architecture.clone()?,
            python: layer.python.clone().unwrap_or_default(),
        })
    }

    /// Whether code for `self` runs on `node`; an empty Python stands for any.
    #[must_use]
    pub fn serves(&self, node: &Self) -> bool {
        self.arch == node.arch && (self.python.is_empty() || self.python == node.python)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.python.as_str() {
            "" => write!(f, "{}", self.arch),
            python => write!(f, "{} with Python {python}", self.arch),
        }
    }
}
