use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use common::resources::Node;
use rustls_pki_types::ServerName;

use super::hello::DATA_ADDRESS_ANNOTATION;
use crate::upstream::{NodeLink, Reach};

/// How the nodes are reached. Read by many, written by the room of the nodes. Cheap to clone.
#[derive(Clone)]
pub struct NodeBook {
    links: Arc<ArcSwap<HashMap<String, Entry>>>,
    tls: Arc<rustls::ClientConfig>,
    epoch: u64,
    local: Option<Arc<LocalPods>>,
}

/// Pods on the master's own machine, whose sockets the gateway may use.
#[derive(Clone, Debug)]
pub struct LocalPods {
    /// The agent's directory of pods; from the master's settings, never from an agent.
    pub directory: PathBuf,
    /// This machine's id: a node with another one is elsewhere.
    pub machine_id: String,
    /// Users that pods run as.
    pub owners: Vec<RangeInclusive<u32>>,
}

#[derive(Clone)]
struct Entry {
    link: Arc<NodeLink>,
    machine_id: String,
}

impl NodeBook {
    /// A book without nodes. `tls` carries the master's certificate for the agents' data planes, `epoch` is that of its
    /// lead; 0 for one that does not lead: agents take no calls from it.
    #[must_use]
    pub fn new(tls: Arc<rustls::ClientConfig>, epoch: u64, local: Option<LocalPods>) -> Self {
        Self {
            links: Arc::default(),
            tls,
            epoch,
            local: local.map(Arc::new),
        }
    }

    /// How a pod on a node is reached; `None` for a node nobody knows.
    #[must_use]
    pub fn reach(&self, node: &str, uid: &str) -> Option<Reach> {
        let links = self.links.load();
        let entry = links.get(node)?;
        let plain = |uid: &str| {
            !uid.is_empty() && uid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        match &self.local {
            Some(local)
                if local.machine_id == entry.machine_id
                    && plain(uid)
                    // Another agent of this machine keeps its pods elsewhere, and a pod that serves on
                    // a port of its own network has no socket: only its agent gets in there.
                    && local.directory.join(uid).join("run").is_dir() =>
            {
                Some(Reach::Local {
                    directory: local.directory.join(uid).join("run"),
                    owners: local.owners.clone(),
                })
            }
            _ => Some(Reach::Node(Arc::clone(&entry.link))),
        }
    }

    /// The data plane of a node's agent.
    #[must_use]
    pub fn link(&self, node: &str) -> Option<Arc<NodeLink>> {
        self.links
            .load()
            .get(node)
            .map(|entry| Arc::clone(&entry.link))
    }

    /// Notes where a node is.
    pub(super) fn set(&self, node: &Node) {
        let name = &node.metadata.name;
        let address = node.metadata.annotations.get(DATA_ADDRESS_ANNOTATION);
        let (Some(address), Ok(server_name)) = (address, ServerName::try_from(name.clone())) else {
            return;
        };
        let machine_id = node
            .status
            .node_info
            .as_ref()
            .map(|info| info.machine_id.clone())
            .unwrap_or_default();
        let known = self.links.load().get(name).cloned();
        let link = match known {
            Some(entry) => {
                // An agent may come back on another port; the pods' endpoints hold this very link.
                entry.link.move_to(address);
                if entry.machine_id == machine_id {
                    return;
                }
                entry.link
            }
            None => {
                let tls = Arc::clone(&self.tls);
                Arc::new(NodeLink::new(address.clone(), server_name, tls, self.epoch))
            }
        };
        self.links.rcu(|links| {
            let mut links = HashMap::clone(links);
            links.insert(
                name.clone(),
                Entry {
                    link: Arc::clone(&link),
                    machine_id: machine_id.clone(),
                },
            );
            links
        });
    }

    /// Forgets a node.
    pub(super) fn remove(&self, name: &str) {
        self.links.rcu(|links| {
            let mut links = HashMap::clone(links);
            links.remove(name);
            links
        });
    }
}
