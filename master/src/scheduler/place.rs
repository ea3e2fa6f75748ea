use std::collections::{BTreeMap, BTreeSet};

use crate::platform::Platform;

/// What a pod takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Cores, in thousandths. A limit, not a reservation: it only weighs.
    pub cpu_milli: u64,
    /// Memory, in bytes. Reserved.
    pub memory_bytes: u64,
    /// Labels the node must have.
    pub selector: BTreeMap<String, String>,
    /// What there are layers for; `None` when the layer serves all nodes.
    pub platforms: Option<BTreeSet<Platform>>,
}

/// A node as the scheduler sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeView {
    /// The node's name.
    pub name: String,
    /// Whether its agent is heard of and its runtime works.
    pub ready: bool,
    /// Whether it takes no new pods, by `kubectl cordon` or a taint.
    pub closed: bool,
    /// What it runs machine code of.
    pub platform: Platform,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Cores, in thousandths.
    pub cpu_milli: u64,
    /// Memory for pods, in bytes.
    pub memory_bytes: u64,
    /// Most pods.
    pub max_pods: u32,
    /// Cores that pods may take at most, in thousandths.
    pub cpu_taken: u64,
    /// Memory that pods reserve, in bytes.
    pub memory_taken: u64,
    /// Pods on it.
    pub pods: u32,
}

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
    /// All are full.
    #[error(
        "all {nodes} nodes that fit are full: the pod wants {wanted_mib} MiB, the roomiest has {free_mib} MiB free"
    )]
    Full {
        /// Nodes that fit otherwise.
        nodes: usize,
        /// Memory the pod wants.
        wanted_mib: u64,
        /// Memory the roomiest node has.
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
            Self::NoLayer { .. } => "NoLayer",
            Self::TooLarge { .. } => "PodTooLarge",
            Self::Full { .. } => "NoCapacity",
        }
    }
}

/// The node for a pod: among those that fit, the one whose scarcer resource stays freest; among
/// equals, the first by name.
///
/// # Errors
/// When none fits, with the reason that ruled out the last candidates.
pub fn place<'a>(
    nodes: impl IntoIterator<Item = &'a NodeView>,
    needs: &Needs,
) -> Result<&'a str, Unschedulable> {
    let nodes: Vec<_> = nodes.into_iter().collect();
    if nodes.is_empty() {
        return Err(Unschedulable::NoNodes);
    }
    let open: Vec<_> = nodes
        .iter()
        .filter(|node| node.ready && !node.closed)
        .collect();
    if open.is_empty() {
        return Err(Unschedulable::NoneReady(nodes.len()));
    }
    let matches = |node: &NodeView| {
        needs
            .selector
            .iter()
            .all(|(k, v)| node.labels.get(k) == Some(v))
    };
    let matching: Vec<_> = open.into_iter().filter(|node| matches(node)).collect();
    if matching.is_empty() {
        let words: Vec<_> = needs
            .selector
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        return Err(Unschedulable::NoMatch(words.join(",")));
    }
    let runs = |node: &&NodeView| {
        let made = needs.platforms.as_ref();
        made.is_none_or(|made| made.iter().any(|made| made.serves(&node.platform)))
    };
    let able: Vec<_> = matching.iter().copied().filter(|node| runs(node)).collect();
    if able.is_empty() {
        let made = needs.platforms.iter().flatten();
        let made: Vec<_> = made.map(ToString::to_string).collect();
        return Err(Unschedulable::NoLayer {
            nodes: matching.len(),
            made: made.join(", "),
        });
    }
    let matching = able;
    let largest = matching.iter().map(|node| node.memory_bytes).max();
    if let Some(largest) = largest.filter(|largest| *largest < needs.memory_bytes) {
        return Err(Unschedulable::TooLarge {
            nodes: matching.len(),
            wanted_mib: needs.memory_bytes >> 20,
            largest_mib: largest >> 20,
        });
    }
    let free = |node: &NodeView| node.memory_bytes.saturating_sub(node.memory_taken);
    matching
        .iter()
        .filter(|node| node.pods < node.max_pods && free(node) >= needs.memory_bytes)
        .min_by_key(|node| (pressure(node, needs), node.name.as_str()))
        .map(|node| node.name.as_str())
        .ok_or_else(|| Unschedulable::Full {
            nodes: matching.len(),
            wanted_mib: needs.memory_bytes >> 20,
            free_mib: matching.iter().map(|node| free(node)).max().unwrap_or(0) >> 20,
        })
}

