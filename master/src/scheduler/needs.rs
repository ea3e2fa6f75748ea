use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use common::digest::Digest;
use common::link::Origin;
use common::resources::Toleration;

use crate::platform::Platform;

/// What a pod takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Whose pod it is, as `NAMESPACE/NAME`: the pods of one function are spread over nodes.
    pub function: Arc<str>,
    /// Cores, in thousandths. A limit, not a reservation: it only weighs.
    pub cpu_milli: u64,
    /// Memory, in bytes. Reserved.
    pub memory_bytes: u64,
    /// Labels the node must have.
    pub selector: BTreeMap<String, String>,
    /// Taints it puts up with.
    pub tolerations: Vec<Toleration>,
    /// What there are layers for; `None` when the layer serves all nodes.
    pub platforms: Option<BTreeSet<Platform>>,
    /// What its nodes fetch, see [`code_of`]. A node that has any of it starts the pod sooner.
    pub code: Vec<Digest>,
}

/// Names what a node fetches for a pod: the layer, or the image.
#[must_use]
pub fn code_of(origin: &Origin) -> Digest {
    match origin {
        Origin::Layer { digest, .. } => *digest,
        Origin::Image { reference, .. } => Digest::of(reference.as_bytes()),
    }
}
