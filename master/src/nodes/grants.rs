use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use common::digest::Digest;
use common::link::{Origin, ToAgent};
use parking_lot::Mutex;

/// Which blobs each node was told of: the only ones it may fetch. What a node is told in one session
/// holds until the next one begins. Cheap to clone.
#[derive(Clone, Default)]
pub struct Grants(Arc<Mutex<HashMap<String, HashSet<Digest>>>>);

impl Grants {
    /// Whether a node may fetch a blob.
    #[must_use]
    pub fn allow(&self, node: &str, digest: &Digest) -> bool {
        self.0
            .lock()
            .get(node)
            .is_some_and(|digests| digests.contains(digest))
    }

    /// Notes what a message tells a node of.
    pub(super) fn note(&self, node: &str, message: &ToAgent) {
        let layer = |origin: &Origin| match origin {
            Origin::Layer { digest, image, .. } => {
                let index = image
                    .as_ref()
                    .and_then(|image| image.rsplit_once('@')?.1.parse().ok());
                [Some(*digest), index].into_iter().flatten().collect()
            }
            Origin::Image { .. } => Vec::new(),
        };
        let told: Vec<Digest> = match message {
            ToAgent::Desired(pods) => pods.iter().flat_map(|pod| layer(&pod.origin)).collect(),
            ToAgent::EnsurePod(pod) => layer(&pod.origin),
            ToAgent::Build(order) => vec![order.source],
            ToAgent::KeepLayers(layers) => layers.iter().map(|layer| layer.digest).collect(),
            _ => return,
        };
        self.0
            .lock()
            .entry(node.to_owned())
            .or_default()
            .extend(told);
    }

    /// A node was given something that names these.
    pub fn extend(&self, node: &str, digests: Vec<Digest>) {
        if let Some(granted) = self.0.lock().get_mut(node) {
            granted.extend(digests);
        }
    }

    /// A session begins: what was told before counts no more.
    pub(super) fn begin(&self, node: &str) {
        self.0.lock().remove(node);
    }
}

#[cfg(test)]
mod tests {
    use common::link::BuildOrder;

    use super::*;

    #[test]
    fn a_node_may_fetch_what_it_was_told_of_and_nothing_else() {
        let grants = Grants::default();
        let source = Digest::of(b"source");
        let order = BuildOrder {
            id: "b".to_owned(),
            namespace: "default".to_owned(),
            function: "f".to_owned(),
            source,
            handler: None,
            style: None,
            full_base: false,
            arch: "amd64".to_owned(),
            python: String::new(),
            timeout_seconds: 1,
            max_layer_bytes: 1,
        };
        grants.note("n1", &ToAgent::Build(Box::new(order)));
        assert!(grants.allow("n1", &source));
        assert!(!grants.allow("n2", &source));
        assert!(!grants.allow("n1", &Digest::of(b"other")));
        grants.begin("n1");
        assert!(!grants.allow("n1", &source));
    }
}
