/// No node takes the pod.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unschedulable {
    /// No agent has joined.
    #[error(
        "the cluster has no node; start one: node-agent --master URL --token \"$(master token create)\""
    )]
    NoNodes,
    /// None is ready and open.
    #[error("none of the {0} nodes is ready and open for pods; run: kubectl get nodes")]
    NoneReady(usize),
    /// No ready node has the labels.
    #[error("no ready node has the labels {0}; run: kubectl get nodes --show-labels")]
    NoMatch(String),
    /// All that fit have taints that the function does not put up with.
    #[error(
        "all {nodes} nodes that fit keep the function away by taints ({taints}); add spec.tolerations, or take \
         the taint away: kubectl taint nodes NODE KEY-"
    )]
    Tainted {
        /// Nodes that fit otherwise.
        nodes: usize,
        /// Their taints.
        taints: String,
    },
    /// The function's layer is machine code for others.
    #[error(
        "none of the {nodes} nodes that fit can run the function's machine code, which is there for \
         {made}; a layer for them is built on its own, see: kubectl describe function"
    )]
    NoLayer {
        /// Nodes that fit otherwise.
        nodes: usize,
        /// What there are layers for.
        made: String,
    },
    /// No node is large enough, even if it were empty.
    #[error(
        "the pod wants {wanted_mib} MiB, more than the largest of the {nodes} nodes that fit has \
         ({largest_mib} MiB); lower spec.resources.memory or add a larger node"
    )]
    TooLarge {
        /// Nodes that fit otherwise.
        nodes: usize,
        /// Memory the pod wants.
        wanted_mib: u64,
        /// Memory of the largest node.
        largest_mib: u64,
    },
    /// All have as many pods as they take.
    #[error(
        "all {nodes} nodes that fit have as many pods as they take ({pods} together); raise pods.max of an agent or \
         add a node"
    )]
    NoPlaces {
        /// Nodes that fit otherwise.
        nodes: usize,
        /// Pods that they take.
        pods: u64,
    },
    /// All are full.
    #[error(
        "all {nodes} nodes that fit are full: the pod wants {wanted_mib} MiB, the roomiest has {free_mib} MiB free"
    )]
    Full {
        /// Nodes that fit otherwise.
        nodes: usize,
        /// Memory the pod wants.
        wanted_mib: u64,
        /// Memory the roomiest node has that takes more pods.
        free_mib: u64,
    },
}

impl Unschedulable {
    /// One CamelCase word.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoNodes => "NoNodes",
            Self::NoneReady(_) => "NodesNotReady",
            Self::NoMatch(_) => "NoMatchingNode",
            Self::Tainted { .. } => "NodesTainted",
            Self::NoLayer { .. } => "NoLayer",
            Self::TooLarge { .. } => "PodTooLarge",
            Self::NoPlaces { .. } | Self::Full { .. } => "NoCapacity",
        }
    }
}
