//! The two ways to a pod: from nothing, and from a generic one.

use crate::node::{Node, node_with};

/// A node on which pods come up the way that a module's name tells.
pub(crate) async fn node(module: &str, settings: &[(&str, &str)]) -> Option<Node> {
    if !module.ends_with("warm_pods") {
        return node_with(settings).await;
    }
    let mut all = vec![("POOL__SIZE", "2"), ("POOL__MAX", "3")];
    all.extend(settings);
    node_with(&all).await
}
