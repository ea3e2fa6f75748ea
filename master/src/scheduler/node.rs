use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use common::digest::Digest;
use common::resources::{NO_EXECUTE, NO_SCHEDULE, Node, PREFER_NO_SCHEDULE, Quantity, Taint};

use super::Needs;
use crate::nodes::is_ready;
use crate::platform::Platform;

/// What one more pod of the same function on a node weighs, in thousandths of a full node.
const SPREAD: u64 = 200;
/// What fetching the code first weighs.
const FETCH: u64 = 100;
/// What a taint weighs that only prefers pods to go elsewhere.
const PREFER: u64 = 500;
/// Layers of past pods that are remembered; the node has them still, or had them last.
const REMEMBERED: usize = 64;

/// What a node offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// Whether its agent is heard of and its runtime works.
    pub ready: bool,
    /// Whether it takes no new pods, by `kubectl cordon`.
    pub cordoned: bool,
    /// Its taints.
    pub taints: Vec<Taint>,
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
}

impl NodeFacts {
    /// What a Node object says.
    #[must_use]
    pub fn of(node: &Node) -> Self {
        let amount = |name: &str| {
            let text = node.status.allocatable.get(name)?;
            text.parse::<Quantity>().ok()
        };
        Self {
            ready: is_ready(node),
            cordoned: node.spec.unschedulable,
            taints: node.spec.taints.clone(),
            platform: Platform::of(node),
            labels: node.metadata.labels.clone(),
            cpu_milli: amount("cpu").map_or(0, |q| q.milli()),
            memory_bytes: amount("memory").map_or(0, |q| q.whole()),
            max_pods: amount("pods").map_or(0, |q| u32::try_from(q.whole()).unwrap_or(u32::MAX)),
        }
    }

    /// Whether it takes new pods at all.
    pub(super) fn is_open(&self) -> bool {
        self.ready && !self.cordoned
    }

    pub(super) fn has_labels(&self, needs: &Needs) -> bool {
        let has = |(k, v): (&String, &String)| self.labels.get(k) == Some(v);
        needs.selector.iter().all(has)
    }

    /// The first taint that keeps the pod away.
    pub(super) fn repels(&self, needs: &Needs) -> Option<&Taint> {
        let strict = |taint: &&Taint| taint.effect == NO_SCHEDULE || taint.effect == NO_EXECUTE;
        self.taints
            .iter()
            .filter(strict)
            .find(|taint| !tolerates(needs, taint))
    }

    pub(super) fn runs(&self, needs: &Needs) -> bool {
        let made = needs.platforms.as_ref();
        made.is_none_or(|made| made.iter().any(|made| made.serves(&self.platform)))
    }
}

fn tolerates(needs: &Needs, taint: &Taint) -> bool {
    needs
        .tolerations
        .iter()
        .any(|toleration| toleration.tolerates(taint))
}

/// What pods take of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Cores that pods may take at most, in thousandths.
    pub cpu_milli: u64,
    /// Memory that pods reserve, in bytes.
    pub memory_bytes: u64,
    /// Pods on it.
    pub pods: u32,
    /// Of each function so many.
    pub functions: HashMap<Arc<str>, u32>,
    /// Code of pods that are or were there, and which came later.
    code: HashMap<Digest, u64>,
    turns: u64,
}

impl Usage {
    pub(super) fn add(&mut self, taken: &super::Taken) {
        self.cpu_milli += taken.cpu_milli;
        self.memory_bytes += taken.memory_bytes;
        self.pods += 1;
        *self
            .functions
            .entry(Arc::clone(&taken.function))
            .or_default() += 1;
        if let Some(code) = taken.code {
            self.turns += 1;
            self.code.insert(code, self.turns);
            if self.code.len() > REMEMBERED {
                let oldest = self.code.iter().min_by_key(|(_, turn)| **turn);
                if let Some(oldest) = oldest.map(|(code, _)| *code) {
                    self.code.remove(&oldest);
                }
            }
        }
    }

    pub(super) fn subtract(&mut self, taken: &super::Taken) {
        self.cpu_milli = self.cpu_milli.saturating_sub(taken.cpu_milli);
        self.memory_bytes = self.memory_bytes.saturating_sub(taken.memory_bytes);
        self.pods = self.pods.saturating_sub(1);
        if let Some(count) = self.functions.get_mut(&taken.function) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.functions.remove(&taken.function);
            }
        }
    }

    fn has_code(&self, needs: &Needs) -> bool {
        needs.code.is_empty() || needs.code.iter().any(|code| self.code.contains_key(code))
    }
}

/// Memory that pods may still reserve, in bytes.
pub(super) fn free(facts: &NodeFacts, usage: &Usage) -> u64 {
    facts.memory_bytes.saturating_sub(usage.memory_bytes)
}

/// Whether the node takes one more pod, however small.
pub(super) fn has_place(facts: &NodeFacts, usage: &Usage) -> bool {
    usage.pods < facts.max_pods
}

/// Whether there is room for the pod.
pub(super) fn has_room(facts: &NodeFacts, usage: &Usage, needs: &Needs) -> bool {
    has_place(facts, usage) && free(facts, usage) >= needs.memory_bytes
}

/// How full the scarcer of cores and memory is with so much more, in thousandths.
pub(super) fn fullness(facts: &NodeFacts, usage: &Usage, cpu_milli: u64, memory_bytes: u64) -> u64 {
    let share = |taken: u64, of: u64| taken.saturating_mul(1000) / of.max(1);
    let cpu = share(usage.cpu_milli + cpu_milli, facts.cpu_milli);
    let memory = share(usage.memory_bytes + memory_bytes, facts.memory_bytes);
    cpu.max(memory)
}

/// What speaks against the node for the pod, in thousandths of a full node; the least wins.
pub(super) fn cost(facts: &NodeFacts, usage: &Usage, needs: &Needs) -> u64 {
    let alike = usage.functions.get(&needs.function).copied().unwrap_or(0);
    let unwanted = facts
        .taints
        .iter()
        .filter(|taint| taint.effect == PREFER_NO_SCHEDULE && !tolerates(needs, taint))
        .count();
    let fetch = if usage.has_code(needs) { 0 } else { FETCH };
    fullness(facts, usage, needs.cpu_milli, needs.memory_bytes)
        + SPREAD * u64::from(alike)
        + PREFER * u64::try_from(unwanted).unwrap_or(u64::MAX >> 16)
        + fetch
}