/// How full the scarcer of cores and memory gets, in thousandths.
fn pressure(node: &NodeView, needs: &Needs) -> u64 {
    let share = |taken: u64, of: u64| taken.saturating_mul(1000) / of.max(1);
    let cpu = share(node.cpu_taken + needs.cpu_milli, node.cpu_milli);
    let memory = share(node.memory_taken + needs.memory_bytes, node.memory_bytes);
    cpu.max(memory)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(name: &str, taken_mib: u64) -> NodeView {
        NodeView {
            name: name.into(),
            ready: true,
            cpu_milli: 4000,
            memory_bytes: 1 << 30,
            memory_taken: taken_mib << 20,
            max_pods: 10,
            ..NodeView::default()
        }
    }

    fn needs(mib: u64) -> Needs {
        Needs {
            memory_bytes: mib << 20,
            ..Needs::default()
        }
    }

    #[test]
    fn the_emptier_node_wins() {
        let nodes = [node("a", 512), node("b", 100)];
        assert_eq!(place(&nodes, &needs(256)), Ok("b"));
    }

    #[test]
    fn each_refusal_says_what_rules_the_nodes_out() {
        assert_eq!(place(&[], &needs(1)), Err(Unschedulable::NoNodes));
        let closed = NodeView {
            closed: true,
            ..node("a", 0)
        };
        assert_eq!(
            place(&[closed], &needs(1)),
            Err(Unschedulable::NoneReady(1))
        );
        let arm = Needs {
            selector: BTreeMap::from([("kubernetes.io/arch".into(), "arm64".into())]),
            ..needs(1)
        };
        assert!(matches!(
            place(&[node("a", 0)], &arm),
            Err(Unschedulable::NoMatch(_))
        ));
        let full = place(&[node("a", 1000)], &needs(256)).unwrap_err();
        assert_eq!(
            full,
            Unschedulable::Full {
                nodes: 1,
                wanted_mib: 256,
                free_mib: 24
            }
        );
    }

    #[test]
    fn machine_code_goes_only_where_it_runs() {
        let arm = NodeView {
            platform: Platform::new("arm64", "3.11"),
            ..node("a", 0)
        };
        let amd = NodeView {
            platform: Platform::new("amd64", "3.11"),
            ..node("b", 1000)
        };
        let made = |platforms: &[(&str, &str)]| Needs {
            platforms: Some(platforms.iter().map(|(a, p)| Platform::new(a, p)).collect()),
            ..needs(1)
        };
        let nodes = [arm, amd];
        assert_eq!(place(&nodes, &made(&[("amd64", "3.11")])), Ok("b"));
        assert_eq!(
            place(&nodes, &made(&[("amd64", "3.11"), ("arm64", "")])),
            Ok("a")
        );
        let other = place(&nodes, &made(&[("amd64", "3.13")])).unwrap_err();
        assert_eq!(other.reason(), "NoLayer");
        assert!(other.to_string().contains("amd64 with Python 3.13"));
        assert_eq!(
            place(&nodes, &needs(2048)).unwrap_err().reason(),
            "PodTooLarge"
        );
    }

    proptest! {
        #[test]
        fn a_placed_pod_always_fits(taken in prop::collection::vec(0_u64..1100, 1..8), mib in 1_u64..1100) {
            let nodes: Vec<_> =
                taken.iter().enumerate().map(|(i, t)| node(&format!("n{i}"), *t)).collect();
            match place(&nodes, &needs(mib)) {
                Ok(name) => {
                    let chosen = nodes.iter().find(|n| n.name == name).unwrap();
                    prop_assert!(chosen.memory_taken + (mib << 20) <= chosen.memory_bytes);
                }
                Err(_) => prop_assert!(taken.iter().all(|t| t + mib > 1024)),
            }
        }
    }
}
