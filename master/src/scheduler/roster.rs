use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use common::digest::Digest;

use super::node::{NodeFacts, Usage, cost, free, fullness, has_place, has_room};
use super::{Needs, Unschedulable};

/// Nodes that are compared for one pod: the emptiest that fit. More would hardly be better, and a
/// cluster of a thousand nodes would be looked through for every pod.
const CANDIDATES: usize = 16;

/// What a pod takes, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The node.
    pub node: Arc<str>,
    /// Whose pod it is, as `NAMESPACE/NAME`.
    pub function: Arc<str>,
    /// Cores, in thousandths.
    pub cpu_milli: u64,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// What the node fetched for it.
    pub code: Option<Digest>,
}

/// What nodes offer and pods take. Pure.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    nodes: BTreeMap<Arc<str>, Seat>,
    /// Nodes that take new pods, the emptiest first.
    order: BTreeSet<(u64, Arc<str>)>,
    /// What each pod takes, by its name.
    taken: HashMap<String, Taken>,
}

/// A node; without facts one that has pods but no object.
#[derive(Clone, Debug, Default)]
struct Seat {
    facts: Option<NodeFacts>,
    usage: Usage,
    /// Where it stands in the order.
    rank: Option<u64>,
}

impl Seat {
    fn rank(&self) -> Option<u64> {
        let facts = self.facts.as_ref().filter(|facts| facts.is_open())?;
        Some(fullness(facts, &self.usage, 0, 0))
    }
}

impl Roster {
    /// A node is this now.
    pub fn set(&mut self, name: &str, facts: NodeFacts) {
        self.change(name, |seat| seat.facts = Some(facts));
    }

    /// A node is gone.
    pub fn remove(&mut self, name: &str) {
        self.change(name, |seat| seat.facts = None);
    }

    /// Forgets all nodes but these.
    pub fn keep(&mut self, known: &BTreeSet<&str>) {
        let gone = self.nodes.keys().filter(|name| !known.contains(&***name));
        for name in gone.cloned().collect::<Vec<_>>() {
            self.remove(&name);
        }
    }

    /// What a node offers.
    #[must_use]
    pub fn facts(&self, name: &str) -> Option<&NodeFacts> {
        self.nodes.get(name)?.facts.as_ref()
    }

    /// What pods take of a node.
    #[must_use]
    pub fn usage(&self, name: &str) -> Option<&Usage> {
        self.nodes.get(name).map(|seat| &seat.usage)
    }

    /// The pods that are known.
    pub fn pods(&self) -> impl Iterator<Item = (&String, &Taken)> {
        self.taken.iter()
    }

    /// A pod takes this.
    pub fn take(&mut self, pod: String, taken: Taken) {
        if self.taken.get(&pod) == Some(&taken) {
            return;
        }
        self.release(&pod);
        self.change(&taken.node, |seat| seat.usage.add(&taken));
        self.taken.insert(pod, taken);
    }

    /// A pod is gone.
    pub fn release(&mut self, pod: &str) {
        if let Some(taken) = self.taken.remove(pod) {
            self.change(&taken.node, |seat| seat.usage.subtract(&taken));
        }
    }

    fn change(&mut self, name: &str, change: impl FnOnce(&mut Seat)) {
        let name: Arc<str> = match self.nodes.get_key_value(name) {
            Some((known, _)) => Arc::clone(known),
            None => Arc::from(name),
        };
        let seat = self.nodes.entry(Arc::clone(&name)).or_default();
        change(seat);
        let (old, new) = (seat.rank, seat.rank());
        seat.rank = new;
        if seat.facts.is_none() && seat.usage.pods == 0 {
            self.nodes.remove(&name);
        }
        if old == new {
            return;
        }
        if let Some(rank) = old {
            self.order.remove(&(rank, Arc::clone(&name)));
        }
        if let Some(rank) = new {
            self.order.insert((rank, name));
        }
    }

    /// The node for a pod: of the emptiest that fit, the one that costs least, see
    /// [`cost`]; among equals, the first by name.
    ///
    /// # Errors
    /// When none fits, with the reason that ruled out the last candidates.
    pub fn place(&self, needs: &Needs) -> Result<&Arc<str>, Unschedulable> {
        let open = self.order.iter().filter_map(|(_, name)| {
            let seat = self.nodes.get(name)?;
            Some((name, seat.facts.as_ref()?, &seat.usage))
        });
        let fits = |facts: &NodeFacts, usage: &Usage| {
            has_room(facts, usage, needs)
                && facts.runs(needs)
                && facts.has_labels(needs)
                && facts.repels(needs).is_none()
        };
        open.filter(|(_, facts, usage)| fits(facts, usage))
            .take(CANDIDATES)
            .min_by_key(|(name, facts, usage)| (cost(facts, usage, needs), *name))
            .map(|(name, ..)| name)
            .ok_or_else(|| self.explain(needs))
    }

    /// Why no node takes the pod.
    fn explain(&self, needs: &Needs) -> Unschedulable {
        let known = self.nodes.values();
        let known = known.filter_map(|seat| Some((seat.facts.as_ref()?, &seat.usage)));
        let known: Vec<_> = known.collect();
        if known.is_empty() {
            return Unschedulable::NoNodes;
        }
        let all = known.len();
        let open = narrow(&known, NodeFacts::is_open);
        if open.is_empty() {
            return Unschedulable::NoneReady(all);
        }
        let matching = narrow(&open, |facts| facts.has_labels(needs));
        if matching.is_empty() {
            let words = needs.selector.iter().map(|(k, v)| format!("{k}={v}"));
            return Unschedulable::NoMatch(words.collect::<Vec<_>>().join(","));
        }
        let welcome = narrow(&matching, |facts| facts.repels(needs).is_none());
        if welcome.is_empty() {
            let taints = matching.iter().filter_map(|(facts, _)| facts.repels(needs));
            let taints: BTreeSet<_> = taints.map(ToString::to_string).collect();
            return Unschedulable::Tainted {
                nodes: matching.len(),
                taints: taints.into_iter().collect::<Vec<_>>().join(", "),
            };
        }
        let able = narrow(&welcome, |facts| facts.runs(needs));
        if able.is_empty() {
            let made = needs.platforms.iter().flatten().map(ToString::to_string);
            return Unschedulable::NoLayer {
                nodes: welcome.len(),
                made: made.collect::<Vec<_>>().join(", "),
            };
        }
        let wanted_mib = needs.memory_bytes >> 20;
        let largest = able.iter().map(|(facts, _)| facts.memory_bytes).max();
        if let Some(largest) = largest.filter(|largest| *largest < needs.memory_bytes) {
            return Unschedulable::TooLarge {
                nodes: able.len(),
                wanted_mib,
                largest_mib: largest >> 20,
            };
        }
        let open = able.iter().filter(|(facts, usage)| has_place(facts, usage));
        match open.map(|(facts, usage)| free(facts, usage)).max() {
            None => Unschedulable::NoPlaces {
                nodes: able.len(),
                pods: able
                    .iter()
                    .map(|(facts, _)| u64::from(facts.max_pods))
                    .sum(),
            },
            Some(free) => Unschedulable::Full {
                nodes: able.len(),
                wanted_mib,
                free_mib: free >> 20,
            },
        }
    }
}

/// A node with facts.
type Known<'a> = (&'a NodeFacts, &'a Usage);

fn narrow<'a>(nodes: &[Known<'a>], fits: impl Fn(&NodeFacts) -> bool) -> Vec<Known<'a>> {
    nodes
        .iter()
        .filter(|(facts, _)| fits(facts))
        .copied()
        .collect()
}
